//! What stands beside the replication ids in the file next to the manifest: how the last file ends when the server does, and
//! from where on a master sent commands that this server does not know. The file is written by several threads, one at a time.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use base::ReplId;
use persist::aof::{END_BYTES_MAX, FileEnd, Ids, Manifest};

use super::aof::{AofFiles, lock};
use crate::files;

/// What the file is to say besides ids. Held locked while ids and manifest are replaced.
#[derive(Default)]
pub struct Notes {
    /// The server ends: nothing is to change any more.
    pub ended: bool,
    unknown: Option<Unknown>,
    /// The base that was begun last, and where it stands in the stream.
    pub base: Option<(String, u64)>,
}

/// Commands that this server did not know.
#[derive(Clone, Copy)]
struct Unknown {
    first: u64,
    last: u64,
}

impl Notes {
    /// The text of the file with these ids.
    pub fn text(&self, older: &[(ReplId, u64)]) -> String {
        let unknown_since = self.unknown.map(|unknown| unknown.first);
        Ids { older: older.to_vec(), unknown_since, end: None }.format()
    }

    /// The manifest was replaced by this one. What stood before its base is gone: the next text does not speak of it.
    pub fn published(&mut self, manifest: &str) {
        if let (Some(unknown), Some((name, offset))) = (self.unknown, &self.base)
            && unknown.last < *offset
            && Manifest::parse(manifest).is_ok_and(|manifest| manifest.base.is_some_and(|base| base.name == *name))
        {
            self.unknown = None;
        }
    }
}

impl AofFiles {
    /// Takes over what an earlier life noted.
    pub fn resume_notes(&self) {
        let unknown = self.read_ids().unknown_since;
        lock(&self.notes).unknown = unknown.map(|first| Unknown { first, last: first });
    }

    /// A command that this server does not know stands at this offset of the stream, or is about to: a start passes over it
    /// as well. Written before the command is.
    pub fn note_unknown(&self, offset: u64) -> io::Result<()> {
        let mut notes = lock(&self.notes);
        if let Some(unknown) = &mut notes.unknown {
            unknown.last = unknown.last.max(offset);
            return Ok(());
        }
        let mut ids = self.read_ids();
        ids.unknown_since = Some(offset);
        files::replace(&self.ids(), ids.format().as_bytes())?;
        notes.unknown = Some(Unknown { first: offset, last: offset });
        Ok(())
    }

    /// The server ends and writes no more: how it leaves the last file is noted.
    pub fn note_end(&self) -> io::Result<()> {
        let mut notes = lock(&self.notes);
        notes.ended = true;
        let Some(name) = lock(&self.names).current.clone() else { return Ok(()) };
        let manifest = fs::read_to_string(self.manifest()).ok().and_then(|text| Manifest::parse(&text).ok());
        if !manifest.is_some_and(|manifest| manifest.incrs.iter().any(|file| file.name == name)) {
            return Ok(()); // It is no part of the data set yet.
        }
        let mut file = File::open(self.directory().join(&name))?;
        let bytes = file.metadata()?.len();
        let mut last = Vec::new();
        file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES_MAX)))?;
        file.read_to_end(&mut last)?;
        let mut ids = self.read_ids();
        ids.end = Some(FileEnd::of(&name, bytes, &last));
        files::replace(&self.ids(), ids.format().as_bytes())
    }

    fn read_ids(&self) -> Ids {
        fs::read(self.ids()).ok().and_then(|text| Ids::parse(&text)).unwrap_or_default()
    }
}
