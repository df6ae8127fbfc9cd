//! The sparse form: runs of registers with the same value, one behind the other.
//!
//! ```text
//! 00llllll            l + 1 registers of 0
//! 01llllll llllllll   l + 1 registers of 0, the high bits first
//! 1vvvvvll            l + 1 registers of v + 1
//! ```
//!
//! A set of registers can be written in many ways, and a value goes from one server to another as its bytes: so runs
//! are split and joined exactly as the peers do it, oddities included.

use std::ops::Range;

use super::dense::{self, DENSE_BYTES};
use super::estimate::Histogram;
use super::{HEADER_BYTES, REGISTERS};
use crate::Corrupt;

/// The highest value that a run can have.
const VALUE_MAX: u8 = 32;
/// The longest run with a value.
const VALUES_MAX: usize = 4;
/// The longest run of zeros in one byte.
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs from the one before a change are looked at for joining.
const JOIN_RUNS: usize = 5;

const TOO_FEW: Corrupt = Corrupt("HyperLogLog runs do not cover all registers");
const TOO_MANY: Corrupt = Corrupt("HyperLogLog runs go beyond the last register");

/// Registers of one value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Run {
    /// 0 or the value of all of them.
    value: u8,
    /// How many.
    len: usize,
    /// The bytes it is written in.
    bytes: usize,
}

impl Run {
    /// The run written at a place, None at the end or where it is cut off.
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Option<Run> {
        let first = *bytes.get(at)?;
        Some(if first & 0x80 != 0 {
            Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 }
        } else if first & 0x40 != 0 {
            let len = usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
            Run { value: 0, len: len + 1, bytes: 2 }
        } else {
            Run { value: 0, len: usize::from(first & 0x3f) + 1, bytes: 1 }
        })
    }
}

/// A few runs being written.
#[derive(Default)]
struct Written {
    bytes: [u8; 5],
    len: usize,
}

impl Written {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Adds a run in its shortest form, nothing if it has no registers.
    fn run(&mut self, value: u8, len: usize) {
        match (value, len) {
            (_, 0) => {}
            (0, 1..=SHORT_ZEROS_MAX) => self.push(len as u8 - 1),
            (0, _) => {
                self.push(0x40 | ((len - 1) >> 8) as u8);
                self.push((len - 1) as u8);
            }
            _ => self.push(value_byte(value, len)),
        }
    }
}

fn value_byte(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len as u8 - 1)
}

/// Appends the registers of an empty HyperLogLog: one run.
pub(super) fn write_empty(bytes: &mut Vec<u8>) {
    let mut written = Written::default();
    written.run(0, REGISTERS);
    bytes.extend_from_slice(&written.bytes[..written.len]);
}

/// What came of raising a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    /// It was as high already.
    No,
    /// It is now.
    Yes,
    /// Only the dense form can hold it; nothing has changed.
    TooLarge,
}

/// Raises one register.
pub(super) fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, bytes_max: usize) -> Result<Raised, Corrupt> {
    Walk::default().raise(bytes, index, value, bytes_max)
}

/// Where a run begins in the bytes, and its first register.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    index: usize,
}

const FIRST: Place = Place { at: HEADER_BYTES, index: 0 };

/// The run that a register is in, and the two before it.
struct Found {
    run: Run,
    here: Place,
    before: Option<Place>,
    before_that: Option<Place>,
}

/// A way along the runs, on which registers are raised in ascending order.
pub(super) struct Walk {
    /// Where the next search begins. No register behind the last one raised is in this run, unless it is the first.
    start: Place,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk { start: FIRST }
    }
}

impl Walk {
    /// Raises a register that is behind the last one raised.
    pub(super) fn raise(
        &mut self,
        bytes: &mut Vec<u8>,
        index: usize,
        value: u8,
        bytes_max: usize,
    ) -> Result<Raised, Corrupt> {
        if value > VALUE_MAX {
            return Ok(Raised::TooLarge);
        }
        let found = find(bytes, self.start, index)?;
        // The run before can grow when runs are joined, the one before that cannot.
        self.start = found.before_that.unwrap_or(FIRST);
        let Found { run, here, before, .. } = found;
        if run.value >= value {
            return Ok(Raised::No);
        }
        let mut written = Written::default();
        if run.len == 1 && run.bytes == 1 {
            written.run(value, 1);
        } else {
            written.run(run.value, index - here.index);
            written.run(value, 1);
            written.run(run.value, here.index + run.len - index - 1);
        }
        // A change that does not need more room is made even in a string that is too long already.
        if written.len > run.bytes && bytes.len() + written.len - run.bytes > bytes_max {
            return Ok(Raised::TooLarge);
        }
        replace(bytes, here.at..here.at + run.bytes, &written.bytes[..written.len]);
        join(bytes, before.unwrap_or(FIRST).at);
        Ok(Raised::Yes)
    }
}

