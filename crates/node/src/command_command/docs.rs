//! COMMAND DOCS: what a command does and how it is called.

use commands::usage::{Argument, Shape, parse};
use resp::Reply;

use crate::table::{CommandId, CommandTable};

/// Commands that servers send to each other, or that only tests use.
const INTERNAL: [&str; 5] = ["debug", "pfdebug", "pfselftest", "replconf", "restore-asking"];

/// Replies the documentation of commands as a map by name.
pub(super) fn reply(reply: &mut Reply<'_>, table: &CommandTable, ids: &[CommandId]) {
    reply.map(ids.len());
    for id in ids {
        let command = table.get(*id);
        reply.bulk(command.full_name.as_bytes());
        document(reply, table, *id);
    }
}

fn document(reply: &mut Reply<'_>, table: &CommandTable, id: CommandId) {
    let command = table.get(id);
    let meta = command.row.meta();
    let arguments = parse(meta.usage);
    let internal = INTERNAL.contains(&command.full_name.as_str());
    let fields = 3
        + usize::from(!meta.complexity.is_empty())
        + usize::from(internal)
        + 3 * usize::from(meta.deprecated.is_some())
        + usize::from(!arguments.is_empty())
        + usize::from(!command.subcommands.is_empty());
    reply.map(fields);
    text(reply, "summary", meta.summary);
    text(reply, "since", meta.since);
    text(reply, "group", meta.group);
    if !meta.complexity.is_empty() {
        text(reply, "complexity", meta.complexity);
    }
    if internal {
        flags(reply, "doc_flags", &["syscmd"]);
    }
    if let Some((since, instead)) = meta.deprecated {
        flags(reply, "doc_flags", &["deprecated"]);
        text(reply, "deprecated_since", since);
        text(reply, "replaced_by", instead);
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        list_arguments(reply, &arguments);
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        self::reply(reply, table, &command.subcommands);
    }
}

fn text(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn flags(reply: &mut Reply<'_>, name: &str, flags: &[&str]) {
    reply.bulk(name.as_bytes());
    super::info::names(reply, flags.iter().copied());
}

fn list_arguments(reply: &mut Reply<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| describe(reply, argument));
}

fn describe(reply: &mut Reply<'_>, argument: &Argument) {
    let (kind, inner) = match &argument.shape {
        Shape::Value(kind) => (kind.as_str(), None),
        Shape::PureToken => ("pure-token", None),
        Shape::OneOf(choices) => ("oneof", Some(choices)),
        Shape::Block(parts) => ("block", Some(parts)),
    };
    // Where nothing else is said, a single argument is shown under its name; a group only under its parts.
    let shown = argument.display.as_deref().or(inner.is_none().then_some(&argument.name));
    let marks =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")];
    let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    let texts = [
        ("token", argument.token.as_deref()),
        ("since", argument.since.as_deref()),
        ("deprecated_since", argument.deprecated_since.as_deref()),
    ];
    let fields = 2
        + usize::from(shown.is_some())
        + usize::from(argument.key_spec.is_some())
        + texts.iter().filter(|(_, value)| value.is_some()).count()
        + usize::from(!marks.is_empty())
        + usize::from(inner.is_some());
    reply.map(fields);
    text(reply, "name", &argument.name);
    text(reply, "type", kind);
    if let Some(shown) = shown {
        text(reply, "display_text", shown);
    }
    if let Some(index) = argument.key_spec {
        reply.bulk(b"key_spec_index");
        reply.int(i64::from(index));
    }
    for (name, value) in texts {
        if let Some(value) = value {
            text(reply, name, value);
        }
    }
    if !marks.is_empty() {
        flags(reply, "flags", &marks);
    }
    if let Some(inner) = inner {
        reply.bulk(b"arguments");
        list_arguments(reply, inner);
    }
}
