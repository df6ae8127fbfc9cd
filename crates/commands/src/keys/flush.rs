//! Whole databases: emptied by FLUSHDB and FLUSHALL, swapped by SWAPDB.
//!
//! A flush takes the same short time with ASYNC as without: the table is put aside and its memory is freed elsewhere.

use resp::Args;

use crate::context::{Context, DataFn, DataRow, int32, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::row::{Meta, Row};

use super::database;

/// Deletes all keys of the database.
pub(super) const FLUSHDB: DataRow = Row {
    name: "flushdb",
    meta: Meta::new("server", "1.0.0", -1, Flags::WRITE)
        .about("Deletes all keys of the database.", "O(1); the memory is freed on the side")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .usage("[flush-type<ASYNC^4.0.0 | SYNC^6.2.0>]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    run: flushdb as DataFn,
    subcommands: &[],
};

fn flushdb(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_mode(args)?;
    let removed = ctx.db.flush();
    end_flush(ctx, removed);
    Ok(())
}

/// Deletes all keys of all databases.
pub(super) const FLUSHALL: DataRow = Row {
    name: "flushall",
    meta: Meta::new("server", "1.0.0", -1, Flags::WRITE)
        .about("Deletes all keys of all databases.", "O(1); the memory is freed on the side")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .usage("[flush-type<ASYNC^4.0.0 | SYNC^6.2.0>]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    run: flushall as DataFn,
    subcommands: &[],
};

fn flushall(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_mode(args)?;
    let removed = (0..ctx.db.count()).map(|index| ctx.db.at(index).flush()).sum();
    end_flush(ctx, removed);
    Ok(())
}

fn check_mode(args: &Args<'_>) -> Outcome {
    match args.len() {
        1 => Ok(()),
        2 if is(&args[1], "SYNC") || is(&args[1], "ASYNC") => Ok(()),
        _ => Err(Error::Syntax),
    }
}

/// A flush is journalled even if there was nothing to delete: a replica may hold keys of its own.
fn end_flush(ctx: &mut Context<'_>, removed: u64) {
    ctx.db.effects.dirty += removed.max(1);
    ctx.reply.ok();
}

/// Exchanges the contents of two databases.
pub(super) const SWAPDB: DataRow = Row {
    name: "swapdb",
    meta: Meta::new("server", "4.0.0", 3, Flags::FAST.with(Flags::WRITE))
        .about("Exchanges the contents of two databases.", "O(1)")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .usage("index1:integer index2:integer"),
    run: swapdb as DataFn,
    subcommands: &[],
};

fn swapdb(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let first = int32(&args[1]).map_err(|_| Error::text("ERR invalid first DB index"))?;
    let second = int32(&args[2]).map_err(|_| Error::text("ERR invalid second DB index"))?;
    let (first, second) = (database(&ctx.db, first)?, database(&ctx.db, second)?);
    ctx.db.swap(first, second);
    ctx.reply.ok();
    Ok(())
}
