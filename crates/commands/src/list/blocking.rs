//! BLPOP, BRPOP, BLMPOP, BLMOVE and BRPOPLPUSH: they wait until there is an element. Replicas get the command that
//! does not wait.

use std::time::Duration;

use keyspace::Kind;
use resp::{Args, Reply};

use crate::blocking::{Wait, timeout_seconds};
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::End;
use super::pop::{ManyPop, pop_one_with};
use super::transfer::transfer;

const TAKEN: KeyAccess = KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE);

/// Removes and returns the first element of the first list that is there, or waits for one.
pub(super) const BLPOP: DataRow = Row {
    name: "blpop",
    meta: Meta::new("list", "2.0.0", -3, Flags::BLOCKING.with(Flags::WRITE))
        .about(
            "Removes and returns the first element of the first list that is there, or waits for one.",
            "O(N) with N keys",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(TAKEN, 1, -2, 1)])
        .usage("key:key#0... timeout:double"),
    run: blpop as DataFn,
    subcommands: &[],
};
fn blpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Left)
}

/// Removes and returns the last element of the first list that is there, or waits for one.
pub(super) const BRPOP: DataRow = Row {
    name: "brpop",
    meta: Meta::new("list", "2.0.0", -3, Flags::BLOCKING.with(Flags::WRITE))
        .about(
            "Removes and returns the last element of the first list that is there, or waits for one.",
            "O(N) with N keys",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(TAKEN, 1, -2, 1)])
        .usage("key:key#0... timeout:double"),
    run: brpop as DataFn,
    subcommands: &[],
};
fn brpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Right)
}

fn pop(ctx: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let timeout = timeout_seconds(&args[args.len() - 1], ctx.db.now)?;
    let keys = || args.iter().take(args.len() - 1).skip(1);
    for key in keys() {
        let pair = |reply: &mut Reply<'_>| {
            reply.array(2);
            reply.bulk(key);
        };
        if pop_one_with(ctx, key, end, pair)? {
            ctx.db.effects.replicate_instead(ctx.db.index(), &[end.pop_word(), key]);
            return Ok(());
        }
    }
    ctx.wait_or(wait(timeout, keys()), |reply| reply.null_array())
}

/// Removes and returns elements of the first of several lists that is there, or waits for one.
pub(super) const BLMPOP: DataRow = Row {
    name: "blmpop",
    meta: Meta::new("list", "7.0.0", -5, Flags::BLOCKING.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about(
            "Removes and returns elements of the first of several lists that is there, or waits for one.",
            "O(N+M) with N keys and M elements returned",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::counted(TAKEN, 2)])
        .usage("timeout:double numkeys:integer key:key#0... where<LEFT | RIGHT> [COUNT=count:integer]"),
    run: blmpop as DataFn,
    subcommands: &[],
};
fn blmpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = ManyPop::parse(args, 2)?;
    let timeout = timeout_seconds(&args[1], ctx.db.now)?;
    if request.run(ctx)? {
        return Ok(());
    }
    ctx.wait_or(wait(timeout, request.keys()), |reply| reply.null_array())
}

/// Moves an element from an end of one list to an end of another and returns it, or waits for one.
pub(super) const BLMOVE: DataRow = Row {
    name: "blmove",
    meta: Meta::new("list", "6.2.0", 6, Flags::BLOCKING.with(Flags::DENYOOM).with(Flags::WRITE))
        .about(
            "Moves an element from an end of one list to an end of another and returns it, or waits for one.",
            "O(1)",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(TAKEN, 1, 0, 1), KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1)])
        .usage("source:key#0 destination:key#1 wherefrom<LEFT | RIGHT> whereto<LEFT | RIGHT> timeout:double"),
    run: blmove as DataFn,
    subcommands: &[],
};
fn blmove(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
    let timeout = timeout_seconds(&args[5], ctx.db.now)?;
    if transfer(ctx, &args[1], &args[2], from, to)? {
        let words: [&[u8]; 5] = [b"LMOVE", &args[1], &args[2], &args[3], &args[4]];
        ctx.db.effects.replicate_instead(ctx.db.index(), &words);
        return Ok(());
    }
    ctx.wait_or(wait(timeout, std::iter::once(&args[1])), |reply| reply.null())
}

/// Moves the last element of one list to the front of another and returns it, or waits for one.
pub(super) const BRPOPLPUSH: DataRow = Row {
    name: "brpoplpush",
    meta: Meta::new("list", "2.2.0", 4, Flags::BLOCKING.with(Flags::DENYOOM).with(Flags::WRITE))
        .about("Moves the last element of one list to the front of another and returns it, or waits for one.", "O(1)")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(TAKEN, 1, 0, 1), KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1)])
        .usage("source:key#0 destination:key#1 timeout:double")
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    run: brpoplpush as DataFn,
    subcommands: &[],
};
fn brpoplpush(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let timeout = timeout_seconds(&args[3], ctx.db.now)?;
    if transfer(ctx, &args[1], &args[2], End::Right, End::Left)? {
        ctx.db.effects.replicate_instead(ctx.db.index(), &[b"RPOPLPUSH", &args[1], &args[2]]);
        return Ok(());
    }
    ctx.wait_or(wait(timeout, std::iter::once(&args[1])), |reply| reply.null())
}

fn wait<'a>(timeout: Option<Duration>, keys: impl Iterator<Item = &'a [u8]>) -> Wait {
    Wait { timeout, keys: keys.map(<[u8]>::to_vec).collect(), kind: Kind::List, wants_loss: false, again: None }
}
