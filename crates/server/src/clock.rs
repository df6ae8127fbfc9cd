//! The only place that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{Time, UnixMs};

use crate::system;

/// The monotonic time, which counts from one second so that "long ago" is never before zero. Commands are timed with it:
/// `Instant` would take three times as many instructions.
pub fn now() -> Time {
    Time(1_000_000 + system::monotonic_micros())
}

/// The wall clock in microseconds since the epoch.
pub fn unix_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() as i64
}

/// The wall clock in milliseconds since the epoch.
pub fn unix_ms() -> UnixMs {
    UnixMs(unix_micros() / 1000)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The local time as the system's log wants it: `Nov  1 04:00:00`.
pub fn syslog_time() -> String {
    let local = system::local_time(unix_micros() / 1_000_000);
    let month = MONTHS[local.month0 as usize % 12];
    format!("{month} {:2} {:02}:{:02}:{:02}", local.day, local.hour, local.minute, local.second)
}

/// The local time as log lines show it: `21 Nov 2026 04:00:00.123`.
pub fn log_time() -> String {
    let micros = unix_micros();
    let local = system::local_time(micros / 1_000_000);
    format!(
        "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
        local.day,
        MONTHS[local.month0 as usize % 12],
        local.year,
        local.hour,
        local.minute,
        local.second,
        micros / 1000 % 1000
    )
}
