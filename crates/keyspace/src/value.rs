//! What a key holds. Short strings and integers stand inside the table's entry; everything else is an
//! [`Object`], whose clone is one counted reference, so that snapshots and COPY share it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use collections::{Hash, List, Set, Stream, ZSet};

use base::UnixMs;

use crate::table::Payload;

/// Strings of at least this many bytes are objects of their own, shared with the replies that carry them.
pub const SHARED_STRING_MIN: usize = 16 * 1024;

/// A value outside the table's entry.
#[derive(Clone)]
pub enum Object {
    /// A string that is long, or was changed in place and may grow again.
    String(SharedString),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    ZSet(ZSet),
    /// A stream.
    Stream(Stream),
}

/// Collections of more elements than this are freed on the side.
pub(crate) const CHEAP_ELEMENTS_MAX: usize = 64;
/// So are strings of more bytes than this, and copied on the side where the program can wait for it.
pub const COSTLY_STRING_MIN: usize = 1 << 20;

impl crate::table::Value for Object {
    fn inner_deadline_ms(&self) -> Option<i64> {
        match self {
            Object::Hash(hash) => hash.next_deadline().map(|at| at.0),
            _ => None,
        }
    }

    fn memory_bytes(&self) -> usize {
        ValueRef::of(Payload::Object(self)).object_bytes()
    }

    fn is_costly(&self) -> bool {
        // The compact forms are one block of memory.
        let (elements, encoding) = match self {
            Object::String(string) => return string.as_slice().len() > COSTLY_STRING_MIN,
            Object::List(list) => (list.len(), list.encoding()),
            Object::Set(set) => (set.len(), set.encoding()),
            Object::Hash(hash) => (hash.len(), hash.encoding()),
            Object::ZSet(zset) => (zset.len(), zset.encoding()),
            Object::Stream(stream) => return stream.is_larger_than(CHEAP_ELEMENTS_MAX),
        };
        elements > CHEAP_ELEMENTS_MAX && !matches!(encoding, "listpack" | "listpackex" | "intset")
    }

    fn drop_in_pieces(self, between: &mut impl FnMut()) {
        match self {
            Object::String(string) => drop(string),
            Object::List(list) => list.drop_in_pieces(between),
            Object::Set(set) => set.drop_in_pieces(between),
            Object::Hash(hash) => hash.drop_in_pieces(between),
            Object::ZSet(zset) => zset.drop_in_pieces(between),
            Object::Stream(stream) => stream.drop_in_pieces(between),
        }
        between();
    }
}

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A hash.
    Hash,
    /// A sorted set.
    ZSet,
    /// A stream.
    Stream,
}

impl Kind {
    /// The name that TYPE replies.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Hash => "hash",
            Kind::ZSet => "zset",
            Kind::Stream => "stream",
        }
    }
}

/// Two counters and the vector.
const SHARED_STRING_OVERHEAD: usize = 40;

/// A string outside the entry: counted, and copied only when it is changed while shared.
#[derive(Clone, Debug, Default)]
pub struct SharedString(Arc<Vec<u8>>);

impl SharedString {
    /// Takes the bytes over without a copy.
    pub fn new(bytes: Vec<u8>) -> SharedString {
        SharedString(Arc::new(bytes))
    }

    /// Shares bytes that are counted already.
    pub fn of_counted(bytes: Arc<Vec<u8>>) -> SharedString {
        SharedString(bytes)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What it takes on the heap, in bytes.
    pub fn memory_bytes(&self) -> usize {
        SHARED_STRING_OVERHEAD + self.0.capacity()
    }

    /// The bytes, to be changed: copied first if someone else holds them.
    pub fn make_mut(&mut self) -> &mut Vec<u8> {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = self.copied();
        }
        Arc::make_mut(&mut self.0)
    }

