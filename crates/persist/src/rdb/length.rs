//! How lengths and counts are laid out. The two top bits of the first byte choose the form:
//!
//! | first byte | then | meaning |
//! |---|---|---|
//! | `00llllll` | | 6 bits |
//! | `01llllll` | 1 byte | 14 bits, high bits first |
//! | `10000000` | 4 bytes, big-endian | 32 bits |
//! | `10000001` | 8 bytes, big-endian | 64 bits |
//! | `11ffffff` | | not a length: the form of a string |

/// Strings of this form are one signed byte.
pub(super) const FORM_INT8: u8 = 0;
/// Strings of this form are two bytes, little-endian.
pub(super) const FORM_INT16: u8 = 1;
/// Strings of this form are four bytes, little-endian.
pub(super) const FORM_INT32: u8 = 2;
/// Strings of this form are compressed: compressed length, length, bytes.
pub(super) const FORM_LZF: u8 = 3;

/// A shorter length is one byte, itself.
pub(super) const SHORT_LEN_END: usize = 1 << 6;

pub(super) const MARK_32: u8 = 0x80;
pub(super) const MARK_64: u8 = 0x81;
pub(super) const MARK_FORM: u8 = 0xC0;

/// A length laid out.
pub(super) struct LengthBytes {
    bytes: [u8; 9],
    len: u8,
}

impl LengthBytes {
    pub(super) fn of(length: u64) -> LengthBytes {
        let mut laid = LengthBytes { bytes: [0; 9], len: 0 };
        if length < SHORT_LEN_END as u64 {
            laid.push(&[length as u8]);
        } else if length < 1 << 14 {
            laid.push(&(0x4000 | length as u16).to_be_bytes());
        } else if let Ok(short) = u32::try_from(length) {
            laid.push(&[MARK_32]);
            laid.push(&short.to_be_bytes());
        } else {
            laid.push(&[MARK_64]);
            laid.push(&length.to_be_bytes());
        }
        laid
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

/// A number as a string of an integer form, if it fits in 32 bits: the bytes with their mark.
pub(super) fn int_form(value: i64) -> Option<LengthBytes> {
    let mut laid = LengthBytes { bytes: [0; 9], len: 0 };
    if let Ok(byte) = i8::try_from(value) {
        laid.push(&[MARK_FORM | FORM_INT8, byte as u8]);
    } else if let Ok(short) = i16::try_from(value) {
        laid.push(&[MARK_FORM | FORM_INT16]);
        laid.push(&short.to_le_bytes());
    } else {
        laid.push(&[MARK_FORM | FORM_INT32]);
        laid.push(&i32::try_from(value).ok()?.to_le_bytes());
    }
    Some(laid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, expected) in [
            (0, &[0u8][..]),
            (63, &[63]),
            (64, &[0x40, 64]),
            (16383, &[0x7F, 0xFF]),
            (16384, &[0x80, 0, 0, 0x40, 0]),
            (u64::from(u32::MAX), &[0x80, 0xFF, 0xFF, 0xFF, 0xFF]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            assert_eq!(LengthBytes::of(length).as_slice(), expected);
        }
    }

    #[test]
    fn numbers_take_the_shortest_form_and_none_above_32_bits() {
        for (value, expected) in [
            (-128, &[0xC0, 0x80][..]),
            (128, &[0xC1, 0x80, 0]),
            (-32769, &[0xC2, 0xFF, 0x7F, 0xFF, 0xFF]),
            (2147483647, &[0xC2, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            assert_eq!(int_form(value).unwrap().as_slice(), expected);
        }
        assert!(int_form(1 << 31).is_none());
    }
}
