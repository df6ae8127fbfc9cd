//! XINFO: what there is to know of a stream, its groups and their consumers.

use collections::{Consumer, ENTRIES_READ_UNKNOWN, Entries, Group, Stream, StreamId};
use resp::{Args, Reply};

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::id::IdText;
use super::{no_group_of, reply_entries, reply_entry, wrong_arguments};

/// Describes streams.
pub(super) const XINFO: DataRow = Row {
    name: "xinfo",
    meta: Meta::new("stream", "5.0.0", -2, Flags::NONE).about("Describes streams.", "that of the subcommand"),
    run: xinfo as DataFn,
    subcommands: &[GROUPS, CONSUMERS, STREAM, HELP],
};

/// Only reached without a subcommand, which the arity forbids.
fn xinfo(_: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    Err(Error::Syntax)
}

/// Lists the consumer groups of a stream.
const GROUPS: DataRow = Row {
    name: "groups",
    meta: Meta::new("stream", "5.0.0", 3, Flags::READONLY)
        .about("Lists the consumer groups of a stream.", "O(G) with G groups")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("key:key#0"),
    run: groups as DataFn,
    subcommands: &[],
};

fn groups(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let stream = ctx.db.collection::<Stream>(&args[2])?.ok_or(Error::NoSuchKey)?;
    let reply = &mut ctx.reply;
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(6);
        put_text(reply, "name", name);
        put_int(reply, "consumers", group.consumers_len() as i64);
        put_int(reply, "pending", group.pending_len() as i64);
        put_progress(reply, group, stream.entries());
    }
    Ok(())
}

/// Lists the consumers of a group.
const CONSUMERS: DataRow = Row {
    name: "consumers",
    meta: Meta::new("stream", "5.0.0", 4, Flags::READONLY)
        .about("Lists the consumers of a group.", "O(C) with C consumers")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("key:key#0 group:string")
        .tips(&["nondeterministic_output"]),
    run: consumers as DataFn,
    subcommands: &[],
};

fn consumers(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = ctx.db.now.0;
    let stream = ctx.db.collection::<Stream>(&args[2])?.ok_or(Error::NoSuchKey)?;
    let group = stream.group(&args[3]).ok_or_else(|| no_group_of(&args[2], &args[3]))?;
    let reply = &mut ctx.reply;
    reply.array(group.consumers_len());
    for (name, consumer) in group.consumers() {
        reply.map(4);
        put_text(reply, "name", name);
        put_int(reply, "pending", consumer.pending_len() as i64);
        put_int(reply, "idle", now.saturating_sub(consumer.seen_ms).max(0));
        let inactive = match consumer.active_ms {
            -1 => -1,
            active => now.saturating_sub(active),
        };
        put_int(reply, "inactive", inactive);
    }
    Ok(())
}

