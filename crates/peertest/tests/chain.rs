//! Chains: us, us, us and a peer at the end, under load. What dies in the middle or at the top must cost nobody a full
//! synchronisation, because every server of a chain has the same offsets and keeps the ids it went through.

use peertest::{LONG, Load, Peer, Server, assert_equal, fill, settle, wait_for_link, wait_for_writes, wait_until};

const BYTES: i64 = 20_000;

/// Master first; each follows the one before.
fn chain(peers: &[Peer]) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for &peer in peers {
        let server = Server::start(peer, &["repl-ping-replica-period 1"]);
        match servers.last() {
            Some(master) => {
                server.replicate(master.port());
                wait_for_link(&server);
            }
            None => fill(&mut server.client(), "before", 5_000, 100),
        }
        servers.push(server);
    }
    servers
}

/// How often a server gave its replicas the whole data set, and how often only the rest of the stream.
fn syncs(master: &Server) -> (i64, i64) {
    let info = master.info();
    (info.number("sync_full"), info.number("sync_partial_ok"))
}

fn wait_until_it_follows(replica: &Server, id: &str) {
    wait_until("the replication id of the new master", LONG, || replica.info().text("master_replid") == id);
    wait_for_link(replica);
}

/// The second of four dies; the third and, behind it, the fourth go on under the first.
fn the_middle_dies(last: Peer, seed: u64) {
    let mut servers = chain(&[Peer::Ours, Peer::Ours, Peer::Ours, last]);
    let load = Load::start(&servers[0].address(), seed);
    wait_for_writes(&servers[3], BYTES);
    let (full_of_top, partial_of_top) = syncs(&servers[0]);
    let (full_of_third, _) = syncs(&servers[2]);

    servers[1].kill();
    wait_for_writes(&servers[0], BYTES);
    servers[2].replicate(servers[0].port());
    wait_until("the partial resynchronisation", LONG, || syncs(&servers[0]) == (full_of_top, partial_of_top + 1));
    wait_for_link(&servers[2]);
    wait_for_writes(&servers[3], BYTES);

    load.stop().assert_clean();
    settle(&servers[0], &[&servers[2], &servers[3]]);
    assert_equal(&servers[0], &servers[2]);
    assert_equal(&servers[0], &servers[3]);
    assert_eq!(syncs(&servers[0]), (full_of_top, partial_of_top + 1));
    assert_eq!(syncs(&servers[2]).0, full_of_third, "the last of the chain kept its link or came back by the stream");
}

/// The first dies under load and the second is promoted: the replicas behind it go on under the new id because the
/// second remembers the old one.
fn the_top_dies(last: Peer, seed: u64) {
    let mut servers = chain(&[Peer::Ours, Peer::Ours, Peer::Ours, last]);
    let load = Load::start(&servers[0].address(), seed);
    wait_for_writes(&servers[3], BYTES);
    servers[0].kill();
    load.stop().assert_clean();
    let rest: Vec<&Server> = servers[1..].iter().collect();
    promote_and_go_on(rest[0], &rest[1..], seed + 1);
}

/// The same between two batches of writes, with a further replica that hung directly under the first and is re-pointed.
/// (Under load it might be ahead of the promoted one: nobody can follow a server that has less.)
fn the_top_of_two_replicas_dies(last: Peer, seed: u64) {
    let mut servers = chain(&[Peer::Ours, Peer::Ours, Peer::Ours, last]);
    let sibling = Server::start(last, &[]);
    sibling.replicate(servers[0].port());
    wait_for_link(&sibling);
    let load = Load::start(&servers[0].address(), seed);
    wait_for_writes(&servers[3], BYTES);
    load.stop().assert_clean();
    settle(&servers[0], &[&servers[1], &servers[2], &servers[3], &sibling]);
    servers[0].kill();
    sibling.replicate(servers[1].port());
    promote_and_go_on(&servers[1], &[&servers[2], &servers[3], &sibling], seed + 1);
    assert!(syncs(&servers[1]).1 >= 2, "the third and the sibling came through the second id");
}

/// Makes a master of a replica whose own is dead, and writes to it.
fn promote_and_go_on(promoted: &Server, replicas: &[&Server], seed: u64) {
    let full = |server: &Server| syncs(server).0;
    let full_before = [full(promoted), full(replicas[0])];
    let old_id = promoted.info().text("master_replid").to_owned();
    promoted.run("REPLICAOF NO ONE");
    let info = promoted.info();
    let new_id = info.text("master_replid");
    assert_eq!((info.text("role"), info.text("master_replid2")), ("master", old_id.as_str()));
    assert_ne!(new_id, old_id);
    let load = Load::start(&promoted.address(), seed);
    for replica in replicas {
        wait_until_it_follows(replica, new_id);
        wait_for_writes(replica, BYTES);
    }

    load.stop().assert_clean();
    settle(promoted, replicas);
    for replica in replicas {
        assert_equal(promoted, replica);
    }
    assert_eq!([full(promoted), full(replicas[0])], full_before, "partial resynchronisations only");
}

#[test]
fn the_middle_of_a_chain_ending_in_redis_70_is_killed() {
    the_middle_dies(Peer::Redis70, 21);
}

#[test]
fn the_middle_of_a_chain_ending_in_valkey_91_is_killed() {
    the_middle_dies(Peer::Valkey91, 22);
}

#[test]
fn the_top_of_a_chain_ending_in_redis_80_is_killed() {
    the_top_dies(Peer::Redis80, 23);
}

#[test]
fn the_top_of_a_chain_and_of_a_valkey_80_is_killed() {
    the_top_of_two_replicas_dies(Peer::Valkey80, 24);
}
