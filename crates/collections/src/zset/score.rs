//! Scores as a listpack stores them: integers as integers, others as text.

use base::numbers::{F64Text, parse_f64};

use crate::listpack::canonical;
use crate::{Element, Listpack};

/// Integral scores up to this magnitude are stored as integers without asking for their digits.
const INTEGER_MAX: f64 = (i64::MAX / 2) as f64;

/// Writes `score` at `offset` (before what stands there); returns the offset behind it.
pub(super) fn insert_score(listpack: &mut Listpack, offset: usize, score: f64) -> usize {
    match as_integer(score) {
        Some(value) => listpack.insert_at(offset, Element::Int(value)),
        None => listpack.insert_at(offset, canonical(F64Text::new(score).as_bytes())),
    }
}

/// Reads a stored score; `None` if the element is none.
pub(super) fn read_score(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Int(value) => Some(value as f64),
        Element::Bytes(text) => parse_f64(text),
    }
}

fn as_integer(score: f64) -> Option<i64> {
    (score.abs() <= INTEGER_MAX && score == score.trunc()).then_some(score as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_laid_out_as_a_peer_does() {
        // ZADD, then DUMP, on valkey 8.0.
        for (score, shown) in [
            (12345.678901234567, "1.2345678901234567e+4"),
            (0.1234567890123, "0.1234567890123"),
            (-1.5, "-1.5"),
            (8.123456789012345e18, "8123456789012345000"),
            (5e18, "5e+18"),
            (1e20, "1e+20"),
            (-1e-7, "-1e-7"),
            (1.5e-7, "1.5e-7"),
            (f64::NEG_INFINITY, "-inf"),
            (4611686018427387905.0, "4611686018427387904"),
            (-4611686018427387904.0, "-4611686018427387904"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (0.000001, "0.000001"),
            (123456789.123, "123456789.123"),
            (-0.0, "0"),
        ] {
            let mut listpack = Listpack::new();
            let end = listpack.end();
            insert_score(&mut listpack, end, score);
            let stored = listpack.get(0).unwrap();
            assert_eq!(String::from_utf8(stored.to_vec()).unwrap(), shown);
            assert_eq!(read_score(stored), Some(score));
        }
    }
}
