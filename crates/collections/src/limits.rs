//! The settings that decide when a compact encoding gives way to a large one.

/// The `*-max-listpack-*`, `set-max-intset-entries`, `list-*` and `hll-*` settings, handed in with every mutation that can
/// convert. Lengths are bytes of one element, entries are elements (fields of a hash, members of a set).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`: most fields of a listpack hash.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: longest field or value of a listpack hash, bytes.
    pub hash_max_listpack_value: usize,
    /// `list-max-listpack-size`: positive is elements per node, -1 to -5 are 4, 8, 16, 32 and 64 KiB per node.
    pub list_max_listpack_size: i32,
    /// `list-compress-depth`: kept for CONFIG; nodes are not compressed in memory, which no client can see.
    pub list_compress_depth: u32,
    /// `set-max-intset-entries`: most members of an intset.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`: most members of a listpack set.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`: longest member of a listpack set, bytes.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`: most members of a listpack sorted set.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: longest member of a listpack sorted set, bytes.
    pub zset_max_listpack_value: usize,
    /// `hll-sparse-max-bytes`: longest sparse HyperLogLog in bytes, its header included.
    pub hll_sparse_max_bytes: usize,
    /// `stream-node-max-bytes`: most bytes of a block of a stream; 0 is as many as fit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`: most entries of a block of a stream, deleted ones included; 0 is no limit.
    pub stream_node_max_entries: usize,
}

impl Default for Limits {
    /// The defaults of a 7.2-level peer, read with CONFIG GET.
    fn default() -> Limits {
        Limits {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            hll_sparse_max_bytes: 3000,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}
