//! The arguments of one request: where they stand in the input ([`ArgsBuf`]), a borrowed view of them
//! ([`Args`]) and a copy that outlives the input ([`OwnedArgs`]).

use crate::encode;
use bytes::Bytes;
use std::ops::Index;

/// From this length on (64 KiB) an argument may be handed out as a counted reference: [`Args::shared`].
pub const SHARED_ARG_MIN: usize = 64 * 1024;

/// Beyond this many decoded bytes an [`ArgsBuf`] gives their memory back when it is cleared.
const KEPT_DECODED_MAX: usize = 64 * 1024;

/// Beyond this many ranges an [`ArgsBuf`] gives its memory back when it is cleared.
const KEPT_RANGES_MAX: usize = 4096;

/// Where one argument stands: bytes `start..start + len`, counted from the first byte of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRange {
    /// Distance from the request's first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

/// The places of one request's arguments, filled by the parser and reused from request to request, so that
/// the common path allocates nothing. One may serve many connections in turn.
#[derive(Debug, Default)]
pub struct ArgsBuf {
    pub(crate) ranges: Vec<ArgRange>,
    /// The decoded arguments of an inline request, whose quoting means they do not stand in the input.
    pub(crate) decoded: Vec<u8>,
    pub(crate) is_decoded: bool,
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
        Args { input, ranges: &self.ranges, owner: None }
    }

    /// The same over a counted buffer, which lets [`Args::shared`] hand out large arguments without a copy.
    pub fn view_shared<'a>(&'a self, request: &'a Bytes) -> Args<'a> {
        if self.is_decoded {
            return self.view(request);
        }
        Args { input: request, ranges: &self.ranges, owner: Some(request) }
    }

    /// Forgets the arguments, and gives back what a small request does not need.
    pub fn clear(&mut self) {
        self.ranges.clear();
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

impl ArgsBuf {
    /// Whether the request that was parsed is an array whose every line ends in `\r\n`. The parser lets clients off with
    /// less, as the peers do; in a stream or a file that means that bytes are missing or damaged.
    pub fn is_exact(&self, request: &[u8]) -> bool {
        let mut at = 0;
        for range in &self.ranges {
            // The lengths, behind the first word's the number of words as well.
            let Some(lines) = request.get(at..range.start) else { return false };
            let ends = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\r');
            let mut count = 0;
            for (end, _) in ends {
                count += 1;
                if lines.get(end + 1) != Some(&b'\n') {
                    return false;
                }
            }
            at = range.start + range.len + 2;
            if count != if range.start == lines.len() { 2 } else { 1 } || request.get(at - 2..at) != Some(b"\r\n") {
                return false;
            }
        }
        request.first() == Some(&b'*') && !self.is_decoded
    }
}

/// A borrowed view of a request's arguments; `args[0]` is the command's name. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    input: &'a [u8],
    ranges: &'a [ArgRange],
    owner: Option<&'a Bytes>,
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
        self.ranges.get(i).map(|range| self.slice(*range))
    }

    /// Argument `i` with the input's lifetime; panics past the end, as indexing does.
    pub fn at(&self, i: usize) -> &'a [u8] {
        self.slice(self.ranges[i])
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let input = self.input;
        self.ranges.iter().map(move |range| &input[range.start..range.start + range.len])
    }

    /// The view from argument `from` on; empty if there are no more.
    pub fn tail(&self, from: usize) -> Args<'a> {
        Args { ranges: self.ranges.get(from..).unwrap_or_default(), ..*self }
    }

    /// Argument `i` as a counted reference into the input, without a copy. Only if the input is counted, the
    /// argument has at least [`SHARED_ARG_MIN`] bytes and makes up half of its request (else a small value
    /// would keep a large buffer alive). None means: copy.
    pub fn shared(&self, i: usize) -> Option<Bytes> {
        let range = *self.ranges.get(i)?;
        let owner = self.owner?;
        let worth_it = range.len >= SHARED_ARG_MIN && range.len >= owner.len() / 2;
        worth_it.then(|| owner.slice(range.start..range.start + range.len))
    }

    /// Sum of the arguments' lengths in bytes.
    pub fn total_bytes(&self) -> usize {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// A copy that outlives the input.
    pub fn to_owned_args(&self) -> OwnedArgs {
        OwnedArgs::collect(self.len(), self.total_bytes(), self.iter())
    }

    /// Appends the request as a RESP array of bulk strings.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        encode::array_header(out, self.len());
        for arg in self.iter() {
            encode::bulk(out, arg);
        }
    }

    fn slice(&self, range: ArgRange) -> &'a [u8] {
        &self.input[range.start..range.start + range.len]
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

/// Arguments that own their bytes: queued by MULTI, built for replay and for effects. One buffer and the
/// places in it.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
}

impl OwnedArgs {
    /// Copies the given arguments.
    pub fn from_slices(args: &[&[u8]]) -> OwnedArgs {
        OwnedArgs::collect(args.len(), args.iter().map(|arg| arg.len()).sum(), args.iter().copied())
    }

    /// The view commands take.
    pub fn as_args(&self) -> Args<'_> {
        Args { input: &self.bytes, ranges: &self.ranges, owner: None }
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
        self.bytes.capacity() + self.ranges.capacity() * size_of::<ArgRange>()
    }

    fn collect<'a>(count: usize, bytes: usize, args: impl Iterator<Item = &'a [u8]>) -> OwnedArgs {
        let mut owned = OwnedArgs { bytes: Vec::with_capacity(bytes), ranges: Vec::with_capacity(count) };
        args.for_each(|arg| owned.push(arg));
        owned
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
    fn only_a_large_argument_of_a_counted_input_is_shared() {
        let request = Bytes::from(vec![b'x'; SHARED_ARG_MIN + 10]);
        let mut buf = ArgsBuf::new();
        buf.ranges = vec![ArgRange { start: 0, len: 10 }, ArgRange { start: 10, len: SHARED_ARG_MIN }];
        assert!(buf.view(&request).shared(1).is_none());
        let args = buf.view_shared(&request);
        assert!(args.shared(0).is_none());
        let value = args.shared(1).unwrap();
        assert_eq!(value.as_ptr(), request[10..].as_ptr());
    }
}
