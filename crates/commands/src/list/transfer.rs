//! LMOVE and its older form RPOPLPUSH: an element leaves one list and joins another, or the same.

use collections::{Limits, List};
use keyspace::Edit;
use resp::Args;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::End;

/// Moves an element from an end of one list to an end of another, and returns it.
pub(super) const LMOVE: DataRow = Row {
    name: "lmove",
    meta: Meta::new("list", "6.2.0", 5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Moves an element from an end of one list to an end of another, and returns it.", "O(1)")
        .acl(Categories::LIST)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1),
            KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1),
        ])
        .usage("source:key#0 destination:key#1 wherefrom<LEFT | RIGHT> whereto<LEFT | RIGHT>"),
    run: lmove as DataFn,
    subcommands: &[],
};
fn lmove(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
    if !transfer(ctx, &args[1], &args[2], from, to)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves the last element of one list to the front of another, and returns it.
pub(super) const RPOPLPUSH: DataRow = Row {
    name: "rpoplpush",
    meta: Meta::new("list", "1.2.0", 3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Moves the last element of one list to the front of another, and returns it.", "O(1)")
        .acl(Categories::LIST)
        .keys(&[
            KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1),
            KeySpec::range(KeyAccess::RW.with(KeyAccess::INSERT), 2, 0, 1),
        ])
        .usage("source:key#0 destination:key#1")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    run: rpoplpush as DataFn,
    subcommands: &[],
};
fn rpoplpush(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if !transfer(ctx, &args[1], &args[2], End::Right, End::Left)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves an element and replies it; false, and no reply, if there is no list to take it from.
pub(super) fn transfer(
    ctx: &mut Context<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> Result<bool, Error> {
    let Some(mut edit) = ctx.db.edit::<List>(source)? else { return Ok(false) };
    if source == destination {
        let element = rotate(&mut edit, from, to);
        edit.changed(to.push_event(), 1);
        ctx.db.effects.note(ctx.db.index(), source, Some(from.pop_event()));
        ctx.reply.bulk(&element);
        return Ok(true);
    }
    let element = peek(edit.get(), from);
    edit.unchanged();
    // The push is notified first, as the peers do; and it refuses a wrong type before anything has changed.
    let mut edit = ctx.db.edit_or_new::<List>(destination)?;
    let (list, limits) = edit.get_mut();
    push(list, to, &element, limits);
    edit.changed(to.push_event(), 0);
    let mut edit = ctx.db.edit::<List>(source)?.expect("the source was there a moment ago");
    let (list, limits) = edit.get_mut();
    pop(list, from, limits);
    edit.changed(from.pop_event(), 1);
    ctx.reply.bulk(&element);
    Ok(true)
}

/// Moves an element within one list. The large form is left only after both steps, as the peers do.
fn rotate(edit: &mut Edit<'_, List>, from: End, to: End) -> Vec<u8> {
    if from == to {
        return peek(edit.get(), from);
    }
    let (list, limits) = edit.get_mut();
    if list.encoding() == "listpack" {
        let element = pop(list, from, limits);
        push(list, to, &element, limits);
        return element;
    }
    let element = peek(list, from);
    push(list, to, &element, limits);
    pop(list, from, limits);
    element
}

fn peek(list: &List, end: End) -> Vec<u8> {
    let at = if end == End::Left { 0 } else { list.len() - 1 };
    list.get(at).expect("a list in the keyspace has elements").to_vec()
}

fn pop(list: &mut List, end: End, limits: &Limits) -> Vec<u8> {
    let element = if end == End::Left { list.pop_front(limits) } else { list.pop_back(limits) };
    element.expect("a list in the keyspace has elements")
}

fn push(list: &mut List, end: End, element: &[u8], limits: &Limits) {
    match end {
        End::Left => list.push_front(element, limits),
        End::Right => list.push_back(element, limits),
    }
}
