//! XADD, XTRIM and XSETID: entries come, go from the front, and the counters beside them.

use collections::{Entries, Stream, StreamId};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;
use super::id::{self, IdText, NewId};
use super::trim::Options;

/// Appends an entry to a stream; makes the stream unless told not to.
pub(super) const XADD: DataRow = Row {
    name: "xadd",
    meta: Meta::new("stream", "5.0.0", -5, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Appends an entry to a stream; makes the stream unless told not to.", "O(1), with a trim O(N) with N entries removed")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1).notes("Not only an insertion: the options can trim.")])
        .usage("key:key#0 [NOMKSTREAM^6.2.0] [trim{strategy<MAXLEN | MINID^6.2.0> [operator<equal@= | approximately@~>] threshold:string [LIMIT=count:integer^6.2.0]}] id-selector<auto-id@* | id:string> data{field:string value:string}...")
        .tips(&["nondeterministic_output"]),
    run: xadd as DataFn,
    subcommands: &[],
};

fn xadd(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = Options::parse(args, true, &ctx.db)?;
    let fields = args.tail(options.id_at + 1);
    if options.id_at == 0 || fields.len() < 2 || fields.len() % 2 == 1 {
        return Err(Error::text("ERR wrong number of arguments for 'xadd' command"));
    }
    if options.id == NewId::Exactly(StreamId::MIN) {
        return Err(Error::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now) = (&args[1], ctx.db.now.0);
    let mut edit = ctx.db.edit_or_new::<Stream>(key)?;
    if edit.is_new() && options.no_mkstream {
        edit.unchanged();
        ctx.reply.null();
        return Ok(());
    }
    let id = match options.id.resolve(edit.get().entries().last_id, now) {
        Ok(_) if Entries::is_too_large(fields.iter().map(<[u8]>::len).sum()) => {
            Err(Error::text("ERR Elements are too large to be stored"))
        }
        resolved => resolved,
    };
    let id = match id {
        Ok(id) => id,
        Err(refusal) => {
            edit.unchanged();
            return Err(refusal);
        }
    };
    let (stream, limits) = edit.get_mut();
    let entries = stream.entries_mut();
    entries.append(id, fields.iter(), limits);
    let trimmed = options.trimming.map_or(0, |trimming| trimming.apply(entries));
    edit.changed(event("xadd"), 1);
    let index = ctx.db.index();
    if trimmed > 0 {
        ctx.db.effects.note(index, key, Some(event("xtrim")));
    }
    ctx.reply.bulk(IdText::new(id).as_bytes());
    if ctx.db.effects.journal_wanted {
        journal(ctx, args, &options, Some(id));
    }
    Ok(())
}

/// Journals XADD or XTRIM so that a replica gives the same id and trims to the same length.
fn journal(ctx: &mut Context<'_>, args: &Args<'_>, options: &Options, id: Option<StreamId>) {
    let given = id.is_none_or(|id| options.id == NewId::Exactly(id));
    let trimming = options.trimming.filter(|trimming| trimming.approximate);
    if given && trimming.is_none() {
        return;
    }
    let index = ctx.db.index();
    let mut words: Vec<&[u8]> = args.iter().collect();
    let id_text = IdText::new(id.unwrap_or_default());
    if !given {
        words[options.id_at] = id_text.as_bytes();
    }
    let mut trim_text = IdText::new(StreamId::MIN);
    if let Some(trimming) = trimming
        && let Some(keyspace::ValueRef::Stream(stream)) = ctx.db.peek(&args[1])
    {
        trimming.rewrite(stream.entries(), &mut words, &mut trim_text);
    }
    ctx.db.effects.replicate_instead(index, &words);
}

/// Removes the oldest entries of a stream down to a length or an id.
pub(super) const XTRIM: DataRow = Row {
    name: "xtrim",
    meta: Meta::new("stream", "5.0.0", -4, Flags::WRITE)
        .about("Removes the oldest entries of a stream down to a length or an id.", "O(N) with N entries removed; whole blocks of them go at once")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 trim{strategy<MAXLEN | MINID^6.2.0> [operator<equal@= | approximately@~>] threshold:string [LIMIT=count:integer^6.2.0]}")
        .tips(&["nondeterministic_output"]),
    run: xtrim as DataFn,
    subcommands: &[],
};

fn xtrim(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = Options::parse(args, false, &ctx.db)?;
    let trimming = options.trimming.ok_or(Error::Syntax)?;
    let Some(mut edit) = ctx.db.edit::<Stream>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let removed = trimming.apply(edit.get_mut().0.entries_mut());
    if removed > 0 {
        edit.changed(event("xtrim"), removed as u64);
        if ctx.db.effects.journal_wanted {
            journal(ctx, args, &options, None);
        }
    } else {
        edit.unchanged();
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Sets what a stream remembers of its past: the last id, and counters.
pub(super) const XSETID: DataRow = Row {
    name: "xsetid",
    meta: Meta::new("stream", "5.0.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Sets what a stream remembers of its past: the last id, and counters.", "O(1)")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 last-id:string [ENTRIESADDED=entries-added:integer^7.0.0] [MAXDELETEDID=max-deleted-id:string^7.0.0]"),
    run: xsetid as DataFn,
    subcommands: &[],
};

fn xsetid(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let last = id::exact(&args[2])?;
    let (added, deleted) = parse_counters(args, last)?;
    let Some(mut edit) = ctx.db.edit::<Stream>(&args[1])? else { return Err(Error::NoSuchKey) };
    let entries = edit.get().entries();
    let refusal = if last < entries.max_deleted_id {
        Some("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    } else if entries.last().is_some_and(|top| last < top.id) {
        Some("ERR The ID specified in XSETID is smaller than the target stream top item")
    } else if !entries.is_empty() && added.is_some_and(|added| added < entries.len() as u64) {
        Some("ERR The entries_added specified in XSETID is smaller than the target stream length")
    } else {
        None
    };
    if let Some(text) = refusal {
        edit.unchanged();
        return Err(Error::text(text));
    }
    let entries = edit.get_mut().0.entries_mut();
    entries.last_id = last;
    entries.entries_added = added.unwrap_or(entries.entries_added);
    if deleted != StreamId::MIN {
        entries.max_deleted_id = deleted;
    }
    edit.changed_unwatched(Some(event("xsetid")), 1);
    ctx.reply.ok();
    Ok(())
}

fn parse_counters(args: &Args<'_>, last: StreamId) -> Result<(Option<u64>, StreamId), Error> {
    let (mut added, mut deleted) = (None, StreamId::MIN);
    let mut at = 3;
    while at < args.len() {
        let Some(value) = args.get(at + 1) else { return Err(Error::Syntax) };
        if is(&args[at], "ENTRIESADDED") {
            let number = u64::try_from(int(value)?);
            added = Some(number.map_err(|_| Error::text("ERR entries_added must be positive"))?);
        } else if is(&args[at], "MAXDELETEDID") {
            deleted = id::exact(value)?;
            if last < deleted {
                return Err(Error::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::Syntax);
        }
        at += 2;
    }
    Ok((added, deleted))
}
