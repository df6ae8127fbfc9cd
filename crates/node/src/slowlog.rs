//! SLOWLOG: the commands that took longest of late.

use std::collections::VecDeque;
use std::time::Duration;

use base::UnixMs;
use commands::{Error, Flags, Meta, Outcome, Row};
use config::Config;
use resp::Args;

use crate::client::{Client, ConnId};
use crate::node::Node;
use crate::pubsub::container;
use crate::redact::{REDACTED, secrets};
use crate::table::{ServerFn, ServerRow};

/// An entry shows this many arguments at most, and this many bytes of each.
const ARGS_SHOWN_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// The slow commands, the newest first.
#[derive(Default)]
pub struct SlowLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

struct Entry {
    id: u64,
    at: UnixMs,
    took: Duration,
    args: Vec<Vec<u8>>,
    addr: String,
    name: Vec<u8>,
}

impl SlowLog {
    /// Adds a command, if it took long enough.
    pub fn add(
        &mut self,
        config: &Config,
        at: UnixMs,
        took: Duration,
        (full_name, args): (&str, &Args<'_>),
        client: Option<&Client>,
    ) {
        if !is_slow(config, took) {
            return;
        }
        let (addr, name) =
            client.map_or((String::new(), Vec::new()), |client| (client.peer.addr.clone(), client.name.clone()));
        self.push(config, Entry { id: self.next_id, at, took, args: shorten(full_name, args), addr, name });
    }

    /// Adds the commands that shared a time, by their names, if that was long enough for one.
    pub fn add_shared(&mut self, config: &Config, at: UnixMs, took: Duration, names: impl FnOnce() -> Vec<Vec<u8>>) {
        if !is_slow(config, took) {
            return;
        }
        let mut args = names();
        args.insert(0, b"(pipeline)".to_vec());
        self.push(config, Entry { id: self.next_id, at, took, args, addr: String::new(), name: Vec::new() });
    }

    fn push(&mut self, config: &Config, entry: Entry) {
        self.entries.push_front(entry);
        self.next_id += 1;
        self.entries.truncate(config.slowlog_max_len as usize);
    }
}

fn is_slow(config: &Config, took: Duration) -> bool {
    let threshold = config.slowlog_log_slower_than;
    threshold >= 0 && took.as_micros() >= threshold as u128
}

fn shorten(full_name: &str, args: &Args<'_>) -> Vec<Vec<u8>> {
    let secrets = secrets(full_name, args);
    let shown = if args.len() > ARGS_SHOWN_MAX { ARGS_SHOWN_MAX - 1 } else { args.len() };
    let mut list: Vec<Vec<u8>> = args
        .iter()
        .take(shown)
        .enumerate()
        .map(|(at, arg)| if secrets.contains(&at) { REDACTED.to_vec() } else { shorten_one(arg) })
        .collect();
    if args.len() > shown {
        list.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    list
}

fn shorten_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut text = arg[..ARG_BYTES_MAX].to_vec();
    text.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
    text
}

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[SLOWLOG];

const FLAGS: Flags = Flags::ADMIN.with(Flags::LOADING).with(Flags::STALE);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The slow log.
const SLOWLOG: ServerRow = Row {
    name: "slowlog",
    meta: Meta::new("server", "2.2.12", -2, Flags::NONE)
        .about("Shows commands that took long.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        Row {
            name: "get",
            meta: Meta::new("server", "2.2.12", -2, FLAGS)
                .about("Returns the newest entries.", "O(N)")
                .usage("[count:integer]")
                .tips(&["request_policy:all_nodes", "nondeterministic_output"]),
            run: get as ServerFn,
            subcommands: &[],
        },
        Row {
            name: "len",
            meta: Meta::new("server", "2.2.12", 2, FLAGS).about("Counts the entries.", "O(1)").tips(&[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ]),
            run: len,
            subcommands: &[],
        },
        Row {
            name: "reset",
            meta: Meta::new("server", "2.2.12", 2, FLAGS).about("Drops all entries.", "O(N)").tips(EVERYWHERE),
            run: reset,
            subcommands: &[],
        },
        Row {
            name: "help",
            meta: Meta::new("server", "6.2.0", 2, Flags::LOADING.with(Flags::STALE))
                .about("Lists the subcommands.", "O(1)"),
            run: help,
            subcommands: &[],
        },
    ],
};

fn get(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    const COUNT_DEFAULT: i64 = 10;
    if args.len() > 3 {
        return Err(crate::help::wrong_arguments(args));
    }
    let count = args.get(2).map_or(Some(COUNT_DEFAULT), base::numbers::parse_i64).filter(|count| *count >= -1);
    let count = count.ok_or(Error::text("ERR count should be greater than or equal to -1"))?;
    let count = if count == -1 { usize::MAX } else { count as usize };
    let Node { clients, slowlog, .. } = node;
    let mut reply = crate::node::reply_to(&mut clients[conn]);
    let shown = count.min(slowlog.entries.len());
    reply.array(shown);
    for entry in slowlog.entries.iter().take(shown) {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(entry.at.seconds());
        reply.int(entry.took.as_micros() as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.addr.as_bytes());
        reply.bulk(&entry.name);
    }
    Ok(())
}

fn len(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let entries = node.slowlog.entries.len();
    node.reply(conn).int(entries as i64);
    Ok(())
}

fn reset(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    node.slowlog.entries.clear();
    node.reply(conn).simple("OK");
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "SLOWLOG",
        &[
            (
                "GET [<count>]",
                "Return the newest entries (default: 10, -1 for all): id, time, microseconds, arguments, address, name.",
            ),
            ("LEN", "Return how many entries there are."),
            ("RESET", "Drop all entries."),
        ],
    )
}
