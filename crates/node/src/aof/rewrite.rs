//! New files: for a new base, and wherever the stream gets a new id. The program creates files and replaces the
//! manifest in its own time, one such task at a time.

use std::time::Duration;

use persist::aof::{FileInfo, Header, Manifest};

use super::{InFlight, Rewrite, State, Switch};
use crate::host::{LogLevel, StreamPosition};
use crate::node::Node;
use crate::output::{DroppedFiles, JournalFile, Output, PublishedFiles};
use crate::replication::Loss;

/// How long a rewrite waits after one that failed, in seconds; doubled up to the maximum with each that follows.
const REWRITE_DELAY_SECONDS: u64 = 5;
const REWRITE_DELAY_SECONDS_MAX: u64 = 3600;

/// The longest wait while writes are refused until there is a base, in seconds.
const REFUSED_DELAY_SECONDS_MAX: u64 = 60;

impl Node {
    /// Wants a rewrite as soon as nothing else is under way.
    pub(crate) fn want_rewrite(&mut self) {
        self.aof.rewrite_wanted = true;
        self.aof.rewrite_not_before = self.now;
    }

    /// Begins a rewrite if the files have grown as much as the settings say. Called by the timer.
    pub(crate) fn check_rewrite(&mut self) {
        let aof = &self.aof;
        if aof.state == State::Off && aof.rewrite_wanted {
            self.advance_files();
            return;
        }
        let percentage = self.config.auto_aof_rewrite_percentage;
        if aof.state != State::On || aof.rewrite.is_some() || aof.rewrite_wanted || percentage == 0 {
            return;
        }
        let (bytes, base) = (aof.bytes(), aof.bytes_after_rewrite.max(1));
        let growth = bytes.saturating_sub(base) as u128 * 100 / base as u128;
        if bytes > self.config.auto_aof_rewrite_min_size
            && growth >= u128::from(percentage)
            && self.now >= aof.rewrite_not_before
        {
            self.log(LogLevel::Notice, &format!("Starting automatic rewriting of AOF on {growth}% growth"));
            self.aof.rewrite_wanted = true;
        }
    }

    /// Takes the next step that is possible.
    pub(super) fn advance_files(&mut self) {
        if self.aof.in_flight.is_none() {
            self.start_file_task();
        }
        // A base is a snapshot: it waits for a data set.
        let incomplete = self.data_is_incomplete();
        let waits = |switch: &Switch| !switch.prepared || (switch.at.is_none() && incomplete);
        if self.aof.switch.as_ref().is_some_and(|switch| !waits(switch)) && !self.aof.writing {
            self.switch_file();
        }
        if self.aof.switch.is_none()
            && let Some(at) = self.aof.id_changes.pop_front()
        {
            self.begin_switch(Some(at));
        }
        let idle = self.aof.switch.is_none() && self.aof.rewrite.is_none();
        if self.aof.rewrite_wanted && idle && !incomplete && self.now >= self.aof.rewrite_not_before {
            self.begin_rewrite();
        }
    }

    fn start_file_task(&mut self) {
        let older = self.replication.history.older().to_vec();
        if let Some(switch) = self.aof.switch.as_mut().filter(|switch| !switch.requested) {
            switch.requested = true;
            let file = switch.file.clone();
            // Decided now, not when the file was planned: the first base may have been published meanwhile.
            let attached = self.aof.state == State::On;
            let mut dropped = Vec::new();
            let mut published = None;
            if attached {
                let mut manifest = self.aof.manifest.clone();
                dropped = std::mem::take(&mut self.aof.empty_files);
                manifest.incrs.retain(|incr| !dropped.contains(incr));
                manifest.incrs.push(file.clone());
                let remove = dropped.iter().map(|file| file.name.clone()).collect();
                published = Some(PublishedFiles { manifest: manifest.format(), older, keep: Vec::new(), remove });
            }
            let name = file.name.clone();
            self.aof.in_flight = Some(InFlight::Prepare { file, attached, dropped });
            self.outputs.push_back(Output::PrepareJournal(JournalFile { name, published }));
            return;
        }
        let Some(rewrite) = self.aof.rewrite.as_ref().filter(|rewrite| rewrite.complete.is_some()) else { return };
        if self.aof.switch.is_some() {
            return; // The file behind the base must be in use before the manifest leads to it.
        }
        let manifest = Manifest { base: rewrite.base.clone(), incrs: rewrite.incrs.clone(), history: Vec::new() };
        // A real server that was interrupted leaves files of type h.
        let old = self.aof.manifest.base.iter().chain(&self.aof.manifest.incrs).chain(&self.aof.manifest.history);
        let kept = |file: &FileInfo| Some(file) == manifest.base.as_ref() || manifest.incrs.contains(file);
        let mut remove: Vec<String> = old.filter(|file| !kept(file)).map(|file| file.name.clone()).collect();
        remove.append(&mut self.aof.garbage);
        let (keep, kept) = self.plan_spares(&manifest);
        remove.retain(|name| keep.iter().all(|file| file.name != *name));
        let published = PublishedFiles { manifest: manifest.format(), older, keep, remove };
        self.aof.in_flight = Some(InFlight::Publish { manifest, kept });
        self.outputs.push_back(Output::PublishFiles(published));
    }

