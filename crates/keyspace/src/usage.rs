//! What the 32 bits of an entry say about its use, and what eviction makes of them.
//!
//! ```text
//! LastUse    sixteenths of a second at the last use, wrapping after eight years
//! Frequency  minutes at the last use, 16 bits | 256ths of that minute, 8 bits | counter, 8 bits
//! ```
//!
//! Who reads the word decides what it means by the policy then in force, as with the peers: after a change of policy the
//! words of keys that nobody used since say nothing.

use base::UnixMs;

use crate::table::EntryRef;
use crate::value::Object;

/// The counter of a new key, so that it is not the first to go.
const COUNTER_NEW: u32 = 5;

/// Steps of the clock of the last use in a second.
const TICKS_PER_SECOND: u32 = 16;

/// What is kept of the use of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tracking {
    /// When each was used last.
    #[default]
    LastUse,
    /// How often each is used, on a logarithmic scale.
    Frequency {
        /// `lfu-log-factor`: the higher, the more uses a step of the counter takes.
        log_factor: u32,
        /// `lfu-decay-time`: an unused key's counter goes down by one in so many minutes; 0: never.
        decay_minutes: u32,
    },
}

/// Makes words and reads them, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsageClock {
    tracking: Tracking,
    /// The word of a key that comes to be now.
    new_word: u32,
}

impl UsageClock {
    /// A clock at this moment.
    pub fn new(tracking: Tracking, now: UnixMs) -> UsageClock {
        let millis = now.0 as u64;
        let new_word = match tracking {
            Tracking::LastUse => (millis * u64::from(TICKS_PER_SECOND) / 1000) as u32,
            Tracking::Frequency { .. } => ((millis * 256 / 60_000) as u32) << 8 | COUNTER_NEW,
        };
        UsageClock { tracking, new_word }
    }

    /// What is kept.
    pub fn tracking(&self) -> Tracking {
        self.tracking
    }

    /// The same clock at another moment.
    pub fn at(&self, now: UnixMs) -> UsageClock {
        UsageClock::new(self.tracking, now)
    }

    /// Whether words count uses.
    #[inline]
    pub fn counts_uses(&self) -> bool {
        self.tracking != Tracking::LastUse
    }

    /// The word of a new key.
    #[inline]
    pub fn new_word(&self) -> u32 {
        self.new_word
    }

    /// The word of an entry after one more use.
    #[inline]
    pub(crate) fn after_use(&self, entry: &EntryRef<'_, Object>, rng: &mut fastrand::Rng) -> u32 {
        if self.counts_uses() { self.used(entry.lru(), rng) } else { self.new_word }
    }

    fn used(&self, word: u32, rng: &mut fastrand::Rng) -> u32 {
        match self.tracking {
            Tracking::LastUse => self.new_word,
            Tracking::Frequency { log_factor, .. } => self.time() | self.one_more(self.counter(word), log_factor, rng),
        }
    }

    /// A counter after one more use: the higher it is the less likely it goes up.
    fn one_more(&self, counter: u32, log_factor: u32, rng: &mut fastrand::Rng) -> u32 {
        let above_new = f64::from(counter.saturating_sub(COUNTER_NEW));
        let chance = 1.0 / (above_new * f64::from(log_factor) + 1.0);
        if counter < 255 && rng.f64() < chance { counter + 1 } else { counter }
    }

    /// The word of a key of which a file or RESTORE says how long it was idle, in seconds, or how often it was used.
    pub fn word_of(&self, idle_s: Option<u64>, frequency: Option<u8>) -> u32 {
        match self.tracking {
            Tracking::LastUse => {
                let ticks = idle_s.unwrap_or(0).saturating_mul(u64::from(TICKS_PER_SECOND));
                self.new_word.wrapping_sub(ticks.min(i32::MAX as u64) as u32)
            }
            Tracking::Frequency { .. } => self.time() | frequency.map_or(COUNTER_NEW, u32::from),
        }
    }

    /// For how many seconds a key was not used, where that is kept. One that is used by others meanwhile may seem to be of
    /// the future; its idle time is 0.
    pub fn idle_seconds(&self, word: u32) -> u32 {
        self.idle_ticks(word) / TICKS_PER_SECOND
    }

