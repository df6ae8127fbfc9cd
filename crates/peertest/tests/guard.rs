//! The guard against an empty master: what a replica holds is not wiped by a master that lost everything, but an
//! operator's order is honoured.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use peertest::{LONG, Peer, Server, assert_equal, fill, wait_for_link, wait_until};

const KEYS: i64 = 500;

fn keys(server: &Server) -> i64 {
    server.run("DBSIZE").as_int().expect("a number")
}

/// Everything is lost, also the file that Redis keeps of a sized transfer.
fn lose_files(killed: &Server) {
    for name in killed.files() {
        std::fs::remove_file(killed.data_folder().join(name)).expect("a file of the server");
    }
}

/// A master with data and our replica of it.
fn pair(master: Peer, diskless: &str) -> (Server, Server) {
    let diskless = format!("repl-diskless-sync {diskless}");
    let master = Server::start(master, &[&diskless]);
    fill(&mut master.client(), "key", KEYS as usize, 50);
    let replica = Server::start(Peer::Ours, &[]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    assert_eq!(keys(&replica), KEYS);
    (master, replica)
}

fn guard(replica: &Server) -> String {
    replica.info().text("lockstep_guard_empty_master").to_owned()
}

fn an_empty_master_wipes_nothing(peer: Peer, diskless: &str) {
    let (mut master, mut replica) = pair(peer, diskless);
    master.kill();
    lose_files(&master);
    master.start_again(&[]);
    assert_eq!(keys(&master), 0);
    wait_until("the guard to hold", LONG, || guard(&replica) == "holding");
    assert_eq!(keys(&replica), KEYS, "the data is served on");
    assert!(replica.log().contains("Not replacing the data set"));
    assert_eq!(replica.info().text("master_link_status"), "down");

    // A restart from its own file makes no difference.
    replica.run("SAVE");
    replica.kill();
    let follow = format!("replicaof 127.0.0.1 {}", master.port());
    replica.start_again(&[&follow]);
    wait_until("the guard to hold again", LONG, || guard(&replica) == "holding");
    assert_eq!(keys(&replica), KEYS);

    // A master that has data again is followed, whatever it is.
    fill(&mut master.client(), "new", 3, 50);
    wait_for_link(&replica);
    assert_equal(&master, &replica);
    assert_eq!((keys(&replica), guard(&replica).as_str()), (3, "armed"));
}

#[test]
fn an_empty_redis_wipes_nothing_with_a_sized_transfer() {
    an_empty_master_wipes_nothing(Peer::Redis70, "no");
}

#[test]
fn an_empty_valkey_wipes_nothing_with_a_diskless_transfer() {
    an_empty_master_wipes_nothing(Peer::Valkey91, "yes");
}

#[test]
fn our_own_empty_master_wipes_nothing() {
    an_empty_master_wipes_nothing(Peer::Ours, "yes");
}

#[test]
fn an_order_is_honoured_and_so_is_the_setting() {
    let (mut master, replica) = pair(Peer::Ours, "yes");
    let empty = Server::start(Peer::Ours, &[]);
    replica.replicate(empty.port());
    wait_for_link(&replica);
    assert_eq!(keys(&replica), 0, "the operator wanted the empty one");

    replica.replicate(master.port());
    wait_for_link(&replica);
    assert_eq!(keys(&replica), KEYS);
    replica.run("CONFIG SET replica-guard-empty-master no");
    master.kill();
    master.start_again(&[]);
    wait_until("the replica to follow its empty master", LONG, || keys(&replica) == 0);
}

#[test]
fn a_new_order_overrides_a_guard_that_holds() {
    let (mut master, replica) = pair(Peer::Ours, "no");
    master.kill();
    master.start_again(&[]);
    wait_until("the guard to hold", LONG, || guard(&replica) == "holding");
    replica.run("REPLICAOF NO ONE");
    assert_eq!(keys(&replica), KEYS);
    replica.replicate(master.port());
    wait_for_link(&replica);
    assert_eq!(keys(&replica), 0);
}
