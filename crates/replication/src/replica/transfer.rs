//! Separates a snapshot's bytes from its framing, however the reads cut them. Holds back at most one byte
//! less than an end mark.

use crate::framing::MARK_LENGTH;

/// Reads one snapshot.
#[derive(Debug)]
pub(super) enum TransferReader {
    /// So many bytes are still to come.
    Sized { left: u64 },
    /// `held` are the last bytes seen: they may be the beginning of the mark.
    EndMark { mark: [u8; MARK_LENGTH], held: Vec<u8> },
}

/// What a piece of input held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Bytes of the snapshot; may be empty.
    pub(super) bytes: Vec<u8>,
    /// How much of the input was used; all of it unless the snapshot is complete.
    pub(super) used: usize,
    pub(super) complete: bool,
}

impl TransferReader {
    pub(super) fn sized(length: u64) -> TransferReader {
        TransferReader::Sized { left: length }
    }

    pub(super) fn until_mark(mark: [u8; MARK_LENGTH]) -> TransferReader {
        TransferReader::EndMark { mark, held: Vec::new() }
    }

    pub(super) fn read(&mut self, input: &[u8]) -> Piece {
        match self {
            TransferReader::Sized { left } => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= used as u64;
                Piece { bytes: input[..used].to_vec(), used, complete: *left == 0 }
            }
            TransferReader::EndMark { mark, held } => {
                let held_before = held.len();
                let mut bytes = std::mem::take(held);
                bytes.extend_from_slice(input);
                if let Some(at) = memchr::memmem::find(&bytes, mark) {
                    bytes.truncate(at);
                    return Piece { bytes, used: at + MARK_LENGTH - held_before, complete: true };
                }
                let keep = bytes.len().min(MARK_LENGTH - 1);
                *held = bytes.split_off(bytes.len() - keep);
                Piece { bytes, used: input.len(), complete: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: [u8; MARK_LENGTH] = *b"0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn an_end_mark_is_found_wherever_two_reads_cut_it() {
        let mut wire = b"snapshot 0123456789abcdef0123".to_vec();
        let snapshot = wire.clone();
        wire.extend_from_slice(&MARK);
        wire.extend_from_slice(b"*1\r\n");
        for cut in 0..wire.len() - 4 {
            let mut reader = TransferReader::until_mark(MARK);
            let first = reader.read(&wire[..cut]);
            assert_eq!((first.used, first.complete), (cut, false));
            let second = reader.read(&wire[cut..]);
            assert!(second.complete, "cut at {cut}");
            assert_eq!(cut + second.used, wire.len() - 4);
            assert_eq!([first.bytes, second.bytes].concat(), snapshot);
        }
    }

    #[test]
    fn a_sized_snapshot_ends_exactly_and_leaves_the_stream() {
        let mut reader = TransferReader::sized(5);
        assert_eq!(reader.read(b"abc"), Piece { bytes: b"abc".to_vec(), used: 3, complete: false });
        assert_eq!(reader.read(b"de*1"), Piece { bytes: b"de".to_vec(), used: 2, complete: true });
    }
}
