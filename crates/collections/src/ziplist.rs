//! Read-only decoders of the encodings that Redis wrote before listpacks: ziplists (RDB types 10, 12, 13 and 14) and
//! zipmaps (type 9). `parse` checks every byte; iterating afterwards cannot fail.
//!
//! A ziplist is 4 bytes total length, 4 bytes offset of the last entry, 2 bytes count (0xFFFF when it must be
//! counted), entries, 0xFF; integers are little-endian. An entry is the length of the entry before it (one byte, or
//! 0xFE and 4 bytes), then:
//!
//! | first byte | then | meaning |
//! |---|---|---|
//! | `00llllll` | bytes | string of l bytes |
//! | `01llllll` | 1 byte, bytes | string, 14 bits of length, high bits first |
//! | `80` | 4 bytes, bytes | string, 32 bits of length, high bits first |
//! | `C0` `D0` `E0` `F0` `FE` | 2, 4, 8, 3, 1 bytes | signed integer |
//! | `F1` to `FD` | | integer 0 to 12 |

use crate::{Corrupt, Element};

const HEADER: usize = 10;
const END: u8 = 0xFF;
const BIG: u8 = 0xFE;
const CUT: Corrupt = Corrupt("ziplist entry cut short");

/// A checked ziplist.
#[derive(Clone, Copy)]
pub struct Ziplist<'a> {
    entries: &'a [u8],
    len: usize,
}

impl<'a> Ziplist<'a> {
    /// Checks the bytes, length, back lengths, tail offset and count.
    pub fn parse(bytes: &'a [u8]) -> Result<Ziplist<'a>, Corrupt> {
        if bytes.len() < HEADER + 1 || bytes[bytes.len() - 1] != END {
            return Err(Corrupt("ziplist without header or end mark"));
        }
        if read_u32(bytes, 0)? != bytes.len() {
            return Err(Corrupt("ziplist length does not match its bytes"));
        }
        let entries = &bytes[HEADER..bytes.len() - 1];
        let (mut rest, mut len, mut before) = (entries, 0, 0);
        while !rest.is_empty() {
            let (stated, _, behind) = read_entry(rest)?;
            if stated != before {
                return Err(Corrupt("ziplist back length does not match the entry before"));
            }
            before = rest.len() - behind.len();
            rest = behind;
            len += 1;
        }
        if read_u32(bytes, 4)? != bytes.len() - 1 - before {
            return Err(Corrupt("ziplist tail offset is not that of the last entry"));
        }
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            u16::MAX => {}
            stated if usize::from(stated) == len => {}
            _ => return Err(Corrupt("ziplist count does not match its entries")),
        }
        Ok(Ziplist { entries, len })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut rest = self.entries;
        std::iter::from_fn(move || {
            let (_, element, behind) = (!rest.is_empty()).then(|| read_entry(rest))?.ok()?;
            rest = behind;
            Some(element)
        })
    }
}

/// The stated length of the entry before, the element, and the bytes behind it.
fn read_entry(bytes: &[u8]) -> Result<(usize, Element<'_>, &[u8]), Corrupt> {
    let (before, at) = match bytes.first() {
        Some(&BIG) => (read_u32(bytes, 1)?, 5),
        Some(&END) => return Err(Corrupt("ziplist ends before its last byte")),
        Some(&short) => (usize::from(short), 1),
        None => return Err(CUT),
    };
    let first = *bytes.get(at).ok_or(CUT)?;
    let rest = &bytes[at + 1..];
    let (element, behind) = match first {
        0x00..=0x3F => read_text(rest, usize::from(first))?,
        0x40..=0x7F => {
            let (&low, rest) = rest.split_first().ok_or(CUT)?;
            read_text(rest, usize::from(u16::from_be_bytes([first & 0x3F, low])))?
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
            read_text(rest, u32::from_be_bytes(*len) as usize)?
        }
        0xC0 => read_int(rest, 2)?,
        0xD0 => read_int(rest, 4)?,
        0xE0 => read_int(rest, 8)?,
        0xF0 => read_int(rest, 3)?,
        0xFE => read_int(rest, 1)?,
        0xF1..=0xFD => (Element::Int(i64::from(first & 0x0F) - 1), rest),
        _ => return Err(Corrupt("unknown ziplist entry type")),
    };
    Ok((before, element, behind))
}

fn read_text(bytes: &[u8], len: usize) -> Result<(Element<'_>, &[u8]), Corrupt> {
    let (text, behind) = bytes.split_at_checked(len).ok_or(CUT)?;
    Ok((Element::Bytes(text), behind))
}

fn read_int(bytes: &[u8], size: usize) -> Result<(Element<'_>, &[u8]), Corrupt> {
    let (raw, behind) = bytes.split_at_checked(size).ok_or(CUT)?;
    let mut wide = [0; 8];
    wide[8 - size..].copy_from_slice(raw);
    Ok((Element::Int(i64::from_le_bytes(wide) >> (64 - 8 * size)), behind))
}

fn read_u32(bytes: &[u8], at: usize) -> Result<usize, Corrupt> {
    let raw = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(CUT)?;
    Ok(u32::from_le_bytes(*raw) as usize)
}

/// A checked zipmap: one byte count (254 and more mean that it must be counted), then per pair the key's length and
/// bytes, the value's length, a count of unused bytes, the value and the unused bytes; 0xFF at the end. A length is one
/// byte below 254, or 0xFE and 4 bytes (LE).
#[derive(Clone, Copy)]
pub struct Zipmap<'a> {
    pairs: &'a [u8],
    len: usize,
}

