//! The sorted-set commands, by theme: `add.rs`, `remove.rs`, `pop.rs`, `read.rs` (scores, ranks, counts), `range.rs`
//! with `bounds.rs`, `sample.rs` (ZRANDMEMBER, ZSCAN), `algebra.rs` with `sources.rs` (union, intersection, difference).
//! `blocking.rs` has those that wait for a member.

pub(crate) mod add;
mod algebra;
mod blocking;
mod bounds;
mod pop;
mod range;
mod read;
mod remove;
mod sample;
mod sources;

use collections::{Element, ZSet};
use keyspace::notify::{Class, Event};
use keyspace::{Collection, Ttl, Value};
use resp::Reply;

use crate::collection::{DEL_EVENT, reply_element, reply_pair, reply_pairs};
use crate::context::{Context, DataRow};

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    add::ZADD,
    add::ZINCRBY,
    remove::ZREM,
    remove::ZREMRANGEBYRANK,
    remove::ZREMRANGEBYSCORE,
    remove::ZREMRANGEBYLEX,
    pop::ZPOPMIN,
    pop::ZPOPMAX,
    pop::ZMPOP,
    blocking::BZPOPMIN,
    blocking::BZPOPMAX,
    blocking::BZMPOP,
    read::ZCARD,
    read::ZSCORE,
    read::ZMSCORE,
    read::ZRANK,
    read::ZREVRANK,
    read::ZCOUNT,
    read::ZLEXCOUNT,
    range::ZRANGE,
    range::ZRANGESTORE,
    range::ZREVRANGE,
    range::ZRANGEBYSCORE,
    range::ZREVRANGEBYSCORE,
    range::ZRANGEBYLEX,
    range::ZREVRANGEBYLEX,
    sample::ZRANDMEMBER,
    sample::ZSCAN,
    algebra::ZUNION,
    algebra::ZUNIONSTORE,
    algebra::ZINTER,
    algebra::ZINTERSTORE,
    algebra::ZINTERCARD,
    algebra::ZDIFF,
    algebra::ZDIFFSTORE,
];

/// An event of this group.
const fn event(name: &'static str) -> Event {
    Event::new(Class::ZSET, name)
}

/// Replies `len` elements, with their scores if asked for: pairs in RESP3, flat in RESP2.
fn reply_members<'z>(
    reply: &mut Reply<'_>,
    with_scores: bool,
    len: usize,
    elements: impl Iterator<Item = (Element<'z>, f64)>,
) {
    if !with_scores {
        reply.array(len);
        elements.for_each(|(member, _)| reply_element(reply, member));
        return;
    }
    reply_pairs(reply, len);
    for (member, score) in elements {
        reply_pair(reply);
        reply_element(reply, member);
        reply.double(score);
    }
}

/// Whether all members have the same score, as ranges of the alphabet suppose.
fn has_one_score(zset: &ZSet) -> bool {
    let score = |rank: usize| zset.get(rank).map(|(_, score)| score);
    score(0) == score(zset.len().saturating_sub(1))
}

/// Stores a result, or deletes the destination if there is none, and replies its size.
pub(crate) fn store(ctx: &mut Context<'_>, destination: &[u8], mut result: ZSet, name: &'static str) {
    result.compact(ctx.db.limits());
    let len = result.len();
    if len == 0 {
        ctx.db.discard(destination, DEL_EVENT);
    } else {
        ctx.db.set_value(destination, Value::Object(result.into_object()), Ttl::Clear, event(name));
    }
    ctx.reply.int(len as i64);
}
