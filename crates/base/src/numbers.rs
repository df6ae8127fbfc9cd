//! Numbers as text in Redis's layouts: strict integers, doubles and the 80-bit long doubles of
//! INCRBYFLOAT.

mod grisu;
mod hex;
mod long_double;

pub use long_double::LongDouble;

/// Reads a signed 64-bit integer as Redis accepts it in arguments and values: no sign but `-`, no leading
/// zero, no space, no overflow.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Reads an unsigned 64-bit integer under the same rules.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    text.iter().try_fold(0u64, |value, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Reads a position in a replication stream. None beyond 2^62: the peers count in 64 bits with a sign, and no stream
/// comes near; so no sum of what was read and what follows leaves those bits.
pub fn parse_offset(text: &[u8]) -> Option<u64> {
    parse_u64(text).filter(|offset| *offset <= 1 << 62)
}

/// Reads a double as Redis's `strtod` use does: decimal or hexadecimal, `inf`, `infinity`, any case; no
/// surrounding space, no NaN.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let value = match hex::parse(text) {
        Some(value) => value,
        None => fast_float2::parse(text).ok()?,
    };
    (!value.is_nan()).then_some(value)
}

/// Doubles that are whole numbers up to here (half of what an i64 holds) are written with all their digits.
const PLAIN_INTEGER_MAX: f64 = 4611686018427387904.0;

/// Writes a double as Valkey (and Redis since 7.2) replies a score: `3`, `0.1`, `0.000001`, `1e-7`,
/// `1000000000000000000`, `1e+19`, `inf`. It reads back equal; for the choice of digits see `grisu.rs`.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if value != 0.0 && value.abs() <= PLAIN_INTEGER_MAX && value == value.trunc() {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        out.extend_from_slice(F64Text::new(value).as_bytes());
    }
}

/// Writes a double with 17 significant digits, which tell it from every other, but no zeros at their end: as C's `%.17g`
/// does. `0.10000000000000001`, `1e+17`, `inf`.
pub fn write_f64_exact(out: &mut Vec<u8>, value: f64) {
    const DIGITS: i32 = 17;
    if !value.is_finite() {
        return out.extend_from_slice(F64Text::new(value).as_bytes());
    }
    let scientific = format!("{value:.16e}");
    let (digits, power) = scientific.split_once('e').expect("the format has an exponent");
    let power: i32 = power.parse().expect("the format's exponent is a number");
    let stripped = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&power) {
        let decimals = (DIGITS - 1 - power) as usize;
        out.extend_from_slice(stripped(&format!("{value:.decimals$}")).as_bytes());
    } else {
        let sign = if power < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("{}e{sign}{:02}", stripped(digits), power.abs()).as_bytes());
    }
}

/// A double as text on the stack, laid out as by [`write_f64`], but whole numbers too take an exponent where that is
/// shorter: `1e+15`. So scores look in the peers' listpacks, and in their digests of values (Redis 7.2 and later).
pub struct F64Text {
    bytes: [u8; 32],
    length: usize,
}

impl F64Text {
    /// The text of a double.
    pub fn new(value: f64) -> F64Text {
        let mut text = F64Text { bytes: [b'0'; 32], length: 0 };
        if value.is_nan() {
            text.push(b"nan");
            return text;
        }
        if value.is_sign_negative() {
            text.push(b"-");
        }
        if value.is_infinite() {
            text.push(b"inf");
        } else if value == 0.0 {
            text.push(b"0");
        } else {
            let decimal = grisu::decimal(value.abs());
            text.lay_out(decimal.digits(), decimal.power);
        }
        text
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    fn push_zeros(&mut self, count: i32) {
        // What was not written yet is zeros.
        self.length += count as usize;
    }

    /// Adds `digits × 10^power` plain if that needs few zeros, else with an exponent. The bounds were read off
    /// Valkey 8.0's replies.
    fn lay_out(&mut self, digits: &[u8], power: i32) {
        let count = digits.len() as i32;
        let exponent = power + count - 1;
        if power >= 0 && exponent < count + 7 {
            self.push(digits);
            self.push_zeros(power);
        } else if power < 0 && (power > -7 || exponent.abs() < 4) {
            let whole = count + power;
            if whole > 0 {
                self.push(&digits[..whole as usize]);
                self.push(b".");
                self.push(&digits[whole as usize..]);
            } else {
                self.push(b"0.");
                self.push_zeros(-whole);
                self.push(digits);
            }
        } else {
            self.push(&digits[..1]);
            if count > 1 {
                self.push(b".");
                self.push(&digits[1..]);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn exact_doubles_have_the_digits_of_a_peer() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (0.30000000000000004, "0.30000000000000004"),
            (1e-7, "9.9999999999999995e-08"),
            (931520935.8676386, "931520935.86763859"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (-0.0, "-0"),
            (100.0, "100"),
            (0.0001, "0.0001"),
            (-2.5, "-2.5"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut out = Vec::new();
            write_f64_exact(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn integers_are_read_strictly() {
        assert_eq!(parse_i64(b"0"), Some(0));
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        for bad in ["", "-", "-0", "+1", "01", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "1x"] {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }

    #[test]
    fn doubles_are_read_as_strtod_does_but_never_nan() {
        // Zero times an infinite power once made a NaN of these, and one of them in a sorted set ended the process.
        for zero in ["0x0p5000", "-0x0p1024", "0x0p-99999999999"] {
            assert_eq!(parse_f64(zero.as_bytes()), Some(0.0), "{zero}");
        }
        assert_eq!(parse_f64(b"0x1.8p1"), Some(3.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"+1.5e3"), Some(1500.0));
        for bad in ["", "nan", " 1", "1 ", "abc", "0x"] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn doubles_are_laid_out_as_a_redis_score() {
        // Read off ZSCORE replies of Valkey 8.0.
        for (value, text) in [
            (3.0, "3"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (0.30000000000000004, "0.30000000000000004"),
            (123456.789, "123456.789"),
            (1e18, "1000000000000000000"),
            (123456789012345678.0, "123456789012345680"),
            (9.2e18, "9.2e+18"),
            (1e19, "1e+19"),
            (12345678901234567890.0, "12345678901234567000"),
            (0.1405614450044642, "0.14056144500446421"),
            (1e23, "99999999999999990000000"),
            (1234567890123456789012.0, "1234567890123456800000"),
            (1e22, "1e+22"),
            (1.5e-4, "0.00015"),
            (1.5e-5, "0.000015"),
            (1.234e-5, "1.234e-5"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (-1.5e-7, "-1.5e-7"),
            (1.2345678901234567e-10, "1.2345678901234568e-10"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(shown(value), text);
        }
    }
}
