//! The latency monitor: spikes by event, above latency-monitor-threshold; and how long each command took, as histograms.
//! `timing.rs` takes the times.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::UnixMs;
use config::Config;
use hdrhistogram::Histogram;

use crate::table::CommandId;

/// An event keeps this many of its latest spikes.
const SPIKES_MAX: usize = 160;

/// What was slow, by event.
#[derive(Default)]
pub struct LatencyMonitor {
    /// The events by name.
    pub events: BTreeMap<&'static str, Spikes>,
    /// By command, in nanoseconds.
    histograms: Vec<Option<Box<Histogram<u64>>>>,
}

/// What is longer counts as this long.
const LONGEST_NS: u64 = 1_000_000_000;

/// Two digits of each time are kept.
const DIGITS: u8 = 2;

/// The spikes of one event.
#[derive(Default)]
pub struct Spikes {
    /// The latest, oldest first: Unix seconds and milliseconds taken.
    pub latest: VecDeque<(i64, u64)>,
    /// The longest ever, in milliseconds.
    pub max_ms: u64,
}

impl LatencyMonitor {
    /// Counts how long so many calls of a command took each, if latency-tracking is on.
    pub fn count(&mut self, config: &Config, id: CommandId, took: Duration, calls: u64) {
        if !config.latency_tracking {
            return;
        }
        let at = id.index();
        if at >= self.histograms.len() {
            self.histograms.resize(at + 1, None);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(LONGEST_NS);
        let histogram = self.histograms[at].get_or_insert_with(|| {
            Box::new(Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("bounds that a histogram can have"))
        });
        histogram.saturating_record_n(nanos, calls);
    }

    /// How long a command took, in nanoseconds, if it was ever timed.
    pub fn histogram(&self, id: CommandId) -> Option<&Histogram<u64>> {
        self.histograms.get(id.index())?.as_deref()
    }

    /// Forgets how long commands took: CONFIG RESETSTAT.
    pub fn forget_times(&mut self) {
        self.histograms.clear();
    }

    /// Adds a sample, if it is a spike. Spikes of one second are one: the longest.
    pub fn add(&mut self, config: &Config, at: UnixMs, event: &'static str, took: Duration) {
        let threshold = config.latency_monitor_threshold;
        if threshold == 0 {
            return;
        }
        let took = took.as_millis() as u64;
        if took < threshold {
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
