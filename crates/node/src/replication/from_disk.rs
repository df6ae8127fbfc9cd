//! Serves replicas out of files: asks for blocks and takes them. What is decided stands in `supply.rs`.

use bytes::Bytes;
use journal::{Extent, Offset};

use super::cut::{CutReason, Loss};
use super::supply::Supply;
use crate::client::ConnId;
use crate::node::Node;
use crate::output::{JournalRead, Output};

impl Node {
    /// Asks for a block of a file for a replica.
    pub(super) fn ask_block(&mut self, conn: ConnId, extent: Extent) {
        self.replication.retention.last_ticket += 1;
        let ticket = self.replication.retention.last_ticket;
        let Some(cursor) = self.replication.cursors.get_mut(&conn) else { return };
        cursor.supply = Supply::Asked { ticket, place: extent.place.clone() };
        self.outputs.push_back(Output::ReadJournal(JournalRead { conn, ticket, extent }));
    }

    /// A block of a file is here, or could not be read.
    pub fn journal_read(&mut self, conn: ConnId, ticket: u64, result: Result<Vec<u8>, String>) {
        let Some(cursor) = self.replication.cursors.get_mut(&conn) else { return };
        let place = match &cursor.supply {
            Supply::Asked { ticket: asked, place } if *asked == ticket => place.clone(),
            _ => return,
        };
        let at = cursor.at;
        // A file that was let go of meanwhile may be gone; what to do now is decided anew.
        cursor.supply = Supply::Memory;
        match result {
            Ok(bytes) => cursor.supply = Supply::Block { start: at, bytes: Bytes::from(bytes) },
            Err(reason) => {
                let archive = &mut self.replication.retention.archive;
                if archive.parts().any(|part| part.place == place) {
                    // Who comes back must not be promised it again.
                    let gone = archive.forget_through(Offset(at));
                    self.discard_parts(gone, Loss::DiskTrouble);
                    return self.cut_replica(conn, CutReason::ReadFailed(reason));
                }
            }
        }
        self.clients.mark_dirty(conn);
    }

    /// How many replicas are served from disk now.
    pub(crate) fn replicas_from_disk(&self) -> usize {
        self.replication.cursors.keys().filter(|conn| self.is_served_from_disk(**conn)).count()
    }

    /// Whether what a replica gets next is no longer in memory.
    pub(crate) fn is_served_from_disk(&self, conn: ConnId) -> bool {
        let first = self.replication.journal.first().0;
        self.replication.cursors.get(&conn).is_some_and(|cursor| cursor.at < first)
    }
}