/// Describes a stream; with FULL its groups and some of its entries too.
const STREAM: DataRow = Row {
    name: "stream",
    meta: Meta::new("stream", "5.0.0", -3, Flags::READONLY)
        .about(
            "Describes a stream; with FULL its groups and some of its entries too.",
            "O(log(N)) with N entries; with FULL as much more as it shows",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("key:key#0 [full-block{FULL [COUNT=count:integer]}]"),
    run: stream as DataFn,
    subcommands: &[],
};

/// What FULL shows of entries and of what is pending, without COUNT.
const FULL_COUNT: usize = 10;

fn stream(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let stream = ctx.db.collection::<Stream>(&args[2])?.ok_or(Error::NoSuchKey)?;
    let full = parse_full(args)?;
    let (reply, entries) = (&mut ctx.reply, stream.entries());
    reply.map(if full.is_some() { 9 } else { 10 });
    put_int(reply, "length", entries.len() as i64);
    let blocks = entries.block_count();
    put_int(reply, "radix-tree-keys", blocks as i64);
    put_int(reply, "radix-tree-nodes", entries.node_count() as i64);
    put_id(reply, "last-generated-id", entries.last_id);
    put_id(reply, "max-deleted-entry-id", entries.max_deleted_id);
    put_int(reply, "entries-added", entries.entries_added as i64);
    put_id(reply, "recorded-first-entry-id", entries.first_id());
    match full {
        None => {
            put_int(reply, "groups", stream.groups_len() as i64);
            for (name, entry) in [("first-entry", entries.first()), ("last-entry", entries.last())] {
                reply.bulk(name.as_bytes());
                match entry {
                    Some(entry) => reply_entry(reply, &entry),
                    None => reply.null(),
                }
            }
        }
        Some(count) => {
            reply.bulk(b"entries");
            reply_entries(reply, entries.range(StreamId::MIN, StreamId::MAX).take(count));
            reply.bulk(b"groups");
            reply.array(stream.groups_len());
            stream.groups().for_each(|(name, group)| reply_full_group(reply, name, group, entries, count));
        }
    }
    Ok(())
}

/// How much FULL is to show; None without FULL.
fn parse_full(args: &Args<'_>) -> Result<Option<usize>, Error> {
    if args.len() == 3 {
        return Ok(None);
    }
    let fits = is(&args[3], "FULL") && (args.len() == 4 || (args.len() == 6 && is(&args[4], "COUNT")));
    if !fits {
        return Err(wrong_arguments(args));
    }
    let count = args.get(5).map(int).transpose()?;
    Ok(Some(match count {
        Some(0) => usize::MAX,
        Some(count) => usize::try_from(count).unwrap_or(FULL_COUNT),
        None => FULL_COUNT,
    }))
}

fn reply_full_group(reply: &mut Reply<'_>, name: &[u8], group: &Group, entries: &Entries, count: usize) {
    reply.map(7);
    put_text(reply, "name", name);
    put_progress(reply, group, entries);
    put_int(reply, "pel-count", group.pending_len() as i64);
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
        reply.array(4);
        reply.bulk(IdText::new(id).as_bytes());
        reply.bulk(pending.consumer());
        reply.int(pending.delivered_ms);
        reply.int(pending.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers_len());
    group.consumers().for_each(|(name, consumer)| reply_full_consumer(reply, name, consumer, group, count));
}

fn reply_full_consumer(reply: &mut Reply<'_>, name: &[u8], consumer: &Consumer, group: &Group, count: usize) {
    reply.map(5);
    put_text(reply, "name", name);
    put_int(reply, "seen-time", consumer.seen_ms);
    put_int(reply, "active-time", consumer.active_ms);
    put_int(reply, "pel-count", consumer.pending_len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(count));
    for id in consumer.pending_from(StreamId::MIN).take(count) {
        let pending = group.pending(id).expect("what is pending for a consumer is pending in its group");
        reply.array(3);
        reply.bulk(IdText::new(id).as_bytes());
        reply.int(pending.delivered_ms);
        reply.int(pending.deliveries as i64);
    }
}

/// How far a group has read, and how much is left.
fn put_progress(reply: &mut Reply<'_>, group: &Group, entries: &Entries) {
    put_id(reply, "last-delivered-id", group.last_id);
    reply.bulk(b"entries-read");
    match group.entries_read {
        ENTRIES_READ_UNKNOWN => reply.null(),
        read => reply.int(read),
    }
    reply.bulk(b"lag");
    match lag(group, entries) {
        Some(lag) => reply.int(lag),
        None => reply.null(),
    }
}

fn lag(group: &Group, entries: &Entries) -> Option<i64> {
    let added = entries.entries_added as i64;
    if added == 0 {
        return Some(0);
    }
    if group.entries_read != ENTRIES_READ_UNKNOWN && !entries.has_gap_from(group.last_id) {
        return Some(added.wrapping_sub(group.entries_read));
    }
    entries.ordinal(group.last_id).map(|read| added.wrapping_sub(read as i64))
}

fn put_text(reply: &mut Reply<'_>, name: &str, value: &[u8]) {
    reply.bulk(name.as_bytes());
    reply.bulk(value);
}

fn put_int(reply: &mut Reply<'_>, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.int(value);
}

fn put_id(reply: &mut Reply<'_>, name: &str, id: StreamId) {
    put_text(reply, name, IdText::new(id).as_bytes());
}

/// Lists the subcommands of XINFO.
const HELP: DataRow = Row {
    name: "help",
    meta: Meta::new("stream", "5.0.0", 2, Flags::LOADING.with(Flags::STALE))
        .about("Lists the subcommands of XINFO.", "O(1)")
        .acl(Categories::STREAM),
    run: help as DataFn,
    subcommands: &[],
};

fn help(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let lines = [
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    List the consumers of a group.",
        "GROUPS <key>",
        "    List the groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Describe a stream; with FULL its groups and entries too.",
        "HELP",
        "    Print this help.",
    ];
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.simple(line));
    Ok(())
}
