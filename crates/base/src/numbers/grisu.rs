//! The decimal digits of a double by the Grisu2 algorithm (F. Loitsch, "Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", 2010), with the paper's bounds on the scaled exponent and every eighth power of ten.
//!
//! The digits always read back equal and nearly always are the shortest that do. The peers (Redis 7.2 and later, Valkey)
//! print scores this way, and hash that text in their digests of values, so exactly these digits are wanted, not better
//! ones.

/// The scaled upper bound has its binary point this far from the right end, as the paper's alpha and gamma say.
const POINT: std::ops::RangeInclusive<i32> = -60..=-32;

/// Bits of a double's fraction.
const FRACTION_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;

/// The decimal exponents of the powers of ten below: the first and the distance.
const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// Digits and the power of ten that the last of them counts: `digits × 10^power`.
pub(super) struct Decimal {
    digits: [u8; 20],
    count: usize,
    pub(super) power: i32,
}

impl Decimal {
    /// The digits as text; neither the first nor, beyond one digit, the last is a zero.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    fn push(&mut self, digit: u64) {
        // No zeros in front.
        if digit > 0 || self.count > 0 {
            self.digits[self.count] = b'0' + digit as u8;
            self.count += 1;
        }
    }
}

/// `fraction × 2^exponent`.
#[derive(Clone, Copy)]
struct Binary {
    fraction: u64,
    exponent: i32,
}

impl Binary {
    fn normalized(self) -> Binary {
        let shift = self.fraction.leading_zeros();
        Binary { fraction: self.fraction << shift, exponent: self.exponent - shift as i32 }
    }

