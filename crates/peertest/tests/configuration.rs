//! A configuration file goes from server to server: what one rewrites, the others load, and say the same of it.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use peertest::{Client, Peer, SHORT, Value, wait_for};

const PEERS: [Peer; 4] = [Peer::Redis70, Peer::Redis80, Peer::Valkey80, Peer::Valkey91];

/// What an operator wrote.
const FILE: &str = "port 0\nunixsocket s\n# a comment\nmaxmemory 1gb\nsave 900 1\nslave-priority 7\n\
                    client-output-buffer-limit replica 1gb 2mb 3\nlatency-tracking-info-percentiles 50 99.99\n\
                    rename-command FLUSHALL \"\"\n";
/// What is set while it runs, beside `requirepass`. Not all of it is UTF-8.
const CHANGES: [(&str, &[u8]); 4] = [
    ("masterauth", b"h\xe9\n\" \x00"),
    ("save", b"100 1 200 2"),
    ("maxmemory-policy", b"allkeys-lru"),
    ("notify-keyspace-events", b"KEx"),
];
/// What is compared.
const NAMES: [&str; 10] = [
    "requirepass",
    "masterauth",
    "save",
    "maxmemory",
    "maxmemory-policy",
    "replica-priority",
    "client-output-buffer-limit",
    "latency-tracking-info-percentiles",
    "notify-keyspace-events",
    "dir",
];

/// A server with a configuration file, ended when dropped.
struct WithFile {
    process: Child,
    client: Client,
}

impl WithFile {
    fn start(peer: Peer, folder: &Path) -> WithFile {
        let (program, words) = peer.server_program();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(words).arg("redis.conf").current_dir(folder).stdin(Stdio::null()).stdout(log);
        let mut process = command.spawn().unwrap();
        let client = wait_for("an answer", SHORT, || {
            if let Ok(Some(status)) = process.try_wait() {
                let log = std::fs::read_to_string(folder.join("log")).unwrap();
                panic!("{} ended: {status}\n{log}", peer.name());
            }
            let mut client = Client::connect_unix(&folder.join("s"), SHORT).ok()?;
            client.command(&[b"PING"]).ok().map(|_| client)
        });
        WithFile { process, client }
    }

    fn run(&mut self, words: &[&[u8]]) {
        let reply = self.client.command(words).unwrap();
        assert!(matches!(&reply, Value::Simple(text) if text == b"OK"), "{words:?}: {reply:?}");
    }

    fn settings(&mut self) -> Vec<Value> {
        NAMES.iter().map(|name| self.client.command(&[b"CONFIG", b"GET", name.as_bytes()]).unwrap()).collect()
    }
}

impl Drop for WithFile {
    fn drop(&mut self) {
        drop(self.process.kill()); // It may have ended by itself.
        drop(self.process.wait());
    }
}

fn is_error(reply: &Value, code: &str) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(code.as_bytes()))
}

/// One server changes settings and rewrites its file; the others start with it.
fn goes_from(writer: Peer, readers: &[Peer], password: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    std::fs::write(&file, FILE).unwrap();
    let mut server = WithFile::start(writer, folder.path());
    for (name, value) in CHANGES {
        server.run(&[b"CONFIG", b"SET", name.as_bytes(), value]);
    }
    server.run(&[b"CONFIG", b"SET", b"requirepass", password]);
    if !password.is_empty() {
        server.run(&[b"AUTH", password]);
    }
    server.run(&[b"CONFIG", b"REWRITE"]);
    let settings = server.settings();
    drop(server);
    let rewritten = std::fs::read(&file).unwrap();
    for reader in readers {
        std::fs::write(&file, &rewritten).unwrap();
        let mut server = WithFile::start(*reader, folder.path());
        let ping = server.client.command(&[b"PING"]).unwrap();
        assert_eq!(is_error(&ping, "NOAUTH"), !password.is_empty(), "{}", reader.name());
        if !password.is_empty() {
            assert!(
                is_error(&server.client.command(&[b"AUTH", b"another"]).unwrap(), "WRONGPASS"),
                "{}",
                reader.name()
            );
            server.run(&[b"AUTH", password]);
        }
        assert_eq!(server.settings(), settings, "{} after {}", reader.name(), writer.name());
        let renamed = server.client.command(&[b"FLUSHALL"]).unwrap();
        assert!(is_error(&renamed, "ERR unknown command"), "{}: {renamed:?}", reader.name());
        server.run(&[b"CONFIG", b"REWRITE"]);
    }
}

#[test]
fn our_file_is_loaded_by_every_peer() {
    for password in [&b""[..], b"p \xff\x00q"] {
        goes_from(Peer::Ours, &[&[Peer::Ours][..], &PEERS].concat(), password);
    }
}

#[test]
fn the_file_of_every_peer_is_loaded_by_us() {
    for writer in PEERS {
        for password in [&b""[..], b"p \xff\x00q"] {
            goes_from(writer, &[Peer::Ours], password);
        }
    }
}

/// What a server answers to these, in order: two connections, the second of which never gives a password.
fn answers_of(peer: Peer) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redis.conf"), "port 0\nunixsocket s\nrequirepass x\n").unwrap();
    let mut server = WithFile::start(peer, folder.path());
    let mut other = Client::connect_unix(&folder.path().join("s"), SHORT).unwrap();
    let mut answers = Vec::new();
    for words in [
        // Accepted from here on: who is accepted while there is no password needs none later.
        "other: PING",
        "AUTH x",
        "CONFIG SET requirepass ''",
        "other: PING",
        "CONFIG SET requirepass z",
        "other: PING",
        "CONFIG SET maxclients 100000",
        "CONFIG GET maxclients",
        "CONFIG SET maxclients 20",
        "CONFIG SET nothing 1 hz",
        "CONFIG SET nothing\"\\r\\n\"else 1",
        "CONFIG GET MaxClients Hz hz",
        "CONFIG GET watchdog-*",
        "CONFIG GET watchdog-period",
        "CONFIG SET bind 1.2.3.4",
        "CONFIG SET rename-command x",
        "remove the folder",
        "CONFIG REWRITE",
    ] {
        match words.strip_prefix("other: ") {
            Some(words) => answers.push(other.command(&split(words)).unwrap()),
            None if words == "remove the folder" => std::fs::remove_dir_all(folder.path()).unwrap(),
            None => answers.push(server.client.command(&split(words)).unwrap()),
        }
    }
    for answer in &mut answers {
        // The order of several settings is each server's own.
        if let Value::Array(pairs) = answer {
            pairs.sort_by_key(|value| format!("{value:?}"));
        }
    }
    answers
}

fn split(words: &'static str) -> Vec<&'static [u8]> {
    let special = |word: &'static str| match word {
        "''" => &b""[..],
        "nothing\"\\r\\n\"else" => b"nothing\r\nelse",
        word => word.as_bytes(),
    };
    words.split(' ').map(special).collect()
}

#[test]
fn config_answers_as_valkey_does() {
    let (ours, theirs) = (answers_of(Peer::Ours), answers_of(Peer::Valkey80));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}
