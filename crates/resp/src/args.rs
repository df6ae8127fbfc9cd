//! The arguments of one request: where they stand in the input ([`ArgsBuf`]), a borrowed view of them
//! ([`Args`]) and a copy that outlives the input ([`OwnedArgs`]).

use crate::encode;
use crate::large::LargeArg;
use crate::request::LINE_END;
use std::ops::Index;

/// Beyond this many decoded bytes an [`ArgsBuf`] gives their memory back when it is cleared.
const KEPT_DECODED_MAX: usize = 64 * 1024;

/// Beyond this many ranges an [`ArgsBuf`] gives its memory back when it is cleared.
const KEPT_RANGES_MAX: usize = 4096;

/// Set in the start of an argument that stands apart: the rest of the start is its place among those.
const APART: usize = 1 << (usize::BITS - 1);

/// Where one argument stands: bytes `start..start + len`, counted from the first byte of its request. Or among the long
/// arguments that were received on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRange {
    /// Distance from the request's first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl ArgRange {
    /// The argument at this place among those that stand apart.
    pub(crate) fn apart(place: usize, len: usize) -> ArgRange {
        ArgRange { start: APART | place, len }
    }

    /// Its place among those that stand apart, if it does.
    #[inline]
    fn place_apart(self) -> Option<usize> {
        (self.start & APART != 0).then_some(self.start & !APART)
    }

    #[inline]
    fn slice<'a>(self, input: &'a [u8], large: &'a [LargeArg]) -> &'a [u8] {
        match self.place_apart() {
            None => &input[self.start..self.start + self.len],
            Some(place) => &large[place],
        }
    }
}

/// The places of one request's arguments, filled by the parser and reused from request to request, so that
/// the common path allocates nothing. One may serve many connections in turn.
#[derive(Debug, Default)]
pub struct ArgsBuf {
    pub(crate) ranges: Vec<ArgRange>,
    /// The decoded arguments of an inline request, whose quoting means they do not stand in the input.
    pub(crate) decoded: Vec<u8>,
    pub(crate) is_decoded: bool,
    /// The arguments that stand apart.
    pub(crate) large: Vec<LargeArg>,
}

impl ArgsBuf {
    /// An empty buffer.
    pub fn new() -> ArgsBuf {
        ArgsBuf::default()
    }

    /// Number of arguments, the command's name included.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The arguments; `request` begins at the first byte of the request that was parsed.
    pub fn view<'a>(&'a self, request: &'a [u8]) -> Args<'a> {
        let input = if self.is_decoded { &self.decoded } else { request };
        Args { input, ranges: &self.ranges, large: &self.large }
    }

    /// Whether a part of the request stands apart, so that its other bytes alone are not the request.
    pub fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Forgets the arguments, and gives back what a small request does not need.
    #[inline]
    pub fn clear(&mut self) {
        self.ranges.clear();
        if self.is_decoded || !self.large.is_empty() || self.ranges.capacity() > KEPT_RANGES_MAX {
            self.give_back();
        }
    }

    #[cold]
    fn give_back(&mut self) {
        self.large.clear();
        if self.ranges.capacity() > KEPT_RANGES_MAX {
            self.ranges = Vec::new();
        }
        if self.is_decoded {
            self.decoded.clear();
            self.decoded.shrink_to(KEPT_DECODED_MAX);
            self.is_decoded = false;
        }
    }
}

/// A borrowed view of a request's arguments; `args[0]` is the command's name. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    input: &'a [u8],
    ranges: &'a [ArgRange],
    large: &'a [LargeArg],
}

impl<'a> Args<'a> {
    /// Number of arguments in this view.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether the view holds no argument.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Argument `i`, or None past the end.
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.ranges.get(i).map(|range| range.slice(self.input, self.large))
    }

    /// Argument `i` with the input's lifetime; panics past the end, as indexing does.
    pub fn at(&self, i: usize) -> &'a [u8] {
        self.ranges[i].slice(self.input, self.large)
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let Args { input, large, .. } = *self;
        self.ranges.iter().map(move |range| range.slice(input, large))
    }

    /// The view from argument `from` on; empty if there are no more.
    pub fn tail(&self, from: usize) -> Args<'a> {
        Args { ranges: self.ranges.get(from..).unwrap_or_default(), ..*self }
    }

    /// Argument `i` as a counted reference, if it is a long one that was received on its own. None means: copy.
    pub fn large(&self, i: usize) -> Option<&'a LargeArg> {
        let place = self.ranges.get(i)?.place_apart()?;
        self.large.get(place)
    }

    /// Sum of the arguments' lengths in bytes.
    pub fn total_bytes(&self) -> usize {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// The request as it stands in the input, if that is just what [`Args::encode_into`] would write. It nearly always is;
    /// but a client's request may be inline, or end its lines with other bytes, which the parser lets off as the peers do.
    /// In a stream or a file that means that bytes are missing or damaged.
    pub fn as_encoded(&self) -> Option<&'a [u8]> {
        if !self.large.is_empty() {
            return None; // Some of it stands elsewhere.
        }
        let first = self.input.first()?;
        // Behind the count's line.
        let mut at = 1 + digits(self.ranges.len()) + LINE_END.len();
        if *first != b'*' || !self.input[..at.min(self.input.len())].ends_with(LINE_END) {
            return None;
        }
        for range in self.ranges {
            // The parser took the number for this length and the count, so as many digits as they need are theirs.
            let start = at + 1 + digits(range.len) + LINE_END.len();
            let end = range.start + range.len;
            let ends_lines = range.start == start
                && self.input[at..start].ends_with(LINE_END)
                && self.input.get(end..end + LINE_END.len()) == Some(LINE_END);
            if !ends_lines {
                return None;
            }
            at = end + LINE_END.len();
        }
        (at == self.input.len()).then_some(self.input)
    }

    /// A copy that outlives the input; arguments that stand apart are shared.
    pub fn to_owned_args(&self) -> OwnedArgs {
        let apart: usize = self.large.iter().map(|large| large.len()).sum();
        let mut owned = OwnedArgs::with_room(self.len(), self.total_bytes().saturating_sub(apart));
        for (i, arg) in self.iter().enumerate() {
            match self.large(i) {
                None => owned.push(arg),
                Some(large) => {
                    owned.ranges.push(ArgRange::apart(owned.large.len(), large.len()));
                    owned.large.push(LargeArg::clone(large));
                }
            }
        }
        owned
    }

    /// Appends the request as a RESP array of bulk strings.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        encode::array_header(out, self.len());
        for arg in self.iter() {
            encode::bulk(out, arg);
        }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// How many decimal digits a number has.
