//! The dense form: 6 bits a register, one behind the other from the lowest bit of the first byte on.

use super::estimate::Histogram;
use super::{HEADER_BYTES, REGISTERS};

const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = 63;

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

/// Calls `each` with all registers in order, eight in the bytes of a word, the first in the lowest.
#[inline]
pub(super) fn for_each_eight(bytes: &[u8], mut each: impl FnMut(u64)) {
    let (blocks, _) = bytes[HEADER_BYTES..].as_chunks::<24>();
    for block in blocks {
        let [a, b, c] = [0, 8, 16].map(|at| u64::from_le_bytes(block[at..at + 8].try_into().expect("8 bytes")));
        each(spread(a));
        each(spread(a >> 48 | b << 16));
        each(spread(b >> 32 | c << 32));
        each(spread(c >> 16));
    }
}

/// Raises every register to at least that of `values`.
pub(super) fn merge(bytes: &mut [u8], values: &[u8; REGISTERS]) {
    let (blocks, _) = bytes[HEADER_BYTES..].as_chunks_mut::<6>();
    for (block, values) in blocks.iter_mut().zip(values.as_chunks::<8>().0) {
        let mut word = [0; 8];
        word[..6].copy_from_slice(block);
        let eight = higher(spread(u64::from_le_bytes(word)), u64::from_le_bytes(*values));
        block.copy_from_slice(&pack(eight).to_le_bytes()[..6]);
    }
}

/// The higher of each pair of bytes, none of which is above 127.
#[inline]
pub(super) fn higher(a: u64, b: u64) -> u64 {
    const TOP: u64 = 0x8080_8080_8080_8080;
    // The top bit of a byte stays set where a is not lower.
    let not_lower = ((a | TOP) - b) & TOP;
    let mask = (not_lower >> 7) * 0xff;
    a & mask | b & !mask
}

/// Spreads the lowest eight registers of a word over its bytes.
#[inline]
fn spread(word: u64) -> u64 {
    let halves = word & 0xff_ffff | (word & 0xffff_ff00_0000) << 8;
    let quarters = halves & 0x0000_0fff_0000_0fff | (halves & 0x00ff_f000_00ff_f000) << 4;
    quarters & 0x003f_003f_003f_003f | (quarters & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// What [`spread`] undoes.
#[inline]
fn pack(bytes: u64) -> u64 {
    let quarters = bytes & 0x003f_003f_003f_003f | (bytes & 0x3f00_3f00_3f00_3f00) >> 2;
    let halves = quarters & 0x0000_0fff_0000_0fff | (quarters & 0x0fff_0000_0fff_0000) >> 4;
    halves & 0xff_ffff | (halves & 0x00ff_ffff_0000_0000) >> 8
}

/// How many registers have each value.
pub(super) fn histogram(bytes: &[u8]) -> Histogram {
    let mut tally = Tally::default();
    for_each_eight(bytes, |eight| tally.add(eight));
    tally.sum()
}

/// Counts values in several tables by turns, since neighbours often have the same value and one count would have to
/// wait for the other.
pub(super) struct Tally([Histogram; 4]);

impl Default for Tally {
    fn default() -> Tally {
        Tally([[0; 64]; 4])
    }
}

impl Tally {
    /// Counts eight registers, a byte each.
    #[inline]
    pub(super) fn add(&mut self, eight: u64) {
        for (nth, value) in eight.to_le_bytes().into_iter().enumerate() {
            self.0[nth % 4][usize::from(value & REGISTER_MAX)] += 1;
        }
    }

    /// How many of all had each value.
    pub(super) fn sum(&self) -> Histogram {
        std::array::from_fn(|value| self.0.iter().map(|table| table[value]).sum())
    }
}
