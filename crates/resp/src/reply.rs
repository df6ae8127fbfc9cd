//! The reply writer: the only place that knows how RESP2 and RESP3 differ.

use crate::args::Args;
use crate::encode;
use crate::large::LargeArg;
use crate::outbox::Outbox;
use base::numbers::{self, LongDouble};
use bytes::Bytes;
use smallvec::SmallVec;

/// The version of the protocol a connection speaks, chosen by HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The version every connection starts with.
    #[default]
    Resp2,
    /// With maps, sets, doubles and push messages.
    Resp3,
}

/// Room kept for an aggregate's header whose length comes later. As long as the shortest one, so that small
/// replies are not moved.
const PLACEHOLDER: &[u8] = b"*0\r\n";

/// An aggregate whose number of elements is not known yet. Finish inner ones before outer ones.
#[derive(Debug)]
#[must_use = "an aggregate that is not finished reads as an empty array"]
pub struct Deferred {
    position: u64,
}

/// What may wait in an outbox, in bytes, unless its client's limit says otherwise (128 MiB): a second of work
/// where elements are short.
pub const BYTES_MAX_DEFAULT: usize = 128 * 1024 * 1024;

/// A bulk string of at least this many bytes (64 KiB) is copied into memory of its own: what is appended to would have to
/// grow, and be moved, for the line end behind it.
const LONG_BULK_MIN: usize = 64 * 1024;

/// A long argument on its way out.
struct ArgumentBytes(LargeArg);

impl AsRef<[u8]> for ArgumentBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A place in the replies to which one can return.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// Appends replies to an [`Outbox`].
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Outbox,
    proto: Protocol,
    silent: bool,
    bytes_max: usize,
    errors: u32,
    last_error_code: SmallVec<[u8; 16]>,
}

