//! CRC16 (XMODEM) and the cluster slot of a key, as the Redis Cluster specification defines them.

/// How many slots a cluster has.
pub const SLOTS: u16 = 16384;

/// CRC16 with polynomial 0x1021, no reflection, initial value 0.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The slot of a key: the CRC16 of what stands between the first `{` and the next `}`, if that is not
/// empty, else of the whole key.
pub fn key_slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&b| b == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&b| b == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_cluster_specification_holds() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn only_a_non_empty_tag_decides_the_slot() {
        assert_eq!(key_slot(b"{user}.a"), key_slot(b"{user}.b"));
        assert_eq!(key_slot(b"x{}y"), crc16(b"x{}y") % SLOTS);
        assert_eq!(key_slot(b"x{{a}}"), crc16(b"{a") % SLOTS);
    }
}
