//! The nameless files of the node under test, in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use journal::{Extent, Place};

/// What the disk does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes all and gives it back.
    #[default]
    Well,
    /// It takes nothing.
    Full,
    /// It never answers.
    Stuck,
    /// It can't be read.
    Unreadable,
}

/// The nameless files.
#[derive(Default)]
pub struct SpillDisk {
    /// By their numbers.
    pub files: BTreeMap<u64, Vec<u8>>,
    /// What it does.
    pub mood: Mood,
    /// How often it was read.
    pub reads: usize,
}

impl SpillDisk {
    /// Writes to the end of a file; None: there is no answer.
    pub fn spill(&mut self, file: u64, pieces: &[Bytes]) -> Option<Result<(), String>> {
        match self.mood {
            Mood::Full => return Some(Err("No space left on device (os error 28)".to_owned())),
            Mood::Stuck => return None,
            Mood::Well | Mood::Unreadable => {}
        }
        let content = self.files.entry(file).or_default();
        pieces.iter().for_each(|piece| content.extend_from_slice(piece));
        Some(Ok(()))
    }

    /// Reads.
    pub fn read(&mut self, extent: &Extent) -> Result<Vec<u8>, String> {
        self.reads += 1;
        if self.mood == Mood::Unreadable {
            return Err("Input/output error".to_owned());
        }
        let Place::Spill(number) = &extent.place else { panic!("the tests have no append-only file") };
        let from = extent.position as usize;
        let bytes = self.files.get(number).and_then(|content| content.get(from..from + extent.bytes));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| "there is no such file, or it ends before".to_owned())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}
