//! The incremental parser of requests: multibulk and inline.

use crate::args::{ArgRange, ArgsBuf};
use crate::inline::{UnbalancedQuotes, split_inline};
use crate::large::{Arriving, LARGE_ARG_MIN, LargeArg};

/// More bytes than this (64 KiB) without the end of a line are refused: of inline requests, counts and lengths.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most arguments of a request.
const ARGS_MAX: i64 = i32::MAX as i64;

/// Most arguments before authentication.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;

/// Longest argument before authentication: 16 KiB.
const UNAUTHENTICATED_BULK_MAX: u64 = 16 * 1024;

pub(crate) const LINE_END: &[u8] = b"\r\n";

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
    /// The error reply's text, code included and without `-`: `ERR Protocol error: …`, as the peers word it.
    /// It may hold a line end, which [`crate::Reply::error`] replaces.
    pub fn text(&self) -> Vec<u8> {
        let what = match self {
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::TooBigMbulkCountString => "too big mbulk count string",
            ProtocolError::TooBigBulkCountString => "too big bulk count string",
            ProtocolError::TooBigInlineRequest => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::ExpectedDollar(got) => {
                return [b"ERR Protocol error: expected '$', got '", &[*got][..], b"'"].concat();
            }
        };
        format!("ERR Protocol error: {what}").into_bytes()
    }
}

/// How far a half-received request was read.
#[derive(Debug, Default)]
enum Progress {
    /// Not even its first line is whole.
    #[default]
    FirstLine,
    /// Reading arguments.
    Arguments {
        /// How many are still to come, the one being read included.
        left: usize,
        /// Where the present argument's header, or its bytes if `len` is known, begin.
        at: usize,
        /// The present argument's length, once its header was read.
        len: Option<usize>,
    },
}

/// Parses requests out of one connection's input. It remembers how far it got inside a half-received
/// request, so that a large argument arriving in pieces is not scanned again.
///
/// ```text
///   FirstLine ──"*n"──▶ Arguments ──n read──▶ Complete, FirstLine
///       ├──"*0", "*-1", blank──▶ Empty
///       └──any other line──▶ Complete (inline)
/// ```
#[derive(Debug, Default)]
pub struct RequestParser {
    progress: Progress,
    /// Bytes of the line being waited for that were searched for its end already.
    searched: usize,
    /// The arguments read so far, while a request is incomplete.
    partial: Vec<ArgRange>,
    /// Those of them that were received on their own.
    large: Vec<LargeArg>,
    /// The one that is being received on its own.
    arriving: Option<Arriving>,
}

impl RequestParser {
    /// A parser at the beginning of a request.
    pub fn new() -> RequestParser {
        RequestParser::default()
    }

    /// Whether the argument count of a request was read but not yet all of its arguments.
    pub fn is_mid_request(&self) -> bool {
        matches!(self.progress, Progress::Arguments { .. })
    }

    /// Forgets a half-received request: the next input begins with its first byte again. Not to be called once a part
    /// of that was received on its own.
    pub fn restart(&mut self) {
        debug_assert!(self.large.is_empty() && self.arriving.is_none(), "that part would be missing");
        self.progress = Progress::FirstLine;
        self.searched = 0;
        self.partial.clear();
    }

    /// Takes back a whole request of `consumed` bytes that was not carried out, so that the next [`RequestParser::parse`]
    /// yields it once more: what stands apart of it is in no input.
    pub fn take_back(&mut self, args: &mut ArgsBuf, consumed: usize) {
        self.searched = 0;
        std::mem::swap(&mut self.partial, &mut args.ranges);
        std::mem::swap(&mut self.large, &mut args.large);
        args.clear();
        self.progress = Progress::Arguments { left: 0, at: consumed, len: None };
    }

    /// To be called when [`RequestParser::parse`] has left a request incomplete, with what is there of it. If it waits for
    /// a long argument, what is there of that is taken off, and the rest is to be given to
    /// [`RequestParser::receive`] or appended to [`RequestParser::arriving`].
    pub fn set_apart(&mut self, input: &mut Vec<u8>) {
        let Progress::Arguments { at, len: Some(len), .. } = self.progress else { return };
        if len < LARGE_ARG_MIN || self.arriving.is_some() || input.len() < at {
            return;
        }
        let mut arriving = Arriving::new(len);
        arriving.take(&input[at..]);
        input.truncate(at);
        self.arriving = Some(arriving);
    }

