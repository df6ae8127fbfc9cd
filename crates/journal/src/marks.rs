//! When which part of the stream was written: lag in time instead of bytes.

use crate::offset::Offset;
use base::UnixMs;
use std::collections::VecDeque;

/// Most marks kept. Beyond it the older half is thinned, so that the past is remembered coarsely rather than
/// forgotten.
const MARKS_MAX: usize = 1024;

/// Pairs of (end of the stream, time it was seen), both rising.
#[derive(Debug, Default)]
pub struct Marks {
    marks: VecDeque<(Offset, UnixMs)>,
}

impl Marks {
    /// Notes that the stream ends at `end` now. Nothing is noted while the stream stands still.
    pub fn mark(&mut self, end: Offset, now: UnixMs) {
        match self.marks.back_mut() {
            Some((last, _)) if *last >= end => return,
            // Within one millisecond only the end counts.
            Some((last, time)) if *time == now => {
                *last = end;
                return;
            }
            _ => {}
        }
        if self.marks.len() == MARKS_MAX {
            let mut index = 0;
            self.marks.retain(|_| {
                index += 1;
                index > MARKS_MAX / 2 || index % 2 == 1
            });
        }
        self.marks.push_back((end, now));
    }

    /// When the byte at `offset` was written, rounded up to the next mark; None if it is not marked yet or
    /// older than the first mark. A replica that has applied `offset` lags by `now` minus this.
    pub fn time_at(&self, offset: Offset) -> Option<UnixMs> {
        let next = self.marks.partition_point(|(end, _)| *end <= offset);
        if next == 0 {
            return None;
        }
        self.marks.get(next).map(|(_, time)| *time)
    }

    /// Bytes per second that were written since the given moment; 0 if the stream stood still or nothing is known.
    pub fn rate_since(&self, since: UnixMs, now: UnixMs) -> u64 {
        let first = self.marks.partition_point(|(_, time)| *time < since);
        let (Some((from, _)), Some((to, _))) = (self.marks.get(first.saturating_sub(1)), self.marks.back()) else {
            return 0;
        };
        let span = (now - since).max(1) as u64;
        (*to - *from).saturating_mul(1000) / span
    }

    /// Forgets the marks at or before `first`, except the last of them, which says where the next one begins.
    pub fn forget_before(&mut self, first: Offset) {
        while self.marks.get(1).is_some_and(|(end, _)| *end <= first) {
            self.marks.pop_front();
        }
    }

    /// Forgets all marks: the stream begins anew.
    pub fn clear(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_was_written_at_the_first_mark_behind_it() {
        let mut marks = Marks::default();
        marks.mark(Offset(100), UnixMs(1000));
        marks.mark(Offset(200), UnixMs(2000));
        marks.mark(Offset(200), UnixMs(2500));
        marks.mark(Offset(300), UnixMs(3000));
        assert_eq!(marks.time_at(Offset(50)), None, "before the first mark nothing is known");
        assert_eq!(marks.time_at(Offset(100)), Some(UnixMs(2000)));
        assert_eq!(marks.time_at(Offset(199)), Some(UnixMs(2000)));
        assert_eq!(marks.time_at(Offset(200)), Some(UnixMs(3000)));
        assert_eq!(marks.time_at(Offset(300)), None, "nothing is missing");
    }

    #[test]
    fn the_rate_counts_what_was_written_since_a_moment() {
        let mut marks = Marks::default();
        assert_eq!(marks.rate_since(UnixMs(0), UnixMs(10)), 0);
        for second in 1..=20 {
            marks.mark(Offset(second * 1000), UnixMs(second as i64 * 1000));
        }
        assert_eq!(marks.rate_since(UnixMs(10_000), UnixMs(20_000)), 1100, "from the last mark before");
        assert_eq!(marks.rate_since(UnixMs(30_000), UnixMs(40_000)), 0);
        marks.mark(Offset(20_500), UnixMs(20_000));
        assert_eq!(marks.time_at(Offset(20_400)), Some(UnixMs(20_000)), "one mark a millisecond");
    }

    #[test]
    fn marks_are_bounded_and_stay_in_order() {
        let mut marks = Marks::default();
        for i in 1..100_000 {
            marks.mark(Offset(i), UnixMs(i as i64));
        }
        assert!(marks.marks.len() <= MARKS_MAX);
        assert_eq!(marks.marks.front().map(|(offset, _)| *offset), Some(Offset(1)));
        assert!(marks.marks.iter().zip(marks.marks.iter().skip(1)).all(|(a, b)| a.0 < b.0 && a.1 <= b.1));
        marks.forget_before(Offset(99_998));
        assert_eq!(marks.time_at(Offset(99_998)), Some(UnixMs(99_999)));
    }
}
