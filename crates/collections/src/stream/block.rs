//! A block of a stream: entries one behind the other in a listpack, their ids as differences to the block's, the names
//! of their fields written once where they are those of the first entry. Byte for byte the peers' format, so that blocks
//! go into RDB files and DUMP payloads as they are. A deleted entry stays as a mark until its block goes.
//!
//! | elements | meaning |
//! |---|---|
//! | live, dead | how many entries there are, how many of them are deleted besides |
//! | n, n names, 0 | the field names of the first entry |
//! | … | entries |
//!
//! | elements of an entry | meaning |
//! |---|---|
//! | flags | 1: deleted; 2: its field names are those of the first entry |
//! | ms, seq | what is to be added to the block's id |
//! | n values | with flag 2 |
//! | n, n times name and value | without |
//! | count | how many elements stand before this one in the entry: the way backwards |

use smallvec::SmallVec;

use super::id::StreamId;
use crate::listpack::canonical;
use crate::tree;
use crate::{Corrupt, Element, Limits, Listpack, ListpackIter};

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;

/// A block is not let grow beyond this, whatever the settings say; and no entry may have more bytes.
pub(super) const BYTES_MAX: usize = 1 << 30;

/// The names and values of an entry, in turn.
type Fields<'a> = SmallVec<[Element<'a>; 16]>;

/// A run of entries.
#[derive(Clone)]
pub(crate) struct Block {
    /// That of its first entry, which may be deleted by now.
    id: StreamId,
    /// Entries that are not deleted.
    live: usize,
    listpack: Listpack,
}

/// Holds nothing: what a tree without entries has for a leaf.
impl Default for Block {
    fn default() -> Block {
        Block { id: StreamId::MIN, live: 0, listpack: Listpack::new() }
    }
}

impl tree::Leaf for Block {
    type Bound = StreamId;

    fn len(&self) -> usize {
        self.live
    }

    // As in the peers: blocks that lost entries stay as they are.
    fn can_absorb(&self, _right: &Block) -> bool {
        false
    }

    fn absorb(&mut self, _right: &Block) {
        unreachable!("can_absorb is never true");
    }

    fn memory_bytes(&self) -> usize {
        self.listpack.memory_bytes() + size_of::<Block>()
    }
}

/// An entry of a stream.
#[derive(Clone)]
pub struct StreamEntry<'a> {
    /// Its id.
    pub id: StreamId,
    len: usize,
    names: Option<ListpackIter<'a>>,
    values: ListpackIter<'a>,
}

impl<'a> StreamEntry<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no field, which only a file from outside can bring about.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its fields: name and value.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        let (mut names, mut values) = (self.names.clone(), self.values.clone());
        (0..self.len).map(move |_| {
            let mut next = || values.next().expect("a checked block holds whole entries");
            match &mut names {
                Some(names) => (names.next().expect("a checked block holds all names"), next()),
                None => (next(), next()),
            }
        })
    }
}

/// Where an entry is and what it begins with.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) id: StreamId,
    flags: i64,
    /// Offset of the flags.
    at: usize,
    /// Number of fields.
    len: usize,
    /// Offset of the first element behind the head.
    body: usize,
    /// Offset behind the entry.
    pub(super) end: usize,
}

impl Place {
    pub(super) fn is_live(&self) -> bool {
        self.flags & DELETED == 0
    }
}

/// Walks a block's entries, deleted ones included.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    block: &'a Block,
    names: usize,
    names_at: usize,
    /// Offset of the first entry.
    first: usize,
    /// Offset of the entry that `next` yields, and behind the one that `previous` yields.
    at: usize,
}

impl Block {
    /// With one entry.
    pub(super) fn start(id: StreamId, fields: &Fields<'_>) -> Block {
        let mut block = Block { id, live: 0, listpack: Listpack::new() };
        let counts = [0, 0, fields.len() as i64 / 2].map(Element::Int);
        let names = fields.iter().step_by(2).copied();
        block.listpack.append(counts.into_iter().chain(names).chain([Element::Int(0)]));
        block.push(id, fields);
        block
    }

    /// Takes a block from outside after checking all of it; None if all its entries are deleted.
    pub(super) fn from_outside(id: StreamId, listpack: Listpack) -> Result<Option<Block>, Corrupt> {
        let live = super::check::live_entries(id, &listpack)?;
        Ok((live > 0).then_some(Block { id, live, listpack }))
    }

    pub(super) fn id(&self) -> StreamId {
        self.id
    }