#[inline]
fn digits(number: usize) -> usize {
    if number < 10 { 1 } else { number.ilog10() as usize + 1 }
}

/// Arguments that own their bytes: queued by MULTI, built for replay and for effects. One buffer and the
/// places in it.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
    large: Vec<LargeArg>,
}

impl OwnedArgs {
    /// Copies the given arguments.
    pub fn from_slices(args: &[&[u8]]) -> OwnedArgs {
        let mut owned = OwnedArgs::with_room(args.len(), args.iter().map(|arg| arg.len()).sum());
        args.iter().for_each(|arg| owned.push(arg));
        owned
    }

    /// The view commands take.
    pub fn as_args(&self) -> Args<'_> {
        Args { input: &self.bytes, ranges: &self.ranges, large: &self.large }
    }

    /// Adds one argument at the end.
    pub fn push(&mut self, arg: &[u8]) {
        self.ranges.push(ArgRange { start: self.bytes.len(), len: arg.len() });
        self.bytes.extend_from_slice(arg);
    }

    /// Appends the request as a RESP array of bulk strings.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        self.as_args().encode_into(out);
    }

    /// Heap memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let apart: usize = self.large.iter().map(|large| large.capacity()).sum();
        self.bytes.capacity() + self.ranges.capacity() * size_of::<ArgRange>() + apart
    }

    fn with_room(count: usize, bytes: usize) -> OwnedArgs {
        OwnedArgs { bytes: Vec::with_capacity(bytes), ranges: Vec::with_capacity(count), large: Vec::new() }
    }
}

impl std::fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_args().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_args_read_back_and_encode_as_a_resp_array() {
        let owned = OwnedArgs::from_slices(&[b"SET", b"k", b""]);
        let args = owned.as_args();
        assert_eq!((args.len(), &args[1], args.get(3)), (3, &b"k"[..], None));
        assert_eq!(args.tail(1).iter().collect::<Vec<_>>(), [&b"k"[..], b""]);
        assert!(args.tail(9).is_empty());
        let mut out = Vec::new();
        args.encode_into(&mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
        assert_eq!(args.tail(1).to_owned_args(), OwnedArgs::from_slices(&[b"k", b""]));
    }

    #[test]
    fn a_request_stands_for_itself_only_if_it_is_encoded_as_we_would() {
        let encoded = |request: &[u8]| {
            let mut buf = ArgsBuf::new();
            let parsed = crate::RequestParser::new().parse(request, &mut buf, &crate::ParseLimits::default());
            assert_eq!(parsed, Ok(crate::Parsed::Complete { consumed: request.len() }));
            let args = buf.view(request);
            let mut out = Vec::new();
            args.encode_into(&mut out);
            assert_eq!(args.as_encoded().is_some(), out == request, "{}", request.escape_ascii());
            args.as_encoded().is_some()
        };
        assert!(encoded(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n"));
        assert!(encoded(b"*2\r\n$1\r\n*\r\n$0\r\n\r\n"));
        for other in [
            &b"*3\rx$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"[..],
            b"*3\r\n$3\rxSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
            b"*3\r\n$3\r\nSETxx$1\r\nk\r\n$1\r\nv\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nvxx",
            b"SET k v\r\n",
        ] {
            assert!(!encoded(other), "{}", other.escape_ascii());
        }
        let mut buf = ArgsBuf::new();
        let request = b"*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        crate::RequestParser::new().parse(request, &mut buf, &crate::ParseLimits::default()).unwrap();
        assert!(buf.view(request).tail(1).as_encoded().is_none());
        assert!(OwnedArgs::from_slices(&[b"*1\r\n$1\r\n", b"x"]).as_args().as_encoded().is_none());
    }
}
