//! MEMORY: what takes how much memory.

use commands::{Categories, Error, Flags, KeyAccess, KeySpec, Meta, Outcome, Row, int, is};
use resp::Args;

use crate::client::{ConnId, Kind};
use crate::node::Node;
use crate::pubsub::container;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[MEMORY];

const FIGURES: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// Tells what takes how much memory.
const MEMORY: ServerRow = Row {
    name: "memory",
    meta: Meta::new("server", "4.0.0", -2, Flags::NONE)
        .about("Tells what takes how much memory.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        Row {
            name: "usage",
            meta: Meta::new("server", "4.0.0", -3, Flags::READONLY)
                .about("Estimates the bytes that a key and its value take.", "O(1)")
                .keys(&[KeySpec::range(KeyAccess::RO, 2, 0, 1)])
                .usage("key:key#0 [SAMPLES=count:integer]"),
            run: usage as ServerFn,
            subcommands: &[],
        },
        Row {
            name: "stats",
            meta: Meta::new("server", "4.0.0", 2, Flags::NONE).about("Tells where memory goes.", "O(1)").tips(FIGURES),
            run: stats,
            subcommands: &[],
        },
        Row {
            name: "doctor",
            meta: Meta::new("server", "4.0.0", 2, Flags::NONE)
                .about("Looks for trouble with memory.", "O(1)")
                .tips(FIGURES),
            run: doctor,
            subcommands: &[],
        },
        Row {
            name: "malloc-stats",
            meta: Meta::new("server", "4.0.0", 2, Flags::NONE)
                .about("Shows the allocator's own report.", "Depends on the allocator.")
                .tips(FIGURES),
            run: malloc_stats,
            subcommands: &[],
        },
        Row {
            name: "purge",
            meta: Meta::new("server", "4.0.0", 2, Flags::NONE)
                .about("Asks the allocator to give free pages back.", "Depends on the allocator.")
                .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
            run: purge,
            subcommands: &[],
        },
        Row {
            name: "help",
            meta: Meta::new("server", "4.0.0", 2, Flags::LOADING.with(Flags::STALE))
                .about("Lists the subcommands.", "O(1)")
                .acl(Categories::NONE),
            run: help,
            subcommands: &[],
        },
    ],
};

/// SAMPLES is checked and needs no more: every collection knows its size.
fn usage(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let mut at = 3;
    while at < args.len() {
        let count = args.get(at + 1).filter(|_| is(&args[at], "SAMPLES")).ok_or(Error::Syntax)?;
        if int(count)? < 0 {
            return Err(Error::Syntax);
        }
        at += 2;
    }
    let key = args.at(2);
    let bytes = node.with_db(conn, |db| {
        let entry = db.entry(key)?.entry_bytes();
        Some(entry + db.peek(key)?.object_bytes())
    });
    match bytes {
        Some(bytes) => node.reply(conn).int(bytes as i64),
        None => node.reply(conn).null(),
    }
    Ok(())
}

/// A number of MEMORY STATS.
enum Figure {
    Int(i64),
    Ratio(f64),
    /// The tables of a database: keys, deadlines.
    Tables(i64, i64),
}

fn stats(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let figures = collect(node);
    let mut reply = node.reply(conn);
    reply.map(figures.len());
    for (name, figure) in &figures {
        reply.bulk(name.as_bytes());
        match figure {
            Figure::Int(value) => reply.int(*value),
            Figure::Ratio(value) => reply.double(*value),
            Figure::Tables(main, expires) => {
                reply.map(2);
                reply.bulk(b"overhead.hashtable.main");
                reply.int(*main);
                reply.bulk(b"overhead.hashtable.expires");
                reply.int(*expires);
            }
        }
    }
    Ok(())
}

