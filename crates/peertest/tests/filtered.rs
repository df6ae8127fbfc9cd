//! A replica may ask for the functions of a master without its keys: REPLCONF rdb-filter-only, as tools send it.

use peertest::{Client, Peer, Server};

/// What a connection that filters is sent, up to the mark behind it.
fn snapshot(server: &Server, filter: &str) -> Vec<u8> {
    let mut client: Client = server.client();
    for line in ["REPLCONF capa eof".to_owned(), "REPLCONF rdb-only 1".to_owned()] {
        client.line(&line).expect("a reply");
    }
    client.command(&[b"REPLCONF", b"rdb-filter-only", filter.as_bytes()]).expect("a reply");
    client.send(&[b"PSYNC", b"?", b"-1"]).expect("an open connection");
    let mark = loop {
        let line = client.read_line().expect("a line");
        if let Some(mark) = line.strip_prefix(b"$EOF:") {
            break mark.to_vec();
        }
    };
    let mut bytes = Vec::new();
    while !bytes.ends_with(&mark) {
        bytes.extend(client.read_raw(1).expect("the snapshot goes on"));
    }
    bytes
}

fn only_what_was_asked_for(peer: Peer) {
    let server = Server::start(peer, &[]);
    server.run("SET a-key-of-the-data-set 1");
    let holds_key = |filter| {
        let bytes = snapshot(&server, filter);
        assert!(bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY"));
        bytes.windows(21).any(|window| window == b"a-key-of-the-data-set")
    };
    assert!(!holds_key("functions"), "keys were sent");
    assert!(!holds_key(""), "keys were sent");
}

#[test]
fn valkey80_sends_no_keys_to_whom_wants_functions() {
    only_what_was_asked_for(Peer::Valkey80);
}

#[test]
fn we_send_no_keys_to_whom_wants_functions() {
    only_what_was_asked_for(Peer::Ours);
}
