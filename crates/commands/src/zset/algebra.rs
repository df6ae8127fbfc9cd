//! ZUNION, ZINTER, ZDIFF with their STORE forms, and ZINTERCARD.

use resp::Args;

use crate::collection::int_from;
use crate::context::{Context, DataFn, DataRow, float, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::sources::{Aggregate, Sources};
use super::{reply_members, store};

/// Returns the members of all of several sorted sets.
pub(super) const ZUNION: DataRow = Row {
    name: "zunion",
    meta: Meta::new("sorted-set", "6.2.0", -3, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about("Returns the members of all of several sorted sets.", "O(N)+O(M*log(M)) with N members in all sets and M in the result")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 1)])
        .usage("numkeys:integer key:key#0... [WEIGHTS=weight:integer...] [AGGREGATE=aggregate<SUM | MIN | MAX>] [WITHSCORES]"),
    run: zunion as DataFn,
    subcommands: &[],
};
fn zunion(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 1, Form { weights: true, scores: true, limit: false }, "zunion")?;
    let result = request.sources.union(request.aggregate, ctx.db.limits());
    reply_members(&mut ctx.reply, request.with_scores, result.len(), result.iter());
    Ok(())
}

/// Stores the members of all of several sorted sets.
pub(super) const ZUNIONSTORE: DataRow = Row {
    name: "zunionstore",
    meta: Meta::new("sorted-set", "2.0.0", -4, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about("Stores the members of all of several sorted sets.", "O(N)+O(M*log(M)) with N members in all sets and M in the result")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1), KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 2)])
        .usage("destination:key#0 numkeys:integer key:key#1... [WEIGHTS=weight:integer...] [AGGREGATE=aggregate<SUM | MIN | MAX>]"),
    run: zunionstore as DataFn,
    subcommands: &[],
};
fn zunionstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 2, Form { weights: true, scores: false, limit: false }, "zunionstore")?;
    let result = request.sources.union(request.aggregate, ctx.db.limits());
    store(ctx, &args[1], result, "zunionstore");
    Ok(())
}

/// Returns the members that several sorted sets have in common.
pub(super) const ZINTER: DataRow = Row {
    name: "zinter",
    meta: Meta::new("sorted-set", "6.2.0", -3, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about("Returns the members that several sorted sets have in common.", "O(N*K)+O(M*log(M)) with N members in the smallest of K sets and M in the result")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 1)])
        .usage("numkeys:integer key:key#0... [WEIGHTS=weight:integer...] [AGGREGATE=aggregate<SUM | MIN | MAX>] [WITHSCORES]"),
    run: zinter as DataFn,
    subcommands: &[],
};
fn zinter(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 1, Form { weights: true, scores: true, limit: false }, "zinter")?;
    let result = request.sources.intersection(request.aggregate, ctx.db.limits());
    reply_members(&mut ctx.reply, request.with_scores, result.len(), result.iter());
    Ok(())
}

/// Stores the members that several sorted sets have in common.
pub(super) const ZINTERSTORE: DataRow = Row {
    name: "zinterstore",
    meta: Meta::new("sorted-set", "2.0.0", -4, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about("Stores the members that several sorted sets have in common.", "O(N*K)+O(M*log(M)) with N members in the smallest of K sets and M in the result")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1), KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 2)])
        .usage("destination:key#0 numkeys:integer key:key#1... [WEIGHTS=weight:integer...] [AGGREGATE=aggregate<SUM | MIN | MAX>]"),
    run: zinterstore as DataFn,
    subcommands: &[],
};
fn zinterstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 2, Form { weights: true, scores: false, limit: false }, "zinterstore")?;
    let result = request.sources.intersection(request.aggregate, ctx.db.limits());
    store(ctx, &args[1], result, "zinterstore");
    Ok(())
}

/// Returns how many members several sorted sets have in common.
pub(super) const ZINTERCARD: DataRow = Row {
    name: "zintercard",
    meta: Meta::new("sorted-set", "7.0.0", -3, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about(
            "Returns how many members several sorted sets have in common.",
            "O(N*K) with N members in the smallest of K sets",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 1)])
        .usage("numkeys:integer key:key#0... [LIMIT=limit:integer]"),
    run: zintercard as DataFn,
    subcommands: &[],
};
fn zintercard(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 1, Form { weights: false, scores: false, limit: true }, "zintercard")?;
    let most = if request.limit == 0 { usize::MAX } else { request.limit };
    ctx.reply.int(request.sources.intersection_len(most) as i64);
    Ok(())
}

