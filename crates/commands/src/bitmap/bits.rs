//! Counting and finding bits in bytes, eight bytes at a time. Positions count from the highest bit of the first byte.

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

/// Eight words at a time, as sums in columns: `ones`, `twos` and `fours` hold, for each of 64 columns, the digits of how
/// many ones were seen, and only what is carried out of them is counted (Harley and Seal).
fn whole_ones(bytes: &[u8]) -> u64 {
    let mut blocks = bytes.chunks_exact(64);
    let (mut ones, mut twos, mut fours, mut eights) = (0, 0, 0, 0);
    for block in blocks.by_ref() {
        let word = |at: usize| word_of(&block[at * 8..at * 8 + 8]);
        let first = [add(&mut ones, word(0), word(1)), add(&mut ones, word(2), word(3))];
        let second = [add(&mut ones, word(4), word(5)), add(&mut ones, word(6), word(7))];
        let carried = [add(&mut twos, first[0], first[1]), add(&mut twos, second[0], second[1])];
        eights += u64::from(add(&mut fours, carried[0], carried[1]).count_ones());
    }
    let columns =
        [(eights, 8), (fours.count_ones().into(), 4), (twos.count_ones().into(), 2), (ones.count_ones().into(), 1)];
    let rest = blocks.remainder().iter().map(|byte| ones_of_byte(*byte)).sum::<u64>();
    columns.iter().map(|(count, weight)| count * weight).sum::<u64>() + rest
}

/// Adds two words to a digit of each column; returns what is carried to the next digit.
fn add(digit: &mut u64, a: u64, b: u64) -> u64 {
    let carried = (*digit & a) | ((*digit ^ a) & b);
    *digit ^= a ^ b;
    carried
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
            let len = if round % 3 == 0 { rng.usize(1..700) } else { rng.usize(1..40) };
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
            for set in [false, true] {
                assert_eq!(find(&bytes, from, to, set), (from..to).find(|at| bit(&bytes, *at) == set));
            }
        }
    }
}
