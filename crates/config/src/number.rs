//! Numbers of redis.conf: plain ones, sizes with units, shares.

/// What a number may be, and how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The least.
    pub min: i128,
    /// The most.
    pub max: i128,
    /// Bytes: units are allowed.
    pub bytes: bool,
    /// `n%` may stand in place of a number of bytes.
    pub share: bool,
    /// What is allowed but outside of these is set to the nearest of them.
    pub clamp: Option<(i128, i128)>,
}

impl Range {
    /// Any number.
    pub(crate) const ANY: Range =
        Range { min: i64::MIN as i128, max: i64::MAX as i128, bytes: false, share: false, clamp: None };

    /// Reads a number within the range.
    pub(crate) fn parse(self, word: &[u8]) -> Result<i128, String> {
        let negative = || parse_integer(word).filter(|value| self.min < 0 && *value < 0).map(i128::from);
        let value = if self.bytes {
            let kind = if self.share { "memory or percent" } else { "memory" };
            parse_bytes(word).or_else(negative).ok_or_else(|| format!("argument must be a {kind} value"))?
        } else {
            i128::from(parse_integer(word).ok_or("argument couldn't be parsed into an integer")?)
        };
        if !(self.min..=self.max).contains(&value) {
            return Err(format!("argument must be between {} and {} inclusive", self.min, self.max));
        }
        Ok(self.clamp.map_or(value, |(min, max)| value.clamp(min, max)))
    }

    /// A number as a line of a file has it: sizes in the largest unit that divides them.
    pub(crate) fn write(self, value: i128) -> String {
        let units = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
        let unit = units.iter().find(|(factor, _)| self.bytes && value != 0 && value % factor == 0);
        unit.map_or(value.to_string(), |(factor, unit)| format!("{}{unit}", value / factor))
    }
}

/// Reads an integer written in the one way that the peers take: no sign `+`, no leading zero, no blank.
pub(crate) fn parse_integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let value: i64 = text.parse().ok()?;
    // Whatever is not written as we would write it is written in another way.
    (value.to_string() == text).then_some(value)
}

/// Reads a size: `1k` is 1000 bytes, `1kb` 1024, and so on with m and g. No digits are zero, as with the peers.
pub(crate) fn parse_bytes(word: &[u8]) -> Option<i128> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number: u64 = match number {
        b"" => 0,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    Some(i128::from(number.checked_mul(factor)?))
}

/// Reads `n%`: None if it is none; what is above 100 is refused.
pub(crate) fn parse_share(word: &[u8]) -> Option<Result<u8, String>> {
    let number = parse_integer(word.strip_suffix(b"%")?).filter(|share| *share >= 0)?;
    let above = || "percentage argument must be less or equal to 100".to_owned();
    Some(u8::try_from(number).ok().filter(|share| *share <= 100).ok_or_else(above))
}

/// Reads a file mode.
pub(crate) fn parse_octal(word: &[u8]) -> Result<u32, String> {
    let bad = || "argument couldn't be parsed as an octal number".to_owned();
    let text = std::str::from_utf8(word).map_err(|_| bad())?;
    if text.is_empty() {
        return Ok(0);
    }
    let mode = i64::from_str_radix(text, 8).map_err(|_| bad())?;
    u32::try_from(mode)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or("argument must be between 0 and 777 inclusive".to_owned())
}

/// A share of calls as it is shown: six digits behind the point at the most, no zeros at the end.
pub fn percentile_text(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_peers_units() {
        let cases: [(&str, i128); 9] = [
            ("1", 1),
            ("01", 1),
            ("1b", 1),
            ("2k", 2000),
            ("2kb", 2048),
            ("1MB", 1 << 20),
            ("1g", 1_000_000_000),
            ("", 0),
            ("18446744073709551615", u64::MAX as i128),
        ];
        for (word, bytes) in cases {
            assert_eq!(parse_bytes(word.as_bytes()), Some(bytes), "{word}");
        }
        for word in ["10zb", "-1", "+1", "1.5gb", "99999999999999gb", "18446744073709551616", "5%"] {
            assert_eq!(parse_bytes(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn integers_are_written_in_one_way() {
        for word in ["+5", "020", "-0", " 5", "5 ", "0x10", "", "5.0", "9223372036854775808"] {
            assert_eq!(parse_integer(word.as_bytes()), None, "{word}");
        }
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_fits() {
        let range = Range { bytes: true, ..Range::ANY };
        for (value, text) in [(0, "0"), (5000, "5000"), (1_572_864, "1536kb"), (3 << 30, "3gb"), (1025, "1025")] {
            assert_eq!(range.write(value), text);
        }
        assert_eq!(Range::ANY.write(1024), "1024");
    }
}
