//! XCLAIM and XAUTOCLAIM: a consumer takes over what is pending for others.

use collections::{Entries, Group, Pending, Stream, StreamId};
use keyspace::Db;
use resp::{Args, Reply};
use smallvec::SmallVec;

use crate::collection::int_from;
use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome, quotable};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::id::{self, IdText};
use super::propagate::{self, Claim, GroupName};
use super::{CREATE_CONSUMER, no_group, reply_entry};

/// Gives pending entries, named by id, to a consumer.
pub(super) const XCLAIM: DataRow = Row {
    name: "xclaim",
    meta: Meta::new("stream", "5.0.0", -6, Flags::FAST.with(Flags::WRITE))
        .about("Gives pending entries, named by id, to a consumer.", "O(log(N)) for each id with N entries pending")
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 group:string consumer:string min-idle-time:string id:string... [IDLE=ms:integer] [TIME=unix-time-milliseconds:unix-time] [RETRYCOUNT=count:integer] [FORCE] [JUSTID] [LASTID=lastid:string]")
        .tips(&["nondeterministic_output"]),
    run: xclaim as DataFn,
    subcommands: &[],
};

fn xclaim(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let name = GroupName { key: &args[1], group: &args[2] };
    check_group(&mut ctx.db, name)?;
    let options = Options::parse(args, ctx.db.now.0)?;
    ctx.db.effects.replicate_nothing();
    let now = ctx.db.now.0;
    let reply = &mut ctx.reply;
    let Some(mut edit) = ctx.db.edit::<Stream>(name.key)? else { return Ok(()) };
    let outcome = edit.get_mut().0.edit_group(name.group, |group, entries| {
        let mut claiming = Claiming::begin(group, entries, &args[3], now);
        let moved = options.last_id > claiming.group.last_id;
        if moved {
            claiming.group.last_id = options.last_id;
        }
        let mark = reply.deferred();
        let mut count = 0;
        for (text, id) in args.tail(5).iter().zip(&options.ids) {
            let claimed = claiming.claim(text, *id, &options);
            count += usize::from(claimed);
            if claimed {
                reply_claimed(reply, entries, *id, options.just_id);
            }
        }
        reply.finish_array(mark, count);
        claiming.finish(moved)
    });
    let Some(outcome) = outcome else { return Ok(()) };
    let event = outcome.consumer_created.then_some(CREATE_CONSUMER);
    edit.changed_unwatched(event, outcome.changes);
    outcome.journal(&mut ctx.db, name);
    Ok(())
}

/// Gives entries that have been pending for long to a consumer, looking for them from an id on.
pub(super) const XAUTOCLAIM: DataRow = Row {
    name: "xautoclaim",
    meta: Meta::new("stream", "6.2.0", -6, Flags::FAST.with(Flags::WRITE))
        .about(
            "Gives entries that have been pending for long to a consumer, looking for them from an id on.",
            "O(1) if COUNT is small: it bounds the search too",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::DELETE), 1, 0, 1)])
        .usage(
            "key:key#0 group:string consumer:string min-idle-time:string start:string [COUNT=count:integer] [JUSTID]",
        )
        .tips(&["nondeterministic_output"]),
    run: xautoclaim as DataFn,
    subcommands: &[],
};

/// Pending entries looked at for each that may be claimed.
const LOOKED_AT_PER_CLAIM: u64 = 10;