    /// The next file begins here, or where the snapshot of a rewrite will be.
    pub(super) fn begin_switch(&mut self, at: Option<StreamPosition>) {
        self.aof.last_seq += 1;
        let seq = self.aof.last_seq;
        let file = FileInfo { name: format!("{}.{seq}.incr.aof", self.config.appendfilename), seq };
        if let Some(rewrite) = &mut self.aof.rewrite {
            rewrite.incrs.push(file.clone());
        }
        self.aof.switch = Some(Switch { file, at, requested: false, prepared: false });
        if self.aof.in_flight.is_none() {
            self.start_file_task();
        }
    }

    fn begin_rewrite(&mut self) {
        self.aof.rewrite_wanted = false;
        self.aof.rewrite = Some(Rewrite {
            started: self.unix,
            base: None,
            incrs: Vec::new(),
            incr_bytes_before: self.aof.incr_bytes,
            complete: None,
        });
        if self.aof.state == State::Off {
            self.begin_base();
        } else {
            self.begin_switch(None);
        }
        self.log(LogLevel::Notice, "Background append only file rewriting started");
    }

    /// Takes the snapshot and has it written as the next base: where it stands in the stream.
    fn begin_base(&mut self) -> StreamPosition {
        let job = self.save_job();
        let at = job.facts.history.unwrap_or(StreamPosition {
            replid: self.replication.history.replid(),
            offset: self.replication.offset(),
            stream_db: None,
        });
        self.aof.last_base_seq += 1;
        let seq = self.aof.last_base_seq;
        let base = FileInfo { name: format!("{}.{seq}.base.rdb", self.config.appendfilename), seq };
        let name = base.name.clone();
        if let Some(rewrite) = &mut self.aof.rewrite {
            rewrite.base = Some(base);
        }
        self.outputs.push_back(Output::WriteBase { job, name });
        at
    }

    /// The program has created the next file, or could not.
    pub fn journal_prepared(&mut self, result: Result<(), String>) {
        let Some(InFlight::Prepare { file, attached, dropped }) = self.aof.in_flight.take() else { return };
        if let Err(reason) = result {
            self.aof.empty_files.extend(dropped);
            self.file_not_created(&file, reason);
            return;
        }
        if attached {
            self.aof.manifest.incrs.retain(|incr| !dropped.contains(incr));
            self.aof.manifest.incrs.push(file.clone());
        }
        match &mut self.aof.switch {
            Some(switch) if switch.file == file => switch.prepared = true,
            // Nobody wants it any more; if it is in the manifest it is an empty file there.
            _ if !attached => self.forget_files(vec![file], true),
            _ => {}
        }
    }

    fn file_not_created(&mut self, file: &FileInfo, reason: String) {
        let Some(switch) = self.aof.switch.as_mut().filter(|switch| switch.file == *file) else { return };
        switch.requested = false;
        if switch.at.is_some() {
            // The stream is withheld until there is a file to write it to.
            self.write_failed(reason);
        } else {
            self.aof.switch = None;
            if self.aof.state == State::On {
                // The manifest may lead to it.
                self.forget_files(vec![file.clone()], false);
            }
            self.rewrite_failed(&reason, true);
        }
    }

