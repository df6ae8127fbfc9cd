//! A server with a client and two witnesses: one is its replica and sees what goes down the stream, the other is
//! subscribed to keyspace events. A message that is published after each command marks where its traces end.

use super::tree::Tree;
use crate::{Peer, SHORT, Server};
use client::Client;

/// No server expires keys by itself or pings meanwhile, nor frees in another order: transcripts are repeatable.
const DIRECTIVES: &[&str] = &[
    "enable-debug-command yes",
    "databases 16",
    "repl-ping-replica-period 3600",
    "lazyfree-lazy-expire no",
    "lazyfree-lazy-server-del no",
    "lazyfree-lazy-user-del no",
    "lazyfree-lazy-user-flush no",
    "lazyfree-lazy-eviction no",
];

const MARK: &[u8] = b"mark";

/// What a command left.
pub enum Happening {
    /// A command in the replication stream.
    Streamed {
        /// The database it is for.
        database: u32,
        /// Its words.
        words: Vec<Vec<u8>>,
    },
    /// A keyspace event.
    Event {
        /// The database it happened in.
        database: u32,
        /// Such as `set`.
        name: String,
        /// The key.
        key: Vec<u8>,
    },
}

/// A server under observation.
pub struct Witness {
    server: Server,
    client: Client,
    resp3: bool,
    marker: Client,
    marks: u64,
    replica: Client,
    /// The stream's database.
    database: u32,
    subscriber: Client,
}

impl Witness {
    /// Starts a server that tells of events of these classes.
    pub fn start(peer: Peer, classes: &str) -> Witness {
        let notify = format!("notify-keyspace-events KE{classes}");
        let server = Server::start(peer, &[DIRECTIVES, &[&notify]].concat());
        server.run("DEBUG SET-ACTIVE-EXPIRE 0");
        let mut subscriber = server.client();
        subscriber.send(&[b"PSUBSCRIBE", b"__key*@*"]).expect("a running server");
        subscriber.send(&[b"SUBSCRIBE", MARK]).expect("a running server");
        for _ in 0..2 {
            Tree::read(&mut subscriber).expect("the subscription's reply");
        }
        let replica = replica_of(&server);
        let (client, marker) = (server.client(), server.client());
        let mut witness = Witness { server, client, resp3: false, marker, marks: 0, replica, database: 0, subscriber };
        // Both witnesses are there only when they have seen a mark.
        witness.collect();
        witness
    }

    /// Changes a setting: name and value.
    pub fn configure(&mut self, setting: &str) {
        self.server.run(&format!("CONFIG SET {setting}"));
    }

    /// Runs a command: its reply and what it left.
    pub fn run(&mut self, resp3: bool, text: &str) -> (Tree, Vec<Happening>) {
        if resp3 != self.resp3 {
            let version: &[u8] = if resp3 { b"3" } else { b"2" };
            self.client.call(&[b"HELLO", version]).expect("both protocols are spoken");
            self.resp3 = resp3;
        }
        let words = split(text);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        self.client.send(&words).expect("a running server");
        let reply = Tree::read(&mut self.client).unwrap_or_else(|error| panic!("{text}: {error}"));
        (reply, self.collect())
    }

    fn collect(&mut self) -> Vec<Happening> {
        self.marks += 1;
        let mark = self.marks.to_string().into_bytes();
        self.marker.call(&[b"PUBLISH", MARK, &mark]).expect("a running server");
        let mut happenings = Vec::new();
        self.read_stream(&mark, &mut happenings);
        self.read_events(&mark, &mut happenings);
        happenings
    }

    fn read_stream(&mut self, mark: &[u8], happenings: &mut Vec<Happening>) {
        loop {
            let words = Tree::read(&mut self.replica).expect("the stream goes on to the mark").words();
            match words.first().map(|name| name.to_ascii_uppercase()).as_deref() {
                Some(b"PUBLISH") if words[1] == MARK && words[2] == mark => return,
                Some(b"SELECT") => self.database = number(&words[1]),
                Some(b"MULTI" | b"EXEC" | b"PING" | b"REPLCONF") => {}
                _ => happenings.push(Happening::Streamed { database: self.database, words }),
            }
        }
    }

    /// Every event comes twice: first on the channel of its key, then on that of its name.
    fn read_events(&mut self, mark: &[u8], happenings: &mut Vec<Happening>) {
        let mut of_key = None;
        loop {
            let words = Tree::read(&mut self.subscriber).expect("messages come up to the mark").words();
            match (words[0].as_slice(), words.len()) {
                (b"message", 3) if words[2] == mark => {
                    assert!(of_key.is_none(), "an event on its key's channel alone: {of_key:?}");
                    return;
                }
                (b"pmessage", 4) if words[2].starts_with(b"__keyspace@") => {
                    let twice = of_key.replace((words[2].clone(), words[3].clone()));
                    assert!(twice.is_none(), "an event on its key's channel alone: {twice:?}");
                }
                (b"pmessage", 4) => {
                    let channel = String::from_utf8_lossy(&words[2]).into_owned();
                    let event = channel.strip_prefix("__keyevent@").and_then(|rest| rest.split_once("__:"));
                    let (database, name) = event.unwrap_or_else(|| panic!("{channel} is no channel of events"));
                    let on_key = [format!("__keyspace@{database}__:").as_bytes(), &words[3]].concat();
                    assert_eq!(of_key.take(), Some((on_key, name.as_bytes().to_vec())), "before {channel}");
                    let (database, name) = (number(database.as_bytes()), name.to_owned());
                    happenings.push(Happening::Event { database, name, key: words[3].clone() });
                }
                _ => {}
            }
        }
    }
}

/// A connection that got the snapshot, acknowledged it and reads the stream.
fn replica_of(server: &Server) -> Client {
    let mut replica = server.client();
    replica.set_timeout(Some(SHORT)).expect("an open socket");
    replica.send_raw(b"PSYNC ? -1\r\n").expect("a running server");
    let next = |replica: &mut Client| replica.read_line().expect("a synchronisation");
    while !next(&mut replica).starts_with(b"+FULLRESYNC") {}
    let framing = loop {
        let line = next(&mut replica);
        if let Some(framing) = line.strip_prefix(b"$") {
            break framing.to_vec();
        }
    };
    match framing.strip_prefix(b"EOF:") {
        None => drop(replica.read_raw(number(&framing) as usize).expect("the snapshot")),
        Some(mark) => {
            let mut end = replica.read_raw(mark.len()).expect("the snapshot");
            while end != mark {
                end.remove(0);
                end.extend(replica.read_raw(1).expect("the snapshot"));
            }
        }
    }
    replica.send_raw(b"REPLCONF ACK 0\r\n").expect("a running server");
    replica
}

fn number(text: &[u8]) -> u32 {
    String::from_utf8_lossy(text).parse().unwrap_or_else(|_| panic!("{} is no number", text.escape_ascii()))
}

/// Splits a command line as redis-cli does.
pub(crate) fn split(line: &str) -> Vec<Vec<u8>> {
    let mut words = resp::ArgsBuf::new();
    resp::split_inline(line.as_bytes(), &mut words).unwrap_or_else(|_| panic!("quotes in {line}"));
    words.view(b"").iter().map(<[u8]>::to_vec).collect()
}