impl<'a> Reply<'a> {
    /// A writer of `proto` replies behind what waits in `out`.
    pub fn new(out: &'a mut Outbox, proto: Protocol) -> Reply<'a> {
        Reply { out, proto, silent: false, bytes_max: BYTES_MAX_DEFAULT, errors: 0, last_error_code: SmallVec::new() }
    }

    /// Discards (true) or writes what follows: CLIENT REPLY OFF and SKIP. Errors are counted all the same.
    pub fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Whether replies are discarded.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Sets how many bytes may wait before a command should give up a reply that has no end of its own.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// How many more bytes may wait. A command whose reply can be of any size, whatever the data set holds, asks before
    /// it begins and while it writes; others are only bounded by what they read.
    pub fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.out.len())
    }

    /// The place behind what is written.
    pub fn mark(&self) -> Mark {
        Mark(self.out.end())
    }

    /// Takes back what was written since `mark`, in the same command.
    pub fn take_back(&mut self, mark: Mark) {
        self.out.truncate(mark.0);
    }

    /// The protocol written.
    pub fn proto(&self) -> Protocol {
        self.proto
    }

    /// Changes the protocol: HELLO does so before its own reply, a script by `redis.setresp`.
    pub fn set_proto(&mut self, proto: Protocol) {
        self.proto = proto;
    }

    /// The outbox behind this writer.
    pub fn outbox(&mut self) -> &mut Outbox {
        self.out
    }

    /// How many errors were written since this writer was made: whether a command failed.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// The first word of the last error, for `errorstats`; empty if there was none.
    pub fn last_error_code(&self) -> &[u8] {
        &self.last_error_code
    }

    /// `+text`; the text must hold no line end.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        self.line(b'+', text.as_bytes());
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `-text`, the code being its first word; line ends become spaces, as the peers write them.
    pub fn error(&mut self, text: &[u8]) {
        self.errors += 1;
        let code = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        self.last_error_code = SmallVec::from_slice(&code[..code.len().min(64)]);
        if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            let text: Vec<u8> = text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect();
            return self.line(b'-', &text);
        }
        self.line(b'-', text);
    }

    /// `:n`
    pub fn int(&mut self, n: i64) {
        self.header(b':', n);
    }

    /// A bulk string, copied.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if bytes.len() >= LONG_BULK_MIN && !self.silent {
            return self.bulk_shared(&Bytes::copy_from_slice(bytes));
        }
        if let Some(out) = self.open() {
            encode::bulk(out, bytes);
        }
    }

    /// A bulk string that was an argument, queued without a copy if it is a large one.
    pub fn bulk_argument(&mut self, args: &Args<'_>, at: usize) {
        match args.large(at) {
            None => self.bulk(args.at(at)),
            Some(large) => self.bulk_shared(&Bytes::from_owner(ArgumentBytes(LargeArg::clone(large)))),
        }
    }

    /// A bulk string of a counted value, queued without a copy if it is large.
    pub fn bulk_shared(&mut self, bytes: &Bytes) {
        if let Some(out) = self.open() {
            encode::bulk_header(out, bytes.len());
            self.out.push_shared(bytes);
            self.raw(b"\r\n");
        }
    }

    /// A bulk string of a number's decimal digits.
    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// No value: `$-1`, in RESP3 `_`.
    pub fn null(&mut self) {
        self.by_proto(b"$-1\r\n", b"_\r\n");
    }

    /// No array: `*-1`, in RESP3 `_`.
    pub fn null_array(&mut self) {
        self.by_proto(b"*-1\r\n", b"_\r\n");
    }

    /// The header of an array; `n` elements must follow.
    pub fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }

    /// The header of a map; `n` times key and value must follow. In RESP2 an array of `2n`.
    pub fn map(&mut self, n: usize) {
        let (kind, n) = self.map_header(n);
        self.header(kind, n);
    }

    /// The header of a set; `n` elements must follow. In RESP2 an array.
    pub fn set(&mut self, n: usize) {
        self.header(self.kind_of(b'~'), n as i64);
    }

    /// The header of an out-of-band message; `n` elements must follow. In RESP2 an array.
    pub fn push(&mut self, n: usize) {
        self.header(self.kind_of(b'>'), n as i64);
    }

    /// A double: `,x`, in RESP2 a bulk string. The layout is [`numbers::write_f64`]'s.
    pub fn double(&mut self, value: f64) {
        self.number_text(|text| numbers::write_f64(text, value));
    }

    /// A long double in the layout without exponent (GEOPOS): `,x`, in RESP2 a bulk string.
    pub fn long_double(&mut self, value: LongDouble) {
        self.number_text(|text| value.write(text));
    }

    /// The same as a bulk string in both protocols (INCRBYFLOAT, HINCRBYFLOAT).
    pub fn long_double_bulk(&mut self, value: LongDouble) {
        let mut text = Vec::with_capacity(40);
        value.write(&mut text);
        self.bulk(&text);
    }

    /// `#t` or `#f`, in RESP2 `:1` or `:0`.
    pub fn bool(&mut self, value: bool) {
        if value { self.by_proto(b":1\r\n", b"#t\r\n") } else { self.by_proto(b":0\r\n", b"#f\r\n") }
    }

    /// An integer of any size given as text: `(digits`, in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.proto {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.line(b'(', digits),
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`), in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if self.proto == Protocol::Resp2 {
            return self.bulk(text);
        }
        if let Some(out) = self.open() {
            encode::header(out, b'=', text.len() as i64 + 4);
            out.extend_from_slice(format);
            out.push(b':');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Bytes that are RESP already, such as a reply made earlier.
    pub fn raw(&mut self, resp: &[u8]) {
        if let Some(out) = self.open() {
            out.extend_from_slice(resp);
        }
    }

    /// Begins an aggregate of unknown length; write its elements, then finish it.
    pub fn deferred(&mut self) -> Deferred {
        if let Some(out) = self.open() {
            out.extend_from_slice(PLACEHOLDER);
        }
        Deferred { position: self.out.end() - if self.silent { 0 } else { PLACEHOLDER.len() as u64 } }
    }

    /// Makes `mark` the header of an array of the `n` elements written since.
    pub fn finish_array(&mut self, mark: Deferred, n: usize) {
        self.finish(mark, b'*', n as i64);
    }

    /// Makes `mark` the header of a map of `n` pairs.
    pub fn finish_map(&mut self, mark: Deferred, n: usize) {
        let (kind, n) = self.map_header(n);
        self.finish(mark, kind, n);
    }

    /// Makes `mark` the header of a set of `n` elements.
    pub fn finish_set(&mut self, mark: Deferred, n: usize) {
        self.finish(mark, self.kind_of(b'~'), n as i64);
    }

    /// Makes `mark` the header of a push message of `n` elements.
    pub fn finish_push(&mut self, mark: Deferred, n: usize) {
        self.finish(mark, self.kind_of(b'>'), n as i64);
    }

    fn finish(&mut self, mark: Deferred, kind: u8, n: i64) {
        if self.silent {
            return;
        }
        let mut header = Vec::with_capacity(24);
        encode::header(&mut header, kind, n);
        self.out.replace(mark.position, PLACEHOLDER.len(), &header);
    }

    fn map_header(&self, n: usize) -> (u8, i64) {
        match self.proto {
            Protocol::Resp2 => (b'*', 2 * n as i64),
            Protocol::Resp3 => (b'%', n as i64),
        }
    }

    fn kind_of(&self, resp3: u8) -> u8 {
        if self.proto == Protocol::Resp3 { resp3 } else { b'*' }
    }

    fn by_proto(&mut self, resp2: &[u8], resp3: &[u8]) {
        self.raw(if self.proto == Protocol::Resp3 { resp3 } else { resp2 });
    }

    fn number_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut text = Vec::with_capacity(32);
        write(&mut text);
        match self.proto {
            Protocol::Resp2 => self.bulk(&text),
            Protocol::Resp3 => self.line(b',', &text),
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        if let Some(out) = self.open() {
            out.reserve(text.len() + 3);
            out.push(kind);
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn header(&mut self, kind: u8, n: i64) {
        if let Some(out) = self.open() {
            encode::header(out, kind, n);
        }
    }

    #[inline]
    fn open(&mut self) -> Option<&mut Vec<u8>> {
        (!self.silent).then(|| self.out.tail_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Reply)) -> (String, String) {
        let one = |proto| {
            let mut out = Outbox::new();
            write(&mut Reply::new(&mut out, proto));
            String::from_utf8(out.to_vec()).unwrap()
        };
        (one(Protocol::Resp2), one(Protocol::Resp3))
    }

    #[track_caller]
    fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
        assert_eq!(both(write), (resp2.to_owned(), resp3.to_owned()));
    }

    #[test]
    fn every_kind_is_written_as_its_protocol_says() {
        check(|r| r.simple("PONG"), "+PONG\r\n", "+PONG\r\n");
        check(|r| r.error(b"ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
        check(|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
        check(|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n");
        check(|r| r.bulk_int(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n");
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.null_array(), "*-1\r\n", "_\r\n");
        check(|r| r.array(0), "*0\r\n", "*0\r\n");
        check(|r| r.map(3), "*6\r\n", "%3\r\n");
        check(|r| r.set(3), "*3\r\n", "~3\r\n");
        check(|r| r.push(3), "*3\r\n", ">3\r\n");
        check(|r| r.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
        check(|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
        check(|r| r.bool(true), ":1\r\n", "#t\r\n");
        check(|r| r.bool(false), ":0\r\n", "#f\r\n");
        check(|r| r.big_number(b"123"), "$3\r\n123\r\n", "(123\r\n");
        check(|r| r.verbatim(b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn deferred_headers_take_their_length_at_the_end_even_across_segments() {
        let large = Bytes::from(vec![b'v'; 20_000]);
        let (resp2, resp3) = both(|reply| {
            let outer = reply.deferred();
            let inner = reply.deferred();
            for _ in 0..12 {
                reply.bulk_shared(&large);
            }
            reply.finish_set(inner, 12);
            let empty = reply.deferred();
            reply.finish_array(empty, 0);
            reply.finish_map(outer, 1);
            reply.int(7);
        });
        let body = format!("$20000\r\n{}\r\n", "v".repeat(20_000)).repeat(12) + "*0\r\n:7\r\n";
        assert!(resp2 == format!("*2\r\n*12\r\n{body}"));
        assert!(resp3 == format!("%1\r\n~12\r\n{body}"));
    }

    #[test]
    fn a_silent_reply_writes_nothing_but_counts_its_errors() {
        let mut out = Outbox::new();
        let mut reply = Reply::new(&mut out, Protocol::Resp2);
        reply.set_silent(true);
        let mark = reply.deferred();
        reply.bulk(b"x");
        reply.bulk_shared(&Bytes::from(vec![0; 20_000]));
        reply.error(b"WRONGTYPE no");
        reply.finish_array(mark, 2);
        assert_eq!((reply.errors(), reply.last_error_code()), (1, &b"WRONGTYPE"[..]));
        assert!(out.is_empty());
    }
}
