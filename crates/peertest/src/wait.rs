//! Waiting for a condition: the only place where tests sleep.

use std::time::{Duration, Instant};

/// For what takes a moment: a start, a reply, a reconnection.
pub const SHORT: Duration = Duration::from_secs(20);

/// For what takes long on a busy machine: a full synchronisation, catching up under load.
pub const LONG: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer and returns it. Panics with `what` when `timeout` has passed.
#[track_caller]
pub fn wait_for<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < timeout, "waited {timeout:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until a condition holds. Panics with `what` when `timeout` has passed.
#[track_caller]
pub fn wait_until(what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, timeout, || holds().then_some(()));
}

/// Lets time pass where the passing itself is what a transcript asks for.
pub(crate) fn pass(span: Duration) {
    std::thread::sleep(span);
}
