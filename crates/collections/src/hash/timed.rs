//! The large form of a hash of which some fields have deadlines: the table, whose entries carry them, and an index that
//! says which is next. A hash without any has the table alone.

use super::due::DueIndex;
use crate::hashing::hash_bytes;
use crate::table::Table;

/// Both views of the deadlines; they always agree. Cheap to clone: each shares its nodes.
#[derive(Clone)]
pub(super) struct Timed {
    pub(super) table: Table,
    pub(super) due: DueIndex,
}

impl Timed {
    /// Of a table whose entries have no deadlines.
    pub(super) fn new(table: Table) -> Timed {
        Timed { table, due: DueIndex::new() }
    }

    /// Adds, or replaces the value and keeps the deadline; true if the field is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.table.set(field, value)
    }

    /// Sets or clears the deadline of a field: whether the field is there.
    pub(super) fn set_deadline(&mut self, field: &[u8], deadline: Option<i64>) -> bool {
        let Some((_, before)) = self.table.get_timed(field) else { return false };
        if before != deadline {
            self.table.set_deadline(field, deadline);
            self.index(field, before, deadline);
        }
        true
    }

    /// True if the field was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Some((_, before)) = self.table.get_timed(field) else { return false };
        self.table.remove(field);
        self.index(field, before, None);
        true
    }

    /// The fields whose deadlines are not after `now`, at most `max`, the earliest first.
    pub(super) fn due_fields(&self, now: i64, max: usize) -> Vec<Vec<u8>> {
        let count = self.due.count_until(now).min(max);
        let mut fields: Vec<Vec<u8>> = Vec::with_capacity(count);
        let mut last = None;
        for pair in (0..count).map_while(|rank| self.due.get(rank)) {
            // Two fields of one pair: the second waits for the next call.
            if last != Some(pair) {
                let field = self.table.find_due(pair.1, pair.0);
                fields.push(field.expect("an indexed deadline belongs to an entry").to_vec());
            }
            last = Some(pair);
        }
        fields
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.due.memory_bytes()
    }

    fn index(&mut self, field: &[u8], before: Option<i64>, after: Option<i64>) {
        let hash = hash_bytes(field);
        if let Some(before) = before {
            self.due.remove((before, hash));
        }
        if let Some(after) = after {
            self.due.insert((after, hash));
        }
    }
}
