//! DEBUG: what tests and people who look for a fault need, and nobody else. The subcommands are a table here; digests
//! are in `debug/digest.rs`, what tells about values in `debug/values.rs`, RELOAD in `debug/reload.rs`, PROTOCOL in
//! `debug/protocol.rs`. Subcommands of the peers that are left out are named with the reason.

mod digest;
mod protocol;
mod reload;
mod values;

use std::time::Duration;

use commands::{Error, Flags, Meta, Outcome, Row, int};
use keyspace::{Db, ExpiryMode, Value};
use resp::Args;

use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[DEBUG];

/// For tests and for people who look for a fault.
const DEBUG: ServerRow = Row {
    name: "debug",
    meta: Meta::new("server", "1.0.0", -2, Flags::ADMIN.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE))
        .about("For tests and for people who look for a fault.", "Depends on the subcommand."),
    run: debug as ServerFn,
    subcommands: &[],
};

/// One subcommand. Unlike other containers, DEBUG is one command to ACL and COMMAND, so these are no rows.
struct Subcommand {
    name: &'static str,
    /// How many arguments may follow the name.
    args: std::ops::RangeInclusive<usize>,
    usage: &'static str,
    about: &'static str,
    run: ServerFn,
}

const MANY: usize = usize::MAX;

const SUBCOMMANDS: [Subcommand; 21] = [
    Subcommand {
        name: "assert",
        args: 0..=MANY,
        usage: "",
        about: "End the program as a failed assertion does.",
        run: crash,
    },
    Subcommand {
        name: "change-repl-id",
        args: 0..=0,
        usage: "",
        about: "Go on under a fresh replication id that no replica knows.",
        run: change_repl_id,
    },
    Subcommand {
        name: "client-eviction",
        args: 0..=0,
        usage: "",
        about: "Describe the pools of client eviction.",
        run: client_eviction,
    },
    Subcommand {
        name: "digest",
        args: 0..=0,
        usage: "",
        about: "Return a digest of the whole data set.",
        run: digest::digest,
    },
    Subcommand {
        name: "digest-value",
        args: 0..=MANY,
        usage: "<key> [<key> ...]",
        about: "Return a digest of each value.",
        run: digest::digest_value,
    },
    Subcommand { name: "error", args: 1..=1, usage: "<string>", about: "Return an error of this text.", run: error },
    Subcommand {
        name: "htstats",
        args: 1..=2,
        usage: "<dbid> [full]",
        about: "Describe the table of a database.",
        run: values::table_stats,
    },
    Subcommand {
        name: "htstats-key",
        args: 1..=2,
        usage: "<key> [full]",
        about: "Describe the table of a value.",
        run: values::value_table_stats,
    },
    Subcommand {
        name: "listpack",
        args: 1..=1,
        usage: "<key>",
        about: "Write the elements of a listpack to the log.",
        run: values::listpack,
    },
    Subcommand { name: "log", args: 1..=1, usage: "<message>", about: "Write a message to the log.", run: log },
    Subcommand {
        name: "object",
        args: 1..=2,
        usage: "<key> [fast]",
        about: "Describe how a value is stored; fast leaves out what takes time.",
        run: values::object,
    },
    Subcommand {
        name: "oom",
        args: 0..=MANY,
        usage: "",
        about: "End the program as if memory had run out.",
        run: crash,
    },
    Subcommand { name: "panic", args: 0..=MANY, usage: "", about: "End the program by a panic.", run: crash },
    Subcommand {
        name: "pause-cron",
        args: 1..=1,
        usage: "<0|1>",
        about: "Stop the regular work, or go on with it.",
        run: pause_cron,
    },
    Subcommand {
        name: "populate",
        args: 1..=3,
        usage: "<count> [<prefix>] [<size>]",
        about: "Add <count> strings <prefix>:<n>; replicas do not get them.",
        run: populate,
    },
    Subcommand { name: "protocol", args: 1..=1, usage: "<type>", about: protocol::ABOUT, run: protocol::protocol },
    Subcommand {
        name: "quicklist",
        args: 1..=2,
        usage: "<key> [<0|1>]",
        about: "Write the nodes of a list to the log, with 1 their elements too.",
        run: values::quicklist,
    },
    Subcommand {
        name: "reload",
        args: 0..=MANY,
        usage: "[option ...]",
        about: "Save the data set and load it again. NOSAVE: only load; NOFLUSH: keep what there is, refuse if a key is in both; MERGE: keep what there is, the file's keys count.",
        run: reload::reload,
    },
    Subcommand {
        name: "replicate",
        args: 1..=MANY,
        usage: "<string>",
        about: "Send these words to replicas as a command, without running it here.",
        run: replicate,
    },
    Subcommand {
        name: "set-active-expire",
        args: 1..=1,
        usage: "<0|1>",
        about: "Delete expired keys only when they are met, or as usual.",
        run: set_active_expire,
    },
    Subcommand {
        name: "sleep",
        args: 1..=1,
        usage: "<seconds>",
        about: "Do nothing for so long; fractions are allowed.",
        run: sleep,
    },
];

