//! SPOP, SRANDMEMBER and SSCAN. What is drawn at random is journalled as what became of it: SREM of the members, or
//! the deletion of the key.

use collections::Set;
use resp::Args;

use crate::collection::{
    ElementScan, Sample, int_from, journal_outcome, reply_element, reply_empty_scan, scan_cursor, symmetric_int,
};
use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;

/// Removes and returns random members of a set.
pub(super) const SPOP: DataRow = Row {
    name: "spop",
    meta: Meta::new("set", "1.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Removes and returns random members of a set.", "O(N) with N members returned")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 [count:integer^3.2.0]")
        .tips(&["nondeterministic_output"]),
    run: spop as DataFn,
    subcommands: &[],
};
fn spop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match args.len() {
        2 => pop_one(ctx, &args[1]),
        3 => {
            let count = int_from(&args[2], 0, Error::NotPositive)?;
            pop_some(ctx, &args[1], count as usize)
        }
        _ => Err(Error::Syntax),
    }
}

fn pop_one(ctx: &mut Context<'_>, key: &[u8]) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<Set>(key)? else {
        ctx.reply.null();
        return Ok(());
    };
    let member = edit.get_mut().0.pop_random(ctx.rng).expect("a set in the keyspace has members");
    edit.changed(event("spop"), 1);
    ctx.reply.bulk(&member);
    let index = ctx.db.index();
    ctx.db.effects.replicate_instead(index, &[b"SREM", key, &member]);
    Ok(())
}

fn pop_some(ctx: &mut Context<'_>, key: &[u8], count: usize) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<Set>(key)? else {
        ctx.reply.set(0);
        return Ok(());
    };
    let len = edit.get().len();
    if count == 0 {
        edit.unchanged();
        ctx.reply.set(0);
        return Ok(());
    }
    if count >= len {
        ctx.reply.set(len);
        edit.get().iter().for_each(|member| reply_element(&mut ctx.reply, member));
        *edit.get_mut().0 = Set::new();
        edit.changed(event("spop"), len as u64);
        let index = ctx.db.index();
        let word: &[u8] = if ctx.db.settings().lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
        ctx.db.effects.replicate_instead(index, &[word, key]);
        return Ok(());
    }
    ctx.reply.set(count);
    let popped = edit.get_mut().0.pop_many(count, ctx.rng);
    edit.changed(event("spop"), count as u64);
    popped.iter().for_each(|member| reply_element(&mut ctx.reply, member));
    let wanted = ctx.db.effects.journal_wanted;
    let members: Vec<Vec<u8>> = popped.iter().filter(|_| wanted).map(|member| member.to_vec()).collect();
    journal_outcome(&mut ctx.db, b"SREM", key, &members);
    Ok(())
}

/// Returns random members of a set.
pub(super) const SRANDMEMBER: DataRow = Row {
    name: "srandmember",
    meta: Meta::new("set", "1.0.0", -2, Flags::READONLY)
        .about("Returns random members of a set.", "O(N) with N members returned")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [count:integer^2.6.0]")
        .tips(&["nondeterministic_output"]),
    run: srandmember as DataFn,
    subcommands: &[],
};
fn srandmember(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let count = match args.len() {
        2 => {
            match ctx.db.collection::<Set>(&args[1])?.and_then(|set| set.random(ctx.rng)) {
                Some(member) => reply_element(&mut ctx.reply, member),
                None => ctx.reply.null(),
            }
            return Ok(());
        }
        3 => symmetric_int(&args[2])?,
        _ => return Err(Error::Syntax),
    };
    let Some(set) = ctx.db.collection::<Set>(&args[1])? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let shape = (set.len(), false);
    Sample::of(count).reply(&mut ctx.reply, ctx.rng, shape, set.iter(), |at| set.nth(at), reply_element)
}

/// Walks over the members of a set, some per call.
pub(super) const SSCAN: DataRow = Row {
    name: "sscan",
    meta: Meta::new("set", "2.8.0", -3, Flags::READONLY)
        .about(
            "Walks over the members of a set, some per call.",
            "O(1) per call, O(N) for the whole walk over N members",
        )
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]")
        .tips(&["nondeterministic_output"]),
    run: sscan as DataFn,
    subcommands: &[],
};
fn sscan(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan_cursor(&args[2])?;
    let Some(set) = ctx.db.collection::<Set>(&args[1])? else { return reply_empty_scan(ctx) };
    let mut scan = ElementScan::parse(args, "SSCAN")?;
    let next = set.scan(cursor, scan.count, |member| {
        scan.take(member);
    });
    scan.reply(&mut ctx.reply, next);
    Ok(())
}
