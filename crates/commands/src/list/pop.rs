//! LPOP, RPOP and LMPOP: elements leave at an end.

use collections::List;
use resp::Args;

use crate::collection::{counted_keys, int_from, pop_count, reply_element};
use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::End;
use super::read::reply_elements;

/// Removes and returns the first element of a list, or several.
pub(super) const LPOP: DataRow = Row {
    name: "lpop",
    meta: Meta::new("list", "1.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Removes and returns the first element of a list, or several.", "O(N) with N elements returned")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 [count:integer^6.2.0]"),
    run: lpop as DataFn,
    subcommands: &[],
};
fn lpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(Error::text("ERR wrong number of arguments for 'lpop' command"));
    }
    pop(ctx, args, End::Left)
}

/// Removes and returns the last element of a list, or several.
pub(super) const RPOP: DataRow = Row {
    name: "rpop",
    meta: Meta::new("list", "1.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Removes and returns the last element of a list, or several.", "O(N) with N elements returned")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .usage("key:key#0 [count:integer^6.2.0]"),
    run: rpop as DataFn,
    subcommands: &[],
};
fn rpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(Error::text("ERR wrong number of arguments for 'rpop' command"));
    }
    pop(ctx, args, End::Right)
}

fn pop(ctx: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let key = &args[1];
    let Some(count) = args.get(2) else {
        if !pop_one_with(ctx, key, end, |_| {})? {
            ctx.reply.null();
        }
        return Ok(());
    };
    let count = int_from(count, 0, Error::NotPositive)? as usize;
    if pop_some(ctx, key, end, count, |_| {})?.is_none() {
        ctx.reply.null_array();
    }
    Ok(())
}

/// Removes the element at an end and replies it, which `before` may precede; false, and no reply, if there is no list.
pub(super) fn pop_one_with(
    ctx: &mut Context<'_>,
    key: &[u8],
    end: End,
    before: impl FnOnce(&mut resp::Reply<'_>),
) -> Result<bool, Error> {
    let Some(mut edit) = ctx.db.edit::<List>(key)? else { return Ok(false) };
    let reply = &mut ctx.reply;
    before(reply);
    let (list, limits) = edit.get_mut();
    match end {
        End::Left => list.pop_front_with(limits, |element| reply_element(reply, element)),
        End::Right => list.pop_back_with(limits, |element| reply_element(reply, element)),
    };
    edit.changed(end.pop_event(), 1);
    Ok(true)
}

/// Removes up to `count` elements at an end and replies them as an array, which `before` may precede: how many. None,
/// and no reply, if there is no list.
pub(super) fn pop_some(
    ctx: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    before: impl FnOnce(&mut resp::Reply<'_>),
) -> Result<Option<usize>, Error> {
    let Some(mut edit) = ctx.db.edit::<List>(key)? else { return Ok(None) };
    let list = edit.get();
    let count = count.min(list.len());
    before(&mut ctx.reply);
    ctx.reply.array(count);
    let elements = if end == End::Left { list.iter() } else { list.iter_back() };
    reply_elements(&mut ctx.reply, elements, count);
    if count == 0 {
        edit.unchanged();
        return Ok(Some(0));
    }
    edit.will_remove(count);
    let (list, limits) = edit.get_mut();
    let start = if end == End::Left { 0 } else { list.len() - count };
    list.remove_range(start, count, limits);
    edit.changed(end.pop_event(), count as u64);
    Ok(Some(count))
}

/// Removes and returns elements of the first of several lists that is there.
pub(super) const LMPOP: DataRow = Row {
    name: "lmpop",
    meta: Meta::new("list", "7.0.0", -4, Flags::MOVABLE_KEYS.with(Flags::WRITE))
        .about(
            "Removes and returns elements of the first of several lists that is there.",
            "O(N+M) with N keys and M elements returned",
        )
        .acl(Categories::LIST)
        .keys(&[KeySpec::counted(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1)])
        .usage("numkeys:integer key:key#0... where<LEFT | RIGHT> [COUNT=count:integer]"),
    run: lmpop as DataFn,
    subcommands: &[],
};
fn lmpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = ManyPop::parse(args, 1)?;
    if !request.run(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// What LMPOP asks for.
pub(super) struct ManyPop<'a> {
    keys: Args<'a>,
    keys_len: usize,
    end: End,
    count: usize,
}

impl<'a> ManyPop<'a> {
    /// Reads the number of keys, the keys, the end and COUNT from argument `at` on.
    pub(super) fn parse(args: &Args<'a>, at: usize) -> Result<ManyPop<'a>, Error> {
        let (keys, options_at) = counted_keys(args, at)?;
        let end = End::parse(&args[options_at])?;
        let count = pop_count(&args.tail(options_at + 1))?;
        Ok(ManyPop { keys, keys_len: options_at - at - 1, end, count })
    }

    /// The keys, in the order in which they are tried.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.keys.iter().take(self.keys_len)
    }

    /// Serves the first list there is: false, and no reply, if there is none. Replicas get LPOP or RPOP of that list.
    pub(super) fn run(&self, ctx: &mut Context<'_>) -> Result<bool, Error> {
        for key in self.keys() {
            let popped = pop_some(ctx, key, self.end, self.count, |reply| {
                reply.array(2);
                reply.bulk(key);
            })?;
            if let Some(popped) = popped {
                let count = itoa::Buffer::new().format(popped).to_owned();
                let index = ctx.db.index();
                ctx.db.effects.replicate_instead(index, &[self.end.pop_word(), key, count.as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