/// Finds the run of a register from a run before it on.
fn find(bytes: &[u8], start: Place, index: usize) -> Result<Found, Corrupt> {
    let (mut here, mut before, mut before_that) = (start, None, None);
    loop {
        if let Some(lens) = bytes.get(here.at..).and_then(eight_lens)
            && here.index + sum_of_bytes(lens) <= index
        {
            let [.., seventh, eighth] = lens.to_le_bytes().map(usize::from);
            here = Place { at: here.at + 8, index: here.index + sum_of_bytes(lens) };
            before = Some(Place { at: here.at - 1, index: here.index - eighth });
            before_that = Some(Place { at: here.at - 2, index: here.index - eighth - seventh });
            continue;
        }
        let run = Run::read(bytes, here.at).ok_or(TOO_FEW)?;
        if index < here.index + run.len {
            return Ok(Found { run, here, before, before_that });
        }
        before_that = before;
        before = Some(here);
        here = Place { at: here.at + run.bytes, index: here.index + run.len };
    }
}

/// The lengths of the next eight runs, in the bytes of a word, if each of them is written in one byte. Long sparse forms
/// consist of such runs nearly alone, and finding a register in them is what adding an element takes most time for.
#[inline]
fn eight_lens(bytes: &[u8]) -> Option<u64> {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let with_value = word >> 7 & LOWEST;
    let two_bytes = word >> 6 & LOWEST & !with_value;
    let mask = (LOWEST * 0x3f) ^ (with_value * 0x3c);
    (two_bytes == 0).then_some((word & mask) + LOWEST)
}

/// The sum of the bytes of a word, none of which is above 127.
#[inline]
fn sum_of_bytes(word: u64) -> usize {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let pairs = (word & EVEN) + (word >> 8 & EVEN);
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
}

/// Puts other bytes in the place of some.
fn replace(bytes: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    let (old_len, end) = (bytes.len(), range.start + with.len());
    if end > range.end {
        bytes.resize(old_len + end - range.end, 0);
    }
    if end != range.end {
        bytes.copy_within(range.end..old_len, end);
        bytes.truncate(old_len + end - range.end);
    }
    bytes[range.start..end].copy_from_slice(with);
}

/// Joins neighbours of the same value near a change, as far as the peers look.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        let Some(run) = Run::read(bytes, at) else { return };
        let next = Run::read(bytes, at + run.bytes);
        match next {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= VALUES_MAX => {
                bytes[at + 1] = value_byte(run.value, run.len + next.len);
                bytes.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}

/// Calls `each` with the registers of every run that has a value.
pub(super) fn for_each_value(bytes: &[u8], mut each: impl FnMut(Range<usize>, u8)) -> Result<(), Corrupt> {
    let (mut at, mut index) = (HEADER_BYTES, 0);
    while let Some(run) = Run::read(bytes, at) {
        at += run.bytes;
        let end = index + run.len;
        if end > REGISTERS {
            return Err(TOO_MANY);
        }
        if run.value > 0 {
            each(index..end, run.value);
        }
        index = end;
    }
    if index == REGISTERS && at == bytes.len() { Ok(()) } else { Err(TOO_FEW) }
}

/// How many registers have each value.
pub(super) fn histogram(bytes: &[u8]) -> Result<Histogram, Corrupt> {
    let mut histogram = [0; 64];
    let mut raised = 0;
    for_each_value(bytes, |run, value| {
        histogram[usize::from(value)] += run.len() as u32;
        raised += run.len();
    })?;
    histogram[0] = (REGISTERS - raised) as u32;
    Ok(histogram)
}

/// The same registers and header in the dense form.
pub(super) fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut out = Vec::with_capacity(DENSE_BYTES);
    out.extend_from_slice(&bytes[..HEADER_BYTES]);
    out.resize(DENSE_BYTES, 0);
    for_each_value(bytes, |run, value| {
        run.for_each(|index| {
            dense::raise(&mut out, index, value);
        });
    })?;
    Ok(out)
}

/// The runs as PFDEBUG DECODE shows them.
pub(super) fn as_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut at = HEADER_BYTES;
    while let Some(run) = Run::read(bytes, at) {
        at += run.bytes;
        match run {
            Run { value: 0, bytes: 1, len } => text += &format!("z:{len} "),
            Run { value: 0, len, .. } => text += &format!("Z:{len} "),
            Run { value, len, .. } => text += &format!("v:{value},{len} "),
        }
    }
    text.pop();
    text
}
