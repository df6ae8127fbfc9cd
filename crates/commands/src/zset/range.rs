//! ZRANGE with its options, ZRANGESTORE, and the older commands that ZRANGE replaced.

use collections::ZSet;
use resp::Args;

use crate::collection::{journal_outcome, journal_removal};
use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::bounds::{Bounds, By};
use super::{has_one_score, reply_members, store};

/// Returns a range of a sorted set by rank, score or alphabet.
pub(super) const ZRANGE: DataRow = Row {
    name: "zrange",
    meta: Meta::new("sorted-set", "1.2.0", -4, Flags::READONLY)
        .about("Returns a range of a sorted set by rank, score or alphabet.", "O(log(N)+M) with M members returned of N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:string stop:string [sortby<BYSCORE | BYLEX>^6.2.0] [REV^6.2.0] [LIMIT=limit{offset:integer count:integer}^6.2.0] [WITHSCORES]"),
    run: zrange as DataFn,
    subcommands: &[],
};
fn zrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::General)?;
    reply_range(ctx, &query)
}

/// Stores a range of a sorted set in another key.
pub(super) const ZRANGESTORE: DataRow = Row {
    name: "zrangestore",
    meta: Meta::new("sorted-set", "6.2.0", -5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores a range of a sorted set in another key.", "O(log(N)+M) with M members stored of N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1), KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("dst:key#0 src:key#1 min:string max:string [sortby<BYSCORE | BYLEX>] [REV] [LIMIT=limit{offset:integer count:integer}]"),
    run: zrangestore as DataFn,
    subcommands: &[],
};
fn zrangestore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 2, Form::Store)?;
    let source = ctx.db.collection::<ZSet>(query.key)?.cloned();
    let mut result = ZSet::new();
    let agreed = source.as_ref().is_none_or(|source| !query.is_by_lex() || has_one_score(source));
    if let Some(source) = source {
        let (first, count) = query.part(&source);
        let lowest = if query.reverse && count > 0 { first + 1 - count } else { first };
        result = source.range(lowest, count, ctx.db.limits());
    }
    if agreed {
        store(ctx, &args[1], result, "zrangestore");
    } else {
        // Where scores differ, what a range of the alphabet finds depends on how it is looked for.
        let elements: Vec<Vec<u8>> = result.iter().flat_map(|(member, score)| [text(score), member.to_vec()]).collect();
        journal_removal(&mut ctx.db, &args[1]);
        store(ctx, &args[1], result, "zrangestore");
        journal_outcome(&mut ctx.db, b"ZADD", &args[1], &elements);
    }
    Ok(())
}

/// Returns a range of ranks of a sorted set, by descending score.
pub(super) const ZREVRANGE: DataRow = Row {
    name: "zrevrange",
    meta: Meta::new("sorted-set", "1.2.0", -4, Flags::READONLY)
        .about(
            "Returns a range of ranks of a sorted set, by descending score.",
            "O(log(N)+M) with M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:integer stop:integer [WITHSCORES]")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    run: zrevrange as DataFn,
    subcommands: &[],
};
fn zrevrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::Old { by: By::Rank, reverse: true })?;
    reply_range(ctx, &query)
}

/// Returns a range of scores of a sorted set.
pub(super) const ZRANGEBYSCORE: DataRow = Row {
    name: "zrangebyscore",
    meta: Meta::new("sorted-set", "1.0.5", -4, Flags::READONLY)
        .about("Returns a range of scores of a sorted set.", "O(log(N)+M) with M members returned of N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 min:double max:double [WITHSCORES^2.0.0] [LIMIT=limit{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    run: zrangebyscore as DataFn,
    subcommands: &[],
};
fn zrangebyscore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::Old { by: By::Score, reverse: false })?;
    reply_range(ctx, &query)
}

/// Returns a range of scores of a sorted set, by descending score.
pub(super) const ZREVRANGEBYSCORE: DataRow = Row {
    name: "zrevrangebyscore",
    meta: Meta::new("sorted-set", "2.2.0", -4, Flags::READONLY)
        .about(
            "Returns a range of scores of a sorted set, by descending score.",
            "O(log(N)+M) with M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 max:double min:double [WITHSCORES] [LIMIT=limit{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    run: zrevrangebyscore as DataFn,
    subcommands: &[],
};
fn zrevrangebyscore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::Old { by: By::Score, reverse: true })?;
    reply_range(ctx, &query)
}

/// Returns the members within a range of the alphabet, where all scores are equal.
pub(super) const ZRANGEBYLEX: DataRow = Row {
    name: "zrangebylex",
    meta: Meta::new("sorted-set", "2.8.9", -4, Flags::READONLY)
        .about(
            "Returns the members within a range of the alphabet, where all scores are equal.",
            "O(log(N)+M) with M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 min:string max:string [LIMIT=limit{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    run: zrangebylex as DataFn,
    subcommands: &[],
};
fn zrangebylex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::Old { by: By::Lex, reverse: false })?;
    reply_range(ctx, &query)
}

