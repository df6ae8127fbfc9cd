//! Files: RDB, and the append-only file.

use super::{I32, I64};
use crate::checks::{appenddirname, appendfilename, dbfilename, dir};
use crate::directive::{Directive, Kind};
use crate::field::Field;

pub(super) const ROWS: &[Directive] = &[
    Directive::honoured("dir", |c| Field::Text(&mut c.dir)).protected().checked(dir),
    Directive::honoured("dbfilename", |c| Field::Text(&mut c.dbfilename)).protected().checked(dbfilename),
    Directive::honoured("save", |c| Field::Save(&mut c.save)),
    // Writes are refused while saves fail.
    Directive::honoured("stop-writes-on-bgsave-error", |c| Field::Bool(&mut c.stop_writes_on_bgsave_error)),
    Directive::honoured("rdbcompression", |c| Field::Bool(&mut c.rdbcompression)),
    Directive::honoured("rdbchecksum", |c| Field::Bool(&mut c.rdbchecksum)).immutable(),
    Directive::honoured("rdb-save-incremental-fsync", |c| Field::Bool(&mut c.rdb_save_incremental_fsync)),
    // Our own: the lowest version of the format that files are written in; `auto`: what carries the data; 80: that of
    // Valkey 9.
    Directive::honoured("rdb-version", |c| Field::RdbVersion(&mut c.rdb_version)).range(9, 12),
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
    Directive::honoured("appendonly", |c| Field::Bool(&mut c.appendonly)),
    Directive::honoured("appendfilename", |c| Field::Name(&mut c.appendfilename)).checked(appendfilename).immutable(),
    Directive::honoured("appenddirname", |c| Field::Name(&mut c.appenddirname)).checked(appenddirname).immutable(),
    Directive::honoured("appendfsync", |c| Field::Choice(&mut c.appendfsync)),
    Directive::honoured("no-appendfsync-on-rewrite", |c| Field::Bool(&mut c.no_appendfsync_on_rewrite)),
    Directive::honoured("auto-aof-rewrite-percentage", |c| Field::Number(&mut c.auto_aof_rewrite_percentage))
        .range(0, I32),
    Directive::honoured("auto-aof-rewrite-min-size", |c| Field::Number(&mut c.auto_aof_rewrite_min_size)).bytes(0, I64),
    Directive::honoured("aof-load-truncated", |c| Field::Bool(&mut c.aof_load_truncated)),
    Directive::accepted(
        "aof-use-rdb-preamble",
        Kind::Bool,
        "yes",
        "a base is always an RDB file, which every server reads",
    ),
    Directive::accepted(
        "aof-timestamp-enabled",
        Kind::Bool,
        "no",
        "the file is the replication stream byte for byte, without comments between",
    ),
    Directive::accepted(
        "aof-rewrite-incremental-fsync",
        Kind::Bool,
        "yes",
        "bases are always synced as they are written",
    ),
    Directive::accepted("aof-disable-auto-gc", Kind::Bool, "no", "files that are not needed any more are deleted"),
];
