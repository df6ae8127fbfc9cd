//! The id of a stream's entry: a time and a sequence number within it.

use std::fmt;

/// `ms-seq`; ids are ordered by time, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    /// Unix milliseconds, unless a client chose otherwise.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`: no entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last id there is.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// Of this time and number.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id that follows, unless this is the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before, unless this is the first.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// 16 bytes, big-endian, so that their order is that of the ids: the form in RDB files.
    pub fn to_be_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The id in such bytes.
    pub fn from_be_bytes(bytes: [u8; 16]) -> StreamId {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_cross_the_millisecond_and_end_at_both_ends() {
        let id = StreamId::new(5, u64::MAX);
        assert_eq!(id.next(), Some(StreamId::new(6, 0)));
        assert_eq!(StreamId::new(6, 0).previous(), Some(id));
        assert_eq!((StreamId::MIN.previous(), StreamId::MAX.next()), (None, None));
    }

    #[test]
    fn bytes_are_ordered_as_ids_are() {
        let ids = [StreamId::new(1, u64::MAX), StreamId::new(2, 0), StreamId::new(2, 300), StreamId::new(1 << 40, 1)];
        assert!(ids.windows(2).all(|pair| pair[0].to_be_bytes() < pair[1].to_be_bytes()));
        assert!(ids.iter().all(|id| StreamId::from_be_bytes(id.to_be_bytes()) == *id));
    }
}
