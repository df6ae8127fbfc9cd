//! What an incremental file of ours begins with: a comment that names the stream, and a SELECT, since every file
//! begins at database 0.

use base::ReplId;

/// Where the bytes behind it stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The replication id under which they were written.
    pub replid: ReplId,
    /// Bytes of the stream before them.
    pub offset: u64,
    /// The database that the stream has selected there; None: its next write names one.
    pub selected_db: Option<usize>,
}

const TAG: &str = "#LOCKSTEP ";

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let select = self.selected_db.map_or("none".to_owned(), |db| db.to_string());
        let mut bytes = format!("{TAG}replid={} offset={} select={select}\r\n", self.replid, self.offset).into_bytes();
        if self.selected_db.is_some() {
            resp::encode::command(&mut bytes, &[b"SELECT", select.as_bytes()]);
        }
        bytes
    }

    /// Reads a comment line without its end: None if it is not ours. The SELECT is a command behind it.
    pub fn parse(line: &[u8]) -> Option<Header> {
        let text = std::str::from_utf8(line).ok()?.strip_prefix(TAG)?;
        let mut words = text.split(' ');
        let replid = ReplId::parse(words.next()?.strip_prefix("replid=")?.as_bytes())?;
        let offset = base::numbers::parse_offset(words.next()?.strip_prefix("offset=")?.as_bytes())?;
        let selected_db = match words.next()?.strip_prefix("select=")? {
            "none" => None,
            db => Some(db.parse().ok()?),
        };
        words.next().is_none().then_some(Header { replid, offset, selected_db })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        let replid = ReplId::from_entropy([7; 20]);
        for selected_db in [None, Some(0), Some(12)] {
            let header = Header { replid, offset: 1 << 40, selected_db };
            let bytes = header.encode();
            let line = bytes.split(|byte| *byte == b'\r').next().unwrap();
            assert_eq!(Header::parse(line), Some(header));
        }
        assert_eq!(Header::parse(b"#TS:1700000000"), None);
        let beyond = format!("#LOCKSTEP replid={replid} offset={} select=none", u64::MAX);
        assert_eq!(Header::parse(beyond.as_bytes()), None);
        assert_eq!(Header::parse(b"#LOCKSTEP replid=00 offset=1 select=none"), None);
    }
}
