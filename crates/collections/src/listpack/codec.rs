//! One listpack entry: encoding, decoding and checking. An entry is
//!
//! | first byte | then | meaning |
//! |---|---|---|
//! | `0vvvvvvv` | | integer 0 to 127 |
//! | `10llllll` | bytes | string of l bytes |
//! | `110vvvvv` | 1 byte | 13-bit signed integer, high bits first |
//! | `1110llll` | 1 byte of length, bytes | string of up to 4095 bytes |
//! | `F0` | 4 bytes of length (LE), bytes | longer string |
//! | `F1` `F2` `F3` `F4` | 2, 3, 4, 8 bytes (LE) | signed integer |
//! | `FF` | | end of the listpack |
//!
//! followed by its own length once more (the back length, 7 bits a byte, read from its last byte towards the front).

use crate::{Corrupt, Element};

/// First byte behind the last entry.
pub(super) const END: u8 = 0xFF;

/// The form a text takes in a listpack: integers in strict decimal form become numbers.
pub(crate) fn canonical(text: &[u8]) -> Element<'_> {
    match base::numbers::parse_i64(text) {
        Some(value) => Element::Int(value),
        None => Element::Bytes(text),
    }
}

/// Bytes of the entry without its back length.
fn body_len(element: Element<'_>) -> usize {
    match element {
        Element::Int(0..=127) => 1,
        Element::Int(-4096..=4095) => 2,
        Element::Int(value) if i16::try_from(value).is_ok() => 3,
        Element::Int(-8_388_608..=8_388_607) => 4,
        Element::Int(value) if i32::try_from(value).is_ok() => 5,
        Element::Int(_) => 9,
        Element::Bytes(bytes) if bytes.len() < 64 => 1 + bytes.len(),
        Element::Bytes(bytes) if bytes.len() < 4096 => 2 + bytes.len(),
        Element::Bytes(bytes) => 5 + bytes.len(),
    }
}

/// Bytes a back length takes. The bounds are one lower than 7 bits a byte would allow, as in the peers.
#[inline]
pub(super) fn back_len_size(body: usize) -> usize {
    match body {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Bytes of the whole entry.
pub(super) fn entry_len(element: Element<'_>) -> usize {
    let body = body_len(element);
    body + back_len_size(body)
}

/// Writes the entry into exactly `entry_len` bytes.
pub(super) fn write_entry(out: &mut [u8], element: Element<'_>) {
    let body = body_len(element);
    let (entry, back) = out.split_at_mut(body);
    match element {
        Element::Int(value) => write_int(entry, value),
        Element::Bytes(text) => {
            let (head, tail) = entry.split_at_mut(body - text.len());
            match head.len() {
                1 => head[0] = 0x80 | text.len() as u8,
                2 => head.copy_from_slice(&(0xE000 | text.len() as u16).to_be_bytes()),
                _ => {
                    head[0] = 0xF0;
                    head[1..].copy_from_slice(&(text.len() as u32).to_le_bytes());
                }
            }
            tail.copy_from_slice(text);
        }
    }
    let mut rest = body;
    for (place, byte) in back.iter_mut().rev().enumerate() {
        *byte = (rest & 127) as u8 | if place + 1 < back_len_size(body) { 128 } else { 0 };
        rest >>= 7;
    }
}

fn write_int(entry: &mut [u8], value: i64) {
    match entry.len() {
        1 => entry[0] = value as u8,
        2 => entry.copy_from_slice(&(0xC000 | (value as u16 & 0x1FFF)).to_be_bytes()),
        len => {
            entry[0] = match len {
                3 => 0xF1,
                4 => 0xF2,
                5 => 0xF3,
                _ => 0xF4,
            };
            entry[1..].copy_from_slice(&value.to_le_bytes()[..len - 1]);
        }
    }
}

/// Decodes the entry at `at` of a checked listpack; also returns where the next one begins.
#[inline]
pub(super) fn read_entry(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let first = bytes[at];
    let (element, body) = if first < 0x80 {
        (Element::Int(i64::from(first)), 1)
    } else if first < 0xC0 {
        let len = usize::from(first & 0x3F);
        (Element::Bytes(&bytes[at + 1..at + 1 + len]), 1 + len)
    } else if first & 0xF0 == 0xE0 {
        let len = usize::from(u16::from_be_bytes([first & 0x0F, bytes[at + 1]]));
        (Element::Bytes(&bytes[at + 2..at + 2 + len]), 2 + len)
    } else {
        read_long_entry(bytes, at)
    };
    (element, at + body + back_len_size(body))
}

fn read_long_entry(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let first = bytes[at];
    match first {
        0xC0..=0xDF => {
            let raw = u16::from_be_bytes([first, bytes[at + 1]]) << 3;
            (Element::Int(i64::from(raw as i16 >> 3)), 2)
        }
        0xF0 => {
            let len = long_len(&bytes[at + 1..at + 5]);
            (Element::Bytes(&bytes[at + 5..at + 5 + len]), 5 + len)
        }
        _ => {
            let size = int_size(first).expect("a checked listpack has no other first bytes");
            let mut wide = [0; 8];
            wide[8 - size..].copy_from_slice(&bytes[at + 1..at + 1 + size]);
            (Element::Int(i64::from_le_bytes(wide) >> (64 - 8 * size)), 1 + size)
        }
    }
}

fn long_len(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes.try_into().expect("four bytes were sliced")) as usize
}

fn int_size(first: u8) -> Option<usize> {
    match first {
        0xF1 => Some(2),
        0xF2 => Some(3),
        0xF3 => Some(4),
        0xF4 => Some(8),
        _ => None,
    }
}

/// Where the entry that ends before `end` begins, in a checked listpack.
#[inline]
pub(super) fn previous_entry(bytes: &[u8], end: usize) -> usize {
    let (body, size) = read_back_len(bytes, end).expect("a checked listpack has whole back lengths");
    end - size - body
}

/// The back length whose last byte is before `end`, and its own size.
fn read_back_len(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut body = 0;
    for size in 1..=5 {
        let byte = *bytes.get(end.checked_sub(size)?)?;
        body |= usize::from(byte & 127) << (7 * (size - 1));
        if byte & 128 == 0 {
            return Some((body, size));
        }
    }
    None
}

/// Checks the entry at `at`, trusting nothing, and returns where the next one begins.
pub(super) fn check_entry(bytes: &[u8], at: usize) -> Result<usize, Corrupt> {
    const CUT: Corrupt = Corrupt("listpack entry cut short");
    let rest = &bytes[at..];
    let byte = |place: usize| rest.get(place).copied().ok_or(CUT);
    let first = byte(0)?;
    let body = match first {
        0x00..=0x7F => 1,
        0x80..=0xBF => 1 + usize::from(first & 0x3F),
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 2 + usize::from(u16::from_be_bytes([first & 0x0F, byte(1)?])),
        0xF0 => 5 + long_len(rest.get(1..5).ok_or(CUT)?),
        _ => 1 + int_size(first).ok_or(Corrupt("unknown listpack entry type"))?,
    };
    let len = body + back_len_size(body);
    if rest.len() < len {
        return Err(CUT);
    }
    if read_back_len(rest, len) != Some((body, len - body)) {
        return Err(Corrupt("listpack back length does not match its entry"));
    }
    Ok(at + len)
}
