//! maxmemory-clients: what the connections of clients take in all, and who goes when that is too much: whoever takes most.
//! Replicas and the link to a master are no clients of this kind. Without a limit nothing is counted.

use std::fmt::Write;

use crate::client::{Client, ConnId, Kind};
use crate::host::LogLevel;
use crate::node::Node;

/// Whatever is set, clients may have this much in all.
const LIMIT_BYTES_MIN: u64 = 128 * 1024;

/// What a watched key takes besides its name, and a channel with its name, roughly.
pub(crate) const WATCHED_KEY_BYTES: usize = 64;
const CHANNEL_BYTES: usize = 128;

/// What is known of the memory of all clients.
#[derive(Default)]
pub(crate) struct ClientMemory {
    /// What clients may take in all; None: any amount.
    limit: Option<u64>,
    /// What they take, if there is a limit.
    total: u64,
    /// Clients closed because of it.
    pub evicted: u64,
}

impl Client {
    /// What this connection takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let channels: usize = self.subscriptions.iter().sum();
        let names =
            self.name.capacity() + self.lib_name.capacity() + self.lib_ver.capacity() + self.peer.addr.capacity();
        size_of::<Client>()
            + self.buffer_memory()
            + self.pushes.memory_bytes()
            + self.transaction.as_ref().map_or(0, |transaction| transaction.bytes)
            + self.watching_bytes
            + channels * CHANNEL_BYTES
            + names
    }
}

impl Node {
    /// Puts the setting into effect.
    pub(crate) fn client_memory_limit_changed(&mut self) {
        let bytes = self.config.maxmemory_clients.bytes_of(self.config.maxmemory);
        self.client_memory.limit = (bytes > 0).then_some(bytes.max(LIMIT_BYTES_MIN));
        self.client_memory.total = 0;
        let all: Vec<ConnId> = self.clients.iter().map(|client| client.id).collect();
        for conn in all {
            self.clients[conn].memory_counted = 0;
            self.count_client_memory(conn);
        }
    }

    /// Counts anew what a connection takes, after something of it has changed.
    #[inline]
    pub(crate) fn count_client_memory(&mut self, conn: ConnId) {
        if self.client_memory.limit.is_some()
            && let Some(client) = self.clients.get_mut(conn)
        {
            let bytes = if client.kind == Kind::Normal { client.memory_bytes() as u64 } else { 0 };
            self.client_memory.total += bytes;
            self.client_memory.total -= std::mem::replace(&mut client.memory_counted, bytes);
        }
    }

    /// A connection is gone.
    pub(crate) fn forget_client_memory(&mut self, client: &Client) {
        self.client_memory.total = self.client_memory.total.saturating_sub(client.memory_counted);
    }

    /// Closes the clients that take most until the others are within the limit.
    pub(crate) fn evict_clients(&mut self) {
        let Some(limit) = self.client_memory.limit.filter(|limit| self.client_memory.total > *limit) else { return };
        let may_go = |client: &&Client| client.kind == Kind::Normal && !client.no_evict && !client.closing;
        let mut candidates: Vec<(u64, ConnId)> =
            self.clients.iter().filter(may_go).map(|client| (client.memory_counted, client.id)).collect();
        candidates.sort_unstable();
        while self.client_memory.total > limit
            && let Some((_, conn)) = candidates.pop()
        {
            let line = crate::client_command::describe(self, &self.clients[conn]);
            self.log(LogLevel::Notice, &format!("Evicting client: {}", String::from_utf8_lossy(&line)));
            self.client_memory.evicted += 1;
            self.close_now(conn);
        }
    }

    /// DEBUG CLIENT-EVICTION: the limit, and how many clients take how much. None without a limit.
    pub(crate) fn describe_client_memory(&self) -> Option<String> {
        let ClientMemory { limit, total, .. } = self.client_memory;
        let mut text = format!("Limit {} bytes, {total} in use\n", limit?);
        let mut pools = std::collections::BTreeMap::<u64, (u64, usize)>::new();
        for client in self.clients.iter().filter(|client| client.kind == Kind::Normal && !client.no_evict) {
            let pool = pools.entry(client.memory_counted.next_power_of_two()).or_default();
            *pool = (pool.0 + client.memory_counted, pool.1 + 1);
        }
        for (below, (bytes, clients)) in pools {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "Up to {below} bytes each: {clients} clients, {bytes} bytes");
        }
        Some(text)
    }
}
