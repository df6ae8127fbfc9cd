//! ZADD with its options, and ZINCRBY.

use collections::ZSet;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, float, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use smallvec::SmallVec;

use super::event;

/// Adds members with scores to a sorted set, or gives them new scores.
pub(super) const ZADD: DataRow = Row {
    name: "zadd",
    meta: Meta::new("sorted-set", "1.2.0", -4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds members with scores to a sorted set, or gives them new scores.", "O(log(N)) for each member, N being the set's size")
        .member(3)
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 [condition<NX | XX>^3.0.2] [comparison<GT | LT>^6.2.0] [change@CH^3.0.2] [increment@INCR^3.0.2] data{score:double member:string}..."),
    run: zadd as DataFn,
    subcommands: &[],
};
fn zadd(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (options, first) = Options::parse(args)?;
    let pairs = args.tail(first);
    let scores = pairs.iter().step_by(2).map(float).collect::<Result<SmallVec<[f64; 8]>, _>>()?;
    let members = pairs.tail(1);
    let members = members.iter().step_by(2);
    let tally = add(ctx, &args[1], &options, scores.iter().copied().zip(members))?;
    if options.increment {
        match tally.score {
            Some(score) => ctx.reply.double(score),
            None => ctx.reply.null(),
        }
    } else {
        ctx.reply.int(tally.reply(&options));
    }
    Ok(())
}

/// Adds to the score of a member of a sorted set; a missing member counts as 0.
pub(super) const ZINCRBY: DataRow = Row {
    name: "zincrby",
    meta: Meta::new("sorted-set", "1.2.0", 4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about(
            "Adds to the score of a member of a sorted set; a missing member counts as 0.",
            "O(log(N)) with N members",
        )
        .member(3)
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 increment:integer member:string"),
    run: zincrby as DataFn,
    subcommands: &[],
};
fn zincrby(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    // The peers read it as ZADD with INCR, where an option here leaves no pair.
    if ["NX", "XX", "GT", "LT", "CH", "INCR"].into_iter().any(|option| is(&args[2], option)) {
        return Err(Error::Syntax);
    }
    let options = Options { increment: true, ..Options::default() };
    let tally = add(ctx, &args[1], &options, std::iter::once((float(&args[2])?, args.at(3))))?;
    ctx.reply.double(tally.score.expect("without conditions there is a new score"));
    Ok(())
}

/// What ZADD may do to a member.
#[derive(Default)]
pub(crate) struct Options {
    /// NX: members that are there stay as they are.
    pub(crate) only_new: bool,
    /// XX: no member is added.
    pub(crate) only_existing: bool,
    /// GT: a score may only rise.
    only_greater: bool,
    /// LT: a score may only fall.
    only_less: bool,
    /// CH: the reply counts changed members too.
    pub(crate) count_changes: bool,
    /// INCR: the score given is added to the old one.
    increment: bool,
}

/// What ZADD did.
#[derive(Default)]
pub(crate) struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last member that no condition excluded.
    score: Option<f64>,
}

impl Tally {
    /// How many changes there were.
    pub(crate) fn changes(&self) -> usize {
        self.added + self.updated
    }

    /// The number that the options ask for.
    pub(crate) fn reply(&self, options: &Options) -> i64 {
        (if options.count_changes { self.changes() } else { self.added }) as i64
    }
}

impl Options {
    /// Reads the options: where the first score stands.
    fn parse(args: &Args<'_>) -> Result<(Options, usize), Error> {
        let mut options = Options::default();
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let option = match word {
                _ if is(word, "NX") => &mut options.only_new,
                _ if is(word, "XX") => &mut options.only_existing,
                _ if is(word, "GT") => &mut options.only_greater,
                _ if is(word, "LT") => &mut options.only_less,
                _ if is(word, "CH") => &mut options.count_changes,
                _ if is(word, "INCR") => &mut options.increment,
                _ => break,
            };
            *option = true;
            at += 1;
        }
        let left = args.len() - at;
        if left == 0 || left % 2 == 1 {
            return Err(Error::Syntax);
        }
        options.check(left / 2)?;
        Ok((options, at))
    }

    fn check(&self, pairs: usize) -> Result<(), Error> {
        if self.only_new && self.only_existing {
            return Err(Error::text("ERR XX and NX options at the same time are not compatible"));
        }
        let exclusive = [self.only_greater, self.only_less, self.only_new];
        if exclusive.into_iter().filter(|option| *option).count() > 1 {
            return Err(Error::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(Error::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    fn has_conditions(&self) -> bool {
        self.only_new || self.only_existing || self.only_greater || self.only_less || self.increment
    }

    /// The score that a member gets; None if a condition excludes it.
    fn new_score(&self, old: Option<f64>, given: f64) -> Result<Option<f64>, Error> {
        let Some(old) = old else { return Ok((!self.only_existing).then_some(given)) };
        if self.only_new {
            return Ok(None);
        }
        let new = if self.increment { old + given } else { given };
        if new.is_nan() {
            return Err(Error::text("ERR resulting score is not a number (NaN)"));
        }
        let excluded = (self.only_greater && new <= old) || (self.only_less && new >= old);
        Ok((!excluded).then_some(new))
    }
}

/// Adds members or gives them new scores, as far as the options allow.
pub(crate) fn add<'m>(
    ctx: &mut Context<'_>,
    key: &[u8],
    options: &Options,
    pairs: impl ExactSizeIterator<Item = (f64, &'m [u8])> + Clone,
) -> Result<Tally, Error> {
    let mut edit = ctx.db.edit_or_new::<ZSet>(key)?;
    let mut tally = Tally::default();
    if edit.is_new() && options.only_existing {
        edit.unchanged();
        return Ok(tally);
    }
    let (zset, limits) = edit.get_mut();
    // A member too long for the small form counts even if a condition keeps it out.
    let too_long = pairs.clone().any(|(_, member)| member.len() > limits.zset_max_listpack_value);
    zset.prepare(if too_long { usize::MAX } else { pairs.len() }, limits);
    for (given, member) in pairs {
        if !options.has_conditions() {
            match zset.insert(member, given, limits) {
                None => tally.added += 1,
                Some(old) => tally.updated += usize::from(old != given),
            }
            continue;
        }
        let old = zset.score(member);
        match options.new_score(old, given) {
            Ok(None) => {}
            Ok(Some(score)) => {
                tally.score = Some(score);
                if old != Some(score) {
                    zset.insert(member, score, limits);
                    tally.added += usize::from(old.is_none());
                    tally.updated += usize::from(old.is_some());
                }
            }
            // Only INCR can come to this, and it has one member: nothing has changed.
            Err(error) => {
                edit.unchanged();
                return Err(error);
            }
        }
    }
    let changes = tally.changes();
    if changes > 0 {
        edit.changed(event(if options.increment { "zincr" } else { "zadd" }), changes as u64);
    } else {
        edit.unchanged();
    }
    Ok(tally)
}
