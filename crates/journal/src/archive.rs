//! Which files hold which stretch of the stream: what a replica can be served from when memory no longer reaches back to
//! it. A list, no more; it neither reads nor writes a file.
//!
//! The stretches follow each other without a gap. Those that something else needs anyway (the append-only file) come last
//! and are never let go of here; those in front of them are *spare*: kept for replicas alone, inside a budget.

use std::collections::VecDeque;

use base::UnixMs;

use crate::offset::Offset;

/// Where a stretch is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A file among the append-only files, by its name.
    File(String),
    /// A nameless file of the program, by its number.
    Spill(u64),
}

/// A stretch of the stream in one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The file.
    pub place: Place,
    /// Bytes of the file before the stretch.
    pub skip: u64,
    /// The offset of its first byte.
    pub start: Offset,
    /// The offset behind its last byte.
    pub end: Offset,
    /// It is kept for replicas alone.
    pub spare: bool,
    /// When its last byte was written, more or less.
    pub ended: UnixMs,
}

impl Part {
    /// Its bytes of the stream.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Some bytes of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The file.
    pub place: Place,
    /// Where in the file they begin.
    pub position: u64,
    /// How many, at least one.
    pub bytes: usize,
}

/// What of a file is kept once the append-only file does without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keep {
    /// The part as it is now.
    pub part: Part,
    /// Bytes of the stretch that are left out, from its start.
    pub cut: u64,
}

/// The files that hold the stream.
#[derive(Debug, Default)]
pub struct Archive {
    parts: VecDeque<Part>,
}

impl Archive {
    /// The stretches of files found on disk that lead to `end` without a gap. Whatever does not is left out.
    pub fn chain(mut found: Vec<Part>, end: Offset) -> Archive {
        let mut parts = VecDeque::new();
        let mut wanted = end;
        // Where two hold the same, the one that stays anyway is taken.
        found.sort_by_key(|part| part.spare);
        while let Some(at) = found.iter().position(|part| part.end == wanted && part.start < wanted) {
            let part = found.swap_remove(at);
            wanted = part.start;
            parts.push_front(part);
            found.sort_by_key(|part| part.spare);
        }
        Archive { parts }
    }

    /// The offset of the oldest byte; None: nothing is on disk.
    pub fn first(&self) -> Option<Offset> {
        self.parts.front().map(|part| part.start)
    }

    /// The offset behind the newest byte.
    pub fn end(&self) -> Option<Offset> {
        self.parts.back().map(|part| part.end)
    }

