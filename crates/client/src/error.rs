//! Why a call failed, and whose fault it was.

use resp::{ReplyError, Value};
use std::fmt;
use std::io::ErrorKind;

/// A failed call. Only after [`Error::Reply`] the connection is fit for further use.
#[derive(Debug)]
pub enum Error {
    /// No connection could be made.
    Connect(std::io::Error),
    /// The server closed the connection.
    Closed,
    /// Nothing, or no whole reply, came in time.
    Timeout,
    /// The socket failed.
    Io(std::io::Error),
    /// The server sent bytes that are no reply.
    Protocol(ReplyError),
    /// The server answered with this error; code and text.
    Reply(Vec<u8>),
    /// Something else than a push message came.
    Unexpected(Box<Value>),
}

impl Error {
    pub(crate) fn from_io(error: std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => Error::Closed,
            _ => Error::Io(error),
        }
    }

    /// The text of the server's error reply, if that is what this is.
    pub fn reply(&self) -> Option<&[u8]> {
        match self {
            Error::Reply(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect(error) => write!(f, "cannot connect: {error}"),
            Error::Closed => write!(f, "the server closed the connection"),
            Error::Timeout => write!(f, "no reply in time"),
            Error::Io(error) => write!(f, "connection failed: {error}"),
            Error::Protocol(error) => write!(f, "the server sent no valid reply: {error}"),
            Error::Reply(text) => write!(f, "the server answered: {}", String::from_utf8_lossy(text)),
            Error::Unexpected(value) => write!(f, "a push message was expected, not {value:?}"),
        }
    }
}

impl std::error::Error for Error {}
