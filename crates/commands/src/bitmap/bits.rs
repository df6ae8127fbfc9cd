//! Counting and finding bits in bytes, many bytes at a time. Positions count from the highest bit of the first byte.

/// How many bits are set from bit `from` up to, not including, bit `to`.
pub(super) fn count_ones(bytes: &[u8], from: u64, to: u64) -> u64 {
    let (first, last) = ((from / 8) as usize, (to / 8) as usize);
    let before = match from % 8 {
        0 => 0,
        skipped => ones_of_byte(bytes[first] & !(0xff >> skipped)),
    };
    let after = match to % 8 {
        0 => 0,
        kept => ones_of_byte(bytes[last] & !(0xff >> kept)),
    };
    whole_ones(&bytes[first..last.max(first)]) + after - before
}

fn ones_of_byte(byte: u8) -> u64 {
    u64::from(byte.count_ones())
}

/// Words that are counted side by side, in columns of their own, so that the compiler uses the processor's wide registers.
const LANES: usize = 4;
/// One word for each lane.
type Row = [u64; LANES];
const ROW_BYTES: usize = LANES * 8;

/// The sums of columns of bits, a digit of each in one place: what was carried out of the last one has been counted (Harley
/// and Seal).
#[derive(Default)]
struct Columns {
    ones: Row,
    twos: Row,
    fours: Row,
    eights: Row,
}

impl Columns {
    // Each adds its rows and returns what is carried to the next digit.

    #[inline(always)]
    fn add_two(&mut self, rows: &[[u8; ROW_BYTES]]) -> Row {
        add(&mut self.ones, row_of(&rows[0]), row_of(&rows[1]))
    }

    #[inline(always)]
    fn add_four(&mut self, rows: &[[u8; ROW_BYTES]]) -> Row {
        let carried = [self.add_two(&rows[..2]), self.add_two(&rows[2..])];
        add(&mut self.twos, carried[0], carried[1])
    }

    #[inline(always)]
    fn add_eight(&mut self, rows: &[[u8; ROW_BYTES]]) -> Row {
        let carried = [self.add_four(&rows[..4]), self.add_four(&rows[4..])];
        add(&mut self.fours, carried[0], carried[1])
    }

    #[inline(always)]
    fn add_sixteen(&mut self, rows: &[[u8; ROW_BYTES]; 16]) -> Row {
        let carried = [self.add_eight(&rows[..8]), self.add_eight(&rows[8..])];
        add(&mut self.eights, carried[0], carried[1])
    }

    #[inline(always)]
    fn count_ones(&self) -> u64 {
        8 * ones_of_row(self.eights) + 4 * ones_of_row(self.fours) + 2 * ones_of_row(self.twos) + ones_of_row(self.ones)
    }
}

fn whole_ones(bytes: &[u8]) -> u64 {
    let (rows, rest) = bytes.as_chunks::<ROW_BYTES>();
    let (blocks, rows) = rows.as_chunks::<16>();
    let in_blocks = if blocks.is_empty() { 0 } else { ones_of_blocks(blocks) };
    in_blocks
        + rows.iter().map(|row| ones_of_row(row_of(row))).sum::<u64>()
        + rest.iter().map(|byte| ones_of_byte(*byte)).sum::<u64>()
}

/// Sixteen rows.
type Block = [[u8; ROW_BYTES]; 16];

fn ones_of_blocks(blocks: &[Block]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { ones_of_blocks_in_wide_registers(blocks) };
    }
    add_up(blocks)
}

/// As `add_up`, a row in one register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn ones_of_blocks_in_wide_registers(blocks: &[Block]) -> u64 {
    add_up(blocks)
}

#[inline(always)]
fn add_up(blocks: &[Block]) -> u64 {
    let mut columns = Columns::default();
    let sixteens: u64 = blocks.iter().map(|block| ones_of_row(columns.add_sixteen(block))).sum();
    16 * sixteens + columns.count_ones()
}

/// Adds two rows to a digit of each column; returns what is carried to the next digit.
#[inline(always)]
fn add(digit: &mut Row, a: Row, b: Row) -> Row {
    let mut carried = Row::default();
    for lane in 0..LANES {
        let differs = digit[lane] ^ a[lane];
        carried[lane] = (digit[lane] & a[lane]) | (differs & b[lane]);
        digit[lane] = differs ^ b[lane];
    }
    carried
}

#[inline(always)]
fn row_of(bytes: &[u8; ROW_BYTES]) -> Row {
    let mut row = Row::default();
    row.iter_mut().zip(bytes.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
    row
}

#[inline(always)]
fn ones_of_row(row: Row) -> u64 {
    row.iter().map(|word| u64::from(word.count_ones())).sum()
}

fn word_of(eight: &[u8]) -> u64 {
    u64::from_be_bytes(eight.try_into().expect("chunks of eight bytes"))
}

/// The first bit from `from` up to, not including, `to` that is set, or clear.
pub(super) fn find(bytes: &[u8], from: u64, to: u64, set: bool) -> Option<u64> {
    if from >= to {
        return None;
    }
    let first = (from / 8) as usize;
    let end = to.div_ceil(8) as usize;
    // Turned so that the bit looked for is always a one.
    let turn = if set { 0 } else { 0xff };
    let head = (bytes[first] ^ turn) & (0xff >> (from % 8));
    let position = if head != 0 {
        first as u64 * 8 + u64::from(head.leading_zeros())
    } else {
        find_one(&bytes[first + 1..end], turn)? + (first as u64 + 1) * 8
    };
    (position < to).then_some(position)
}

/// The first one among bytes that are turned by `turn`.
fn find_one(bytes: &[u8], turn: u8) -> Option<u64> {
    let skip = u64::from_ne_bytes([turn; 8]);
    let words = bytes.chunks_exact(8).take_while(|word| word_of(word) == skip).count();
    let rest = &bytes[words * 8..];
    let at = rest.iter().position(|byte| byte ^ turn != 0)?;
    Some((words * 8 + at) as u64 * 8 + u64::from((rest[at] ^ turn).leading_zeros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0
    }

    #[test]
    fn counting_and_finding_agree_with_looking_at_every_bit() {
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..400 {
            let len = if round % 3 == 0 { rng.usize(1..9000) } else { rng.usize(1..40) };
            // Long runs of equal bytes, so that whole words are skipped too.
            let fill = if round % 2 == 0 { 0 } else { 0xff };
            let mut bytes = vec![fill; len];
            if round % 5 == 0 {
                bytes.fill_with(|| rng.u8(..));
            }
            for _ in 0..rng.usize(0..3) {
                bytes[rng.usize(0..len)] = rng.u8(..);
            }
            let from = rng.u64(0..len as u64 * 8);
            let to = rng.u64(from..len as u64 * 8 + 1);
            assert_eq!(count_ones(&bytes, from, to), (from..to).filter(|at| bit(&bytes, *at)).count() as u64);
            let blocks = bytes.as_chunks::<ROW_BYTES>().0.as_chunks().0;
            assert_eq!(ones_of_blocks(blocks), add_up(blocks), "on any processor the same");
            for set in [false, true] {
                assert_eq!(find(&bytes, from, to, set), (from..to).find(|at| bit(&bytes, *at) == set));
            }
        }
    }
}