/// Returns the members of a sorted set that are in none of several others.
pub(super) const ZDIFF: DataRow = Row {
    name: "zdiff",
    meta: Meta::new("sorted-set", "6.2.0", -3, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about(
            "Returns the members of a sorted set that are in none of several others.",
            "O(N*K) with N members in the first of K sets",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 1)])
        .usage("numkeys:integer key:key#0... [WITHSCORES]"),
    run: zdiff as DataFn,
    subcommands: &[],
};
fn zdiff(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 1, Form { weights: false, scores: true, limit: false }, "zdiff")?;
    let result = request.sources.difference(ctx.db.limits());
    reply_members(&mut ctx.reply, request.with_scores, result.len(), result.iter());
    Ok(())
}

/// Stores the members of a sorted set that are in none of several others.
pub(super) const ZDIFFSTORE: DataRow = Row {
    name: "zdiffstore",
    meta: Meta::new("sorted-set", "6.2.0", -4, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about(
            "Stores the members of a sorted set that are in none of several others.",
            "O(N*K) with N members in the first of K sets",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1),
            KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 2),
        ])
        .usage("destination:key#0 numkeys:integer key:key#1..."),
    run: zdiffstore as DataFn,
    subcommands: &[],
};
fn zdiffstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(ctx, args, 2, Form { weights: false, scores: false, limit: false }, "zdiffstore")?;
    let result = request.sources.difference(ctx.db.limits());
    store(ctx, &args[1], result, "zdiffstore");
    Ok(())
}

/// Which options a command of this file takes.
#[derive(Clone, Copy)]
struct Form {
    /// WEIGHTS and AGGREGATE.
    weights: bool,
    /// WITHSCORES.
    scores: bool,
    /// LIMIT.
    limit: bool,
}

/// What a command of this file asks for.
struct Request {
    sources: Sources,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

impl Request {
    /// Reads the number of keys at argument `at`, the keys and the options, in the order in which the peers object.
    fn parse(ctx: &mut Context<'_>, args: &Args<'_>, at: usize, form: Form, name: &str) -> Result<Request, Error> {
        let count = int(&args[at])?;
        if count < 1 {
            return Err(Error::owned(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let first = at + 1;
        let count = usize::try_from(count).ok().filter(|count| *count <= args.len() - first).ok_or(Error::Syntax)?;
        let sources = Sources::open(ctx, args.tail(first).iter().take(count))?;
        let mut request = Request { sources, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        request.read_options(args.tail(first + count), count, form)?;
        Ok(request)
    }

    fn read_options(&mut self, words: Args<'_>, keys: usize, form: Form) -> Result<(), Error> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let values = words.len() - at - 1;
            if form.weights && values >= keys && is(word, "WEIGHTS") {
                for key in 0..keys {
                    let weight = float(&words[at + 1 + key]);
                    self.sources.set_weight(key, weight.or(Err(Error::text("ERR weight value is not a float")))?);
                }
                at += keys;
            } else if form.weights && values >= 1 && is(word, "AGGREGATE") {
                self.aggregate = read_aggregate(&words[at + 1])?;
                at += 1;
            } else if form.scores && is(word, "WITHSCORES") {
                self.with_scores = true;
            } else if form.limit && values >= 1 && is(word, "LIMIT") {
                self.limit = int_from(&words[at + 1], 0, Error::text("ERR LIMIT can't be negative"))? as usize;
                at += 1;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        Ok(())
    }
}

fn read_aggregate(arg: &[u8]) -> Result<Aggregate, Error> {
    if is(arg, "SUM") {
        Ok(Aggregate::Sum)
    } else if is(arg, "MIN") {
        Ok(Aggregate::Min)
    } else if is(arg, "MAX") {
        Ok(Aggregate::Max)
    } else {
        Err(Error::Syntax)
    }
}
