//! The sections about the program, its memory and files: Server, Memory, Persistence, CPU, Cluster, Keyspace.

use std::sync::atomic::Ordering;

use super::Fields;
use crate::connection::REDIS_VERSION;
use crate::node::Node;
use crate::replication::Clients;

pub(super) fn server(node: &Node, out: &mut Fields) {
    let process = node.host.process();
    let uptime = node.now.seconds_since(node.started_at);
    out.put("redis_version", REDIS_VERSION);
    out.put("redis_git_sha1", "00000000");
    out.put("redis_git_dirty", 0);
    out.put("redis_build_id", "0");
    out.put("redis_mode", "standalone");
    out.put("os", &process.os);
    out.put("arch_bits", usize::BITS);
    out.put("monotonic_clock", "POSIX clock_gettime");
    out.put("multiplexing_api", process.multiplexing);
    out.put("atomicvar_api", "c11-builtin");
    // No C compiler was at work: the peers then say this.
    out.put("gcc_version", "0.0.0");
    out.put("process_id", process.pid);
    out.put("process_supervised", &process.supervised);
    out.put("run_id", node.run_id);
    out.put("tcp_port", process.tcp_port);
    out.put("server_time_usec", node.host.unix_micros());
    out.put("uptime_in_seconds", uptime);
    out.put("uptime_in_days", uptime / 86400);
    out.put("hz", node.config.hz);
    out.put("configured_hz", node.config.hz);
    out.put("lru_clock", node.unix.seconds() & 0xff_ffff);
    out.put("executable", &process.executable);
    out.put("config_file", &process.config_file);
    out.put("io_threads_active", 0);
    if let Some(remaining) = node.shutdown_remaining() {
        out.put("shutdown_in_milliseconds", remaining.as_millis());
    }
    for (at, listener) in process.listeners.iter().enumerate() {
        out.put(&format!("listener{at}"), listener);
    }
    out.put("server_name", "lockstep");
    out.put("lockstep_version", env!("CARGO_PKG_VERSION"));
}

pub(super) fn memory(node: &Node, out: &mut Fields) {
    let figures = node.host.memory();
    let peak = node.stats.memory_peak.max(figures.used);
    let overhead = node.memory_overhead();
    let dataset = figures.used.saturating_sub(overhead);
    let net = figures.used.saturating_sub(node.stats.memory_at_start).max(1);
    let clients: u64 = node.clients.iter().map(|client| client.buffer_memory() as u64).sum();
    let backlog = node.replication.journal.memory_bytes() as u64;
    out.put_bytes("used_memory", figures.used);
    out.put_bytes("used_memory_rss", figures.rss);
    out.put_bytes("used_memory_peak", peak);
    out.put("used_memory_peak_perc", format_args!("{:.2}%", percent(figures.used, peak)));
    out.put("used_memory_overhead", overhead);
    out.put("used_memory_startup", node.stats.memory_at_start);
    out.put("used_memory_dataset", dataset);
    out.put("used_memory_dataset_perc", format_args!("{:.2}%", percent(dataset, net).min(100.0)));
    out.put("allocator_allocated", figures.allocated);
    out.put("allocator_active", figures.active);
    out.put("allocator_resident", figures.resident);
    out.put_bytes("total_system_memory", figures.system);
    out.put("used_memory_lua", 0);
    out.put("used_memory_vm_eval", 0);
    out.put("used_memory_lua_human", "0B");
    out.put("used_memory_scripts_eval", 0);
    out.put("number_of_cached_scripts", 0);
    out.put("number_of_functions", 0);
    out.put("number_of_libraries", 0);
    out.put("used_memory_vm_functions", 0);
    out.put("used_memory_vm_total", 0);
    out.put("used_memory_vm_total_human", "0B");
    out.put("used_memory_functions", 0);
    out.put("used_memory_scripts", 0);
    out.put("used_memory_scripts_human", "0B");
    out.put_bytes("maxmemory", node.config.maxmemory);
    out.put("maxmemory_policy", node.config.maxmemory_policy.name());
    out.put("allocator_frag_ratio", ratio(figures.active, figures.allocated));
    out.put("allocator_frag_bytes", figures.active as i64 - figures.allocated as i64);
    out.put("allocator_rss_ratio", ratio(figures.resident, figures.active));
    out.put("allocator_rss_bytes", figures.resident as i64 - figures.active as i64);
    out.put("rss_overhead_ratio", ratio(figures.rss, figures.resident));
    out.put("rss_overhead_bytes", figures.rss as i64 - figures.resident as i64);
    out.put("mem_fragmentation_ratio", ratio(figures.rss, figures.used));
    out.put("mem_fragmentation_bytes", figures.rss as i64 - figures.used as i64);
    out.put("mem_not_counted_for_evict", node.memory_not_counted_for_evict());
    out.put("mem_replication_backlog", backlog);
    out.put("mem_total_replication_buffers", backlog);
    out.put("mem_clients_slaves", 0);
    out.put("mem_clients_normal", clients);
    out.put("mem_cluster_links", 0);
    out.put("mem_aof_buffer", 0);
    out.put("mem_allocator", "jemalloc");
    out.put("active_defrag_running", 0);
    out.put("lazyfree_pending_objects", node.stats.free.pending.load(Ordering::Relaxed));
    out.put("lazyfreed_objects", node.stats.free.freed.load(Ordering::Relaxed));
    out.put("mem_snapshot_retired", node.keyspace.retired_bytes());
}

