//! Follows a master's stream: each command runs as it would for a client, without a reply, and its very bytes are
//! appended to our own stream. MULTI to EXEC runs, counts and is passed on as one unit.

use std::time::Duration;

use base::Time;
use commands::{Error, Flags, Outcome, is};
use resp::{Args, OwnedArgs, ParseLimits, RequestParser};

use crate::ahead::{Ahead, Stop};
use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::Output;
use crate::pubsub::Topic;
use crate::table::{CommandId, CommandRow};

/// What is known of a master's stream between two reads.
#[derive(Default)]
pub struct Apply {
    /// Bytes that were received but not applied: an unfinished command, or a transaction whose EXEC is missing.
    pub pending: Vec<u8>,
    /// How much of `pending` is parsed: whole commands of the open transaction.
    parsed: usize,
    parser: RequestParser,
    ahead: Ahead,
    /// The database that the stream has selected.
    pub db: usize,
    /// The commands of the open transaction.
    transaction: Option<Vec<OwnedArgs>>,
    /// The next command waits for a copy of what it changes.
    awaits_copy: bool,
    /// When the log last said that what is applied does not get to disk.
    warned_at: Option<Time>,
}

/// How often the log says that what is applied does not get to disk.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl Apply {
    /// Forgets what was not applied: the link is lost, and the next one begins at the last whole unit.
    pub fn drop_unfinished(&mut self) {
        self.pending = Vec::new();
        self.parsed = 0;
        self.parser = RequestParser::new();
        self.transaction = None;
        self.awaits_copy = false;
    }

    /// Whether what comes is kept for later.
    pub fn waits(&self) -> bool {
        self.awaits_copy
    }
}

impl Node {
    /// Applies bytes of the master's stream. False: they are no stream, and the link must be cut.
    pub(super) fn apply_stream(&mut self, bytes: &[u8]) -> bool {
        let mut apply = std::mem::take(&mut self.replication.apply);
        let mut pending = std::mem::take(&mut apply.pending);
        let input: &[u8] = if pending.is_empty() {
            bytes
        } else {
            pending.extend_from_slice(bytes);
            &pending
        };
        let limits = ParseLimits { bulk_max: u64::MAX >> 1, unauthenticated: false };
        // `unit` is where the unfinished unit begins, `at` how far it is parsed.
        let (mut unit, mut at) = (0, apply.parsed);
        let mut sound = true;
        self.share_time(true);
        while at < input.len() {
            let Node { table, keyspace, .. } = self;
            let mut ahead = std::mem::take(&mut apply.ahead);
            let stop = ahead.parse(&mut apply.parser, input, at, &limits, table);
            ahead.prefetch(input, table, keyspace, apply.db);
            for next in 0..ahead.len() {
                let (args, id, end) = ahead.get(next, input);
                if !ahead.is_exact(next, input) {
                    sound = false;
                    break;
                }
                if self.awaits_copy(&apply, &args, id) {
                    apply.awaits_copy = true;
                    break;
                }
                at = end;
                let finished = self.apply_request(&mut apply, &args, id);
                if self.exiting {
                    break;
                }
                if finished {
                    let start = self.replication.offset();
                    self.replication.journal.append(&input[unit..at]);
                    self.replication.retention.note_unit(start, start + (at - unit) as u64);
                    unit = at;
                }
            }
            if self.exiting || apply.awaits_copy {
                ahead.take_back(&mut apply.parser, at);
            }
            apply.ahead = ahead;
            if self.exiting || apply.awaits_copy {
                break;
            }
            // A client may send a request as a line of words, a master never does: what stands there was sent as something
            // else, and would run as what it is not.
            sound &= matches!(stop, Stop::Broken(_)) || input.get(at).is_none_or(|byte| b"*\r\n".contains(byte));
            if !sound {
                self.log(LogLevel::Warning, "The master's stream is broken: what came is no command");
                break;
            }
            match stop {
                Stop::Full => {}
                Stop::Incomplete => break,
                Stop::Empty(end) => {
                    at = end;
                    if apply.transaction.is_none() {
                        self.replication.journal.append(&input[unit..at]);
                        unit = at;
                    }
                }
                Stop::Broken(error) => {
                    let text = String::from_utf8_lossy(&error.text()).into_owned();
                    self.log(LogLevel::Warning, &format!("The master's stream is broken: {text}"));
                    sound = false;
                    break;
                }
            }
        }
        self.share_time(false);
        apply.parsed = at - unit;
        if sound {
            let rest = input.len() - unit;
            if pending.is_empty() {
                pending.extend_from_slice(&bytes[unit..]);
            } else {
                pending.drain(..unit);
            }
            debug_assert_eq!(pending.len(), rest);
            apply.pending = pending;
        } else {
            apply.drop_unfinished();
        }
        self.replication.apply = apply;
        self.wake_replicas();
        sound
    }

