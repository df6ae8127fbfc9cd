//! The replication id: 40 lowercase hex digits that name one history of writes.

use std::fmt;

/// Names one history of writes. Two servers with the same id and offset hold the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId([u8; 40]);

impl ReplId {
    /// The id that names no history: what `master_replid2` shows before any promotion.
    pub const NONE: ReplId = ReplId([b'0'; 40]);

    /// A fresh id from 20 bytes of entropy.
    pub fn from_entropy(entropy: [u8; 20]) -> ReplId {
        let mut id = [0; 40];
        for (i, byte) in entropy.iter().enumerate() {
            id[2 * i] = HEX[usize::from(byte >> 4)];
            id[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        ReplId(id)
    }

    /// Reads an id as peers send it: 40 hex digits, in either case.
    pub fn parse(text: &[u8]) -> Option<ReplId> {
        let mut id: [u8; 40] = text.try_into().ok()?;
        id.make_ascii_lowercase();
        id.iter().all(u8::is_ascii_hexdigit).then_some(ReplId(id))
    }

    /// The 40 digits.
    pub fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    /// The 40 digits as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_in_either_case_and_refuses_anything_else() {
        let id = ReplId::from_entropy([0xab; 20]);
        assert_eq!(id.as_str(), "ab".repeat(20));
        assert_eq!(ReplId::parse("AB".repeat(20).as_bytes()), Some(id));
        assert_eq!(ReplId::parse(b"?"), None);
        assert_eq!(ReplId::parse("zz".repeat(20).as_bytes()), None);
    }
}
