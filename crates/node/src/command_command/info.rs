//! COMMAND INFO: arity, flags, key positions and ACL categories of a command, as a list of ten fields.

use commands::{Begin, Find, Flags, KeySpec};
use resp::Reply;

use crate::command_keys::legacy_span;
use crate::table::{CommandId, CommandTable};

/// Replies the descriptions of commands; a null for None.
pub(super) fn reply(reply: &mut Reply<'_>, table: &CommandTable, ids: &[Option<CommandId>]) {
    reply.array(ids.len());
    for id in ids {
        match id {
            Some(id) => describe(reply, table, *id),
            None => reply.null(),
        }
    }
}

fn describe(reply: &mut Reply<'_>, table: &CommandTable, id: CommandId) {
    let command = table.get(id);
    let meta = command.row.meta();
    let (first, last, step) = legacy_span(meta);
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.int(i64::from(meta.arity));
    // The peers keep this one to themselves.
    names(reply, meta.flags.without(Flags::MAY_REPLICATE).names());
    reply.int(i64::from(first));
    reply.int(i64::from(last));
    reply.int(i64::from(step));
    let categories: Vec<String> = meta.categories().names().map(|name| format!("@{name}")).collect();
    names(reply, categories.iter().map(String::as_str));
    reply.set(meta.tips.len());
    meta.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(meta.keys.len());
    meta.keys.iter().for_each(|spec| key_specification(reply, spec));
    reply.set(command.subcommands.len());
    command.subcommands.iter().for_each(|sub| describe(reply, table, *sub));
}

/// A set of names, each a simple string.
pub(super) fn names<'a>(reply: &mut Reply<'_>, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name));
}

fn key_specification(reply: &mut Reply<'_>, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    names(reply, spec.access.names());
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => {
            step(reply, "index", 1);
            number(reply, "index", index);
        }
        Begin::Keyword { word, from } => {
            step(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            number(reply, "startfrom", from);
        }
        Begin::Unknown => step(reply, "unknown", 0),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step: distance, limit } => {
            step(reply, "range", 3);
            number(reply, "lastkey", last);
            number(reply, "keystep", distance);
            number(reply, "limit", limit);
        }
        Find::Count { count_at, first, step: distance } => {
            step(reply, "keynum", 3);
            number(reply, "keynumidx", count_at);
            number(reply, "firstkey", first);
            number(reply, "keystep", distance);
        }
        Find::Unknown => step(reply, "unknown", 0),
    }
}

/// Begins one step of the search; its `fields` must follow.
fn step(reply: &mut Reply<'_>, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}

fn number(reply: &mut Reply<'_>, name: &str, value: i32) {
    reply.bulk(name.as_bytes());
    reply.int(i64::from(value));
}