/// What the peers have and we leave out: name and reason.
const LEFT_OUT: [(&str, &str); 22] = [
    ("aof-flush-sleep", "the append-only file is held up only by its disk"),
    ("close-cluster-link-on-packet-drop", "there is no cluster bus yet"),
    ("clusterlink", "there is no cluster bus yet"),
    ("config-rewrite-force-all", "CONFIG REWRITE writes what differs from the defaults"),
    ("crash-and-recover", "the program does not restart itself; use a supervisor"),
    ("delay-rdb-client-free-second", "a full synchronisation uses one connection"),
    ("dict-resizing", "tables grow a block at a time and never resize as a whole"),
    ("drop-cluster-packet-filter", "there is no cluster bus yet"),
    ("leak", "memory is not leaked on purpose"),
    ("loadaof", "the append-only file is loaded at a start"),
    ("mallctl", "the allocator is configured through the environment"),
    ("mallctl-str", "the allocator is configured through the environment"),
    ("pause-after-fork", "the program does not fork"),
    ("quicklist-packed-threshold", "the size of list nodes follows list-max-listpack-size alone"),
    ("replybuffer", "reply buffers are not resized by a timer"),
    ("restart", "the program does not restart itself; use a supervisor"),
    ("sdslen", "strings have no header of that kind"),
    ("segfault", "the program has no way to touch wrong memory; use PANIC"),
    ("set-disable-deny-scripts", "there are no scripts yet"),
    ("set-skip-checksum-validation", "payloads of clients are always checked; for files there is rdbchecksum"),
    ("stringmatch-test", "patterns are tested with the program's own tests"),
    ("structsize", "the sizes of internal structures say nothing to others"),
];

fn debug(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let name = String::from_utf8_lossy(&args[1]).to_ascii_lowercase();
    if name == "help" && args.len() == 2 {
        return help(node, conn);
    }
    if let Some((_, reason)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
        let name = name.to_ascii_uppercase();
        return Err(Error::owned(format!("ERR DEBUG {name} does not exist in Lockstep: {reason}")));
    }
    let found = SUBCOMMANDS.iter().find(|sub| sub.name == name && sub.args.contains(&(args.len() - 2)));
    match found {
        Some(sub) => (sub.run)(node, conn, args),
        None => Err(crate::help::wrong_arguments(args)),
    }
}

fn help(node: &mut Node, conn: ConnId) -> Outcome {
    let lines: Vec<(String, &str)> = SUBCOMMANDS
        .iter()
        .map(|sub| (format!("{} {}", sub.name.to_ascii_uppercase(), sub.usage).trim_end().to_owned(), sub.about))
        .collect();
    let lines: Vec<(&str, &str)> = lines.iter().map(|(usage, about)| (usage.as_str(), *about)).collect();
    crate::help::reply(node, conn, "DEBUG", &lines)
}

/// Ends the program at once: nothing is saved, no reply is sent.
fn crash(node: &mut Node, _conn: ConnId, args: &Args<'_>) -> Outcome {
    let how = String::from_utf8_lossy(&args[1]).to_ascii_uppercase();
    node.log(LogLevel::Warning, &format!("DEBUG {how} ends the program"));
    panic!("DEBUG {how} was called");
}

fn change_repl_id(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let fresh = base::ReplId::from_entropy(node.host.entropy());
    node.replication.history.rotate(fresh);
    node.note_new_id();
    node.log(LogLevel::Notice, "DEBUG CHANGE-REPL-ID: a fresh replication id is in use");
    node.reply(conn).ok();
    Ok(())
}

fn client_eviction(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let text = node.describe_client_memory().ok_or(Error::text("ERR maxmemory-clients is disabled."))?;
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn error(_node: &mut Node, _conn: ConnId, args: &Args<'_>) -> Outcome {
    Err(Error::Bytes(args[2].to_vec()))
}

fn log(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.log(LogLevel::Warning, &format!("DEBUG LOG: {}", String::from_utf8_lossy(&args[2])));
    node.reply(conn).ok();
    Ok(())
}

/// As the peers read a flag: what is no number is 0.
fn flag(arg: &[u8]) -> bool {
    base::numbers::parse_i64(arg).unwrap_or(0) != 0
}

fn pause_cron(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    node.cycle_at = if flag(&args[2]) { node.now + YEAR } else { node.now };
    node.reply(conn).ok();
    Ok(())
}

fn set_active_expire(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    node.active_expire = flag(&args[2]);
    node.reply(conn).ok();
    Ok(())
}

fn sleep(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let seconds = base::numbers::parse_f64(&args[2]).unwrap_or(0.0);
    let span = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO);
    node.host.sleep(span);
    node.reply(conn).ok();
    Ok(())
}

fn replicate(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let db = node.clients[conn].db;
    node.effects.push(db, args.tail(2).iter());
    node.reply(conn).ok();
    Ok(())
}

/// Keys that are there already stay as they are.
fn populate(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let positive = |arg: &[u8]| {
        let value = base::numbers::parse_i64(arg).and_then(|value| usize::try_from(value).ok());
        value.ok_or(Error::NotPositive)
    };
    let count = positive(&args[2])?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = args.get(4).map_or(Ok(0), positive)?;
    if size as u64 > node.config.proto_max_bulk_len {
        return Err(Error::StringTooLong);
    }
    let index = node.clients[conn].db;
    let Node { keyspace, effects, unix, .. } = node;
    let mut db = Db::new(keyspace, index, effects, *unix, ExpiryMode::Ignore);
    for n in 0..count {
        let digits = n.to_string();
        let key = [prefix, b":", digits.as_bytes()].concat();
        if db.exists(&key) {
            continue;
        }
        let mut value = format!("value:{n}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        db.put_quietly(&key, Value::from_string(value), None);
        db.effects.note(index, &key, None);
    }
    node.reply(conn).ok();
    Ok(())
}

/// The number of a database in an argument.
fn database(node: &Node, arg: &[u8]) -> Result<usize, Error> {
    let index = usize::try_from(int(arg)?).ok().filter(|index| *index < node.keyspace.count());
    index.ok_or(Error::text("ERR Out of range database"))
}
