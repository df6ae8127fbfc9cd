//! Ids as arguments and replies have them.

use collections::StreamId;

use crate::error::Error;

const INVALID: Error = Error::text("ERR Invalid stream ID specified as stream command argument");

/// Longer texts are no id.
const TEXT_BYTES_MAX: usize = 127;

/// Reads an id whose number may be left out: then it is `seq`.
pub(super) fn parse(text: &[u8], seq: u64) -> Result<StreamId, Error> {
    match split(text)? {
        (ms, None) => Ok(StreamId::new(number(ms)?, seq)),
        (ms, Some(given)) => Ok(StreamId::new(number(ms)?, number(given)?)),
    }
}

/// Reads an id whose number is zero if it is left out.
pub(super) fn exact(text: &[u8]) -> Result<StreamId, Error> {
    parse(text, 0)
}

/// The first id of a range: `-`, `+`, an id, or `(` and an id that is not in it.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId, Error> {
    match bound(text, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or(Error::text("ERR invalid start ID for the interval")),
    }
}

/// The last id of a range.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId, Error> {
    match bound(text, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.previous().ok_or(Error::text("ERR invalid end ID for the interval")),
    }
}

fn bound(text: &[u8], seq: u64) -> Result<(StreamId, bool), Error> {
    match text {
        b"-" => Ok((StreamId::MIN, false)),
        b"+" => Ok((StreamId::MAX, false)),
        [b'(', id @ ..] if !id.is_empty() => Ok((parse(id, seq)?, true)),
        id => Ok((parse(id, seq)?, false)),
    }
}

/// The id that XADD is to give an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NewId {
    /// The present moment.
    Now,
    /// This time, and the number that comes next in it.
    Within(u64),
    /// This one.
    Exactly(StreamId),
}

impl NewId {
    pub(super) fn parse(text: &[u8]) -> Result<NewId, Error> {
        match (text, split(text)) {
            (b"*", _) => Ok(NewId::Now),
            (_, Ok((ms, Some(b"*")))) => Ok(NewId::Within(number(ms)?)),
            _ => Ok(NewId::Exactly(exact(text)?)),
        }
    }

    /// The id of an entry that is added at `now_ms` behind `last`.
    pub(super) fn resolve(self, last: StreamId, now_ms: i64) -> Result<StreamId, Error> {
        if last == StreamId::MAX {
            return Err(Error::text("ERR The stream has exhausted the last possible ID, unable to add more items"));
        }
        let now_ms = now_ms.max(0) as u64;
        let id = match self {
            NewId::Now if now_ms > last.ms => Some(StreamId::new(now_ms, 0)),
            NewId::Now => last.next(),
            NewId::Within(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| StreamId::new(ms, seq)),
            NewId::Within(ms) => Some(StreamId::new(ms, 0)),
            NewId::Exactly(id) => Some(id),
        };
        id.filter(|id| *id > last)
            .ok_or(Error::text("ERR The ID specified in XADD is equal or smaller than the target stream top item"))
    }
}

/// Time and number, as far as there is one. The peers read a C string, which ends at a zero byte.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(INVALID);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    match text.iter().position(|byte| *byte == b'-') {
        Some(at) => Ok((&text[..at], Some(&text[at + 1..]))),
        None => Ok((text, None)),
    }
}

/// An unsigned number as C's `strtoull` reads it, with which the peers read what is not in strict decimal form: leading
/// space, a sign, zeros in front; a negative number wraps around.
fn number(text: &[u8]) -> Result<u64, Error> {
    if let Some(number) = base::numbers::parse_u64(text) {
        return Ok(number);
    }
    if base::numbers::parse_i64(text).is_some() {
        return Err(INVALID);
    }
    let digits = text.trim_ascii_start();
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, digits),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    let number = digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    let number = number.ok_or(INVALID)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// The text of an id, on the stack.
pub(super) struct IdText {
    bytes: [u8; 41],
    len: usize,
}

impl IdText {
    pub(super) fn new(id: StreamId) -> IdText {
        let mut text = IdText { bytes: [0; 41], len: 0 };
        text.push(itoa::Buffer::new().format(id.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(id.seq).as_bytes());
        text
    }

    /// The text of a number, where it stands in for an id.
    pub(super) fn of_number(number: u64) -> IdText {
        let mut text = IdText { bytes: [0; 41], len: 0 };
        text.push(itoa::Buffer::new().format(number).as_bytes());
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_c_library_does() {
        for (text, expected) in [
            ("7-8", StreamId::new(7, 8)),
            ("007-008", StreamId::new(7, 8)),
            (" 7", StreamId::new(7, 0)),
            ("+7-+8", StreamId::new(7, 8)),
            ("7- -3", StreamId::new(7, u64::MAX - 2)),
            ("7-8\0junk", StreamId::new(7, 8)),
        ] {
            assert_eq!(exact(text.as_bytes()), Ok(expected), "{text:?}");
        }
        for text in ["", "-", "+", "7-", "-7", "7--3", "7-8-9", "7 ", "18446744073709551616", "7-*", "(7"] {
            assert!(exact(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_longest_id_has_room() {
        let text = "18446744073709551615-18446744073709551615";
        assert_eq!(IdText::new(StreamId::MAX).as_bytes(), text.as_bytes());
    }
}