    /// The counter of a key as of now, where uses are counted.
    pub fn frequency(&self, word: u32) -> u8 {
        self.counter(word) as u8
    }

    /// How well a key does for eviction: the one with the highest score goes first. Of keys that are used equally often,
    /// the one that was used last stays.
    #[inline]
    pub fn score(&self, word: u32) -> u64 {
        match self.tracking {
            Tracking::LastUse => u64::from(self.idle_ticks(word)),
            Tracking::Frequency { .. } => {
                let unused = (self.new_word >> 8).wrapping_sub(word >> 8) & 0xff_ffff;
                u64::from(255 - self.counter(word)) << 32 | u64::from(unused)
            }
        }
    }

    fn idle_ticks(&self, word: u32) -> u32 {
        let idle = self.new_word.wrapping_sub(word);
        if idle > i32::MAX as u32 { 0 } else { idle }
    }

    fn time(&self) -> u32 {
        self.new_word & !0xff
    }

    /// What is left of the counter after the whole minutes since the last use.
    fn counter(&self, word: u32) -> u32 {
        let Tracking::Frequency { decay_minutes, .. } = self.tracking else { return 0 };
        let minutes = (self.new_word >> 16).wrapping_sub(word >> 16) & 0xffff;
        (word & 0xff).saturating_sub(minutes.checked_div(decay_minutes).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_750_000_030_000);
    const LFU: Tracking = Tracking::Frequency { log_factor: 10, decay_minutes: 1 };

    fn later(clock: UsageClock, seconds: i64) -> UsageClock {
        clock.at(UnixMs(NOW.0 + seconds * 1000))
    }

    #[test]
    fn idle_time_is_exact_to_the_second_over_years_and_never_negative() {
        let clock = UsageClock::new(Tracking::LastUse, NOW);
        for seconds in [0, 1, 59, 86_400, 86_400 * 365 * 4] {
            assert_eq!(later(clock, seconds).idle_seconds(clock.new_word()), seconds as u32);
            assert_eq!(clock.idle_seconds(clock.word_of(Some(seconds as u64), None)), seconds as u32);
        }
        assert_eq!(later(clock, -5).idle_seconds(clock.new_word()), 0);
        assert!(clock.idle_seconds(clock.word_of(Some(u64::MAX), None)) > 86_400 * 365 * 4);
    }

    #[test]
    fn the_counter_follows_the_documented_table() {
        // redis.conf: with factor 10, 100 hits give about 10, 1000 about 18, 100K about 142.
        let (clock, mut rng) = (UsageClock::new(LFU, NOW), fastrand::Rng::with_seed(1));
        for (hits, expected) in [(100, 10), (1000, 18), (100_000, 142)] {
            let runs = 20;
            let sum: u32 =
                (0..runs).map(|_| (0..hits).fold(clock.new_word(), |word, _| clock.used(word, &mut rng)) & 0xff).sum();
            assert!((sum / runs).abs_diff(expected) <= expected / 5, "{hits} hits: {}", sum / runs);
        }
    }

    #[test]
    fn the_counter_goes_down_with_whole_minutes_and_not_below_zero() {
        let clock = UsageClock::new(LFU, NOW);
        let word = clock.word_of(None, Some(7));
        assert_eq!([0, 49, 50, 109, 110, 60 * 100].map(|s| later(clock, s).frequency(word)), [7, 7, 6, 6, 5, 0]);
        let forever = UsageClock::new(Tracking::Frequency { log_factor: 10, decay_minutes: 0 }, NOW);
        assert_eq!(later(forever, 86_400).frequency(word), 7);
    }

    #[test]
    fn rarely_used_keys_go_first_and_among_equals_those_not_used_for_long() {
        let clock = UsageClock::new(LFU, NOW);
        let word = |frequency| clock.word_of(None, Some(frequency));
        assert!(clock.score(word(3)) > clock.score(word(4)));
        let after = later(clock, 20);
        assert!(after.score(word(5)) > after.score(after.new_word()));
        let idle = UsageClock::new(Tracking::LastUse, NOW);
        assert!(later(idle, 1).score(idle.new_word()) > later(idle, 1).score(later(idle, 1).new_word()));
    }
}