    /// Whether a command has to wait for a copy of what it changes, or what it runs as EXEC does.
    fn awaits_copy(&mut self, apply: &Apply, args: &Args<'_>, id: Option<CommandId>) -> bool {
        match &apply.transaction {
            None => self.link_awaits_copy(apply.db, std::iter::once((id, *args))),
            Some(queued) if is(&args[0], "EXEC") => {
                let ids: Vec<_> = queued.iter().map(|args| self.table.find_present(&args.as_args())).collect();
                self.link_awaits_copy(apply.db, ids.into_iter().zip(queued.iter().map(OwnedArgs::as_args)))
            }
            Some(_) => false,
        }
    }

    /// Goes on with the master's stream where it waited for a copy.
    pub(crate) fn go_on_applying(&mut self) {
        if std::mem::take(&mut self.replication.apply.awaits_copy) {
            self.take_stream(&[]);
        }
    }

    /// Takes one command. True: a unit is finished and its bytes count; false inside a transaction.
    fn apply_request(&mut self, apply: &mut Apply, args: &Args<'_>, id: Option<CommandId>) -> bool {
        let name = &args[0];
        if is(name, "MULTI") {
            apply.transaction = Some(Vec::new());
            return false;
        }
        if is(name, "EXEC") {
            let queued = apply.transaction.take().unwrap_or_default();
            self.make_room();
            if self.has_disk_trouble() {
                queued.iter().for_each(|request| self.apply_despite_disk(apply, &request.as_args()));
            }
            for request in &queued {
                if !self.exiting {
                    let args = request.as_args();
                    self.apply_command(apply, &args, self.table.find_present(&args));
                }
            }
            return self.end_applied_unit();
        }
        match &mut apply.transaction {
            Some(queued) => {
                queued.push(args.to_owned_args());
                false
            }
            None => {
                // Only where replica-ignore-maxmemory says so. What the master sends is never refused.
                self.make_room();
                if self.has_disk_trouble() {
                    self.apply_despite_disk(apply, args);
                }
                if !self.exiting {
                    self.apply_command(apply, args, id);
                }
                self.end_applied_unit()
            }
        }
    }

    /// A unit was applied: true. If it ends this server it counts for nothing.
    fn end_applied_unit(&mut self) -> bool {
        if !self.exiting {
            self.commit_applied();
            self.serve_waiters();
        }
        !self.exiting
    }

    /// A command comes from the master while writes do not get to disk: a write ends this server, unless
    /// `replica-ignore-disk-write-errors` says that being a copy in memory is enough.
    fn apply_despite_disk(&mut self, apply: &mut Apply, args: &Args<'_>) {
        let is_write = self.table.find(args).is_ok_and(|id| self.table.get(id).row.meta().flags.has(Flags::WRITE));
        if !is_write || self.exiting {
            return;
        }
        if !self.config.replica_ignore_disk_write_errors {
            self.give_up("Replica was unable to write command to disk.");
        } else if apply.warned_at.is_none_or(|at| at + WARN_EVERY <= self.now) {
            apply.warned_at = Some(self.now);
            let line = "Replica is applying a command even though it is unable to write to disk.";
            self.log(LogLevel::Warning, line);
        }
    }

