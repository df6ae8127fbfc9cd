//! Replicas of one history that are moved: below a sibling, up and down a chain and back, with a real server in the group.
//! They have the same bytes at the same offsets, so that no move costs a full synchronisation; not even below a sibling that
//! is a moment behind, where real servers give one.

use peertest::{
    Client, LONG, Load, Peer, Proxy, SHORT, Server, assert_equal, fill, offset, settle, wait_for_link, wait_for_writes,
    wait_until,
};

const BYTES: i64 = 20_000;

fn start(peer: Peer) -> Server {
    Server::start(peer, &["repl-ping-replica-period 1", "repl-timeout 30"])
}

fn full_syncs(server: &Server) -> i64 {
    server.info().number("sync_full")
}

/// Under load: `ours` and `theirs` follow `master`; each is moved below the other and back.
fn moves_around(other: Peer, seed: u64) {
    let (master, ours, theirs) = (start(Peer::Ours), start(Peer::Ours), start(other));
    fill(&mut master.client(), "before", 2_000, 100);
    for replica in [&ours, &theirs] {
        replica.replicate(master.port());
        wait_for_link(replica);
    }
    let all = [&master, &ours, &theirs];
    let full_before: i64 = all.iter().map(|server| full_syncs(server)).sum();
    let load = Load::start(&master.address(), seed);
    let go_on = || wait_for_writes(&theirs, BYTES);
    go_on();
    // Down below a sibling that may be behind, and up again.
    theirs.replicate(ours.port());
    wait_for_link(&theirs);
    go_on();
    theirs.replicate(master.port());
    wait_for_link(&theirs);
    go_on();
    load.stop().assert_clean();
    // A real server that is behind would give a full synchronisation: it is waited for.
    settle(&master, &[&ours, &theirs]);
    ours.replicate(theirs.port());
    wait_for_link(&ours);
    let load = Load::start(&master.address(), seed + 1);
    wait_for_writes(&ours, BYTES);
    // Up from below it, then the whole chain the other way round.
    ours.replicate(master.port());
    wait_for_link(&ours);
    theirs.replicate(ours.port());
    wait_for_link(&theirs);
    go_on();
    load.stop().assert_clean();
    settle(&master, &[&ours, &theirs]);
    assert_equal(&master, &ours);
    assert_equal(&master, &theirs);
    let full: i64 = all.iter().map(|server| full_syncs(server)).sum();
    assert_eq!(full, full_before, "partial resynchronisations only");
}

#[test]
fn siblings_of_ours_and_redis_70_move_around() {
    moves_around(Peer::Redis70, 71);
}

#[test]
fn siblings_of_ours_and_redis_80_move_around() {
    moves_around(Peer::Redis80, 72);
}

#[test]
fn siblings_of_ours_and_valkey_91_move_around() {
    moves_around(Peer::Valkey91, 73);
}

/// A master and two replicas, of which `behind` lacks what was written last; `ahead` has it and asks `behind` to go on.
struct Held {
    master: Server,
    ahead: Server,
    behind: Server,
    /// Between the master and `behind`; it lets nothing through.
    proxy: Proxy,
}

impl Held {
    fn begin(ahead: Peer, behind: Peer) -> Held {
        let master = Server::start(Peer::Ours, &["repl-ping-replica-period 1000"]);
        let held = Held { ahead: start(ahead), behind: start(behind), proxy: Proxy::to(master.port()), master };
        fill(&mut held.master.client(), "before", 500, 100);
        held.ahead.replicate(held.master.port());
        held.behind.replicate(held.proxy.port());
        wait_for_link(&held.ahead);
        wait_for_link(&held.behind);
        settle(&held.master, &[&held.ahead, &held.behind]);
        held.proxy.stall_after(0);
        fill(&mut held.master.client(), "after", 500, 100);
        settle(&held.master, &[&held.ahead]);
        assert!(offset(&held.behind) < offset(&held.ahead));
        held.ahead.replicate(held.behind.port());
        held
    }

