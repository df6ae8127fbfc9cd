//! LPUSH, RPUSH, and the forms that need the list to exist: LPUSHX, RPUSHX.

use collections::List;
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::End;

/// Adds elements before the first one of a list, one after the other.
pub(super) const LPUSH: DataRow = Row {
    name: "lpush",
    meta: Meta::new("list", "1.0.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds elements before the first one of a list, one after the other.", "O(N) with N elements added")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 element:string..."),
    run: lpush as DataFn,
    subcommands: &[],
};
fn lpush(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    push(ctx, args, End::Left, Missing::Create)
}

/// Adds elements behind the last one of a list.
pub(super) const RPUSH: DataRow = Row {
    name: "rpush",
    meta: Meta::new("list", "1.0.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds elements behind the last one of a list.", "O(N) with N elements added")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 element:string..."),
    run: rpush as DataFn,
    subcommands: &[],
};
fn rpush(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    push(ctx, args, End::Right, Missing::Create)
}

/// Adds elements before the first one of a list, if the list exists.
pub(super) const LPUSHX: DataRow = Row {
    name: "lpushx",
    meta: Meta::new("list", "2.2.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds elements before the first one of a list, if the list exists.", "O(N) with N elements added")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 element:string..."),
    run: lpushx as DataFn,
    subcommands: &[],
};
fn lpushx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    push(ctx, args, End::Left, Missing::Leave)
}

/// Adds elements behind the last one of a list, if the list exists.
pub(super) const RPUSHX: DataRow = Row {
    name: "rpushx",
    meta: Meta::new("list", "2.2.0", -3, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds elements behind the last one of a list, if the list exists.", "O(N) with N elements added")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 element:string..."),
    run: rpushx as DataFn,
    subcommands: &[],
};
fn rpushx(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    push(ctx, args, End::Right, Missing::Leave)
}

/// What a push does without a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Leave,
}

fn push(ctx: &mut Context<'_>, args: &Args<'_>, end: End, missing: Missing) -> Outcome {
    let mut edit = match missing {
        Missing::Create => ctx.db.edit_or_new::<List>(&args[1])?,
        Missing::Leave => match ctx.db.edit::<List>(&args[1])? {
            Some(edit) => edit,
            None => {
                ctx.reply.int(0);
                return Ok(());
            }
        },
    };
    let elements = args.tail(2);
    let (list, limits) = edit.get_mut();
    match end {
        End::Left => list.extend_front(elements.iter(), limits),
        End::Right => list.extend_back(elements.iter(), limits),
    }
    let len = list.len();
    edit.changed(end.push_event(), elements.len() as u64);
    ctx.reply.int(len as i64);
    Ok(())
}
