//! The file beside the manifest: under which replication ids the stream was written before and up to where each of them
//! names it, and what a server that ended left. Without the file only the present id is known, and replicas of an older one
//! need a full synchronisation.

use base::ReplId;

use crate::rdb::crc64;

const FIRST_LINE: &str = "# Older replication ids of this append-only file, and the last byte that each names.";

/// So many of a file's last bytes are in the checksum of its end.
pub const END_BYTES_MAX: u64 = 4096;

/// What the file holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// The older ids and the last byte that each names; the newest first.
    pub older: Vec<(ReplId, u64)>,
    /// From this offset on a master may have sent commands that this server does not know.
    pub unknown_since: Option<u64>,
    /// How the server that wrote last left the last file, if it ended in order.
    pub end: Option<FileEnd>,
}

/// How a file looked when a server ended: another server that writes to it changes that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEnd {
    /// Its name, without a directory.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// CRC-64 of its last bytes, [`END_BYTES_MAX`] at most.
    pub checksum: u64,
}

impl FileEnd {
    /// The end of a file of so many bytes that ends with these.
    pub fn of(name: &str, bytes: u64, last: &[u8]) -> FileEnd {
        FileEnd { name: name.to_owned(), bytes, checksum: crc64(last) }
    }
}

impl Ids {
    /// The file's text.
    pub fn format(&self) -> String {
        let older = self.older.iter().map(|(id, end)| format!("replid {id} end {end}\n"));
        let mut text = format!("{FIRST_LINE}\n{}", older.collect::<String>());
        if let Some(offset) = self.unknown_since {
            text += &format!("unknown-since {offset}\n");
        }
        if let Some(FileEnd { name, bytes, checksum }) = &self.end {
            text += &format!("end {bytes} {checksum:016x} {name}\n");
        }
        text
    }

    /// Reads the file. None: a line is damaged, so that nothing in it is to be trusted.
    pub fn parse(text: &[u8]) -> Option<Ids> {
        let mut ids = Ids::default();
        for line in std::str::from_utf8(text).ok()?.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (kind, rest) = line.split_once(' ')?;
            match kind {
                "replid" => {
                    let (id, end) = rest.split_once(" end ")?;
                    ids.older.push((ReplId::parse(id.as_bytes())?, end.parse().ok()?));
                }
                "unknown-since" => ids.unknown_since = Some(rest.parse().ok()?),
                "end" => {
                    let (bytes, rest) = rest.split_once(' ')?;
                    let (checksum, name) = rest.split_once(' ')?;
                    let checksum = u64::from_str_radix(checksum, 16).ok()?;
                    ids.end = Some(FileEnd { name: name.to_owned(), bytes: bytes.parse().ok()?, checksum });
                }
                _ => return None,
            }
        }
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_damage_is_seen() {
        let older = vec![(ReplId::from_entropy([1; 20]), 77), (ReplId::from_entropy([2; 20]), 0)];
        let ids = Ids { older, ..Ids::default() };
        let text = ids.format();
        assert_eq!(Ids::parse(text.as_bytes()), Some(ids.clone()));
        assert_eq!(Ids::parse(text.replace("end 77", "end x").as_bytes()), None);
        assert_eq!(Ids::parse(b"replid 123 end 1\n"), None);
        let all = Ids { unknown_since: Some(12), end: Some(FileEnd::of("a b.aof", 1 << 40, b"*1")), ..ids };
        assert_eq!(Ids::parse(all.format().as_bytes()), Some(all));
    }
}
