//! The link's state machine.

use super::{Input, LinkFigures, LinkSettings, Output};
use base::Time;

/// Where a link stands, coarsely: what its node must know to feed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Follows nobody.
    Idle,
    /// Waits until the next attempt is due.
    BackOff,
    /// Waits for the connection.
    Connecting,
    /// Talks about the synchronisation.
    Handshake,
    /// Waits for a snapshot or receives one.
    Transfer,
    /// Waits for the node to load the snapshot; bytes that arrive are stream, to be kept for later.
    Loading,
    /// Bytes that arrive are stream and the node's.
    Streaming,
}

/// The replica's side of one link to a master.
pub struct Link {
    settings: LinkSettings,
}

#[allow(unused_variables)]
impl Link {
    /// A link that follows nobody.
    pub fn new(settings: LinkSettings, rng: fastrand::Rng) -> Link {
        Link { settings }
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: LinkSettings) {
        self.settings = settings;
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Time, input: Input) {
        todo!()
    }

    /// Takes bytes from the master and returns how many were used. Fewer than given means that the rest is
    /// stream (or that the attempt ended and the rest is worthless): stop, and look at [`Link::phase`].
    pub fn handle_bytes(&mut self, now: Time, bytes: &[u8]) -> usize {
        todo!()
    }

    /// While streaming: bytes came from the master.
    pub fn note_received(&mut self, now: Time) {
        todo!()
    }

    /// Builds `REPLCONF ACK` for what is applied, and `fack` if what is on disk is known too. Does nothing unless streaming, and
    /// towards a master that only knows SYNC.
    pub fn send_ack(&mut self, now: Time, applied: u64, fsynced: Option<u64>) {
        todo!()
    }

    /// To be called when [`Link::poll_timeout`] is reached; calls at other times do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        todo!()
    }

    /// When [`Link::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        todo!()
    }

    /// The next thing to do. Poll until None after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// Where the link stands.
    pub fn phase(&self) -> Phase {
        todo!()
    }

    /// Who is followed.
    pub fn master(&self) -> Option<(&str, u16)> {
        todo!()
    }

    /// The figures for INFO and ROLE.
    pub fn figures(&self, now: Time) -> LinkFigures {
        todo!()
    }
}