fn xautoclaim(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let name = GroupName { key: &args[1], group: &args[2] };
    // The peers look for the key before they read the rest: a wrong argument has its miss beside it.
    let checked = check_group(&mut ctx.db, name);
    let (options, start, count_max) = parse_auto(args, ctx.db.now.0)?;
    checked?;
    ctx.db.effects.replicate_nothing();
    let now = ctx.db.now.0;
    let reply = &mut ctx.reply;
    let Some(mut edit) = ctx.db.edit::<Stream>(name.key)? else { return Ok(()) };
    let outcome = edit.get_mut().0.edit_group(name.group, |group, entries| {
        let mut claiming = Claiming::begin(group, entries, &args[3], now);
        let (mut claimed, mut gone) = (Vec::new(), Vec::new());
        let mut next = claiming.pending_from(start);
        let mut looks = count_max.saturating_mul(LOOKED_AT_PER_CLAIM);
        while let Some(id) = next
            && looks > 0
            && ((claimed.len() + gone.len()) as u64) < count_max
        {
            looks -= 1;
            if claiming.claim(IdText::new(id).as_bytes(), id, &options) {
                claimed.push(id);
            } else if claiming.group.pending(id).is_none() {
                gone.push(id);
            }
            next = id.next().and_then(|after| claiming.pending_from(after));
        }
        reply.array(3);
        reply.bulk(IdText::new(next.unwrap_or(StreamId::MIN)).as_bytes());
        reply.array(claimed.len());
        claimed.into_iter().for_each(|id| reply_claimed(reply, entries, id, options.just_id));
        reply.array(gone.len());
        gone.into_iter().for_each(|id| reply.bulk(IdText::new(id).as_bytes()));
        claiming.finish(false)
    });
    let Some(outcome) = outcome else { return Ok(()) };
    let event = outcome.consumer_created.then_some(CREATE_CONSUMER);
    edit.changed_unwatched(event, outcome.changes);
    outcome.journal(&mut ctx.db, name);
    Ok(())
}

fn check_group(db: &mut Db<'_>, name: GroupName<'_>) -> Outcome {
    let stream = db.collection::<Stream>(name.key)?;
    match stream.and_then(|stream| stream.group(name.group)) {
        Some(_) => Ok(()),
        None => Err(no_group(name.key, name.group, b"")),
    }
}

fn reply_claimed(reply: &mut Reply<'_>, entries: &Entries, id: StreamId, just_id: bool) {
    if just_id {
        reply.bulk(IdText::new(id).as_bytes());
    } else {
        reply_entry(reply, &entries.get(id).expect("only entries that are there are claimed"));
    }
}

