//! The bytes around a snapshot on the wire (PROTOCOL section 4): a length before it, or a mark before and
//! behind it. Writing only; a replica reads them in `replica::transfer`.

/// Bytes in an end mark.
pub const MARK_LENGTH: usize = 40;

/// How a snapshot is delimited on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framing {
    /// `$<length>\r\n`, then that many bytes; the stream follows at once. Needs the length beforehand.
    Sized,
    /// `$EOF:<mark>\r\n`, bytes, the mark again; the stream follows the replica's first ACK.
    EndMark,
}

/// The header before a snapshot of `length` bytes.
pub fn sized_header(length: u64) -> Vec<u8> {
    format!("${length}\r\n").into_bytes()
}

/// The header before a snapshot that ends with `mark`. Write the mark itself after the last byte.
pub fn end_mark_header(mark: &[u8; MARK_LENGTH]) -> Vec<u8> {
    let mut header = b"$EOF:".to_vec();
    header.extend_from_slice(mark);
    header.extend_from_slice(b"\r\n");
    header
}
