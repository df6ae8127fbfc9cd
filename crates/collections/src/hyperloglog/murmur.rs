//! MurmurHash64A by Austin Appleby (in the public domain), with the seed that Redis and Valkey hash elements with.

const SEED: u64 = 0xadc8_3b19;
const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// The hash of an element. Blocks are read little-endian on every machine.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    for block in blocks {
        let mut word = u64::from_le_bytes(*block).wrapping_mul(FACTOR);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut block = [0; 8];
        block[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(block)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}