/// How entries are claimed.
struct Options {
    min_idle_ms: i64,
    /// The ids of XCLAIM.
    ids: SmallVec<[StreamId; 8]>,
    delivered_ms: i64,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Options {
    fn new(min_idle_ms: i64, now: i64) -> Options {
        Options {
            min_idle_ms,
            ids: SmallVec::new(),
            delivered_ms: now,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        }
    }

    /// Reads XCLAIM: ids up to the first word that is none, then options.
    fn parse(args: &Args<'_>, now: i64) -> Result<Options, Error> {
        let min_idle = int_from(&args[4], i64::MIN, Error::text("ERR Invalid min-idle-time argument for XCLAIM"))?;
        let mut options = Options::new(min_idle.max(0), now);
        options.ids = args.tail(5).iter().map_while(|text| id::exact(text).ok()).collect();
        // -1 is what the peers have for no time given.
        let mut delivered_ms = -1;
        let mut at = 5 + options.ids.len();
        while at < args.len() {
            let (word, next) = (args.at(at), args.get(at + 1));
            at += 1;
            if is(word, "FORCE") {
                options.force = true;
                continue;
            } else if is(word, "JUSTID") {
                options.just_id = true;
                continue;
            }
            let number = |refusal| int_from(next.unwrap_or_default(), i64::MIN, Error::text(refusal));
            match next {
                Some(_) if is(word, "IDLE") => {
                    delivered_ms = now.wrapping_sub(number("ERR Invalid IDLE option argument for XCLAIM")?);
                }
                Some(_) if is(word, "TIME") => {
                    delivered_ms = number("ERR Invalid TIME option argument for XCLAIM")?;
                }
                Some(_) if is(word, "RETRYCOUNT") => {
                    let count = number("ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    options.deliveries = u64::try_from(count).ok();
                }
                Some(next) if is(word, "LASTID") => options.last_id = id::exact(next)?,
                _ => {
                    return Err(Error::Bytes([b"ERR Unrecognized XCLAIM option '", quotable(word), b"'"].concat()));
                }
            }
            at += 1;
        }
        // A moment that cannot be is taken for now: clients reckon with clocks of their own.
        options.delivered_ms = if (0..=now).contains(&delivered_ms) { delivered_ms } else { now };
        Ok(options)
    }
}

/// Reads XAUTOCLAIM: options, where to begin, how many at most.
fn parse_auto(args: &Args<'_>, now: i64) -> Result<(Options, StreamId, u64), Error> {
    let min_idle = int_from(&args[4], i64::MIN, Error::text("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let start = id::range_start(&args[5])?;
    let mut options = Options::new(min_idle.max(0), now);
    let mut count_max = 100;
    let mut at = 6;
    while at < args.len() {
        if let Some(count) = args.get(at + 1).filter(|_| is(&args[at], "COUNT")) {
            let refusal = Error::text("ERR COUNT must be > 0");
            count_max = int_from(count, 1, refusal.clone())?;
            if count_max > i64::MAX / size_of::<StreamId>() as i64 {
                return Err(refusal);
            }
            at += 2;
        } else if is(&args[at], "JUSTID") {
            options.just_id = true;
            at += 1;
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok((options, start, count_max as u64))
}

/// A consumer that is claiming in a group.
struct Claiming<'a> {
    group: &'a mut Group,
    entries: &'a Entries,
    consumer: &'a [u8],
    now: i64,
    outcome: Claimed,
}

/// What came of it.
struct Claimed {
    consumer_created: bool,
    /// What counts towards the save points.
    changes: u64,
    /// Up to where the group has read.
    last_id: StreamId,
    entries_read: i64,
    /// Whether that is to be journalled by itself.
    journal_position: bool,
    /// Ids as they are to be written, and what is pending under them, or was until the entry was missed.
    claims: Vec<(SmallVec<[u8; 24]>, Pending)>,
}

impl<'a> Claiming<'a> {
    fn begin(group: &'a mut Group, entries: &'a Entries, consumer: &'a [u8], now: i64) -> Claiming<'a> {
        let consumer_created = group.add_consumer(consumer, now);
        group.saw(consumer, now);
        let outcome = Claimed {
            consumer_created,
            changes: u64::from(consumer_created),
            last_id: StreamId::MIN,
            entries_read: 0,
            journal_position: false,
            claims: Vec::new(),
        };
        Claiming { group, entries, consumer, now, outcome }
    }

    /// The first id from `start` on that is pending.
    fn pending_from(&self, start: StreamId) -> Option<StreamId> {
        self.group.pending_from(start).next().map(|(id, _)| id)
    }

    /// Claims what is pending under an id, if it is idle long enough: whether it did. What is pending for an entry that
    /// is not there any more is forgotten.
    fn claim(&mut self, text: &[u8], id: StreamId, options: &Options) -> bool {
        if self.entries.get(id).is_none() {
            if let Some(pending) = self.group.acknowledge(id) {
                self.note(text, pending);
            }
            return false;
        }
        let deliveries = match self.group.pending(id) {
            Some(pending) => {
                let idle = self.now.wrapping_sub(pending.delivered_ms);
                if options.min_idle_ms > 0 && idle < options.min_idle_ms {
                    return false;
                }
                pending.deliveries
            }
            None if options.force => 1,
            None => return false,
        };
        let one_more = deliveries.saturating_add(u64::from(!options.just_id));
        self.group.assign(id, self.consumer, options.delivered_ms, options.deliveries.unwrap_or(one_more));
        self.group.served(self.consumer, self.now);
        let pending = self.group.pending(id).expect("assigned above").clone();
        self.note(text, pending);
        true
    }

    fn note(&mut self, text: &[u8], pending: Pending) {
        self.outcome.changes += 1;
        self.outcome.claims.push((text.into(), pending));
    }

    /// `moved` says that the group was set to have read further; every claim tells that too.
    fn finish(self, moved: bool) -> Claimed {
        let mut outcome = self.outcome;
        outcome.last_id = self.group.last_id;
        outcome.entries_read = self.group.entries_read;
        outcome.journal_position = moved && outcome.claims.is_empty();
        outcome.changes += u64::from(outcome.journal_position);
        outcome
    }
}

impl Claimed {
    fn journal(&self, db: &mut Db<'_>, name: GroupName<'_>) {
        if !db.effects.journal_wanted {
            return;
        }
        for (text, pending) in &self.claims {
            propagate::claim(db, name, Claim::of(text, pending, self.last_id));
        }
        if self.journal_position {
            propagate::position(db, name, self.last_id, self.entries_read);
        }
    }
}