fn collect(node: &Node) -> Vec<(String, Figure)> {
    let memory = node.host.memory();
    let used = memory.used;
    let peak = node.stats.memory_peak.max(used);
    let startup = node.stats.memory_at_start;
    let overhead = node.memory_overhead();
    let dataset = used.saturating_sub(overhead);
    let keys: usize = (0..node.keyspace.count()).map(|db| node.keyspace.len(db)).sum();
    let net = used.saturating_sub(startup);
    let backlog = node.replication.journal.memory_bytes() as u64;
    let int = |value: u64| Figure::Int(value as i64);
    let less = |a: u64, b: u64| Figure::Int(a as i64 - b as i64);
    let mut figures = vec![
        ("peak.allocated", int(peak)),
        ("total.allocated", int(used)),
        ("startup.allocated", int(startup)),
        ("replication.backlog", int(backlog)),
        ("clients.slaves", int(client_bytes(node, Kind::Replica))),
        ("clients.normal", int(client_bytes(node, Kind::Normal))),
        ("cluster.links", int(0)),
        ("aof.buffer", int(0)),
        ("lua.caches", int(0)),
        ("functions.caches", int(0)),
    ]
    .into_iter()
    .map(|(name, figure)| (name.to_owned(), figure))
    .collect::<Vec<_>>();
    for db in (0..node.keyspace.count()).filter(|db| node.keyspace.len(*db) > 0) {
        let tables = node.keyspace.memory(db);
        figures.push((format!("db.{db}"), Figure::Tables(tables.nodes as i64, tables.expires as i64)));
    }
    let rest = [
        ("overhead.total", int(overhead)),
        ("keys.count", int(keys as u64)),
        ("keys.bytes-per-key", int(net.checked_div(keys as u64).unwrap_or(0))),
        ("dataset.bytes", int(dataset)),
        ("dataset.percentage", Figure::Ratio(100.0 * ratio(dataset, net))),
        ("peak.percentage", Figure::Ratio(100.0 * ratio(used, peak))),
        ("allocator.allocated", int(memory.allocated)),
        ("allocator.active", int(memory.active)),
        ("allocator.resident", int(memory.resident)),
        ("allocator-fragmentation.ratio", Figure::Ratio(ratio(memory.active, memory.allocated))),
        ("allocator-fragmentation.bytes", less(memory.active, memory.allocated)),
        ("allocator-rss.ratio", Figure::Ratio(ratio(memory.resident, memory.active))),
        ("allocator-rss.bytes", less(memory.resident, memory.active)),
        ("rss-overhead.ratio", Figure::Ratio(ratio(memory.rss, memory.resident))),
        ("rss-overhead.bytes", less(memory.rss, memory.resident)),
        ("fragmentation", Figure::Ratio(ratio(memory.rss, used))),
        ("fragmentation.bytes", less(memory.rss, used)),
    ];
    figures.extend(rest.into_iter().map(|(name, figure)| (name.to_owned(), figure)));
    figures
}

fn client_bytes(node: &Node, kind: Kind) -> u64 {
    let clients = node.clients.iter().filter(|client| client.kind == kind);
    clients.map(|client| client.buffer_memory() as u64).sum()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Below this much memory, ratios say nothing.
const TOO_LITTLE_BYTES: u64 = 5 * 1024 * 1024;

/// Differences below this are no trouble, whatever their ratio.
const NOTABLE_BYTES: u64 = 10 * 1024 * 1024;

/// A client with more than this on average has trouble, or makes it.
const CLIENT_BYTES_MAX: u64 = 200 * 1024;

fn doctor(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let memory = node.host.memory();
    let text = if memory.used < TOO_LITTLE_BYTES {
        "This server holds too little data to say anything about its memory.\n".to_owned()
    } else {
        let found = findings(node, &memory);
        if found.is_empty() {
            "No trouble with memory was found.\n".to_owned()
        } else {
            let lines: Vec<String> = found.iter().map(|line| format!(" * {line}\n")).collect();
            format!("Trouble with memory was found:\n\n{}", lines.concat())
        }
    };
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// What is out of the ordinary.
fn findings(node: &Node, memory: &crate::host::MemoryFigures) -> Vec<String> {
    let peak = node.stats.memory_peak.max(memory.used);
    let apart = |a: u64, b: u64, factor: f64| ratio(a, b) > factor && a.saturating_sub(b) > NOTABLE_BYTES;
    let mut found = Vec::new();
    if ratio(peak, memory.used) > 1.5 {
        found.push(format!(
            "Peak: {peak} bytes were in use at one time, {} are now. The system may still count the rest as ours; \
             MEMORY PURGE gives back what is free.",
            memory.used
        ));
    }
    if apart(memory.active, memory.allocated, 1.1) {
        found.push(format!(
            "Fragmentation: the allocator has {} bytes in pages for {} bytes of data.",
            memory.active, memory.allocated
        ));
    }
    if apart(memory.resident, memory.active, 1.1) {
        found.push("Free pages: the allocator keeps many that nobody uses; MEMORY PURGE gives them back.".to_owned());
    }
    if apart(memory.rss, memory.resident, 1.1) {
        found.push(format!(
            "Other memory: {} bytes of the process are not the allocator's.",
            memory.rss - memory.resident
        ));
    }
    for (kind, who) in [(Kind::Normal, "clients"), (Kind::Replica, "replicas")] {
        let count = node.clients.iter().filter(|client| client.kind == kind).count() as u64;
        let bytes = client_bytes(node, kind);
        if bytes.checked_div(count).unwrap_or(0) > CLIENT_BYTES_MAX {
            found.push(format!("Buffers: {count} {who} hold {bytes} bytes; CLIENT LIST shows which of them are slow."));
        }
    }
    found
}

fn malloc_stats(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let report = node.host.allocator_report();
    node.reply(conn).verbatim(b"txt", report.as_bytes());
    Ok(())
}

fn purge(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if let Err(reason) = node.host.purge_memory() {
        node.log_warning(&format!("MEMORY PURGE: {reason}"));
        return Err(Error::text("ERR Error purging dirty pages"));
    }
    node.reply(conn).ok();
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "MEMORY",
        &[
            ("DOCTOR", "Look for trouble with memory."),
            ("MALLOC-STATS", "Return the allocator's own report."),
            ("PURGE", "Ask the allocator to give free pages back."),
            ("STATS", "Return where memory goes."),
            ("USAGE <key> [SAMPLES <count>]", "Estimate the bytes that a key and its value take."),
        ],
    )
}
