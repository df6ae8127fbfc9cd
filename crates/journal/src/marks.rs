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
        if self.marks.back().is_some_and(|(last, _)| *last >= end) {
            return;
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
