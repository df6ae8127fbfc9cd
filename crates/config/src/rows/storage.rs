//! Files: RDB, and the append-only file that is not built yet.

use super::{I32, I64};
use crate::directive::{Directive, Kind};
use crate::field::Field;

const NO_AOF: &str = "there is no append-only file yet";

pub(super) const ROWS: &[Directive] = &[
    Directive::honoured("dir", |c| Field::Text(&mut c.dir)).protected(),
    Directive::honoured("dbfilename", |c| Field::Text(&mut c.dbfilename)).protected(),
    Directive::honoured("save", |c| Field::Save(&mut c.save)),
    // Writes are refused while saves fail.
    Directive::honoured("stop-writes-on-bgsave-error", |c| Field::Bool(&mut c.stop_writes_on_bgsave_error)),
    Directive::honoured("rdbcompression", |c| Field::Bool(&mut c.rdbcompression)),
    Directive::honoured("rdbchecksum", |c| Field::Bool(&mut c.rdbchecksum)).immutable(),
    Directive::honoured("rdb-save-incremental-fsync", |c| Field::Bool(&mut c.rdb_save_incremental_fsync)),
    // Our own: the lowest version of the format that files are written in; `auto`: what carries the data.
    Directive::honoured("rdb-version", |c| Field::Auto(&mut c.rdb_version)).range(9, 12),
    Directive::accepted("rdb-del-sync-files", Kind::Bool, "no", "no synchronisation leaves a file behind"),
    Directive::accepted(
        "rdb-version-check",
        Kind::Word(&["strict", "relaxed"]),
        "strict",
        "a version that is not known is refused",
    ),
    Directive::accepted(
        "sanitize-dump-payload",
        Kind::Word(&["no", "yes", "clients"]),
        "no",
        "payloads are always checked in full",
    ),
    Directive::refused("appendonly", "no", NO_AOF),
    Directive::accepted("appendfilename", Kind::Text, "appendonly.aof", NO_AOF).immutable(),
    Directive::accepted("appenddirname", Kind::Text, "appendonlydir", NO_AOF).immutable(),
    Directive::honoured("appendfsync", |c| Field::Choice(&mut c.appendfsync)),
    Directive::accepted("no-appendfsync-on-rewrite", Kind::Bool, "no", NO_AOF),
    Directive::accepted("auto-aof-rewrite-percentage", Kind::Number, "100", NO_AOF).range(0, I32),
    Directive::accepted("auto-aof-rewrite-min-size", Kind::Number, "67108864", NO_AOF).bytes(0, I64),
    Directive::accepted("aof-load-truncated", Kind::Bool, "yes", NO_AOF),
    Directive::accepted("aof-use-rdb-preamble", Kind::Bool, "yes", NO_AOF),
    Directive::accepted("aof-timestamp-enabled", Kind::Bool, "no", NO_AOF),
    Directive::accepted("aof-rewrite-incremental-fsync", Kind::Bool, "yes", NO_AOF),
    Directive::accepted("aof-disable-auto-gc", Kind::Bool, "no", NO_AOF),
];
