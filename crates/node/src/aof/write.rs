//! Hands the stream to the disk, once per loop turn, and lets go of the replies that waited for it.
//!
//! With `everysec` and `no` a reply to a write leaves when `write` has taken the write's bytes: a crash of the process
//! loses nothing that was acknowledged. With `always` everything that a turn produced leaves when it is synced.

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use config::Appendfsync;
use journal::Offset;
use smallvec::SmallVec;

use super::State;
use crate::client::{Blocked, ConnId};
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::Output;

/// The most that one write hands to the system, in bytes and in pieces.
const WRITE_BYTES_MAX: usize = 1024 * 1024;
const WRITE_SLICES_MAX: usize = 64;

/// How often `everysec` syncs.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A sync that takes longer holds replies: what is at risk stays bounded.
const SYNC_PATIENCE: Duration = Duration::from_secs(2);

/// How long after a failed write the next is tried.
const RETRY_AFTER: Duration = Duration::from_millis(200);

impl Node {
    /// Writes what the stream has got to the append-only file. To be called before replies are written.
    pub fn persist_stream(&mut self) {
        if !self.aof.is_on() {
            return;
        }
        let end = self.replication.offset();
        if self.aof.retry_at <= self.now {
            if self.aof.written < end {
                self.write_stream(end);
            }
            self.advance_files();
        }
        self.sync_if_due();
        self.release_durable();
        self.check_shutdown();
    }