    fn wait_until_held(&self) {
        wait_until("the request to be held", SHORT, || self.behind.log().contains("which is still to come"));
        assert_eq!(self.ahead.info().text("master_link_status"), "down");
        assert_eq!(exists(&mut self.ahead.client(), "after:1"), 1, "it keeps what it has");
    }
}

fn exists(client: &mut Client, key: &str) -> i64 {
    client.line(&format!("EXISTS {key}")).expect("it is up").as_int().expect("a number")
}

fn is_held_until_the_byte_is_there(ahead: Peer) {
    let held = Held::begin(ahead, Peer::Ours);
    held.wait_until_held();
    held.proxy.restore();
    wait_for_link(&held.ahead);
    held.master.run("SET last v");
    settle(&held.master, &[&held.behind, &held.ahead]);
    assert_eq!(full_syncs(&held.behind), 0, "the rest of the stream was enough");
    assert_equal(&held.master, &held.ahead);
}

#[test]
fn a_request_for_a_byte_to_come_is_held_for_our_replica() {
    is_held_until_the_byte_is_there(Peer::Ours);
}

#[test]
fn a_request_for_a_byte_to_come_is_held_for_a_redis_70() {
    is_held_until_the_byte_is_there(Peer::Redis70);
}

#[test]
fn a_request_for_a_byte_to_come_is_held_for_a_valkey_91() {
    is_held_until_the_byte_is_there(Peer::Valkey91);
}

/// What is spared: a real server in the same place gives the whole data set.
#[test]
fn a_valkey_that_is_behind_gives_a_full_synchronisation() {
    let held = Held::begin(Peer::Ours, Peer::Valkey80);
    wait_until("the full synchronisation", LONG, || full_syncs(&held.behind) == 1);
}

/// The one that is behind becomes a master: the byte that it writes there is another one.
#[test]
fn a_promotion_during_the_hold_ends_it_with_a_full_synchronisation() {
    for ahead in [Peer::Ours, Peer::Valkey80] {
        let held = Held::begin(ahead, Peer::Ours);
        held.wait_until_held();
        held.behind.run("REPLICAOF NO ONE");
        held.behind.run("SET new v");
        wait_for_link(&held.ahead);
        settle(&held.behind, &[&held.ahead]);
        assert_eq!((full_syncs(&held.behind), exists(&mut held.ahead.client(), "after:1")), (1, 0));
        assert_equal(&held.behind, &held.ahead);
    }
}

/// The two follow each other: nobody has the byte, neither waits for ever, and a promotion ends it.
#[test]
fn a_cycle_of_two_during_the_hold_does_not_hang() {
    for ahead in [Peer::Ours, Peer::Valkey80] {
        let held = Held::begin(ahead, Peer::Ours);
        held.wait_until_held();
        held.behind.replicate(held.ahead.port());
        for server in [&held.ahead, &held.behind] {
            assert_eq!(exists(&mut server.client(), "before:1"), 1);
            assert_eq!(server.info().text("role"), "slave");
        }
        held.ahead.run("REPLICAOF NO ONE");
        held.ahead.run("SET new v");
        wait_for_link(&held.behind);
        settle(&held.ahead, &[&held.behind]);
        assert_equal(&held.ahead, &held.behind);
    }
}

fn wait_counts(master: Peer, replica: Peer) {
    let (master, replica) = (start(master), start(replica));
    replica.replicate(master.port());
    wait_for_link(&replica);
    // One connection: WAIT is about its own writes.
    let mut client = master.client();
    let mut ask = |line: &str| client.line(line).expect("the server is up").as_int();
    ask("SET k v");
    assert_eq!(ask("WAIT 1 10000"), Some(1));
    replica.pause();
    ask("SET k w");
    assert_eq!(ask("WAIT 1 300"), Some(0), "it is stopped");
    replica.resume();
    assert_eq!(ask("WAIT 1 10000"), Some(1));
}

#[test]
fn wait_counts_real_replicas_of_ours_and_our_replicas_of_real_masters() {
    for other in [Peer::Redis70, Peer::Redis80, Peer::Valkey80, Peer::Valkey91] {
        wait_counts(Peer::Ours, other);
        wait_counts(other, Peer::Ours);
    }
}
