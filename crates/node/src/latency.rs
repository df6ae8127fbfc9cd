//! The latency monitor: spikes by event, above latency-monitor-threshold.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::UnixMs;
use config::Config;

/// An event keeps this many of its latest spikes.
const SPIKES_MAX: usize = 160;

/// What was slow, by event.
#[derive(Default)]
pub struct LatencyMonitor {
    /// The events by name.
    pub events: BTreeMap<&'static str, Spikes>,
}

/// The spikes of one event.
#[derive(Default)]
pub struct Spikes {
    /// The latest, oldest first: Unix seconds and milliseconds taken.
    pub latest: VecDeque<(i64, u64)>,
    /// The longest ever, in milliseconds.
    pub max_ms: u64,
}

impl LatencyMonitor {
    /// Adds a sample, if it is a spike. Spikes of one second are one: the longest.
    pub fn add(&mut self, config: &Config, at: UnixMs, event: &'static str, took: Duration) {
        let threshold = config.latency_monitor_threshold;
        let took = took.as_millis() as u64;
        if threshold == 0 || took < threshold {
            return;
        }
        let spikes = self.events.entry(event).or_default();
        spikes.max_ms = spikes.max_ms.max(took);
        match spikes.latest.back_mut() {
            Some((second, ms)) if *second == at.seconds() => *ms = took.max(*ms),
            _ => {
                if spikes.latest.len() == SPIKES_MAX {
                    spikes.latest.pop_front();
                }
                spikes.latest.push_back((at.seconds(), took));
            }
        }
    }
}
