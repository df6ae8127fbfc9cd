//! When the loop waits for several sockets to be ready instead of one. A turn costs much that does not depend on how many
//! requests it serves: the way into the kernel and back, and code and data that come back into the caches. Where the executor is
//! busy and many clients ask, a short wait makes turns fewer and larger; where it has time, nobody waits for others.

use std::time::Duration;

use base::Time;

use crate::ring::Wanted;

/// What is observed counts for about so long.
const MEMORY: Duration = Duration::from_millis(8);

/// Connections that have sent within such a span count as active.
const WINDOW: Duration = Duration::from_millis(4);

/// More than so many sources are not waited for: a turn looks at no more connections together.
const COUNT_MAX: u32 = 32;

/// Observes turns, and decides.
pub struct Gather {
    /// Spent in turns and in waiting, the past counting less.
    busy: Duration,
    idle: Duration,
    is_on: bool,
    /// When the present window began, and its number.
    window_from: Time,
    window: u32,
    /// Connections that have sent within this window, and within the one before.
    sending: u32,
    sent: u32,
}

impl Gather {
    /// One that has seen nothing yet.
    pub fn new(now: Time) -> Gather {
        let none = Duration::ZERO;
        Gather { busy: none, idle: none, is_on: false, window_from: now, window: 1, sending: 0, sent: 0 }
    }

    /// A connection has sent something; `seen` is its own, 0 at first: in which window it did so last.
    #[inline]
    pub fn note_sender(&mut self, seen: &mut u32) {
        if *seen != self.window {
            *seen = self.window;
            self.sending += 1;
        }
    }

    /// A turn took from `woken` to `asleep`, and the wait behind it until `now`.
    pub fn note_turn(&mut self, woken: Time, asleep: Time, now: Time) {
        self.busy += asleep.since(woken);
        self.idle += now.since(asleep);
        let all = self.busy + self.idle;
        if all > MEMORY {
            // Between the two it stays as it is: gathering itself makes the executor less busy.
            self.is_on = if self.is_on { self.busy * 3 > all } else { self.busy * 2 > all };
            self.busy /= 2;
            self.idle /= 2;
        }
        if now.since(self.window_from) > WINDOW {
            self.window_from = now;
            self.window = self.window.wrapping_add(1).max(1);
            self.sent = std::mem::take(&mut self.sending);
        }
    }

    /// What the next wait is to gather within `span`; zero: nothing. Half of those that send: the others may be waiting for
    /// something else.
    pub fn wanted(&self, span: Duration) -> Option<Wanted> {
        let count = (self.sent / 2).min(COUNT_MAX);
        (self.is_on && count > 1 && !span.is_zero()).then_some(Wanted { count, span })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::Time;

    use super::{COUNT_MAX, Gather};
    use crate::ring::Wanted;

    const SPAN: Duration = Duration::from_micros(50);

    /// Turns of so many microseconds, each for one of `clients` in their order, with waits of so many.
    fn run(gather: &mut Gather, from: Time, clients: usize, busy: u64, idle: u64) -> Time {
        let mut seen = vec![0; clients];
        let mut now = from;
        for turn in 0..4000 {
            gather.note_sender(&mut seen[turn % clients]);
            let asleep = now + Duration::from_micros(busy);
            let woken = asleep + Duration::from_micros(idle);
            gather.note_turn(now, asleep, woken);
            now = woken;
        }
        now
    }

    fn wanted_of(clients: usize, busy: u64, idle: u64) -> Option<Wanted> {
        let start = Time::default();
        let mut gather = Gather::new(start);
        run(&mut gather, start, clients, busy, idle);
        gather.wanted(SPAN)
    }

    #[test]
    fn a_busy_executor_waits_for_half_of_those_that_send() {
        assert_eq!(wanted_of(20, 8, 2), Some(Wanted { count: 10, span: SPAN }));
        assert_eq!(wanted_of(200, 8, 2).map(|wanted| wanted.count), Some(COUNT_MAX));
    }

    #[test]
    fn nobody_waits_for_others_while_there_is_time() {
        assert_eq!(wanted_of(20, 2, 8), None);
    }

    #[test]
    fn few_clients_are_not_waited_for() {
        assert_eq!(wanted_of(3, 9, 1), None);
    }

    #[test]
    fn gathering_goes_on_while_it_helps_and_ends_with_the_load() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        let now = run(&mut gather, start, 20, 8, 2);
        let now = run(&mut gather, now, 20, 4, 6);
        assert!(gather.wanted(SPAN).is_some(), "less busy because of gathering");
        run(&mut gather, now, 20, 2, 8);
        assert_eq!(gather.wanted(SPAN), None);
    }

    #[test]
    fn a_span_of_nothing_turns_it_off() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        run(&mut gather, start, 20, 8, 2);
        assert_eq!(gather.wanted(Duration::ZERO), None);
    }
}
