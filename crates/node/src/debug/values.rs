//! DEBUG OBJECT, HTSTATS, LISTPACK, QUICKLIST: how values and tables are stored.

use commands::{Error, LARGE_PAYLOAD_MIN, Outcome, is};
use keyspace::{Object, Str, ValueRef};
use resp::Args;

use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;
use crate::payloads::DumpReply;

/// How many elements of one value are written to the log at most.
const ELEMENTS_LOGGED_MAX: usize = 1000;

pub(super) fn object(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let key = args.at(2);
    let fast = args.get(3).is_some_and(|word| is(word, "FAST"));
    let compress = node.config.rdbcompression;
    let limit = node.config.list_max_listpack_size;
    let may_wait = !node.in_exec;
    let described = node.with_db(conn, |db| {
        let clock = db.usage_clock();
        let idle = clock.idle_seconds(db.entry(key)?.lru());
        // The peers keep the clock in 24 bits.
        let last_use = (db.now.seconds() - i64::from(idle)) & 0xff_ffff;
        let value = db.peek(key)?;
        let shared = matches!(value, ValueRef::String(Str::Int(0..10_000)));
        let refcount = if shared { i32::MAX } else { 1 };
        let before = format!("Value at:0x0 refcount:{refcount} encoding:{}", value.encoding());
        let mut behind = format!(" lru:{last_use} lru_seconds_idle:{idle}");
        if let ValueRef::List(list) = value
            && value.encoding() == "quicklist"
        {
            let nodes = list.nodes().count();
            let mean = list.len() as f64 / nodes.max(1) as f64;
            behind.push_str(&format!(" ql_nodes:{nodes} ql_avg_node:{mean:.2} ql_listpack_max:{limit}"));
        }
        Some(match value.to_large_object(LARGE_PAYLOAD_MIN) {
            _ if fast => Described::Whole(before + &behind),
            Some(object) if may_wait => {
                Described::WithoutLength(object, DumpReply::Length { before: before + " serializedlength:", behind })
            }
            _ => {
                let length = persist::rdb::dumped_len(value, compress, || {});
                Described::Whole(format!("{before} serializedlength:{length}{behind}"))
            }
        })
    });
    match described.ok_or(Error::NoSuchKey)? {
        Described::Whole(line) => node.reply(conn).simple(&line),
        Described::WithoutLength(object, reply) => node.lay_out_beside(conn, object, reply),
    }
    Ok(())
}

/// What DEBUG OBJECT knows at once.
enum Described {
    /// All of it.
    Whole(String),
    /// All but how long this is when it is laid out.
    WithoutLength(Object, DumpReply),
}

pub(super) fn table_stats(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let db = super::database(node, &args[2])?;
    let memory = node.keyspace.memory(db);
    let mut text = format!(
        "[Dictionary HT]\nnumber of elements: {}\ntable bytes: {}\nentry bytes: {}\n[Expires HT]\n",
        node.keyspace.len(db),
        memory.nodes,
        memory.entries,
    );
    let expires = node.keyspace.expires_len(db);
    if expires > 0 {
        text.push_str(&format!("number of elements: {expires}\nindex bytes: {}\n", memory.expires));
    }
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn value_table_stats(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let not_a_table = Error::text("ERR The value stored at the specified key is not represented using an hash table");
    let text = node.with_db(conn, |db| {
        let value = db.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
        let (len, bytes) = match (value, value.encoding()) {
            (ValueRef::Hash(hash), "hashtable") => (hash.len(), hash.memory_bytes()),
            (ValueRef::Set(set), "hashtable") => (set.len(), set.memory_bytes()),
            (ValueRef::ZSet(zset), "skiplist") => (zset.len(), zset.memory_bytes()),
            _ => return Err(not_a_table),
        };
        Ok(format!("[Dictionary HT]\nnumber of elements: {len}\ntable bytes: {bytes}\n"))
    })?;
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn listpack(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let lines = node.with_db(conn, |db| -> Result<Vec<String>, Error> {
        let value = db.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
        let packed = match value {
            ValueRef::Hash(hash) => hash.as_listpack().or(hash.as_timed_listpack()),
            ValueRef::Set(set) => set.as_listpack(),
            ValueRef::ZSet(zset) => zset.as_listpack(),
            ValueRef::List(list) if value.encoding() == "listpack" => {
                return Ok(describe(list.memory_bytes(), list.len(), list.iter()));
            }
            _ => None,
        };
        let packed = packed.ok_or(Error::text("ERR Not a listpack encoded object."))?;
        Ok(describe(packed.byte_len(), packed.len(), packed.iter()))
    })?;
    log_all(node, &lines);
    node.reply(conn).simple("Listpack structure written to the log");
    Ok(())
}

pub(super) fn quicklist(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let full = args.get(3).is_some_and(super::flag);
    let lines = node.with_db(conn, |db| -> Result<Vec<String>, Error> {
        let value = db.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
        let ValueRef::List(list) = value else { return Err(Error::text("ERR Not a quicklist encoded object.")) };
        if value.encoding() != "quicklist" {
            return Err(Error::text("ERR Not a quicklist encoded object."));
        }
        let mut lines = vec![format!("{} elements in {} nodes", list.len(), list.nodes().count())];
        if full {
            lines.extend(describe(list.memory_bytes(), list.len(), list.iter()));
        }
        Ok(lines)
    })?;
    log_all(node, &lines);
    node.reply(conn).simple("Quicklist structure written to the log");
    Ok(())
}

fn describe<'a>(bytes: usize, len: usize, elements: impl Iterator<Item = collections::Element<'a>>) -> Vec<String> {
    let mut lines = vec![format!("{len} elements, {bytes} bytes")];
    for (at, element) in elements.take(ELEMENTS_LOGGED_MAX).enumerate() {
        lines.push(element.with_bytes(|bytes| format!("{at}: {}", bytes.escape_ascii())));
    }
    lines
}

fn log_all(node: &Node, lines: &[String]) {
    lines.iter().for_each(|line| node.log(LogLevel::Notice, line));
}
