//! The sections about clients and what they do: Clients, Stats.

use super::Fields;
use crate::client::Kind;
use crate::node::Node;

pub(super) fn clients(node: &Node, out: &mut Fields) {
    let all = || node.clients.iter();
    // The link to the master is one, as with the peers.
    let link = usize::from(node.has_upstream_client());
    out.put("connected_clients", all().filter(|client| client.kind == Kind::Normal).count() + link);
    out.put("cluster_connections", 0);
    out.put("maxclients", node.config.maxclients);
    out.put("client_recent_max_input_buffer", all().map(|client| client.input_memory()).max().unwrap_or(0));
    out.put("client_recent_max_output_buffer", all().map(|client| client.outbox.memory_bytes()).max().unwrap_or(0));
    out.put("blocked_clients", all().filter(|client| client.blocked.is_some()).count());
    out.put("tracking_clients", 0);
    out.put("pubsub_clients", all().filter(|client| client.is_subscriber()).count());
    out.put("watching_clients", all().filter(|client| !client.watching.is_empty()).count());
    let (blocking_keys, blocking_keys_on_loss) = node.waiters.key_counts();
    out.put("clients_in_timeout_table", node.waits.len() + node.waiters.with_deadline());
    out.put("total_watched_keys", node.watches.len());
    out.put("total_blocking_keys", blocking_keys);
    out.put("total_blocking_keys_on_nokey", blocking_keys_on_loss);
}

pub(super) fn stats(node: &Node, out: &mut Fields) {
    let stats = &node.stats;
    let keyspace = &node.keyspace.stats;
    let peers = node.replication.peers.stats();
    let [channels, patterns, shard_channels] = node.pubsub.counts();
    let kilobytes = |rate: f64| format!("{:.2}", rate / 1024.0);
    out.put("total_connections_received", stats.connections_received);
    out.put("total_commands_processed", stats.commands);
    out.put("instantaneous_ops_per_sec", stats.commands_rate.per_second() as u64);
    out.put("total_net_input_bytes", stats.net_input_bytes + stats.net_repl_input_bytes);
    out.put("total_net_output_bytes", stats.net_output_bytes);
    out.put("total_net_repl_input_bytes", stats.net_repl_input_bytes);
    out.put("total_net_repl_output_bytes", stats.net_repl_output_bytes);
    out.put("instantaneous_input_kbps", kilobytes(stats.input_rate.per_second()));
    out.put("instantaneous_output_kbps", kilobytes(stats.output_rate.per_second()));
    out.put("instantaneous_input_repl_kbps", "0.00");
    out.put("instantaneous_output_repl_kbps", "0.00");
    out.put("rejected_connections", stats.rejected_connections);
    out.put("sync_full", peers.full);
    out.put("sync_partial_ok", peers.partial_ok);
    out.put("sync_partial_err", peers.partial_err);
    out.put("expired_subkeys", keyspace.expired_fields);
    out.put("expired_keys", keyspace.expired);
    out.put("expired_stale_perc", "0.00");
    out.put("expired_time_cap_reached_count", stats.expired_time_cap_reached);
    out.put("expire_cycle_cpu_milliseconds", 0);
    out.put("evicted_keys", keyspace.evicted);
    out.put("evicted_clients", node.client_memory.evicted);
    let (exceeded, exceeded_now) = node.eviction.exceeded(node.now);
    out.put("total_eviction_exceeded_time", exceeded.as_millis());
    out.put("current_eviction_exceeded_time", exceeded_now.as_millis());
    out.put("keyspace_hits", keyspace.hits);
    out.put("keyspace_misses", keyspace.misses);
    out.put("pubsub_channels", channels);
    out.put("pubsub_patterns", patterns);
    out.put("pubsubshard_channels", shard_channels);
    out.put("latest_fork_usec", node.persistence.snapshot_pause.as_micros());
    out.put("total_forks", 0);
    out.put("migrate_cached_sockets", 0);
    out.put("slave_expires_tracked_keys", node.keyspace.own_deadlines_len());
    out.put("active_defrag_hits", 0);
    out.put("active_defrag_misses", 0);
    out.put("active_defrag_key_hits", 0);
    out.put("active_defrag_key_misses", 0);
    out.put("total_active_defrag_time", 0);
    out.put("current_active_defrag_time", 0);
    out.put("tracking_total_keys", 0);
    out.put("tracking_total_items", 0);
    out.put("tracking_total_prefixes", 0);
    out.put("unexpected_error_replies", stats.unexpected_error_replies);
    out.put("total_error_replies", stats.error_replies);
    out.put("dump_payload_sanitizations", 0);
    out.put("total_reads_processed", stats.reads);
    out.put("total_writes_processed", stats.writes);
    out.put("io_threaded_reads_processed", 0);
    out.put("io_threaded_writes_processed", 0);
    out.put("client_query_buffer_limit_disconnections", stats.query_buffer_limit_disconnections);
    out.put("client_output_buffer_limit_disconnections", stats.output_buffer_limit_disconnections);
    out.put("reply_buffer_shrinks", 0);
    out.put("reply_buffer_expands", 0);
    let turns = stats.turns_rate.per_second();
    let usec_per_turn = if turns > 0.0 { stats.turns_usec_rate.per_second() / turns } else { 0.0 };
    out.put("eventloop_cycles", stats.turns);
    out.put("eventloop_duration_sum", stats.turns_usec);
    out.put("eventloop_duration_cmd_sum", stats.commands_usec);
    out.put("instantaneous_eventloop_cycles_per_sec", turns as u64);
    out.put("instantaneous_eventloop_duration_usec", usec_per_turn as u64);
    out.put("acl_access_denied_auth", stats.denied_auth);
    out.put("acl_access_denied_cmd", 0);
    out.put("acl_access_denied_key", 0);
    out.put("acl_access_denied_channel", 0);
}
