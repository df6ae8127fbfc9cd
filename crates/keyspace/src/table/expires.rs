//! An index of deadlines: (deadline, hash) pairs in order, for active expiry and volatile eviction.
//!
//! Pairs stand sorted in runs of up to 256; a map finds the run of a pair by the run's lower bound, and the runs
//! themselves stand in a vector, so that a random one can be drawn. 16 bytes a pair, 17–24 with the free room. Two keys may
//! have the same pair: it then stands here twice. Not part of snapshots; all safe code.

use std::collections::BTreeMap;

/// A deadline in Unix milliseconds and a key's hash.
pub(super) type Due = (i64, u64);

const RUN_MAX: usize = 256;

#[derive(Default)]
struct Run {
    /// Its key in `by_bound`.
    bound: Due,
    pairs: Vec<Due>,
}

/// Deadlines in order.
#[derive(Default)]
pub(super) struct Expires {
    /// Lower bound of each run → its place in `runs`.
    by_bound: BTreeMap<Due, u32>,
    runs: Vec<Run>,
    len: usize,
    /// Of all deadlines.
    sum: i128,
}

impl Expires {
    /// The mean of all deadlines in Unix milliseconds, if there is one.
    pub(super) fn mean(&self) -> Option<i64> {
        let mean = self.sum.checked_div(self.len as i128)?;
        Some(i64::try_from(mean).expect("between the least and the greatest"))
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes, estimated for the map.
    pub(super) fn memory_bytes(&self) -> usize {
        let pairs: usize = self.runs.len() * size_of::<Run>() + self.by_bound.len() * 36;
        pairs + self.len * size_of::<Due>() * 4 / 3
    }

    /// The run a pair belongs to: the last whose bound is not above it, or else the first.
    fn run_of(&self, due: Due) -> Option<usize> {
        let below = self.by_bound.range(..=due).next_back();
        below.or_else(|| self.by_bound.iter().next()).map(|(_, at)| *at as usize)
    }

    pub(super) fn insert(&mut self, due: Due) {
        self.len += 1;
        self.sum += i128::from(due.0);
        let Some(at) = self.run_of(due) else {
            self.add_run(vec![due]);
            return;
        };
        if due < self.runs[at].bound {
            self.by_bound.remove(&self.runs[at].bound);
            self.by_bound.insert(due, at as u32);
            self.runs[at].bound = due;
        }
        let pairs = &mut self.runs[at].pairs;
        let place = pairs.partition_point(|pair| *pair < due);
        pairs.insert(place, due);
        if pairs.len() >= RUN_MAX {
            self.split(at);
        }
    }

    /// Puts one deadline of a hash in the place of another.
    #[inline]
    pub(super) fn replace(&mut self, hash: u64, before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        if let Some(deadline) = before {
            self.remove((deadline, hash));
        }
        if let Some(deadline) = after {
            self.insert((deadline, hash));
        }
    }

    fn add_run(&mut self, pairs: Vec<Due>) {
        let bound = pairs[0];
        self.by_bound.insert(bound, self.runs.len() as u32);
        self.runs.push(Run { bound, pairs });
    }

    /// Splits a full run in the middle, or near its end if it is the last one (deadlines mostly grow).
    fn split(&mut self, at: usize) {
        let is_last = self.by_bound.last_key_value().is_some_and(|(_, last)| *last as usize == at);
        let pairs = &mut self.runs[at].pairs;
        let mut middle = if is_last { RUN_MAX - RUN_MAX / 16 } else { RUN_MAX / 2 };
        // Equal pairs stay in one run, so that a bound is never found twice.
        while middle < pairs.len() && pairs[middle] == pairs[middle - 1] {
            middle += 1;
        }
        if middle < pairs.len() {
            let upper = pairs.split_off(middle);
            self.add_run(upper);
        }
    }

    /// Removes one such pair. Panics if there is none: the table adds and removes them with its entries.
    pub(super) fn remove(&mut self, due: Due) {
        let at = self.run_of(due).expect("indexed when the deadline was set");
        let pairs = &mut self.runs[at].pairs;
        let place = pairs.binary_search(&due).expect("indexed when the deadline was set");
        pairs.remove(place);
        self.len -= 1;
        self.sum -= i128::from(due.0);
        if pairs.is_empty() {
            self.drop_run(at);
        } else if pairs.len() * 4 <= pairs.capacity() {
            pairs.shrink_to(pairs.len() * 2);
        }
    }

    fn drop_run(&mut self, at: usize) {
        let run = self.runs.swap_remove(at);
        self.by_bound.remove(&run.bound);
        if let Some(moved) = self.runs.get(at) {
            self.by_bound.insert(moved.bound, at as u32);
        }
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<Due> {
        let (_, at) = self.by_bound.first_key_value()?;
        self.runs[*at as usize].pairs.first().copied()
    }

    /// A random pair: a random run, accepted in proportion to its load.
    pub(super) fn random(&self, rng: &mut fastrand::Rng) -> Option<Due> {
        if self.len == 0 {
            return None;
        }
        for _ in 0..16 {
            let pairs = &self.runs[rng.usize(..self.runs.len())].pairs;
            let slot = rng.usize(..RUN_MAX);
            if let Some(due) = pairs.get(slot) {
                return Some(*due);
            }
        }
        let pairs = &self.runs[rng.usize(..self.runs.len())].pairs;
        Some(pairs[rng.usize(..pairs.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_out_in_order_whatever_went_in_and_out() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut index, mut model) = (Expires::default(), Vec::new());
        for step in 0..20_000 {
            if step < 12_000 && rng.u8(..) < 170 || model.is_empty() {
                let due = (rng.i64(0..500), rng.u64(0..20));
                index.insert(due);
                model.push(due);
            } else {
                let due = model.swap_remove(rng.usize(..model.len()));
                index.remove(due);
            }
            assert_eq!(index.len(), model.len());
            let mean = (!model.is_empty()).then(|| model.iter().map(|due| due.0).sum::<i64>() / model.len() as i64);
            assert_eq!(index.mean(), mean);
            assert_eq!(index.first(), model.iter().min().copied());
            assert_eq!(index.random(&mut rng).is_some(), !model.is_empty());
        }
    }
}