    /// Takes those of these bytes that belong to the long argument being received on its own: how many. If that is less
    /// than all, the argument is complete, and the others follow what was parsed last.
    pub fn receive(&mut self, input: &[u8]) -> usize {
        let Some(arriving) = &mut self.arriving else { return 0 };
        let taken = arriving.take(input);
        if arriving.is_complete()
            && let (Progress::Arguments { left, len, .. }, Some(arriving)) = (&mut self.progress, self.arriving.take())
        {
            let large = arriving.into_large();
            self.partial.push(ArgRange::apart(self.large.len(), large.len()));
            self.large.push(large);
            (*left, *len) = (*left - 1, None);
        }
        taken
    }

    /// Whether a long argument is being received on its own, so that the next bytes are for [`RequestParser::receive`].
    pub fn is_receiving(&self) -> bool {
        self.arriving.is_some()
    }

    /// The long argument that is being received on its own and how many bytes it lacks: so many at most may be appended
    /// without [`RequestParser::receive`], for which there is room. What follows them goes the usual way.
    pub fn arriving(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        self.arriving.as_mut().map(Arriving::rest)
    }

    /// Bytes that were taken off the input and belong to no whole request yet, and the memory that they hold.
    pub fn bytes_and_memory(&self) -> (usize, usize) {
        let whole = self.large.iter().map(|large| (large.len(), large.capacity()));
        let all = whole.chain(self.arriving.as_ref().map(Arriving::bytes_and_memory));
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Parses the request at the beginning of `input`. After [`Parsed::Incomplete`] the next call must pass an
    /// input that begins with the same bytes (at whatever address); any `args` will do. After an error the
    /// connection is beyond repair.
    ///
    /// As with the peers, the byte behind a `\r` and the two behind an argument are not looked at.
    pub fn parse(&mut self, input: &[u8], args: &mut ArgsBuf, limits: &ParseLimits) -> Result<Parsed, ProtocolError> {
        args.clear();
        let (left, at, len) = match self.progress {
            Progress::Arguments { left, at, len } => {
                std::mem::swap(&mut self.partial, &mut args.ranges);
                std::mem::swap(&mut self.large, &mut args.large);
                (left, at, len)
            }
            Progress::FirstLine => match input.first() {
                None => return Ok(Parsed::Incomplete { want: None }),
                Some(b'*') => match self.read_count(input, limits)? {
                    Header::Incomplete => return Ok(Parsed::Incomplete { want: None }),
                    Header::Read { number, next } if number <= 0 => return Ok(Parsed::Empty { consumed: next }),
                    Header::Read { number, next } => (number as usize, next, None),
                },
                Some(_) => return self.parse_inline(input, args),
            },
        };
        self.parse_arguments(input, args, limits, left, at, len)
    }

    fn parse_arguments(
        &mut self,
        input: &[u8],
        args: &mut ArgsBuf,
        limits: &ParseLimits,
        mut left: usize,
        mut at: usize,
        mut len: Option<usize>,
    ) -> Result<Parsed, ProtocolError> {
        while left > 0 {
            let known = match (len, short_header(input, at, b'$')) {
                (Some(known), _) => known,
                (None, Some((number, next))) if number as u64 <= limits.bulk_max => {
                    self.searched = 0;
                    at = next;
                    number
                }
                (None, _) => match self.read_bulk_length(input, at, limits)? {
                    Header::Incomplete => return Ok(self.pause(args, left, at, None)),
                    Header::Read { number, next } => {
                        at = next;
                        number as usize
                    }
                },
            };
            let end = at.saturating_add(known).saturating_add(LINE_END.len());
            if input.len() < end {
                return Ok(self.pause(args, left, at, Some(known)));
            }
            args.ranges.push(ArgRange { start: at, len: known });
            at = end;
            len = None;
            left -= 1;
        }
        self.progress = Progress::FirstLine;
        Ok(Parsed::Complete { consumed: at })
    }

    /// Keeps what was read for the next call.
    fn pause(&mut self, args: &mut ArgsBuf, left: usize, at: usize, len: Option<usize>) -> Parsed {
        std::mem::swap(&mut self.partial, &mut args.ranges);
        std::mem::swap(&mut self.large, &mut args.large);
        self.progress = Progress::Arguments { left, at, len };
        Parsed::Incomplete { want: len.map(|len| at.saturating_add(len).saturating_add(LINE_END.len())) }
    }

    fn parse_inline(&mut self, input: &[u8], args: &mut ArgsBuf) -> Result<Parsed, ProtocolError> {
        let Some(end) = self.find_end(input, b'\n').ok_or(ProtocolError::TooBigInlineRequest)? else {
            return Ok(Parsed::Incomplete { want: None });
        };
        split_inline(&input[..end], args).map_err(|UnbalancedQuotes| ProtocolError::UnbalancedQuotes)?;
        let consumed = end + 1;
        Ok(if args.is_empty() { Parsed::Empty { consumed } } else { Parsed::Complete { consumed } })
    }

    /// The `*n` line at the beginning.
    #[inline]
    fn read_count(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Header, ProtocolError> {
        if let Some((number, next)) = short_header(input, 0, b'*')
            && !limits.unauthenticated
        {
            self.searched = 0;
            return Ok(Header::Read { number: number as i64, next });
        }
        self.read_any_count(input, limits)
    }

    fn read_any_count(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Header, ProtocolError> {
        let header = self
            .read_header(input, 0)
            .ok_or(ProtocolError::TooBigMbulkCountString)?
            .ok_or(ProtocolError::InvalidMultibulkLength)?;
        match header {
            Header::Read { number, .. } if number > ARGS_MAX => Err(ProtocolError::InvalidMultibulkLength),
            Header::Read { number, .. } if number > UNAUTHENTICATED_ARGS_MAX && limits.unauthenticated => {
                Err(ProtocolError::UnauthenticatedMultibulkLength)
            }
            header => Ok(header),
        }
    }

    /// The `$n` line at `at`.
    fn read_bulk_length(&mut self, input: &[u8], at: usize, limits: &ParseLimits) -> Result<Header, ProtocolError> {
        let header = self.read_header(input, at).ok_or(ProtocolError::TooBigBulkCountString)?;
        if header == Some(Header::Incomplete) {
            return Ok(Header::Incomplete);
        }
        if input[at] != b'$' {
            return Err(ProtocolError::ExpectedDollar(input[at]));
        }
        match header {
            Some(Header::Read { number, .. }) if number as u64 > UNAUTHENTICATED_BULK_MAX && limits.unauthenticated => {
                let too_long = number < 0 || number as u64 > limits.bulk_max;
                Err(if too_long { ProtocolError::InvalidBulkLength } else { ProtocolError::UnauthenticatedBulkLength })
            }
            Some(header @ Header::Read { number, .. }) if number >= 0 && number as u64 <= limits.bulk_max => Ok(header),
            _ => Err(ProtocolError::InvalidBulkLength),
        }
    }

    /// The number on the line at `at`, behind its first byte. The outer None: the line is too long; the inner:
    /// it is no number.
    fn read_header(&mut self, input: &[u8], at: usize) -> Option<Option<Header>> {
        if let Some((number, next)) = input.get(at + 1..).and_then(short_number) {
            self.searched = 0;
            return Some(Some(Header::Read { number, next: at + 1 + next }));
        }
        let line = &input[at..];
        let Some(end) = self.find_end(line, b'\r')? else {
            return Some(Some(Header::Incomplete));
        };
        if line.len() < end + LINE_END.len() {
            self.searched = end;
            return Some(Some(Header::Incomplete));
        }
        let number = line.get(1..end).and_then(base::numbers::parse_i64);
        Some(number.map(|number| Header::Read { number, next: at + end + LINE_END.len() }))
    }

    /// Where `line` ends. The outer None: not yet, and more than the limit is there; the inner: not yet. As with the peers, a
    /// longer line that is there with its end is none too many.
    fn find_end(&mut self, line: &[u8], mark: u8) -> Option<Option<usize>> {
        let from = std::mem::take(&mut self.searched).min(line.len());
        if let Some(end) = memchr::memchr(mark, &line[from..]) {
            return Some(Some(from + end));
        }
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
        self.searched = line.len();
        Some(None)
    }
}

/// A `*n` or `$n` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Incomplete,
    Read { number: i64, next: usize },
}

/// The line at `at` if it is of this kind, and its number has one or two digits: most have, and a loop over digits costs
/// more. Returns the number, and where the next byte stands.
#[inline(always)]
fn short_header(input: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    // Behind the shortest line there are two bytes more in any case: an argument, or the end of an empty one.
    let line = input.get(at..)?.first_chunk::<5>()?;
    let (first, second) = (line[1].wrapping_sub(b'0'), line[2].wrapping_sub(b'0'));
    if line[0] != kind || first > 9 {
        None
    } else if line[2] == b'\r' {
        Some((usize::from(first), at + 4))
    } else if line[3] == b'\r' && second <= 9 && first > 0 {
        Some((usize::from(first * 10 + second), at + 5))
    } else {
        None
    }
}

/// A line of at most ten digits, read in one go. Anything else is left to the careful way. Returns the number and the
/// bytes taken with the line end.
fn short_number(line: &[u8]) -> Option<(i64, usize)> {
    let mut number = 0;
    for (i, &byte) in line.iter().take(11).enumerate() {
        match byte {
            b'0'..=b'9' if i < 10 && !(i == 1 && number == 0) => number = number * 10 + i64::from(byte - b'0'),
            b'\r' if i > 0 && line.len() > i + 1 => return Some((number, i + LINE_END.len())),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
