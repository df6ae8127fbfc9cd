//! maxmemory on real processes: what the allocator says, and what must not count.

use peertest::{Client, Peer, SHORT, Server, Value, wait_until};

/// Sets keys `from..to` with values of that many bytes, a thousand in a round trip. How many were refused.
fn fill(client: &mut Client, from: usize, to: usize, bytes: usize) -> usize {
    let value = "x".repeat(bytes);
    let mut refused = 0;
    for first in (from..to).step_by(1000) {
        let mut request = Vec::new();
        let last = to.min(first + 1000);
        for at in first..last {
            let text = format!("*3\r\n$3\r\nSET\r\n$10\r\nkey:{at:06}\r\n${bytes}\r\n{value}\r\n");
            request.extend_from_slice(text.as_bytes());
        }
        client.send_raw(&request).expect("the server takes it");
        for _ in first..last {
            refused += usize::from(client.reply().expect("a reply").as_error().is_some());
        }
    }
    refused
}

fn number(server: &Server, field: &str) -> i64 {
    server.info().number(field)
}

fn keys(server: &Server) -> i64 {
    let Value::Int(keys) = server.run("DBSIZE") else { panic!("DBSIZE is a number") };
    keys
}

/// Stops a replica while twice the limit goes by: what the master's memory held for it, and keys before and meanwhile.
fn write_beside_a_stopped_replica(settings: &[&str]) -> (i64, i64, i64) {
    let limits = ["maxmemory 40mb", "maxmemory-policy allkeys-lru", "repl-backlog-size 1mb"];
    let master = Server::start(Peer::Ours, &[&limits, settings].concat());
    let replica = Server::start(Peer::Ours, &[]);
    replica.replicate(master.port());
    wait_until("the replica to follow", SHORT, || replica.info().get("master_link_status") == Some("up"));
    let mut client = master.client();
    assert_eq!(fill(&mut client, 0, 60_000, 1000), 0);
    let before = keys(&master);
    assert!(before > 25_000, "{before} keys at the limit");
    replica.pause();
    // The stopped replica lacks all of it, and the deletions of what is evicted.
    assert_eq!(fill(&mut client, 100_000, 180_000, 1000), 0);
    let not_counted = number(&master, "mem_not_counted_for_evict");
    let during = keys(&master);
    replica.resume();
    wait_until("the replica to catch up", SHORT, || {
        master.run("WAIT 1 100") == Value::Int(1) && keys(&replica) == keys(&master)
    });
    assert_eq!(number(&master, "sync_full"), 1, "it went on where it was");
    (not_counted, before, during)
}

#[test]
fn a_stopped_replica_is_no_reason_to_evict_more() {
    let (not_counted, before, during) = write_beside_a_stopped_replica(&["repl-backlog-disk-size 0"]);
    assert!(not_counted > 20_000_000, "{not_counted} bytes wait for the replica in memory");
    assert!(during * 20 > before * 19, "{before} keys before, {during} while the replica stands still");
}

#[test]
fn a_stopped_replica_whose_bytes_are_on_disk_takes_no_memory() {
    for settings in [["appendonly yes"], ["appendonly no"]] {
        let settings = [settings[0], "repl-backlog-disk-size 1gb"];
        let (not_counted, before, during) = write_beside_a_stopped_replica(&settings);
        // A round trip's worth may still be on its way to the disk.
        assert!(not_counted < 10_000_000, "{settings:?}: {not_counted} bytes wait in memory");
        assert!(
            during * 20 > before * 19,
            "{settings:?}: {before} keys before, {during} while the replica stands still"
        );
    }
}

#[test]
fn used_memory_stays_near_the_limit_and_is_what_the_allocator_says() {
    let server = Server::start(Peer::Ours, &["maxmemory 30mb", "maxmemory-policy allkeys-lfu"]);
    let mut client = server.client();
    for (round, bytes) in [10, 5000, 300, 40_000, 64].into_iter().enumerate() {
        assert_eq!(fill(&mut client, round * 100_000, round * 100_000 + 20_000, bytes), 0);
        for at in 0..200 {
            let fields: String = (0..100).map(|field| format!(" f{field} {at}")).collect();
            server.run(&format!("HSET hash:{round}:{at}{fields}"));
            server.run(&format!("RPUSH list:{round}:{at}{fields}"));
            server.run(&format!("SADD set:{round}:{at}{fields}"));
        }
        let used = number(&server, "used_memory");
        let limit = number(&server, "maxmemory");
        // One round trip of the largest values may stand on top.
        assert!(used * 20 < limit * 21, "round {round}: {used} used of {limit}");
        assert!(used * 10 > limit * 7 || round == 0, "round {round}: only {used} used of {limit}");
        let told = number(&server, "allocator_allocated");
        assert!(
            used.abs_diff(told) * 20 < used.max(10 << 20) as u64,
            "round {round}: {used} used, the allocator says {told}"
        );
    }
}

#[test]
fn a_table_grows_up_to_the_limit_without_a_wave_of_evictions() {
    let server = Server::start(Peer::Ours, &["maxmemory 20mb", "maxmemory-policy allkeys-lru"]);
    let mut client = server.client();
    let mut most = 0;
    for from in (0..600_000).step_by(20_000) {
        assert_eq!(fill(&mut client, from, from + 20_000, 8), 0);
        let now = keys(&server);
        assert!(now * 50 > most * 49, "{most} keys, then {now}");
        most = most.max(now);
    }
    assert!(number(&server, "evicted_keys") > 0, "{most} keys fit");
}

#[test]
fn what_flushall_frees_goes_back_to_the_system() {
    // By itself the allocator gives nothing back here.
    let server = Server::start_with(Peer::Ours, &[], &[("_RJEM_MALLOC_CONF", "dirty_decay_ms:-1")]);
    assert_eq!(fill(&mut server.client(), 0, 50_000, 4000), 0);
    let full = number(&server, "used_memory_rss");
    assert!(full > 200_000_000, "{full}");
    server.run("FLUSHALL");
    wait_until("the memory to be given back", SHORT, || number(&server, "used_memory_rss") < full / 2);
}
