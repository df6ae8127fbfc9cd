//! XGROUP: groups and their consumers come and go.

use collections::{ENTRIES_READ_UNKNOWN, Group, Stream, StreamId};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::{CREATE_CONSUMER, event, id, no_group_of, wrong_arguments};

/// Manages consumer groups.
pub(super) const XGROUP: DataRow = Row {
    name: "xgroup",
    meta: Meta::new("stream", "5.0.0", -2, Flags::NONE).about("Manages consumer groups.", "that of the subcommand"),
    run: xgroup as DataFn,
    subcommands: &[CREATE, SETID, DESTROY, DELCONSUMER, HELP, CREATECONSUMER],
};

/// Only reached without a subcommand, which the arity forbids.
fn xgroup(_: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    Err(Error::Syntax)
}

/// Makes a consumer group.
const CREATE: DataRow = Row {
    name: "create",
    meta: Meta::new("stream", "5.0.0", -5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Makes a consumer group.", "O(1)")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1)])
        .usage("key:key#0 group:string id-selector<id:string | new-id@$> [MKSTREAM] [ENTRIESREAD=entriesread:integer'entries-read']"),
    run: create as DataFn,
    subcommands: &[],
};

fn create(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = Options::parse(args, true)?;
    let (key, name) = (&args[2], &args[3]);
    let mut edit = ctx.db.edit_or_new::<Stream>(key)?;
    let made = if edit.is_new() && !options.make_stream {
        Err(Error::text(NO_KEY))
    } else if args.len() > 8 {
        Err(wrong_arguments(args))
    } else {
        position(&args[4], edit.get())
    };
    let made = made.and_then(|last_id| {
        let group = Group::new(last_id, options.entries_read);
        let fresh = edit.get_mut().0.add_group(name, group);
        fresh.then_some(()).ok_or(Error::text("BUSYGROUP Consumer Group name already exists"))
    });
    if let Err(refusal) = made {
        edit.unchanged();
        return Err(refusal);
    }
    let created = event("xgroup-create");
    if edit.is_new() {
        edit.changed(created, 1)
    } else {
        edit.changed_unwatched(Some(created), 1)
    }
    ctx.reply.ok();
    Ok(())
}

/// Sets up to where a consumer group has read.
const SETID: DataRow = Row {
    name: "setid",
    meta: Meta::new("stream", "5.0.0", -5, Flags::WRITE)
        .about("Sets up to where a consumer group has read.", "O(1)")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 2, 0, 1)])
        .usage(
            "key:key#0 group:string id-selector<id:string | new-id@$> [ENTRIESREAD=entriesread:integer'entries-read']",
        ),
    run: setid as DataFn,
    subcommands: &[],
};

fn setid(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = Options::parse(args, false)?;
    let (key, name) = (&args[2], &args[3]);
    let mut edit = ctx.db.edit::<Stream>(key)?.ok_or(Error::text(NO_KEY))?;
    let last_id = if edit.get().group(name).is_none() {
        Err(no_group_of(key, name))
    } else if args.len() > 7 {
        Err(wrong_arguments(args))
    } else if matches!(&args[4], b"-" | b"+") {
        // The ends of all ids: known here, not to CREATE.
        id::range_start(&args[4])
    } else {
        position(&args[4], edit.get())
    };
    let last_id = match last_id {
        Ok(last_id) => last_id,
        Err(refusal) => {
            edit.unchanged();
            return Err(refusal);
        }
    };
    edit.get_mut().0.edit_group(name, |group, _| {
        group.last_id = last_id;
        group.entries_read = options.entries_read;
    });
    edit.changed_unwatched(Some(event("xgroup-setid")), 1);
    ctx.reply.ok();
    Ok(())
}

/// Removes a consumer group and what is pending in it.
const DESTROY: DataRow = Row {
    name: "destroy",
    meta: Meta::new("stream", "5.0.0", 4, Flags::WRITE)
        .about("Removes a consumer group and what is pending in it.", "O(N) with N entries pending")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 2, 0, 1)])
        .usage("key:key#0 group:string"),
    run: destroy as DataFn,
    subcommands: &[],
};

