//! A master's data set on its way in, as `repl-diskless-load` says: what becomes of the old one, and what clients are told.
//!
//! | Setting | The new data set is built | Clients meanwhile |
//! |---|---|---|
//! | `disabled`, `flush-before-load`; `on-empty-db` with data | from a file, once that is complete, sound and the old data set is freed | are served from the old one, then LOADING |
//! | `on-empty-db` without data | from the socket | LOADING |
//! | `swapdb` | from the socket, beside the old one | reads if it is of the same history, else LOADING |
//!
//! A small data set is built beside the old one in any case, and an empty server needs no file. Once the old data set is
//! gone there is no way back: what fails then ends the program, and its files start it again.

use config::DisklessLoad;
use keyspace::Keyspace;
use replication::replica::{Phase, Resume};

use crate::host::LogLevel;
use crate::node::Node;
use crate::persistence::Loading;

/// A data set that is coming in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// How far it is built.
    pub progress: Loading,
    /// What clients get.
    pub clients: Clients,
    /// The old data set is gone.
    pub flushed: bool,
}

/// What clients get while a data set comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clients {
    /// The old one.
    Served,
    /// The old one, without what must not run meanwhile.
    Reads,
    /// LOADING.
    Refused,
}

impl Incoming {
    /// Whether INFO speaks of loading.
    pub fn is_loading(&self) -> bool {
        self.clients != Clients::Served
    }
}

impl Node {
    /// A data set begins to come in.
    pub(super) fn begin_receiving(&mut self, position: Option<Resume>, total: Option<u64>) {
        let same_history = self.replication.active
            && position.is_some_and(|position| position.replid == self.replication.history.replid());
        let clients = match self.config.repl_diskless_load {
            DisklessLoad::Swapdb if same_history => Clients::Reads,
            DisklessLoad::Swapdb => Clients::Refused,
            DisklessLoad::OnEmptyDb if self.keyspace.is_empty() => Clients::Refused,
            _ => Clients::Served,
        };
        let progress = Loading { started: self.unix, total: total.unwrap_or(0), read: 0, used_memory: 0 };
        self.persistence.incoming = Some(Incoming { progress, clients, flushed: false });
    }

    /// Whether the data set that begins to come in is to be kept in a file until the old one is freed.
    pub fn receives_into_file(&self) -> bool {
        self.config.repl_diskless_load != DisklessLoad::Swapdb && !self.keyspace.is_empty()
    }

    /// The master's data set is in a file of so many bytes, whole and sound. Gives the old one to be freed, after which it
    /// is to be loaded; None if nobody wants it any more.
    pub fn transfer_staged(&mut self, bytes: u64) -> Option<Box<Keyspace>> {
        if self.replication.link.phase() != Phase::Loading {
            return None;
        }
        self.log(LogLevel::Notice, &format!("MASTER <-> REPLICA sync: Flushing old data, loading {bytes} bytes"));
        // A snapshot for a replica of ours would be empty from here on; they come back to the new history.
        self.drop_replicas("the data set is replaced by the master's");
        let fresh = self.keyspace.fresh(self.keyspace.seed());
        let old = self.keyspace.replace_data(fresh);
        for db in 0..self.keyspace.count() {
            self.touch_database(db);
        }
        let progress = Loading { started: self.unix, total: bytes, read: 0, used_memory: 0 };
        self.persistence.incoming = Some(Incoming { progress, clients: Clients::Refused, flushed: true });
        Some(Box::new(old))
    }

    /// A data set came in, or will not. False: the old one is gone, and without the new one there is nothing to go on with.
    pub(super) fn end_receiving(&mut self, complete: bool) -> bool {
        let flushed = self.persistence.incoming.take().is_some_and(|incoming| incoming.flushed);
        if flushed && !complete {
            self.give_up("The old data set is gone, and the master's could not be loaded.");
        }
        complete || !flushed
    }

    /// Whether what is in memory is not the data set that the history names.
    pub(crate) fn data_is_incomplete(&self) -> bool {
        let flushed = self.persistence.incoming.is_some_and(|incoming| incoming.flushed);
        flushed || self.persistence.loading.is_some()
    }

    /// What clients get: of the load at the start, or of a data set that comes in.
    pub(crate) fn clients_while_loading(&self) -> Clients {
        match (self.persistence.loading, self.persistence.incoming) {
            (Some(_), _) => Clients::Refused,
            (None, Some(incoming)) => incoming.clients,
            (None, None) => Clients::Served,
        }
    }
}
