//! Hop 4: the one place where an execution unit takes effect on the outside: the journal, WATCH, notifications.

use keyspace::Touched;
use keyspace::notify::{Class, Event};

use crate::node::Node;

impl Node {
    /// Ends a unit. Several writes of one unit are journalled as one transaction. True: it changed something.
    pub(crate) fn commit(&mut self) -> bool {
        self.note_own_effects();
        self.finish_unit(true)
    }

    /// Ends a unit of active expiry or eviction, whose deletions are never wrapped into a transaction.
    pub(crate) fn commit_unwrapped(&mut self) -> bool {
        self.note_own_effects();
        self.finish_unit(false)
    }

    /// Ends a unit that came from the master: its bytes are its place in the stream.
    pub(crate) fn commit_applied(&mut self) {
        self.finish_unit(true);
    }

    /// What a replica does by itself is in no stream and no file.
    fn note_own_effects(&mut self) {
        if self.effects.changed_data() && self.replication.is_replica() {
            self.replication.own_effects = true;
        }
    }

    fn finish_unit(&mut self, wrap: bool) -> bool {
        self.persistence.dirty += self.effects.dirty;
        let wrote = self.effects.dirty > 0;
        if self.effects.has_touched() {
            let effects = std::mem::take(&mut self.effects);
            self.announce(&effects);
            self.effects = effects;
        }
        if self.replication.journal_effects(&self.effects, wrap) {
            self.wake_replicas();
        }
        self.effects.clear();
        wrote
    }

    /// Tells WATCH, clients that wait for keys and subscribers what was touched.
    fn announce(&mut self, effects: &keyspace::Effects) {
        for touched in effects.touched() {
            match touched {
                Touched::Key { db, key, event } => {
                    // A miss and the birth of a key are news, but the change itself was told as an event of its own.
                    let is_change = event.is_none_or(|event| !NEWS_ONLY.has(event.class));
                    if is_change {
                        self.watches.touch(db, key, &self.keyspace, &mut self.clients);
                        self.waiters.touch(db, key);
                    }
                    if let Some(event) = event {
                        self.notify(db, key, event);
                    }
                }
                Touched::Unwatched { db, key, event, wakes } => {
                    if wakes {
                        self.waiters.touch(db, key);
                    }
                    self.notify(db, key, event);
                }
                Touched::Database(db) => self.touch_database(db),
                Touched::Swapped(a, b) => {
                    self.touch_database(a);
                    self.touch_database(b);
                }
            }
        }
    }

    /// Tells those who watch keys of a database, or wait for them, that it may hold anything now.
    pub(crate) fn touch_database(&mut self, db: usize) {
        self.watches.touch_database(db, &self.keyspace, &mut self.clients);
        self.waiters.touch_database(db);
    }

    /// Publishes a keyspace event, if its class is on.
    fn notify(&mut self, db: usize, key: &[u8], event: Event) {
        let on = self.notify_classes;
        if !on.has(event.class) {
            return;
        }
        if on.has(Class::KEYSPACE) {
            let mut channel = format!("__keyspace@{db}__:").into_bytes();
            channel.extend_from_slice(key);
            self.publish(&channel, event.name.as_bytes());
        }
        if on.has(Class::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{}", event.name).into_bytes();
            self.publish(&channel, key);
        }
    }
}

/// Events that do not stand for a change of their own.
const NEWS_ONLY: Class = Class::KEY_MISS.with(Class::NEW);
