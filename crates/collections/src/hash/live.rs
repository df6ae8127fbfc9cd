//! A hash as commands see it at a moment: fields whose deadlines have passed are not there, whether or not somebody has
//! removed them yet.

use base::UnixMs;

use super::{Hash, HashEntry};
use crate::Element;

/// Positions drawn at random before a live field is looked for in a walk.
const DRAWS_MAX: usize = 64;

/// A hash at a moment. Costs nothing where no field is due.
#[derive(Clone, Copy)]
pub struct LiveHash<'a> {
    hash: &'a Hash,
    now: UnixMs,
    has_due: bool,
}

impl<'a> LiveHash<'a> {
    pub(super) fn new(hash: &'a Hash, now: UnixMs) -> LiveHash<'a> {
        let has_due = hash.next_deadline().is_some_and(|at| at <= now);
        LiveHash { hash, now, has_due }
    }

    /// The hash with all its fields.
    pub fn stored(&self) -> &'a Hash {
        self.hash
    }

    /// Whether some fields are due, and so hidden.
    pub fn has_due(&self) -> bool {
        self.has_due
    }

    /// Number of live fields.
    pub fn len(&self) -> usize {
        self.hash.len() - if self.has_due { self.hash.due_count(self.now) } else { 0 }
    }

    /// True without live fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a live field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'a>> {
        if self.is_hidden(field) { None } else { self.hash.get(field) }
    }

    /// Whether a live field has this name.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.hash.contains(field) && !self.is_hidden(field)
    }

    /// The deadline of a live field; None outside if there is no such field.
    pub fn deadline(&self, field: &[u8]) -> Option<Option<UnixMs>> {
        self.hash.deadline(field).filter(|deadline| deadline.is_none_or(|at| at > self.now))
    }

    /// The live fields.
    pub fn entries(&self) -> impl Iterator<Item = HashEntry<'a>> + use<'a> {
        let now = self.now;
        self.hash.entries().filter(move |entry| entry.deadline.is_none_or(|at| at > now))
    }

    /// The live entry at a position below `len` of the iteration order: O(log N), or O(N) where fields are due.
    pub fn nth(&self, index: usize) -> Option<HashEntry<'a>> {
        if self.has_due { self.entries().nth(index) } else { self.hash.nth_entry(index) }
    }

    /// A live entry, each with the same probability.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<HashEntry<'a>> {
        let stored = self.hash.len();
        for _ in 0..if self.has_due { DRAWS_MAX } else { 1 } {
            let entry = self.hash.nth_entry(rng.usize(..stored.max(1)))?;
            if self.is_live(&entry) {
                return Some(entry);
            }
        }
        self.nth(rng.usize(..self.len().max(1)))
    }

    /// As [`Hash::scan`], of the live fields.
    pub fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(HashEntry<'_>)) -> u64 {
        self.hash.scan(cursor, count, |entry| {
            if self.is_live(&entry) {
                emit(entry);
            }
        })
    }

    fn is_live(&self, entry: &HashEntry<'_>) -> bool {
        entry.deadline.is_none_or(|at| at > self.now)
    }

    fn is_hidden(&self, field: &[u8]) -> bool {
        self.has_due && self.hash.deadline(field).flatten().is_some_and(|at| at <= self.now)
    }
}
