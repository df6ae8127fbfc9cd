//! LZF, the compression of strings in RDB files: a window of 8 KiB and no entropy coding. The stream is a sequence of
//!
//! | first byte | then | meaning |
//! |---|---|---|
//! | `000lllll` | l + 1 bytes | these bytes |
//! | `lllooooo`, l = 1 to 6 | 1 byte of o | l + 2 bytes from o + 1 bytes back |
//! | `111ooooo` | 1 byte of l, 1 byte of o | l + 9 bytes from o + 1 bytes back |
//!
//! with the high bits of o first. A reference may reach into the bytes that it produces.

use std::ops::Range;

use collections::Corrupt;

const LITERALS_MAX: usize = 32;
const WINDOW: usize = 1 << 13;
/// The longest run that one reference can stand for.
const MATCH_MAX: usize = 9 + 255;
const MATCH_MIN: usize = 3;
/// Three bytes stand for at most this many times their number.
const EXPANSION_MAX: usize = MATCH_MAX / 3;

const TABLE_BITS: u32 = 13;

/// Compresses strings one after the other. Keeps its table between them.
pub struct Compressor {
    /// Where a hash of three bytes was last seen, plus `base`.
    table: Box<[u32]>,
    /// What this string's places are counted from: anything below is a leftover of an earlier one.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor::new()
    }
}

impl Compressor {
    /// A compressor that has seen nothing.
    pub fn new() -> Compressor {
        Compressor { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1 }
    }

    /// Appends the compressed form of `input` to `out`. False if it would take more than `max` bytes; then `out` holds
    /// something useless.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>, max: usize) -> bool {
        let Ok(span) = u32::try_from(input.len()) else { return false };
        if self.base.checked_add(span).is_none() {
            self.table.fill(0);
            self.base = 1;
            if self.base.checked_add(span).is_none() {
                return false;
            }
        }
        let limit = out.len().saturating_add(max);
        let mut literals_from = 0;
        let mut at = 0;
        while let Some(word) = word_at(input, at) {
            let Some(from) = self.find(input, at, word) else {
                // Where nothing has matched for long, look less often.
                at += 1 + (at - literals_from) / 64;
                if out.len() + at - literals_from > limit {
                    break;
                }
                continue;
            };
            let length = MATCH_MIN + common_length(input, from + MATCH_MIN, at + MATCH_MIN);
            put_literals(out, input, literals_from..at);
            put_reference(out, at - from - 1, length);
            at += length;
            literals_from = at;
            for noted in [at - 2, at - 1] {
                if let Some(word) = word_at(input, noted) {
                    self.note(noted, word);
                }
            }
            if out.len() > limit {
                break;
            }
        }
        self.base += span;
        if out.len() + (input.len() - literals_from) > limit {
            return false;
        }
        put_literals(out, input, literals_from..input.len());
        out.len() <= limit
    }

    /// An earlier place in the window that starts with the same three bytes; remembers this one.
    #[inline]
    fn find(&mut self, input: &[u8], at: usize, word: u32) -> Option<usize> {
        let from = self.note(at, word).checked_sub(self.base)? as usize;
        (at - from <= WINDOW && word_at(input, from)? == word).then_some(from)
    }

    /// Remembers where these three bytes stand; returns what was remembered for the same hash before.
    #[inline]
    fn note(&mut self, at: usize, word: u32) -> u32 {
        let hash = word.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS);
        std::mem::replace(&mut self.table[hash as usize], self.base + at as u32)
    }
}

/// Three bytes as a number. None at the end of the input, also where there are three left but no fourth.
#[inline]
fn word_at(input: &[u8], at: usize) -> Option<u32> {
    let bytes = input.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes) & 0xFF_FFFF)
}

