//! One replica as its master sees it.
//!
//! ```text
//!    PSYNC for a byte to come        PSYNC, SYNC                            PSYNC that continues
//!             │                           │                                         │
//!             ▼     in vain               ▼                                         ▼
//!           Held ─────────────────────▶ Waiting ─▶ Starting ─▶ Encoding           Online
//!             │                                        │           │ BulkStarted   ▲  ▲
//!             │ the byte came              end mark    ▼           ▼               │  │ first ACK
//!             └──▶ Online                             Sending ◀────┘ ──────────────┘  │
//!                                                      │     TransferDone, sized      │
//!                                                      └────────────▶ AckAwaited ─────┘
//! ```

use super::replconf::Negotiated;
use crate::framing::Framing;
use base::Time;

/// Where a replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It wants a byte that our own master is about to send us.
    Held { id: Vec<u8>, wanted: i64, since: Time },
    /// It needs a snapshot.
    Waiting { since: Time },
    /// Its snapshot was ordered from the node.
    Starting,
    /// Its snapshot is being written where its length can be counted.
    Encoding { from: u64 },
    /// Its snapshot is on the wire.
    Sending { from: u64, progress: Time },
    /// Its snapshot, with the end mark, is sent; once it is loaded an ACK will come.
    AckAwaited { from: u64 },
    /// It gets the stream.
    Online { from: u64 },
}

/// A connection that sent PSYNC or SYNC.
#[derive(Clone, Debug)]
pub(super) struct Replica<K> {
    pub(super) conn: K,
    pub(super) state: State,
    pub(super) negotiated: Negotiated,
    /// It came with SYNC: it gets no +FULLRESYNC and may never acknowledge.
    pub(super) legacy: bool,
    pub(super) framing: Framing,
    pub(super) has_acked: bool,
    pub(super) acked: u64,
    pub(super) fsynced: u64,
    /// When it was last heard.
    pub(super) heard: Time,
    /// When the next keep-alive newline is due, in the states that have one.
    pub(super) newline_at: Time,
}

impl<K> Replica<K> {
    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// Online as INFO counts it: the stream is only held back for the first ACK.
    pub(super) fn is_shown_online(&self) -> bool {
        matches!(self.state, State::Online { .. } | State::AckAwaited { .. })
    }

    pub(super) fn state_word(&self) -> &'static str {
        match (&self.state, self.framing) {
            (State::Online { .. } | State::AckAwaited { .. }, _) => "online",
            (State::Sending { .. }, Framing::Sized) => "send_bulk",
            _ => "wait_bgsave",
        }
    }

    pub(super) fn start_offset(&self) -> Option<u64> {
        match self.state {
            State::Held { .. } | State::Waiting { .. } | State::Starting => None,
            State::Encoding { from }
            | State::Sending { from, .. }
            | State::AckAwaited { from }
            | State::Online { from } => Some(from),
        }
    }

    /// Whether empty lines keep it patient. After the `$` header they would be read as snapshot.
    pub(super) fn hears_newlines(&self) -> bool {
        matches!(self.state, State::Held { .. } | State::Waiting { .. } | State::Starting | State::Encoding { .. })
    }
}
