//! Requests parsed ahead of their turn, so that what they will look up is on its way from memory while those before them
//! run. Nothing here changes what a request does: it is judged and run when its turn comes.

use commands::{Begin, Find, Meta, Reach};
use keyspace::{Approach, Keyspace, ValueRef};
use resp::{Args, ArgsBuf, ParseLimits, Parsed, ProtocolError, RequestParser};
use smallvec::SmallVec;

use crate::table::{CommandId, CommandTable};

/// Requests parsed ahead at most.
const REQUESTS_MAX: usize = 32;

/// Nothing more is parsed ahead when the requests have so many arguments together: their places take memory.
const ARGUMENTS_MAX: usize = 4096;

/// Keys fetched ahead at most: what one command names of them may be any number.
const KEYS_MAX: usize = 64;

/// Steps taken at most towards an element: enough for millions in one collection.
const STEPS_MAX: usize = 6;

/// Whole requests at the front of an input, in order.
#[derive(Default)]
pub(crate) struct Ahead {
    requests: Vec<Request>,
    /// How many of `requests` are in use.
    count: usize,
    hashes: Vec<u64>,
}

/// One of the requests.
#[derive(Default)]
struct Request {
    args: ArgsBuf,
    start: usize,
    end: usize,
    id: Option<CommandId>,
}

/// Why no more requests were parsed.
pub(crate) enum Stop {
    /// There are as many as may be.
    Full,
    /// Bytes up to this position that ask for nothing.
    Empty(usize),
    /// What follows is not complete.
    Incomplete,
    /// What follows is no request.
    Broken(ProtocolError),
}

impl Ahead {
    /// Parses the requests of `input` from position `from` on. At most one before authentication, which changes what may
    /// be sent.
    pub(crate) fn parse(
        &mut self,
        parser: &mut RequestParser,
        input: &[u8],
        from: usize,
        limits: &ParseLimits,
        table: &CommandTable,
    ) -> Stop {
        self.count = 0;
        let most = if limits.unauthenticated { 1 } else { REQUESTS_MAX };
        let (mut start, mut arguments) = (from, 0);
        while self.count < most && arguments < ARGUMENTS_MAX && start < input.len() {
            if self.count == self.requests.len() {
                self.requests.push(Request::default());
            }
            let (before, rest) = self.requests.split_at_mut(self.count);
            let request = &mut rest[0];
            match parser.parse(&input[start..], &mut request.args, limits) {
                Ok(Parsed::Complete { consumed }) => {
                    request.start = start;
                    request.end = start + consumed;
                    let args = request.args.view(&input[start..start + consumed]);
                    request.id = before.last().and_then(|last| last.same_command(input, &args, table));
                    request.id = request.id.or_else(|| table.find_present(&args));
                    start += consumed;
                    arguments += request.args.len();
                    self.count += 1;
                }
                Ok(Parsed::Empty { consumed }) => return Stop::Empty(start + consumed),
                Ok(Parsed::Incomplete { .. }) => return Stop::Incomplete,
                Err(error) => return Stop::Broken(error),
            }
        }
        Stop::Full
    }

    /// Has the requests from position `from` on parsed again when their turn comes.
    pub(crate) fn take_back(&mut self, parser: &mut RequestParser, from: usize) {
        let held = self.requests[..self.count].iter_mut().find(|request| request.start == from);
        match held {
            // Only the first request of an input has such arguments, so that nothing follows in `parser`.
            Some(request) if request.args.has_large() => {
                parser.take_back(&mut request.args, request.end - request.start);
            }
            _ => parser.restart(),
        }
    }

    /// Forgets the requests, which have run, and gives back the memory of large ones.
    pub(crate) fn clear(&mut self) {
        self.requests[..self.count].iter_mut().for_each(|request| request.args.clear());
        self.count = 0;
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A request: its arguments, the command if there is one of that name, and the position behind it.
    pub(crate) fn get<'a>(&'a self, at: usize, input: &'a [u8]) -> (Args<'a>, Option<CommandId>, usize) {
        let request = &self.requests[at];
        (request.args.view(&input[request.start..request.end]), request.id, request.end)
    }

    /// Whether a request is an array without a flaw.
    pub(crate) fn is_exact(&self, at: usize, input: &[u8]) -> bool {
        self.get(at, input).0.as_encoded().is_some()
    }