    pub(super) fn listpack(&self) -> &Listpack {
        &self.listpack
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The id of the last entry that is not deleted.
    pub(super) fn last_live_id(&self) -> Option<StreamId> {
        let mut walk = self.walk().at_end();
        std::iter::from_fn(|| walk.previous()).find(Place::is_live).map(|place| place.id)
    }

    /// Whether an entry of so many bytes of names and values goes into this block. Deleted entries count.
    pub(super) fn takes(&self, bytes: usize, limits: &Limits) -> bool {
        if self.live == 0 {
            return false;
        }
        let bytes_max = match limits.stream_node_max_bytes {
            0 => BYTES_MAX,
            bytes => bytes.min(BYTES_MAX),
        };
        let entries_max = limits.stream_node_max_entries;
        self.listpack.byte_len() + bytes < bytes_max
            && (entries_max == 0 || self.count(0) + self.count(1) < entries_max)
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, id: StreamId, fields: &Fields<'_>) {
        let walk = self.walk();
        let own_names = fields.iter().step_by(2).copied();
        let same = walk.names == fields.len() / 2 && walk.names().eq(own_names);
        let ms = id.ms.wrapping_sub(self.id.ms) as i64;
        let seq = id.seq.wrapping_sub(self.id.seq) as i64;
        let head = [if same { SAME_NAMES } else { 0 }, ms, seq].map(Element::Int).into_iter();
        let (len, listpack) = (fields.len() as i64, &mut self.listpack);
        if same {
            let values = fields.iter().skip(1).step_by(2).copied();
            listpack.append(head.chain(values).chain([Element::Int(len / 2 + 3)]));
        } else {
            let both = fields.iter().copied();
            listpack.append(head.chain([Element::Int(len / 2)]).chain(both).chain([Element::Int(len + 4)]));
        }
        self.live += 1;
        self.set_count(0, self.live);
    }

    /// Marks entries as deleted; `places` in ascending order.
    pub(super) fn delete(&mut self, places: &[Place]) {
        // From the last on, so that what stands before keeps its place if an encoding gets shorter.
        for place in places.iter().rev() {
            debug_assert!(place.is_live());
            self.listpack.replace_at(place.at, Element::Int(place.flags | DELETED));
        }
        self.live -= places.len();
        let dead = self.count(1) + places.len();
        self.set_count(0, self.live);
        self.set_count(1, dead);
    }

    /// Lets go of a block without live entries, as which it must not stay in the tree: whether it is one.
    pub(super) fn clear_if_dead(&mut self) -> bool {
        let dead = self.live == 0;
        if dead {
            *self = Block::default();
        }
        dead
    }

    /// The entry at a place of this block.
    pub(super) fn entry(&self, walk: &Walk<'_>, place: Place) -> StreamEntry<'_> {
        let names = (place.flags & SAME_NAMES != 0).then(|| self.listpack.iter_at(walk.names_at));
        StreamEntry { id: place.id, len: place.len, names, values: self.listpack.iter_at(place.body) }
    }

    /// From the first entry on.
    pub(super) fn walk(&self) -> Walk<'_> {
        let mut elements = self.listpack.iter();
        let names = elements.nth(2).map_or(0, |names| number(names) as usize);
        let names_at = elements.offset();
        // Behind the names stands a zero.
        elements.by_ref().take(names + 1).for_each(drop);
        let first = elements.offset();
        Walk { block: self, names, names_at, first, at: first }
    }

    /// How many live (0) or dead (1) entries the block says it has.
    fn count(&self, which: usize) -> usize {
        self.listpack.iter().nth(which).map_or(0, |count| number(count) as usize)
    }

    fn set_count(&mut self, which: usize, count: usize) {
        let mut elements = self.listpack.iter();
        elements.by_ref().take(which).for_each(drop);
        let at = elements.offset();
        self.listpack.replace_at(at, Element::Int(count as i64));
    }
}

impl<'a> Walk<'a> {
    /// To behind the last entry, for the way backwards.
    pub(super) fn at_end(mut self) -> Walk<'a> {
        self.at = self.block.listpack.end();
        self
    }

    /// The next entry, deleted ones included.
    pub(super) fn next(&mut self) -> Option<Place> {
        if self.at >= self.block.listpack.end() {
            return None;
        }
        let place = self.place(self.at);
        self.at = place.end;
        Some(place)
    }

    /// The entry before, deleted ones included.
    pub(super) fn previous(&mut self) -> Option<Place> {
        if self.at <= self.first {
            return None;
        }
        let listpack = &self.block.listpack;
        let count_at = listpack.before(self.at);
        let count = number(listpack.read(count_at).0);
        let start = (0..count).fold(count_at, |at, _| listpack.before(at));
        let place = self.place(start);
        self.at = start;
        Some(place)
    }

    /// The field names of the first entry.
    fn names(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.block.listpack.iter_at(self.names_at).take(self.names)
    }

    fn place(&self, at: usize) -> Place {
        let listpack = &self.block.listpack;
        let mut elements = listpack.iter_at(at);
        let mut next = || number(elements.next().expect("a checked block holds whole entries"));
        let (flags, ms, seq) = (next(), next(), next());
        let same = flags & SAME_NAMES != 0;
        let len = if same { self.names } else { next() as usize };
        let body = elements.offset();
        // The count behind the body belongs to the entry.
        elements.by_ref().take(if same { len } else { 2 * len } + 1).for_each(drop);
        let block = self.block.id;
        let id = StreamId { ms: block.ms.wrapping_add(ms as u64), seq: block.seq.wrapping_add(seq as u64) };
        Place { id, flags, at, len, body, end: elements.offset() }
    }
}

/// The form in which an entry's words are kept.
pub(super) fn fields<'a>(words: impl Iterator<Item = &'a [u8]>) -> Fields<'a> {
    words.map(canonical).collect()
}

fn number(element: Element<'_>) -> i64 {
    element.as_i64().expect("a checked block has numbers where they belong")
}
