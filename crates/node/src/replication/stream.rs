//! Writes the stream: the effects of our own clients, pings, and what a master sent.

use keyspace::Effects;
use resp::encode;

use super::Replication;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

impl Replication {
    /// Appends what a unit did. Several commands become one transaction if `wrap` says so. Whether anything was
    /// appended. The own writes of a replica are no part of its master's history.
    pub fn journal_effects(&mut self, effects: &Effects, wrap: bool) -> bool {
        let commands = effects.commands();
        if !self.journal_is_wanted() || commands.len() == 0 {
            return false;
        }
        let start = self.offset();
        let wrap = wrap && commands.len() > 1;
        if wrap {
            self.journal.append(MULTI);
        }
        for (db, bytes) in commands {
            if let Some(db) = db {
                self.select(db);
            }
            self.journal.append(bytes);
        }
        if wrap {
            self.journal.append(EXEC);
        }
        let end = self.offset();
        self.retention.note_unit(start, end);
        true
    }

    fn select(&mut self, db: usize) {
        if self.selected_db != Some(db) {
            let mut command = Vec::new();
            let mut digits = itoa::Buffer::new();
            encode::command(&mut command, &[b"SELECT", digits.format(db).as_bytes()]);
            self.journal.append(&command);
            self.selected_db = Some(db);
        }
    }

    /// Appends a PING: it tells replicas that the master is there.
    pub(super) fn feed_ping(&mut self) {
        self.journal.append(PING);
    }

    /// Appends a request to acknowledge.
    pub(crate) fn feed_getack(&mut self) {
        self.journal.append(GETACK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_that_peers_count_for_ping_and_getack_hold() {
        assert_eq!(PING.len(), 14);
        assert_eq!(GETACK.len(), 37);
    }
}
