//! What one execution unit did: the commands to journal, the keys it touched and how much it changed. The
//! handlers fill it through the guards of [`crate::Db`]; the node's commit reads it once and empties it.

use smallvec::SmallVec;

use crate::notify::{Class, Event};

/// Everything that an execution unit leaves behind besides its reply.
#[derive(Default)]
pub struct Effects {
    /// Whether anybody reads the journal; if not, nothing is encoded.
    pub journal_wanted: bool,
    /// Whether anybody wants to know which keys were touched: WATCH, notifications, blocked clients.
    pub touched_wanted: bool,
    /// Whether anybody wants to know of reads that found nothing.
    pub misses_wanted: bool,
    /// How many changes were made: what INFO calls rdb_changes_since_last_save counts these.
    pub dirty: u64,
    told: bool,
    replicate: Replicate,
    dirty_before_command: u64,
    stream: Vec<u8>,
    commands: SmallVec<[Effect; 4]>,
    names: Vec<u8>,
    touched: Vec<TouchedAt>,
}

/// How the running command gets into the journal.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Replicate {
    /// As it was sent, if it changed anything.
    #[default]
    AsSent,
    /// As it was sent, even if it changed nothing here, and without regard to a database: PUBLISH.
    Message,
    /// Not at all, or as other commands that were already added.
    Otherwise,
}

/// One journalled command: its RESP bytes and the database it works on.
#[derive(Clone, Copy, Debug)]
struct Effect {
    db: u32,
    end: usize,
    /// Works on no database: needs no SELECT.
    any_db: bool,
}

struct TouchedAt {
    db: u32,
    end: usize,
    event: Option<Event>,
    scope: Scope,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Key,
    Unwatched { wakes: bool },
    Database,
    Swap(u32),
}

/// Something that WATCH, notifications and blocked clients must hear of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched<'a> {
    /// A key changed; with the event to notify, if it has one.
    Key {
        /// Its database.
        db: usize,
        /// Its name.
        key: &'a [u8],
        /// The event to notify.
        event: Option<Event>,
    },
    /// Something about a key changed that WATCH does not count.
    Unwatched {
        /// Its database.
        db: usize,
        /// Its name.
        key: &'a [u8],
        /// The event to notify.
        event: Event,
        /// Whether those who wait for the key must look again.
        wakes: bool,
    },
    /// All keys of a database may have changed: it was flushed, or replaced by a synchronisation.
    Database(usize),
    /// Two databases were swapped.
    Swapped(usize, usize),
}

impl Effects {
    /// Begins a command inside the unit: until told otherwise it is journalled as sent if it changes anything.
    pub fn begin_command(&mut self) {
        self.replicate = Replicate::AsSent;
        self.dirty_before_command = self.dirty;
    }

