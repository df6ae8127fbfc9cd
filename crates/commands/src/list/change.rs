//! Changes inside a list: LSET, LINSERT, LREM, LTRIM.

use std::ops::ControlFlow;

use collections::List;
use keyspace::notify::{Class, Event};
use resp::Args;

use crate::collection::{Needle, symmetric_int};
use crate::context::{Context, DataFn, DataRow, clip_range, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::read::position;

const fn event(name: &'static str) -> Event {
    Event::new(Class::LIST, name)
}

/// Replaces the element at an index of a list.
pub(super) const LSET: DataRow = Row {
    name: "lset",
    meta: Meta::new("list", "1.0.0", 4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Replaces the element at an index of a list.", "O(N) with N elements before it, O(1) at either end")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 index:integer element:string"),
    run: lset as DataFn,
    subcommands: &[],
};
fn lset(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(mut edit) = ctx.db.edit::<List>(&args[1])? else { return Err(Error::NoSuchKey) };
    let found = int(&args[2]).and_then(|index| {
        // As with LINSERT, the encoding changes before it is known whether there is such an element.
        let (list, limits) = edit.get_mut();
        list.prepare(&args[3], limits);
        position(index, list.len()).ok_or(Error::text("ERR index out of range"))
    });
    match found {
        Ok(at) => {
            let (list, limits) = edit.get_mut();
            list.set(at, &args[3], limits);
            edit.changed(event("lset"), 1);
            ctx.reply.simple("OK");
            Ok(())
        }
        Err(error) => {
            edit.unchanged();
            Err(error)
        }
    }
}

/// Adds an element before or behind the first one with a given content.
pub(super) const LINSERT: DataRow = Row {
    name: "linsert",
    meta: Meta::new("list", "2.2.0", 5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Adds an element before or behind the first one with a given content.", "O(N) with N elements before it")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 1, 0, 1)])
        .usage("key:key#0 where<BEFORE | AFTER> pivot:string element:string"),
    run: linsert as DataFn,
    subcommands: &[],
};
fn linsert(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let behind = if is(&args[2], "AFTER") {
        true
    } else if is(&args[2], "BEFORE") {
        false
    } else {
        return Err(Error::Syntax);
    };
    let Some(mut edit) = ctx.db.edit::<List>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let pivot = Needle::new(&args[3]);
    // The peers change the encoding before they look for the place, so a list may have another from then on.
    let (list, limits) = edit.get_mut();
    list.prepare(&args[4], limits);
    let mut at = 0;
    let found = edit.get().iter().visit(usize::MAX, |element| {
        if pivot.is(element) {
            return ControlFlow::Break(());
        }
        at += 1;
        ControlFlow::Continue(())
    });
    if found.is_continue() {
        edit.unchanged();
        ctx.reply.int(-1);
        return Ok(());
    }
    let (list, limits) = edit.get_mut();
    list.insert(at + usize::from(behind), &args[4], limits);
    let len = list.len();
    edit.changed(event("linsert"), 1);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Removes elements with a given content: all of them, or some from either end.
pub(super) const LREM: DataRow = Row {
    name: "lrem",
    meta: Meta::new("list", "1.0.0", 4, Flags::WRITE)
        .about(
            "Removes elements with a given content: all of them, or some from either end.",
            "O(N) with N elements in the list",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 count:integer element:string"),
    run: lrem as DataFn,
    subcommands: &[],
};
fn lrem(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let count = symmetric_int(&args[2])?;
    let Some(mut edit) = ctx.db.edit::<List>(&args[1])? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let (list, limits) = edit.get_mut();
    let removed = list.remove_matching(&args[3], most, count < 0, limits);
    if removed > 0 {
        edit.changed(event("lrem"), removed as u64);
    } else {
        edit.unchanged();
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Keeps a range of a list and removes the rest.
pub(super) const LTRIM: DataRow = Row {
    name: "ltrim",
    meta: Meta::new("list", "1.0.0", 4, Flags::WRITE)
        .about("Keeps a range of a list and removes the rest.", "O(N) with N elements removed")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 start:integer stop:integer"),
    run: ltrim as DataFn,
    subcommands: &[],
};
fn ltrim(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (int(&args[2])?, int(&args[3])?);
    if let Some(mut edit) = ctx.db.edit::<List>(&args[1])? {
        let len = edit.get().len();
        let (first, kept) = clip_range(start, end, len).unwrap_or((0, 0));
        if kept < len {
            edit.will_remove(len - kept);
            let (list, limits) = edit.get_mut();
            list.remove_range(first + kept, len - first - kept, limits);
            list.remove_range(0, first, limits);
        }
        // Notified even when nothing went, as the peers do; then it is not journalled.
        edit.changed(event("ltrim"), (len - kept) as u64);
    }
    ctx.reply.simple("OK");
    Ok(())
}
