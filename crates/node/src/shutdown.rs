//! The end of the server: SHUTDOWN, and signals that ask for the same. Replicas get time to catch up before it, with
//! writes held back; then the data set is saved where that is due.
//!
//! ```text
//!   running ──request, no replica lags──────────────▶ finish ──▶ Exit
//!    ▲ ▲ └──request──▶ waiting ──caught up, time up──▶ │
//!    │ └────ABORT─────────┘                            │
//!    └──the last save failed, no append-only file yet──┘
//! ```
//!
//! It waits for the append-only file as well, where a write waits for the next one to be created: what was executed is in
//! the files when the server ends.
//!
//! What replicas are waited for is the stream as it was at the request: what comes behind it (pings, a question for
//! acknowledgements) changes no data.

use std::time::Duration;

use base::Time;
use commands::{Error, Flags, Meta, Outcome, Row, is};
use resp::Args;

use crate::client::{Blocked, ConnId};
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::Output;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[SHUTDOWN];

/// Ends the server.
const SHUTDOWN: ServerRow = Row {
    name: "shutdown",
    meta: Meta::new(
        "server",
        "1.0.0",
        -1,
        Flags::ADMIN
            .with(Flags::ALLOW_BUSY)
            .with(Flags::LOADING)
            .with(Flags::NOSCRIPT)
            .with(Flags::NO_MULTI)
            .with(Flags::STALE),
    )
    .about(
        "Lets replicas catch up, saves if save points are set, and ends the server.",
        "O(N) in the number of keys when it saves.",
    )
    .usage("[save-selector<NOSAVE | SAVE>] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]"),
    run: shutdown as ServerFn,
    subcommands: &[],
};

/// The least that a shutdown waits for the next append-only file.
const FILES_PATIENCE: Duration = Duration::from_secs(10);

const FAILED: &str = "ERR Errors trying to SHUTDOWN. Check logs.";

/// What a shutdown was asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ShutdownOptions {
    /// Save or not, whatever the save points say.
    pub save: Option<bool>,
    /// Wait for no replica.
    pub now: bool,
    /// End even if the save fails, or the first base of the append-only file is not complete.
    pub force: bool,
}

/// A signal that asks for a shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShutdownSignal {
    /// `shutdown-on-sigint` says how.
    Interrupt,
    /// `shutdown-on-sigterm` says how.
    Terminate,
}

/// A shutdown that waits for replicas or for the append-only file.
pub(crate) struct Shutdown {
    options: ShutdownOptions,
    /// When it waits no longer for replicas.
    until: Time,
    /// When it waits no longer for the append-only file.
    files_until: Time,
    /// What every replica must have acknowledged.
    offset: u64,
    /// Whose SHUTDOWN gets its answer if it comes to nothing.
    waiting: Vec<ConnId>,
}

/// What came of a request to shut down.
#[derive(PartialEq, Eq)]
enum Progress {
    Waits,
    Ends,
    Failed,
}

fn shutdown(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let mut options = ShutdownOptions::default();
    let mut abort = false;
    for word in args.tail(1).iter() {
        if is(word, "NOSAVE") && options.save.is_none() {
            options.save = Some(false);
        } else if is(word, "SAVE") && options.save.is_none() {
            options.save = Some(true);
        } else if is(word, "NOW") {
            options.now = true;
        } else if is(word, "FORCE") {
            options.force = true;
        } else if is(word, "ABORT") {
            abort = true;
        } else {
            return Err(Error::Syntax);
        }
    }
    if abort {
        return if args.len() == 2 { abort_shutdown(node, conn) } else { Err(Error::Syntax) };
    }
    // A second request does not change the first, as with the peers: it waits with it.
    let progress = if node.shutdown.is_some() { Progress::Waits } else { node.request_shutdown(options) };
    match progress {
        Progress::Ends => node.close_now(conn),
        Progress::Failed => return Err(Error::text(FAILED)),
        Progress::Waits => {
            node.clients[conn].blocked = Some(Blocked::Shutdown);
            let shutdown = node.shutdown.as_mut().expect("a shutdown that waits");
            shutdown.waiting.push(conn);
        }
    }
    Ok(())
}

fn abort_shutdown(node: &mut Node, conn: ConnId) -> Outcome {
    let shutdown = node.shutdown.take().ok_or(Error::text("ERR No shutdown in progress."))?;
    node.log(LogLevel::Notice, "Shutdown manually aborted.");
    node.reply(conn).ok();
    node.go_on_after(shutdown);
    Ok(())
}

impl Node {
    /// A signal asks for the end. While a shutdown waits already it goes on as it is.
    pub fn shut_down_on(&mut self, signal: ShutdownSignal) {
        let (name, flags) = match signal {
            ShutdownSignal::Interrupt => ("SIGINT", self.config.shutdown_on_sigint),
            ShutdownSignal::Terminate => ("SIGTERM", self.config.shutdown_on_sigterm),
        };
        self.log(LogLevel::Warning, &format!("Received {name} scheduling shutdown..."));
        if self.shutdown.is_none() {
            let options = ShutdownOptions { save: flags.save, now: flags.now, force: flags.force };
            self.request_shutdown(options);
        }
    }

    /// Whether the server is about to end: a further request changes nothing.
    pub fn is_shutting_down(&self) -> bool {
        self.exiting || self.shutdown.is_some()
    }