    /// The stretches in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter()
    }

    /// Whether the byte at `at` is on disk or behind what is.
    pub fn reaches(&self, at: Offset) -> bool {
        self.first().is_some_and(|first| first <= at)
    }

    /// Where the bytes from `at` on are, at most `bytes_max` of them and none at or behind `until`.
    pub fn locate(&self, at: Offset, until: Offset, bytes_max: usize) -> Option<Extent> {
        let nth = self.parts.partition_point(|part| part.end <= at);
        let part = self.parts.get(nth).filter(|part| part.start <= at)?;
        let bytes = part.end.min(until).since(at).min(bytes_max as u64) as usize;
        (bytes > 0).then(|| Extent { place: part.place.clone(), position: part.skip + (at - part.start), bytes })
    }

    /// A new file begins. If it does not begin where the one before it ends, what was there is of no use any more and is
    /// returned.
    pub fn begin(&mut self, part: Part) -> Vec<Part> {
        if self.parts.back().is_some_and(Part::is_empty) {
            self.parts.pop_back();
        }
        let unconnected = self.end().is_some_and(|end| end != part.start);
        let lost = if unconnected { self.clear() } else { Vec::new() };
        self.parts.push_back(part);
        lost
    }

    /// The last file goes on to `end` now.
    pub fn extend(&mut self, end: Offset, now: UnixMs) {
        if let Some(last) = self.parts.back_mut() {
            last.end = end;
            last.ended = now;
        }
    }

    /// Forgets everything: what it was.
    pub fn clear(&mut self) -> Vec<Part> {
        self.parts.drain(..).collect()
    }

    /// Forgets the file that holds the byte at `at`, and those before it: what they were.
    pub fn forget_through(&mut self, at: Offset) -> Vec<Part> {
        let count = self.parts.partition_point(|part| part.start <= at);
        self.parts.drain(..count).collect()
    }

    /// Bytes that are kept for replicas alone.
    pub fn spare_bytes(&self) -> u64 {
        self.parts.iter().filter(|part| part.spare).map(Part::len).sum()
    }

    /// Lets go of spare files, the oldest first: while they are more than `bytes_max`, and those that ended before `oldest`
    /// if no reader wants a byte of theirs (`needed_from`). What they were.
    pub fn shrink(&mut self, bytes_max: u64, oldest: UnixMs, needed_from: Option<Offset>) -> Vec<Part> {
        let mut spare = self.spare_bytes();
        let mut gone = Vec::new();
        while let Some(front) = self.parts.front().filter(|front| front.spare) {
            let needed = needed_from.is_some_and(|from| from < front.end);
            let too_old = front.ended < oldest && !needed;
            if spare <= bytes_max && !too_old {
                break;
            }
            spare -= front.len();
            gone.extend(self.parts.pop_front());
        }
        gone
    }

    /// What is to be kept of files that the append-only file will do without, so that it is at most `bytes_max`: the newest
    /// bytes. Of the oldest of them the end alone may be.
    pub fn plan_spares(&self, superseded: &dyn Fn(&str) -> bool, bytes_max: u64) -> Vec<Keep> {
        let is_superseded = |part: &&Part| !part.spare && matches!(&part.place, Place::File(name) if superseded(name));
        let mut room = bytes_max;
        let mut keeps = Vec::new();
        for part in self.parts.iter().rev().filter(is_superseded).filter(|part| !part.is_empty()) {
            if room == 0 {
                break;
            }
            let cut = part.len().saturating_sub(room);
            room -= part.len() - cut;
            keeps.push(Keep { part: part.clone(), cut });
            if cut > 0 {
                break;
            }
        }
        keeps
    }

    /// The append-only file does without some files now. `kept` says what became of those that a plan named: the spare
    /// part. The others are forgotten, with everything before them: what that was.
    pub fn supersede(&mut self, superseded: &dyn Fn(&str) -> bool, kept: &[(String, Part)]) -> Vec<Part> {
        let mut gone = Vec::new();
        let mut before = Vec::new();
        for part in self.parts.drain(..) {
            let name = match &part.place {
                Place::File(name) if !part.spare && superseded(name) => name.clone(),
                _ => {
                    before.push(part);
                    continue;
                }
            };
            let replacement = kept.iter().find(|(old, _)| *old == name).map(|(_, spare)| spare);
            let whole = replacement.is_some_and(|spare| spare.start == part.start);
            if !whole {
                gone.append(&mut before);
            }
            before.extend(replacement.cloned());
            gone.push(part);
        }
        self.parts = before.into();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, start: u64, end: u64, spare: bool) -> Part {
        let (start, end) = (Offset(start), Offset(end));
        Part { place: Place::File(name.to_owned()), skip: 10, start, end, spare, ended: UnixMs(end.0 as i64) }
    }

    fn archive(parts: &[Part]) -> Archive {
        Archive { parts: parts.to_vec().into() }
    }

    fn names(parts: &[Part]) -> String {
        let name = |part: &Part| match &part.place {
            Place::File(name) => name.clone(),
            Place::Spill(number) => number.to_string(),
        };
        parts.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    fn held(archive: &Archive) -> String {
        names(&archive.parts().cloned().collect::<Vec<_>>())
    }

    #[test]
    fn a_byte_is_found_behind_the_header_of_its_file_and_no_read_crosses_two_files() {
        let archive = archive(&[part("a", 100, 200, true), part("b", 200, 250, false)]);
        let found =
            |at, until, max| archive.locate(Offset(at), Offset(until), max).map(|e| (e.place, e.position, e.bytes));
        let (a, b) = (Place::File("a".to_owned()), Place::File("b".to_owned()));
        assert_eq!(found(150, 250, 1000), Some((a.clone(), 60, 50)));
        assert_eq!(found(150, 170, 1000), Some((a, 60, 20)));
        assert_eq!(found(200, 250, 30), Some((b, 10, 30)));
        assert_eq!((found(99, 250, 1), found(250, 300, 1), found(150, 150, 1)), (None, None, None));
        assert!(archive.reaches(Offset(100)) && archive.reaches(Offset(300)) && !archive.reaches(Offset(99)));
    }

    #[test]
    fn what_is_found_on_disk_counts_as_far_as_it_leads_to_the_end_without_a_gap() {
        let found = vec![
            part("gap", 0, 50, true),
            part("c", 150, 200, false),
            part("copy", 150, 200, true),
            part("empty", 200, 200, false),
            part("a", 60, 100, true),
            part("b", 100, 150, true),
        ];
        assert_eq!(held(&Archive::chain(found.clone(), Offset(200))), "a b c");
        assert_eq!(held(&Archive::chain(found, Offset(201))), "");
    }

    #[test]
    fn a_file_that_does_not_go_on_where_the_last_ended_begins_anew() {
        let mut archive = archive(&[part("a", 100, 200, false)]);
        assert!(archive.begin(part("b", 200, 200, false)).is_empty());
        assert!(archive.begin(part("c", 200, 200, false)).is_empty());
        archive.extend(Offset(220), UnixMs(5));
        assert_eq!(held(&archive), "a c");
        assert_eq!(names(&archive.begin(part("d", 300, 300, false))), "a c");
        assert_eq!((archive.first(), archive.end()), (Some(Offset(300)), Some(Offset(300))));
    }

    #[test]
    fn spare_files_go_when_they_are_too_many_and_when_they_are_old_and_nobody_reads_them() {
        let parts = [part("a", 0, 100, true), part("b", 100, 200, true), part("c", 200, 900, false)];
        let never = UnixMs(i64::MIN);
        assert_eq!(names(&archive(&parts).shrink(199, never, Some(Offset(0)))), "a");
        assert_eq!(names(&archive(&parts).shrink(200, never, None)), "");
        assert_eq!(names(&archive(&parts).shrink(0, never, None)), "a b");
        assert_eq!(names(&archive(&parts).shrink(200, UnixMs(150), None)), "a");
        assert_eq!(names(&archive(&parts).shrink(200, UnixMs(150), Some(Offset(99)))), "");
        assert_eq!(names(&archive(&parts).shrink(200, UnixMs(950), Some(Offset(100)))), "a");
    }

    #[test]
    fn after_a_rewrite_the_newest_bytes_inside_the_budget_are_kept() {
        let parts =
            [part("s", 0, 50, true), part("a", 50, 100, false), part("b", 100, 200, false), part("c", 200, 300, false)];
        let superseded = |name: &str| name != "c";
        let plan = |budget| {
            let keeps = archive(&parts).plan_spares(&superseded, budget);
            keeps.iter().map(|keep| (names(std::slice::from_ref(&keep.part)), keep.cut)).collect::<Vec<_>>()
        };
        assert_eq!(plan(1000), [("b".to_owned(), 0), ("a".to_owned(), 0)]);
        assert_eq!(plan(120), [("b".to_owned(), 0), ("a".to_owned(), 30)]);
        assert_eq!(plan(100), [("b".to_owned(), 0)]);
        assert_eq!(plan(40), [("b".to_owned(), 60)]);
        assert_eq!(plan(0), []);
        // All of it: the spare file before them still leads to them.
        let mut whole = archive(&parts);
        let kept = [("a".to_owned(), part("a2", 50, 100, true)), ("b".to_owned(), part("b2", 100, 200, true))];
        assert_eq!(names(&whole.supersede(&superseded, &kept)), "a b");
        assert_eq!(held(&whole), "s a2 b2 c");
        let mut cut = archive(&parts);
        assert_eq!(names(&cut.supersede(&superseded, &[("b".to_owned(), part("b2", 160, 200, true))])), "s a b");
        assert_eq!(held(&cut), "b2 c");
        let mut none = archive(&parts);
        assert_eq!(names(&none.supersede(&superseded, &[])), "s a b");
        assert_eq!(held(&none), "c");
    }
}
