//! Scores as a listpack stores them: integers as integers, others as the shortest text that reads back equal.

use base::numbers::parse_f64;
use smallvec::SmallVec;

use crate::listpack::canonical;
use crate::{Element, Listpack};

/// Integral scores up to this magnitude are stored as integers without asking for their digits.
const INTEGER_MAX: f64 = (i64::MAX / 2) as f64;

/// The text of a score; none is longer than this.
type Text = SmallVec<[u8; 32]>;

/// Writes `score` at `offset` (before what stands there); returns the offset behind it.
pub(super) fn insert_score(listpack: &mut Listpack, offset: usize, score: f64) -> usize {
    match as_integer(score) {
        Some(value) => listpack.insert_at(offset, Element::Int(value)),
        None => listpack.insert_at(offset, canonical(&text(score))),
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

fn text(score: f64) -> Text {
    let mut out = Text::new();
    if score.is_infinite() {
        out.extend_from_slice(if score > 0.0 { b"inf" } else { b"-inf" });
        return out;
    }
    if score < 0.0 {
        out.push(b'-');
    }
    let (digits, exponent) = shortest_digits(score.abs());
    lay_out(&mut out, &digits, exponent);
    out
}

/// The digits, without zeros at either end, and the power of ten that the last of them counts.
fn shortest_digits(score: f64) -> (Text, i32) {
    let mut buffer = zmij::Buffer::new();
    let shown = buffer.format_finite(score);
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((shown, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut exponent: i32 = exponent.parse().expect("the digit printer's exponent is a number");
    exponent -= fraction.len() as i32;
    let mut digits: Text = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0').collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    (digits, exponent)
}

/// The peers' choice between plain and exponent form; read off ZSCORE replies and DUMPs of valkey 8.0.
fn lay_out(out: &mut Text, digits: &[u8], exponent: i32) {
    let count = digits.len() as i32;
    let magnitude = exponent + count - 1;
    if exponent >= 0 && magnitude < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + exponent as usize, b'0');
    } else if exponent < 0 && (exponent > -7 || magnitude.abs() < 4) {
        let whole = count + exponent;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + whole.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            let (whole, fraction) = digits.split_at(whole as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if magnitude < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(magnitude.unsigned_abs()).as_bytes());
    }
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
