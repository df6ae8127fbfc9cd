//! What Redis has added since 8.0: known so that its files load. Names, defaults and ranges are those of its release
//! notes up to 8.8.

use super::{I32, I64, U32};
use crate::directive::{Directive, Kind};

const NO_ARRAYS: &str = "there are no arrays";
const NO_CLUSTER: &str = "there is no cluster mode yet";
const NO_IDEMPOTENCE: &str = "XADD knows no IDMP";
const SLOWLOG: &str = "an entry of the slow log keeps 32 words of 128 bytes";

pub(super) const ROWS: &[Directive] = &[
    Directive::accepted("aof-load-corrupt-tail-max-size", Kind::Number, "0", "only a torn end is cut off")
        .bytes(0, I64),
    Directive::accepted("array-slice-size", Kind::Number, "4096", NO_ARRAYS).range(1, U32),
    Directive::accepted("array-sparse-kmax", Kind::Number, "10", NO_ARRAYS).range(0, U32),
    Directive::accepted("array-sparse-kmin", Kind::Number, "5", NO_ARRAYS).range(0, U32),
    Directive::accepted("cluster-slot-migration-handoff-max-lag-bytes", Kind::Number, "1048576", NO_CLUSTER)
        .bytes(0, I64),
    Directive::accepted("cluster-slot-migration-write-pause-timeout", Kind::Number, "10000", NO_CLUSTER).range(0, I64),
    Directive::accepted("key-memory-histograms", Kind::Bool, "no", "INFO has no such histograms"),
    Directive::accepted("lookahead", Kind::Number, "16", "commands are parsed as they come").range(1, I32),
    Directive::accepted("slowlog-entry-max-argc", Kind::Number, "32", SLOWLOG).range(2, I32),
    Directive::accepted("slowlog-entry-max-string-len", Kind::Number, "128", SLOWLOG).range(1, I64),
    Directive::accepted("stream-idmp-duration", Kind::Number, "100", NO_IDEMPOTENCE).range(1, 86_400),
    Directive::accepted("stream-idmp-maxsize", Kind::Number, "100", NO_IDEMPOTENCE).range(1, 1_000_000),
    Directive::accepted("vset-force-single-threaded-execution", Kind::Bool, "no", "there are no vector sets"),
];
