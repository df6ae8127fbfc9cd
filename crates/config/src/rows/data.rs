//! The data set: memory, encodings, freeing.

use super::{I32, I64};
use crate::directive::{Directive, Kind};
use crate::field::Field;

const NO_DEFRAG: &str = "there is no active defragmentation";

pub(super) const ROWS: &[Directive] = &[
    Directive::honoured("maxmemory", |c| Field::Number(&mut c.maxmemory)).any_bytes(),
    Directive::honoured("maxmemory-policy", |c| Field::Choice(&mut c.maxmemory_policy)),
    Directive::honoured("maxmemory-samples", |c| Field::Number(&mut c.maxmemory_samples)).range(1, I32),
    Directive::honoured("maxmemory-eviction-tenacity", |c| Field::Number(&mut c.maxmemory_eviction_tenacity))
        .range(0, 100),
    Directive::honoured("maxmemory-clients", |c| Field::Size(&mut c.maxmemory_clients)).any_bytes().or_share(),
    Directive::honoured("lfu-log-factor", |c| Field::Number(&mut c.lfu_log_factor)).range(0, I32),
    Directive::honoured("lfu-decay-time", |c| Field::Number(&mut c.lfu_decay_time)).range(0, I32),
    Directive::accepted(
        "active-expire-effort",
        Kind::Number,
        "1",
        "deadlines are kept in order, so none is searched for",
    )
    .range(1, 10),
    Directive::honoured("lazyfree-lazy-eviction", |c| Field::Bool(&mut c.lazyfree_lazy_eviction)),
    Directive::honoured("lazyfree-lazy-expire", |c| Field::Bool(&mut c.lazyfree_lazy_expire)),
    Directive::honoured("lazyfree-lazy-server-del", |c| Field::Bool(&mut c.lazyfree_lazy_server_del)),
    Directive::honoured("lazyfree-lazy-user-del", |c| Field::Bool(&mut c.lazyfree_lazy_user_del)),
    Directive::honoured("lazyfree-lazy-user-flush", |c| Field::Bool(&mut c.lazyfree_lazy_user_flush)),
    Directive::honoured("hash-max-listpack-entries", |c| Field::Number(&mut c.hash_max_listpack_entries))
        .alias("hash-max-ziplist-entries")
        .range(0, I64),
    Directive::honoured("hash-max-listpack-value", |c| Field::Number(&mut c.hash_max_listpack_value))
        .alias("hash-max-ziplist-value")
        .bytes(0, I64),
    Directive::honoured("list-max-listpack-size", |c| Field::Number(&mut c.list_max_listpack_size))
        .alias("list-max-ziplist-size")
        .range(i32::MIN as i64, I32),
    Directive::honoured("list-compress-depth", |c| Field::Number(&mut c.list_compress_depth)).range(0, I32),
    Directive::honoured("set-max-intset-entries", |c| Field::Number(&mut c.set_max_intset_entries)).range(0, I64),
    Directive::honoured("set-max-listpack-entries", |c| Field::Number(&mut c.set_max_listpack_entries)).range(0, I64),
    Directive::honoured("set-max-listpack-value", |c| Field::Number(&mut c.set_max_listpack_value)).range(0, I64),
    Directive::honoured("zset-max-listpack-entries", |c| Field::Number(&mut c.zset_max_listpack_entries))
        .alias("zset-max-ziplist-entries")
        .range(0, I64),
    Directive::honoured("zset-max-listpack-value", |c| Field::Number(&mut c.zset_max_listpack_value))
        .alias("zset-max-ziplist-value")
        .bytes(0, I64),
    Directive::honoured("hll-sparse-max-bytes", |c| Field::Number(&mut c.hll_sparse_max_bytes)).bytes(0, I64),
    Directive::honoured("stream-node-max-bytes", |c| Field::Number(&mut c.stream_node_max_bytes)).bytes(0, I64),
    Directive::honoured("stream-node-max-entries", |c| Field::Number(&mut c.stream_node_max_entries)).range(0, I64),
    Directive::accepted("activerehashing", Kind::Bool, "yes", "the table grows a node at a time"),
    Directive::accepted("hash-seed", Kind::Text, "", "the seed is drawn at each start").immutable(),
    Directive::honoured("jemalloc-bg-thread", |c| Field::Bool(&mut c.jemalloc_bg_thread)),
    Directive::refused("activedefrag", "no", NO_DEFRAG),
    Directive::accepted("active-defrag-ignore-bytes", Kind::Number, "104857600", NO_DEFRAG).bytes(1, I64),
    Directive::accepted("active-defrag-threshold-lower", Kind::Number, "10", NO_DEFRAG).range(0, 1000),
    Directive::accepted("active-defrag-threshold-upper", Kind::Number, "100", NO_DEFRAG).range(0, 1000),
    Directive::accepted("active-defrag-cycle-min", Kind::Number, "1", NO_DEFRAG).range(1, 99),
    Directive::accepted("active-defrag-cycle-max", Kind::Number, "25", NO_DEFRAG).range(1, 99),
    Directive::accepted("active-defrag-cycle-us", Kind::Number, "500", NO_DEFRAG).range(0, 100_000),
    Directive::accepted("active-defrag-max-scan-fields", Kind::Number, "1000", NO_DEFRAG).range(1, I64),
];
