//! The incremental parser of requests: multibulk and inline.

use crate::args::{ArgRange, ArgsBuf};

/// What a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_max: u64,
    /// Whether the client still has to authenticate: then 10 arguments of 16 KiB are the most it may send.
    pub unauthenticated: bool,
}

impl Default for ParseLimits {
    fn default() -> ParseLimits {
        ParseLimits { bulk_max: 512 * 1024 * 1024, unauthenticated: false }
    }
}

/// What stood at the beginning of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole request of `consumed` bytes; its arguments are in the `ArgsBuf`.
    Complete {
        /// Bytes of the input that the request took.
        consumed: usize,
    },
    /// `consumed` bytes that ask for nothing: an empty line, `*0` or `*-1`.
    Empty {
        /// Bytes of the input to drop.
        consumed: usize,
    },
    /// Only a part; call again with the same bytes and more behind them.
    Incomplete {
        /// How many bytes, from the request's first, are needed at least to get further, if that is known.
        want: Option<usize>,
    },
}

/// The client's bytes are no request. Reply [`ProtocolError::text`] and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The argument count is no number or too large.
    InvalidMultibulkLength,
    /// An argument length is no number, negative or above `bulk_max`.
    InvalidBulkLength,
    /// More than 10 arguments before authentication.
    UnauthenticatedMultibulkLength,
    /// An argument above 16 KiB before authentication.
    UnauthenticatedBulkLength,
    /// An argument did not begin with `$` but with this byte.
    ExpectedDollar(u8),
    /// The line with the argument count does not end within 64 KiB.
    TooBigMbulkCountString,
    /// The line with an argument's length does not end within 64 KiB.
    TooBigBulkCountString,
    /// The inline request does not end within 64 KiB.
    TooBigInlineRequest,
    /// A quote of an inline request is not closed.
    UnbalancedQuotes,
}

impl ProtocolError {
    /// The error reply's text, code included and without `-`: `ERR Protocol error: …`.
    pub fn text(&self) -> Vec<u8> {
        todo!()
    }
}

/// Parses requests out of one connection's input. It remembers how far it got inside a half-received
/// request, so that a large argument arriving in pieces is not scanned again.
#[derive(Debug, Default)]
pub struct RequestParser {
    partial: Vec<ArgRange>,
}

impl RequestParser {
    /// A parser at the beginning of a request.
    pub fn new() -> RequestParser {
        RequestParser::default()
    }

    /// Whether a request has been begun but not completed.
    pub fn is_mid_request(&self) -> bool {
        todo!()
    }

    /// Parses the request at the beginning of `input`. After [`Parsed::Incomplete`] the next call must pass an
    /// input that begins with the same bytes (at whatever address); any `args` will do. After an error the
    /// connection is beyond repair.
    pub fn parse(&mut self, input: &[u8], args: &mut ArgsBuf, limits: &ParseLimits) -> Result<Parsed, ProtocolError> {
        let _ = (&self.partial, input, args, limits);
        todo!()
    }
}
