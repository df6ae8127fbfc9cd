//! Chains: us, us, us and a peer at the end, under load. What dies in the middle or at the top must cost nobody a full
//! synchronisation, because every server of a chain has the same offsets and keeps the ids it went through.

use peertest::{
    LONG, Load, Peer, Server, assert_equal, fill, offset, settle, wait_for_link, wait_for_writes, wait_until,
};

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

/// The first dies and the second is promoted: the replicas behind it, and one that hung directly under the first, go on
/// under the new id because the second remembers the old one.
fn the_top_dies(last: Peer, seed: u64) {
    let mut servers = chain(&[Peer::Ours, Peer::Ours, Peer::Ours, last]);
    let sibling = Server::start(last, &[]);
    sibling.replicate(servers[0].port());
    wait_for_link(&sibling);
    let load = Load::start(&servers[0].address(), seed);
    wait_for_writes(&servers[3], BYTES);
    load.stop().assert_clean();
    // The promoted one must be ahead of whom it takes over: a server that has more than its master cannot follow it.
    settle(&servers[0], &[&servers[1], &servers[2], &servers[3], &sibling]);
    let full = [syncs(&servers[1]).0, syncs(&servers[2]).0];
    let old_id = servers[0].info().text("master_replid").to_owned();

    servers[0].kill();
    servers[1].run("REPLICAOF NO ONE");
    let promoted = servers[1].info();
    let new_id = promoted.text("master_replid");
    assert_eq!((promoted.text("role"), promoted.text("master_replid2")), ("master", old_id.as_str()));
    assert_ne!(new_id, old_id);
    let load = Load::start(&servers[1].address(), seed + 1);
    sibling.replicate(servers[1].port());
    for server in [&servers[2], &servers[3], &sibling] {
        wait_until_it_follows(server, new_id);
        wait_for_writes(server, BYTES);
    }

    load.stop().assert_clean();
    settle(&servers[1], &[&servers[2], &servers[3], &sibling]);
    for replica in [&servers[2], &servers[3], &sibling] {
        assert_equal(&servers[1], replica);
        assert_eq!(offset(replica), offset(&servers[1]));
    }
    assert_eq!([syncs(&servers[1]).0, syncs(&servers[2]).0], full, "partial resynchronisations only");
    assert!(syncs(&servers[1]).1 >= 2, "the third and the sibling came through the second id");
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
fn the_top_of_a_chain_ending_in_valkey_80_is_killed() {
    the_top_dies(Peer::Valkey80, 24);
}
