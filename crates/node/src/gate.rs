//! Hop 2: one ordered list of refusals, in the peers' order. Whoever passes may run, or be queued.

use commands::{Error, Flags, is};
use resp::Args;

use crate::client::{Client, ConnId, Kind};
use crate::eviction::Room;
use crate::node::Node;
use crate::replication::Clients;
use crate::table::CommandId;

/// What the gate decides.
pub(crate) enum Verdict {
    /// Run it now.
    Run(CommandId),
    /// Inside MULTI: queue it.
    Queue(CommandId),
    /// Writes (or everything) are paused: look at it again later.
    HoldBack,
    /// Something it needs is made beside the executor: look at it again then.
    AwaitBeside,
    /// It is a line of HTTP: somebody has a browser send requests here. Cut the connection.
    Cut,
    /// Refuse it.
    Refuse(Error, Option<CommandId>),
}

/// The commands that a RESP2 subscriber may still send.
const SUBSCRIBED_CONTEXT: [&str; 9] =
    ["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping", "quit", "reset"];

/// The commands that run at once inside MULTI.
const NOT_QUEUED: [&str; 6] = ["exec", "discard", "multi", "watch", "quit", "reset"];

impl Node {
    pub(crate) fn judge(&mut self, conn: ConnId, args: &Args<'_>, id: Option<CommandId>, room: Room) -> Verdict {
        let Some(id) = id else {
            return match self.table.find(args) {
                Err(error) if !is(&args[0], "POST") && !is(&args[0], "HOST:") => Verdict::Refuse(error, None),
                _ => Verdict::Cut,
            };
        };
        self.clients[conn].last_command = Some(id);
        match self.refusal(conn, id, args, room) {
            Some(error) => Verdict::Refuse(error, Some(id)),
            None if self.is_held_back(conn, id) => Verdict::HoldBack,
            None if self.client_awaits_copy(conn, id, args) => Verdict::AwaitBeside,
            None if self.client_awaits_payload(conn, id, args) => Verdict::AwaitBeside,
            None => {
                let queue =
                    self.clients[conn].transaction.is_some() && !NOT_QUEUED.contains(&self.table.get(id).row.name());
                if queue { Verdict::Queue(id) } else { Verdict::Run(id) }
            }
        }
    }

