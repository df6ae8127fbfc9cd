//! What goes into a link and what comes out of it.

use crate::log::Level;
use base::ReplId;

/// What a replica has and would like to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The history's id.
    pub replid: ReplId,
    /// How many of its bytes are applied.
    pub offset: u64,
}

/// What happens to a link, apart from bytes ([`super::Link::handle_bytes`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// REPLICAOF host port: leave whatever goes on and follow this master, at once.
    Follow {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// FAILOVER: make a master of one of our replicas and follow it. [`Output::TakeOver`] tells how it ended.
    HandOver {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// REPLICAOF NO ONE.
    Unfollow,
    /// The connection asked for stands. `resume` is what PSYNC will ask to continue; None asks for everything.
    Connected {
        /// What we have now. It must not change until the answer came.
        resume: Option<Resume>,
    },
    /// The connection asked for could not be made.
    ConnectFailed(String),
    /// The connection is gone, and not because of [`Output::Disconnect`].
    Closed(String),
    /// The snapshot, complete since [`Output::EndTransfer`], is loaded and in use.
    Loaded,
    /// The snapshot could not be read or loaded. Allowed from [`Output::BeginTransfer`] on.
    LoadFailed(String),
}

/// What a link asks of its node, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection. Answer with Connected or ConnectFailed. One at a time.
    Connect {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Close the connection, or stop opening it; drop its unread bytes. Answer with nothing.
    Disconnect,
    /// Write this to the master.
    Send(Vec<u8>),
    /// A snapshot follows. Exactly one of Adopt and AbortTransfer comes after it.
    BeginTransfer {
        /// Where the snapshot stands; None after SYNC, whose master names neither id nor offset.
        position: Option<Resume>,
        /// Its length in bytes, if the master said so.
        total: Option<u64>,
    },
    /// The snapshot's next bytes; never empty.
    TransferBytes(Vec<u8>),
    /// The snapshot's bytes are complete. Answer with Loaded or LoadFailed. What is unread is stream: keep it.
    EndTransfer,
    /// Throw the begun snapshot away. After LoadFailed too, so that cleaning up happens in one place.
    AbortTransfer(String),
    /// Loaded was taken note of: from now on the history is this, replicas of ours must go. None: the master
    /// named no history; take a fresh id at offset 0.
    Adopt {
        /// The snapshot's id and offset.
        position: Option<Resume>,
    },
    /// The master continues from what [`Input::Connected`] offered.
    Continue {
        /// The master's id if it is not the one offered: [`crate::History::continue_as_told`].
        new_replid: Option<ReplId>,
        /// What it told of the ids between the two.
        older: Vec<(ReplId, u64)>,
    },
    /// The replica that was to become the master did, or why not. After an error the link tries no more by itself.
    TakeOver(Result<(), String>),
    /// Time to acknowledge: call [`super::Link::send_ack`] with what is applied.
    AckDue,
    /// A line for the log.
    Log(Level, String),
}
