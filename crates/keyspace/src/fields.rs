//! Fields of hashes that expire: what a command sees of them, and who deletes those whose time has come. A field past its
//! deadline is seen by nobody, except that it counts in the length of its hash until it is deleted, as with Redis 8.

use base::UnixMs;
use collections::{Hash, LiveHash};

use crate::db::{Db, ExpiryMode, WrongType};
use crate::notify::{Class, Event};

/// What the expiry of fields notifies.
const EXPIRED_EVENT: Event = Event::new(Class::HASH, "hexpired");

/// For a command that only reads, or for one that will write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Where expired fields are not ours to delete they stay, and are hidden.
    Read,
    /// They go in any case, so that the command finds none.
    Write,
}

impl<'a> Db<'a> {
    /// Reads a hash as this command is to see it.
    pub fn hash(&mut self, key: &[u8]) -> Result<Option<LiveHash<'_>>, WrongType> {
        let moment = self.moment();
        Ok(self.collection::<Hash>(key)?.map(|hash| hash.at(moment)))
    }

    /// The moment up to which deadlines have passed for this command: nothing counts as expired in a master's stream.
    pub fn moment(&self) -> UnixMs {
        if self.expiry == ExpiryMode::Ignore { UnixMs(i64::MIN) } else { self.now }
    }

    /// To be called before a command looks at these fields of a hash: deletes those whose time has come, where that is
    /// ours to do. Costs nothing while no field in the database is due.
    pub fn expire_fields<'f>(&mut self, key: &[u8], fields: impl IntoIterator<Item = &'f [u8]>, access: Access) {
        if !self.may_delete_fields(access) {
            return;
        }
        let moment = self.moment();
        let Ok(Some(mut edit)) = self.edit::<Hash>(key) else { return };
        let hash = edit.get();
        let is_due = |field: &&[u8]| hash.deadline(field).flatten().is_some_and(|at| at <= moment);
        let mut due: Vec<&[u8]> = fields.into_iter().filter(is_due).collect();
        if due.is_empty() {
            return edit.unchanged();
        }
        let (hash, _) = edit.get_mut();
        due.retain(|field| hash.remove(field));
        edit.expired(EXPIRED_EVENT);
        self.keyspace.stats.expired_fields += due.len() as u64;
        for field in due {
            self.effects.push(self.index, [b"HDEL", key, field].into_iter());
        }
    }

    /// Deletes up to `max` fields of a hash whose time has come, the earliest first, where that is ours to do: how many.
    pub fn expire_due_fields(&mut self, key: &[u8], max: usize) -> usize {
        if !self.may_delete_fields(Access::Read) {
            return 0;
        }
        let moment = self.moment();
        let Ok(Some(mut edit)) = self.edit::<Hash>(key) else { return 0 };
        let due = edit.get().due_fields(moment, max);
        if due.is_empty() {
            edit.unchanged();
            return 0;
        }
        let (hash, _) = edit.get_mut();
        for field in &due {
            hash.remove(field);
        }
        edit.expired(EXPIRED_EVENT);
        self.keyspace.stats.expired_fields += due.len() as u64;
        let words: Vec<&[u8]> = [b"HDEL", key].into_iter().chain(due.iter().map(Vec::as_slice)).collect();
        self.effects.push(self.index, words.into_iter());
        due.len()
    }

    /// Counts fields that a command deleted because the deadline it was given has passed.
    pub fn count_expired_fields(&mut self, count: usize) {
        self.keyspace.stats.expired_fields += count as u64;
    }

    fn may_delete_fields(&self, access: Access) -> bool {
        let ours = match self.expiry {
            ExpiryMode::Delete => true,
            ExpiryMode::Hide => access == Access::Write,
            ExpiryMode::Ignore => false,
        };
        let next = self.keyspace.table(self.index).next_inner_deadline_ms();
        ours && next.is_some_and(|at| at <= self.now.0)
    }
}
