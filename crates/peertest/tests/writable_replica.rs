//! What a replica changes by itself, because it is writable or evicts: it is no part of its master's stream. So it must
//! neither get lost nor come back when the replica has become a master, and nobody may go on from it as if it were equal.

use peertest::{LONG, Peer, SHORT, Server, Value, assert_equal, settle, wait_for_link, wait_until};

/// A master and a writable replica with an append-only file.
fn master_and_writable(writable: Peer) -> (Server, Server) {
    let master = Server::start(Peer::Ours, &[]);
    master.run("SET ctr 5");
    let replica = Server::start(writable, &["appendonly yes", "replica-read-only no"]);
    follow(&replica, &master);
    (master, replica)
}

fn follow(replica: &Server, master: &Server) {
    replica.replicate(master.port());
    wait_for_link(replica);
    wait_for_base(replica);
}

fn wait_for_base(server: &Server) {
    wait_until("the base", LONG, || {
        let info = server.info();
        ["aof_rewrite_in_progress", "aof_rewrite_scheduled"].iter().all(|name| info.number(name) == 0)
    });
}

/// Kills it when its writes have reached the disk as far as they ever will.
fn kill_and_start(server: &mut Server) {
    wait_for_base(server);
    if server.info().number("aof_enabled") == 1 {
        assert_eq!(server.run("WAITAOF 1 0 10000"), Value::Array(vec![Value::Int(1), Value::Int(0)]));
    }
    server.kill();
    server.start_again(&[]);
}

fn number(server: &Server, key: &str) -> i64 {
    match server.run(&format!("GET {key}")) {
        Value::Bulk(digits) => String::from_utf8_lossy(&digits).parse().expect("a number"),
        other => panic!("{key} is {other:?}"),
    }
}

fn keys(server: &Server) -> i64 {
    let Value::Int(keys) = server.run("DBSIZE") else { panic!("DBSIZE is a number") };
    keys
}

// The file held the master's stream alone: after the restart the counter began anew.
#[test]
fn what_a_writable_replica_wrote_is_there_after_its_promotion_and_a_crash() {
    for peer in [Peer::Ours, Peer::Valkey80] {
        let (_master, mut replica) = master_and_writable(peer);
        replica.run("SET local 10");
        replica.run("REPLICAOF NO ONE");
        assert_eq!(replica.run("INCR local"), Value::Int(11));
        kill_and_start(&mut replica);
        assert_eq!(number(&replica, "local"), 11, "{}", peer.name());
    }
}

// The same in one transaction, where the promotion is a part of the unit that wrote.
#[test]
fn what_it_wrote_in_the_transaction_of_its_promotion_is_there_too() {
    let (_master, mut replica) = master_and_writable(Peer::Ours);
    let mut client = replica.client();
    for line in ["MULTI", "SET local 10", "REPLICAOF NO ONE", "INCR local", "EXEC"] {
        assert!(client.line(line).expect("a reply").as_error().is_none(), "{line}");
    }
    kill_and_start(&mut replica);
    assert_eq!(number(&replica, "local"), 11);
}

// With `always` nothing is acknowledged before it is on disk, so that no wait is needed before the crash.
#[test]
fn with_appendfsync_always_a_crash_right_after_the_promotion_takes_nothing_back() {
    let (_master, mut replica) = master_and_writable(Peer::Ours);
    replica.run("CONFIG SET appendfsync always");
    replica.run("SET local 10");
    replica.run("REPLICAOF NO ONE");
    assert_eq!(replica.run("INCR local"), Value::Int(11));
    replica.kill();
    replica.start_again(&[]);
    assert_eq!(number(&replica, "local"), 11);
}

// The keys stood in the file: the restart brought back what had been evicted, and counted on.
#[test]
fn what_a_replica_evicted_stays_away_after_its_promotion_and_a_crash() {
    let (_master, mut replica) = master_and_writable(Peer::Ours);
    replica.run("CONFIG SET replica-ignore-maxmemory no");
    replica.run("CONFIG SET maxmemory-policy allkeys-random");
    replica.run("CONFIG SET maxmemory 1");
    wait_until("the eviction", SHORT, || keys(&replica) == 0);
    replica.run("CONFIG SET maxmemory 0");
    replica.run("REPLICAOF NO ONE");
    assert_eq!(replica.run("INCR ctr"), Value::Int(1));
    kill_and_start(&mut replica);
    assert_eq!(number(&replica, "ctr"), 1);
}

// It went on from the stream, which does not hold what its new master holds.
#[test]
fn replicas_below_a_promoted_writable_replica_become_equal_to_it() {
    for appendonly in ["yes", "no"] {
        let master = Server::start(Peer::Ours, &[]);
        master.run("SET ctr 5");
        let replica = Server::start(Peer::Ours, &["replica-read-only no", &format!("appendonly {appendonly}")]);
        follow(&replica, &master);
        let below = Server::start(Peer::Valkey80, &[]);
        follow(&below, &replica);
        replica.run("SET local 10");
        assert_eq!(below.run("EXISTS local"), Value::Int(0));
        replica.run("REPLICAOF NO ONE");
        replica.run("INCR local");
        assert_eq!(replica.info().text("second_repl_offset"), "-1", "nobody goes on under the old id");
        wait_until("the new id", LONG, || below.info().text("master_replid") == replica.info().text("master_replid"));
        settle(&replica, &[&below]);
        assert_equal(&replica, &below);
    }
}

