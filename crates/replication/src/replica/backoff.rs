//! How long to wait before the next attempt: doubling, half of it random, so that many replicas of one
//! master do not come back in step.

use super::LinkSettings;
use std::time::Duration;

/// Doublings beyond this many cannot matter.
const DOUBLINGS_MAX: u32 = 20;

/// What a failed attempt cost the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// Little: nobody was there, or the answer was no.
    Answers,
    /// A snapshot that was sent in vain.
    Snapshot,
}

/// The wait's growth over failed attempts.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    /// By what they cost: a master that was away for long is no reason to spare it snapshots.
    failures: [u32; 2],
}

impl BackOff {
    /// The wait after one more failure, which cost the master what `what` says.
    pub(super) fn lengthen(&mut self, what: Spent, settings: &LinkSettings, rng: &mut fastrand::Rng) -> Duration {
        let (first, longest) = match what {
            Spent::Answers => (settings.backoff_min, settings.backoff_max),
            Spent::Snapshot => (settings.backoff_max, settings.backoff_snapshot_max),
        };
        let failures = &mut self.failures[what as usize];
        let base = first.saturating_mul(1 << (*failures).min(DOUBLINGS_MAX)).min(longest.max(first));
        *failures = failures.saturating_add(1);
        jitter(base, rng)
    }

    /// The wait when the master only asked for patience.
    pub(super) fn patience(&self, settings: &LinkSettings, rng: &mut fastrand::Rng) -> Duration {
        jitter(settings.backoff_max, rng)
    }

    /// The link was good.
    pub(super) fn reset(&mut self) {
        self.failures = [0; 2];
    }
}

/// Between half of `base` and all of it.
fn jitter(base: Duration, rng: &mut fastrand::Rng) -> Duration {
    base.mul_f64(0.5 + rng.f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(what: Spent, bases_ms: &[u64]) {
        let settings = LinkSettings::default();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = BackOff::default();
        for base in bases_ms {
            let wait = backoff.lengthen(what, &settings, &mut rng);
            let base = Duration::from_millis(*base);
            assert!(wait >= base / 2 && wait <= base, "{wait:?} for {base:?}");
        }
        backoff.reset();
        assert!(backoff.lengthen(what, &settings, &mut rng) <= Duration::from_millis(bases_ms[0]));
    }

    #[test]
    fn a_master_that_is_away_is_asked_at_least_once_a_second() {
        waits(Spent::Answers, &[100, 200, 400, 800, 1000, 1000, 1000]);
    }

    #[test]
    fn a_master_whose_snapshots_are_in_vain_is_asked_ever_more_seldom() {
        waits(Spent::Snapshot, &[1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn a_master_that_was_away_for_long_is_asked_soon_after_its_first_snapshot_in_vain() {
        let settings = LinkSettings::default();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = BackOff::default();
        for _ in 0..7 {
            backoff.lengthen(Spent::Answers, &settings, &mut rng);
        }
        assert!(backoff.lengthen(Spent::Snapshot, &settings, &mut rng) <= Duration::from_secs(1));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let settings = LinkSettings { backoff_max: Duration::MAX / 4, ..LinkSettings::default() };
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = BackOff::default();
        for _ in 0..1000 {
            backoff.lengthen(Spent::Answers, &settings, &mut rng);
        }
    }
}
