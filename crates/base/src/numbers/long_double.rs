//! The x87 80-bit long double that Redis computes INCRBYFLOAT and HINCRBYFLOAT with. A 64-bit double would
//! print 10.59999999999999964 for 10.5 + 0.1 where Redis prints 10.6.

use rustc_apfloat::ieee::{Double, X87DoubleExtended};
use rustc_apfloat::{Float, FloatConvert, Round};

/// An 80-bit floating point number.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads what the C library's `strtold` reads as a whole, except NaN and what is too large or too small to be
    /// told from infinity or zero; text longer than 5 KiB is refused.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > 5 * 1024 {
            return None;
        }
        let (negative, bare) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let value = if bare.eq_ignore_ascii_case(b"inf") || bare.eq_ignore_ascii_case(b"infinity") {
            X87DoubleExtended::INFINITY
        } else {
            parse_number(bare)?
        };
        Some(LongDouble(if negative { -value } else { value }))
    }

    /// The sum, rounded to nearest.
    #[allow(
        clippy::should_implement_trait,
        reason = "a named operation reads better where it is used, and imports nothing"
    )]
    pub fn add(self, other: LongDouble) -> LongDouble {
        LongDouble(self.0.add_r(other.0, Round::NearestTiesToEven).value)
    }

    /// Whether this is a number, neither NaN nor infinite.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Writes the number as `%.17Lf` with trailing zeros (and a bare point) removed: the "human" layout of
    /// INCRBYFLOAT replies. Only for finite numbers.
    pub fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        write_fixed_17(self.0, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
        if &out[start..] == b"-0" {
            out.truncate(start);
            out.push(b'0');
        }
    }
}

/// Reads unsigned decimal or hexadecimal text. The form is checked here because the float library takes an
/// exponent without digits and is not documented to survive other garbage.
fn parse_number(text: &[u8]) -> Option<X87DoubleExtended> {
    let hex = text.len() > 2 && text[..2].eq_ignore_ascii_case(b"0x");
    let body = if hex { &text[2..] } else { text };
    let is_mark = |byte: &u8| if hex { matches!(byte, b'p' | b'P') } else { matches!(byte, b'e' | b'E') };
    let is_digit = |byte: &u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let cut = body.iter().position(is_mark).unwrap_or(body.len());
    let (mantissa, exponent) = body.split_at(cut);
    let digits = mantissa.iter().filter(|byte| is_digit(byte)).count();
    let points = mantissa.iter().filter(|byte| **byte == b'.').count();
    if digits == 0 || points > 1 || digits + points != mantissa.len() {
        return None;
    }
    let is_zero = mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'));
    let exponent = parse_exponent(exponent)?;
    if is_zero {
        return Some(X87DoubleExtended::ZERO);
    }
    let mantissa = std::str::from_utf8(mantissa).expect("digits are ASCII");
    let text = if hex { format!("0x{mantissa}p{exponent}") } else { format!("{mantissa}e{exponent}") };
    let value = X87DoubleExtended::from_str_r(&text, Round::NearestTiesToEven).ok()?.value;
    (value.is_finite() && !value.is_zero()).then_some(value)
}

/// The exponent behind its mark, 0 if there is none; far beyond what counts it stays at a million.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] | [_, digits @ ..] => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i32, |value, digit| (value * 10 + i32::from(digit - b'0')).min(1_000_000));
    Some(if negative { -value } else { value })
}

/// A double is exact as a long double.
impl From<f64> for LongDouble {
    fn from(value: f64) -> LongDouble {
        let mut loses_info = false;
        LongDouble(Double::from_bits(u128::from(value.to_bits())).convert(&mut loses_info).value)
    }
}

/// Exact decimal expansion of mantissa × 2^exponent, rounded half to even at 17 decimals.
fn write_fixed_17(value: X87DoubleExtended, out: &mut Vec<u8>) {
    let bits = value.to_bits();
    let negative = (bits >> 79) & 1 == 1;
    let exponent = ((bits >> 64) & 0x7fff) as i32;
    let mantissa = bits as u64;
    // value = mantissa * 2^power
    let power = if exponent == 0 { 1 } else { exponent } - 16383 - 63;
    if negative {
        out.push(b'-');
    }
    if (-127..=0).contains(&power) {
        return write_moderate(mantissa, -power as u32, out);
    }
    let mut scaled = Big::from(mantissa);
    for _ in 0..17 {
        scaled.multiply(10);
    }
    if power >= 0 {
        scaled.shift_left(power as usize);
    } else {
        scaled.shift_right_round_even((-power) as usize);
    }
    let mut digits = scaled.into_decimal();
    while digits.len() < 18 {
        digits.push(b'0');
    }
    for (i, digit) in digits.iter().enumerate().rev() {
        out.push(*digit);
        if i == 17 {
            out.push(b'.');
        }
    }
}

