//! The link to the master is a client: it is listed, and closing it has it made anew.

use peertest::{LONG, Peer, Server, wait_for_link, wait_until};

/// The one line of CLIENT LIST TYPE master.
fn link(replica: &Server) -> String {
    let list = replica.run("CLIENT LIST TYPE master");
    let text = list.as_str().expect("a text").trim_end().to_owned();
    assert_eq!(text.lines().count(), 1, "{}: {text}", replica.peer().name());
    text
}

// It was not found.
#[test]
fn the_link_to_the_master_is_listed_and_comes_back_when_it_is_killed() {
    for peer in [Peer::Valkey80, Peer::Redis70, Peer::Ours] {
        let master = Server::start(Peer::Ours, &["repl-ping-replica-period 1"]);
        let replica = Server::start(peer, &["repl-backlog-size 1mb"]);
        assert_eq!(replica.run("CLIENT KILL TYPE master").as_int(), Some(0), "it follows nobody");
        replica.replicate(master.port());
        wait_for_link(&replica);
        wait_until("a command of the master", LONG, || link(&replica).contains(" cmd=ping "));
        let line = link(&replica);
        for part in [" flags=M ", " user=(superuser) ", &format!(" addr=127.0.0.1:{} ", master.port())] {
            assert!(line.contains(part), "{}: {part} is not in {line}", peer.name());
        }
        assert!(replica.info().number("connected_clients") >= 2);
        assert_eq!(replica.run("CLIENT KILL USER default SKIPME yes TYPE master").as_int(), Some(0));
        assert_eq!(replica.run("CLIENT KILL TYPE master").as_int(), Some(1));
        wait_until("a partial synchronisation", LONG, || master.info().number("sync_partial_ok") == 1);
        wait_for_link(&replica);
        assert_eq!(master.info().number("sync_full"), 1);
        let address = format!("127.0.0.1:{}", master.port());
        assert_eq!(replica.run(&format!("CLIENT KILL {address}")).as_str(), Some("OK"));
        wait_until("another one", LONG, || master.info().number("sync_partial_ok") == 2);
    }
}
