//! A snapshot that is changed on its way: the replica says so, keeps what it has, and asks again.

use peertest::{LONG, Peer, Proxy, Server, assert_equal, fill, wait_for_link, wait_until};

fn a_flipped_bit_is_noticed(master: Peer) {
    let master = Server::start(master, &[]);
    fill(&mut master.client(), "new", 1_000, 10_000);
    let replica = Server::start(Peer::Ours, &[]);
    fill(&mut replica.client(), "old", 100, 10);
    let proxy = Proxy::to(master.port());
    // Somewhere within a value: the file is well-formed, only its checksum tells.
    proxy.flip_a_bit_at(5_000_000);
    replica.replicate(proxy.port());
    wait_until("the refusal in the log", LONG, || replica.log().to_lowercase().contains("checksum"));
    wait_for_link(&replica);
    assert_equal(&master, &replica);
    assert_eq!(master.info().number("sync_full"), 2, "the second attempt succeeded, and there was no third");
    assert_eq!(replica.files(), Vec::<String>::new(), "nothing is left of the first attempt");
}

#[test]
fn a_flipped_bit_from_us_is_noticed() {
    a_flipped_bit_is_noticed(Peer::Ours);
}

#[test]
fn a_flipped_bit_from_redis_70_is_noticed() {
    a_flipped_bit_is_noticed(Peer::Redis70);
}