/// How many bytes from two places on are the same, the first place being the earlier one: as many at most as a reference
/// can stand for behind the three that are known to be.
#[inline]
fn common_length(input: &[u8], earlier: usize, here: usize) -> usize {
    const STEP: usize = size_of::<u64>();
    let max = (input.len() - here).min(MATCH_MAX - MATCH_MIN);
    let (earlier, here) = (&input[earlier..earlier + max], &input[here..here + max]);
    let (mut earlier_words, mut here_words) = (earlier.as_chunks::<STEP>().0.iter(), here.as_chunks::<STEP>().0.iter());
    let mut length = 0;
    while let (Some(a), Some(b)) = (earlier_words.next(), here_words.next()) {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return length + differs.trailing_zeros() as usize / 8;
        }
        length += STEP;
    }
    length + earlier[length..].iter().zip(&here[length..]).take_while(|(a, b)| a == b).count()
}

#[inline]
fn put_literals(out: &mut Vec<u8>, input: &[u8], range: Range<usize>) {
    let mut from = range.start;
    while from < range.end {
        let len = (range.end - from).min(LITERALS_MAX);
        out.push(len as u8 - 1);
        match input[from..].first_chunk::<LITERALS_MAX>() {
            // A copy of a fixed size, of which the rest is given up again, takes less time than one of so many bytes.
            Some(more) => {
                let end = out.len() + len;
                out.extend_from_slice(more);
                out.truncate(end);
            }
            None => out.extend_from_slice(&input[from..from + len]),
        }
        from += len;
    }
}

/// `back` is the distance less one.
#[inline]
fn put_reference(out: &mut Vec<u8>, back: usize, length: usize) {
    let (high, low) = ((back >> 8) as u8, back as u8);
    match length {
        MATCH_MIN..=8 => out.extend_from_slice(&[((length - 2) as u8) << 5 | high, low]),
        _ => out.extend_from_slice(&[7 << 5 | high, (length - 9) as u8, low]),
    }
}

const CUT: Corrupt = Corrupt("compressed string cut short");
const TOO_MUCH: Corrupt = Corrupt("compressed string is longer than stated");