    /// Ends a command: journals it as sent unless it said otherwise.
    pub fn end_command<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        let changed = self.dirty > self.dirty_before_command;
        let as_sent = match self.replicate {
            Replicate::AsSent => changed,
            Replicate::Message | Replicate::Otherwise => false,
        };
        if as_sent {
            self.push(db, args);
        } else if self.replicate == Replicate::Message {
            self.push_without_db(args);
        }
        self.begin_command();
    }

    /// The same for a command whose very bytes may be at hand, encoded as the journal has them.
    #[inline]
    pub fn end_command_as_sent<'a>(
        &mut self,
        db: usize,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
        as_sent: impl FnOnce() -> Option<&'a [u8]>,
    ) {
        let changed = self.dirty > self.dirty_before_command;
        let bytes = match self.replicate {
            Replicate::AsSent if changed && self.journal_wanted => as_sent(),
            _ => None,
        };
        let Some(bytes) = bytes else { return self.end_command(db, args) };
        self.stream.extend_from_slice(bytes);
        self.commands.push(Effect { db: db as u32, end: self.stream.len(), any_db: false });
        self.begin_command();
    }

    /// Journals this command in place of the one that was sent. May be called several times: each adds one.
    pub fn replicate_instead(&mut self, db: usize, args: &[&[u8]]) {
        self.replicate = Replicate::Otherwise;
        self.push(db, args.iter().copied());
    }

    /// Journals nothing for the command that runs, except what was or will be added.
    pub fn replicate_nothing(&mut self) {
        self.replicate = Replicate::Otherwise;
    }

    /// Journals the command as sent although it changes no key, and without a SELECT before it.
    pub fn replicate_always_without_db(&mut self) {
        self.replicate = Replicate::Message;
    }

    /// Journals a command besides what happens to the running one: the DEL of a key found expired, say.
    pub fn push<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.told = true;
        if self.journal_wanted {
            encode_command(&mut self.stream, args);
            self.commands.push(Effect { db: db as u32, end: self.stream.len(), any_db: false });
        }
    }

    /// Journals a command that belongs to no database, so that no SELECT is put before it.
    fn push_without_db<'a>(&mut self, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        if self.journal_wanted {
            encode_command(&mut self.stream, args);
            self.commands.push(Effect { db: 0, end: self.stream.len(), any_db: true });
        }
    }

    /// Records that a key changed, and counts `changes` towards the save points.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8], event: Event, changes: u64) {
        self.dirty += changes;
        self.note(db, key, Some(event));
    }

    /// Records a change of a key that WATCH does not count, and counts `changes` towards the save points. `wakes` says
    /// whether those who wait for the key must look again.
    pub fn touch_unwatched(&mut self, db: usize, key: &[u8], event: Event, wakes: bool, changes: u64) {
        self.dirty += changes;
        if self.touched_wanted {
            self.names.extend_from_slice(key);
            let (end, scope) = (self.names.len(), Scope::Unwatched { wakes });
            self.touched.push(TouchedAt { db: db as u32, end, event: Some(event), scope });
        }
    }

    /// Records an event of a key without counting a change: `expired`, the `del` after a last element.
    #[inline]
    pub fn note(&mut self, db: usize, key: &[u8], event: Option<Event>) {
        if self.touched_wanted {
            self.names.extend_from_slice(key);
            self.touched.push(TouchedAt { db: db as u32, end: self.names.len(), event, scope: Scope::Key });
        }
    }

    /// Records that a read found no key, for those who asked to be notified of it.
    pub fn note_miss(&mut self, db: usize, key: &[u8]) {
        if self.misses_wanted {
            self.note(db, key, Some(Event::new(Class::KEY_MISS, "keymiss")));
        }
    }

    /// Records that all keys of a database may have changed.
    pub fn touch_database(&mut self, db: usize) {
        if self.touched_wanted {
            let end = self.names.len();
            self.touched.push(TouchedAt { db: db as u32, end, event: None, scope: Scope::Database });
        }
    }

    /// Records that two databases were swapped.
    pub fn touch_swapped(&mut self, a: usize, b: usize) {
        if self.touched_wanted {
            let end = self.names.len();
            self.touched.push(TouchedAt { db: a as u32, end, event: None, scope: Scope::Swap(b as u32) });
        }
    }

    /// The journalled commands in order: the database (None: it needs none) and the RESP bytes.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = (Option<usize>, &[u8])> {
        let mut start = 0;
        self.commands.iter().map(move |effect| {
            let bytes = &self.stream[start..effect.end];
            start = effect.end;
            ((!effect.any_db).then_some(effect.db as usize), bytes)
        })
    }

    /// What was touched, in order.
    pub fn touched(&self) -> impl Iterator<Item = Touched<'_>> {
        let mut start = 0;
        self.touched.iter().map(move |touched| {
            let key = &self.names[start..touched.end];
            start = touched.end;
            match touched.scope {
                Scope::Key => Touched::Key { db: touched.db as usize, key, event: touched.event },
                Scope::Unwatched { wakes } => Touched::Unwatched {
                    db: touched.db as usize,
                    key,
                    event: touched.event.expect("it was given with the scope"),
                    wakes,
                },
                Scope::Database => Touched::Database(touched.db as usize),
                Scope::Swap(other) => Touched::Swapped(touched.db as usize, other as usize),
            }
        })
    }

    /// Whether the unit changed the data set, so that it would stand in the journal if anybody read that.
    pub fn changed_data(&self) -> bool {
        self.dirty > 0 || self.told
    }

    /// Whether the unit touched something that anyone wants to hear of.
    pub fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Empties everything for the next unit; buffers that grew large are given back.
    pub fn clear(&mut self) {
        self.dirty = 0;
        self.told = false;
        self.dirty_before_command = 0;
        self.replicate = Replicate::AsSent;
        self.commands.clear();
        self.touched.clear();
        for buffer in [&mut self.stream, &mut self.names] {
            buffer.clear();
            if buffer.capacity() > BUFFER_KEPT_MAX {
                buffer.shrink_to(BUFFER_KEPT_MAX);
            }
        }
    }
}

/// The most a buffer keeps between units.
const BUFFER_KEPT_MAX: usize = 256 * 1024;

/// Writes a command as a RESP array of bulk strings: what the replication stream consists of.
pub fn encode_command<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(args.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for arg in args {
        out.push(b'$');
        out.extend_from_slice(digits.format(arg.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journalled(effects: &Effects) -> Vec<(Option<usize>, String)> {
        effects.commands().map(|(db, bytes)| (db, String::from_utf8(bytes.to_vec()).unwrap())).collect()
    }

    #[test]
    fn a_command_that_changed_nothing_is_not_journalled() {
        let mut effects = Effects { journal_wanted: true, touched_wanted: true, ..Effects::default() };
        effects.begin_command();
        effects.end_command(0, [&b"DEL"[..], b"k"].into_iter());
        assert!(effects.commands().len() == 0 && !effects.has_touched());
        effects.touch(3, b"k", Event::new(Class::GENERIC, "del"), 1);
        effects.end_command(3, [&b"DEL"[..], b"k"].into_iter());
        assert_eq!(journalled(&effects), [(Some(3), "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n".to_owned())]);
    }

    #[test]
    fn what_is_replicated_instead_replaces_the_command_and_follows_what_expired() {
        let mut effects = Effects { journal_wanted: true, ..Effects::default() };
        effects.begin_command();
        effects.push(0, [&b"DEL"[..], b"old"].into_iter());
        effects.touch(0, b"s", Event::new(Class::SET, "spop"), 1);
        effects.replicate_instead(0, &[b"SREM", b"s", b"m"]);
        effects.end_command(0, [&b"SPOP"[..], b"s"].into_iter());
        let commands = journalled(&effects);
        assert_eq!(commands.len(), 2);
        assert!(commands[0].1.contains("DEL") && commands[1].1.contains("SREM"));
        effects.clear();
        assert_eq!(effects.dirty, 0);
        assert!(effects.commands().len() == 0 && !effects.has_touched());
    }
}
