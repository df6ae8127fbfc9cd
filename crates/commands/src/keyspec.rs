//! Where a command's keys stand among its arguments, in the terms of COMMAND INFO's key specifications:
//! where the search begins, how the keys are found from there, and what is done with them.

use std::ops::ControlFlow;

use resp::Args;

/// One group of keys of a command.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What is done with the keys.
    pub access: KeyAccess,
    /// Where the search begins.
    pub begin: Begin,
    /// How the keys are found from there.
    pub find: Find,
    /// Anything a reader of COMMAND INFO should know.
    pub notes: &'static str,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(i32),
    /// After this word, searched from argument `from`; negative: backwards from the end.
    Keyword {
        /// The word, in upper case.
        word: &'static str,
        /// Where the search for the word starts.
        from: i32,
    },
    /// It depends on more than positions: see the command's own key finder.
    Unknown,
}

/// How keys are found from the beginning of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`-th argument up to `last`, relative to the begin; negative: from the end of the
    /// arguments. With `limit` ≥ 2 and `last` = -1, only the first 1/limit of what is left.
    Range {
        /// The last key.
        last: i32,
        /// The distance between keys.
        step: i32,
        /// See above; 0 and 1: no limit.
        limit: i32,
    },
    /// A number of keys, then the keys.
    Count {
        /// Where the number stands, relative to the begin.
        count_at: i32,
        /// Where the first key stands, relative to the begin.
        first: i32,
        /// The distance between keys.
        step: i32,
    },
    /// See [`Begin::Unknown`].
    Unknown,
}

/// What a command does with a group of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAccess(u16);

impl KeyAccess {
    /// Only reads.
    pub const RO: KeyAccess = KeyAccess(1);
    /// Reads and writes.
    pub const RW: KeyAccess = KeyAccess(1 << 1);
    /// Overwrites without a look at what was there.
    pub const OW: KeyAccess = KeyAccess(1 << 2);
    /// Removes the key.
    pub const RM: KeyAccess = KeyAccess(1 << 3);
    /// The value may be returned or copied.
    pub const ACCESS: KeyAccess = KeyAccess(1 << 4);
    /// The value may change depending on what it was.
    pub const UPDATE: KeyAccess = KeyAccess(1 << 5);
    /// Something may be added without regard to what is there.
    pub const INSERT: KeyAccess = KeyAccess(1 << 6);
    /// Something may be deleted from the value.
    pub const DELETE: KeyAccess = KeyAccess(1 << 7);
    /// The argument is no key although it is treated as one for routing.
    pub const NOT_KEY: KeyAccess = KeyAccess(1 << 8);
    /// The specification may miss some keys.
    pub const INCOMPLETE: KeyAccess = KeyAccess(1 << 9);
    /// Whether the key is only read or also written depends on the arguments.
    pub const VARIABLE_FLAGS: KeyAccess = KeyAccess(1 << 10);

    const NAMES: [(KeyAccess, &'static str); 11] = [
        (KeyAccess::RO, "RO"),
        (KeyAccess::RW, "RW"),
        (KeyAccess::OW, "OW"),
        (KeyAccess::RM, "RM"),
        (KeyAccess::ACCESS, "access"),
        (KeyAccess::UPDATE, "update"),
        (KeyAccess::INSERT, "insert"),
        (KeyAccess::DELETE, "delete"),
        (KeyAccess::NOT_KEY, "not_key"),
        (KeyAccess::INCOMPLETE, "incomplete"),
        (KeyAccess::VARIABLE_FLAGS, "variable_flags"),
    ];

    /// Both together.
    pub const fn with(self, other: KeyAccess) -> KeyAccess {
        KeyAccess(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: KeyAccess) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names as COMMAND INFO shows them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        KeyAccess::NAMES.into_iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| name)
    }
}

impl KeySpec {
    /// Keys at fixed positions: from `first`, every `step`-th up to `last` (relative to `first`, negative
    /// from the end).
    pub const fn range(access: KeyAccess, first: i32, last: i32, step: i32) -> KeySpec {
        KeySpec { access, begin: Begin::Index(first), find: Find::Range { last, step, limit: 0 }, notes: "" }
    }