    /// Why a client may not run this command now.
    fn refusal(&self, conn: ConnId, id: CommandId, args: &Args<'_>, room: Room) -> Option<Error> {
        let client = &self.clients[conn];
        let command = self.table.get(id);
        let meta = command.row.meta();
        if !meta.arity_fits(args.len()) {
            return Some(Error::owned(format!("ERR wrong number of arguments for '{}' command", command.full_name)));
        }
        if let Some(error) = self.protected_command(conn, id) {
            return Some(error);
        }
        let flags = self.effective_flags(conn, id);
        if self.is_locked_out(client) && !meta.flags.has(Flags::NO_AUTH) {
            return Some(Error::text("NOAUTH Authentication required."));
        }
        if client.transaction.is_some() && meta.flags.has(Flags::NO_MULTI) {
            return Some(Error::text("ERR Command not allowed inside a transaction"));
        }
        // What only may replicate is paused as a write is, but not refused as one.
        let write = flags.has(Flags::WRITE);
        let is_replica = self.replication.is_replica();
        if room == Room::None && flags.has(Flags::DENYOOM) {
            return Some(Error::text("OOM command not allowed when used memory > 'maxmemory'."));
        }
        // PING is how clients ask whether all is well.
        if (write || command.row.name() == "ping")
            && let Some(error) = self.disk_refusal()
        {
            return Some(error);
        }
        if write && !self.replication.has_enough_replicas(&self.config, self.now) {
            return Some(Error::text("NOREPLICAS Not enough good replicas to write."));
        }
        if is_replica && self.config.replica_read_only && write {
            return Some(Error::text("READONLY You can't write against a read only replica."));
        }
        if client.in_subscribed_context() && !SUBSCRIBED_CONTEXT.contains(&command.row.name()) {
            return Some(Error::owned(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                command.full_name
            )));
        }
        if !self.config.replica_serve_stale_data && self.replication.link_is_down() && !flags.has(Flags::STALE) {
            let text = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
            return Some(Error::text(text));
        }
        let refused = match self.clients_while_loading() {
            Clients::Served => false,
            Clients::Reads => flags.has(Flags::NO_ASYNC_LOADING),
            Clients::Refused => !flags.has(Flags::LOADING),
        };
        if refused {
            return Some(Error::text("LOADING Redis is loading the dataset in memory"));
        }
        let about_keys = write || flags.has(Flags::READONLY) || flags.has(Flags::MAY_REPLICATE);
        if about_keys && (client.kind == Kind::Replica || client.monitor) {
            return Some(Error::text("ERR Replica can't interact with the keyspace"));
        }
        None
    }

    /// Whether a client has to give a password first. One that came while there was none need not.
    pub(crate) fn is_locked_out(&self, client: &Client) -> bool {
        !client.authenticated && self.config.needs_password()
    }

    /// The flags that count: EXEC carries what its queue holds.
    fn effective_flags(&self, conn: ConnId, id: CommandId) -> Flags {
        let command = self.table.get(id);
        let flags = command.row.meta().flags;
        match &self.clients[conn].transaction {
            Some(transaction) if command.row.name() == "exec" => {
                let mut union = flags;
                let mut all_loading = true;
                let mut all_stale = true;
                for (queued, _) in &transaction.queued {
                    let queued = self.table.get(*queued).row.meta().flags;
                    union = union.with(queued);
                    all_loading &= queued.has(Flags::LOADING);
                    all_stale &= queued.has(Flags::STALE);
                }
                if !all_loading {
                    union = union.without(Flags::LOADING);
                }
                if !all_stale {
                    union = union.without(Flags::STALE);
                }
                union
            }
            _ => flags,
        }
    }

    /// DEBUG, MODULE and protected settings need the operator's leave.
    fn protected_command(&self, conn: ConnId, id: CommandId) -> Option<Error> {
        let command = self.table.get(id);
        if command.full_name != "debug" {
            return None;
        }
        let allowed = match self.config.enable_debug_command {
            config::ProtectedAction::Yes => true,
            config::ProtectedAction::Local => self.clients[conn].peer.local,
            config::ProtectedAction::No => false,
        };
        (!allowed).then(|| {
            Error::text(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
                 from a local connection, otherwise you need to set this option in the configuration file, and then \
                 restart the server.",
            )
        })
    }

    /// Whether saves fail that the settings rely on.
    fn saves_fail(&self) -> bool {
        self.config.stop_writes_on_bgsave_error && !self.config.save.is_empty() && self.persistence.last_save_failed
    }

    /// Whether writes do not get to disk as the settings promise.
    pub(crate) fn has_disk_trouble(&self) -> bool {
        self.saves_fail() || self.aof.refusal().is_some()
    }

    fn disk_refusal(&self) -> Option<Error> {
        if !self.saves_fail() {
            let reason = self.aof.refusal()?;
            return Some(Error::owned(format!("MISCONF Errors writing to the AOF file: {reason}")));
        }
        Some(Error::text(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
             Commands that may modify the data set are disabled, because this instance is configured to report \
             errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
             the Redis logs for details about the RDB error.",
        ))
    }

    /// Whether CLIENT PAUSE or a waiting shutdown holds the command back.
    fn is_held_back(&self, conn: ConnId, id: CommandId) -> bool {
        if !self.pause.holds_writes(self.now) || self.clients[conn].kind == crate::client::Kind::Replica {
            return false;
        }
        let flags = self.effective_flags(conn, id);
        self.pause.holds_all(self.now) || flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE)
    }
}