    /// Whether this is the same string, not only the same bytes.
    pub fn is(&self, other: &SharedString) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether someone else holds it, so that a change begins with a copy.
    pub fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The same bytes once more. Most changes of a shared string keep its length, so that it gets no room beyond what the
    /// allocator gives in any case.
    pub fn copied(&self) -> SharedString {
        self.copied_in_pieces(usize::MAX, || {})
    }

    /// As `copied`, so many bytes at a time with a call of `between` behind each piece.
    pub fn copied_in_pieces(&self, bytes: usize, mut between: impl FnMut()) -> SharedString {
        let mut copy = Vec::with_capacity(base::size_class(self.0.len()));
        for piece in self.0.chunks(bytes) {
            copy.extend_from_slice(piece);
            between();
        }
        SharedString::new(copy)
    }

    /// A counted reference for a reply or the journal.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from_owner(SharedBytes(Arc::clone(&self.0)))
    }
}

/// Makes room for a string of `len` bytes that is about to grow to that, and may grow again. A long one must not double:
/// what it gets is as little as the allocator gives without moving it again soon.
pub fn reserve(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        bytes.reserve_exact(base::room_to_grow(len) - bytes.len());
    }
}

/// Fills a string with zero bytes up to this length. One that is new gets zeroed memory of the system, which is not resident
/// before it is used.
pub fn fill_with_zeros(bytes: &mut Vec<u8>, len: usize) {
    if bytes.capacity() == 0 {
        *bytes = vec![0; base::size_class(len)];
        bytes.truncate(len);
    } else if bytes.len() < len {
        reserve(bytes, len);
        bytes.resize(len, 0);
    }
}

struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A value being read.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string in one of its forms.
    String(Str<'a>),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A hash.
    Hash(&'a Hash),
    /// A sorted set.
    ZSet(&'a ZSet),
    /// A stream.
    Stream(&'a Stream),
}

impl<'a> ValueRef<'a> {
    /// Reads what a table entry holds.
    pub fn of(payload: Payload<'a, Object>) -> ValueRef<'a> {
        match payload {
            Payload::Int(value) => ValueRef::String(Str::Int(value)),
            Payload::Bytes(bytes) => ValueRef::String(Str::Bytes(bytes)),
            Payload::Object(Object::String(shared)) => ValueRef::String(Str::Shared(shared)),
            Payload::Object(Object::List(list)) => ValueRef::List(list),
            Payload::Object(Object::Set(set)) => ValueRef::Set(set),
            Payload::Object(Object::Hash(hash)) => ValueRef::Hash(hash),
            Payload::Object(Object::ZSet(zset)) => ValueRef::ZSet(zset),
            Payload::Object(Object::Stream(stream)) => ValueRef::Stream(stream),
        }
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        match self {
            ValueRef::String(_) => Kind::String,
            ValueRef::List(_) => Kind::List,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::ZSet(_) => Kind::ZSet,
            ValueRef::Stream(_) => Kind::Stream,
        }
    }

    /// The name that OBJECT ENCODING replies.
    pub fn encoding(&self) -> &'static str {
        match self {
            ValueRef::String(string) => string.encoding(),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::ZSet(zset) => zset.encoding(),
            ValueRef::Stream(stream) => stream.encoding(),
        }
    }

    /// Bytes that it takes outside the entry.
    pub fn object_bytes(&self) -> usize {
        match self {
            ValueRef::String(Str::Int(_) | Str::Bytes(_)) => 0,
            ValueRef::String(Str::Shared(string)) => string.memory_bytes(),
            ValueRef::List(list) => list.memory_bytes(),
            ValueRef::Set(set) => set.memory_bytes(),
            ValueRef::Hash(hash) => hash.memory_bytes(),
            ValueRef::ZSet(zset) => zset.memory_bytes(),
            ValueRef::Stream(stream) => stream.memory_bytes(),
        }
    }

    /// The object, shared, if it takes at least so many bytes.
    pub fn to_large_object(&self, min_bytes: usize) -> Option<Object> {
        match (self.object_bytes() >= min_bytes).then(|| self.to_value())? {
            Value::Object(object) => Some(object),
            Value::Int(_) | Value::Bytes(_) => None,
        }
    }

    /// A value of its own with the same content; collections and long strings are shared, not copied.
    pub fn to_value(&self) -> Value {
        match *self {
            ValueRef::String(Str::Int(value)) => Value::Int(value),
            ValueRef::String(Str::Bytes(bytes)) => Value::Bytes(bytes.to_vec()),
            ValueRef::String(Str::Shared(shared)) => Value::Object(Object::String(shared.clone())),
            ValueRef::List(list) => Value::Object(Object::List(list.clone())),
            ValueRef::Set(set) => Value::Object(Object::Set(set.clone())),
            ValueRef::Hash(hash) => Value::Object(Object::Hash(hash.clone())),
            ValueRef::ZSet(zset) => Value::Object(Object::ZSet(zset.clone())),
            ValueRef::Stream(stream) => Value::Object(Object::Stream(stream.clone())),
        }
    }
}

/// The longest string that OBJECT ENCODING calls `embstr`.
const EMBSTR_MAX: usize = 44;

/// A string being read.
#[derive(Clone, Copy, Debug)]
pub enum Str<'a> {
    /// A string that is the decimal form of this number.
    Int(i64),
    /// A string inside the entry.
    Bytes(&'a [u8]),
    /// A string outside the entry.
    Shared(&'a SharedString),
}

impl<'a> Str<'a> {
    /// The bytes; only integers need a new buffer.
    pub fn as_bytes(&self) -> Cow<'a, [u8]> {
        match *self {
            Str::Int(value) => Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec()),
            Str::Bytes(bytes) => Cow::Borrowed(bytes),
            Str::Shared(shared) => Cow::Borrowed(shared.as_slice()),
        }
    }

    /// Calls `f` with the bytes, without an allocation.
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match *self {
            Str::Int(value) => f(itoa::Buffer::new().format(value).as_bytes()),
            Str::Bytes(bytes) => f(bytes),
            Str::Shared(shared) => f(shared.as_slice()),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number that the string is the decimal form of.
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Str::Int(value) => Some(value),
            _ => self.with_bytes(base::numbers::parse_i64),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Str::Int(_) => "int",
            Str::Bytes(bytes) if bytes.len() <= EMBSTR_MAX => "embstr",
            Str::Bytes(_) | Str::Shared(_) => "raw",
        }
    }
}

/// A value on its way into the keyspace.
#[derive(Clone)]
pub enum Value {
    /// A string that is the decimal form of this number.
    Int(i64),
    /// A short string.
    Bytes(Vec<u8>),
    /// Anything else.
    Object(Object),
}

impl Value {
    /// The best form for a string: a number, inside the entry, or outside it.
    pub fn from_string(bytes: Vec<u8>) -> Value {
        match base::numbers::parse_i64(&bytes) {
            Some(value) => Value::Int(value),
            None if bytes.len() >= SHARED_STRING_MIN => Value::Object(Object::String(SharedString::new(bytes))),
            None => Value::Bytes(bytes),
        }
    }

    /// The value being read.
    pub fn as_ref(&self) -> ValueRef<'_> {
        ValueRef::of(match self {
            Value::Int(value) => Payload::Int(*value),
            Value::Bytes(bytes) => Payload::Bytes(bytes),
            Value::Object(object) => Payload::Object(object),
        })
    }
}

/// A type of collection that a key can hold, so that one edit guard serves them all.
pub trait Collection: Sized {
    /// An empty collection, for a key that does not exist yet.
    fn empty() -> Self;
    /// Makes it a value.
    fn into_object(self) -> Object;
    /// The collection, if the object is one of this type.
    fn peel(object: &Object) -> Option<&Self>;
    /// The collection to change, if the object is one of this type.
    fn peel_mut(object: &mut Object) -> Option<&mut Self>;
    /// Whether it has no element: then its key must go.
    fn has_none(&self) -> bool;
    /// The earliest deadline of an element, for the index of such deadlines. O(1).
    fn next_deadline(&self) -> Option<UnixMs> {
        None
    }
}

