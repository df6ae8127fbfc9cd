//! What the real server's threads do to append-only files: sync, write while a sync is under way, create, replace the
//! manifest, write a base. Each step takes a while, so that a process may die between any two of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use node::{JournalFile, PublishedFiles, SaveJob};
use persist::aof::Ids;

use super::{Report, Slice, SnapshotWalk};
use crate::aof::{AofFiles, IDS, MANIFEST};
use crate::env::Env;

/// The files that the jobs of one process share.
pub(crate) type SharedFiles = Rc<RefCell<AofFiles>>;

/// One task.
pub(crate) struct JournalJob {
    files: SharedFiles,
    task: Task,
}

enum Task {
    /// Syncs; once begun, these files up to these lengths.
    Sync { ticket: u64, begun: Option<Vec<(String, usize)>> },
    /// Writes what the files hold for the writing thread.
    Write,
    /// Creates a file, and puts the manifest that names it in its place.
    Prepare { name: String, steps: Option<Vec<Step>>, created: bool },
    /// Replaces the manifest.
    Publish(Vec<Step>),
    /// Writes a base.
    Base { walk: Box<SnapshotWalk>, name: String, bytes: Vec<u8>, flushed: bool },
}

/// One durable step; the last of them is done first.
enum Step {
    Replace(&'static str, String),
    Remove(String),
}

fn steps(published: PublishedFiles) -> Vec<Step> {
    let mut steps: Vec<Step> = published.remove.into_iter().map(Step::Remove).collect();
    steps.push(Step::Replace(MANIFEST, published.manifest));
    let ids = Ids { older: published.older, ..Ids::default() };
    steps.push(Step::Replace(IDS, ids.format()));
    steps
}

impl JournalJob {
    /// Syncs what is written.
    pub fn sync(files: &SharedFiles, ticket: u64) -> JournalJob {
        JournalJob { files: Rc::clone(files), task: Task::Sync { ticket, begun: None } }
    }

    /// Writes these bytes behind the others.
    pub fn write(files: &SharedFiles, bytes: Vec<u8>) -> JournalJob {
        files.borrow_mut().begin_write(bytes);
        JournalJob { files: Rc::clone(files), task: Task::Write }
    }

    /// Creates the next file.
    pub fn prepare(files: &SharedFiles, wanted: JournalFile) -> JournalJob {
        let task = Task::Prepare { name: wanted.name, steps: wanted.published.map(steps), created: false };
        JournalJob { files: Rc::clone(files), task }
    }

    /// Replaces the manifest.
    pub fn publish(files: &SharedFiles, published: PublishedFiles) -> JournalJob {
        JournalJob { files: Rc::clone(files), task: Task::Publish(steps(published)) }
    }

    /// Writes a snapshot as a base.
    pub fn base(files: &SharedFiles, job: SaveJob, name: String) -> JournalJob {
        let task = Task::Base { walk: Box::new(SnapshotWalk::new(job, None)), name, bytes: Vec::new(), flushed: false };
        JournalJob { files: Rc::clone(files), task }
    }

    /// Its name in the trace.
    pub fn name(&self) -> &'static str {
        match self.task {
            Task::Sync { .. } => "aof sync",
            Task::Write => "aof write",
            Task::Prepare { .. } => "aof prepare",
            Task::Publish(_) => "aof publish",
            Task::Base { .. } => "aof base",
        }
    }

    /// The next slice.
    pub fn step(&mut self, env: &mut Env) -> Slice {
        let mut files = self.files.borrow_mut();
        let report = match &mut self.task {
            Task::Sync { begun: begun @ None, .. } => {
                *begun = Some(files.begin_sync());
                let span = files.disk.borrow().sync_span;
                return again(span.unwrap_or_else(|| sync_span(env)));
            }
            Task::Sync { ticket, begun: Some(begun) } => {
                Report::JournalSynced { ticket: *ticket, result: files.end_sync(begun) }
            }
            Task::Write => {
                if files.write_some(env.rng.usize(1..=4_000)) {
                    return again(env.span_ms(0, 5));
                }
                Report::JournalWritten
            }
            Task::Prepare { name, created: created @ false, .. } => {
                let outcome = files.disk.borrow_mut().create(name);
                match outcome {
                    Ok(()) => *created = true,
                    Err(reason) => return done(Report::JournalPrepared(Err(reason))),
                }
                return again(env.span_ms(0, 20));
            }
            Task::Prepare { name, steps, .. } => match steps.as_mut().map(|steps| take_step(&files, steps)) {
                Some(Ok(true)) => return again(env.span_ms(0, 20)),
                Some(Err(reason)) => Report::JournalPrepared(Err(reason)),
                Some(Ok(false)) | None => {
                    files.prepared = Some(name.clone());
                    Report::JournalPrepared(Ok(()))
                }
            },
            Task::Publish(steps) => match take_step(&files, steps) {
                Ok(true) => return again(env.span_ms(0, 20)),
                Ok(false) => Report::FilesPublished(Ok(())),
                Err(reason) => Report::FilesPublished(Err(reason)),
            },
            Task::Base { walk, name, bytes, flushed } => {
                let more = walk.step(env.rng.usize(1..=4));
                bytes.extend(walk.take(0));
                if more {
                    return again(env.span_ms(0, 10));
                }
                let span = files.disk.borrow().sync_span.map(|span| span / 2);
                if let Some(span) = span.filter(|_| !std::mem::replace(flushed, true)) {
                    return again(span);
                }
                let result = match walk.failure() {
                    Some(reason) => Err(reason.to_owned()),
                    None => files.disk.borrow_mut().replace(name, std::mem::take(bytes)),
                };
                Report::BaseWritten { name: name.clone(), result }
            }
        };
        done(report)
    }
}

/// Does one step. False: there is none left.
fn take_step(files: &AofFiles, steps: &mut Vec<Step>) -> Result<bool, String> {
    let mut disk = files.disk.borrow_mut();
    match steps.pop() {
        None => return Ok(false),
        Some(Step::Replace(name, text)) => drop(disk.replace(name, text.into_bytes())?),
        Some(Step::Remove(name)) => disk.remove(&name),
    }
    Ok(true)
}

/// How long a sync takes: now and then so long that replies wait for it.
fn sync_span(env: &mut Env) -> Duration {
    match env.rng.u8(..30) {
        0 => env.span_ms(500, 4_000),
        1..=6 => env.span_ms(5, 100),
        _ => env.span_ms(0, 5),
    }
}

fn again(span: Duration) -> Slice {
    Slice { reports: Vec::new(), again: Some(span) }
}

fn done(report: Report) -> Slice {
    Slice { reports: vec![report], again: None }
}
