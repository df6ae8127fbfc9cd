//! XRANGE, XREVRANGE, XLEN and XDEL: entries by their ids.

use collections::{Stream, StreamId};
use resp::Args;
use smallvec::SmallVec;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::{event, id, reply_entries};

/// Returns the entries of a stream within a range of ids.
pub(super) const XRANGE: DataRow = Row {
    name: "xrange",
    meta: Meta::new("stream", "5.0.0", -4, Flags::READONLY)
        .about("Returns the entries of a stream within a range of ids.", "O(log(N)+M) with M entries returned of N")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:string end:string [COUNT=count:integer]"),
    run: xrange as DataFn,
    subcommands: &[],
};

fn xrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(ctx, args, false)
}

/// Returns the entries of a stream within a range of ids, from the last to the first.
pub(super) const XREVRANGE: DataRow = Row {
    name: "xrevrange",
    meta: Meta::new("stream", "5.0.0", -4, Flags::READONLY)
        .about(
            "Returns the entries of a stream within a range of ids, from the last to the first.",
            "O(log(N)+M) with M entries returned of N",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 end:string start:string [COUNT=count:integer]"),
    run: xrevrange as DataFn,
    subcommands: &[],
};

fn xrevrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(ctx, args, true)
}

fn range(ctx: &mut Context<'_>, args: &Args<'_>, backwards: bool) -> Outcome {
    let (first, last) = if backwards { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let (start, end) = (id::range_start(first)?, id::range_end(last)?);
    let mut count = None;
    let mut at = 4;
    while at < args.len() {
        let number = args.get(at + 1).filter(|_| is(&args[at], "COUNT")).ok_or(Error::Syntax)?;
        count = Some(int(number)?);
        at += 2;
    }
    let Some(stream) = ctx.db.collection::<Stream>(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let max = match count {
        None => usize::MAX,
        Some(count) if count <= 0 => {
            ctx.reply.null_array();
            return Ok(());
        }
        Some(count) => count as usize,
    };
    let entries = stream.entries();
    let range = if backwards { entries.range_back(start, end) } else { entries.range(start, end) };
    reply_entries(&mut ctx.reply, range.take(max));
    Ok(())
}

/// Returns how many entries a stream has.
pub(super) const XLEN: DataRow = Row {
    name: "xlen",
    meta: Meta::new("stream", "5.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many entries a stream has.", "O(1)")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: xlen as DataFn,
    subcommands: &[],
};

fn xlen(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = ctx.db.collection::<Stream>(&args[1])?.map_or(0, |stream| stream.entries().len());
    ctx.reply.int(len as i64);
    Ok(())
}

/// Deletes entries of a stream; returns how many there were.
pub(super) const XDEL: DataRow = Row {
    name: "xdel",
    meta: Meta::new("stream", "5.0.0", -3, Flags::FAST.with(Flags::WRITE))
        .about(
            "Deletes entries of a stream; returns how many there were.",
            "O(log(N)) for each of them, with N entries in the stream",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 id:string..."),
    run: xdel as DataFn,
    subcommands: &[],
};

fn xdel(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<Stream>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    // The peers look for the key first and then read all ids before anything is deleted.
    let ids: Result<SmallVec<[StreamId; 8]>, Error> = args.tail(2).iter().map(id::exact).collect();
    let ids = match ids {
        Ok(ids) => ids,
        Err(refusal) => {
            edit.unchanged();
            return Err(refusal);
        }
    };
    let known = ids.iter().any(|id| edit.get().entries().get(*id).is_some());
    let deleted = if known {
        let entries = edit.get_mut().0.entries_mut();
        ids.into_iter().filter(|id| entries.delete(*id)).count()
    } else {
        0
    };
    if deleted > 0 {
        edit.changed(event("xdel"), deleted as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(deleted as i64);
    Ok(())
}
