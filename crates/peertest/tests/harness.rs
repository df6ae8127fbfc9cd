//! The harness on real servers without us: what it reports as broken is broken then, and what it demands is what real
//! servers do.

use peertest::{Peer, Server, assert_equal, differences};

fn two_servers() -> (Server, Server) {
    let servers = (Server::start(Peer::Redis70, &[]), Server::start(Peer::Valkey91, &[]));
    for server in [&servers.0, &servers.1] {
        for words in ["SET s v", "PEXPIREAT s 9000000000000", "RPUSH l a b c", "ZADD z 0.1 m 2 n", "HSET h f 1.5 g x"] {
            server.run(words);
        }
        server.run("SELECT 9");
        server.run("SADD e 1 two 3");
    }
    servers
}

#[test]
fn equal_data_in_two_versions_is_equal() {
    let (a, b) = two_servers();
    assert_equal(&a, &b);
}

#[test]
fn a_deadline_that_is_a_millisecond_off_is_found() {
    let (a, b) = two_servers();
    b.run("SELECT 0");
    b.run("PEXPIREAT s 9000000000001");
    let text = differences(&a, &b).expect("they differ");
    assert!(text.starts_with("1 of 5 keys differ between master redis70 and replica valkey91"), "{text}");
    assert!(text.contains("Some(9000000000001)"), "{text}");
}

#[test]
fn a_key_of_another_type_in_another_database_is_found() {
    let (a, b) = two_servers();
    b.run("DEL e");
    b.run("RPUSH e 1 two 3");
    let text = differences(&a, &b).expect("they differ");
    assert!(text.contains("db 9 e: master redis70 has a set, replica valkey91 a list"), "{text}");
}

#[test]
fn a_killed_and_a_stopped_server_come_back_on_their_port() {
    let mut server = Server::start(Peer::Valkey80, &["save '3600 1'"]);
    server.run("SET k v");
    server.pause();
    server.resume();
    server.terminate();
    server.start_again(&[]);
    assert_eq!(server.run("GET k").as_str(), Some("v"), "the save point was honoured");
    assert!(server.files().contains(&"dump.rdb".to_owned()));
    server.kill();
    assert!(server.try_call("PING").is_err());
}
