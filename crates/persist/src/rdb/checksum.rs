//! The CRC64 at the end of RDB files and DUMP payloads: Jones polynomial, reflected, start value 0.

use crc_fast::{CrcAlgorithm, Digest};

/// A checksum being fed.
pub struct Crc64(Digest);

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64::new()
    }
}

impl Crc64 {
    /// The checksum of no bytes.
    pub fn new() -> Crc64 {
        Crc64(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of these bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis_however_it_is_fed() {
        // The check value of the public catalogue for this polynomial.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * 7) as u8).collect();
        for piece in [1, 3, 64, 1000] {
            let mut sum = Crc64::new();
            bytes.chunks(piece).for_each(|chunk| sum.update(chunk));
            assert_eq!(sum.value(), crc64(&bytes));
        }
        assert_eq!(Crc64::new().value(), 0);
    }
}
