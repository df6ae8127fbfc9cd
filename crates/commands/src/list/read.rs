//! LLEN, LINDEX, LRANGE, LPOS.

use std::ops::ControlFlow;

use collections::{List, ListIter};
use resp::{Args, Reply};

use crate::collection::{Needle, int_from, reply_element, symmetric_int};
use crate::context::{Context, DataFn, DataRow, clip_range, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Returns how many elements a list has.
pub(super) const LLEN: DataRow = Row {
    name: "llen",
    meta: Meta::new("list", "1.0.0", 2, Flags::FAST.with(Flags::READONLY))
        .about("Returns how many elements a list has.", "O(1)")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, 0, 1)])
        .usage("key:key#0"),
    run: llen as DataFn,
    subcommands: &[],
};
fn llen(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = ctx.db.collection::<List>(&args[1])?.map_or(0, List::len);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Returns the element at an index of a list.
pub(super) const LINDEX: DataRow = Row {
    name: "lindex",
    meta: Meta::new("list", "1.0.0", 3, Flags::READONLY)
        .about("Returns the element at an index of a list.", "O(N) with N elements before it, O(1) at either end")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 index:integer"),
    run: lindex as DataFn,
    subcommands: &[],
};
fn lindex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(list) = ctx.db.collection::<List>(&args[1])? else {
        ctx.reply.null();
        return Ok(());
    };
    match position(int(&args[2])?, list.len()).and_then(|at| list.get(at)) {
        Some(element) => reply_element(&mut ctx.reply, element),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Where an index points, negative ones counted from the end; None outside the list.
pub(super) fn position(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// Returns a range of a list.
pub(super) const LRANGE: DataRow = Row {
    name: "lrange",
    meta: Meta::new("list", "1.0.0", 4, Flags::READONLY)
        .about("Returns a range of a list.", "O(S+N) with S elements before the range and N in it")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 start:integer stop:integer"),
    run: lrange as DataFn,
    subcommands: &[],
};
fn lrange(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (int(&args[2])?, int(&args[3])?);
    let list = ctx.db.collection::<List>(&args[1])?;
    let range = list.and_then(|list| Some((list, clip_range(start, end, list.len())?)));
    let Some((list, (first, count))) = range else {
        ctx.reply.array(0);
        return Ok(());
    };
    ctx.reply.array(count);
    reply_elements(&mut ctx.reply, list.iter_from(first), count);
    Ok(())
}

/// Replies so many elements, below the array's header.
pub(super) fn reply_elements(reply: &mut Reply<'_>, elements: ListIter<'_>, count: usize) {
    let _ = elements.visit(count, |element| {
        reply_element(reply, element);
        ControlFlow::Continue(())
    });
}

/// Returns where elements with a given content stand in a list.
pub(super) const LPOS: DataRow = Row {
    name: "lpos",
    meta: Meta::new("list", "6.0.6", -3, Flags::READONLY)
        .about("Returns where elements with a given content stand in a list.", "O(N) with N elements looked at")
        .acl(Categories::LIST)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 element:string [RANK=rank:integer] [COUNT=num-matches:integer] [MAXLEN=len:integer]"),
    run: lpos as DataFn,
    subcommands: &[],
};
fn lpos(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let search = Search::parse(args)?;
    let Some(list) = ctx.db.collection::<List>(&args[1])? else {
        match search.count {
            Some(_) => ctx.reply.array(0),
            None => ctx.reply.null(),
        }
        return Ok(());
    };
    let Some(count) = search.count else {
        let mut found = None;
        search.each(list, args.at(2), 1, |at| found = Some(at));
        match found {
            Some(at) => ctx.reply.int(at as i64),
            None => ctx.reply.null(),
        }
        return Ok(());
    };
    let mark = ctx.reply.deferred();
    let most = if count == 0 { usize::MAX } else { count };
    let found = search.each(list, args.at(2), most, |at| ctx.reply.int(at as i64));
    ctx.reply.finish_array(mark, found);
    Ok(())
}

/// The options of LPOS.
struct Search {
    /// Which match is the first to be returned; negative: from the end.
    rank: i64,
    /// How many to return, 0 for all; without it the reply is no array.
    count: Option<usize>,
    /// How many elements to look at, 0 for all.
    look_max: usize,
}

impl Search {
    fn parse(args: &Args<'_>) -> Result<Search, Error> {
        let mut search = Search { rank: 1, count: None, look_max: 0 };
        for at in (3..args.len()).step_by(2) {
            let Some(value) = args.get(at + 1) else { return Err(Error::Syntax) };
            if is(&args[at], "RANK") {
                search.rank = symmetric_int(value)?;
                if search.rank == 0 {
                    return Err(Error::text(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
            } else if is(&args[at], "COUNT") {
                search.count = Some(int_from(value, 0, Error::text("ERR COUNT can't be negative"))? as usize);
            } else if is(&args[at], "MAXLEN") {
                search.look_max = int_from(value, 0, Error::text("ERR MAXLEN can't be negative"))? as usize;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(search)
    }

    /// Calls `found` with the index of up to `most` matches: how many there were.
    fn each(&self, list: &List, content: &[u8], most: usize, mut found: impl FnMut(usize)) -> usize {
        let needle = Needle::new(content);
        let look_max = if self.look_max == 0 { usize::MAX } else { self.look_max };
        let skip = usize::try_from(self.rank.unsigned_abs()).unwrap_or(usize::MAX) - 1;
        let last = list.len() - 1;
        let backwards = self.rank < 0;
        let elements = if backwards { list.iter_back() } else { list.iter() };
        let (mut at, mut matches) = (0, 0);
        let _ = elements.visit(look_max, |element| {
            if needle.is(element) {
                matches += 1;
                if matches > skip {
                    found(if backwards { last - at } else { at });
                }
                if matches - skip.min(matches) == most {
                    return ControlFlow::Break(());
                }
            }
            at += 1;
            ControlFlow::Continue(())
        });
        matches.saturating_sub(skip)
    }
}