    /// How long a shutdown still waits, if one does.
    pub(crate) fn shutdown_remaining(&self) -> Option<Duration> {
        self.shutdown.as_ref().map(|shutdown| shutdown.until.since(self.now))
    }

    /// When a waiting shutdown waits no longer.
    pub(crate) fn shutdown_until(&self) -> Option<Time> {
        let later = |shutdown: &Shutdown| if shutdown.until > self.now { shutdown.until } else { shutdown.files_until };
        self.shutdown.as_ref().map(later)
    }

    fn request_shutdown(&mut self, options: ShutdownOptions) -> Progress {
        self.log(LogLevel::Notice, "User requested shutdown...");
        let offset = self.replication.offset();
        let timeout = Duration::from_secs(self.config.shutdown_timeout);
        let wait = !options.now && !timeout.is_zero() && !self.replicas_have(offset);
        let until = if wait { self.now + timeout } else { self.now };
        let files_until = self.now + timeout.max(FILES_PATIENCE);
        let shutdown = Shutdown { options, until, files_until, offset, waiting: Vec::new() };
        if !wait && self.files_are_settled() {
            return self.finish_shutdown(shutdown);
        }
        let whom = if wait { "replicas" } else { "the append-only file" };
        self.log(LogLevel::Notice, &format!("Waiting for {whom} before shutting down."));
        self.shutdown = Some(shutdown);
        self.pause.for_shutdown = true;
        if wait && !self.replication.is_replica() {
            self.replication.peers.request_acks();
            self.run_peers();
        }
        Progress::Waits
    }

    /// Goes on with a shutdown that has waited long enough. Called by the timer, and when the stream was written.
    pub(crate) fn check_shutdown(&mut self) {
        let Some(waiting) = &self.shutdown else { return };
        let replicas = waiting.until <= self.now || self.replicas_have(waiting.offset);
        let over = replicas && (waiting.files_until <= self.now || self.files_are_settled());
        if over && let Some(shutdown) = self.shutdown.take() {
            self.finish_shutdown(shutdown);
        }
    }

    /// Whether every replica has acknowledged this much of the stream.
    fn replicas_have(&self, offset: u64) -> bool {
        self.replication.peers.replicas(self.now).iter().all(|replica| replica.acked >= offset)
    }

    fn finish_shutdown(&mut self, shutdown: Shutdown) -> Progress {
        self.log_lagging_replicas(shutdown.offset);
        // What the files on disk lead to is older than what clients were told, and a start would take that.
        if self.aof.owes_base() && !self.data_is_incomplete() {
            if !shutdown.options.force {
                self.log(LogLevel::Warning, "Writing initial AOF, can't exit.");
                self.host.notify_supervisor("STATUS=Writing initial AOF, can't exit.\n");
                return self.stay_after(shutdown);
            }
            self.log(LogLevel::Warning, "Writing initial AOF. Exit anyway.");
        }
        let wanted = shutdown.options.save.unwrap_or(!self.config.save.is_empty());
        if wanted && !self.data_is_incomplete() {
            self.host.notify_supervisor("STATUS=Saving the final RDB snapshot\n");
            self.log(LogLevel::Notice, "Saving the final RDB snapshot before exiting.");
            let saved = self.save_now();
            if !saved && !shutdown.options.force {
                self.log(LogLevel::Warning, "Error trying to save the DB, can't exit.");
                self.host.notify_supervisor("STATUS=Error trying to save the DB, can't exit.\n");
                return self.stay_after(shutdown);
            }
            if !saved {
                self.log(LogLevel::Warning, "Error trying to save the DB. Exit anyway.");
            }
        }
        if !self.finish_aof() && !shutdown.options.force {
            self.log(LogLevel::Warning, "Error writing the append-only file, can't exit.");
            return self.stay_after(shutdown);
        }
        self.host.notify_supervisor("STOPPING=1\n");
        self.exiting = true;
        self.outputs.push_back(Output::Exit { code: 0 });
        Progress::Ends
    }

    fn stay_after(&mut self, shutdown: Shutdown) -> Progress {
        self.log(LogLevel::Warning, "Errors trying to shut down the server. Check the logs for more information.");
        self.go_on_after(shutdown);
        Progress::Failed
    }

    fn log_lagging_replicas(&self, offset: u64) {
        let lines = self.replica_lines();
        if lines.is_empty() {
            return;
        }
        let lagging = lines.iter().filter(|line| line.acked < offset);
        for line in lagging.clone() {
            let text = format!(
                "Lagging replica {}:{} reported offset {} behind master, lag={}, state={}.",
                line.ip,
                line.port,
                offset - line.acked,
                line.lag_seconds,
                line.state
            );
            self.log(LogLevel::Notice, &text);
        }
        let in_sync = lines.len() - lagging.count();
        let text = format!("{in_sync} of {} replicas are in sync when shutting down.", lines.len());
        self.log(LogLevel::Notice, &text);
    }

    /// The server goes on: whoever waited for its end hears so, and writes run again.
    fn go_on_after(&mut self, shutdown: Shutdown) {
        for conn in shutdown.waiting {
            if self.clients.get(conn).is_some() {
                self.stats.count_error(FAILED.as_bytes());
                self.reply(conn).error(FAILED.as_bytes());
                self.release(conn);
            }
        }
        if std::mem::take(&mut self.pause.for_shutdown) {
            self.release_paused();
        }
    }
}
