//! What has been acknowledged is on disk after a polite end, whatever was going on when it came.

#![allow(clippy::disallowed_methods, reason = "many writers at once are threads")]

use std::thread::spawn;

use peertest::{LONG, Peer, Server, wait_until};

const WRITERS: usize = 24;

/// Writes its counter up until the server goes away: the last number that it acknowledged.
fn count_up(address: &str, key: &str) -> u64 {
    let mut client = peertest::Client::connect(address, peertest::SHORT).expect("the server runs");
    let mut acknowledged = 0;
    loop {
        let wanted = acknowledged + 1;
        match client.command(&[b"SET", key.as_bytes(), wanted.to_string().as_bytes()]) {
            Ok(reply) if reply.as_error().is_none() => acknowledged = wanted,
            _ => return acknowledged,
        }
    }
}

// The loop went on with the requests of the turn in which the signal came: their writes were acknowledged behind the
// last save, and lost.
#[test]
fn nothing_that_was_acknowledged_is_missing_after_sigterm() {
    for _ in 0..5 {
        let mut server = Server::start(Peer::Ours, &["save '3600 1'"]);
        let address = server.address();
        let writers: Vec<_> = (0..WRITERS)
            .map(|nth| {
                let address = address.clone();
                spawn(move || count_up(&address, &format!("counter{nth}")))
            })
            .collect();
        wait_until("some writes", LONG, || server.info().number("total_commands_processed") > 500);
        server.terminate();
        let acknowledged: Vec<u64> = writers.into_iter().map(|writer| writer.join().expect("a writer")).collect();
        server.start_again(&[]);
        for (nth, acknowledged) in acknowledged.iter().enumerate() {
            let kept = server.run(&format!("GET counter{nth}"));
            let kept: u64 = kept.as_str().unwrap_or("0").parse().expect("a number");
            assert!(kept >= *acknowledged, "counter{nth} was acknowledged at {acknowledged} and is at {kept}");
        }
    }
}
