//! A client may end its own direction of a connection right behind its last request, as `nc` does: it gets the reply,
//! and the connection is closed.

#![allow(clippy::disallowed_methods, reason = "half of a connection is closed, which takes a bare socket")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use peertest::{Peer, SHORT, Server};

fn answered_and_closed(peer: Peer) {
    let server = Server::start(peer, &[]);
    let mut long = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n".to_vec();
    long.resize(long.len() + 3_000_000, b'x');
    long.extend_from_slice(b"\r\n");
    for (request, reply) in [(&b"PING\r\n"[..], &b"+PONG\r\n"[..]), (&long, b"+OK\r\n")].repeat(20) {
        let mut stream = TcpStream::connect(server.address()).expect("the server runs");
        stream.set_read_timeout(Some(SHORT)).expect("a time-out");
        stream.write_all(request).expect("room in the socket");
        stream.shutdown(Shutdown::Write).expect("an open connection");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("the server closes the connection");
        assert_eq!(got, reply);
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
