//! What the peers show only where its whole name is asked for, or take from a file only: debugging aids, switches of
//! single releases, and directives that no longer say anything.

use super::{I32, I64};
use crate::directive::{Directive, Kind};

const DEBUGGING: &str = "it is a debugging aid of the peers";
const GONE: &str = "no release since Redis 7.0 obeys it";
const NO_CLUSTER: &str = "there is no cluster mode yet";
const NO_SCRIPTS: &str = "there are no scripts yet";
const COPIES: &str = "large values are not copied into replies, whatever the number of threads";

pub(super) const ROWS: &[Directive] = &[
    Directive::accepted("debug-context", Kind::Text, "", DEBUGGING).keeps_empty().by_name(),
    Directive::accepted("enable-debug-assert", Kind::Bool, "no", DEBUGGING).immutable().by_name(),
    Directive::accepted("use-exit-on-panic", Kind::Bool, "no", DEBUGGING).by_name(),
    Directive::accepted("watchdog-period", Kind::Number, "0", DEBUGGING).range(0, I32).by_name(),
    Directive::accepted("key-load-delay", Kind::Number, "0", DEBUGGING).range(i32::MIN as i64, I32).by_name(),
    Directive::accepted("rdb-key-save-delay", Kind::Number, "0", DEBUGGING).range(i32::MIN as i64, I32).by_name(),
    Directive::accepted(
        "loading-process-events-interval-bytes",
        Kind::Number,
        "2097152",
        "clients are served beside the thread that loads",
    )
    .range(1024, I32)
    .by_name(),
    Directive::accepted("io-threads-always-active", Kind::Bool, "no", "one thread serves all sockets").by_name(),
    Directive::accepted("min-io-threads-avoid-copy-reply", Kind::Number, "7", COPIES).range(0, I32).by_name(),
    Directive::accepted("min-string-size-avoid-copy-reply", Kind::Number, "16384", COPIES).range(0, I32).by_name(),
    Directive::accepted("min-string-size-avoid-copy-reply-threaded", Kind::Number, "65536", COPIES)
        .range(0, I32)
        .by_name(),
    Directive::accepted("repl-rdb-channel", Kind::Bool, "yes", "a full synchronisation uses one connection").by_name(),
    Directive::accepted("lua-enable-deprecated-api", Kind::Bool, "no", NO_SCRIPTS).immutable().by_name(),
    Directive::accepted("lua-enable-insecure-api", Kind::Bool, "no", NO_SCRIPTS).protected().by_name(),
    Directive::accepted("cluster-ping-interval", Kind::Number, "0", NO_CLUSTER).range(0, I64).by_name(),
    Directive::accepted("cluster-message-gossip-perc", Kind::Number, "10", NO_CLUSTER).range(1, 100).by_name(),
    Directive::accepted("cluster-slot-migration-max-archived-tasks", Kind::Number, "32", NO_CLUSTER)
        .range(1, I32)
        .by_name(),
    Directive::accepted("list-max-ziplist-entries", Kind::Text, "", GONE).unseen(),
    Directive::accepted("list-max-ziplist-value", Kind::Text, "", GONE).unseen(),
    Directive::accepted("lua-replicate-commands", Kind::Text, "", GONE).unseen(),
];
