//! How long to wait before the next attempt: doubling, half of it random, so that many replicas of one
//! master do not come back in step.

use super::LinkSettings;
use std::time::Duration;

/// Doublings beyond this many cannot matter.
const DOUBLINGS_MAX: u32 = 20;

/// The wait's growth over failed attempts.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The wait after one more failure.
    pub(super) fn lengthen(&mut self, settings: &LinkSettings, rng: &mut fastrand::Rng) -> Duration {
        let longest = settings.backoff_max.max(settings.backoff_min);
        let base = settings.backoff_min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(longest);
        self.failures = self.failures.saturating_add(1);
        jitter(base, rng)
    }

    /// The wait when the master only asked for patience.
    pub(super) fn shortest(&self, settings: &LinkSettings, rng: &mut fastrand::Rng) -> Duration {
        jitter(settings.backoff_min, rng)
    }

    /// The link was good.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half of `base` and all of it.
fn jitter(base: Duration, rng: &mut fastrand::Rng) -> Duration {
    base.mul_f64(0.5 + rng.f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_success() {
        let settings = LinkSettings::default();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = BackOff::default();
        for base in [1, 2, 4, 8, 10, 10, 10] {
            let wait = backoff.lengthen(&settings, &mut rng);
            let base = Duration::from_secs(base);
            assert!(wait >= base / 2 && wait <= base, "{wait:?} for {base:?}");
        }
        backoff.reset();
        assert!(backoff.lengthen(&settings, &mut rng) <= Duration::from_secs(1));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let settings = LinkSettings { backoff_max: Duration::MAX / 4, ..LinkSettings::default() };
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = BackOff::default();
        for _ in 0..1000 {
            backoff.lengthen(&settings, &mut rng);
        }
    }
}
