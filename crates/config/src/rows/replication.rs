//! Replication, in both roles.

use super::{I32, I64};
use crate::directive::{Directive, Kind};
use crate::field::Field;

const ONE_CHANNEL: &str = "a full synchronisation uses one connection";

pub(super) const ROWS: &[Directive] = &[
    // The REPLICAOF command changes it.
    Directive::honoured("replicaof", |c| Field::Master(&mut c.replicaof)).alias("slaveof").immutable(),
    Directive::honoured("masteruser", |c| Field::Text(&mut c.masteruser)).alias("primaryuser"),
    Directive::honoured("masterauth", |c| Field::Text(&mut c.masterauth)).alias("primaryauth"),
    Directive::honoured("replica-serve-stale-data", |c| Field::Bool(&mut c.replica_serve_stale_data))
        .alias("slave-serve-stale-data"),
    // Our own: a replica that has data does not replace it by a master's empty data set.
    Directive::honoured("replica-guard-empty-master", |c| Field::Bool(&mut c.replica_guard_empty_master)),
    Directive::honoured("replica-read-only", |c| Field::Bool(&mut c.replica_read_only)).alias("slave-read-only"),
    // What Sentinel chooses by; 0: never a master.
    Directive::honoured("replica-priority", |c| Field::Number(&mut c.replica_priority))
        .alias("slave-priority")
        .range(0, I32),
    Directive::honoured("replica-announced", |c| Field::Bool(&mut c.replica_announced)),
    Directive::honoured("replica-announce-ip", |c| Field::Text(&mut c.replica_announce_ip)).alias("slave-announce-ip"),
    Directive::honoured("replica-announce-port", |c| Field::Number(&mut c.replica_announce_port))
        .alias("slave-announce-port")
        .range(0, 65535),
    Directive::honoured("repl-diskless-sync", |c| Field::Bool(&mut c.repl_diskless_sync)),
    Directive::honoured("repl-diskless-sync-delay", |c| Field::Number(&mut c.repl_diskless_sync_delay)).range(0, I32),
    Directive::honoured("repl-diskless-sync-max-replicas", |c| Field::Number(&mut c.repl_diskless_sync_max_replicas))
        .range(0, I32),
    Directive::honoured("repl-diskless-load", |c| Field::Choice(&mut c.repl_diskless_load)),
    Directive::honoured("repl-ping-replica-period", |c| Field::Number(&mut c.repl_ping_replica_period))
        .alias("repl-ping-slave-period")
        .range(1, I32),
    Directive::honoured("repl-timeout", |c| Field::Number(&mut c.repl_timeout)).range(1, I32),
    Directive::honoured("repl-backlog-size", |c| Field::Number(&mut c.repl_backlog_size))
        .bytes(1, I64)
        .clamped(16 * 1024, I64),
    Directive::honoured("repl-backlog-ttl", |c| Field::Number(&mut c.repl_backlog_ttl)).range(0, I64),
    // Our own: how much of the stream is kept on disk for replicas that fell behind what memory holds.
    Directive::honoured("repl-backlog-disk-size", |c| Field::AutoBytes(&mut c.repl_backlog_disk_size)).bytes(0, I64),
    // Our own: for how long that is kept once no connected replica needs it; 0: without a limit.
    Directive::honoured("repl-backlog-seconds", |c| Field::Number(&mut c.repl_backlog_seconds)).range(0, I64 / 1000),
    Directive::honoured("min-replicas-to-write", |c| Field::Number(&mut c.min_replicas_to_write))
        .alias("min-slaves-to-write")
        .range(0, I32),
    Directive::honoured("min-replicas-max-lag", |c| Field::Number(&mut c.min_replicas_max_lag))
        .alias("min-slaves-max-lag")
        .range(0, I32),
    Directive::honoured("propagation-error-behavior", |c| Field::Choice(&mut c.propagation_error_behavior)),
    Directive::accepted(
        "repl-disable-tcp-nodelay",
        Kind::Bool,
        "no",
        "the stream is written once a turn, so there are no small packets to gather",
    ),
    Directive::accepted("replica-lazy-flush", Kind::Bool, "no", "the old data set is always freed beside the executor")
        .alias("slave-lazy-flush"),
    Directive::honoured("replica-ignore-maxmemory", |c| Field::Bool(&mut c.replica_ignore_maxmemory))
        .alias("slave-ignore-maxmemory"),
    Directive::honoured("replica-ignore-disk-write-errors", |c| Field::Bool(&mut c.replica_ignore_disk_write_errors)),
    Directive::accepted("replica-full-sync-buffer-limit", Kind::Number, "0", ONE_CHANNEL).bytes(0, I64),
    Directive::accepted("dual-channel-replication-enabled", Kind::Bool, "no", ONE_CHANNEL),
];