    /// A count at `count_at`, then that many keys.
    pub const fn counted(access: KeyAccess, count_at: i32) -> KeySpec {
        let find = Find::Count { count_at: 0, first: 1, step: 1 };
        KeySpec { access, begin: Begin::Index(count_at), find, notes: "" }
    }

    /// A general specification.
    pub const fn new(access: KeyAccess, begin: Begin, find: Find) -> KeySpec {
        KeySpec { access, begin, find, notes: "" }
    }

    /// Adds a note.
    pub const fn notes(mut self, notes: &'static str) -> KeySpec {
        self.notes = notes;
        self
    }

    /// Calls `each` with the position of every key that this specification finds in a request.
    /// Returns false if the request does not fit the specification (a count that is no number, say).
    pub fn positions(&self, args: &Args<'_>, each: &mut dyn FnMut(usize)) -> bool {
        let count = args.len();
        let begin = match self.begin {
            Begin::Index(index) => usize::try_from(index).expect("rows begin at a positive index"),
            Begin::Keyword { word, from } => match find_keyword(word, from, args) {
                Some(at) => at + 1,
                None => return true,
            },
            Begin::Unknown => return false,
        };
        match self.find {
            Find::Range { last, step, limit } => {
                let Some(last) = range_end(begin, last, limit, count) else { return true };
                (begin..=last).step_by(step.unsigned_abs() as usize).filter(|at| *at < count).for_each(each);
                true
            }
            Find::Count { count_at, first, step } => {
                let number_at = begin + count_at as usize;
                if number_at >= count {
                    return false;
                }
                let Some(keys) = base::numbers::parse_u64(&args[number_at]) else { return false };
                let first = begin + first as usize;
                let step = step as usize;
                let Ok(keys) = usize::try_from(keys) else { return false };
                if keys > count || (keys > 0 && first + (keys - 1) * step >= count) {
                    return false;
                }
                (0..keys).map(|i| first + i * step).for_each(each);
                true
            }
            Find::Unknown => false,
        }
    }
}

fn find_keyword(word: &str, from: i32, args: &Args<'_>) -> Option<usize> {
    let count = args.len();
    let hit = |at: usize| {
        if args[at].eq_ignore_ascii_case(word.as_bytes()) { ControlFlow::Break(at) } else { ControlFlow::Continue(()) }
    };
    let found = if from >= 0 {
        (from as usize..count).try_for_each(hit)
    } else {
        let start = count.checked_sub(from.unsigned_abs() as usize)?;
        (1..=start).rev().try_for_each(hit)
    };
    found.break_value()
}

/// The last position of a range, absolute.
fn range_end(begin: usize, last: i32, limit: i32, count: usize) -> Option<usize> {
    if last >= 0 {
        return Some(begin + last as usize);
    }
    if limit >= 2 && last == -1 {
        let left = count.checked_sub(begin)?;
        return (begin + left / limit as usize).checked_sub(1);
    }
    count.checked_sub(last.unsigned_abs() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(spec: KeySpec, request: &str) -> Option<Vec<usize>> {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let request = resp::OwnedArgs::from_slices(&words);
        let mut positions = Vec::new();
        let fits = spec.positions(&request.as_args(), &mut |at| positions.push(at));
        fits.then_some(positions)
    }

    #[test]
    fn ranges_counts_and_keywords_find_their_keys() {
        assert_eq!(found(KeySpec::range(KeyAccess::RO, 1, -1, 1), "del a b c"), Some(vec![1, 2, 3]));
        assert_eq!(found(KeySpec::range(KeyAccess::OW, 1, -1, 2), "mset a 1 b 2"), Some(vec![1, 3]));
        assert_eq!(found(KeySpec::range(KeyAccess::RO, 2, 0, 1), "object encoding k"), Some(vec![2]));
        assert_eq!(found(KeySpec::counted(KeyAccess::RO, 2), "zunionstore d 2 a b weights 1 2"), Some(vec![3, 4]));
        assert_eq!(found(KeySpec::counted(KeyAccess::RO, 1), "zunion 9 a b"), None);
        let streams = KeySpec::new(
            KeyAccess::RO,
            Begin::Keyword { word: "STREAMS", from: 1 },
            Find::Range { last: -1, step: 1, limit: 2 },
        );
        assert_eq!(found(streams, "xread count 2 streams a b 0 0"), Some(vec![4, 5]));
    }
}
