//! Finds the commands in a file of the append-only kind, one after the other, and where it is damaged.

use std::fmt;
use std::io::{self, Read};

use resp::{Args, ArgsBuf, ParseLimits, Parsed, RequestParser};

use super::header::Header;

/// What is read from the source at once, in bytes.
const READ_BYTES: usize = 256 * 1024;

/// The longest comment line that is waited for.
const COMMENT_BYTES_MAX: usize = 64 * 1024;

/// What was found next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A header of ours.
    Header(Header),
    /// Another comment.
    Comment,
    /// A command: see [`Reader::args`] and [`Reader::bytes`].
    Command,
    /// The end of the file, at the end of a command.
    End,
}

/// Why a file can't be read on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Damage {
    /// It ends inside a command.
    Truncated,
    /// What stands there is no command.
    Format(String),
}

/// Reading failed.
#[derive(Debug)]
pub enum ReadError {
    /// At [`Reader::position`] the file is damaged.
    Damaged(Damage),
    /// The source failed.
    Io(io::Error),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Truncated => f.write_str("the file ends inside a command"),
            Damage::Format(what) => f.write_str(what),
        }
    }
}

/// Reads one file.
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the last item begins and ends in the buffer.
    item: (usize, usize),
    /// The place in the file of the buffer's first byte.
    start: u64,
    ended: bool,
    parser: RequestParser,
    args: ArgsBuf,
}

impl<R: Read> Reader<R> {
    /// Reads from here on.
    pub fn new(source: R) -> Reader<R> {
        Reader {
            source,
            buffer: Vec::new(),
            item: (0, 0),
            start: 0,
            ended: false,
            parser: RequestParser::new(),
            args: ArgsBuf::new(),
        }
    }

    /// The place in the file behind the last item.
    pub fn position(&self) -> u64 {
        self.start + self.item.1 as u64
    }

    /// The arguments of the last item, a command.
    pub fn args(&self) -> Args<'_> {
        self.args.view(self.bytes())
    }

    /// The bytes of the last item.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.item.0..self.item.1]
    }

    /// Goes to the next item.
    pub fn advance(&mut self) -> Result<Found, ReadError> {
        loop {
            let at = self.item.1;
            let rest = &self.buffer[at..];
            let found = match rest.first() {
                None => None,
                Some(b'#') => comment(rest).map_err(ReadError::Damaged)?,
                Some(b'*') => self.command(at).map_err(ReadError::Damaged)?,
                Some(_) => {
                    let what = "what stands there is neither a command nor a comment".to_owned();
                    return Err(ReadError::Damaged(Damage::Format(what)));
                }
            };
            if let Some((found, length)) = found {
                self.item = (at, at + length);
                return Ok(found);
            }
            if self.ended {
                let whole = at == self.buffer.len();
                return if whole { Ok(Found::End) } else { Err(ReadError::Damaged(Damage::Truncated)) };
            }
            self.fill().map_err(ReadError::Io)?;
        }
    }

    /// A command that begins there, if all of it is here.
    fn command(&mut self, at: usize) -> Result<Option<(Found, usize)>, Damage> {
        let limits = ParseLimits { bulk_max: u64::MAX >> 1, unauthenticated: false };
        match self.parser.parse(&self.buffer[at..], &mut self.args, &limits) {
            Ok(Parsed::Complete { consumed })
                if self.args.view(&self.buffer[at..at + consumed]).as_encoded().is_some() =>
            {
                Ok(Some((Found::Command, consumed)))
            }
            Ok(Parsed::Complete { .. }) => {
                Err(Damage::Format("a line of the command does not end in \\r\\n".to_owned()))
            }
            Ok(Parsed::Empty { .. }) => Err(Damage::Format("a command without words".to_owned())),
            Ok(Parsed::Incomplete { .. }) => Ok(None),
            Err(error) => Err(Damage::Format(String::from_utf8_lossy(&error.text()).into_owned())),
        }
    }

    /// Reads more behind what is here, and drops what was used.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.item.1);
        self.start += self.item.1 as u64;
        self.item = (0, 0);
        let before = self.buffer.len();
        let more = READ_BYTES.max(before);
        (&mut self.source).take(more as u64).read_to_end(&mut self.buffer)?;
        self.ended = self.buffer.len() - before < more;
        Ok(())
    }
}

