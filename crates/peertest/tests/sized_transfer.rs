//! Replicas that can't read a data set without its length get it out of a file, each at its own pace.

use peertest::{Client, Peer, Server, fill};

/// More than all socket buffers on the way take.
const KEYS: usize = 3_000;
const KEY_BYTES: usize = 10_000;

/// A replica that has asked for everything and says nothing of `capa eof`.
fn replica(master: &Server) -> Client {
    let mut client = master.client();
    client.send(&[b"PSYNC", b"?", b"-1"]).expect("an open connection");
    client
}

fn line(client: &mut Client) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.read_raw(1).expect("the answer goes on"));
        if line == b"\n" {
            line.clear(); // The master is still there.
        }
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

// The first of a group was sent all of it before the second was sent anything.
#[test]
fn a_replica_that_takes_nothing_does_not_hold_up_another() {
    let master = Server::start(Peer::Ours, &["repl-diskless-sync-delay 1", "repl-timeout 3600"]);
    fill(&mut master.client(), "key", KEYS, KEY_BYTES);
    let mut replicas: Vec<Client> = (0..3).map(|_| replica(&master)).collect();
    for client in &mut replicas {
        assert!(line(client).starts_with("+FULLRESYNC "));
    }
    for at in [2, 1] {
        let client = &mut replicas[at];
        let header = line(client);
        let length: usize = header.strip_prefix('$').and_then(|digits| digits.parse().ok()).expect("a length");
        assert!(length > KEYS * KEY_BYTES);
        let data = client.read_raw(length).expect("the whole data set");
        assert!(data.starts_with(b"REDIS00"));
    }
}
