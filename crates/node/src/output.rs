//! What the node wants done by the program around it, in its own time: connections, threads, the end.

use crate::client::ConnId;
use crate::host::SaveJob;

/// One wish of the node.
pub enum Output {
    /// Close this connection; what is in its outbox is lost.
    Close(ConnId),
    /// Connect to the master; answer with `Node::link_connected` or `Node::link_closed`.
    ConnectMaster {
        /// Its host name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Close the connection to the master.
    CloseLink,
    /// Send a full synchronisation to these replicas, from one snapshot, beside the executor; answer with
    /// `Node::transfer_done` for each.
    StartSync {
        /// What to send.
        job: SaveJob,
        /// To whom and how.
        replicas: Vec<SyncTarget>,
    },
    /// Write a file beside the executor; answer with `Node::save_done`.
    StartSave(SaveJob),
    /// Begin to build a data set beside the executor from bytes that follow; answer with `Node::load_done`.
    BeginLoad(Box<keyspace::Keyspace>),
    /// Bytes of that data set.
    LoadBytes(Vec<u8>),
    /// All bytes were given: finish and check it.
    EndLoad,
    /// Forget what was built.
    AbortLoad,
    /// A data set that is not needed any more: drop it where that disturbs nobody.
    Discard(Discarded),
    /// End the program.
    Exit {
        /// The exit code.
        code: i32,
    },
}

/// Something large to be dropped off the executor.
pub enum Discarded {
    /// A whole data set.
    Keyspace(Box<keyspace::Keyspace>),
    /// A flushed table.
    Table(keyspace::table::Garbage<keyspace::Object>),
}

/// One receiver of a full synchronisation.
#[derive(Clone, Debug)]
pub struct SyncTarget {
    /// The replica's connection.
    pub conn: ConnId,
    /// How the data set is delimited.
    pub framing: replication::framing::Framing,
    /// What the replica can read.
    pub target: persist::rdb::Target,
    /// What must be written before it.
    pub preamble: Vec<u8>,
    /// Whether it wants the keys; else only what stands beside them.
    pub with_data: bool,
}