// A full synchronisation makes a replica what its master is, and what it wrote before is no matter any more.
#[test]
fn after_a_full_synchronisation_a_promotion_lets_others_go_on_again() {
    let (master, replica) = master_and_writable(Peer::Ours);
    replica.run("SET local 10");
    let other = Server::start(Peer::Ours, &[]);
    other.run("SET other 1");
    follow(&replica, &other);
    follow(&replica, &master);
    assert_eq!(replica.run("EXISTS local"), Value::Int(0));
    let id = replica.info().text("master_replid").to_owned();
    replica.run("REPLICAOF NO ONE");
    assert_eq!(replica.info().text("master_replid2"), id);
}

// The old master went on from the stream of a new one that held more than it.
#[test]
fn who_hands_over_to_a_replica_that_wrote_gets_all_that_it_holds() {
    let (master, replica) = master_and_writable(Peer::Ours);
    replica.run("SET local 10");
    wait_until("the replica to be online", SHORT, || master.info().text("slave0").contains("state=online"));
    master.run("FAILOVER");
    wait_until("the failover", LONG, || master.info().text("role") == "slave");
    wait_for_link(&master);
    assert_eq!(replica.run("INCR local"), Value::Int(11));
    settle(&replica, &[&master]);
    assert_equal(&replica, &master);
}

/// What INFO tells of deadlines that clients of a replica set.
fn tracked(server: &Server) -> i64 {
    server.info().number("slave_expires_tracked_keys")
}

// Nobody deleted them: their master does not know of them, and the replica left deletions to it.
#[test]
fn keys_with_a_deadline_of_a_writable_replica_are_deleted_in_time() {
    for peer in [Peer::Ours, Peer::Valkey80] {
        let (master, replica) = master_and_writable(peer);
        for line in [
            "SET stays 1",
            "SET set 1 PX 50",
            "SET expire 1",
            "PEXPIRE expire 50",
            "SET rename.from 1 PX 50",
            "RENAME rename.from rename.to",
            "SET copy.from 1 PX 50",
            "COPY copy.from copy.to",
            "SET move 1 PX 50",
            "MOVE move 3",
            "SET getex 1",
            "GETEX getex PX 50",
            "SET longer 1 PX 50",
            "PEXPIRE longer 100000",
            "SET shorter 1 PX 100000",
            "PEXPIRE shorter 50",
            "SET persist 1 PX 50",
            "PERSIST persist",
            "SET over 1 PX 50",
            "SET over 2",
            "SET keepttl 1 PX 50",
            "SET keepttl 2 KEEPTTL",
        ] {
            replica.run(line);
        }
        wait_until(&format!("the deletions of {}", peer.name()), SHORT, || keys(&replica) == 5);
        let Value::Array(left) = replica.run("KEYS *") else { panic!("KEYS gives a list") };
        let mut left: Vec<&str> = left.iter().filter_map(Value::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["ctr", "longer", "over", "persist", "stays"], "{}", peer.name());
        assert_eq!(replica.info().get("db3"), None, "{}: what was moved is gone, too", peer.name());
        wait_until(&format!("one deadline with {}", peer.name()), SHORT, || tracked(&replica) == 1);
        // What is left of it is the master's affair from here on.
        master.run("FLUSHALL");
        wait_until("the flush", SHORT, || keys(&replica) == 0);
        assert_eq!(tracked(&replica), 0, "{}", peer.name());
    }
}

#[test]
fn a_deadline_that_a_writable_replica_gave_to_a_key_of_its_master_holds_until_the_master_writes_another() {
    for peer in [Peer::Ours, Peer::Valkey80] {
        let (master, replica) = master_and_writable(peer);
        master.run("MSET mine 1 yours 1 later 1");
        master.run("SET theirs 1 PX 100000");
        wait_until("the keys", SHORT, || keys(&replica) == 5);
        for line in ["PEXPIRE mine 50", "PEXPIRE yours 500", "PEXPIRE later 500", "INCR theirs"] {
            replica.run(line);
        }
        assert_eq!(tracked(&replica), 3, "{}: INCR sets no deadline", peer.name());
        master.run("SET yours 2");
        master.run("SET later 2 PX 700");
        wait_until("the deletions", SHORT, || keys(&replica) == 3);
        let left = replica.run("EXISTS ctr yours theirs");
        assert_eq!(left, Value::Int(3), "{}: a write without a deadline takes it away", peer.name());
        wait_until(&format!("no deadline with {}", peer.name()), SHORT, || tracked(&replica) == 0);
    }
}

// Keys that count as expired were hidden from writes and stayed, although no master will delete them.
#[test]
fn writes_to_a_writable_replica_delete_what_has_expired() {
    for peer in [Peer::Ours, Peer::Valkey80] {
        let master = Server::start(Peer::Ours, &[]);
        let replica = Server::start(peer, &["replica-read-only no", "enable-debug-command yes"]);
        follow(&replica, &master);
        replica.run("DEBUG SET-ACTIVE-EXPIRE 0");
        for key in ["read", "del", "expire", "lpushx", "rename"] {
            replica.run(&format!("SET {key} 1 PX 20"));
        }
        replica.run("SET last 1 PX 21");
        wait_until("the deadlines", SHORT, || replica.run("EXISTS last") == Value::Int(0));
        let mut answers = Vec::new();
        for line in ["GET read", "TTL read", "DEL del", "EXPIRE expire 100", "LPUSHX lpushx a", "RENAME rename x"] {
            answers.push(format!("{line}: {:?} {}", replica.call(line), keys(&replica)));
        }
        assert_eq!(
            answers,
            [
                "GET read: null 6",
                "TTL read: -2 6",
                "DEL del: 1 5",
                "EXPIRE expire 100: 0 4",
                "LPUSHX lpushx a: 0 3",
                "RENAME rename x: -ERR no such key 2",
            ],
            "{}",
            peer.name()
        );
        replica.run("DEBUG SET-ACTIVE-EXPIRE 1");
        wait_until("the rest", SHORT, || keys(&replica) == 0);
    }
}