fn destroy(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut edit = ctx.db.edit::<Stream>(&args[2])?.ok_or(Error::text(NO_KEY))?;
    let removed = edit.get_mut().0.remove_group(&args[3]);
    if removed {
        edit.changed_for_waiters(event("xgroup-destroy"), 1);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(i64::from(removed));
    Ok(())
}

/// Makes a consumer in a group.
const CREATECONSUMER: DataRow = Row {
    name: "createconsumer",
    meta: Meta::new("stream", "6.2.0", 5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Makes a consumer in a group.", "O(1)")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1)])
        .usage("key:key#0 group:string consumer:string"),
    run: createconsumer as DataFn,
    subcommands: &[],
};

fn createconsumer(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, name, now) = (&args[2], &args[3], ctx.db.now.0);
    let mut edit = ctx.db.edit::<Stream>(key)?.ok_or(Error::text(NO_KEY))?;
    let created = edit.get_mut().0.edit_group(name, |group, _| group.add_consumer(&args[4], now));
    match created {
        Some(true) => edit.changed_unwatched(Some(CREATE_CONSUMER), 1),
        _ => edit.unchanged(),
    }
    ctx.reply.int(i64::from(created.ok_or_else(|| no_group_of(key, name))?));
    Ok(())
}

/// Removes a consumer and what is pending for it from a group; returns how much that was.
const DELCONSUMER: DataRow = Row {
    name: "delconsumer",
    meta: Meta::new("stream", "5.0.0", 5, Flags::WRITE)
        .about(
            "Removes a consumer and what is pending for it from a group; returns how much that was.",
            "O(N*log(M)) with N entries pending for it and M in the group",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 2, 0, 1)])
        .usage("key:key#0 group:string consumer:string"),
    run: delconsumer as DataFn,
    subcommands: &[],
};

fn delconsumer(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, name) = (&args[2], &args[3]);
    let mut edit = ctx.db.edit::<Stream>(key)?.ok_or(Error::text(NO_KEY))?;
    let pending = edit.get_mut().0.edit_group(name, |group, _| group.remove_consumer(&args[4]));
    match pending {
        Some(Some(_)) => edit.changed_unwatched(Some(event("xgroup-delconsumer")), 1),
        _ => edit.unchanged(),
    }
    let pending = pending.ok_or_else(|| no_group_of(key, name))?;
    ctx.reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}

/// Lists the subcommands of XGROUP.
const HELP: DataRow = Row {
    name: "help",
    meta: Meta::new("stream", "5.0.0", 2, Flags::LOADING.with(Flags::STALE))
        .about("Lists the subcommands of XGROUP.", "O(1)")
        .acl(Categories::STREAM),
    run: help as DataFn,
    subcommands: &[],
};

fn help(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let lines = [
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a group that has read up to <id>, or to the stream's last entry.",
        "    * MKSTREAM: makes the stream too, if there is none.",
        "    * ENTRIESREAD <count>: tells how many entries were read up to there.",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer in a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove a consumer, with what is pending for it.",
        "DESTROY <key> <groupname>",
        "    Remove a group, with all that is pending in it.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set up to where a group has read.",
        "HELP",
        "    Print this help.",
    ];
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.simple(line));
    Ok(())
}

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
                      the MKSTREAM option to create an empty stream automatically.";

/// The id up to which a group has read.
fn position(text: &[u8], stream: &Stream) -> Result<StreamId, Error> {
    if text == b"$" { Ok(stream.entries().last_id) } else { id::exact(text) }
}

/// What may stand behind the id of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: i64,
}

impl Options {
    fn parse(args: &Args<'_>, is_create: bool) -> Result<Options, Error> {
        let mut options = Options { make_stream: false, entries_read: ENTRIES_READ_UNKNOWN };
        let mut at = 5;
        while at < args.len() {
            if is_create && is(&args[at], "MKSTREAM") {
                options.make_stream = true;
                at += 1;
            } else if let Some(count) = args.get(at + 1).filter(|_| is(&args[at], "ENTRIESREAD")) {
                options.entries_read = int(count)?;
                if options.entries_read < ENTRIES_READ_UNKNOWN {
                    return Err(Error::text("ERR value for ENTRIESREAD must be positive or -1"));
                }
                at += 2;
            } else {
                return Err(wrong_arguments(args));
            }
        }
        Ok(options)
    }
}
