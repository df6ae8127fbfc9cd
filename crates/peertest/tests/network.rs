//! Addresses and the changes of settings at run time, and the peers' own command-line tools. A real peer is asked first.

#![allow(clippy::disallowed_methods, reason = "sockets of the test itself")]

use std::process::{Command, Output};

use peertest::{Client, Peer, SHORT, Server, free_port};

/// Whether somebody answers there.
fn answers(address: &str) -> bool {
    Client::connect(address, SHORT).and_then(|mut client| client.line("PING")).is_ok()
}

fn error_of(server: &Server, words: &str) -> String {
    let value = server.call(words);
    String::from_utf8_lossy(value.as_error().unwrap_or_default()).into_owned()
}

#[test]
fn addresses_and_ports_change_at_run_time_and_old_clients_stay() {
    for peer in [Peer::Valkey80, Peer::Ours] {
        // ::1 and an address of documentation are optional: neither need be there.
        let server = Server::start(peer, &["bind 127.0.0.1 127.0.0.2 -::1 -192.0.2.77"]);
        let port = server.port();
        let (first, second) = (format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}"));
        assert!(answers(&first) && answers(&second) && !answers(&format!("127.0.0.3:{port}")));
        server.run("CONFIG SET bind 127.0.0.2");
        assert!(!answers(&first) && answers(&second));
        server.run("PING");
        assert!(error_of(&server, "CONFIG SET bind 192.0.2.77").ends_with("Failed to bind to specified addresses."));
        assert!(answers(&second), "what worked goes on");
        server.run("CONFIG SET bind -192.0.2.77");
        assert!(!answers(&second), "an optional address that is not there leaves none");
        server.run("CONFIG SET bind 127.0.0.1");
        let other = free_port();
        server.run(&format!("CONFIG SET port {other}"));
        assert!(!answers(&first) && answers(&format!("127.0.0.1:{other}")));
        let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = holder.local_addr().expect("it is bound").port();
        let refused = error_of(&server, &format!("CONFIG SET port {taken}"));
        assert!(refused.ends_with("Unable to listen on this port. Check server logs."), "{refused}");
        assert!(answers(&format!("127.0.0.1:{other}")));
        server.run("CONFIG SET port 0");
        assert!(!answers(&format!("127.0.0.1:{other}")));
        server.run(&format!("CONFIG SET port {port}"));
        assert!(answers(&first));
    }
}

#[test]
fn more_clients_than_allowed_are_told_so() {
    for peer in [Peer::Valkey80, Peer::Ours] {
        let server = Server::start(peer, &["maxclients 2"]);
        server.run("PING");
        let mut second = server.client();
        second.line("PING").expect("the second of two");
        let mut third = server.client();
        let refused = third.read_line().expect("a line before the end");
        assert_eq!(String::from_utf8_lossy(&refused).trim_end(), "-ERR max number of clients reached");
        third.read_line().expect_err("the connection is closed");
        server.run("CONFIG SET maxclients 1");
        second.line("PING").expect("those who are there stay");
        server.run("CONFIG SET maxclients 3");
        server.client().line("PING").expect("room for a third");
    }
}

/// One of the peers' command-line tools against a server: what it printed.
#[track_caller]
fn cli(tool: Peer, server: &Server, words: &[&str]) -> String {
    let mut command = Command::new(tool.tool("cli"));
    let Output { status, stdout, stderr } =
        command.args(["-p", &server.port().to_string()]).args(words).output().expect("the tool starts");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{tool:?} {words:?}: {said}");
    said
}

#[test]
fn the_tools_of_the_peers_find_what_they_ask_for() {
    let server = Server::start(Peer::Ours, &[]);
    server.run("RPUSH biglist a b c d");
    server.run("SET small x");
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("copy.rdb").display().to_string();
    for tool in [Peer::Redis70, Peer::Valkey80] {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(words(&cli(tool, &server, &["--scan"])).contains(&"biglist".to_owned()));
        assert!(cli(tool, &server, &["--bigkeys"]).contains("Sampled 2 keys in the keyspace!"));
        assert!(cli(tool, &server, &["--memkeys"]).contains("Sampled 2 keys in the keyspace!"));
        assert_eq!(cli(tool, &server, &["--json", "LRANGE", "biglist", "0", "1"]).trim(), r#"["a","b"]"#);
        assert_eq!(cli(tool, &server, &["--csv", "LRANGE", "biglist", "0", "1"]).trim(), r#""a","b""#);
        assert_eq!(cli(tool, &server, &["-3", "GET", "small"]).trim(), "x");
        cli(tool, &server, &["--rdb", &file]);
        assert!(std::fs::read(&file).expect("the file is there").starts_with(b"REDIS"));
    }
}
