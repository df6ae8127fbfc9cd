//! COMMAND: what commands there are. Everything is read from the rows: INFO in `command_command/info.rs`, DOCS in
//! `command_command/docs.rs`, keys of a request in `command_keys.rs`.

mod docs;
mod info;

use commands::{Categories, Error, Flags, Meta, Outcome, Row, is};
use resp::Args;

use crate::client::ConnId;
use crate::command_keys::{FoundKey, NoKeys, keys_of};
use crate::node::{Node, reply_to};
use crate::table::{CommandId, CommandTable, ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[COMMAND];

const FLAGS: Flags = Flags::LOADING.with(Flags::STALE);
const UNORDERED: &[&str] = &["nondeterministic_output_order"];
const FILTER_USAGE: &str =
    "[FILTERBY=filterby<MODULE=module-name:string | ACLCAT=category:string | PATTERN=pattern:pattern>]";

/// One subcommand of COMMAND.
const fn sub(name: &'static str, since: &'static str, arity: i8, complexity: &'static str, run: ServerFn) -> ServerRow {
    let meta = Meta::new("server", since, arity, FLAGS).about("", complexity).acl(Categories::CONNECTION);
    Row { name, meta, run, subcommands: &[] }
}

/// A row with its summary, arguments and hints.
const fn described(
    mut row: ServerRow,
    summary: &'static str,
    usage: &'static str,
    tips: &'static [&'static str],
) -> ServerRow {
    row.meta.summary = summary;
    row.meta = row.meta.usage(usage).tips(tips);
    row
}

/// Describes all commands.
const COMMAND: ServerRow = Row {
    name: "command",
    meta: Meta::new("server", "2.8.13", -1, FLAGS)
        .about("Describes all commands.", "O(N) in the number of commands.")
        .acl(Categories::CONNECTION)
        .tips(UNORDERED),
    run: all as ServerFn,
    subcommands: &[
        described(sub("count", "2.8.13", 2, "O(1)", count), "Counts the commands.", "", &[]),
        described(
            sub("list", "7.0.0", -2, "O(N)", list),
            "Names the commands, or those that a filter leaves.",
            FILTER_USAGE,
            UNORDERED,
        ),
        described(
            sub("info", "2.8.13", -2, "O(N)", info),
            "Describes commands.",
            "[command-name:string...]",
            UNORDERED,
        ),
        described(
            sub("docs", "7.0.0", -2, "O(N)", docs),
            "Explains commands and their arguments.",
            "[command-name:string...]",
            UNORDERED,
        ),
        described(sub("getkeys", "2.8.13", -3, "O(N)", get_keys), "Finds the keys in a request.", REQUEST_USAGE, &[]),
        described(
            sub("getkeysandflags", "7.0.0", -3, "O(N)", get_keys_and_flags),
            "Finds the keys in a request and what is done with them.",
            REQUEST_USAGE,
            &[],
        ),
        described(sub("help", "5.0.0", 2, "O(1)", help), "Lists the subcommands.", "", &[]),
    ],
};

const REQUEST_USAGE: &str = "command:string [arg:string...]";

/// The command of that name, `config|get` for a subcommand.
pub(crate) fn find(table: &CommandTable, name: &[u8]) -> Option<CommandId> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let id = table.find_name(parts.next()?)?;
    let Some(sub) = parts.next() else { return Some(id) };
    let subcommands = &table.get(id).subcommands;
    subcommands.iter().copied().find(|id| table.get(*id).row.name().as_bytes().eq_ignore_ascii_case(sub))
}

/// The commands that a request names, all top-level ones if it names none. None stands for an unknown one.
fn chosen(table: &CommandTable, names: &Args<'_>) -> Vec<Option<CommandId>> {
    if names.is_empty() {
        return table.top_level().map(Some).collect();
    }
    names.iter().map(|name| find(table, name)).collect()
}

fn all(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let Node { table, clients, .. } = node;
    let ids: Vec<Option<CommandId>> = table.top_level().map(Some).collect();
    info::reply(&mut reply_to(&mut clients[conn]), table, &ids);
    Ok(())
}

