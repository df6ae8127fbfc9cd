//! Puts settings into effect: what of the configuration other parts keep a copy of.

use collections::Limits;
use config::Config;
use keyspace::{Tracking, UsageClock};

use crate::node::Node;

/// The settings of the data commands.
pub(crate) fn keyspace_settings(config: &Config) -> keyspace::Settings {
    keyspace::Settings {
        limits: Limits {
            hash_max_listpack_entries: config.hash_max_listpack_entries as usize,
            hash_max_listpack_value: config.hash_max_listpack_value as usize,
            list_max_listpack_size: config.list_max_listpack_size,
            list_compress_depth: config.list_compress_depth,
            set_max_intset_entries: config.set_max_intset_entries as usize,
            set_max_listpack_entries: config.set_max_listpack_entries as usize,
            set_max_listpack_value: config.set_max_listpack_value as usize,
            zset_max_listpack_entries: config.zset_max_listpack_entries as usize,
            zset_max_listpack_value: config.zset_max_listpack_value as usize,
            hll_sparse_max_bytes: config.hll_sparse_max_bytes as usize,
            stream_node_max_bytes: config.stream_node_max_bytes as usize,
            stream_node_max_entries: config.stream_node_max_entries as usize,
        },
        string_bytes_max: config.proto_max_bulk_len,
        compress_dumps: config.rdbcompression,
        lazyfree_lazy_expire: config.lazyfree_lazy_expire,
        lazyfree_lazy_server_del: config.lazyfree_lazy_server_del,
        lazyfree_lazy_user_del: config.lazyfree_lazy_user_del,
        lazyfree_lazy_user_flush: config.lazyfree_lazy_user_flush,
        lazyfree_lazy_eviction: config.lazyfree_lazy_eviction,
    }
}

/// What the policy of eviction wants to know of the use of keys.
fn tracking(config: &Config) -> Tracking {
    if !config.maxmemory_policy.counts_uses() {
        return Tracking::LastUse;
    }
    Tracking::Frequency { log_factor: config.lfu_log_factor, decay_minutes: config.lfu_decay_time }
}

impl Node {
    /// Hands changed settings to the parts that keep a copy.
    pub(crate) fn settings_changed(&mut self) {
        self.keyspace.settings = keyspace_settings(&self.config);
        self.keyspace.clock = UsageClock::new(tracking(&self.config), self.unix);
        self.replication.settings_changed(&self.config);
        self.notify_classes = self.config.notify_keyspace_events;
        self.client_memory_limit_changed();
    }
}
