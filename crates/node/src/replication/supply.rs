//! Where the next bytes of one replica come from: from the stream in memory, or, if that no longer reaches back to its
//! place, from the files that hold the stream. Decides, and does nothing.
//!
//! ```text
//!            its place is not in memory            the block is here
//!   Memory ────────────────────────────▶ Asked ────────────────────▶ Block
//!     ▲                                    ▲                           │ used up
//!     └──── its place is in memory again ──┴───────────────────────────┘
//! ```
//!
//! A replica has one block at the most, on its way or in its hands, and asks for it only when its socket has room: one that
//! takes nothing costs no memory.

use bytes::Bytes;
use journal::{Archive, Extent, Journal, Offset, Place};

/// The most that is read at once, in bytes.
const BLOCK_BYTES_MAX: usize = 512 * 1024;

/// Where a replica's bytes come from now.
#[derive(Debug, Default)]
pub(crate) enum Supply {
    /// The stream in memory.
    #[default]
    Memory,
    /// A block of a file is on its way.
    Asked {
        /// Which.
        ticket: u64,
        /// Out of which file.
        place: Place,
    },
    /// A block of a file is here.
    Block {
        /// The offset of its first byte.
        start: u64,
        /// Its bytes.
        bytes: Bytes,
    },
}

/// What to do to serve it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write from the stream in memory.
    Memory,
    /// Write these bytes.
    Write(Bytes),
    /// Ask for these bytes of a file.
    Ask(Extent),
    /// Nothing, until the block is here.
    Wait,
    /// What it lacks is neither in memory nor on disk.
    Lost,
}

impl Supply {
    /// The next step for a replica that has the stream up to `at` and may get more. From files it may get it up to `until`.
    pub fn step(&self, at: u64, until: u64, journal: &Journal, archive: Option<&Archive>) -> Step {
        match self {
            Supply::Block { start, bytes } if (*start..*start + bytes.len() as u64).contains(&at) => {
                Step::Write(bytes.slice((at - start) as usize..))
            }
            _ if Offset(at) >= journal.first() => Step::Memory,
            Supply::Asked { .. } => Step::Wait,
            Supply::Memory | Supply::Block { .. } => {
                let extent = archive.and_then(|archive| archive.locate(Offset(at), Offset(until), BLOCK_BYTES_MAX));
                extent.map_or(Step::Lost, Step::Ask)
            }
        }
    }

    /// The first offset that is not in its hands.
    pub fn wants(&self, at: u64) -> u64 {
        match self {
            Supply::Block { start, bytes } => at.max(start + bytes.len() as u64),
            Supply::Memory | Supply::Asked { .. } => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::UnixMs;
    use journal::Part;

    /// Memory holds from 1000 on, a file from 100 to 1100.
    fn world() -> (Journal, Archive) {
        let mut journal = Journal::new(Offset(1000));
        journal.append(&[b'x'; 500]);
        let part = Part {
            place: Place::Spill(7),
            skip: 0,
            start: Offset(100),
            end: Offset(1100),
            spare: true,
            ended: UnixMs(0),
        };
        (journal, Archive::chain(vec![part], Offset(1100)))
    }

    #[test]
    fn a_replica_goes_from_memory_to_the_file_and_back() {
        let (journal, archive) = world();
        let step = |supply: &Supply, at| supply.step(at, 1500, &journal, Some(&archive));
        assert_eq!(step(&Supply::Memory, 1000), Step::Memory);
        let extent = Extent { place: Place::Spill(7), position: 800, bytes: 200 };
        assert_eq!(step(&Supply::Memory, 900), Step::Ask(extent));
        let asked = Supply::Asked { ticket: 1, place: Place::Spill(7) };
        assert_eq!(step(&asked, 900), Step::Wait, "one block at a time");
        let block = Supply::Block { start: 900, bytes: Bytes::from(vec![b'y'; 50]) };
        assert_eq!(step(&block, 920), Step::Write(Bytes::from(vec![b'y'; 30])));
        assert_eq!(block.wants(920), 950);
        assert!(matches!(step(&block, 950), Step::Ask(_)), "used up");
        let last = Supply::Block { start: 980, bytes: Bytes::from(vec![b'y'; 120]) };
        assert!(matches!(step(&last, 1000), Step::Write(_)), "what was read is used");
        assert_eq!(step(&last, 1100), Step::Memory);
    }

    #[test]
    fn nothing_is_read_beyond_what_replicas_may_have_and_what_is_nowhere_is_lost() {
        let (journal, archive) = world();
        let Step::Ask(extent) = Supply::Memory.step(900, 910, &journal, Some(&archive)) else { panic!("it asks") };
        assert_eq!(extent.bytes, 10);
        assert_eq!(Supply::Memory.step(99, 1500, &journal, Some(&archive)), Step::Lost);
        assert_eq!(Supply::Memory.step(900, 1500, &journal, None), Step::Lost);
    }
}