impl<'a> Zipmap<'a> {
    /// Checks bytes and count.
    pub fn parse(bytes: &'a [u8]) -> Result<Zipmap<'a>, Corrupt> {
        let [stated, pairs @ .., END] = bytes else {
            return Err(Corrupt("zipmap without header or end mark"));
        };
        let (mut rest, mut len) = (pairs, 0);
        while !rest.is_empty() {
            rest = read_pair(rest)?.2;
            len += 1;
        }
        if *stated < BIG && usize::from(*stated) != len {
            return Err(Corrupt("zipmap count does not match its pairs"));
        }
        Ok(Zipmap { pairs, len })
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.pairs;
        std::iter::from_fn(move || {
            let (key, value, behind) = (!rest.is_empty()).then(|| read_pair(rest))?.ok()?;
            rest = behind;
            Some((key, value))
        })
    }
}

/// Key, value, and the bytes behind the pair.
type Pair<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn read_pair(bytes: &[u8]) -> Result<Pair<'_>, Corrupt> {
    const CUT: Corrupt = Corrupt("zipmap pair cut short");
    let (key_len, rest) = read_zipmap_len(bytes)?;
    let (key, rest) = rest.split_at_checked(key_len).ok_or(CUT)?;
    let (value_len, rest) = read_zipmap_len(rest)?;
    let (&unused, rest) = rest.split_first().ok_or(CUT)?;
    let (value, rest) = rest.split_at_checked(value_len).ok_or(CUT)?;
    let behind = rest.get(usize::from(unused)..).ok_or(CUT)?;
    Ok((key, value, behind))
}

fn read_zipmap_len(bytes: &[u8]) -> Result<(usize, &[u8]), Corrupt> {
    match bytes.first() {
        Some(&BIG) => Ok((read_u32(bytes, 1)?, &bytes[5..])),
        Some(&short) if short < BIG => Ok((usize::from(short), &bytes[1..])),
        _ => Err(Corrupt("zipmap length cut short")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lays out a ziplist from entry bodies (without back lengths).
    fn ziplist(bodies: &[&[u8]]) -> Vec<u8> {
        let (mut entries, mut before) = (Vec::new(), 0usize);
        for body in bodies {
            let start = entries.len();
            if before < 254 {
                entries.push(before as u8);
            } else {
                entries.push(BIG);
                entries.extend_from_slice(&(before as u32).to_le_bytes());
            }
            entries.extend_from_slice(body);
            before = entries.len() - start;
        }
        let total = HEADER + entries.len() + 1;
        let mut bytes = (total as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&((total - 1 - before) as u32).to_le_bytes());
        bytes.extend_from_slice(&(bodies.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&entries);
        bytes.push(END);
        bytes
    }

    #[test]
    fn every_entry_type_is_read() {
        let long = [&[0x80, 0, 0, 0x40, 0x01][..], &[b'y'; 0x4001]].concat();
        let middle = [&[0x41, 0x2C][..], &[b'x'; 300]].concat();
        let bytes = ziplist(&[
            b"\x02hi",
            &middle,
            &long,
            b"\xF1",
            b"\xFD",
            b"\xFE\xFF",
            b"\xC0\x00\x80",
            b"\xF0\xFF\xFF\x7F",
            b"\xD0\x00\x00\x00\x80",
            b"\xE0\x00\x00\x00\x00\x00\x00\x00\x80",
            b"\x00",
        ]);
        let list = Ziplist::parse(&bytes).unwrap();
        let shown: Vec<_> = list.iter().map(|e| e.to_vec()).collect();
        let numbers = ["0", "12", "-1", "-32768", "8388607", "-2147483648", "-9223372036854775808", ""];
        assert_eq!(shown[0], b"hi");
        assert_eq!((shown[1].len(), shown[2].len()), (300, 0x4001));
        assert_eq!(shown[3..], numbers.map(|text| text.as_bytes().to_vec()));
        assert_eq!(list.len(), 11);
    }

    #[test]
    fn every_cut_or_flipped_ziplist_is_refused_or_read_whole() {
        let bytes = ziplist(&[b"\x02hi", b"\xC0\x00\x80", &[&[0x41, 0x2C][..], &[b'x'; 300]].concat(), b"\xF1"]);
        for cut in 0..bytes.len() {
            assert!(Ziplist::parse(&bytes[..cut]).is_err(), "{cut}");
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[place] ^= 1 << bit;
                if let Ok(list) = Ziplist::parse(&bent) {
                    assert_eq!(list.iter().count(), list.len());
                }
            }
        }
    }

    #[test]
    fn zipmaps_are_read_with_their_unused_bytes() {
        let bytes = b"\x02\x03foo\x03\x00bar\x01k\xFE\x02\x00\x00\x00\x03vv???\xFF";
        let map = Zipmap::parse(bytes).unwrap();
        assert_eq!(map.len(), 2);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&b"foo"[..], &b"bar"[..]), (b"k", b"vv")]);
        for cut in 0..bytes.len() {
            assert!(Zipmap::parse(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_from_outside_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), whole in any::<bool>()) {
            let mut bytes = bytes;
            if whole && bytes.len() > HEADER {
                let len = bytes.len() as u32;
                bytes[..4].copy_from_slice(&len.to_le_bytes());
                bytes[8..10].copy_from_slice(&[255, 255]);
                *bytes.last_mut().unwrap() = END;
            }
            let _ = Ziplist::parse(&bytes).map(|list| list.iter().count());
            let _ = Zipmap::parse(&bytes).map(|map| map.iter().count());
        }
    }
}
