//! The append-only files of one simulated process, the mirror of the real server's `jobs/aof.rs`: the file in use, the
//! one that was created for what comes next, and what a start finds on the disk.

use std::cell::RefCell;
use std::io::{self, Cursor, IoSlice, Read};
use std::rc::Rc;

use node::{AofFolder, FoundPart};
use persist::aof::Manifest;

use crate::disk::Disk;

/// What the settings call the files.
const STEM: &str = "appendonly.aof";
/// The manifest.
pub(crate) const MANIFEST: &str = "appendonly.aof.manifest";
/// The file of older replication ids.
pub(crate) const IDS: &str = "appendonly.aof.ids";

/// The files as one process has them open. The host, the loop and the jobs share them.
pub(crate) struct AofFiles {
    /// Where they are.
    pub disk: Rc<RefCell<Disk>>,
    current: Option<String>,
    /// Was created and not used yet.
    pub prepared: Option<String>,
    /// Were in use since the last sync.
    before: Vec<String>,
    /// What the writing thread still has to write, and to which file.
    writing: Option<(String, Vec<u8>)>,
    /// How much of it is written.
    count: u64,
    /// What the writing thread did, until the executor takes note.
    written: Option<(u64, Result<(), String>)>,
}

impl AofFiles {
    /// None is open.
    pub fn new(disk: Rc<RefCell<Disk>>) -> AofFiles {
        AofFiles { disk, current: None, prepared: None, before: Vec::new(), writing: None, count: 0, written: None }
    }

    /// Writes to the file in use: how many bytes it took.
    pub fn append(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let name = self.current.as_ref().ok_or_else(|| io::Error::other("no append-only file is in use"))?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.disk.borrow_mut().append(name, &bytes)
    }

    /// The file that was created last becomes the one in use, and begins with this header.
    pub fn switch(&mut self, header: &[u8]) -> Result<(), String> {
        let next = self.prepared.clone().ok_or("no append-only file was created")?;
        let mut disk = self.disk.borrow_mut();
        disk.truncate(&next, 0);
        match disk.append(&next, header) {
            Ok(count) if count == header.len() => {}
            Ok(_) => return Err("the header was written in part".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        self.prepared = None;
        self.before.extend(self.current.replace(next));
        Ok(())
    }

    /// Removes that many bytes from the end of the file in use.
    pub fn retract(&mut self, bytes: usize) {
        let mut disk = self.disk.borrow_mut();
        if let Some((name, size)) = self.current.as_ref().and_then(|name| Some((name, disk.size(name)?))) {
            disk.truncate(name, size.saturating_sub(bytes));
        }
    }

    /// What a sync that begins now makes durable: the files and their lengths, in order.
    pub fn begin_sync(&mut self) -> Vec<(String, usize)> {
        let disk = self.disk.borrow();
        let files = std::mem::take(&mut self.before).into_iter().chain(self.current.clone());
        files.map(|name| (disk.size(&name).unwrap_or(0), name)).map(|(size, name)| (name, size)).collect()
    }

    /// Makes that durable.
    pub fn end_sync(&self, files: &[(String, usize)]) -> Result<(), String> {
        files.iter().try_for_each(|(name, length)| self.disk.borrow_mut().sync(name, *length))
    }

    /// The writing thread gets something to write to the file in use.
    pub fn begin_write(&mut self, bytes: Vec<u8>) {
        self.count = 0;
        match self.current.clone() {
            Some(name) => self.writing = Some((name, bytes)),
            None => self.written = Some((0, Err("no append-only file is in use".to_owned()))),
        }
    }

    /// The writing thread writes so many bytes more. False: it is done.
    pub fn write_some(&mut self, bytes_max: usize) -> bool {
        let Some((name, bytes)) = &mut self.writing else { return false };
        let piece = bytes.len().min(bytes_max);
        let outcome = self.disk.borrow_mut().append(name, &bytes[..piece]);
        match outcome {
            Ok(count) => {
                self.count += count as u64;
                bytes.drain(..count);
                if bytes.is_empty() {
                    self.writing = None;
                    self.written = Some((self.count, Ok(())));
                }
            }
            Err(error) => {
                self.writing = None;
                self.written = Some((self.count, Err(error.to_string())));
            }
        }
        self.writing.is_some()
    }

    /// Waits for the writing thread.
    pub fn await_write(&mut self) -> (u64, Result<(), String>) {
        while self.write_some(usize::MAX) {}
        self.written.take().expect("nobody waits for a write that was not begun")
    }

    /// What the writing thread did, if nobody took note yet.
    pub fn take_written(&mut self) -> Option<(u64, Result<(), String>)> {
        self.written.take()
    }
}

/// What is in the folder, in use or not: the manifest, and the highest numbers of bases and incremental files.
pub(crate) fn survey(disk: &Disk) -> (Manifest, u64, u64) {
    let manifest = find(disk).ok().flatten().unwrap_or_default();
    let (base, incr) = manifest.last_numbers(STEM, disk.names());
    (manifest, base, incr)
}

/// The manifest, if there is one.
pub(crate) fn find(disk: &Disk) -> Result<Option<Manifest>, String> {
    let Some(text) = disk.read(MANIFEST) else { return Ok(None) };
    Manifest::parse(&String::from_utf8_lossy(text)).map(Some).map_err(|error| error.to_string())
}

/// The folder as a load at the start sees it.
pub(crate) struct Folder(pub Rc<RefCell<Disk>>);

impl AofFolder for Folder {
    fn open(&self, name: &str, from: u64) -> io::Result<Box<dyn Read>> {
        let disk = self.0.borrow();
        let bytes = disk.read(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes[(from as usize).min(bytes.len())..].to_vec())))
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        let size = self.0.borrow().size(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(size as u64)
    }

    fn cut(&self, name: &str, length: u64) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        disk.truncate(name, length as usize);
        disk.sync_fails = false;
        disk.sync(name, length as usize).map_err(io::Error::other)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        // A start whose sync fails is refused, and the operator would try again.
        self.0.borrow_mut().sync_fails = false;
        let size = self.0.borrow().size(name).unwrap_or(0);
        self.0.borrow_mut().sync(name, size).map_err(io::Error::other)
    }

    fn ids(&self) -> Option<Vec<u8>> {
        self.0.borrow().read(IDS).map(<[u8]>::to_vec)
    }

    fn spares(&self, _manifest: &Manifest) -> Vec<FoundPart> {
        Vec::new() // The settings of a simulation keep none.
    }

    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }

    fn manifest_shown(&self) -> String {
        MANIFEST.to_owned()
    }
}
