//! Keeps for replicas what a rewrite leaves over: the incremental files that it replaces hold the stream before the new
//! base. They get another name, so that nobody takes them for a part of the data set, and are found again by their headers.

use base::ReplId;
use journal::{Archive, Offset, Part, Place};
use persist::aof::{FileInfo, Header, Manifest};

use super::start::FoundPart;
use crate::node::Node;
use crate::output::{DroppedFiles, KeptFile};
use crate::replication::Loss;

/// What the name of a file ends in that is kept for replicas.
pub const SPARE_ENDING: &str = ".spare.aof";

/// What the name of an incremental file ends in.
const INCR_ENDING: &str = ".incr.aof";

impl Node {
    /// A file begins that the stream is written to.
    pub(super) fn begin_part(&mut self, file: &FileInfo, offset: u64, header_bytes: u64) {
        let (place, start) = (Place::File(file.name.clone()), Offset(offset));
        let part = Part { place, skip: header_bytes, start, end: start, spare: false, ended: self.unix };
        let unconnected = self.replication.retention.archive.begin(part);
        self.discard_parts(unconnected, Loss::BegunAnew);
    }

    /// What to keep of the files that the next manifest does without: what the program does, and what there is then.
    pub(super) fn plan_spares(&self, next: &Manifest) -> (Vec<KeptFile>, Vec<(String, Part)>) {
        let superseded = |name: &str| next.incrs.iter().all(|file| file.name != name);
        let budget = self.config.backlog_disk_bytes().unwrap_or(0);
        let mut files = Vec::new();
        let mut parts = Vec::new();
        for keep in self.replication.retention.archive.plan_spares(&superseded, budget) {
            let Place::File(name) = &keep.part.place else { continue };
            let kept_as = format!("{}{SPARE_ENDING}", name.strip_suffix(INCR_ENDING).unwrap_or(name));
            let mut part = Part { place: Place::File(kept_as.clone()), spare: true, ..keep.part.clone() };
            let mut from = None;
            if keep.cut > 0 {
                part.start = keep.part.start + keep.cut;
                let header =
                    Header { replid: self.id_at(part.end.0), offset: part.start.0, selected_db: None }.encode();
                part.skip = header.len() as u64;
                from = Some((keep.part.skip + keep.cut, header));
            }
            files.push(KeptFile { name: name.clone(), kept_as, from });
            parts.push((name.clone(), part));
        }
        (files, parts)
    }

    /// The id under which the byte before an offset was written.
    fn id_at(&self, offset: u64) -> ReplId {
        let history = &self.replication.history;
        let older = history.older().iter().rev().find(|(_, end)| offset <= *end);
        older.map_or(history.replid(), |(id, _)| *id)
    }

    /// The manifest does without some files now; those that were kept have their second name.
    pub(super) fn take_spares(&mut self, kept: &[(String, Part)]) {
        let manifest = &self.aof.manifest;
        let superseded = |name: &str| manifest.incrs.iter().all(|file| file.name != name);
        let archive = &mut self.replication.retention.archive;
        let mut gone = archive.supersede(&superseded, kept);
        // The files were begun anew meanwhile.
        let unused = |part: &&Part| archive.parts().all(|other| other != *part);
        gone.extend(kept.iter().map(|(_, part)| part).filter(unused).cloned());
        let names = kept.iter().map(|(name, _)| name.clone()).collect();
        self.drop_files(DroppedFiles { names, spills: Vec::new() });
        let bytes = self.config.backlog_disk_bytes().unwrap_or(0);
        self.discard_parts(gone, Loss::Budget { bytes });
    }

    /// Takes the files over that a start has found; those kept for replicas that do not lead to the stream's end go.
    pub(super) fn resume_archive(&mut self, found: Vec<FoundPart>) {
        let spares: Vec<Part> = found.iter().map(|found| found.part.clone()).filter(|part| part.spare).collect();
        let fits = |found: &FoundPart| found.replid == self.id_at(found.part.end.0);
        let parts = found.iter().filter(|found| fits(found)).map(|found| found.part.clone()).collect();
        let archive = Archive::chain(parts, Offset(self.replication.offset()));
        let unused = spares.into_iter().filter(|spare| archive.parts().all(|part| part != spare)).collect();
        self.replication.retention.archive = archive;
        self.discard_parts(unused, Loss::BegunAnew);
    }
}
