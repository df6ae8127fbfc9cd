//! XACK and XPENDING: what was delivered and not acknowledged yet.

use collections::{Group, Pending, Stream, StreamId};
use resp::{Args, Reply};
use smallvec::SmallVec;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::id::{self, IdText};
use super::no_group;

/// Acknowledges entries: they are pending no longer. Returns how many were.
pub(super) const XACK: DataRow = Row {
    name: "xack",
    meta: Meta::new("stream", "5.0.0", -4, Flags::FAST.with(Flags::WRITE))
        .about(
            "Acknowledges entries: they are pending no longer. Returns how many were.",
            "O(log(N)) for each id with N entries pending",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 group:string id:string..."),
    run: xack as DataFn,
    subcommands: &[],
};

fn xack(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, name) = (&args[1], &args[2]);
    let stream = ctx.db.collection::<Stream>(key)?;
    if stream.is_none_or(|stream| stream.group(name).is_none()) {
        ctx.reply.int(0);
        return Ok(());
    }
    let ids = args.tail(3).iter().map(id::exact).collect::<Result<SmallVec<[StreamId; 8]>, Error>>()?;
    let mut acknowledged = 0;
    if let Some(mut edit) = ctx.db.edit::<Stream>(key)? {
        edit.get_mut().0.edit_group(name, |group, _| {
            acknowledged = ids.into_iter().filter(|id| group.acknowledge(*id).is_some()).count();
        });
        edit.changed_unwatched(None, acknowledged as u64);
    }
    ctx.reply.int(acknowledged as i64);
    Ok(())
}

/// Tells what is pending in a consumer group: in sum, or one by one.
pub(super) const XPENDING: DataRow = Row {
    name: "xpending",
    meta: Meta::new("stream", "5.0.0", -3, Flags::READONLY)
        .about(
            "Tells what is pending in a consumer group: in sum, or one by one.",
            "O(C) with C consumers for the sum; O(log(N)+M) with M entries looked at of N pending",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 group:string [filters{[IDLE=min-idle-time:integer^6.2.0] start:string end:string count:integer [consumer:string]}]")
        .tips(&["nondeterministic_output"]),
    run: xpending as DataFn,
    subcommands: &[],
};

fn xpending(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let filter = Filter::parse(args)?;
    let now = ctx.db.now.0;
    let group = ctx.db.collection::<Stream>(&args[1])?.and_then(|stream| stream.group(&args[2]));
    let group = group.ok_or_else(|| no_group(&args[1], &args[2], b""))?;
    match filter {
        None => reply_sum(&mut ctx.reply, group),
        Some(filter) => filter.reply(&mut ctx.reply, group, now),
    }
    Ok(())
}

fn reply_sum(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let first = group.pending_from(StreamId::MIN).next().map(|(id, _)| id);
    let (Some(first), Some(last)) = (first, group.last_pending()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.bulk(IdText::new(first).as_bytes());
    reply.bulk(IdText::new(last).as_bytes());
    let mark = reply.deferred();
    let mut count = 0;
    for (name, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(name);
        reply.bulk_int(consumer.pending_len() as i64);
        count += 1;
    }
    reply.finish_array(mark, count);
}

/// Which of the pending entries to tell one by one.
struct Filter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// None for the form that asks for the sum.
    fn parse(args: &Args<'a>) -> Result<Option<Filter<'a>>, Error> {
        match args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(Error::Syntax),
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if is(&args[3], "IDLE") {
            min_idle_ms = int(&args[4])?;
            if args.len() < 8 {
                return Err(Error::Syntax);
            }
            at = 5;
        }
        let count = usize::try_from(int(&args[at + 2])?).unwrap_or(0);
        let (start, end) = (id::range_start(&args[at])?, id::range_end(&args[at + 1])?);
        Ok(Some(Filter { min_idle_ms, start, end, count, consumer: args.get(at + 3) }))
    }

    fn reply(&self, reply: &mut Reply<'_>, group: &Group, now: i64) {
        let mark = reply.deferred();
        let mut tell = |(id, pending): (StreamId, &Pending)| {
            reply.array(4);
            reply.bulk(IdText::new(id).as_bytes());
            reply.bulk(pending.consumer());
            reply.int(now.saturating_sub(pending.delivered_ms).max(0));
            reply.int(pending.deliveries as i64);
        };
        let fits = |(id, pending): &(StreamId, &Pending)| {
            let idle = now.saturating_sub(pending.delivered_ms);
            *id <= self.end && (self.min_idle_ms == 0 || idle >= self.min_idle_ms)
        };
        let told = match self.consumer {
            None => {
                let pending = group.pending_from(self.start).take_while(|(id, _)| *id <= self.end);
                pending.filter(fits).take(self.count).map(&mut tell).count()
            }
            Some(name) => {
                let ids = group.consumer(name).into_iter().flat_map(|consumer| consumer.pending_from(self.start));
                let pending = ids
                    .take_while(|id| *id <= self.end)
                    .filter_map(|id| group.pending(id).map(|pending| (id, pending)));
                pending.filter(fits).take(self.count).map(&mut tell).count()
            }
        };
        reply.finish_array(mark, told);
    }
}
