//! What a master tells of its replicas beyond the peers' fields: how far they are behind, why the last synchronisation was
//! full; and WAITAOF, which asks for disks.

use peertest::{LONG, Peer, Server, fill, wait_for_link, wait_until};

/// A number out of INFO's `lockstep_lag0`.
fn lag(master: &Server, name: &str) -> i64 {
    let info = master.info();
    let line = info.text("lockstep_lag0");
    let pair = line.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    pair.unwrap_or_else(|| panic!("{name} is not in {line}")).parse().expect("a number")
}

#[test]
fn a_stopped_replica_is_behind_in_bytes_and_time_until_it_goes_on() {
    let master = Server::start(Peer::Ours, &["repl-ping-replica-period 1"]);
    let replica = Server::start(Peer::Valkey80, &[]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    wait_until("an acknowledgement", LONG, || lag(&master, "bytes_behind") == 0 && lag(&master, "ms_behind") >= 0);
    replica.pause();
    fill(&mut master.client(), "key", 2_000, 100);
    assert!(lag(&master, "bytes_behind") > 200_000);
    assert!(lag(&master, "backlog_seconds_left") >= 0, "at the rate of the last seconds the backlog ends some time");
    replica.resume();
    wait_until("the replica to catch up", LONG, || lag(&master, "bytes_behind") < 200);
    wait_until("its lag to be small again", LONG, || lag(&master, "ms_behind") < 1_000);
}

#[test]
fn the_doctor_says_why_a_synchronisation_was_full_and_what_avoids_it() {
    let master = Server::start(Peer::Ours, &["repl-backlog-size 16kb"]);
    let replica = Server::start(Peer::Ours, &["repl-timeout 2"]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    let doctor = |server: &Server| server.run("REPLICATION DOCTOR").as_str().expect("a text").to_owned();
    assert!(doctor(&master).contains("it asked for everything"));
    assert!(doctor(&replica).contains("appendonly yes avoids that"));
    // Away for longer than the backlog reaches.
    replica.pause();
    master.run("CLIENT KILL TYPE replica");
    fill(&mut master.client(), "key", 1_000, 100);
    replica.resume();
    wait_until("a second full synchronisation", LONG, || master.info().number("sync_full") == 2);
    wait_for_link(&replica);
    let text = doctor(&master);
    assert!(text.contains("the backlog begins only at byte") && text.contains("larger repl-backlog-size"), "{text}");
    let reason = master.info().text("lockstep_last_full_sync_advice").to_owned();
    assert!(reason.contains("repl-backlog-size"), "{reason}");
}

fn waitaof_asks_for_disks(replica: Peer) {
    let master = Server::start(Peer::Ours, &["appendonly yes"]);
    let replica = Server::start(replica, &["appendonly yes"]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    // One connection: WAITAOF is about its own writes.
    let mut client = master.client();
    client.line("SET k v").expect("the server is up");
    let reply = client.line("WAITAOF 1 1 10000").expect("the server is up");
    let counts: Vec<_> = reply.as_slice().expect("two numbers").iter().map(|count| count.as_int()).collect();
    assert_eq!(counts, [Some(1), Some(1)]);
    replica.pause();
    client.line("SET k w").expect("the server is up");
    let reply = client.line("WAITAOF 1 1 1500").expect("the server is up");
    let counts: Vec<_> = reply.as_slice().expect("two numbers").iter().map(|count| count.as_int()).collect();
    assert_eq!(counts, [Some(1), Some(0)], "nobody but us has it on disk");
    replica.resume();
}

#[test]
fn waitaof_counts_our_disk_and_that_of_our_replica() {
    waitaof_asks_for_disks(Peer::Ours);
}

#[test]
fn waitaof_counts_the_disk_of_a_valkey() {
    waitaof_asks_for_disks(Peer::Valkey80);
}
