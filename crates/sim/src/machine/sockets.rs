//! The sockets of a machine's clients and replicas, and what is overheard on them: a replica's PSYNC and how it is
//! answered.

use std::collections::BTreeMap;
use std::io;

use base::{ReplId, Time};
use node::{ConnId, StreamFacts};

use crate::env::Env;

/// A PSYNC as it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// The id; None: `?`.
    pub replid: Option<ReplId>,
    /// The first byte wanted, counted from 1.
    pub wanted: i64,
    /// The master asks its replica to take over.
    pub failover: bool,
}

impl Asked {
    /// Reads a PSYNC out of what a replica wrote, once all of it is there.
    pub fn find(heard: &[u8]) -> Option<Asked> {
        let at = heard.windows(7).position(|window| window == b"PSYNC\r\n")?;
        let failover = heard[..at].ends_with(b"*4\r\n$5\r\n");
        let mut lines = heard[at..].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let (_, _, id, _, wanted) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        if failover {
            lines.nth(1)?; // The word, behind its length.
        }
        lines.next()?; // Something follows the last line end: it is whole.
        Some(Asked { replid: ReplId::parse(id), wanted: base::numbers::parse_i64(wanted)?, failover })
    }
}

/// How a master must answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// `+CONTINUE`.
    Partial,
    /// Anything but `+CONTINUE`.
    NotPartial,
    /// The byte wanted may still come.
    Either,
}

/// One socket.
struct Socket {
    conn: ConnId,
    heard: Vec<u8>,
    expected: Option<Question>,
    answer: Vec<u8>,
}

/// A PSYNC, and where the master stood when it came.
#[derive(Clone)]
pub(crate) struct Question {
    /// What was asked.
    pub asked: Asked,
    /// What the answer must be.
    pub expected: Expected,
    /// Where the master stood.
    pub facts: StreamFacts,
    /// When that was.
    pub at: Time,
}

/// A PSYNC that was answered.
pub(crate) struct Answered {
    /// What was asked.
    pub question: Question,
    /// The line.
    pub answer: Vec<u8>,
}

/// All sockets of a machine but the one to its master.
#[derive(Default)]
pub(crate) struct Sockets {
    sockets: BTreeMap<u64, Socket>,
    keys: BTreeMap<ConnId, u64>,
    /// Answers to PSYNC that nobody looked at yet.
    pub answered: Vec<Answered>,
}

/// More than this is not kept while waiting for a PSYNC.
const HEARD_MAX: usize = 1024;

impl Sockets {
    /// A connection was accepted.
    pub fn add(&mut self, key: u64, conn: ConnId) {
        let socket = Socket { conn, heard: Vec::new(), expected: None, answer: Vec::new() };
        self.sockets.insert(key, socket);
        self.keys.insert(conn, key);
    }

    /// The connections.
    pub fn keys(&self) -> Vec<u64> {
        self.sockets.keys().copied().collect()
    }

    /// What the node calls a connection.
    pub fn conn(&self, key: u64) -> Option<ConnId> {
        self.sockets.get(&key).map(|socket| socket.conn)
    }

    /// The connection that the node calls that.
    pub fn key(&self, conn: ConnId) -> Option<u64> {
        self.keys.get(&conn).copied()
    }

    /// Forgets a connection.
    pub fn remove(&mut self, conn: ConnId) -> Option<u64> {
        let key = self.keys.remove(&conn)?;
        self.sockets.remove(&key);
        Some(key)
    }

    /// Bytes are about to be given to the node: a PSYNC that they complete.
    pub fn overhear(&mut self, key: u64, bytes: &[u8]) -> Option<Asked> {
        let socket = self.sockets.get_mut(&key)?;
        if socket.expected.is_some() || socket.heard.len() > HEARD_MAX {
            return None;
        }
        socket.heard.extend_from_slice(bytes);
        Asked::find(&socket.heard)
    }

    /// What the answer to a PSYNC must be.
    pub fn expect(&mut self, key: u64, question: Question) {
        if let Some(socket) = self.sockets.get_mut(&key) {
            socket.expected = Some(question);
        }
    }

    /// Writes, listening for the answer.
    pub fn write(&mut self, env: &mut Env, key: u64, bytes: &[u8]) -> io::Result<usize> {
        let count = env.write((key, 1), bytes)?;
        if let Some(socket) = self.sockets.get_mut(&key)
            && let Some(question) = &socket.expected
            && !socket.answer.ends_with(b"\n")
        {
            for byte in &bytes[..count] {
                if *byte == b'\n' && socket.answer.is_empty() {
                    continue; // A keep-alive.
                }
                socket.answer.push(*byte);
                if *byte == b'\n' {
                    self.answered.push(Answered { question: question.clone(), answer: socket.answer.clone() });
                    break;
                }
            }
        }
        Ok(count)
    }
}