    pub(super) fn write_stream(&mut self, end: u64) {
        let limit = self.aof.write_limit(end);
        if !self.aof.has_file || self.aof.writing || self.aof.written >= limit {
            return;
        }
        self.aof.unit_end = limit;
        // While a sync is under way a write may have to wait for it: a thread does that.
        if self.aof.syncing.is_some() {
            let wanted = (limit - self.aof.written).min(16 * WRITE_BYTES_MAX as u64) as usize;
            let pieces = self.replication.journal.read_shared(Offset(self.aof.written), wanted);
            let pieces = pieces.expect("the stream is kept for the append-only file");
            self.aof.writing = true;
            self.outputs.push_back(Output::WriteJournal(pieces));
            return;
        }
        while self.aof.written < limit {
            let wanted = (limit - self.aof.written).min(WRITE_BYTES_MAX as u64) as usize;
            let chunks = self.replication.journal.read(Offset(self.aof.written), wanted);
            let chunks = chunks.expect("the stream is kept for the append-only file").take(WRITE_SLICES_MAX);
            let slices: SmallVec<[IoSlice<'_>; 16]> = chunks.map(IoSlice::new).collect();
            let outcome = self.host.append_journal(&slices);
            drop(slices);
            match outcome {
                Ok(count) => self.stream_written(count as u64),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(error.to_string()),
            }
        }
    }

    /// The writing thread took so many bytes, and maybe failed at the next.
    pub fn journal_written(&mut self, count: u64, result: Result<(), String>) {
        self.aof.writing = false;
        if std::mem::take(&mut self.aof.write_given_up) {
            return;
        }
        self.stream_written(count);
        if let Err(reason) = result {
            self.write_failed(reason);
        }
    }

    fn stream_written(&mut self, count: u64) {
        self.aof.written += count;
        self.aof.incr_bytes += count;
        self.replication.retention.archive.extend(Offset(self.aof.written), self.unix);
        if self.aof.written == self.aof.unit_end {
            self.aof.whole = self.aof.written;
            self.writes_work();
        }
    }

    /// The disk takes the stream, maybe again.
    pub(super) fn writes_work(&mut self) {
        if self.aof.write_error.take().is_some() {
            self.log(LogLevel::Warning, "AOF write error looks solved. The server can write again.");
        }
    }

    pub(super) fn write_failed(&mut self, reason: String) {
        let first = self.aof.write_error.replace(reason.clone()).is_none();
        if first {
            self.log(LogLevel::Warning, &format!("Error writing to the append-only file: {reason}"));
            self.release_held();
            self.give_room_back(&reason);
        }
        self.aof.retry_at = self.now + RETRY_AFTER;
        self.take_back_half();
    }

    /// Takes back what a failed write left of a command or transaction, so that the file can be loaded whatever comes: also
    /// with `aof-load-truncated no`. What was released or synced stays, be it half of one; the next write goes on behind it.
    fn take_back_half(&mut self) {
        let aof = &mut self.aof;
        let kept = aof.released.max(aof.synced).max(aof.syncing.map_or(0, |(upto, _)| upto));
        let half = aof.written - aof.whole;
        if half == 0 || !aof.has_file || aof.whole < kept {
            return;
        }
        match self.host.retract_journal(half) {
            Ok(()) => {
                aof.written = aof.whole;
                aof.incr_bytes = aof.incr_bytes.saturating_sub(half);
                self.replication.retention.archive.extend(Offset(aof.written), self.unix);
            }
            Err(reason) => {
                let line = format!("The append-only file ends in half a command, which could not be removed: {reason}");
                self.log(LogLevel::Warning, &line);
            }
        }
    }

    /// Begins a sync if the policy wants one.
    fn sync_if_due(&mut self) {
        let aof = &mut self.aof;
        let for_switch = aof.switch_wants_sync();
        let nothing_new = aof.synced >= aof.written && !for_switch;
        // Without a file, what is not synced is of a stream that has ended.
        if aof.syncing.is_some() || aof.writing || nothing_new || !aof.has_file || aof.state == State::Off {
            return;
        }
        let quiet = self.config.no_appendfsync_on_rewrite
            && (aof.rewrite.is_some() || self.persistence.saving.is_some())
            && self.config.appendfsync != Appendfsync::Always;
        let due = match self.config.appendfsync {
            Appendfsync::Always => true,
            Appendfsync::Everysec => self.now >= aof.synced_at + SYNC_EVERY,
            Appendfsync::No => false,
        };
        if for_switch || due && !quiet {
            aof.syncing = Some((aof.written, self.now));
            aof.sync_ticket += 1;
            self.outputs.push_back(Output::SyncJournal { ticket: aof.sync_ticket });
        }
    }

    /// A sync ended: everything that was written when it began is safe, or nothing of the file is to be trusted.
    pub fn journal_synced(&mut self, ticket: u64, result: Result<(), String>) {
        let current = self.aof.sync_ticket == ticket;
        let Some((upto, since)) = self.aof.syncing.take_if(|_| current) else { return };
        self.aof.synced_at = self.now;
        match result {
            Ok(()) => {
                self.aof.synced = self.aof.synced.max(upto);
                self.aof.header_unsynced = false;
                if self.config.appendfsync == Appendfsync::Everysec && self.now >= since + SYNC_PATIENCE {
                    self.aof.delayed_syncs += 1;
                }
                self.finish_waits();
            }
            Err(reason) => self.distrust_files(reason),
        }
    }

    /// Lets go of replies and of replicas' bytes.
    fn release_durable(&mut self) {
        let aof = &mut self.aof;
        let released = match aof.state {
            State::On => match self.config.appendfsync {
                Appendfsync::Always => aof.synced,
                Appendfsync::Everysec => match aof.syncing {
                    // Before there was a base everything was released.
                    Some((upto, since)) if self.now >= since + SYNC_PATIENCE => upto.max(aof.released.min(aof.written)),
                    _ => aof.written,
                },
                Appendfsync::No => aof.written,
            },
            State::Starting { hold: true, .. } => aof.released,
            State::Starting { .. } | State::Off => u64::MAX,
        };
        if released != aof.released {
            let further = released > aof.released;
            aof.released = released;
            if further {
                self.release_held();
                self.wake_replicas();
            }
        }
    }

    /// Everybody whose replies wait may write what is free now.
    pub(super) fn release_held(&mut self) {
        for conn in std::mem::take(&mut self.aof.held) {
            let Some(client) = self.clients.get_mut(conn) else { continue };
            client.waits_for_disk = false;
            if client.blocked == Some(Blocked::Held) {
                client.blocked = None;
                self.waiters.resume_later(conn);
            }
            self.clients.mark_dirty(conn);
        }
    }

    /// How much of a client's outbox may be written now: the position behind it. A reply to a write waits for that write;
    /// with `always` everything waits for what it may have seen.
    pub(crate) fn free_output(&mut self, conn: ConnId) -> u64 {
        let stream_end = self.replication.offset();
        let in_trouble = self.aof.refusal().is_some();
        let strict = self.config.appendfsync == Appendfsync::Always && !in_trouble;
        let aof = &mut self.aof;
        let Some(client) = self.clients.get_mut(conn) else { return 0 };
        let end = client.outbox.end();
        let gate = if strict { stream_end } else { client.write_offset };
        if !aof.holds() || (client.held.is_empty() && gate <= aof.released) {
            client.held.clear();
            client.free_until = end;
            return end;
        }
        // What was free once stays so, however often this is asked.
        if end > client.held.back().map_or(client.free_until, |(position, _)| *position) {
            client.held.push_back((end, gate));
        }
        if in_trouble {
            // Who only reads does not wait for a disk that may never work again.
            let own = client.write_offset;
            client.held.iter_mut().for_each(|(_, gate)| *gate = own.min(*gate));
        }
        while let Some((position, gate)) = client.held.front().copied()
            && gate <= aof.released
        {
            client.free_until = position;
            client.held.pop_front();
        }
        if !client.held.is_empty() {
            if !std::mem::replace(&mut client.waits_for_disk, true) {
                aof.held.push(conn);
            }
            if client.outbox.memory_bytes() > HELD_BYTES_MAX && client.blocked.is_none() {
                client.blocked = Some(Blocked::Held);
            }
        }
        client.free_until
    }

    /// Whether clients wait for the disk, for replicas or for a job: a report or an acknowledgement is what goes on for them.
    pub fn is_waited_for(&self) -> bool {
        !self.waits.is_empty()
            || !self.aof.held.is_empty()
            || self.payloads.are_under_way()
            || self.copies.are_under_way()
    }

    /// How much of the stream replicas may get: what a crash of the process can't take back. In trouble with the disk
    /// replication goes on from memory.
    pub(crate) fn free_stream(&self) -> u64 {
        let end = self.replication.offset();
        match self.aof.state {
            State::On if self.aof.write_error.is_none() => self.aof.released.min(end),
            _ => end,
        }
    }
}

/// Of a client whose replies wait we read no more once it has this many bytes of them.
const HELD_BYTES_MAX: usize = 1024 * 1024;