fn count(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let count = node.table.top_level().count();
    node.reply(conn).int(count as i64);
    Ok(())
}

fn info(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let Node { table, clients, .. } = node;
    info::reply(&mut reply_to(&mut clients[conn]), table, &chosen(table, &args.tail(2)));
    Ok(())
}

fn docs(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let Node { table, clients, .. } = node;
    let known: Vec<CommandId> = chosen(table, &args.tail(2)).into_iter().flatten().collect();
    docs::reply(&mut reply_to(&mut clients[conn]), table, &known);
    Ok(())
}

fn list(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let table = &node.table;
    let names: Vec<String> = match args.len() {
        2 => table.top_level().map(|id| table.get(id).full_name.clone()).collect(),
        5 if is(&args[2], "FILTERBY") => filtered(table, &args[3], &args[4])?,
        _ => return Err(Error::Syntax),
    };
    let mut reply = node.reply(conn);
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

/// The names of the commands and subcommands that a filter of COMMAND LIST leaves.
fn filtered(table: &CommandTable, filter: &[u8], value: &[u8]) -> Result<Vec<String>, Error> {
    let category = std::str::from_utf8(value).ok().and_then(Categories::by_name);
    let fits: &dyn Fn(CommandId) -> bool = if is(filter, "MODULE") {
        &|_| false // There are no modules.
    } else if is(filter, "ACLCAT") {
        &|id| category.is_some_and(|category| table.get(id).row.meta().categories().has(category))
    } else if is(filter, "PATTERN") {
        &|id| base::glob_match(value, table.get(id).full_name.as_bytes(), true)
    } else {
        return Err(Error::Syntax);
    };
    let with_subcommands =
        table.top_level().flat_map(|id| std::iter::once(id).chain(table.get(id).subcommands.iter().copied()));
    Ok(with_subcommands.filter(|id| fits(*id)).map(|id| table.get(id).full_name.clone()).collect())
}

/// The keys in the request that stands behind COMMAND GETKEYS; positions count from that request.
fn keys_in(table: &CommandTable, request: &Args<'_>) -> Result<Vec<FoundKey>, Error> {
    let id = table.find(request).map_err(|_| Error::text("ERR Invalid command specified"))?;
    let command = table.get(id);
    let meta = command.row.meta();
    if !crate::command_keys::has_keys(meta) {
        return Err(Error::text("ERR The command has no key arguments"));
    }
    if !meta.arity_fits(request.len()) {
        return Err(Error::text("ERR Invalid number of arguments specified for command"));
    }
    keys_of(&command.full_name, meta, request).map_err(|refusal| match refusal {
        NoKeys::NotACommandWithKeys => Error::text("ERR The command has no key arguments"),
        NoKeys::BadArguments => Error::text("ERR Invalid arguments specified for command"),
    })
}

fn get_keys(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let request = args.tail(2);
    let keys = keys_in(&node.table, &request)?;
    let mut reply = node.reply(conn);
    reply.array(keys.len());
    keys.iter().for_each(|key| reply.bulk(&request[key.at]));
    Ok(())
}

fn get_keys_and_flags(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let request = args.tail(2);
    let keys = keys_in(&node.table, &request)?;
    let mut reply = node.reply(conn);
    reply.array(keys.len());
    for key in keys {
        reply.array(2);
        reply.bulk(&request[key.at]);
        info::names(&mut reply, key.access.names());
    }
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "COMMAND",
        &[
            ("(no subcommand)", "Describe all commands."),
            ("COUNT", "Return how many commands there are."),
            ("DOCS [<command-name> ...]", "Explain commands and their arguments (default: all)."),
            ("GETKEYS <full-command>", "Return the keys in a request."),
            ("GETKEYSANDFLAGS <full-command>", "Return the keys in a request and what is done with each."),
            ("INFO [<command-name> ...]", "Describe commands (default: all)."),
            (
                "LIST",
                "Return the names of commands, with FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>) of some.",
            ),
        ],
    )
}
