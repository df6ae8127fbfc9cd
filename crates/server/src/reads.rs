//! What was read from connections and not handed to the node yet: all of it in one buffer, so that the node can look at
//! the requests of several connections before it runs the first.

use node::ConnId;

/// What is read of one connection at a time, in bytes, but for long arguments.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A connection is read when there is room for so many bytes.
const READ_BYTES_MIN: usize = 16 * 1024;

/// So many connections are looked at together at most: what is fetched for them must still be near when they have their
/// turn.
const INPUTS_MAX: usize = 32;

/// The buffer.
pub struct Reads {
    bytes: Vec<u8>,
    /// Whose bytes, and where they end.
    ends: Vec<(ConnId, usize)>,
}

impl Reads {
    /// An empty one.
    pub fn new() -> Reads {
        Reads { bytes: vec![0; READ_BYTES_MAX + READ_BYTES_MIN], ends: Vec::with_capacity(INPUTS_MAX) }
    }

    fn end(&self) -> usize {
        self.ends.last().map_or(0, |(_, end)| *end)
    }

    /// Whether another connection may be read.
    pub fn has_room(&self) -> bool {
        self.ends.len() < INPUTS_MAX && self.bytes.len() - self.end() >= READ_BYTES_MIN
    }

    /// Where the next connection's bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        let start = self.end();
        let end = self.bytes.len().min(start + READ_BYTES_MAX);
        &mut self.bytes[start..end]
    }

    /// So many bytes were read from this connection into [`Reads::space`].
    pub fn add(&mut self, conn: ConnId, count: usize) {
        let end = self.end() + count;
        self.ends.push((conn, end));
    }

    /// Whose bytes, and which.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (ConnId, &[u8])> + Clone {
        self.ends.iter().enumerate().map(|(at, (conn, end))| {
            let start = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
            (*conn, &self.bytes[start..*end])
        })
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{INPUTS_MAX, READ_BYTES_MAX, Reads};
    use node::ConnId;

    fn conn(id: u64) -> ConnId {
        ConnId { slot: id as u32, id }
    }

    fn add(reads: &mut Reads, id: u64, bytes: &[u8]) {
        reads.space()[..bytes.len()].copy_from_slice(bytes);
        reads.add(conn(id), bytes.len());
    }

    #[test]
    fn inputs_come_back_in_order_with_their_connections() {
        let mut reads = Reads::new();
        add(&mut reads, 7, b"one");
        add(&mut reads, 3, b"three");
        assert_eq!(reads.inputs().collect::<Vec<_>>(), [(conn(7), &b"one"[..]), (conn(3), &b"three"[..])]);
        reads.clear();
        assert_eq!(reads.inputs().len(), 0);
    }

    #[test]
    fn a_large_input_leaves_no_room_for_another() {
        let mut reads = Reads::new();
        assert_eq!(reads.space().len(), READ_BYTES_MAX);
        add(&mut reads, 1, &vec![b'x'; READ_BYTES_MAX]);
        assert!(reads.has_room());
        add(&mut reads, 2, b"x");
        assert!(!reads.has_room());
    }

    #[test]
    fn no_more_connections_than_are_worth_it_are_read_together() {
        let mut reads = Reads::new();
        (0..INPUTS_MAX as u64).for_each(|id| add(&mut reads, id, b"PING\r\n"));
        assert!(!reads.has_room());
    }
}
