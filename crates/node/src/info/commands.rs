//! The sections about commands: Commandstats, Errorstats, Latencystats.

use super::Fields;
use crate::node::Node;

pub(super) fn commandstats(node: &Node, out: &mut Fields) {
    for (_, command) in node.table.all() {
        let stats = command.stats;
        if stats.calls == 0 && stats.rejected == 0 {
            continue;
        }
        let per_call = if stats.calls == 0 { 0.0 } else { stats.nanos as f64 / 1000.0 / stats.calls as f64 };
        out.put(
            &format!("cmdstat_{}", command.full_name),
            format_args!(
                "calls={},usec={},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                stats.calls,
                stats.nanos / 1000,
                stats.rejected,
                stats.failed
            ),
        );
    }
}

pub(super) fn errorstats(node: &Node, out: &mut Fields) {
    for (code, count) in &node.stats.errors {
        out.put(&format!("errorstat_{}", String::from_utf8_lossy(code)), format_args!("count={count}"));
    }
}

pub(super) fn latencystats(node: &Node, out: &mut Fields) {
    for (id, command) in node.table.all() {
        let Some(histogram) = node.latency.histogram(id) else { continue };
        let shares = node.config.latency_tracking_info_percentiles.iter();
        let shown: Vec<String> = shares
            .map(|share| {
                let nanos = histogram.value_at_percentile(*share);
                format!("p{}={:.3}", config::percentile_text(*share), nanos as f64 / 1000.0)
            })
            .collect();
        out.put(&format!("latency_percentiles_usec_{}", command.full_name), shown.join(","));
    }
}