/// The same lines for each type of collection: `$none` tells whether one has no element; and what one has besides.
macro_rules! collection {
    ($type:ident, $none:expr; $($own:item)*) => {
        impl Collection for $type {
            fn empty() -> $type {
                $type::new()
            }
            fn into_object(self) -> Object {
                Object::$type(self)
            }
            fn peel(object: &Object) -> Option<&$type> {
                if let Object::$type(inner) = object { Some(inner) } else { None }
            }
            fn peel_mut(object: &mut Object) -> Option<&mut $type> {
                if let Object::$type(inner) = object { Some(inner) } else { None }
            }
            fn has_none(&self) -> bool {
                $none(self)
            }
            $($own)*
        }
    };
}

collection!(List, List::is_empty;);
collection!(Set, Set::is_empty;);
collection!(Hash, Hash::is_empty;
    fn next_deadline(&self) -> Option<UnixMs> {
        Hash::next_deadline(self)
    }
);
collection!(ZSet, ZSet::is_empty;);
// A stream outlives its entries: it remembers the last id, and its groups.
collection!(Stream, |_: &Stream| false;);

#[cfg(test)]
mod tests {
    use base::UnixMs;
    use collections::{Group, Hash, Limits, List, Set, Stream, StreamId, ZSet};

    use super::{Object, SharedString};
    use crate::table::Value;

    /// A value of each type whose drop takes long, of so many elements.
    fn large(count: u32) -> Vec<Object> {
        let limits = Limits::default();
        let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
        let (mut stream, mut group) = (Stream::new(), Group::new(StreamId::MIN, 0));
        group.add_consumer(b"c", 0);
        for number in 0..count {
            let text = format!("element {number}").into_bytes();
            list.push_back(&text, &limits);
            set.add(&text, &limits);
            hash.set(&text, &text, &limits);
            zset.insert(&text, f64::from(number), &limits);
            let id = StreamId { ms: u64::from(number) + 1, seq: 0 };
            stream.entries_mut().append(id, [&b"field"[..], &text].into_iter(), &limits);
            group.assign(id, b"c", 0, 1);
        }
        stream.add_group(b"g", group);
        let mut timed = hash.clone();
        for (number, field) in hash.iter().map(|(field, _)| field.to_vec()).enumerate() {
            timed.set_deadline(&field, Some(UnixMs(number as i64)));
        }
        vec![
            Object::List(list),
            Object::Set(set),
            Object::Hash(hash),
            Object::Hash(timed),
            Object::ZSet(zset),
            Object::Stream(stream),
        ]
    }

    #[test]
    fn what_is_large_is_dropped_in_pieces_and_leaves_clones_alone() {
        const COUNT: u32 = 30_000;
        for object in large(COUNT) {
            let calls_of = |object: Object| {
                let mut calls = 0;
                object.drop_in_pieces(&mut || calls += 1);
                calls
            };
            let (clone, before) = (object.clone(), object.memory_bytes());
            assert!(calls_of(clone) <= 2, "only a reference");
            assert_eq!(object.memory_bytes(), before);
            assert!(calls_of(object) > COUNT / 4096);
        }
    }

    // It was given room to grow, which counted for good.
    #[test]
    fn a_shared_string_that_is_changed_in_place_takes_no_more_than_before() {
        for len in [20_000, 1 << 18, 600_000, 3_000_000] {
            let kept = SharedString::new(vec![7; base::size_class(len)]);
            let mut changed = kept.clone();
            changed.make_mut()[0] = 8;
            assert_eq!(changed.memory_bytes(), kept.memory_bytes(), "{len}");
            assert_eq!((kept.as_slice()[0], changed.as_slice()[0]), (7, 8));
        }
    }

    // With it an entry under a name of 16 bytes takes 48, which is one of the allocator's sizes.
    #[test]
    fn an_object_is_three_words() {
        assert_eq!(size_of::<Object>(), 24);
    }
}
