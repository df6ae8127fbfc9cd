//! A client may end its own direction of a connection right behind its last request, as `nc` does: it gets the reply,
//! and the connection is closed.

#![allow(clippy::disallowed_methods, reason = "half of a connection is closed, which takes a bare socket")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use peertest::{Peer, SHORT, Server};

fn answered_and_closed(peer: Peer) {
    let server = Server::start(peer, &[]);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address()).expect("the server runs");
        stream.set_read_timeout(Some(SHORT)).expect("a time-out");
        stream.write_all(b"PING\r\n").expect("room in the socket");
        stream.shutdown(Shutdown::Write).expect("an open connection");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("the server closes the connection");
        assert_eq!(got, b"+PONG\r\n");
    }
    assert_eq!(server.info().number("connected_clients"), 1);
}

#[test]
fn a_half_closed_connection_is_answered_and_closed_by_valkey80() {
    answered_and_closed(Peer::Valkey80);
}

#[test]
fn a_half_closed_connection_is_answered_and_closed_by_us() {
    answered_and_closed(Peer::Ours);
}
