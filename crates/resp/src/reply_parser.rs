//! The incremental parser of replies, for whoever talks to another server: replica links, tools, tests.

use crate::value::Value;
use base::numbers;
use std::borrow::Cow;

/// What a reply may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Aggregates inside aggregates.
    pub depth_max: usize,
    /// Longest bulk string in bytes.
    pub bulk_max: u64,
    /// Elements of one reply, all levels together.
    pub elements_max: u64,
    /// Longest line (simple strings, errors, numbers) in bytes.
    pub line_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> ReplyLimits {
        ReplyLimits { depth_max: 128, bulk_max: 1 << 40, elements_max: 1 << 32, line_max: 1024 * 1024 }
    }
}

/// The other server's bytes are no reply; the connection is beyond repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// No reply begins with this byte.
    UnknownType(u8),
    /// A length, number, boolean or null that cannot be read.
    Malformed,
    /// A bulk string is not followed by `\r\n`.
    MissingLineEnd,
    /// One of the [`ReplyLimits`] is exceeded.
    TooLarge,
}

impl std::fmt::Display for ReplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplyError::UnknownType(byte) => write!(f, "no reply begins with '{}'", byte.escape_ascii()),
            ReplyError::Malformed => write!(f, "malformed length or number"),
            ReplyError::MissingLineEnd => write!(f, "bulk string without line end"),
            ReplyError::TooLarge => write!(f, "reply exceeds a limit"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Reads replies from bytes in whatever pieces they arrive. It keeps what it has taken, so the caller needs
/// no buffer of its own.
#[derive(Debug, Default)]
pub struct ReplyParser {
    limits: ReplyLimits,
    /// The part of a line that has arrived.
    line: Vec<u8>,
    /// The bulk string being received.
    bulk: Option<PartialBulk>,
    /// The aggregates being received, outermost first.
    stack: Vec<PartialAggregate>,
    /// Elements announced by the aggregates of this reply.
    elements: u64,
}

#[derive(Debug)]
struct PartialBulk {
    kind: u8,
    /// Length without the line end.
    len: usize,
    /// What has arrived, the line end included.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct PartialAggregate {
    kind: u8,
    /// Elements to come; a pair counts as two.
    left: u64,
    items: Vec<Value>,
}

/// What one line, or one bulk string, amounts to.
enum Step {
    Value(Value),
    /// An aggregate or a bulk string has begun.
    Begun,
}

impl ReplyParser {
    /// A parser at the beginning of a reply.
    pub fn new(limits: ReplyLimits) -> ReplyParser {
        ReplyParser { limits, ..ReplyParser::default() }
    }

    /// Whether a reply has been begun but not completed.
    pub fn is_mid_reply(&self) -> bool {
        !self.line.is_empty() || self.bulk.is_some() || !self.stack.is_empty()
    }

    /// Takes bytes off the front of `input` until a reply is whole (then the rest is left in `input`) or the
    /// input is used up (then None). Attributes are read and dropped.
    pub fn parse(&mut self, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        loop {
            let step = match self.bulk.take() {
                Some(bulk) => match self.continue_bulk(bulk, input)? {
                    Some(value) => Step::Value(value),
                    None => return Ok(None),
                },
                None => match self.take_line(input)? {
                    Some(line) => self.read_line(&line)?,
                    None => return Ok(None),
                },
            };
            if let Step::Value(value) = step
                && let Some(whole) = self.place(value)
            {
                self.elements = 0;
                return Ok(Some(whole));
            }
        }
    }

    /// The next line without its end; None while it has none, when all input is kept.
    fn take_line<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, ReplyError> {
        let end = memchr::memchr(b'\n', input);
        let (part, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        if self.line.len() + part.len() > self.limits.line_max {
            return Err(ReplyError::TooLarge);
        }
        if end.is_none() {
            self.line.extend_from_slice(part);
            return Ok(None);
        }
        if self.line.is_empty() {
            let line = part.strip_suffix(b"\r\n").ok_or(ReplyError::Malformed)?;
            return Ok(Some(Cow::Borrowed(line)));
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(part);
        if !line.ends_with(b"\r\n") {
            return Err(ReplyError::Malformed);
        }
        line.truncate(line.len() - 2);
        Ok(Some(Cow::Owned(line)))
    }

    fn read_line(&mut self, line: &[u8]) -> Result<Step, ReplyError> {
        let Some((&kind, text)) = line.split_first() else { return Err(ReplyError::UnknownType(b'\r')) };
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Int(numbers::parse_i64(text).ok_or(ReplyError::Malformed)?),
            b',' => Value::Double(parse_double(text).ok_or(ReplyError::Malformed)?),
            b'(' => Value::BigNumber(text.to_vec()),
            b'_' if text.is_empty() => Value::Null,
            b'#' if text == b"t" => Value::Bool(true),
            b'#' if text == b"f" => Value::Bool(false),
            b'$' if text == b"-1" => Value::Null,
            b'*' if text == b"-1" => Value::NullArray,
            b'$' | b'=' | b'!' => {
                let len = numbers::parse_u64(text).ok_or(ReplyError::Malformed)?;
                return self.begin_bulk(kind, len);
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = numbers::parse_u64(text).ok_or(ReplyError::Malformed)?;
                return self.begin_aggregate(kind, count);
            }
            b'_' | b'#' => return Err(ReplyError::Malformed),
            other => return Err(ReplyError::UnknownType(other)),
        };
        Ok(Step::Value(value))
    }

    fn begin_bulk(&mut self, kind: u8, len: u64) -> Result<Step, ReplyError> {
        if len > self.limits.bulk_max {
            return Err(ReplyError::TooLarge);
        }
        let len = usize::try_from(len).ok().filter(|len| *len < isize::MAX as usize).ok_or(ReplyError::TooLarge)?;
        self.bulk = Some(PartialBulk { kind, len, bytes: Vec::new() });
        Ok(Step::Begun)
    }

    /// Takes what is there of a bulk string. Memory grows with what arrives, never with what is announced.
    fn continue_bulk(&mut self, mut bulk: PartialBulk, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        let missing = bulk.len + 2 - bulk.bytes.len();
        let (part, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        bulk.bytes.extend_from_slice(part);
        if part.len() < missing {
            self.bulk = Some(bulk);
            return Ok(None);
        }
        if !bulk.bytes.ends_with(b"\r\n") {
            return Err(ReplyError::MissingLineEnd);
        }
        bulk.bytes.truncate(bulk.len);
        match bulk.kind {
            b'$' => Ok(Some(Value::Bulk(bulk.bytes))),
            b'!' => Ok(Some(Value::Error(bulk.bytes))),
            _ => match bulk.bytes.split_at_checked(4) {
                Some(([a, b, c, b':'], text)) => {
                    Ok(Some(Value::Verbatim { format: [*a, *b, *c], text: text.to_vec() }))
                }
                _ => Err(ReplyError::Malformed),
            },
        }
    }

    fn begin_aggregate(&mut self, kind: u8, count: u64) -> Result<Step, ReplyError> {
        let left = if matches!(kind, b'%' | b'|') { count.checked_mul(2) } else { Some(count) };
        let left = left.ok_or(ReplyError::TooLarge)?;
        self.elements = self.elements.saturating_add(left);
        if self.elements > self.limits.elements_max || self.stack.len() >= self.limits.depth_max {
            return Err(ReplyError::TooLarge);
        }
        if left == 0 {
            return Ok(if kind == b'|' { Step::Begun } else { Step::Value(aggregate(kind, Vec::new())) });
        }
        self.stack.push(PartialAggregate { kind, left, items: Vec::new() });
        Ok(Step::Begun)
    }

    /// Puts a value where it belongs; returns the reply if that made it whole.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(innermost) = self.stack.last_mut() else { return Some(value) };
            innermost.items.push(value);
            innermost.left -= 1;
            if innermost.left > 0 {
                return None;
            }
            let PartialAggregate { kind, items, .. } = self.stack.pop().expect("it was just looked at");
            if kind == b'|' {
                return None;
            }
            value = aggregate(kind, items);
        }
    }
}

fn aggregate(kind: u8, items: Vec<Value>) -> Value {
    match kind {
        b'*' => Value::Array(items),
        b'~' => Value::Set(items),
        b'>' => Value::Push(items),
        _ => {
            let mut items = items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
    }
}

fn parse_double(text: &[u8]) -> Option<f64> {
    if text == b"nan" || text == b"-nan" {
        return Some(f64::NAN);
    }
    numbers::parse_f64(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All replies in `bytes`, fed in pieces of `step`.
    fn parse_all(bytes: &[u8], step: usize) -> Result<Vec<Value>, ReplyError> {
        let mut parser = ReplyParser::new(ReplyLimits::default());
        let mut values = Vec::new();
        for mut piece in bytes.chunks(step) {
            while let Some(value) = parser.parse(&mut piece)? {
                values.push(value);
            }
            assert!(piece.is_empty(), "without a whole reply all input is taken");
        }
        Ok(values)
    }

    const EVERYTHING: &[u8] = b"+OK\r\n-ERR no\r\n:-7\r\n$5\r\nhe\r\nl\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n*0\r\n\
        *2\r\n*1\r\n:1\r\n$1\r\nx\r\n%1\r\n+k\r\n~1\r\n#t\r\n>2\r\n+message\r\n#f\r\n,1.5\r\n,-inf\r\n(123456\r\n\
        =6\r\ntxt:hi\r\n!6\r\nERR no\r\n|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+a\r\n+b\r\n:9\r\n";

    #[test]
    fn every_kind_reads_the_same_in_pieces_of_any_size() {
        let text = |text: &str| text.as_bytes().to_vec();
        let expected = vec![
            Value::Simple(text("OK")),
            Value::Error(text("ERR no")),
            Value::Int(-7),
            Value::Bulk(text("he\r\nl")),
            Value::Bulk(vec![]),
            Value::Null,
            Value::NullArray,
            Value::Null,
            Value::Array(vec![]),
            Value::Array(vec![Value::Array(vec![Value::Int(1)]), Value::Bulk(text("x"))]),
            Value::Map(vec![(Value::Simple(text("k")), Value::Set(vec![Value::Bool(true)]))]),
            Value::Push(vec![Value::Simple(text("message")), Value::Bool(false)]),
            Value::Double(1.5),
            Value::Double(f64::NEG_INFINITY),
            Value::BigNumber(text("123456")),
            Value::Verbatim { format: *b"txt", text: text("hi") },
            Value::Error(text("ERR no")),
            Value::Array(vec![Value::Int(9)]),
        ];
        for step in 1..=EVERYTHING.len() {
            assert_eq!(parse_all(EVERYTHING, step).as_ref(), Ok(&expected), "in pieces of {step}");
        }
    }

    #[test]
    fn garbage_is_refused_with_the_reason() {
        for (bytes, error) in [
            (&b"hello\r\n"[..], ReplyError::UnknownType(b'h')),
            (b":1x\r\n", ReplyError::Malformed),
            (b"+OK\n", ReplyError::Malformed),
            (b"$3\r\nabcde", ReplyError::MissingLineEnd),
            (b"$-2\r\n", ReplyError::Malformed),
            (b"=2\r\nab\r\n", ReplyError::Malformed),
            (b"#x\r\n", ReplyError::Malformed),
            (b"*9223372036854775807\r\n", ReplyError::TooLarge),
            (b"$9223372036854775807\r\n", ReplyError::TooLarge),
            (&b"*1\r\n".repeat(200), ReplyError::TooLarge),
            (&[b'+'; 2_000_000], ReplyError::TooLarge),
        ] {
            assert_eq!(parse_all(bytes, 4096), Err(error));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(&b"+-:$*%~>|,#_(=!0123456789\r\n\r\n"[..]), any::<u8>()], 0..200), step in 1usize..20) {
            let _ = parse_all(&bytes, step);
        }
    }
}
