//! What a data command gets: one database at one frozen moment, the reply, and a source of random numbers. No
//! client, no configuration, no socket: so scripts, replay and the replica's apply path run the same functions.

use keyspace::Db;
use resp::{Args, Reply};

use crate::blocking::Blocking;
use crate::error::{Error, Outcome};
use crate::row::Row;

/// The surroundings of one running data command.
pub struct Context<'a> {
    /// The selected database.
    pub db: Db<'a>,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// Random numbers for SPOP, RANDOMKEY and their like.
    pub rng: &'a mut fastrand::Rng,
    /// Whether the command may wait for a key, and whether it does.
    pub blocking: Blocking,
}

/// The function of a data command.
pub type DataFn = fn(&mut Context<'_>, &Args<'_>) -> Outcome;

/// A data command.
pub type DataRow = Row<DataFn>;

/// Reads an argument as a 64-bit integer.
pub fn int(arg: &[u8]) -> Result<i64, Error> {
    base::numbers::parse_i64(arg).ok_or(Error::NotInteger)
}

/// Reads an argument as a 32-bit integer: the number of a database.
pub fn int32(arg: &[u8]) -> Result<i32, Error> {
    i32::try_from(int(arg)?)
        .map_err(|_| Error::text("ERR value is out of range, value must between -2147483648 and 2147483647"))
}

/// Reads an argument as a 64-bit integer within a range; `message` refuses what is outside.
pub fn int_in(arg: &[u8], range: std::ops::RangeInclusive<i64>, message: Error) -> Result<i64, Error> {
    let value = int(arg)?;
    if range.contains(&value) { Ok(value) } else { Err(message) }
}

/// Reads an argument as a non-negative count.
pub fn count(arg: &[u8]) -> Result<usize, Error> {
    usize::try_from(int(arg)?).map_err(|_| Error::NotPositive)
}

/// Reads an argument as a double. NaN is refused, and so is a number too large or too small for one, as the C library
/// reports it to the peers; a written-out infinity is taken.
pub fn float(arg: &[u8]) -> Result<f64, Error> {
    let value = base::numbers::parse_f64(arg).ok_or(Error::NotFloat)?;
    let out_of_range = match value {
        _ if value.is_infinite() => !arg.iter().any(|byte| byte.eq_ignore_ascii_case(&b'n')),
        0.0 => has_nonzero_digit(arg),
        _ => false,
    };
    if out_of_range { Err(Error::NotFloat) } else { Ok(value) }
}

/// Whether the digits before the exponent are not all zero.
fn has_nonzero_digit(number: &[u8]) -> bool {
    let hex = number.iter().any(|byte| byte.eq_ignore_ascii_case(&b'x'));
    let exponent = if hex { b'p' } else { b'e' };
    let mantissa = number.iter().take_while(|byte| !byte.eq_ignore_ascii_case(&exponent));
    mantissa.into_iter().any(|byte| byte.is_ascii_hexdigit() && *byte != b'0')
}

/// Whether an argument is this keyword, in any case. `word` is given in upper case.
pub fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Clips a range of indexes, negative ones counted from the end, to a length: the first index and how many,
/// or None if nothing is left. The rule of LRANGE, GETRANGE, ZRANGE and LTRIM.
pub fn clip_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    let len = i64::try_from(len).expect("lengths fit an i64");
    let start = if start < 0 { (start + len).max(0) } else { start };
    let end = if end < 0 { end + len } else { end.min(len - 1) };
    (start <= end && start < len && end >= 0).then(|| (start as usize, (end - start + 1) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_out_of_range_are_refused_but_infinity_is_taken() {
        for (text, value) in [("inf", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY), ("0e-999", 0.0), ("0x0p3", 0.0)]
        {
            assert_eq!(float(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["1e500", "-1e500", "1e-400", "0x1p99999", "0x1p-1075", "0x1p99999999999", "nan", ""] {
            assert_eq!(float(text.as_bytes()), Err(Error::NotFloat), "{text}");
        }
    }

    #[test]
    fn ranges_are_clipped_as_lrange_does() {
        assert_eq!(clip_range(0, -1, 5), Some((0, 5)));
        assert_eq!(clip_range(-3, 100, 5), Some((2, 3)));
        assert_eq!(clip_range(-100, 1, 5), Some((0, 2)));
        assert_eq!(clip_range(3, 1, 5), None);
        assert_eq!(clip_range(5, 6, 5), None);
        assert_eq!(clip_range(0, -1, 0), None);
        assert_eq!(clip_range(i64::MIN, i64::MAX, 3), Some((0, 3)));
        assert_eq!(clip_range(0, i64::MIN, 3), None);
    }
}
