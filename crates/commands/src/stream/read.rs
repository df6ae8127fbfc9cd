//! XREAD, and the arguments that it shares with XREADGROUP.

use std::time::Duration;

use base::UnixMs;
use collections::{Stream, StreamId};
use keyspace::Kind;
use resp::{Args, OwnedArgs, Protocol, Reply};

use crate::blocking::{Wait, timeout_millis};
use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{Begin, Find, KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::id::{self, IdText};
use super::reply_entries;

/// Returns entries of streams that come after given ids.
pub(super) const XREAD: DataRow = Row {
    name: "xread",
    meta: Meta::new("stream", "5.0.0", -4, Flags::BLOCKING.with(Flags::MOVABLE_KEYS).with(Flags::READONLY))
        .about("Returns entries of streams that come after given ids.", "")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::new(
            KeyAccess::RO.with(KeyAccess::ACCESS),
            Begin::Keyword { word: "STREAMS", from: 1 },
            Find::Range { last: -1, step: 1, limit: 2 },
        )])
        .usage("[COUNT=count:integer] [BLOCK=milliseconds:integer] STREAMS=streams{key:key#0... id:string...}"),
    run: xread as DataFn,
    subcommands: &[],
};

fn xread(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, false, ctx.db.now)?;
    let mut after = Vec::with_capacity(query.len());
    for (key, id) in query.pairs() {
        let stream = ctx.db.collection::<Stream>(key)?;
        after.push(resolve(stream, id)?);
    }
    let mut served = Served::new();
    for ((key, _), after) in query.pairs().zip(&after) {
        let Some(stream) = ctx.db.collection::<Stream>(key)? else { continue };
        let Some(start) = after.next() else { continue };
        let mut entries = stream.entries().range(start, StreamId::MAX).peekable();
        if entries.peek().is_some() {
            served.begin(&mut ctx.reply, key);
            reply_entries(&mut ctx.reply, entries.take(query.count));
        }
    }
    let again = query.block.and_then(|_| fixed_ids(args, &after));
    served.finish(ctx, &query, again)
}

/// The command with ids in place of `$`, which means the moment it came; None if it has none.
fn fixed_ids(args: &Args<'_>, after: &[StreamId]) -> Option<OwnedArgs> {
    let first = args.len() - after.len();
    if args.tail(first).iter().all(|id| id != b"$") {
        return None;
    }
    let texts: Vec<IdText> = after.iter().map(|id| IdText::new(*id)).collect();
    let mut words: Vec<&[u8]> = args.iter().collect();
    for (word, text) in words[first..].iter_mut().zip(&texts).filter(|(word, _)| **word == b"$") {
        *word = text.as_bytes();
    }
    Some(OwnedArgs::from_slices(&words))
}

/// The id behind which to read.
fn resolve(stream: Option<&Stream>, id: &[u8]) -> Result<StreamId, Error> {
    let last = || stream.map_or(StreamId::MIN, |stream| stream.entries().last_id);
    match id {
        b"$" => Ok(last()),
        b"+" if stream.is_none() => Ok(StreamId::MIN),
        b"+" => last().previous().ok_or(Error::text("ERR the stream last element ID is 0-0")),
        b">" => Err(Error::text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        id => id::exact(id),
    }
}

/// What XREAD and XREADGROUP ask for.
pub(super) struct Query<'a> {
    /// Group and consumer, for XREADGROUP.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    /// The most entries of each stream.
    pub(super) count: usize,
    /// NOACK: what is delivered does not become pending.
    pub(super) no_ack: bool,
    /// BLOCK: how long to wait for something to deliver, None in it for ever.
    block: Option<Option<Duration>>,
    /// The keys, and then as many ids.
    streams: Args<'a>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(args: &Args<'a>, is_group: bool, now: UnixMs) -> Result<Query<'a>, Error> {
        let streams = args.tail(args.len());
        let mut query = Query { group: None, count: usize::MAX, no_ack: false, block: None, streams };
        let mut at = 1;
        while at < args.len() {
            at += query.parse_word(args, at, is_group, now)?;
        }
        if query.streams.is_empty() {
            return Err(Error::Syntax);
        }
        if is_group && query.group.is_none() {
            return Err(Error::text("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(query)
    }

    /// Reads one option: how many arguments it takes.
    fn parse_word(&mut self, args: &Args<'a>, at: usize, is_group: bool, now: UnixMs) -> Result<usize, Error> {
        let (word, next) = (args.at(at), args.get(at + 1));
        match next {
            Some(next) if is(word, "BLOCK") => {
                self.block = Some(timeout_millis(next, now)?);
                return Ok(2);
            }
            Some(next) if is(word, "COUNT") => {
                self.count = usize::try_from(int(next)?).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
                return Ok(2);
            }
            Some(_) if is(word, "STREAMS") => {
                self.streams = args.tail(at + 1);
                if self.streams.len() % 2 == 1 {
                    return Err(Error::text(if is_group { UNBALANCED_GROUP } else { UNBALANCED }));
                }
                return Ok(args.len() - at);
            }
            _ => {}
        }
        if is(word, "GROUP") && at + 2 < args.len() {
            if !is_group {
                return Err(Error::text(
                    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            self.group = Some((args.at(at + 1), args.at(at + 2)));
            return Ok(3);
        }
        if is(word, "NOACK") {
            if !is_group {
                return Err(Error::text(
                    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            self.no_ack = true;
            return Ok(1);
        }
        Err(Error::Syntax)
    }

    /// How many streams.
    pub(super) fn len(&self) -> usize {
        self.streams.len() / 2
    }

    /// Each key with its id.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (streams, len) = (self.streams, self.len());
        (0..len).map(move |at| (streams.at(at), streams.at(len + at)))
    }
}

const UNBALANCED: &str = "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
const UNBALANCED_GROUP: &str =
    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.";

/// The outer layer of a reply: a map in RESP3, an array of pairs in RESP2, null if nothing is in it.
pub(super) struct Served {
    count: usize,
    mark: Option<resp::Deferred>,
}

impl Served {
    pub(super) fn new() -> Served {
        Served { count: 0, mark: None }
    }

    /// Begins the part of one stream: its entries must follow.
    pub(super) fn begin(&mut self, reply: &mut Reply<'_>, key: &[u8]) {
        self.mark.get_or_insert_with(|| reply.deferred());
        self.count += 1;
        if reply.proto() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Ends the reply, or lets the client wait. `again` is what is run when it has waited, in place of `args`.
    pub(super) fn finish(self, ctx: &mut Context<'_>, query: &Query<'_>, again: Option<OwnedArgs>) -> Outcome {
        match self.mark {
            Some(mark) if ctx.reply.proto() == Protocol::Resp2 => ctx.reply.finish_array(mark, self.count),
            Some(mark) => ctx.reply.finish_map(mark, self.count),
            None => return nothing_to_deliver(ctx, query, again),
        }
        Ok(())
    }
}

fn nothing_to_deliver(ctx: &mut Context<'_>, query: &Query<'_>, again: Option<OwnedArgs>) -> Outcome {
    let Some(timeout) = query.block else {
        ctx.reply.null_array();
        return Ok(());
    };
    let keys = query.pairs().map(|(key, _)| key.to_vec()).collect();
    let wait = Wait { timeout, keys, kind: Kind::Stream, wants_loss: query.group.is_some(), again };
    ctx.wait_or(wait, |reply| reply.null_array())
}