/// A comment line that begins there, if all of it is here.
fn comment(rest: &[u8]) -> Result<Option<(Found, usize)>, Damage> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        let too_long = rest.len() > COMMENT_BYTES_MAX;
        return if too_long { Err(Damage::Format("a comment without an end".to_owned())) } else { Ok(None) };
    };
    let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    Ok(Some((Header::parse(line).map_or(Found::Comment, Found::Header), end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::ReplId;

    /// What is in the bytes: commands as text, and how it ends.
    fn read(bytes: &[u8]) -> (Vec<String>, u64, Option<Damage>) {
        let mut reader = Reader::new(bytes);
        let mut items = Vec::new();
        loop {
            match reader.advance() {
                Ok(Found::End) => return (items, reader.position(), None),
                Ok(Found::Command) => {
                    let words = reader.args().iter().map(|word| String::from_utf8_lossy(word).into_owned());
                    items.push(words.collect::<Vec<_>>().join(" "));
                }
                Ok(Found::Header(header)) => items.push(format!("header at {}", header.offset)),
                Ok(Found::Comment) => items.push("comment".to_owned()),
                Err(ReadError::Damaged(damage)) => return (items, reader.position(), Some(damage)),
                Err(ReadError::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn file() -> Vec<u8> {
        let header = Header { replid: ReplId::from_entropy([3; 20]), offset: 500, selected_db: Some(3) };
        let mut bytes = header.encode();
        bytes.extend_from_slice(b"#TS:1700000000\r\n");
        let long = vec![b'x'; 3 * READ_BYTES];
        resp::encode::command(&mut bytes, &[b"SET", b"k", b"v"]);
        resp::encode::command(&mut bytes, &[b"SET", b"long", &long]);
        resp::encode::command(&mut bytes, &[b"DEL", b"k"]);
        bytes
    }

    #[test]
    fn a_whole_file_gives_its_commands() {
        let bytes = file();
        let (items, end, damage) = read(&bytes);
        assert_eq!(items.len(), 6);
        assert_eq!(items[..4], ["header at 500", "SELECT 3", "comment", "SET k v"]);
        assert_eq!((items[5].as_str(), end, damage), ("DEL k", bytes.len() as u64, None));
        assert_eq!(read(b""), (vec![], 0, None));
    }

    #[test]
    fn a_cut_file_says_where_its_last_whole_command_ends() {
        let bytes = file();
        let last = bytes.len() - "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n".len();
        for cut in last + 1..bytes.len() {
            assert_eq!(read(&bytes[..cut]).1..=last as u64, last as u64..=last as u64, "cut at {cut}");
            assert_eq!(read(&bytes[..cut]).2, Some(Damage::Truncated), "cut at {cut}");
        }
        assert_eq!(read(&bytes[..last]).2, None);
    }

    #[test]
    fn what_is_no_command_is_refused_where_it_stands() {
        let mut bytes = file();
        let at = bytes.len() as u64;
        for damage in [
            &b"SET k v\r\n"[..],
            b"\0\0\0",
            b"*x\r\n",
            b"*1\r\n:1\r\n",
            b"*0\r\n",
            b"*1\rX$4\r\nPING\r\n",
            b"*1\r\n$4\r\nPING\rX",
        ] {
            bytes.truncate(at as usize);
            bytes.extend_from_slice(damage);
            let (_, position, found) = read(&bytes);
            assert!(matches!(found, Some(Damage::Format(_))), "{damage:?}: {found:?}");
            assert_eq!(position, at);
        }
    }
}