    /// The next file becomes the one that is written to, once the one before it is complete.
    fn switch_file(&mut self) {
        let Some(switch) = self.aof.switch.clone() else { return };
        let at = match switch.at {
            Some(at) => at,
            None => {
                let at = self.begin_base();
                if let Some(switch) = &mut self.aof.switch {
                    switch.at = Some(at);
                }
                at
            }
        };
        let named = self.aof.state != State::On || self.aof.manifest.incrs.contains(&switch.file);
        assert!(named, "{} is to be written to, but the manifest does not name it", switch.file.name);
        let continues = self.aof.has_file;
        // A machine that dies must not keep the beginning of the next file without the end of this one.
        if continues && (self.aof.written < at.offset || self.aof.switch_wants_sync()) {
            return;
        }
        let header = Header { replid: at.replid, offset: at.offset, selected_db: at.stream_db }.encode();
        if let Err(error) = self.host.switch_journal(&header) {
            return self.write_failed(error);
        }
        self.begin_part(&switch.file, at.offset, header.len() as u64);
        let aof = &mut self.aof;
        aof.switch = None;
        aof.has_file = true;
        aof.header_unsynced = true;
        (aof.written, aof.whole) = (at.offset, at.offset);
        if !continues {
            aof.synced = at.offset;
        }
        if let Some(rewrite) = &mut aof.rewrite
            && rewrite.incrs.first() == Some(&switch.file)
        {
            rewrite.incr_bytes_before = aof.incr_bytes;
        }
        aof.incr_bytes += header.len() as u64;
        self.writes_work();
    }

    /// A new base is written, or not: its size in bytes.
    pub fn base_written(&mut self, name: &str, result: Result<u64, String>) {
        let current = self.aof.rewrite.as_mut().filter(|rewrite| rewrite.base.as_ref().is_some_and(|b| b.name == name));
        match (current, result) {
            (Some(rewrite), Ok(bytes)) => {
                rewrite.complete = Some(bytes);
                self.advance_files();
            }
            (Some(_), Err(reason)) => self.rewrite_failed(&reason, true),
            // It was given up meanwhile.
            (None, Ok(_)) => self.drop_files(DroppedFiles { names: vec![name.to_owned()], spills: Vec::new() }),
            (None, Err(_)) => {}
        }
    }

    /// The manifest leads to the new base, or does not.
    pub fn files_published(&mut self, result: Result<(), String>) {
        let Some(InFlight::Publish { manifest, kept }) = self.aof.in_flight.take() else { return };
        let rewrite = self.aof.rewrite.take_if(|rewrite| rewrite.base == manifest.base);
        match (result, rewrite) {
            (Ok(()), rewrite) => {
                self.aof.manifest = manifest;
                self.take_spares(&kept);
                if let Some(rewrite) = rewrite {
                    self.rewrite_done(&rewrite);
                }
            }
            (Err(reason), Some(rewrite)) => {
                // The manifest may be in its place all the same.
                self.aof.rewrite = Some(rewrite);
                self.rewrite_failed(&reason, false);
            }
            (Err(_), None) => {}
        }
    }

    fn rewrite_done(&mut self, rewrite: &Rewrite) {
        let aof = &mut self.aof;
        if matches!(aof.state, State::Starting { .. }) {
            // The manifest is replaced while no switch is under way: the file in use is the last that it names.
            aof.state = State::On;
        }
        aof.base_bytes = rewrite.complete.unwrap_or(0);
        aof.incr_bytes = aof.incr_bytes.saturating_sub(rewrite.incr_bytes_before);
        aof.bytes_after_rewrite = aof.bytes();
        aof.rewrites.done += 1;
        aof.rewrites.failures = 0;
        aof.rewrites.last_ok = true;
        aof.rewrites.last_seconds = (self.unix - rewrite.started) / 1000;
        self.log(LogLevel::Notice, "Background AOF rewrite finished successfully");
    }

