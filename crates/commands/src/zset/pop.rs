//! ZPOPMIN, ZPOPMAX and ZMPOP: members leave at an end.

use collections::ZSet;
use resp::Args;

use crate::collection::{counted_keys, int_from, pop_count, reply_element};
use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Reach, Row};

use keyspace::notify::Event;
use resp::Reply;

use super::{event, reply_members};

/// One end of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The lowest score.
    Min,
    /// The highest score.
    Max,
}

impl End {
    /// Reads MIN or MAX.
    pub(super) fn parse(arg: &[u8]) -> Result<End, Error> {
        if is(arg, "MIN") {
            Ok(End::Min)
        } else if is(arg, "MAX") {
            Ok(End::Max)
        } else {
            Err(Error::Syntax)
        }
    }

    /// What a removal at this end notifies.
    pub(super) const fn event(self) -> Event {
        event(if matches!(self, End::Min) { "zpopmin" } else { "zpopmax" })
    }

    /// The command that removes at this end.
    pub(super) const fn word(self) -> &'static [u8] {
        if matches!(self, End::Min) { b"ZPOPMIN" } else { b"ZPOPMAX" }
    }
}

/// How removed members are laid out in the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// Member, score, member, score …
    Flat,
    /// The same without an array around it.
    Bare,
    /// Flat in RESP2, an array for each member in RESP3.
    ByProtocol,
    /// An array for each member.
    Pairs,
}

/// Removes and returns the members with the lowest scores.
pub(super) const ZPOPMIN: DataRow = Row {
    name: "zpopmin",
    meta: Meta::new("sorted-set", "5.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Removes and returns the members with the lowest scores.", "O(log(N)*M) with M members returned of N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .end(Reach::Lowest)
        .usage("key:key#0 [count:integer]"),
    run: zpopmin as DataFn,
    subcommands: &[],
};
fn zpopmin(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Min)
}

/// Removes and returns the members with the highest scores.
pub(super) const ZPOPMAX: DataRow = Row {
    name: "zpopmax",
    meta: Meta::new("sorted-set", "5.0.0", -2, Flags::FAST.with(Flags::WRITE))
        .about("Removes and returns the members with the highest scores.", "O(log(N)*M) with M members returned of N")
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1, 0, 1)])
        .end(Reach::Highest)
        .usage("key:key#0 [count:integer]"),
    run: zpopmax as DataFn,
    subcommands: &[],
};
fn zpopmax(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Max)
}

fn pop(ctx: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let (count, layout) = match args.len() {
        2 => (1, Layout::Flat),
        3 => (int_from(&args[2], 0, Error::NotPositive)? as usize, Layout::ByProtocol),
        _ => return Err(Error::Syntax),
    };
    if pop_some(ctx, &args[1], end, count, layout, |_| {})?.is_none() {
        ctx.reply.array(0);
    }
    Ok(())
}

/// Removes up to `count` members at an end and replies them as an array, which `before` may precede: how many. None,
/// and no reply, if there is no sorted set.
pub(super) fn pop_some(
    ctx: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    layout: Layout,
    before: impl FnOnce(&mut Reply<'_>),
) -> Result<Option<usize>, Error> {
    let Some(mut edit) = ctx.db.edit::<ZSet>(key)? else { return Ok(None) };
    let zset = edit.get();
    let len = zset.len();
    let count = count.min(len);
    let elements = if end == End::Min { zset.iter() } else { zset.iter_back_from(len - 1) };
    let elements = elements.take(count);
    let reply = &mut ctx.reply;
    before(reply);
    match layout {
        Layout::ByProtocol => reply_members(reply, true, count, elements),
        _ => {
            let pairs = layout == Layout::Pairs;
            if layout != Layout::Bare {
                reply.array(if pairs { count } else { 2 * count });
            }
            for (member, score) in elements {
                if pairs {
                    reply.array(2);
                }
                reply_element(reply, member);
                reply.double(score);
            }
        }
    }
    if count == 0 {
        edit.unchanged();
        return Ok(Some(0));
    }
    let start = if end == End::Min { 0 } else { len - count };
    edit.get_mut().0.remove_rank_range(start, count);
    edit.changed(end.event(), count as u64);
    Ok(Some(count))
}

/// Removes the member at an end and replies it with its score, without an array around them; false, and no reply, if
/// there is no sorted set.
pub(super) fn pop_one_with(
    ctx: &mut Context<'_>,
    key: &[u8],
    end: End,
    before: impl FnOnce(&mut Reply<'_>),
) -> Result<bool, Error> {
    Ok(pop_some(ctx, key, end, 1, Layout::Bare, before)?.is_some())
}

/// Removes and returns members of the first of several sorted sets that is there.
pub(super) const ZMPOP: DataRow = Row {
    name: "zmpop",
    meta: Meta::new("sorted-set", "7.0.0", -4, Flags::MOVABLE_KEYS.with(Flags::WRITE))
        .about(
            "Removes and returns members of the first of several sorted sets that is there.",
            "O(K)+O(M*log(N)) with K keys and M members returned of N",
        )
        .acl(Categories::SORTEDSET)
        .keys(&[KeySpec::counted(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE), 1)])
        .usage("numkeys:integer key:key#0... where<MIN | MAX> [COUNT=count:integer]"),
    run: zmpop as DataFn,
    subcommands: &[],
};
fn zmpop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = ManyPop::parse(args, 1)?;
    if !request.run(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// What ZMPOP asks for.
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

    /// Serves the first sorted set there is: false, and no reply, if there is none. Replicas get ZPOPMIN or ZPOPMAX
    /// of that one.
    pub(super) fn run(&self, ctx: &mut Context<'_>) -> Result<bool, Error> {
        for key in self.keys() {
            let popped = pop_some(ctx, key, self.end, self.count, Layout::Pairs, |reply| {
                reply.array(2);
                reply.bulk(key);
            })?;
            if let Some(popped) = popped {
                let mut digits = itoa::Buffer::new();
                let index = ctx.db.index();
                ctx.db.effects.replicate_instead(index, &[self.end.word(), key, digits.format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
