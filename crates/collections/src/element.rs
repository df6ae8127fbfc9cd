//! One element of a collection as its encoding holds it: an integer, or bytes.

use std::cmp::Ordering;
use std::fmt;

/// A borrowed element. Equality and order are those of the text, however it is stored.
#[derive(Clone, Copy)]
pub enum Element<'a> {
    /// Stored as a number; its text is the decimal form.
    Int(i64),
    /// Stored as it was given.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// Bytes of the text form.
    pub fn len(&self) -> usize {
        match self {
            Element::Int(value) => decimal_len(*value),
            Element::Bytes(bytes) => bytes.len(),
        }
    }

    /// True for the empty string.
    pub fn is_empty(&self) -> bool {
        matches!(self, Element::Bytes([]))
    }

    /// Runs `f` on the text form, without allocating.
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Int(value) => f(itoa::Buffer::new().format(*value).as_bytes()),
            Element::Bytes(bytes) => f(bytes),
        }
    }

    /// The text form as an owned vector.
    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// Appends the text form to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        self.with_bytes(|bytes| out.extend_from_slice(bytes));
    }

    /// The value if the text is an integer in Redis's strict form.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(*value),
            Element::Bytes(bytes) => base::numbers::parse_i64(bytes),
        }
    }

    /// Order of the text form against `other`, byte by byte.
    pub fn cmp_bytes(&self, other: &[u8]) -> Ordering {
        self.with_bytes(|bytes| bytes.cmp(other))
    }
}

/// Length of the decimal form, sign included.
fn decimal_len(value: i64) -> usize {
    value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1 + usize::from(value < 0)
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Element<'_>) -> bool {
        match (self, other) {
            (Element::Int(a), Element::Int(b)) => a == b,
            (Element::Bytes(a), Element::Bytes(b)) => a == b,
            (Element::Int(_), Element::Bytes(bytes)) => self == *bytes,
            (Element::Bytes(bytes), Element::Int(_)) => other == *bytes,
        }
    }
}

impl Eq for Element<'_> {}

impl PartialEq<[u8]> for Element<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        match self {
            Element::Int(value) => base::numbers::parse_i64(other) == Some(*value),
            Element::Bytes(bytes) => *bytes == other,
        }
    }
}

impl PartialEq<&[u8]> for Element<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_bytes(|bytes| write!(f, "\"{}\"", bytes.escape_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_compare_by_their_text() {
        assert_eq!(Element::Int(-12), Element::Bytes(b"-12"));
        assert_ne!(Element::Int(12), Element::Bytes(b"012"));
        assert_eq!(Element::Int(9).cmp_bytes(b"10"), Ordering::Greater);
    }

    #[test]
    fn the_length_of_an_integer_is_that_of_its_text() {
        for value in [0, 9, 10, -1, -10, 99, 100, i64::MAX, i64::MIN] {
            assert_eq!(Element::Int(value).len(), value.to_string().len(), "{value}");
        }
    }
}