    /// `unnamed`: no manifest can lead to its files, which are deleted at once.
    fn rewrite_failed(&mut self, reason: &str, unnamed: bool) {
        self.log(LogLevel::Warning, &format!("Background AOF rewrite failed: {reason}"));
        self.give_room_back(reason);
        let aof = &mut self.aof;
        if let Some(rewrite) = &aof.rewrite {
            aof.rewrites.last_seconds = (self.unix - rewrite.started) / 1000;
        }
        if matches!(aof.state, State::Starting { .. }) {
            self.drop_archive(Loss::BegunAnew);
            self.abandon_attempt(unnamed);
        } else {
            // The files behind the base are in the manifest, and go on.
            let base = aof.rewrite.take().and_then(Rewrite::complete_base);
            self.forget_files(base.into_iter().collect(), unnamed);
        }
        let aof = &mut self.aof;
        aof.rewrites.last_ok = false;
        self.delay_rewrite();
        let aof = &mut self.aof;
        if let State::Starting { hold: true, refuse } = &mut aof.state {
            refuse.get_or_insert_with(|| reason.to_owned());
        }
        // Without a base there is no append-only file: it is tried until there is one.
        aof.rewrite_wanted = matches!(aof.state, State::Starting { .. });
    }

    /// After a failure the next rewrite waits, the longer the more there were.
    fn delay_rewrite(&mut self) {
        let aof = &mut self.aof;
        aof.rewrites.failures += 1;
        let refusing = matches!(aof.state, State::Starting { hold: true, .. });
        let most = if refusing { REFUSED_DELAY_SECONDS_MAX } else { REWRITE_DELAY_SECONDS_MAX };
        let doubled = REWRITE_DELAY_SECONDS << (aof.rewrites.failures - 1).min(16);
        aof.rewrite_not_before = self.now + Duration::from_secs(doubled.min(most));
    }

    /// Nothing that is on disk is the data set any more, or is to be trusted: a new base is due.
    pub(super) fn start_anew(&mut self, state: State) {
        self.drop_archive(Loss::BegunAnew);
        self.abandon_files();
        self.aof.state = state;
        self.want_rewrite();
    }

    /// Gives up the file in use, and what was to follow it.
    pub(super) fn abandon_files(&mut self) {
        // A manifest on its way may lead to what was begun; what was begun for files in use is attached to them.
        let publishing = matches!(self.aof.in_flight, Some(InFlight::Publish { .. }));
        let unnamed = self.aof.state != State::On && !publishing;
        self.abandon_attempt(unnamed);
        self.aof.id_changes.clear();
    }

    /// Gives up a base, the files behind it and the one in use. `unnamed`: no manifest can lead to them.
    fn abandon_attempt(&mut self, unnamed: bool) {
        let aof = &mut self.aof;
        aof.has_file = false;
        aof.syncing = None;
        aof.write_given_up = aof.writing;
        aof.write_error = None;
        let mut files: Vec<FileInfo> = aof.switch.take().map(|switch| switch.file).into_iter().collect();
        if let Some(rewrite) = aof.rewrite.take() {
            files.extend(rewrite.incrs.iter().cloned());
            files.extend(rewrite.complete_base());
        }
        self.forget_files(files, unnamed);
    }

    /// Has files deleted that nothing uses any more: at once, or with the next manifest.
    fn forget_files(&mut self, files: Vec<FileInfo>, at_once: bool) {
        let manifest = &self.aof.manifest;
        let unnamed = files.into_iter().filter(|file| !manifest.incrs.contains(file));
        let names: Vec<String> = unnamed.map(|file| file.name).collect();
        if at_once {
            self.drop_files(DroppedFiles { names, spills: Vec::new() });
        } else {
            self.aof.garbage.extend(names);
        }
    }

    /// After a failed sync nobody knows what of a file is on disk. Writes are refused until there is a new base.
    pub(super) fn distrust_files(&mut self, reason: String) {
        self.log(
            LogLevel::Warning,
            &format!("The append-only file could not be synced and is not to be trusted any more: {reason}"),
        );
        self.aof.released = self.aof.released.min(self.replication.offset());
        let again = matches!(self.aof.state, State::Starting { .. });
        self.start_anew(State::Starting { hold: true, refuse: Some(reason) });
        if again {
            // The new files fail too: the disk gets some time.
            self.delay_rewrite();
        }
        self.release_held();
    }
}
