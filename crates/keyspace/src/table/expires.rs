//! An index of deadlines: (deadline, hash) pairs in order, for active expiry and volatile eviction.
//!
//! Pairs stand sorted in runs of up to 256; a map finds the run of a pair by the run's lower bound, and the runs
//! themselves stand in a vector, so that a random one can be drawn. 16 bytes a pair, about 19 with the free room. Two keys
//! may have the same pair: it then stands here twice. Not part of snapshots; all safe code.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A deadline in Unix milliseconds and a key's hash.
pub(super) type Due = (i64, u64);

const RUN_MAX: usize = 256;
/// A run that has come down to so many pairs is joined to the next if both make no more than twice as many.
const JOINED_MAX: usize = 64;

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
    /// Pairs that the runs have room for.
    capacity: usize,
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
        pairs + self.capacity * size_of::<Due>()
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
        if pairs.len() == pairs.capacity() {
            // Small steps: a run may stay as it is for ever.
            let more = fitting(pairs.len() + 1 + pairs.len() / 8) - pairs.len();
            self.capacity -= pairs.capacity();
            pairs.reserve_exact(more);
            self.capacity += pairs.capacity();
        }
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
        self.capacity += pairs.capacity();
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
            self.fit(at);
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
        match pairs.len() {
            0 => self.drop_run(at),
            len if len <= JOINED_MAX && len.is_multiple_of(16) => self.join(at),
            len if fitting(len + len / 8) < pairs.capacity() => self.fit(at),
            _ => {}
        }
    }

    /// Gives room back that a run does not need soon.
    fn fit(&mut self, at: usize) {
        let pairs = &mut self.runs[at].pairs;
        self.capacity -= pairs.capacity();
        pairs.shrink_to(fitting(pairs.len() + pairs.len() / 8));
        self.capacity += pairs.capacity();
    }

    /// Joins a small run and the one behind it, if that is small enough.
    fn join(&mut self, at: usize) {
        let bound = self.runs[at].bound;
        let above = (Bound::Excluded(bound), Bound::Unbounded);
        let next = self.by_bound.range(above).next().map(|(_, next)| *next as usize);
        let Some(next) = next.filter(|next| self.runs[*next].pairs.len() + self.runs[at].pairs.len() <= 2 * JOINED_MAX)
        else {
            return self.fit(at);
        };
        let upper = std::mem::take(&mut self.runs[next].pairs);
        let pairs = &mut self.runs[at].pairs;
        self.capacity -= pairs.capacity() + upper.capacity();
        pairs.reserve_exact(fitting(pairs.len() + upper.len()) - pairs.len());
        pairs.extend_from_slice(&upper);
        self.capacity += pairs.capacity();
        self.drop_run(next);
    }

    fn drop_run(&mut self, at: usize) {
        let run = self.runs.swap_remove(at);
        self.by_bound.remove(&run.bound);
        self.capacity -= run.pairs.capacity();
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

/// The next length that an allocator has a size for: four to each power of two.
fn fitting(len: usize) -> usize {
    let step = (len.next_power_of_two() / 8).max(1);
    len.next_multiple_of(step)
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

    #[test]
    fn little_room_is_wasted_whatever_came_and_went() {
        let mut rng = fastrand::Rng::with_seed(8);
        let (mut index, mut model) = (Expires::default(), Vec::new());
        let check = |index: &Expires, when: &str| {
            let capacity: usize = index.runs.iter().map(|run| run.pairs.capacity()).sum();
            assert_eq!((index.capacity, index.by_bound.len()), (capacity, index.runs.len()), "{when}");
            assert!(
                index.memory_bytes() < index.len() * 23,
                "{when}: {} bytes a pair",
                index.memory_bytes() / index.len()
            );
        };
        // Deadlines grow, and random ones go: a cache whose keys all live equally long.
        for step in 0..60_000 {
            let due = (step, rng.u64(..));
            index.insert(due);
            model.push(due);
            if model.len() > 20_000 {
                index.remove(model.swap_remove(rng.usize(..model.len())));
            }
        }
        check(&index, "a cache");
        for _ in 0..18_000 {
            index.remove(model.swap_remove(rng.usize(..model.len())));
        }
        check(&index, "most are gone");
        for _ in 0..20_000 {
            index.insert((rng.i64(0..60_000), rng.u64(..)));
        }
        check(&index, "random deadlines");
    }
}