/// The same for mantissa / 2^shift of moderate size, which fits a machine integer: coordinates, and nearly every counter.
fn write_moderate(mantissa: u64, shift: u32, out: &mut Vec<u8>) {
    const ONE: u128 = 10u128.pow(17);
    let scaled = u128::from(mantissa) * ONE;
    let (quotient, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
    let half = if shift == 0 { u128::MAX } else { 1 << (shift - 1) };
    let rounded = quotient + u128::from(rest > half || rest == half && quotient & 1 == 1);
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format((rounded / ONE) as u64).as_bytes());
    out.push(b'.');
    let fraction = digits.format((rounded % ONE) as u64).as_bytes();
    out.resize(out.len() + 17 - fraction.len(), b'0');
    out.extend_from_slice(fraction);
}

/// A non-negative integer of any size, least significant limb first: only what the expansion needs.
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Big {
        Big(vec![value as u32, (value >> 32) as u32])
    }
}

impl Big {
    fn multiply(&mut self, factor: u32) {
        let mut carry = 0u64;
        for limb in &mut self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift_left(&mut self, bits: usize) {
        if !bits.is_multiple_of(32) {
            self.multiply(1 << (bits % 32));
        }
        self.0.splice(0..0, std::iter::repeat_n(0, bits / 32));
    }

    fn bit(&self, at: usize) -> bool {
        self.0.get(at / 32).is_some_and(|limb| limb >> (at % 32) & 1 == 1)
    }

    fn shift_right_round_even(&mut self, bits: usize) {
        let half = bits > 0 && self.bit(bits - 1);
        let rest = (0..bits.saturating_sub(1)).any(|at| self.bit(at));
        let odd = self.bit(bits);
        let total = self.0.len() * 32;
        let shifted = (bits..total.max(bits))
            .step_by(32)
            .map(|start| (0..32).fold(0u32, |limb, i| limb | u32::from(self.bit(start + i)) << i));
        let mut limbs: Vec<u32> = shifted.collect();
        if half && (rest || odd) {
            let mut at = 0;
            loop {
                if at == limbs.len() {
                    limbs.push(0);
                }
                let (sum, overflow) = limbs[at].overflowing_add(1);
                limbs[at] = sum;
                if !overflow {
                    break;
                }
                at += 1;
            }
        }
        self.0 = limbs;
    }

    /// Decimal digits, least significant first; empty for zero.
    fn into_decimal(mut self) -> Vec<u8> {
        let mut digits = Vec::new();
        while self.0.iter().any(|&limb| limb != 0) {
            let mut remainder = 0u64;
            for limb in self.0.iter_mut().rev() {
                let value = remainder << 32 | u64::from(*limb);
                *limb = (value / 10) as u32;
                remainder = value % 10;
            }
            digits.push(b'0' + remainder as u8);
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::LongDouble;

    fn sum(a: &str, b: &str) -> String {
        let mut out = Vec::new();
        LongDouble::parse(a.as_bytes()).unwrap().add(LongDouble::parse(b.as_bytes()).unwrap()).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sums_print_as_a_real_redis_prints_them() {
        // Read off INCRBYFLOAT replies of Redis 7.0.15.
        assert_eq!(sum("10.5", "0.1"), "10.6");
        assert_eq!(sum("0", "-5.0e3"), "-5000");
        assert_eq!(sum("3.0e3", "200"), "3200");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("1e300", "0").len(), 301);
    }

    #[test]
    fn garbage_is_refused() {
        for bad in [
            "",
            "+",
            "-",
            "nan",
            " 1",
            "1 ",
            "abc",
            "1e",
            "1e+",
            "1ex",
            "e5",
            ".",
            "1.2.3",
            "0x",
            "0x.",
            "0x1p",
            "0xg",
            "--1",
            "1e5000",
            "1e-5000",
            "1e99999999999999999999",
            "0x1p99999",
            "infx",
            "1\0",
        ] {
            assert!(LongDouble::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(LongDouble::parse(&[b'1'; 6000]).is_none());
        assert!(!LongDouble::parse(b"inf").unwrap().is_finite());
    }

    #[test]
    fn hexadecimal_and_bare_points_are_numbers() {
        assert_eq!(sum("0x1.8p1", "0X10"), "19");
        assert_eq!(sum("1.", ".5"), "1.5");
        assert_eq!(sum("0e99999999999", "1E+2"), "100");
    }

    #[test]
    fn numbers_of_moderate_size_print_as_all_others_do() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            let (mantissa, shift) = (rng.u64(..) >> rng.u32(0..64) | 1 << 63, rng.u32(0..128));
            let mut fast = Vec::new();
            super::write_moderate(mantissa, shift, &mut fast);
            let mut scaled = super::Big::from(mantissa);
            (0..17).for_each(|_| scaled.multiply(10));
            scaled.shift_right_round_even(shift as usize);
            let mut digits = scaled.into_decimal();
            digits.resize(digits.len().max(18), b'0');
            digits.insert(17, b'.');
            digits.reverse();
            assert_eq!(String::from_utf8(fast).unwrap(), String::from_utf8(digits).unwrap(), "{mantissa} >> {shift}");
        }
    }

    #[test]
    fn a_double_prints_with_seventeen_decimals() {
        let mut out = Vec::new();
        LongDouble::from(13.361389338970184).write(&mut out);
        LongDouble::from(-0.5).write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "13.36138933897018433-0.5");
    }
}
