//! Drives the link to our master: what it asks for, and what the program reports about its connection.

use journal::Offset;
use keyspace::Keyspace;
use replication::replica::{Input, Output as Wish, Phase, Resume};

use super::guard;
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::{Output, Waste};

impl Node {
    /// The connection to the master stands.
    pub fn link_connected(&mut self) {
        let replication = &self.replication;
        let resume =
            replication.active.then(|| Resume { replid: replication.history.replid(), offset: replication.offset() });
        self.replication.link.handle(self.now, Input::Connected { resume });
        self.run_link();
    }

    /// The connection to the master could not be made.
    pub fn link_failed(&mut self, reason: String) {
        self.replication.link.handle(self.now, Input::ConnectFailed(reason));
        self.run_link();
    }

    /// The connection to the master is gone.
    pub fn link_closed(&mut self, reason: String) {
        // What was not applied is sent again, or a snapshot stands in for it.
        self.replication.apply.drop_unfinished();
        // What was not sent was for that connection only.
        self.replication.link_outbox.clear();
        self.replication.link.handle(self.now, Input::Closed(reason));
        self.run_link();
    }

    /// Bytes came from the master.
    pub fn link_input(&mut self, bytes: &[u8]) {
        self.stats.net_repl_input_bytes += bytes.len() as u64;
        self.replication.upstream_client.bytes_in += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.replication.link.phase() {
                Phase::Streaming => {
                    self.replication.link.note_received(self.now);
                    self.take_stream(rest);
                    return;
                }
                // The snapshot is being loaded: what follows it is stream, kept until then.
                Phase::Loading => {
                    self.replication.apply.pending.extend_from_slice(rest);
                    return;
                }
                _ => {
                    let used = self.replication.link.handle_bytes(self.now, rest);
                    self.run_link();
                    let stuck =
                        used == 0 && !matches!(self.replication.link.phase(), Phase::Streaming | Phase::Loading);
                    if stuck {
                        return;
                    }
                    rest = &rest[used..];
                }
            }
        }
    }

    /// Applies bytes of the master's stream, or keeps them until what is before them is applied.
    pub(super) fn take_stream(&mut self, bytes: &[u8]) {
        if self.replication.apply.waits() {
            self.replication.apply.pending.extend_from_slice(bytes);
        } else if !self.apply_stream(bytes) {
            self.outputs.push_back(Output::CloseLink);
            self.forget_history();
            self.link_closed("protocol error in the stream".to_owned());
        }
    }

    /// The master's stream is not what our offset says: what was applied may be wrong already, and nobody is to go on from
    /// it, neither we nor our replicas. The master will send everything.
    fn forget_history(&mut self) {
        let line = "What was received so far is not to be trusted: asking for a full synchronisation";
        self.log(LogLevel::Warning, line);
        self.replication.history = replication::History::new(base::ReplId::from_entropy(self.host.entropy()));
        self.note_new_id();
        self.drop_replicas("the master's stream is broken");
    }

    /// Whether bytes of the master may be read now. While a snapshot is loaded, or a large string copied, what follows is only
    /// taken up to a bound; the rest waits in the socket.
    pub fn link_may_read(&self) -> bool {
        let waits = self.replication.link.phase() == Phase::Loading || self.replication.apply.waits();
        !waits || self.replication.apply.pending.len() < PENDING_STREAM_MAX
    }

    /// Writes what is on its way to the master. False: not all of it could be written.
    pub fn write_link(&mut self, write: &mut dyn FnMut(&[u8]) -> std::io::Result<usize>) -> std::io::Result<bool> {
        let outbox = &mut self.replication.link_outbox;
        while !outbox.is_empty() {
            match write(outbox) {
                Ok(written) => {
                    outbox.drain(..written);
                    self.replication.upstream_client.bytes_out += written as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// A data set that came from the master is complete and sound, or it is not.
    pub(crate) fn transfer_loaded(&mut self, result: Result<Keyspace, String>) {
        if self.replication.link.phase() == Phase::Loading && !self.end_receiving(result.is_ok()) {
            if let Err(reason) = result {
                self.log(LogLevel::Warning, &format!("The master's data set could not be loaded: {reason}"));
            }
            return;
        }
        match result {
            // It was given up while it was being built: nobody asked for it any more.
            Ok(late) if self.replication.link.phase() != Phase::Loading => {
                self.persistence.transfer_stream_db = None;
                self.discard(Waste::Keyspace(Box::new(late)));
                return;
            }
            Ok(empty) if self.guard_refuses(&empty) => {
                self.persistence.transfer_stream_db = None;
                self.replication.link.handle(self.now, Input::LoadFailed(guard::REFUSED.to_owned()));
            }
            Ok(fresh) => {
                let old = self.keyspace.replace_data(fresh);
                self.discard(Waste::Keyspace(Box::new(old)));
                for db in 0..self.keyspace.count() {
                    self.touch_database(db);
                }
                self.replication.link.handle(self.now, Input::Loaded);
                self.host.notify_supervisor("STATUS=MASTER <-> REPLICA sync: finished with success\n");
            }
            Err(reason) => {
                self.log(LogLevel::Warning, &format!("The master's data set could not be loaded: {reason}"));
                self.replication.link.handle(self.now, Input::LoadFailed(reason));
            }
        }
        self.run_link();
        if self.replication.link.phase() == Phase::Streaming {
            let pending = std::mem::take(&mut self.replication.apply.pending);
            if !pending.is_empty() {
                self.link_input(&pending);
            }
        }
    }

    /// Acknowledges what is applied.
    pub(super) fn send_ack(&mut self) {
        self.queue_ack();
        self.run_link();
    }

    fn queue_ack(&mut self) {
        let applied = self.replication.offset();
        let on_disk = self.aof.on_disk().map(|synced| synced.min(applied));
        self.replication.link.send_ack(applied, on_disk);
    }

    /// Carries out what the link asks for.
    pub(crate) fn run_link(&mut self) {
        while let Some(wish) = self.replication.link.poll_output() {
            match wish {
                Wish::Connect { host, port } => self.outputs.push_back(Output::ConnectMaster { host, port }),
                Wish::Disconnect => {
                    self.replication.link_outbox.clear();
                    self.replication.apply.drop_unfinished();
                    self.outputs.push_back(Output::CloseLink);
                }
                Wish::Send(bytes) => self.replication.link_outbox.extend_from_slice(&bytes),
                Wish::BeginTransfer { position, total } => {
                    self.begin_receiving(position, total);
                    self.host.notify_supervisor("STATUS=MASTER <-> REPLICA sync: receiving the data set\n");
                    let seed = self.fresh_seed();
                    let fresh = self.keyspace.fresh(seed);
                    self.outputs.push_back(Output::BeginLoad(Box::new(fresh)));
                }
                Wish::TransferBytes(bytes) => {
                    if let Some(incoming) = &mut self.persistence.incoming {
                        incoming.progress.read += bytes.len() as u64;
                    }
                    self.outputs.push_back(Output::LoadBytes(bytes));
                }
                Wish::EndTransfer => self.outputs.push_back(Output::EndLoad),
                Wish::AbortTransfer(reason) => {
                    self.end_receiving(false);
                    self.replication.apply.drop_unfinished();
                    self.log(LogLevel::Verbose, &format!("Dropping a partial data set: {reason}"));
                    self.outputs.push_back(Output::AbortLoad);
                }
                Wish::Adopt { position } => self.adopt_history(position),
                Wish::Continue { new_replid, older } => {
                    self.replication.apply.drop_unfinished();
                    let status = "STATUS=MASTER <-> REPLICA sync: partial resynchronisation accepted\n";
                    self.host.notify_supervisor(status);
                    if let Some(new) = new_replid {
                        let offset = self.replication.offset();
                        self.replication.history.continue_as_told(new, offset, &older);
                        self.note_new_id();
                        self.drop_replicas("the history goes on under another id");
                    }
                }
                Wish::TakeOver(result) => self.handed_over(result),
                Wish::AckDue => self.queue_ack(),
                Wish::Log(level, text) => self.log(log_level(level), &text),
            }
        }
        self.note_link_phase();
        self.replication.note_upstream(self.now);
        self.host.role_changed(self.replication.is_replica());
        self.run_peers();
    }

    /// The data set was replaced by the master's: so is the history.
    fn adopt_history(&mut self, position: Option<Resume>) {
        let fresh = base::ReplId::from_entropy(self.host.entropy());
        let (replid, offset) = position.map_or((fresh, 0), |position| (position.replid, position.offset));
        let stream_db = self.persistence.transfer_stream_db.take();
        self.drop_archive(super::Loss::BegunAnew);
        // What was written before stands at no offset of this stream, and there is no disk to wait for.
        for client in self.clients.iter_mut() {
            client.write_offset = 0;
            client.held.clear();
        }
        let replication = &mut self.replication;
        replication.history.adopt(replid);
        replication.own_effects = false;
        replication.journal.restart(Offset(offset));
        replication.selected_db = None;
        replication.apply.db = stream_db.unwrap_or(0);
        self.activate_stream();
        self.restart_aof();
        self.drop_replicas("the data set was replaced by the master's");
    }

    fn fresh_seed(&mut self) -> [u64; 2] {
        let entropy = self.host.entropy();
        let word = |at: usize| u64::from_le_bytes(entropy[at..at + 8].try_into().expect("eight bytes"));
        [word(0), word(8)]
    }
}

/// How much of the stream is taken while the snapshot before it is still being loaded, in bytes.
const PENDING_STREAM_MAX: usize = 256 * 1024 * 1024;

pub(super) fn log_level(level: replication::Level) -> LogLevel {
    match level {
        replication::Level::Debug => LogLevel::Debug,
        replication::Level::Verbose => LogLevel::Verbose,
        replication::Level::Notice => LogLevel::Notice,
        replication::Level::Warning => LogLevel::Warning,
    }
}
