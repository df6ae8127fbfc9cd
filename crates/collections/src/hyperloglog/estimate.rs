//! The estimate of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), from the number
//! of registers with each value. The order of the operations is that of the paper: the peers' counts come out of the
//! same order, and differ from any other in the last place.

use super::{INDEX_BITS, REGISTERS};

/// How many registers have each value. A register of 6 bits can hold more than any hash gives.
pub(super) type Histogram = [u32; 64];

/// The bits of a hash that a register's value comes from.
const VALUE_BITS: usize = (u64::BITS - INDEX_BITS) as usize;

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The number of different elements.
pub(super) fn count(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let share = |value: usize| f64::from(histogram[value]);
    let mut sum = registers * tau((registers - share(VALUE_BITS + 1)) / registers);
    for value in (1..=VALUE_BITS).rev() {
        sum = (sum + share(value)) * 0.5;
    }
    sum += registers * sigma(share(0) / registers);
    (ALPHA * registers * registers / sum).round() as u64
}

/// The part of the registers that are still 0.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// The part of the registers that can rise no more.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}
