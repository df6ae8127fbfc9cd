//! XREADGROUP: a consumer takes entries that its group has not delivered yet, or looks at its own pending ones.

use collections::{ENTRIES_READ_UNKNOWN, Entries, Group, Stream, StreamEntry, StreamId};
use resp::{Args, Reply};
use smallvec::SmallVec;

use crate::context::{Context, DataFn, DataRow};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{Begin, Find, KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::id::{self, IdText};
use super::propagate::{self, Claim, GroupName};
use super::read::{Query, Served};
use super::{CREATE_CONSUMER, no_group, reply_entry};

/// Returns entries of streams to a consumer: new ones of its group, or those pending for it.
pub(super) const XREADGROUP: DataRow = Row {
    name: "xreadgroup",
    meta: Meta::new("stream", "5.0.0", -7, Flags::BLOCKING.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about(
            "Returns entries of streams to a consumer: new ones of its group, or those pending for it.",
            "O(M*log(N)) for each stream with M entries returned and N in the stream or pending",
        )
        .acl(Categories::STREAM)
        .keys(&[KeySpec::new(KeyAccess::RO.with(KeyAccess::ACCESS), Begin::Keyword { word: "STREAMS", from: 4 }, Find::Range { last: -1, step: 1, limit: 2 })])
        .usage("GROUP=group-block{group:string consumer:string} [COUNT=count:integer] [BLOCK=milliseconds:integer] [NOACK] STREAMS=streams{key:key#0... id:string...}"),
    run: xreadgroup as DataFn,
    subcommands: &[],
};

fn xreadgroup(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(args, true, ctx.db.now)?;
    let (group, consumer) = query.group.ok_or(Error::Syntax)?;
    let mut wanted = Vec::with_capacity(query.len());
    for (key, id) in query.pairs() {
        let stream = ctx.db.collection::<Stream>(key)?;
        if stream.is_none_or(|stream| stream.group(group).is_none()) {
            return Err(no_group(key, group, b" in XREADGROUP with GROUP option"));
        }
        wanted.push(Wanted::parse(id)?);
    }
    // It is journalled as what came of it.
    ctx.db.effects.replicate_nothing();
    let mut served = Served::new();
    for ((key, _), wanted) in query.pairs().zip(wanted) {
        let name = GroupName { key, group };
        let reader = Reader { name, consumer, count: query.count, no_ack: query.no_ack };
        reader.serve(ctx, wanted, &mut served)?;
    }
    served.finish(ctx, &query, None)
}

/// What is to be read.
#[derive(Clone, Copy)]
enum Wanted {
    /// What nobody of the group has got.
    New,
    /// What is pending for the consumer above this id.
    PendingAfter(StreamId),
}

impl Wanted {
    fn parse(id: &[u8]) -> Result<Wanted, Error> {
        match id {
            b">" => Ok(Wanted::New),
            b"$" => Err(Error::text(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                 consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return \
                 an empty result set.",
            )),
            b"+" => Err(Error::text(
                "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                 consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return \
                 an empty result set.",
            )),
            id => Ok(match id::exact(id)? {
                // What the peers have for `>` inside.
                StreamId::MAX => Wanted::New,
                id => Wanted::PendingAfter(id),
            }),
        }
    }
}

/// One consumer that reads one stream.
#[derive(Clone, Copy)]
struct Reader<'a> {
    name: GroupName<'a>,
    consumer: &'a [u8],
    count: usize,
    no_ack: bool,
}

/// What a reader left behind.
#[derive(Default)]
struct Reading {
    consumer_created: bool,
    /// Whether the stream is in the reply.
    served: bool,
    /// New entries that became pending, if the journal is wanted.
    claimed: SmallVec<[StreamId; 8]>,
    /// Where the group stands now, if it moved.
    position: Option<(StreamId, i64)>,
}

impl Reader<'_> {
    fn serve(self, ctx: &mut Context<'_>, wanted: Wanted, served: &mut Served) -> Outcome {
        let Reader { name, consumer, .. } = self;
        // Counted as a read, like the peers' second look.
        ctx.db.get(name.key);
        let (now, journal) = (ctx.db.now.0, ctx.db.effects.journal_wanted);
        let reply = &mut ctx.reply;
        let Some(mut edit) = ctx.db.edit::<Stream>(name.key)? else { return Ok(()) };
        let reading = edit.get_mut().0.edit_group(name.group, |group, entries| {
            let consumer_created = group.add_consumer(consumer, now);
            group.saw(consumer, now);
            let mut reading = Reading { consumer_created, ..Reading::default() };
            match wanted {
                Wanted::PendingAfter(id) => {
                    served.begin(reply, name.key);
                    reading.served = true;
                    self.serve_pending(reply, group, entries, id, now);
                }
                Wanted::New if entries.last().is_some_and(|last| last.id > group.last_id) => {
                    served.begin(reply, name.key);
                    reading.served = true;
                    self.serve_new(reply, group, entries, now, journal, &mut reading);
                }
                Wanted::New => {}
            }
            reading
        });
        let reading = reading.unwrap_or_default();
        let event = reading.consumer_created.then_some(CREATE_CONSUMER);
        edit.changed_unwatched(event, u64::from(reading.consumer_created) + u64::from(reading.served));
        if journal {
            self.journal(ctx, &reading, now);
        }
        Ok(())
    }

    fn serve_new(
        self,
        reply: &mut Reply<'_>,
        group: &mut Group,
        entries: &Entries,
        now: i64,
        journal: bool,
        reading: &mut Reading,
    ) {
        let start = group.last_id.next().unwrap_or(StreamId::MAX);
        let mark = reply.deferred();
        let mut count = 0;
        for entry in entries.range(start, StreamId::MAX).take(self.count) {
            advance(group, entries, &entry);
            reply_entry(reply, &entry);
            count += 1;
            if self.no_ack {
                continue;
            }
            group.assign(entry.id, self.consumer, now, 1);
            if journal {
                reading.claimed.push(entry.id);
            }
        }
        if count > 0 && !self.no_ack {
            group.served(self.consumer, now);
        }
        reply.finish_array(mark, count);
        reading.position = Some((group.last_id, group.entries_read));
    }

    /// Entries that were deleted meanwhile are told by their id alone.
    fn serve_pending(self, reply: &mut Reply<'_>, group: &mut Group, entries: &Entries, after: StreamId, now: i64) {
        let start = after.next().expect("the highest id is taken for `>`");
        let consumer = group.consumer(self.consumer).expect("made before");
        let ids: Vec<StreamId> = consumer.pending_from(start).take(self.count).collect();
        reply.array(ids.len());
        for id in ids {
            match entries.get(id) {
                Some(entry) => {
                    reply_entry(reply, &entry);
                    group.delivered_again(id, now);
                }
                None => {
                    reply.array(2);
                    reply.bulk(IdText::new(id).as_bytes());
                    reply.null_array();
                }
            }
        }
    }

    fn journal(self, ctx: &mut Context<'_>, reading: &Reading, now: i64) {
        let Reader { name, consumer, .. } = self;
        // Otherwise the first claim makes the consumer.
        if reading.consumer_created && self.no_ack {
            propagate::new_consumer(&mut ctx.db, name, consumer);
        }
        for id in &reading.claimed {
            let text = IdText::new(*id);
            let claim = Claim { id: text.as_bytes(), consumer, delivered_ms: now, deliveries: 1, last_id: *id };
            propagate::claim(&mut ctx.db, name, claim);
        }
        if let Some((last_id, entries_read)) = reading.position {
            propagate::position(&mut ctx.db, name, last_id, entries_read);
        }
    }
}

/// Moves a group on to an entry, and its count of entries read with it, as far as that can be known.
fn advance(group: &mut Group, entries: &Entries, entry: &StreamEntry<'_>) {
    let countable = group.entries_read != ENTRIES_READ_UNKNOWN && !entries.has_gap_from(entry.id);
    // A count at its end, which only a client can have set, is found anew too.
    if let Some(next) = group.entries_read.checked_add(1).filter(|_| countable) {
        group.entries_read = next;
    } else if entries.entries_added > 0 {
        group.entries_read = entries.entries_read_at(entry.id);
    }
    group.last_id = entry.id;
}
