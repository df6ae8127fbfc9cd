//! The master's machine.

use super::*;
use base::Time;

/// Everything a master knows of its replicas. `K` names a connection.
pub struct Peers<K> {
    settings: PeersSettings,
    conns: Vec<K>,
}

#[allow(unused_variables)]
impl<K: Copy + Eq + Ord> Peers<K> {
    /// No replicas.
    pub fn new(settings: PeersSettings, now: Time) -> Peers<K> {
        Peers { settings, conns: Vec::new() }
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: PeersSettings) {
        self.settings = settings;
    }

    /// REPLCONF; `options` are the arguments behind the name.
    pub fn replconf(&mut self, now: Time, conn: K, options: &[&[u8]]) -> ReplconfOutcome {
        todo!()
    }

    /// PSYNC.
    pub fn psync(&mut self, now: Time, conn: K, request: PsyncRequest<'_>, view: &StreamView<'_>) -> PsyncOutcome {
        todo!()
    }

    /// The old SYNC.
    pub fn sync(&mut self, now: Time, conn: K, pending_output: bool, view: &StreamView<'_>) -> PsyncOutcome {
        todo!()
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Time, event: Event<K>) {
        todo!()
    }

    /// Call once per turn of the loop when [`Peers::holds_requests`]: the stream may have reached what they wait for.
    pub fn stream_advanced(&mut self, now: Time, view: &StreamView<'_>) {
        todo!()
    }

    /// Whether some replica waits for a byte that does not exist yet.
    pub fn holds_requests(&self) -> bool {
        todo!()
    }

    /// To be called when [`Peers::poll_timeout`] is reached.
    pub fn handle_timeout(&mut self, now: Time) {
        todo!()
    }

    /// When [`Peers::handle_timeout`] wants to be called next; a past time means at the end of this turn.
    pub fn poll_timeout(&self) -> Option<Time> {
        todo!()
    }

    /// The next thing to do. Poll until None after every call.
    pub fn poll_output(&mut self) -> Option<PeersOutput<K>> {
        todo!()
    }

    /// Asks all replicas to acknowledge: one GETACK, however often it is called before the outputs are polled.
    pub fn request_acks(&mut self) {
        todo!()
    }

    /// How many online replicas acknowledged at least `offset` (WAIT).
    pub fn acked_at_least(&self, offset: u64) -> usize {
        todo!()
    }

    /// How many online replicas have at least `offset` on disk (WAITAOF).
    pub fn fsynced_at_least(&self, offset: u64) -> usize {
        todo!()
    }

    /// min_slaves_good_slaves: online replicas whose lag is within min-replicas-max-lag.
    pub fn good_replicas(&self, now: Time) -> usize {
        todo!()
    }

    /// Whether writes are allowed by min-replicas-to-write.
    pub fn has_enough_good_replicas(&self, now: Time) -> bool {
        todo!()
    }

    /// Whether the connection is a replica: it sent PSYNC or SYNC.
    pub fn is_replica(&self, conn: K) -> bool {
        todo!()
    }

    /// connected_slaves.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there is no replica.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// The replicas in the order they attached.
    pub fn replicas(&self, now: Time) -> Vec<ReplicaFigures<K>> {
        todo!()
    }

    /// The counters of INFO stats.
    pub fn stats(&self) -> PeersStats {
        todo!()
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        todo!()
    }
}
