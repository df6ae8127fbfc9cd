//! The dense form: 6 bits a register, one behind the other from the lowest bit of the first byte on.

use super::estimate::Histogram;
use super::{HEADER_BYTES, REGISTERS};

const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = 63;

/// A value for each register, in a byte of its own.
pub(super) type Values = [u8; REGISTERS];

/// The length of a HyperLogLog in this form.
pub(super) const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;

/// The byte in which a register begins, and the bits of it that belong to others.
fn place(index: usize) -> (usize, usize) {
    let bit = index * REGISTER_BITS;
    (HEADER_BYTES + bit / 8, bit % 8)
}

/// The value of a register.
pub(super) fn get(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = place(index);
    // The last register ends with the last byte.
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([bytes[at], next]) >> shift) as u8 & REGISTER_MAX
}

/// Raises a register to a value: whether it was lower.
pub(super) fn raise(bytes: &mut [u8], index: usize, value: u8) -> bool {
    if get(bytes, index) >= value {
        return false;
    }
    let (at, shift) = place(index);
    let clear = !(u16::from(REGISTER_MAX) << shift);
    let set = u16::from(value) << shift;
    bytes[at] = bytes[at] & clear as u8 | set as u8;
    if shift + REGISTER_BITS > 8 {
        bytes[at + 1] = bytes[at + 1] & (clear >> 8) as u8 | (set >> 8) as u8;
    }
    true
}

/// Writes the value of every register into a byte of its own.
pub(super) fn unpack(bytes: &[u8], values: &mut Values) {
    let blocks = bytes[HEADER_BYTES..].as_chunks::<BLOCK_BYTES>().0;
    for (block, values) in blocks.iter().zip(values.as_chunks_mut::<BLOCK_REGISTERS>().0) {
        let eights = eights_of(block).map(|eight| bytes_of_pairs(pairs_of_eight(eight)));
        for (eight, values) in eights.into_iter().zip(values.as_chunks_mut().0) {
            *values = eight.to_le_bytes();
        }
    }
}

/// Writes all registers from values in a byte each.
pub(super) fn pack(bytes: &mut [u8], values: &Values) {
    let blocks = bytes[HEADER_BYTES..].as_chunks_mut::<BLOCK_BYTES>().0;
    for (block, values) in blocks.iter_mut().zip(values.as_chunks::<BLOCK_REGISTERS>().0) {
        let (eights, _) = values.as_chunks();
        let eight = |nth: usize| eight_of_pairs(pairs_of_bytes(u64::from_le_bytes(eights[nth])));
        let [a, b, c, d] = std::array::from_fn(eight);
        let words = [a | b << 48, b >> 16 | c << 32, c >> 32 | d << 16];
        for (word, bytes) in words.into_iter().zip(block.as_chunks_mut().0) {
            *bytes = word.to_le_bytes();
        }
    }
}

/// How many registers have each value.
pub(super) fn histogram(bytes: &[u8]) -> Histogram {
    let mut tally = Tally::default();
    for block in bytes[HEADER_BYTES..].as_chunks::<BLOCK_BYTES>().0 {
        eights_of(block).into_iter().for_each(|eight| tally.add(pairs_of_eight(eight)));
    }
    tally.sum()
}

/// How many of the values, a byte each, are equal.
pub(super) fn histogram_of(values: &Values) -> Histogram {
    let mut tally = Tally::default();
    values.as_chunks().0.iter().for_each(|eight| tally.add(pairs_of_bytes(u64::from_le_bytes(*eight))));
    tally.sum()
}

/// The fewest registers that end where a word ends too.
const BLOCK_REGISTERS: usize = 32;
const BLOCK_BYTES: usize = BLOCK_REGISTERS * REGISTER_BITS / 8;

/// The registers of a block by eights, each in the low 48 bits of a word; above is something else.
#[inline]
fn eights_of(block: &[u8; BLOCK_BYTES]) -> [u64; 4] {
    let word = |nth: usize| u64::from_le_bytes(block.as_chunks().0[nth]);
    let [a, b, c] = std::array::from_fn(word);
    [a, a >> 48 | b << 16, b >> 32 | c << 32, c >> 16]
}

/// Moves each pair of eight registers to the low 12 of 16 bits.
#[inline]
fn pairs_of_eight(eight: u64) -> u64 {
    let halves = eight & 0xff_ffff | (eight & 0xffff_ff00_0000) << 8;
    halves & 0x0000_0fff_0000_0fff | (halves & 0x00ff_f000_00ff_f000) << 4
}

/// What [`pairs_of_eight`] undoes.
#[inline]
fn eight_of_pairs(pairs: u64) -> u64 {
    let halves = pairs & 0x0000_0fff_0000_0fff | (pairs & 0x0fff_0000_0fff_0000) >> 4;
    halves & 0xff_ffff | (halves & 0x00ff_ffff_0000_0000) >> 8
}

/// Moves each register of the pairs to a byte of its own.
#[inline]
fn bytes_of_pairs(pairs: u64) -> u64 {
    pairs & 0x003f_003f_003f_003f | (pairs & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// What [`bytes_of_pairs`] undoes.
#[inline]
fn pairs_of_bytes(bytes: u64) -> u64 {
    bytes & 0x003f_003f_003f_003f | (bytes & 0x3f00_3f00_3f00_3f00) >> 2
}

/// Counts pairs of values instead of values, which is half the work, and in two tables by turns: neighbours are often
/// equal, and one count would have to wait for the other.
struct Tally([[u16; 64 * 64]; 2]);

impl Default for Tally {
    fn default() -> Tally {
        Tally([[0; 64 * 64]; 2])
    }
}

impl Tally {
    #[inline]
    fn add(&mut self, pairs: u64) {
        for (nth, shift) in [0, 16, 32, 48].into_iter().enumerate() {
            self.0[nth % 2][(pairs >> shift) as usize & 0xfff] += 1;
        }
    }

    /// How often each value was in either place of a pair.
    fn sum(&self) -> Histogram {
        let [one, other] = [&self.0[0], &self.0[1]].map(|table| table.as_chunks::<64>().0);
        let (mut high, mut low) = ([0; 64], [0u16; 64]);
        for (value, (one, other)) in one.iter().zip(other).enumerate() {
            let mut sum = 0u16;
            for (low, (one, other)) in low.iter_mut().zip(one.iter().zip(other)) {
                *low += one + other;
                sum += one + other;
            }
            high[value] = u32::from(sum);
        }
        std::array::from_fn(|value| high[value] + u32::from(low[value]))
    }
}