    /// Ends the program where the peers crash: what was received is not applied.
    pub(super) fn give_up(&mut self, reason: &str) {
        self.log(LogLevel::Warning, &format!("{reason} Exiting."));
        self.exiting = true;
        self.outputs.push_back(Output::Exit { code: 1 });
    }

    fn apply_command(&mut self, apply: &mut Apply, args: &Args<'_>, id: Option<CommandId>) {
        self.effects.journal_wanted = false;
        self.effects.touched_wanted = self.touched_wanted();
        self.stats.commands += 1;
        let outcome = match id.map_or_else(|| self.table.find(args), Ok) {
            Err(error) => {
                self.note_unknown_command();
                Err(error)
            }
            Ok(id) => {
                self.table.stats_mut(id).calls += 1;
                self.replication.upstream_client.last_command = Some(id);
                self.replication.upstream_client.commands += 1;
                let started = self.clock_before(id);
                let command = self.table.get(id);
                let outcome = match command.row {
                    _ if !command.row.meta().arity_fits(args.len()) => {
                        let text = format!("ERR wrong number of arguments for '{}' command", command.full_name);
                        self.note_unknown_command();
                        Err(Error::owned(text))
                    }
                    CommandRow::Data(row) => self.apply_data(apply.db, row.run, args),
                    CommandRow::Server(row) => {
                        let outcome = self.apply_server_command(apply, row.name, args);
                        if outcome.is_err() {
                            self.note_unknown_command();
                        }
                        outcome
                    }
                };
                self.clock_after(ConnId::LINK, id, started, args);
                outcome
            }
        };
        if let Err(error) = outcome {
            self.report_divergence(args, &error);
        }
    }

    /// The master sends a command that can't be run here at all. It is passed over; so it must be when the append-only file
    /// is loaded, which refuses such a command otherwise.
    fn note_unknown_command(&mut self) {
        if self.aof.is_on()
            && let Err(reason) = self.host.note_unknown_command(self.replication.offset())
        {
            let line = format!("An unknown command of the master could not be noted for the next start: {reason}");
            self.log(LogLevel::Warning, &line);
        }
    }

    /// The few commands in a stream that are not about data.
    fn apply_server_command(&mut self, apply: &mut Apply, name: &str, args: &Args<'_>) -> Outcome {
        match name {
            "select" => {
                let db = base::numbers::parse_u64(&args[1]).and_then(|db| usize::try_from(db).ok());
                apply.db = db.filter(|db| *db < self.keyspace.count()).ok_or(Error::DbIndex)?;
            }
            "ping" => {}
            "publish" | "spublish" => {
                let topic = if name == "publish" { Topic::Channel } else { Topic::Shard };
                self.deliver(topic, &args[1], &args[2]);
            }
            // The answer names what is applied, without the request's own bytes.
            "replconf" if args.len() == 3 && is(&args[1], "GETACK") => self.send_ack(),
            "replconf" => {}
            _ => return Err(Error::owned(format!("ERR command '{name}' in a replication stream is not supported"))),
        }
        Ok(())
    }

    /// A command that the master ran failed here: the two are no longer equal. Never silent.
    fn report_divergence(&mut self, args: &Args<'_>, error: &Error) {
        self.stats.unexpected_error_replies += 1;
        self.stats.count_error(error.message());
        let line = format!(
            "== CRITICAL == This replica is sending an error to its master: '{}' after processing the command '{}'",
            String::from_utf8_lossy(error.message()),
            String::from_utf8_lossy(args.get(0).unwrap_or_default())
        );
        self.log(LogLevel::Warning, &line);
        // A replica that takes writes of its own differs from its master anyway.
        let fatal = self.config.propagation_error_behavior != config::PropagationError::Ignore;
        if fatal && self.config.replica_read_only {
            let name = String::from_utf8_lossy(args.get(0).unwrap_or_default());
            let line = "This replica panicked sending an error to its master after processing the command";
            self.give_up(&format!("{line} '{name}'."));
        }
    }
}
