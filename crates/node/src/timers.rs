//! What happens by itself: active expiry, pings and time-outs of replication, save points, pauses, idle clients.

use std::time::Duration;

use base::Time;
use keyspace::{Db, ExpiryMode};

use crate::client::{Blocked, ConnId, Kind};
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::{Discarded, Output, Waste};

/// How many due keys one turn deletes at most; more of them wait for the next turn, after clients had theirs.
const EXPIRE_KEYS_PER_TURN_MAX: usize = 400;

/// How many keys with a deadline of its own a writable replica looks at in one turn, to forget those that have none any more.
const OWN_KEYS_CHECKED_PER_TURN: usize = 100;

/// How many due fields of hashes one turn deletes at most.
const EXPIRE_FIELDS_PER_TURN_MAX: usize = 400;

/// How many items that snapshots held one turn frees at most.
const SWEEP_PER_TURN_MAX: usize = 256;

impl Node {
    /// When [`Node::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Time {
        let mut next = self.cycle_at;
        let mut no_later_than = |at: Option<Time>| next = at.map_or(next, |at| next.min(at));
        no_later_than(self.replication.link.poll_timeout());
        no_later_than(self.replication.peers.poll_timeout());
        no_later_than(self.pause.until);
        no_later_than(self.waiters.next_deadline());
        no_later_than(self.failover_deadline());
        no_later_than(self.shutdown_until());
        no_later_than(self.eviction.goes_on.then_some(self.now));
        for conn in &self.waits {
            if let Some(Blocked::Wait { until, .. }) =
                self.clients.get(*conn).and_then(|client| client.blocked.as_ref())
            {
                no_later_than(*until);
            }
        }
        next
    }

    /// Does what is due. To be called once per loop turn.
    pub fn handle_timeout(&mut self) {
        self.replication.link.handle_timeout(self.now);
        self.run_link();
        self.replication.peers.handle_timeout(self.now);
        self.run_peers();
        if self.pause.until.is_some_and(|until| until <= self.now) {
            self.end_pause();
        }
        self.finish_waits();
        self.continue_eviction();
        if self.now >= self.cycle_at {
            let more = self.run_cycle();
            let period = Duration::from_millis(1000 / u64::from(self.config.hz.clamp(1, 500)));
            self.cycle_at = if more { self.now } else { self.now + period };
        }
        self.check_shutdown();
        self.advance_failover();
        self.finish_key_waits();
        self.serve_waiters();
        self.resume_released();
    }

    /// Ends a loop turn: the stream is settled before the next one.
    pub fn end_turn(&mut self) {
        let (now, holds) = (self.now, self.replication.peers.holds_requests());
        if holds {
            self.with_view(|peers, view| peers.stream_advanced(now, view));
            self.run_peers();
        }
        self.resume_released();
        if self.replication.peers.take_acks_wanted() {
            self.replication.feed_getack();
            self.wake_replicas();
        }
        self.evict_clients();
        self.mark_stream();
        self.settle_stream();
        self.discard_deleted();
        self.stats.turns += 1;
        self.stats.turns_usec += self.host.now().since(self.now).as_micros() as u64;
    }

    /// Hands over what this turn deleted: large values, whole tables.
    fn discard_deleted(&mut self) {
        let costly = self.keyspace.take_costly();
        if !costly.is_empty() {
            self.discard(Waste::Values(costly));
        }
        while let Some(garbage) = self.keyspace.take_garbage() {
            self.discard(Waste::Table(garbage));
        }
    }

    /// Hands something over that takes long to free.
    pub(crate) fn discard(&mut self, waste: Waste) {
        let discarded = Discarded::new(waste, &self.stats.free);
        self.outputs.push_back(Output::Discard(discarded));
    }

    /// Asks the allocator itself, which makes the running count exact again.
    pub(crate) fn measure_memory(&mut self) {
        self.stats.memory_used = self.host.memory().used;
        self.stats.memory_peak = self.stats.memory_peak.max(self.stats.memory_used);
    }

    /// The regular work: whether there is more to do at once.
    fn run_cycle(&mut self) -> bool {
        self.stats.sample(self.now);
        self.measure_memory();
        self.sample_retired();
        self.check_save_points();
        self.check_rewrite();
        self.close_idle_clients();
        self.check_soft_limits();
        let more_to_free = self.keyspace.sweep(SWEEP_PER_TURN_MAX);
        self.keyspace.check_own_deadlines(OWN_KEYS_CHECKED_PER_TURN);
        let more_to_expire = self.expires_by_itself() && self.expire_due();
        more_to_free || more_to_expire
    }

    /// Whether keys and fields are deleted without being met: where nobody has paused that.
    fn expires_by_itself(&self) -> bool {
        let paused = self.pause.until.is_some() || self.pause.for_shutdown || self.pause.for_failover;
        !paused && self.persistence.loading.is_none() && self.active_expire
    }

    /// Deletes what is due and ours to delete: whether there is more.
    fn expire_due(&mut self) -> bool {
        if self.replication.is_replica() {
            self.expire_own_keys()
        } else {
            self.expire_due_keys() | self.expire_due_fields()
        }
    }

    /// Deletes keys whose deadline, which has passed, is not the master's: whether there are more.
    fn expire_own_keys(&mut self) -> bool {
        let mut budget = EXPIRE_KEYS_PER_TURN_MAX;
        if self.keyspace.own_deadlines_len() > 0 {
            for db in 0..self.keyspace.count() {
                while let Some(key) = self.keyspace.take_own_due(db, self.unix, &mut budget) {
                    self.expire_key(db, &key);
                }
            }
        }
        budget == 0
    }

    /// Deletes keys whose time has come: whether there are more.
    fn expire_due_keys(&mut self) -> bool {
        let mut budget = EXPIRE_KEYS_PER_TURN_MAX;
        for db in 0..self.keyspace.count() {
            while let Some(key) = self.keyspace.next_due(db, self.unix) {
                if budget == 0 {
                    self.stats.expired_time_cap_reached += 1;
                    return true;
                }
                budget -= 1;
                self.expire_key(db, &key);
            }
        }
        false
    }

    fn expire_key(&mut self, db: usize, key: &[u8]) {
        self.expire_in(db, |db| db.expire_due(key));
    }

    /// Deletes fields of hashes whose time has come: whether there are more.
    fn expire_due_fields(&mut self) -> bool {
        let mut budget = EXPIRE_FIELDS_PER_TURN_MAX;
        for db in 0..self.keyspace.count() {
            while let Some(key) = self.keyspace.next_due_hash(db, self.unix) {
                if budget == 0 {
                    self.stats.expired_time_cap_reached += 1;
                    return true;
                }
                // A hash whose own time has come goes as a whole, and no field with it.
                budget -= self.expire_in(db, |db| db.expire_due_fields(&key, budget)).clamp(1, budget);
            }
        }
        false
    }

    /// One unit of active expiry.
    fn expire_in<R>(&mut self, index: usize, expire: impl FnOnce(&mut Db<'_>) -> R) -> R {
        self.effects.journal_wanted = self.replication.journal_is_wanted();
        self.effects.touched_wanted = self.touched_wanted();
        let Node { keyspace, effects, unix, .. } = self;
        let mut db = Db::new(keyspace, index, effects, *unix, ExpiryMode::Delete);
        // Nobody used a hash that only lost fields.
        db.touch_on_read = false;
        let result = expire(&mut db);
        self.commit_unwrapped();
        result
    }

    fn close_idle_clients(&mut self) {
        let timeout = self.config.timeout;
        if timeout == 0 {
            return;
        }
        let idle: Vec<ConnId> = self
            .clients
            .iter()
            .filter(|client| {
                client.kind == Kind::Normal
                    && client.blocked.is_none()
                    && !client.monitor
                    && !client.is_subscriber()
                    && self.now.seconds_since(client.active_at) > timeout
            })
            .map(|client| client.id)
            .collect();
        for conn in idle {
            self.log(LogLevel::Verbose, "Closing idle client");
            self.close_now(conn);
        }
    }
}