/// Returns the members within a range of the alphabet backwards, where all scores are equal.
pub(super) const ZREVRANGEBYLEX: DataRow = Row {
    name: "zrevrangebylex",
    meta: Meta::new("sorted-set", "2.8.9", -4, Flags::READONLY)
        .about(
            "Returns the members within a range of the alphabet backwards, where all scores are equal.",
            "O(log(N)+M) with M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 max:string min:string [LIMIT=limit{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    run: zrevrangebylex as DataFn,
    subcommands: &[],
};
fn zrevrangebylex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, 1, Form::Old { by: By::Lex, reverse: true })?;
    reply_range(ctx, &query)
}

fn reply_range(ctx: &mut Context<'_>, query: &Query<'_>) -> Outcome {
    let Some(zset) = ctx.db.collection::<ZSet>(query.key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let (first, count) = query.part(zset);
    let elements = if query.reverse { zset.iter_back_from(first) } else { zset.iter_from(first) };
    reply_members(&mut ctx.reply, query.with_scores, count, elements.take(count));
    Ok(())
}

/// Which of the range commands it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// ZRANGE: everything is an option.
    General,
    /// ZRANGESTORE: as ZRANGE without WITHSCORES.
    Store,
    /// A command whose name says what the ends are and which way to go.
    Old { by: By, reverse: bool },
}

/// What a range command asks for.
struct Query<'a> {
    key: &'a [u8],
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
}

/// The optional words of a range command.
struct Options {
    by: Option<By>,
    reverse: Option<bool>,
    with_scores: bool,
    offset: i64,
    limit: i64,
}

impl Options {
    fn parse(words: Args<'_>, form: Form) -> Result<Options, Error> {
        let mut options = Options { by: None, reverse: None, with_scores: false, offset: 0, limit: -1 };
        if let Form::Old { by, reverse } = form {
            (options.by, options.reverse) = (Some(by), Some(reverse));
        }
        let mut at = 0;
        while let Some(word) = words.get(at) {
            if form != Form::Store && is(word, "WITHSCORES") {
                options.with_scores = true;
            } else if is(word, "LIMIT") && at + 2 < words.len() {
                (options.offset, options.limit) = (int(&words[at + 1])?, int(&words[at + 2])?);
                at += 2;
            } else if options.reverse.is_none() && is(word, "REV") {
                options.reverse = Some(true);
            } else if options.by.is_none() && is(word, "BYLEX") {
                options.by = Some(By::Lex);
            } else if options.by.is_none() && is(word, "BYSCORE") {
                options.by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

impl<'a> Query<'a> {
    /// Reads a range command whose key is argument `at`.
    fn parse(args: &Args<'a>, at: usize, form: Form) -> Result<Query<'a>, Error> {
        let options = Options::parse(args.tail(at + 3), form)?;
        let (by, reverse) = (options.by.unwrap_or(By::Rank), options.reverse.unwrap_or(false));
        if options.limit != -1 && by == By::Rank {
            return Err(Error::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if options.with_scores && by == By::Lex {
            return Err(Error::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (mut min, mut max) = (args.at(at + 1), args.at(at + 2));
        if reverse && by != By::Rank {
            std::mem::swap(&mut min, &mut max);
        }
        Ok(Query {
            key: args.at(at),
            bounds: Bounds::parse(by, min, max)?,
            reverse,
            with_scores: options.with_scores,
            offset: options.offset,
            limit: options.limit,
        })
    }

    fn is_by_lex(&self) -> bool {
        matches!(self.bounds, Bounds::Lex(..))
    }

    /// The rank of the first element to return, in the direction asked for, and how many there are.
    fn part(&self, zset: &ZSet) -> (usize, usize) {
        let ranks = self.bounds.ranks(zset);
        if ranks.is_empty() {
            return (0, 0);
        }
        if matches!(self.bounds, Bounds::Rank(..)) {
            // Ranks given backwards count from the other end. A LIMIT that limits nothing is allowed, and ignored.
            let first = if self.reverse { zset.len() - 1 - ranks.start } else { ranks.start };
            return (first, ranks.len());
        }
        let offset = match usize::try_from(self.offset) {
            Ok(offset) => offset,
            // The peers count from the end then, but not in the compact form.
            Err(_) if zset.encoding() == "listpack" => return (0, 0),
            Err(_) => match ranks.len().checked_sub(self.offset.unsigned_abs() as usize) {
                Some(offset) => offset,
                None => return (0, 0),
            },
        };
        let Some(left) = ranks.len().checked_sub(offset).filter(|left| *left > 0) else { return (0, 0) };
        let count = usize::try_from(self.limit).map_or(left, |limit| left.min(limit));
        let first = if self.reverse { ranks.end - 1 - offset } else { ranks.start + offset };
        (first, count)
    }
}

fn text(score: f64) -> Vec<u8> {
    let mut text = Vec::new();
    base::numbers::write_f64(&mut text, score);
    text
}
