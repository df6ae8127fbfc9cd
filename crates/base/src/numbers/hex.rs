//! Hexadecimal doubles, `[+-]0x1.8p3`: the C library's parser takes them, so clients may send them.
//!
//! Read exactly: however many digits there are, the value is rounded once, to the nearest double, ties to even. What is
//! too large is infinite, what is too small is zero.

/// Digits are gathered until here; those behind only decide whether anything is left below.
const MANTISSA_MAX: u64 = u64::MAX >> 4;

/// Exponents are clipped here, far outside of what the longest argument's digits can make up for.
const EXPONENT_MAX: i64 = 1 << 48;

/// The value of the text, `None` if it is not of this form.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let [b'0', b'x' | b'X', rest @ ..] = rest else { return None };
    let cut = rest.iter().position(|b| matches!(b, b'p' | b'P')).unwrap_or(rest.len());
    let (mut mantissa, mut scale) = digits(&rest[..cut])?;
    if let [_, exponent @ ..] = &rest[cut..] {
        scale += parse_exponent(exponent)?;
    }
    if mantissa != 0 {
        let zeros = mantissa.leading_zeros();
        mantissa <<= zeros;
        scale -= i64::from(zeros);
    }
    let value = round(mantissa, scale);
    Some(if negative { -value } else { value })
}

/// The digits as `mantissa × 2^scale`. Where there are more than fit, the lowest bit says whether they were all zero: it
/// lies below what a double can hold.
fn digits(text: &[u8]) -> Option<(u64, i64)> {
    let (mut mantissa, mut scale) = (0u64, 0i64);
    let (mut seen_point, mut seen_digit) = (false, false);
    for &byte in text {
        if byte == b'.' && !seen_point {
            seen_point = true;
            continue;
        }
        let digit = u64::from(char::from(byte).to_digit(16)?);
        seen_digit = true;
        if mantissa <= MANTISSA_MAX {
            mantissa = mantissa << 4 | digit;
            scale -= if seen_point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(digit != 0);
            scale += if seen_point { 0 } else { 4 };
        }
    }
    seen_digit.then_some((mantissa, scale))
}

/// A decimal integer with a sign, clipped to [`EXPONENT_MAX`].
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| (value * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Some(if negative { -value } else { value })
}

/// The double nearest to `mantissa × 2^scale`; the mantissa's highest bit is set, or it is 0.
fn round(mantissa: u64, scale: i64) -> f64 {
    /// Exponent of the highest bit of the smallest normal double, and of the largest finite one.
    const NORMAL: std::ops::RangeInclusive<i64> = -1022..=1023;
    let exponent = scale + 63;
    if mantissa == 0 || exponent < NORMAL.start() - 53 {
        return 0.0;
    }
    if exponent > *NORMAL.end() {
        return f64::INFINITY;
    }
    let binade = exponent.max(*NORMAL.start());
    let dropped = 11 + (binade - exponent);
    let (kept, rest) = (u128::from(mantissa) >> dropped, u128::from(mantissa) & ((1 << dropped) - 1));
    let half = 1u128 << (dropped - 1);
    let rounded = kept as u64 + u64::from(rest > half || rest == half && kept & 1 == 1);
    // The mantissa's highest bit, and a carry out of it, count the exponent field up.
    f64::from_bits((((binade - NORMAL.start()) as u64) << 52) + rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustc_apfloat::Float;
    use rustc_apfloat::ieee::Double;

    #[test]
    fn hexadecimal_doubles_are_read_as_the_c_library_reads_them() {
        // Values of glibc's strtod.
        let many = |count: usize, digit: &str, rest: &str| format!("0x{}{rest}", digit.repeat(count));
        for (text, value) in [
            ("0x1.8p1".into(), 3.0),
            ("-0X.8P-1".into(), -0.25),
            ("0x8.".into(), 8.0),
            ("0x1p+4".into(), 16.0),
            ("0x0p5000".into(), 0.0),
            ("0x0p99999999999999999999".into(), 0.0),
            ("0x1p-1074".into(), 5e-324),
            ("0x1p-1075".into(), 0.0),
            ("0x1.8p-1075".into(), 5e-324),
            ("0x1.00000000000008p0".into(), 1.0),
            ("0x1.000000000000080001p0".into(), 1.0000000000000002),
            ("0x1.fffffffffffff7p1023".into(), f64::MAX),
            ("0x1.fffffffffffff8p1023".into(), f64::INFINITY),
            ("0x1p1024".into(), f64::INFINITY),
            ("-0x1p99999999999999999999".into(), f64::NEG_INFINITY),
            ("0x1p-99999999999999999999".into(), 0.0),
            (many(300, "f", "p-1200"), 1.0),
            (many(300, "0", "1p2"), 4.0),
            (format!("0x.{}1p4004", "0".repeat(1000)), 1.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
        }
        for bad in ["0x", "0x.", "0x.p1", "0x1p", "0x1p+", "0x1p1.", "0x1.1.1", "0xg", "0x1p 1", "x1", "1"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn any_digits_and_exponent_are_rounded_once() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let mut text = String::from("0x");
            let point = rng.usize(0..24);
            for place in 0..rng.usize(1..24) {
                if place == point {
                    text.push('.');
                }
                // Long runs of one digit, so that ties and carries are met.
                let digit = if rng.u8(0..4) == 0 { rng.u32(0..16) } else { [0, 8, 15][rng.usize(0..3)] };
                text.push(char::from_digit(digit, 16).unwrap());
            }
            let exponent = [rng.i32(-1150..-1000), rng.i32(-100..100), rng.i32(900..1030)][rng.usize(0..3)];
            text.push_str(&format!("p{exponent}"));
            let judge: Double = text.parse().unwrap();
            assert_eq!(parse(text.as_bytes()).map(f64::to_bits), Some(judge.to_bits() as u64), "{text}");
        }
    }
}
