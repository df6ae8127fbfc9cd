//! The master's answers, line by line, and what each leads to.

use base::Time;

use super::super::handshake::{self, Header, Introduction, PsyncReply};
use super::super::transfer::TransferReader;
use super::super::{Output, Resume};
use super::{Connection, FullSync, Link, State, Wait, signed};
use crate::log::Level;

impl Link {
    /// The first line of what is held back and `bytes`, and how much of `bytes` it took. Without an end,
    /// all of `bytes` is held back.
    pub(super) fn take_line(&mut self, bytes: &[u8]) -> (usize, Option<Vec<u8>>) {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.line.extend_from_slice(bytes);
            return (bytes.len(), None);
        };
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(&bytes[..end]);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (end + 1, Some(line))
    }

    /// An answer. Empty lines are keep-alives of a master that is busy.
    pub(super) fn on_line(&mut self, now: Time, line: &[u8]) {
        match (&mut self.state, line.first()) {
            (_, None) => {}
            (State::Ping, _) if handshake::ping_is_answered(line) => {
                let (request, expected) = handshake::introduce(&self.settings, self.instance);
                self.outputs.push_back(Output::Send(request));
                self.state = State::Introduction { expected: expected.into() };
            }
            (State::Ping, _) => self.refuse(now, "PING", line),
            (State::Introduction { expected }, Some(first)) => {
                let asked = expected.pop_front().expect("left when the last answer came");
                let last = expected.is_empty();
                match (asked, first) {
                    (_, b'+') => {}
                    (Introduction::Auth, _) => return self.refuse(now, asked.name(), line),
                    (_, b'-') => {
                        let text = format!("The master does not take {}: {}", asked.name(), shown(line));
                        self.log(Level::Notice, text);
                    }
                    _ => return self.refuse(now, asked.name(), line),
                }
                if last {
                    self.outputs.push_back(Output::Send(handshake::psync(self.resume, self.hand_over)));
                    self.state = State::PsyncAsked;
                }
            }
            (State::PsyncAsked, _) => self.on_psync_reply(now, line),
            (State::HeaderAwaited { sync }, _) => {
                let sync = *sync;
                self.on_header(now, sync, line);
            }
            _ => unreachable!("lines are read in the states above only"),
        }
    }

    fn on_psync_reply(&mut self, now: Time, line: &[u8]) {
        match (handshake::read_psync_reply(line), self.resume) {
            (PsyncReply::FullResync(position), _) => {
                let Resume { replid, offset } = position;
                self.log(Level::Notice, format!("Full synchronisation from the master: {replid}:{offset}"));
                self.await_header(now, Some(position));
            }
            (PsyncReply::Continue(new_id), Some(resume)) => self.resume_stream(now, resume, new_id),
            (PsyncReply::Continue(_), None) => self.refuse(now, "PSYNC ? -1", line),
            (PsyncReply::Later, _) => {
                let reason = format!("the master asks to come back later: {}", shown(line));
                self.give_up(now, Connection::Open, Wait::Patience, reason);
            }
            (PsyncReply::Unsupported, _) if self.hand_over => self.refuse(now, "PSYNC FAILOVER", line),
            (PsyncReply::Unsupported, _) => {
                self.log(Level::Notice, format!("The master does not take PSYNC, trying SYNC: {}", shown(line)));
                self.outputs.push_back(Output::Send(handshake::sync()));
                self.await_header(now, None);
            }
            (PsyncReply::Unusable, _) => self.refuse(now, "PSYNC", line),
        }
    }

    fn await_header(&mut self, now: Time, position: Option<Resume>) {
        self.note_take_over();
        self.state = State::HeaderAwaited { sync: FullSync { position, since: now, total: -1, read: 0 } };
    }

    fn on_header(&mut self, now: Time, sync: FullSync, line: &[u8]) {
        let (reader, total) = match handshake::read_header(line) {
            Header::Sized(length) => (TransferReader::sized(length), Some(length)),
            Header::EndMark(mark) => (TransferReader::until_mark(mark), None),
            Header::Unusable => return self.refuse(now, "the synchronisation", line),
        };
        self.outputs.push_back(Output::BeginTransfer { position: sync.position, total });
        let sync = FullSync { total: total.map_or(0, signed), ..sync };
        self.state = State::Receiving { sync, reader };
    }
}

/// A peer's line, fit for a log.
pub(super) fn shown(line: &[u8]) -> String {
    const SHOWN_MAX: usize = 200;
    line[..line.len().min(SHOWN_MAX)].escape_ascii().to_string()
}
