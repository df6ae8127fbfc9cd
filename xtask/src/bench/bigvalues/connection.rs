//! A connection that sends large arguments without copying them and throws replies away as they come: the client's own
//! memory and time are not what is measured.

use crate::Outcome;
use crate::bench::servers::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const READ_BYTES: usize = 256 * 1024;

/// One connection.
pub struct Connection(BufReader<TcpStream>);

/// What came back.
pub struct Reply {
    /// Its first line, such as `:5` or `$100`.
    pub head: String,
    /// The bytes of a string, if they were asked for.
    pub bytes: Vec<u8>,
}

impl Connection {
    /// Connects to this server.
    pub fn open(server: &Server) -> Outcome<Connection> {
        let stream = TcpStream::connect(&server.address).and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        Ok(Connection(BufReader::with_capacity(READ_BYTES, stream.map_err(failed)?)))
    }

    /// Sends one command.
    pub fn send(&mut self, words: &[&[u8]]) -> Outcome<()> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            if word.len() > READ_BYTES {
                self.send_raw(&bytes)?;
                self.send_raw(word)?;
                bytes.clear();
            } else {
                bytes.extend_from_slice(word);
            }
            bytes.extend_from_slice(b"\r\n");
        }
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.0.get_mut().write_all(bytes).map_err(failed)
    }

    /// Reads a reply to its end. The bytes of a string are kept only if `keep` says so.
    pub fn reply(&mut self, keep: bool) -> Outcome<Reply> {
        let head = self.line()?;
        let mut bytes = Vec::new();
        let mut left = 0;
        match length(&head) {
            Some((b'$', length)) if keep => {
                bytes.resize(length + 2, 0);
                self.0.read_exact(&mut bytes).map_err(failed)?;
                bytes.truncate(length);
            }
            Some((b'$', length)) => self.skip(length + 2)?,
            Some((_, length)) => left = length,
            None => {}
        }
        // Arrays within arrays are as many lines more.
        while left > 0 {
            left -= 1;
            let line = self.line()?;
            match length(&line) {
                Some((b'$', length)) => self.skip(length + 2)?,
                Some((_, length)) => left += length,
                None => {}
            }
        }
        Ok(Reply { head, bytes })
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            return Err("the server closed the connection".to_owned());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn skip(&mut self, mut length: usize) -> Outcome<()> {
        while length > 0 {
            let there = self.0.fill_buf().map_err(failed)?.len();
            if there == 0 {
                return Err("the server closed the connection".to_owned());
            }
            let taken = there.min(length);
            self.0.consume(taken);
            length -= taken;
        }
        Ok(())
    }
}

/// What the line announces: bytes of a string or elements of an array.
fn length(line: &str) -> Option<(u8, usize)> {
    let kind = *line.as_bytes().first()?;
    // -1 is a null: nothing follows.
    let length = line[1..].parse().ok()?;
    matches!(kind, b'$' | b'*').then_some((kind, length))
}

fn failed(error: std::io::Error) -> String {
    error.to_string()
}
