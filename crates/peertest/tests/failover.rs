//! FAILOVER between us and the peers, in both directions, under load: the roles change, nothing that was acknowledged is
//! lost, and nobody needs a full synchronisation.

use peertest::{Acknowledged, LONG, Peer, Server, assert_equal, fill, offset, settle, wait_for_link, wait_until};

fn pair(master: Peer, replica: Peer) -> (Server, Server) {
    let master = Server::start(master, &["repl-ping-replica-period 1"]);
    fill(&mut master.client(), "before", 1_000, 100);
    let replica = Server::start(replica, &["repl-ping-replica-period 1"]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    wait_until("the replica to be online", LONG, || master.info().text("slave0").contains("state=online"));
    (master, replica)
}

fn role(server: &Server) -> String {
    server.info().text("role").to_owned()
}

fn state(server: &Server) -> String {
    server.info().text("master_failover_state").to_owned()
}

fn the_roles_change_under_load(master: Peer, replica: Peer) {
    let (master, replica) = pair(master, replica);
    let writer = Acknowledged::start(&master.address());
    wait_until("some writes", LONG, || offset(&replica) > 20_000);
    master.run("FAILOVER TIMEOUT 20000");
    wait_until("the roles to change", LONG, || role(&master) == "slave" && role(&replica) == "master");
    wait_for_link(&master);
    let written = writer.stop();
    written.assert_kept(&mut replica.client());
    replica.run("SET written-by-the-new-master 1");
    settle(&replica, &[&master]);
    assert_equal(&replica, &master);
    assert_eq!(replica.info().number("sync_full"), 0, "the old master went on by the stream");
    assert_eq!(replica.info().number("sync_partial_ok"), 1);
    assert_eq!(state(&master), "no-failover");
    let refused = master.call("SET k v");
    assert!(refused.as_error().is_some_and(|text| text.starts_with(b"READONLY")), "{refused:?}");

    // And back.
    let target = format!("FAILOVER TO 127.0.0.1 {}", master.port());
    wait_until("the old master to be online", LONG, || replica.info().text("slave0").contains("state=online"));
    replica.run(&target);
    wait_until("the roles to change back", LONG, || role(&master) == "master" && role(&replica) == "slave");
    wait_for_link(&replica);
    assert_eq!(master.run("GET written-by-the-new-master").as_str(), Some("1"));
}

#[test]
fn from_us_to_us() {
    the_roles_change_under_load(Peer::Ours, Peer::Ours);
}

#[test]
fn from_us_to_redis_70() {
    the_roles_change_under_load(Peer::Ours, Peer::Redis70);
}

#[test]
fn from_us_to_valkey_91() {
    the_roles_change_under_load(Peer::Ours, Peer::Valkey91);
}

#[test]
fn from_redis_70_to_us() {
    the_roles_change_under_load(Peer::Redis70, Peer::Ours);
}

#[test]
fn from_valkey_91_to_us() {
    the_roles_change_under_load(Peer::Valkey91, Peer::Ours);
}

/// A replica that is stopped never has everything: writes wait, and go on when the failover is given up.
#[test]
fn a_replica_that_does_not_catch_up_ends_a_failover_and_nothing_is_lost() {
    let (master, replica) = pair(Peer::Ours, Peer::Redis70);
    replica.pause();
    master.run("SET k 1");
    let mut writer = master.client();
    master.run("FAILOVER TIMEOUT 1500");
    assert_eq!(state(&master), "waiting-for-sync");
    writer.send(&[b"SET", b"k", b"2"]).expect("an open connection");
    assert_eq!(master.run("GET k").as_str(), Some("1"), "the write waits, reads do not");
    let again = master.call("FAILOVER");
    assert_eq!(again.as_error(), Some(&b"ERR FAILOVER already in progress."[..]));
    wait_until("the failover to be given up", LONG, || state(&master) == "no-failover");
    assert!(master.log().contains("Replica never caught up before timeout"));
    assert!(writer.reply().expect("the write is answered").as_error().is_none());
    assert_eq!((role(&master).as_str(), master.run("GET k").as_str()), ("master", Some("2")));

    master.run("FAILOVER");
    assert_eq!(state(&master), "waiting-for-sync");
    master.run("FAILOVER ABORT");
    assert_eq!(state(&master), "no-failover");
    replica.resume();
    settle(&master, &[&replica]);
    assert_equal(&master, &replica);
}

/// FORCE takes a replica that is behind; it is not reachable, so the old master stays one, under another id.
#[test]
fn a_forced_failover_to_a_replica_that_does_not_answer_is_taken_back() {
    let (master, mut replica) = pair(Peer::Ours, Peer::Ours);
    let id = master.info().text("master_replid").to_owned();
    replica.pause();
    master.run("SET k 1");
    let port = replica.port();
    master.run(&format!("FAILOVER TO 127.0.0.1 {port} FORCE TIMEOUT 100"));
    wait_until("the hand-over", LONG, || state(&master) == "failover-in-progress");
    replica.kill();
    wait_until("the old master to be one again", LONG, || role(&master) == "master" && state(&master) == "no-failover");
    assert_ne!(master.info().text("master_replid"), id, "what it writes now bears another id");
    assert_eq!(master.run("SET k 2").as_str(), Some("OK"));
}
