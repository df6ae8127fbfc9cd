//! A connection that keeps replies as the bytes they came in: what differs in a byte differs, whatever it reads as.

use client::Value;
use resp::{ReplyLimits, ReplyParser};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A command as its words.
pub type Command = Vec<Vec<u8>>;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// Longest wait for a reply; no command of the comparison waits for anything long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// One reply, as bytes and as what they read as.
pub struct RawReply {
    pub bytes: Vec<u8>,
    pub value: Value,
}

/// One connection to one server.
pub struct Wire {
    name: &'static str,
    stream: TcpStream,
    parser: ReplyParser,
    input: Vec<u8>,
    input_at: usize,
}

impl Wire {
    /// Connects to a loopback address. Panics if nobody listens there.
    pub fn connect(name: &'static str, address: &str) -> Wire {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{name}: {error}"));
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a socket option");
        Wire { name, stream, parser: ReplyParser::new(ReplyLimits::default()), input: Vec::new(), input_at: 0 }
    }

    /// Sends commands without waiting.
    pub fn send(&mut self, commands: &[Command]) {
        let mut bytes = Vec::new();
        for command in commands {
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            resp::encode::command(&mut bytes, &words);
        }
        self.stream.write_all(&bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Sends one command and waits for its reply.
    pub fn call(&mut self, words: &[&[u8]]) -> RawReply {
        self.send(&[words.iter().map(|word| word.to_vec()).collect()]);
        self.reply()
    }

    /// The next reply.
    pub fn reply(&mut self) -> RawReply {
        let mut bytes = Vec::new();
        loop {
            let mut rest = &self.input[self.input_at..];
            let parsed = self.parser.parse(&mut rest);
            let end = self.input.len() - rest.len();
            bytes.extend_from_slice(&self.input[self.input_at..end]);
            self.input_at = end;
            match parsed {
                Ok(Some(value)) => return RawReply { bytes, value },
                Ok(None) => self.fill(),
                Err(error) => panic!("{}: {error} in {}", self.name, bytes.escape_ascii()),
            }
        }
    }

    fn fill(&mut self) {
        self.input.resize(READ_BYTES, 0);
        self.input_at = 0;
        match self.stream.read(&mut self.input) {
            Ok(0) => panic!("{} closed the connection", self.name),
            Ok(read) => self.input.truncate(read),
            Err(error) => panic!("{}: {error}", self.name),
        }
    }
}
