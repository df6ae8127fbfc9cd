//! A small blocking RESP client for our own tools and tests: one connection, commands and pipelines, push
//! messages kept apart from replies. It has no reconnecting, no cluster routing and no TLS.

#![allow(clippy::disallowed_methods, reason = "a client of tools and tests: real sockets and a clock are its purpose")]

mod error;

pub use error::Error;
pub use resp::Value;

use resp::{ReplyLimits, ReplyParser, encode};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most push messages kept while nobody asks for them; the oldest are dropped.
const PUSHES_MAX: usize = 100_000;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A connection to one server.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    parser: ReplyParser,
    /// What was read from the socket; `input[input_at..]` is not parsed yet.
    input: Vec<u8>,
    input_at: usize,
    pushes: VecDeque<Value>,
    timeout: Option<Duration>,
}

impl Client {
    /// Connects to `host:port`. `timeout` bounds the connecting and, until [`Client::set_timeout`], every reply.
    pub fn connect(address: &str, timeout: Duration) -> Result<Client, Error> {
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs().map_err(Error::Connect)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(Error::Connect)?;
                    return Client::over(Stream::Tcp(stream), timeout);
                }
                Err(error) => last = error,
            }
        }
        Err(Error::Connect(last))
    }

    /// Connects to a Unix socket; `timeout` as for [`Client::connect`], except that connecting is immediate.
    pub fn connect_unix(path: &Path, timeout: Duration) -> Result<Client, Error> {
        Client::over(Stream::Unix(UnixStream::connect(path).map_err(Error::Connect)?), timeout)
    }

    fn over(stream: Stream, timeout: Duration) -> Result<Client, Error> {
        let mut client = Client {
            stream,
            parser: ReplyParser::new(ReplyLimits::default()),
            input: Vec::new(),
            input_at: 0,
            pushes: VecDeque::new(),
            timeout: None,
        };
        client.set_timeout(Some(timeout))?;
        Ok(client)
    }

    /// How long to wait for a reply, None for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.timeout = timeout;
        self.stream.set_write_timeout(timeout.map(at_least_a_millisecond)).map_err(Error::Io)
    }

    /// Authenticates; without a user as the default one.
    pub fn auth(&mut self, user: Option<&str>, password: &str) -> Result<(), Error> {
        let reply = match user {
            Some(user) => self.call(&[b"AUTH", user.as_bytes(), password.as_bytes()]),
            None => self.call(&[b"AUTH", password.as_bytes()]),
        };
        reply.map(drop)
    }

    /// Changes to RESP3; the reply tells of the server.
    pub fn hello3(&mut self) -> Result<Value, Error> {
        self.call(&[b"HELLO", b"3"])
    }

    /// Sends a command and waits for its reply, an error reply being a reply like others. Push messages that
    /// arrive meanwhile are kept for [`Client::next_push`].
    pub fn command(&mut self, args: &[&[u8]]) -> Result<Value, Error> {
        self.send(args)?;
        self.reply()
    }

    /// As [`Client::command`], but an error reply is an [`Error::Reply`].
    pub fn call(&mut self, args: &[&[u8]]) -> Result<Value, Error> {
        match self.command(args)? {
            Value::Error(text) => Err(Error::Reply(text)),
            value => Ok(value),
        }
    }

    /// A command of words separated by spaces, for tests: `client.line("SET k v")`.
    pub fn line(&mut self, words: &str) -> Result<Value, Error> {
        let args: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        self.command(&args)
    }

    /// Sends all commands at once and waits for all replies.
    pub fn pipeline<'a>(&mut self, commands: impl IntoIterator<Item = &'a [&'a [u8]]>) -> Result<Vec<Value>, Error> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for args in commands {
            encode::command(&mut bytes, args);
            count += 1;
        }
        self.send_raw(&bytes)?;
        (0..count).map(|_| self.reply()).collect()
    }

    /// Sends a command without waiting.
    pub fn send(&mut self, args: &[&[u8]]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, args);
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(Error::from_io)
    }

    /// The next reply to what was sent.
    pub fn reply(&mut self) -> Result<Value, Error> {
        let deadline = self.deadline();
        loop {
            match self.next_value(deadline)? {
                push @ Value::Push(_) => self.keep_push(push),
                value => return Ok(value),
            }
        }
    }

    /// The next push message (RESP3: messages of a subscription, invalidations), waiting for it as for a reply.
    /// In RESP2 subscriptions answer with arrays: use [`Client::reply`].
    pub fn next_push(&mut self) -> Result<Value, Error> {
        if let Some(push) = self.pushes.pop_front() {
            return Ok(push);
        }
        match self.next_value(self.deadline())? {
            push @ Value::Push(_) => Ok(push),
            reply => Err(Error::Unexpected(Box::new(reply))),
        }
    }

    /// Whatever comes next, reply or push message, as a monitor of a connection wants it.
    pub fn next_message(&mut self) -> Result<Value, Error> {
        match self.pushes.pop_front() {
            Some(push) => Ok(push),
            None => self.next_value(self.deadline()),
        }
    }

    /// Waits for `length` bytes that are not RESP, such as a part of a snapshot.
    pub fn read_raw(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let deadline = self.deadline();
        while self.input.len() - self.input_at < length {
            self.fill(deadline)?;
        }
        let from = self.input_at;
        self.input_at += length;
        Ok(self.input[from..self.input_at].to_vec())
    }

    /// Waits for a line that is not RESP, such as `+FULLRESYNC …`, and returns it without its end.
    pub fn read_line(&mut self) -> Result<Vec<u8>, Error> {
        let deadline = self.deadline();
        loop {
            if let Some((line, length)) = resp::read_line(&self.input[self.input_at..]) {
                let line = line.to_vec();
                self.input_at += length;
                return Ok(line);
            }
            self.fill(deadline)?;
        }
    }

    fn keep_push(&mut self, push: Value) {
        if self.pushes.len() == PUSHES_MAX {
            self.pushes.pop_front();
        }
        self.pushes.push_back(push);
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|timeout| Instant::now() + timeout)
    }

    fn next_value(&mut self, deadline: Option<Instant>) -> Result<Value, Error> {
        loop {
            let mut rest = &self.input[self.input_at..];
            let parsed = self.parser.parse(&mut rest);
            self.input_at = self.input.len() - rest.len();
            if let Some(value) = parsed.map_err(Error::Protocol)? {
                return Ok(value);
            }
            self.fill(deadline)?;
        }
    }

    /// Reads more of the socket behind what is not parsed yet.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        let left = match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Error::Timeout);
                }
                Some(at_least_a_millisecond(left))
            }
            None => None,
        };
        self.stream.set_read_timeout(left).map_err(Error::Io)?;
        self.input.drain(..self.input_at);
        self.input_at = 0;
        let filled = self.input.len();
        self.input.resize(filled + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[filled..]);
        self.input.truncate(filled + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(Error::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(Error::from_io(error)),
        }
    }
}

/// A timeout of zero would mean none at all to the socket.
fn at_least_a_millisecond(span: Duration) -> Duration {
    span.max(Duration::from_millis(1))
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(timeout),
            Stream::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_write_timeout(timeout),
            Stream::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