    /// Asks the processor for the keys that the requests name, if there is more than one: a single one would be waited for
    /// at once.
    pub(crate) fn prefetch(&mut self, input: &[u8], table: &CommandTable, keyspace: &Keyspace, db: usize) {
        self.hashes.clear();
        let mut collection: &[u8] = b"";
        for request in &self.requests[..self.count] {
            let Some(command) = request.id.map(|id| table.get(id)) else { continue };
            let Some(keys) = command.keys else { continue };
            let args = request.args.view(&input[request.start..request.end]);
            if command.reach != Reach::Unknown && self.count > 1 {
                // Requests for parts of one collection often follow each other.
                let key = args.get(1).unwrap_or_default();
                if key == collection {
                    continue;
                }
                collection = key;
            }
            let places = keys.places(args.len());
            if self.count == 1 && places.len() < 2 {
                return;
            }
            for at in places {
                if self.hashes.len() == KEYS_MAX {
                    break;
                }
                self.hashes.push(keyspace.prefetch(db, args.at(at)));
            }
        }
        for hash in &self.hashes {
            keyspace.prefetch_entry(db, *hash);
        }
        if self.count > 1 {
            self.approach_elements(input, table, keyspace, db);
        }
    }
}

impl Request {
    /// The command of this request, if the next one has the same name and that alone says which command it is: requests
    /// of one name often follow each other.
    #[inline]
    fn same_command(&self, input: &[u8], next: &Args<'_>, table: &CommandTable) -> Option<CommandId> {
        let args = self.args.view(&input[self.start..self.end]);
        self.id.filter(|id| table.get(*id).is_known_by_name && args.at(0) == next.at(0))
    }
}

impl Ahead {
    /// Goes to the elements that the requests name, step by step in turns, so that the ways through several collections, or
    /// several parts of one, overlap.
    fn approach_elements(&self, input: &[u8], table: &CommandTable, keyspace: &Keyspace, db: usize) {
        let mut ways: SmallVec<[Approach<'_>; REQUESTS_MAX]> = SmallVec::new();
        // The collection of the request before, and how many of its elements at an end are spoken for.
        let mut last: Option<(&[u8], Option<ValueRef<'_>>)> = None;
        let mut from_end = 0;
        for request in &self.requests[..self.count] {
            let Some(reach) = request.id.map(|id| table.get(id).reach).filter(|reach| *reach != Reach::Unknown) else {
                continue;
            };
            let args = request.args.view(&input[request.start..request.end]);
            let Some(key) = args.get(1) else { continue };
            let value = match last {
                Some((last_key, value)) if last_key == key => value,
                _ => {
                    from_end = 0;
                    keyspace.value(db, keyspace.hash(db, key), key)
                }
            };
            last = Some((key, value));
            let Some(value) = value else { continue };
            ways.extend(match reach {
                Reach::Unknown => None,
                Reach::Named(at) => args.get(usize::from(at)).and_then(|name| Approach::named(value, name)),
                Reach::Lowest | Reach::Highest => {
                    from_end += 1;
                    Approach::at_end(value, reach == Reach::Lowest, from_end - 1)
                }
            });
        }
        for _ in 0..STEPS_MAX {
            let mut more = false;
            for way in &mut ways {
                more |= way.step();
            }
            if !more {
                break;
            }
        }
    }
}

/// Keys at fixed places: what most commands have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    first: usize,
    /// The last one behind the first; negative: from the end of the request.
    last: i32,
    step: usize,
}

impl KeyRange {
    /// Which arguments are keys, of so many.
    #[inline]
    pub(crate) fn places(&self, arguments: usize) -> impl ExactSizeIterator<Item = usize> + use<> {
        let end = if self.last < 0 {
            arguments.saturating_sub(self.last.unsigned_abs() as usize - 1)
        } else {
            arguments.min(self.first + self.last as usize + 1)
        };
        (self.first..end).step_by(self.step)
    }

    /// The first such keys of a command.
    pub(crate) fn of(meta: &Meta) -> Option<KeyRange> {
        let spec = meta.keys.first()?;
        match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, .. }) if first > 0 && step > 0 => {
                Some(KeyRange { first: first as usize, last, step: step as usize })
            }
            _ => None,
        }
    }
}
