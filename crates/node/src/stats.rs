//! What the node counts since the start or CONFIG RESETSTAT, and the rates that INFO shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Time;

use crate::output::FreeCounters;

/// How many different error codes are counted; INFO errorstats says so when there were more.
const ERROR_CODES_MAX: usize = 128;

/// Counters.
#[derive(Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections_received: u64,
    /// Connections refused.
    pub rejected_connections: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes from clients.
    pub net_input_bytes: u64,
    /// Bytes to clients.
    pub net_output_bytes: u64,
    /// Bytes from the master.
    pub net_repl_input_bytes: u64,
    /// Bytes to replicas.
    pub net_repl_output_bytes: u64,
    /// Clients closed for what they had not yet sent completely.
    pub query_buffer_limit_disconnections: u64,
    /// Clients closed for replies they did not take.
    pub output_buffer_limit_disconnections: u64,
    /// Error replies.
    pub error_replies: u64,
    /// Error replies to commands of the master: a replica that is not as its master.
    pub unexpected_error_replies: u64,
    /// Times that active expiry ended because its time was up.
    pub expired_time_cap_reached: u64,
    /// Values freed on another thread.
    pub(crate) free: Arc<FreeCounters>,
    /// Wrong passwords.
    pub denied_auth: u64,
    /// Reads from connections.
    pub reads: u64,
    /// Writes to connections.
    pub writes: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Time spent in them, in microseconds; waiting for something to do is not part of it.
    pub turns_usec: u64,
    /// Time spent in commands of clients and of the master, in microseconds.
    pub commands_usec: u64,
    /// Memory that the empty server used, in bytes.
    pub memory_at_start: u64,
    /// Memory in use, in bytes, as of the last cycle.
    pub memory_used: u64,
    /// The most memory seen in use, in bytes.
    pub memory_peak: u64,
    /// Error replies by code.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// Commands per second.
    pub commands_rate: Rate,
    /// Bytes from clients per second.
    pub input_rate: Rate,
    /// Bytes to clients per second.
    pub output_rate: Rate,
    /// Turns per second.
    pub turns_rate: Rate,
    /// Microseconds of turns per second.
    pub turns_usec_rate: Rate,
}

impl Stats {
    /// Counts an error reply under its code.
    pub fn count_error(&mut self, message: &[u8]) {
        self.error_replies += 1;
        let code = message.split(|b| *b == b' ').next().unwrap_or_default();
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.to_vec(), 1);
        }
    }

    /// Counts a write to a connection.
    pub fn count_written(&mut self, bytes: usize) {
        self.net_output_bytes += bytes as u64;
        self.writes += 1;
    }

    /// Takes a sample of what is shown as a rate; called about ten times a second.
    pub fn sample(&mut self, now: Time) {
        self.commands_rate.sample(now, self.commands);
        self.input_rate.sample(now, self.net_input_bytes);
        self.output_rate.sample(now, self.net_output_bytes);
        self.turns_rate.sample(now, self.turns);
        self.turns_usec_rate.sample(now, self.turns_usec);
    }
}

/// The mean rate over the last sixteen samples.
#[derive(Default)]
pub struct Rate {
    samples: [f64; 16],
    next: usize,
    last: Option<(Time, u64)>,
}

impl Rate {
    fn sample(&mut self, now: Time, total: u64) {
        if let Some((then, before)) = self.last {
            let span = now.since(then).as_secs_f64();
            if span <= 0.0 {
                return;
            }
            self.samples[self.next] = total.saturating_sub(before) as f64 / span;
            self.next = (self.next + 1) % self.samples.len();
        }
        self.last = Some((now, total));
    }

    /// Per second.
    pub fn per_second(&self) -> f64 {
        self.samples.iter().sum::<f64>() / self.samples.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_their_code_and_their_kinds_are_bounded() {
        let mut stats = Stats::default();
        stats.count_error(b"WRONGTYPE Operation");
        stats.count_error(b"WRONGTYPE again");
        for i in 0..1000 {
            stats.count_error(format!("E{i} x").as_bytes());
        }
        assert_eq!(stats.errors[&b"WRONGTYPE"[..]], 2);
        assert_eq!(stats.errors.len(), ERROR_CODES_MAX);
        assert_eq!(stats.error_replies, 1002);
    }

    #[test]
    fn a_rate_is_a_mean_over_samples() {
        let mut rate = Rate::default();
        for i in 0..=16u64 {
            rate.sample(Time(i * 100_000), i * 50);
        }
        assert!((rate.per_second() - 500.0).abs() < 1e-6);
    }
}
