//! Redis's intset: a sorted array of integers of one width. 4 bytes width (2, 4 or 8, LE), 4 bytes count (LE), then
//! the integers (LE, signed, ascending, none twice). The width only ever grows.

use std::fmt;

use crate::Corrupt;
use crate::growth::{self, Block};

const HEADER: usize = 8;

/// A set of integers in Redis's intset encoding. Two words wide, because it stands in the entries of the keyspace.
pub struct Intset {
    /// The encoding, whose header says how long it is, and behind it room to grow.
    block: Block,
}

impl Clone for Intset {
    fn clone(&self) -> Intset {
        Intset { block: self.as_bytes().into() }
    }
}

impl PartialEq for Intset {
    fn eq(&self, other: &Intset) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Intset {}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

impl Intset {
    /// Without members.
    pub fn new() -> Intset {
        Intset { block: Box::new([2, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// Takes bytes from outside after checking width, count and order.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Intset, Corrupt> {
        let Some(&[w0, w1, w2, w3, c0, c1, c2, c3]) = bytes.first_chunk::<HEADER>() else {
            return Err(Corrupt("intset shorter than its header"));
        };
        let width = u32::from_le_bytes([w0, w1, w2, w3]) as usize;
        if !matches!(width, 2 | 4 | 8) {
            return Err(Corrupt("intset width is not 2, 4 or 8"));
        }
        let count = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        if count.checked_mul(width) != Some(bytes.len() - HEADER) {
            return Err(Corrupt("intset count does not match its bytes"));
        }
        let intset = Intset { block: bytes.into_boxed_slice() };
        if !intset.iter().is_sorted_by(|a, b| a < b) {
            return Err(Corrupt("intset is not in ascending order"));
        }
        Ok(intset)
    }

    /// The whole encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.block[..self.byte_len()]
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        let [_, _, _, _, a, b, c, d, ..] = *self.block else { unreachable!("a header is always there") };
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member at `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.read(index))
    }

    /// True if `value` is a member; O(log n).
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// True if `value` is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let width = width_of(value);
        if width > self.width() {
            self.widen(width);
        }
        let Err(index) = self.search(value) else { return false };
        let width = self.width();
        let at = HEADER + index * width;
        let len = self.byte_len();
        growth::resize_block(&mut self.block, len, at, 0, width);
        self.block[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.write_count(self.len() + 1);
        true
    }

    /// True if `value` was a member.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width();
        let len = self.byte_len();
        growth::resize_block(&mut self.block, len, HEADER + index * width, width, 0);
        self.write_count(self.len() - 1);
        true
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        (0..self.len()).map(|index| self.read(index))
    }

    /// Bytes allocated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.block.len()
    }

    fn byte_len(&self) -> usize {
        HEADER + self.len() * self.width()
    }

    fn width(&self) -> usize {
        usize::from(self.block[0])
    }

    fn read(&self, index: usize) -> i64 {
        let width = self.width();
        let at = HEADER + index * width;
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(&self.block[at..at + width]);
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    }

    /// Where `value` is, or where it belongs.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.read(middle).cmp(&value) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(HEADER + self.len() * width);
        bytes.extend_from_slice(&[width as u8, 0, 0, 0]);
        bytes.extend_from_slice(&self.block[4..HEADER]);
        for value in self.iter() {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        self.block = bytes.into_boxed_slice();
    }

    fn write_count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("sets convert long before 2^32 members");
        self.block[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_equal_those_of_a_peer() {
        // DUMP of {1, -2, 300}, {1, 70000} and {1, 2^40} on valkey 8.0.
        for (values, hex) in [
            (&[1, -2, 300][..], "0200000003000000feff01002c01"),
            (&[1, 70000], "04000000020000000100000070110100"),
            (&[1, 1 << 40], "080000000200000001000000000000000000000000010000"),
        ] {
            let mut intset = Intset::new();
            for &value in values {
                assert!(intset.insert(value));
            }
            let shown: String = intset.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(shown, hex);
            assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Ok(intset));
        }
    }

    #[test]
    fn inserting_a_present_wide_looking_value_again_changes_nothing() {
        let mut intset = Intset::new();
        assert!(intset.insert(i64::MIN) && intset.insert(5));
        let before = intset.clone();
        assert!(!intset.insert(5) && !intset.insert(i64::MIN));
        assert_eq!(intset, before);
    }

    #[test]
    fn broken_bytes_are_refused() {
        for bad in [
            &b""[..],
            &[2, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 1, 0, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
            &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1],
            &[8, 0, 0, 0, 255, 255, 255, 255],
        ] {
            assert!(Intset::from_bytes(bad.to_vec()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(steps in prop::collection::vec((any::<bool>(), any::<i64>(), 0u32..63), 0..200)) {
            let (mut intset, mut model) = (Intset::new(), BTreeSet::new());
            for (add, value, shift) in steps {
                let value = value >> shift;
                if add {
                    prop_assert_eq!(intset.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(intset.remove(value), model.remove(&value));
                }
                prop_assert_eq!(intset.contains(value), add);
            }
            prop_assert!(intset.iter().eq(model.iter().copied()));
            prop_assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Ok(intset));
        }

        #[test]
        fn no_bytes_from_outside_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(intset) = Intset::from_bytes(bytes) {
                prop_assert_eq!(intset.iter().count(), intset.len());
            }
        }
    }
}
