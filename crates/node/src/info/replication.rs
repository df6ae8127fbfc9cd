//! The section about replication: the fields that Sentinel, orchestrators and clients parse, in the peers' order.

use replication::replica::SyncKind;

use super::Fields;
use crate::node::Node;
use crate::replication::advice;

pub(super) fn replication(node: &Node, out: &mut Fields) {
    let replication = &node.replication;
    out.put("role", if replication.is_replica() { "slave" } else { "master" });
    if replication.is_replica() {
        replica_part(node, out);
    }
    let lines = node.replica_lines();
    out.put("connected_slaves", lines.len());
    let config = &node.config;
    if config.min_replicas_to_write > 0 && config.min_replicas_max_lag > 0 {
        out.put("min_slaves_good_slaves", replication.peers.good_replicas(node.now));
    }
    for (at, line) in lines.iter().enumerate() {
        out.put(
            &format!("slave{at}"),
            format_args!(
                "ip={},port={},state={},offset={},lag={}",
                line.ip, line.port, line.state, line.acked, line.lag_seconds
            ),
        );
    }
    let active = replication.active;
    let (first, end) = (replication.journal.first().0, replication.journal.end().0);
    // What stands before the backlog's start is only kept for replicas that are still reading it.
    let first = first.max(end.saturating_sub(config.repl_backlog_size));
    out.put("master_failover_state", replication.failover.word());
    out.put("master_replid", replication.history.replid());
    out.put("master_replid2", replication.history.replid2());
    out.put("master_repl_offset", end);
    out.put("second_repl_offset", replication.history.second_offset());
    out.put("repl_backlog_active", u8::from(active));
    out.put("repl_backlog_size", config.repl_backlog_size);
    out.put("repl_backlog_first_byte_offset", if active { first + 1 } else { 0 });
    out.put("repl_backlog_histlen", if active { end - first } else { 0 });
    if let Some(last) = replication.link.figures(node.now).last_sync {
        let kind = if last.kind == SyncKind::Full { "full" } else { "partial" };
        out.put("lockstep_last_sync", kind);
        out.put("lockstep_last_sync_seconds_ago", node.now.seconds_since(last.at));
    }
    backlog_on_disk(node, out);
    for (at, line) in lines.iter().enumerate() {
        let lag = node.lag_of(line.conn, line.acked);
        let number = |value: Option<u64>| value.map_or("-1".to_owned(), |value| value.to_string());
        out.put(
            &format!("lockstep_lag{at}"),
            format_args!(
                "ip={},port={},bytes_behind={},ms_behind={},backlog_seconds_left={},source={}",
                line.ip,
                line.port,
                lag.bytes,
                number(lag.milliseconds),
                number(lag.backlog_seconds),
                if node.is_served_from_disk(line.conn) { "disk" } else { "memory" }
            ),
        );
    }
    if let Some(reason) = &replication.last_full_sync {
        out.put("lockstep_last_full_sync_replica", &reason.replica);
        out.put("lockstep_last_full_sync_reason", reason.refusal);
        out.put("lockstep_last_full_sync_advice", advice(&reason.refusal));
    }
    if replication.is_replica() {
        let guard = &replication.guard;
        out.put("lockstep_guard_empty_master", guard.word());
        out.put("lockstep_guard_refusals", guard.refusals);
        if let Some(since) = guard.holding_since {
            out.put("lockstep_guard_holding_seconds", node.now.seconds_since(since));
        }
    }
}

/// What is kept for replicas on disk, and who was cut all the same.
fn backlog_on_disk(node: &Node, out: &mut Fields) {
    let retention = &node.replication.retention;
    let archive = node.usable_archive();
    let (first, end) = archive.map_or((None, None), |archive| (archive.first(), archive.end()));
    let held = first.zip(end).map_or(0, |(first, end)| end - first);
    out.put("lockstep_backlog_disk_size", node.config.backlog_disk_bytes().unwrap_or(0));
    out.put("lockstep_backlog_disk_first_byte_offset", first.map_or(0, |first| first.0 + 1));
    out.put("lockstep_backlog_disk_histlen", held);
    out.put("lockstep_backlog_disk_spare_bytes", retention.archive.spare_bytes());
    out.put("lockstep_backlog_memory_bytes", node.replication.held_bytes());
    out.put("lockstep_replicas_from_disk", node.replicas_from_disk());
    out.put("lockstep_replicas_cut", retention.cuts);
    if let Some(cut) = &retention.last_cut {
        out.put("lockstep_last_cut_replica", &cut.replica);
        out.put("lockstep_last_cut_reason", &cut.reason);
        out.put("lockstep_last_cut_setting", cut.reason.setting());
        out.put("lockstep_last_cut_time", cut.unix.seconds());
    }
}

fn replica_part(node: &Node, out: &mut Fields) {
    let replication = &node.replication;
    let figures = replication.link.figures(node.now);
    let (host, port) = replication.link.master().unwrap_or(("", 0));
    let applied = replication.offset();
    out.put("master_host", host);
    out.put("master_port", port);
    out.put("master_link_status", if figures.up { "up" } else { "down" });
    out.put("master_last_io_seconds_ago", figures.last_io_seconds);
    out.put("master_sync_in_progress", u8::from(figures.transfer.is_some()));
    out.put("slave_read_repl_offset", applied + replication.apply.pending.len() as u64);
    out.put("slave_repl_offset", applied);
    if let Some(transfer) = figures.transfer {
        let share = if transfer.total > 0 { transfer.read as f64 * 100.0 / transfer.total as f64 } else { 0.0 };
        out.put("master_sync_total_bytes", transfer.total);
        out.put("master_sync_read_bytes", transfer.read);
        out.put("master_sync_left_bytes", transfer.left);
        out.put("master_sync_perc", format_args!("{share:.2}"));
        out.put("master_sync_last_io_seconds_ago", transfer.last_io_seconds);
    }
    if let Some(seconds) = figures.down_since_seconds {
        out.put("master_link_down_since_seconds", seconds);
    }
    out.put("slave_priority", node.config.replica_priority);
    out.put("slave_read_only", u8::from(node.config.replica_read_only));
    out.put("replica_announced", u8::from(node.config.replica_announced));
}
