//! client-output-buffer-limit for clients and subscribers: whoever does not take its replies is closed, at once above the
//! hard limit, after a while above the soft one. Replicas read the stream itself; their limit is in
//! `replication/replicas.rs`.

use crate::client::{ConnId, Kind, REPLIES_FREE};
use crate::host::LogLevel;
use crate::node::Node;

/// Before authentication a client may leave no more than this untaken, in bytes.
const UNAUTHENTICATED_REPLIES_MAX: u64 = 17 * 1024;

const _: () = assert!(UNAUTHENTICATED_REPLIES_MAX >= REPLIES_FREE as u64, "what counts for nothing is over no limit");

impl Node {
    /// Closes a client whose outbox is over its limit.
    #[inline]
    pub(crate) fn check_output_limit(&mut self, conn: ConnId) {
        self.count_client_memory(conn);
        let client = &self.clients[conn];
        // So little is over no limit.
        if client.untaken_bytes() > 0 || client.over_soft_limit_since.is_some() {
            self.apply_output_limit(conn);
        }
    }

    fn apply_output_limit(&mut self, conn: ConnId) {
        let client = &self.clients[conn];
        if client.closing {
            return;
        }
        let limit = match client.kind {
            Kind::Replica => &self.config.client_output_buffer_limit.replica,
            Kind::Normal if client.is_subscriber() => &self.config.client_output_buffer_limit.pubsub,
            Kind::Normal | Kind::Master => &self.config.client_output_buffer_limit.normal,
        };
        let held = client.untaken_bytes() as u64;
        let over_soft = limit.soft > 0 && held >= limit.soft;
        let over_hard = limit.hard > 0 && held >= limit.hard;
        let over_before_auth = self.is_locked_out(client) && client.outbox.len() as u64 > UNAUTHENTICATED_REPLIES_MAX;
        let since = client.over_soft_limit_since.unwrap_or(self.now);
        let over_for_long = over_soft && self.now.seconds_since(since) > limit.soft_seconds;
        if over_hard || over_before_auth || over_for_long {
            let line = format!("Closing client {}: its output buffer is over the limit.", client.peer.addr);
            self.stats.output_buffer_limit_disconnections += 1;
            self.log(LogLevel::Warning, &line);
            self.close_now(conn);
            return;
        }
        if over_soft && client.over_soft_limit_since.is_none() {
            self.over_soft_limit.push(conn);
        }
        self.clients[conn].over_soft_limit_since = over_soft.then_some(since);
    }

    /// Looks again at the clients that were above their soft limit. Called by the timer.
    pub(crate) fn check_soft_limits(&mut self) {
        let mut listed = std::mem::take(&mut self.over_soft_limit);
        // A client that went below the limit and above it again stands here twice.
        listed.sort_unstable();
        listed.dedup();
        for conn in listed {
            if self.clients.get(conn).is_none() {
                continue;
            }
            self.check_output_limit(conn);
            if self.clients.get(conn).is_some_and(|client| client.over_soft_limit_since.is_some()) {
                self.over_soft_limit.push(conn);
            }
        }
    }
}
