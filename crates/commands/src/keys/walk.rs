//! Walking through a database: KEYS, SCAN, RANDOMKEY, DBSIZE.

use base::glob_match;
use keyspace::Kind;
use resp::Args;

use crate::collection::scan_cursor;
use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::row::{Meta, Row};

/// Lists all keys that match a pattern.
pub(super) const KEYS: DataRow = Row {
    name: "keys",
    meta: Meta::new("generic", "1.0.0", 2, Flags::READONLY)
        .about("Lists all keys that match a pattern.", "O(N) with N keys in the database")
        .acl(Categories::DANGEROUS.with(Categories::KEYSPACE))
        .usage("pattern:pattern")
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    run: keys as DataFn,
    subcommands: &[],
};

fn keys(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let pattern = &args[1];
    let db = &ctx.db;
    let reply = &mut ctx.reply;
    let mark = reply.deferred();
    let mut found = 0;
    let mut cursor = 0;
    loop {
        // A key past its time is left where it is: what only lists changes nothing.
        cursor = db.scan(cursor, usize::MAX, |key, _, deadline| {
            if matches(pattern, key) && !db.is_expired(deadline) {
                reply.bulk(key);
                found += 1;
            }
        });
        if cursor == 0 {
            break;
        }
    }
    reply.finish_array(mark, found);
    Ok(())
}

fn matches(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob_match(pattern, key, false)
}

/// Walks through the keys of a database, a part with every call.
pub(super) const SCAN: DataRow = Row {
    name: "scan",
    meta: Meta::new("generic", "2.8.0", -2, Flags::READONLY)
        .about(
            "Walks through the keys of a database, a part with every call.",
            "O(1) per call, O(N) for a whole walk over N keys",
        )
        .acl(Categories::KEYSPACE)
        .usage("cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [TYPE=type:string^6.0.0]")
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"]),
    run: scan as DataFn,
    subcommands: &[],
};

fn scan(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan_cursor(&args[1])?;
    let filter = Filter::parse(args)?;
    let db = &ctx.db;
    let mut found = KeyList::default();
    let mut due = false;
    let next = db.scan(cursor, filter.count, |key, value, deadline| {
        let kind_fits = match filter.kind {
            KindFilter::Any => true,
            KindFilter::Only(kind) => value.kind() == kind,
            KindFilter::Nothing => false,
        };
        if kind_fits && filter.pattern.is_none_or(|pattern| matches(pattern, key)) {
            found.push(key);
            due |= db.is_expired(deadline);
        }
    });
    if due {
        found.retain(|key| ctx.db.exists(key));
    }
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    ctx.reply.array(found.len());
    found.iter().for_each(|key| ctx.reply.bulk(key));
    Ok(())
}

/// What SCAN looks for, and how much of it in one call.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    kind: KindFilter,
}

#[derive(Clone, Copy)]
enum KindFilter {
    Any,
    Only(Kind),
    /// A type that this server never holds, whatever its name.
    Nothing,
}

impl<'a> Filter<'a> {
    fn parse(args: &Args<'a>) -> Result<Filter<'a>, Error> {
        let mut filter = Filter { pattern: None, count: 10, kind: KindFilter::Any };
        let mut at = 2;
        while at < args.len() {
            let word = &args[at];
            if is(word, "NOVALUES") {
                return Err(Error::text("ERR NOVALUES option can only be used in HSCAN"));
            }
            let value = args.get(at + 1).ok_or(Error::Syntax)?;
            if is(word, "COUNT") {
                filter.count = usize::try_from(int(value)?).ok().filter(|count| *count > 0).ok_or(Error::Syntax)?;
            } else if is(word, "MATCH") {
                filter.pattern = Some(value);
            } else if is(word, "TYPE") {
                filter.kind = parse_kind(value);
            } else {
                return Err(Error::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }
}

fn parse_kind(name: &[u8]) -> KindFilter {
    let known = [Kind::String, Kind::List, Kind::Set, Kind::ZSet, Kind::Hash, Kind::Stream];
    let found = known.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()));
    found.map_or(KindFilter::Nothing, KindFilter::Only)
}

/// Keys one behind the other in one buffer.
#[derive(Default)]
struct KeyList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl KeyList {
    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let key = &self.bytes[start..*end];
            start = *end;
            key
        })
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let mut kept = KeyList::default();
        self.iter().filter(|key| keep(key)).for_each(|key| kept.push(key));
        *self = kept;
    }
}

/// Returns one key of the database, chosen at random.
pub(super) const RANDOMKEY: DataRow = Row {
    name: "randomkey",
    meta: Meta::new("generic", "1.0.0", 1, Flags::READONLY)
        .about("Returns one key of the database, chosen at random.", "O(1)")
        .acl(Categories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"]),
    run: randomkey as DataFn,
    subcommands: &[],
};

fn randomkey(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    match ctx.db.random_key(ctx.rng) {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Returns how many keys the database holds.
pub(super) const DBSIZE: DataRow = Row {
    name: "dbsize",
    meta: Meta::new("server", "1.0.0", 1, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many keys the database holds.", "O(1)")
        .acl(Categories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    run: dbsize as DataFn,
    subcommands: &[],
};

fn dbsize(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    ctx.reply.int(ctx.db.len() as i64);
    Ok(())
}
