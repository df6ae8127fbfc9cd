//! SADD, SREM, SMOVE, and the questions after one set: SCARD, SISMEMBER, SMISMEMBER, SMEMBERS.

use collections::Set;
use resp::Args;

use crate::collection::reply_element;
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;

/// Adds members to a set and returns how many are new.
pub(super) const SADD: DataRow = Row {
    name: "sadd",
    meta: Meta::new("set", "1.0.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds members to a set and returns how many are new.", "O(N) with N members")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 member:string..."),
    run: sadd as DataFn,
    subcommands: &[],
};
fn sadd(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let members = args.tail(2);
    let mut edit = ctx.db.edit_or_new::<Set>(&args[1])?;
    let (set, limits) = edit.get_mut();
    set.prepare(&args[2], members.len(), limits);
    let added = members.iter().filter(|member| set.add(member, limits)).count();
    if added > 0 {
        edit.changed(event("sadd"), added as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(added as i64);
    Ok(())
}

/// Removes members from a set and returns how many were in it.
pub(super) const SREM: DataRow = Row {
    name: "srem",
    meta: Meta::new("set", "1.0.0", -3, Flags::FAST.with(Flags::WRITE))
        .about("Removes members from a set and returns how many were in it.", "O(N) with N members")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 member:string..."),
    run: srem as DataFn,
    subcommands: &[],
};
fn srem(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<Set>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let (set, _) = edit.get_mut();
    let removed = args.tail(2).iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        edit.changed(event("srem"), removed as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Moves a member from one set to another.
pub(super) const SMOVE: DataRow = Row {
    name: "smove",
    meta: Meta::new("set", "1.0.0", 4, Flags::FAST.with(Flags::WRITE))
        .about("Moves a member from one set to another.", "O(1)")
        .acl(Categories::SET)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1),
            KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1),
        ])
        .usage("source:key#0 destination:key#1 member:string"),
    run: smove as DataFn,
    subcommands: &[],
};
fn smove(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (source, destination, member) = (&args[1], &args[2], &args[3]);
    let Some(edit) = ctx.db.edit::<Set>(source)? else {
        // The peers look at the destination first, and so find out that its time has come.
        ctx.db.exists(destination);
        ctx.reply.int(0);
        return Ok(());
    };
    let is_member = edit.get().contains(member);
    edit.unchanged();
    // A wrong type must be refused before anything has changed, and even if there is nothing to move.
    if let Some(edit) = ctx.db.edit::<Set>(destination)? {
        edit.unchanged();
    }
    ctx.reply.int(i64::from(is_member));
    if !is_member || source == destination {
        return Ok(());
    }
    let mut edit = ctx.db.edit::<Set>(source)?.expect("the source was there a moment ago");
    edit.get_mut().0.remove(member);
    edit.changed(event("srem"), 1);
    let mut edit = ctx.db.edit_or_new::<Set>(destination)?;
    let (set, limits) = edit.get_mut();
    if set.is_empty() {
        set.prepare(member, 1, limits);
    }
    if set.add(member, limits) {
        edit.changed(event("sadd"), 1);
    } else {
        edit.unchanged();
    }
    Ok(())
}

/// Returns how many members a set has.
pub(super) const SCARD: DataRow = Row {
    name: "scard",
    meta: Meta::new("set", "1.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many members a set has.", "O(1)")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: scard as DataFn,
    subcommands: &[],
};
fn scard(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = ctx.db.collection::<Set>(&args[1])?.map_or(0, Set::len);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Tells whether something is a member of a set.
pub(super) const SISMEMBER: DataRow = Row {
    name: "sismember",
    meta: Meta::new("set", "1.0.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Tells whether something is a member of a set.", "O(1)")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .member(2)
        .usage("key:key#0 member:string"),
    run: sismember as DataFn,
    subcommands: &[],
};
fn sismember(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let is_member = ctx.db.collection::<Set>(&args[1])?.is_some_and(|set| set.contains(&args[2]));
    ctx.reply.int(i64::from(is_member));
    Ok(())
}

/// Tells of several things whether they are members of a set.
pub(super) const SMISMEMBER: DataRow = Row {
    name: "smismember",
    meta: Meta::new("set", "6.2.0", -3, Flags::FAST.with(Flags::READONLY))
        .about("Tells of several things whether they are members of a set.", "O(N) with N members asked for")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .member(2)
        .usage("key:key#0 member:string..."),
    run: smismember as DataFn,
    subcommands: &[],
};
fn smismember(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let set = ctx.db.collection::<Set>(&args[1])?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2).iter() {
        ctx.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// Returns all members of a set.
pub(super) const SMEMBERS: DataRow = Row {
    name: "smembers",
    meta: Meta::new("set", "1.0.0", 2, Flags::READONLY)
        .about("Returns all members of a set.", "O(N) with N members")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0")
        .tips(&["nondeterministic_output_order"]),
    run: smembers as DataFn,
    subcommands: &[],
};
fn smembers(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(set) = ctx.db.collection::<Set>(&args[1])? else {
        ctx.reply.set(0);
        return Ok(());
    };
    ctx.reply.set(set.len());
    set.iter().for_each(|member| reply_element(&mut ctx.reply, member));
    Ok(())
}