/// Appends the `len` bytes that `input` stands for to `out`; fails on any other number. Takes no more memory than a
/// sound input of that size can need.
pub fn decompress(input: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Corrupt> {
    if len / EXPANSION_MAX > input.len() {
        return Err(Corrupt("compressed string is shorter than stated"));
    }
    out.reserve_exact(len);
    let start = out.len();
    let end = start + len;
    let mut rest = input;
    while let Some((&control, behind)) = rest.split_first() {
        if usize::from(control) < LITERALS_MAX {
            let (literals, behind) = behind.split_at_checked(usize::from(control) + 1).ok_or(CUT)?;
            if literals.len() > end - out.len() {
                return Err(TOO_MUCH);
            }
            // A copy of a fixed size takes less time, as above.
            match rest[1..].first_chunk::<LITERALS_MAX>() {
                Some(more) if end - out.len() >= LITERALS_MAX => {
                    let literals_end = out.len() + literals.len();
                    out.extend_from_slice(more);
                    out.truncate(literals_end);
                }
                _ => out.extend_from_slice(literals),
            }
            rest = behind;
            continue;
        }
        let (length, behind) = match control >> 5 {
            7 => behind.split_first().map(|(&more, behind)| (usize::from(more) + 9, behind)).ok_or(CUT)?,
            short => (usize::from(short) + 2, behind),
        };
        let (&low, behind) = behind.split_first().ok_or(CUT)?;
        let distance = (usize::from(control & 0x1F) << 8 | usize::from(low)) + 1;
        if distance > out.len() - start {
            return Err(Corrupt("compressed string refers to before its start"));
        }
        if length > end - out.len() {
            return Err(TOO_MUCH);
        }
        repeat(out, distance, length);
        rest = behind;
    }
    if out.len() < end {
        return Err(Corrupt("compressed string is shorter than stated"));
    }
    Ok(())
}

/// Appends `length` bytes from `distance` back, which may be among those being appended.
fn repeat(out: &mut Vec<u8>, distance: usize, length: usize) {
    /// Most are no longer.
    const SHORT: usize = 16;
    let from = out.len() - distance;
    if length <= SHORT
        && distance >= SHORT
        && let Some(Ok(piece)) = out.get(from..from + SHORT).map(<[u8; SHORT]>::try_from)
    {
        let end = out.len() + length;
        out.extend_from_slice(&piece);
        out.truncate(end);
        return;
    }
    let mut left = length;
    while left > 0 {
        let piece = left.min(out.len() - from);
        out.extend_from_within(from..from + piece);
        left -= piece;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> Option<usize> {
        let mut packed = Vec::new();
        if !compressor.compress(input, &mut packed, usize::MAX) {
            return None;
        }
        let mut unpacked = b"before".to_vec();
        decompress(&packed, input.len(), &mut unpacked).unwrap();
        assert_eq!(&unpacked[6..], input);
        Some(packed.len())
    }

    #[test]
    fn a_stream_laid_out_by_hand_is_read() {
        // "abc", then 4 from 3 back, then 12 from 1 back.
        let packed = [2, b'a', b'b', b'c', 2 << 5, 2, 7 << 5, 3, 0];
        let mut out = Vec::new();
        decompress(&packed, 19, &mut out).unwrap();
        assert_eq!(out, b"abcabcaaaaaaaaaaaaa");
        for len in [0, 18, 20, usize::MAX] {
            assert!(decompress(&packed, len, &mut Vec::new()).is_err());
        }
        for cut in 0..packed.len() {
            assert!(decompress(&packed[..cut], 19, &mut Vec::new()).is_err());
        }
        assert!(decompress(&[1 << 5, 0], 3, &mut b"earlier".to_vec()).is_err(), "reaches before its start");
    }

    #[test]
    fn runs_and_repeats_shrink_and_noise_is_given_up() {
        let mut compressor = Compressor::new();
        assert!(round_trip(&mut compressor, &[b'x'; 100_000]).unwrap() < 1300);
        let text = b"the quick brown fox jumps over the lazy dog; ".repeat(50);
        assert!(round_trip(&mut compressor, &text).unwrap() < 120);
        let mut state = 1u64;
        let mut noise_byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = (0..50_000).map(|_| noise_byte()).collect();
        assert!(!compressor.compress(&noise, &mut Vec::new(), noise.len() - 4));
        assert!(!compressor.compress(&text, &mut Vec::new(), 50));
        for small in [&b""[..], b"a", b"ab", b"abc", b"aaaa"] {
            round_trip(&mut compressor, small).unwrap();
        }
    }

    #[test]
    fn a_distance_of_the_whole_window_is_used_and_no_more() {
        let mut compressor = Compressor::new();
        let size_with = |compressor: &mut Compressor, gap: usize, end: &[u8]| {
            let mut input = b"QWE".to_vec();
            input.extend(std::iter::repeat_n(b"abcdefgh", WINDOW / 8).flatten().take(gap));
            input.extend_from_slice(end);
            round_trip(compressor, &input).unwrap()
        };
        for (distance, is_used) in [(WINDOW - 1, true), (WINDOW, true), (WINDOW + 1, false)] {
            let gap = distance - 3;
            let [repeated, new] = [b"QWE.", b"XYZ."].map(|end| size_with(&mut compressor, gap, end));
            assert_eq!(repeated < new, is_used, "{distance} back");
        }
    }

    #[test]
    fn the_table_survives_its_counter_running_out() {
        let mut compressor = Compressor::new();
        compressor.base = u32::MAX - 2000;
        for _ in 0..5 {
            round_trip(&mut compressor, &b"abcdefgh".repeat(100)).unwrap();
        }
        assert!(compressor.base < 10_000);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(
            inputs in prop::collection::vec(prop::collection::vec(0u8..4, 0..600), 1..4),
        ) {
            let mut compressor = Compressor::new();
            for input in &inputs {
                round_trip(&mut compressor, input);
            }
        }

        #[test]
        fn no_bytes_from_outside_panic(input in prop::collection::vec(any::<u8>(), 0..80), len in 0usize..4000) {
            let mut out = Vec::new();
            if decompress(&input, len, &mut out).is_ok() {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