    /// The product, rounded to 64 bits.
    fn times(self, other: Binary) -> Binary {
        let product = u128::from(self.fraction) * u128::from(other.fraction) + (1 << 63);
        Binary { fraction: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// The digits of a positive finite number.
pub(super) fn decimal(value: f64) -> Decimal {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & (HIDDEN_BIT - 1), (bits >> FRACTION_BITS) as i32);
    let value = match biased {
        0 => Binary { fraction, exponent: -1074 },
        _ => Binary { fraction: fraction | HIDDEN_BIT, exponent: biased - 1075 },
    };
    // Half way to the neighbours; the one below a power of two is nearer.
    let upper = Binary { fraction: value.fraction * 2 + 1, exponent: value.exponent - 1 }.normalized();
    let nearer = if value.fraction == HIDDEN_BIT { 2 } else { 1 };
    let lower = Binary { fraction: (value.fraction << nearer) - 1, exponent: value.exponent - nearer };
    let lower = Binary { fraction: lower.fraction << (lower.exponent - upper.exponent), exponent: upper.exponent };

    let (scale, decimal_exponent) = power_for(upper.exponent);
    let value = value.normalized().times(scale);
    // What rounding may have got wrong is left out at both ends.
    let upper = upper.times(scale).fraction - 1;
    let lower = lower.times(scale).fraction + 1;
    generate(upper, upper - value.fraction, upper - lower, value.exponent, -decimal_exponent)
}

/// The power of ten that brings a number with this exponent into [`POINT`], and its decimal exponent.
fn power_for(exponent: i32) -> (Binary, i32) {
    const LOG10_OF_2: f64 = std::f64::consts::LOG10_2;
    let guess = (-f64::from(exponent + POWERS.len() as i32) * LOG10_OF_2) as i32;
    let mut index = ((guess - FIRST_POWER) / POWER_STEP) as usize;
    loop {
        let decimal_exponent = FIRST_POWER + index as i32 * POWER_STEP;
        let power = Binary { fraction: POWERS[index], exponent: exponent_of_power(decimal_exponent) };
        let scaled = exponent + power.exponent + 64;
        if scaled < *POINT.start() {
            index += 1;
        } else if scaled > *POINT.end() {
            index -= 1;
        } else {
            return (power, decimal_exponent);
        }
    }
}

/// The binary exponent of a power of ten with a 64-bit fraction: log2(10) is 217706 / 65536, near enough here.
const fn exponent_of_power(decimal_exponent: i32) -> i32 {
    ((decimal_exponent * 217_706) >> 16) - 63
}

/// Generates the digits of `upper` until what is left lies within `delta`, then moves the last digit towards the value,
/// `distance` below `upper`. All share the binary `exponent`, which is negative.
fn generate(upper: u64, distance: u64, mut delta: u64, exponent: i32, power: i32) -> Decimal {
    let mut out = Decimal { digits: [0; 20], count: 0, power };
    let shift = exponent.unsigned_abs();
    let one = 1u64 << shift;
    let mut whole = upper >> shift;
    let mut rest = upper & (one - 1);

    let mut place = 1_000_000_000u64;
    for places_left in (0..10).rev() {
        out.push(whole / place);
        whole %= place;
        let left = (whole << shift) + rest;
        if left <= delta {
            out.power += places_left;
            return rounded(out, distance, delta, left, place << shift);
        }
        place /= 10;
    }
    let mut unit = 1u64;
    loop {
        rest *= 10;
        delta *= 10;
        unit *= 10;
        out.power -= 1;
        out.push(rest >> shift);
        rest &= one - 1;
        if rest < delta {
            return rounded(out, distance.wrapping_mul(unit), delta, rest, one);
        }
    }
}

/// Lowers the last digit, each time by `step`, as long as that brings the number nearer to the value.
fn rounded(mut out: Decimal, distance: u64, delta: u64, mut left: u64, step: u64) -> Decimal {
    while left < distance
        && delta - left >= step
        && (left + step < distance || distance - left > left + step - distance)
    {
        out.digits[out.count - 1] -= 1;
        left += step;
    }
    while out.count > 1 && out.digits[out.count - 1] == b'0' {
        out.count -= 1;
        out.power += 1;
    }
    out
}

/// The leading 64 bits of the powers of ten from 10^-348 to 10^340, every eighth, rounded.
const POWERS: [u64; 87] = [
    0xfa8fd5a0081c0288,
    0xbaaee17fa23ebf76,
    0x8b16fb203055ac76,
    0xcf42894a5dce35ea,
    0x9a6bb0aa55653b2d,
    0xe61acf033d1a45df,
    0xab70fe17c79ac6ca,
    0xff77b1fcbebcdc4f,
    0xbe5691ef416bd60c,
    0x8dd01fad907ffc3c,
    0xd3515c2831559a83,
    0x9d71ac8fada6c9b5,
    0xea9c227723ee8bcb,
    0xaecc49914078536d,
    0x823c12795db6ce57,
    0xc21094364dfb5637,
    0x9096ea6f3848984f,
    0xd77485cb25823ac7,
    0xa086cfcd97bf97f4,
    0xef340a98172aace5,
    0xb23867fb2a35b28e,
    0x84c8d4dfd2c63f3b,
    0xc5dd44271ad3cdba,
    0x936b9fcebb25c996,
    0xdbac6c247d62a584,
    0xa3ab66580d5fdaf6,
    0xf3e2f893dec3f126,
    0xb5b5ada8aaff80b8,
    0x87625f056c7c4a8b,
    0xc9bcff6034c13053,
    0x964e858c91ba2655,
    0xdff9772470297ebd,
    0xa6dfbd9fb8e5b88f,
    0xf8a95fcf88747d94,
    0xb94470938fa89bcf,
    0x8a08f0f8bf0f156b,
    0xcdb02555653131b6,
    0x993fe2c6d07b7fac,
    0xe45c10c42a2b3b06,
    0xaa242499697392d3,
    0xfd87b5f28300ca0e,
    0xbce5086492111aeb,
    0x8cbccc096f5088cc,
    0xd1b71758e219652c,
    0x9c40000000000000,
    0xe8d4a51000000000,
    0xad78ebc5ac620000,
    0x813f3978f8940984,
    0xc097ce7bc90715b3,
    0x8f7e32ce7bea5c70,
    0xd5d238a4abe98068,
    0x9f4f2726179a2245,
    0xed63a231d4c4fb27,
    0xb0de65388cc8ada8,
    0x83c7088e1aab65db,
    0xc45d1df942711d9a,
    0x924d692ca61be758,
    0xda01ee641a708dea,
    0xa26da3999aef774a,
    0xf209787bb47d6b85,
    0xb454e4a179dd1877,
    0x865b86925b9bc5c2,
    0xc83553c5c8965d3d,
    0x952ab45cfa97a0b3,
    0xde469fbd99a05fe3,
    0xa59bc234db398c25,
    0xf6c69a72a3989f5c,
    0xb7dcbf5354e9bece,
    0x88fcf317f22241e2,
    0xcc20ce9bd35c78a5,
    0x98165af37b2153df,
    0xe2a0b5dc971f303a,
    0xa8d9d1535ce3b396,
    0xfb9b7cd9a4a7443c,
    0xbb764c4ca7a44410,
    0x8bab8eefb6409c1a,
    0xd01fef10a657842c,
    0x9b10a4e5e9913129,
    0xe7109bfba19c0c9d,
    0xac2820d9623bf429,
    0x80444b5e7aa7cf85,
    0xbf21e44003acdd2d,
    0x8e679c2f5e44ff8f,
    0xd433179d9c8cb841,
    0x9e19db92b4e31ba9,
    0xeb96bf6ebadf77d9,
    0xaf87023b9bf0ee6b,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_and_is_seldom_longer_than_the_shortest() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut longer = 0;
        for _ in 0..100_000 {
            let value = f64::from_bits(rng.u64(1..0x7ff0_0000_0000_0000));
            let decimal = decimal(value);
            let digits = std::str::from_utf8(decimal.digits()).unwrap();
            assert_eq!(format!("{digits}e{}", decimal.power).parse::<f64>().unwrap(), value);
            let shortest = format!("{value:e}");
            longer +=
                usize::from(shortest.bytes().take_while(|b| *b != b'e').filter(|b| *b != b'.').count() < digits.len());
        }
        assert!((1..300).contains(&longer), "{longer}");
    }

    #[test]
    fn the_powers_are_what_exact_arithmetic_gives() {
        assert_eq!((POWERS[0], exponent_of_power(-348)), (0xfa8f_d5a0_081c_0288, -1220));
        for (index, power) in POWERS.iter().enumerate() {
            let decimal_exponent = FIRST_POWER + index as i32 * POWER_STEP;
            if (0..=24).contains(&decimal_exponent) {
                let exact = 10u128.pow(decimal_exponent as u32);
                let expected = exact << exact.leading_zeros() >> 64;
                assert_eq!(u128::from(*power), expected, "{decimal_exponent}");
            }
        }
    }
}
