//! Both ends of a range of a sorted set, given by rank, score or alphabet, and the ranks that lie between.

use std::ops::Range;

use collections::{LexBound, ZSet};

use crate::context::{clip_range, int};
use crate::error::Error;

/// What the ends of a range are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// Indexes, negative ones from the end.
    Rank,
    /// Scores.
    Score,
    /// Members, compared byte by byte.
    Lex,
}

/// A score at one end of a range.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct ScoreBound {
    value: f64,
    exclusive: bool,
}

/// Both ends of a range, the lower one first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Bounds<'a> {
    /// See [`By::Rank`].
    Rank(i64, i64),
    /// See [`By::Score`].
    Score(ScoreBound, ScoreBound),
    /// See [`By::Lex`].
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads both ends.
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, Error> {
        const NO_SCORE: Error = Error::text("ERR min or max is not a float");
        const NO_LEX: Error = Error::text("ERR min or max not valid string range item");
        Ok(match by {
            By::Rank => Bounds::Rank(int(min)?, int(max)?),
            By::Score => Bounds::Score(score(min).ok_or(NO_SCORE)?, score(max).ok_or(NO_SCORE)?),
            By::Lex => Bounds::Lex(lex(min).ok_or(NO_LEX)?, lex(max).ok_or(NO_LEX)?),
        })
    }

    /// The ascending ranks within the range; empty if there are none.
    pub(super) fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let (start, end) = match self {
            Bounds::Rank(start, end) => {
                let (first, count) = clip_range(*start, *end, zset.len()).unwrap_or((0, 0));
                (first, first + count)
            }
            Bounds::Score(min, max) => {
                (zset.lower_score(min.value, min.exclusive), zset.upper_score(max.value, max.exclusive))
            }
            Bounds::Lex(min, max) => (zset.lower_lex(*min), zset.upper_lex(*max)),
        };
        start..end.max(start)
    }
}

/// Reads `1.5` or `(1.5`. The peers read it with the C library, which skips leading blanks, takes nothing for 0, ends at a
/// NUL and turns what is too large into infinity.
fn score(text: &[u8]) -> Option<ScoreBound> {
    let (exclusive, text) = match text {
        [b'(', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(ScoreBound { value: 0.0, exclusive });
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let value = base::numbers::parse_f64(&text[blanks..])?;
    Some(ScoreBound { value, exclusive })
}

/// Reads `-`, `+`, `[member` or `(member`.
fn lex(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'-'] => Some(LexBound::Min),
        [b'+'] => Some(LexBound::Max),
        [b'[', rest @ ..] => Some(LexBound::Included(rest)),
        [b'(', rest @ ..] => Some(LexBound::Excluded(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_at_an_end_are_read_as_leniently_as_the_peers_do() {
        let read = |text: &[u8]| score(text).map(|bound| (bound.value, bound.exclusive));
        assert_eq!(read(b"1.5"), Some((1.5, false)));
        assert_eq!(read(b"(-inf"), Some((f64::NEG_INFINITY, true)));
        assert_eq!(read(b"( 2"), Some((2.0, true)));
        assert_eq!(read(b""), Some((0.0, false)));
        assert_eq!(read(b"1\0x"), Some((1.0, false)));
        for bad in ["1x", "1 ", "nan", "((1", " "] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }
}