impl Node {
    /// What the server needs besides the data: tables, buffers, the stream.
    pub(crate) fn memory_overhead(&self) -> u64 {
        let tables: u64 = (0..self.keyspace.count())
            .map(|db| self.keyspace.memory(db))
            .map(|memory| (memory.nodes + memory.expires) as u64)
            .sum();
        let clients: u64 = self.clients.iter().map(|client| client.buffer_memory() as u64).sum();
        self.stats.memory_at_start + tables + clients + self.replication.journal.memory_bytes() as u64
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn ratio(part: u64, whole: u64) -> String {
    format!("{:.2}", if whole == 0 { 0.0 } else { part as f64 / whole as f64 })
}

pub(super) fn persistence(node: &Node, out: &mut Fields) {
    let persistence = &node.persistence;
    let clients = node.clients_while_loading();
    out.put("loading", u8::from(clients == Clients::Refused));
    out.put("async_loading", u8::from(clients == Clients::Reads));
    let idle = persistence.saving.is_none();
    out.put("current_cow_peak", if idle { 0 } else { persistence.retired_peak });
    out.put("current_cow_size", node.keyspace.retired_bytes());
    out.put("current_cow_size_age", 0);
    out.put("current_fork_perc", "0.00");
    out.put("current_save_keys_processed", 0);
    out.put("current_save_keys_total", 0);
    out.put("rdb_changes_since_last_save", persistence.dirty);
    out.put("rdb_bgsave_in_progress", u8::from(persistence.saving.is_some()));
    out.put("rdb_last_save_time", persistence.last_save.seconds());
    out.put("rdb_last_bgsave_status", if persistence.last_save_failed { "err" } else { "ok" });
    out.put("rdb_last_bgsave_time_sec", persistence.last_save_seconds);
    let current = persistence.saving.map_or(-1, |saving| (node.unix - saving.started) / 1000);
    out.put("rdb_current_bgsave_time_sec", current);
    out.put("rdb_saves", persistence.saves);
    out.put("rdb_last_cow_size", persistence.retired_peak);
    out.put("rdb_last_load_keys_expired", persistence.last_load.1);
    out.put("rdb_last_load_keys_loaded", persistence.last_load.0);
    append_only_file(node, out);
    out.put("module_fork_in_progress", 0);
    out.put("module_fork_last_cow_size", 0);
    let incoming = persistence.incoming.filter(|incoming| incoming.is_loading()).map(|incoming| incoming.progress);
    if let Some(loading) = persistence.loading.or(incoming) {
        let share = percent(loading.read, loading.total);
        let elapsed = (node.unix - loading.started) / 1000;
        let rate = loading.read / (elapsed.max(1) as u64);
        out.put("loading_start_time", loading.started.seconds());
        out.put("loading_total_bytes", loading.total);
        out.put("loading_rdb_used_mem", loading.used_memory);
        out.put("loading_loaded_bytes", loading.read);
        out.put("loading_loaded_perc", format_args!("{share:.2}"));
        out.put("loading_eta_seconds", loading.total.saturating_sub(loading.read) / rate.max(1));
    }
}

fn append_only_file(node: &Node, out: &mut Fields) {
    let aof = &node.aof;
    let word = |ok: bool| if ok { "ok" } else { "err" };
    let since = aof.rewriting_since();
    out.put("aof_enabled", u8::from(aof.is_on()));
    out.put("aof_rewrite_in_progress", u8::from(since.is_some()));
    out.put("aof_rewrite_scheduled", u8::from(aof.rewrite_wanted));
    out.put("aof_last_rewrite_time_sec", aof.rewrites.last_seconds);
    out.put("aof_current_rewrite_time_sec", since.map_or(-1, |since| (node.unix - since) / 1000));
    out.put("aof_last_bgrewrite_status", word(aof.rewrites.last_ok));
    out.put("aof_rewrites", aof.rewrites.done);
    out.put("aof_rewrites_consecutive_failures", aof.rewrites.failures);
    out.put("aof_last_write_status", word(aof.refusal().is_none()));
    out.put("aof_last_cow_size", if since.is_some() { 0 } else { node.persistence.retired_peak });
    if aof.is_on() {
        out.put("aof_current_size", aof.bytes());
        out.put("aof_base_size", aof.base_bytes);
        out.put("aof_pending_rewrite", u8::from(aof.rewrite_wanted));
        out.put("aof_buffer_length", node.replication.offset().saturating_sub(aof.written));
        out.put("aof_pending_bio_fsync", u8::from(aof.is_syncing()));
        out.put("aof_delayed_fsync", aof.delayed_syncs);
    }
}

pub(super) fn cpu(node: &Node, out: &mut Fields) {
    let figures = node.host.cpu();
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    out.put("used_cpu_sys", seconds(figures.system));
    out.put("used_cpu_user", seconds(figures.user));
    out.put("used_cpu_sys_children", "0.000000");
    out.put("used_cpu_user_children", "0.000000");
    out.put("used_cpu_sys_main_thread", seconds(figures.system_main));
    out.put("used_cpu_user_main_thread", seconds(figures.user_main));
}

pub(super) fn cluster(_node: &Node, out: &mut Fields) {
    out.put("cluster_enabled", 0);
}

pub(super) fn keyspace(node: &Node, out: &mut Fields) {
    for db in 0..node.keyspace.count() {
        let keys = node.keyspace.len(db);
        if keys > 0 {
            let expires = node.keyspace.expires_len(db);
            // The peers estimate it from samples.
            let mean = node.keyspace.mean_deadline(db).map_or(0, |at| (at - node.unix).max(0));
            let timed_hashes = node.keyspace.hashes_with_deadlines(db);
            out.put(
                &format!("db{db}"),
                format_args!("keys={keys},expires={expires},avg_ttl={mean},subexpiry={timed_hashes}"),
            );
        }
    }
}
