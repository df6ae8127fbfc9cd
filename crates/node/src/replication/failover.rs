//! FAILOVER: a replica becomes the master and we follow it, without a write lost in between. Writes are held back until a
//! replica has all there is; then it is asked to take over with PSYNC … FAILOVER.
//!
//! ```text
//!   none ──FAILOVER──▶ waiting for sync ──a replica has everything──▶ in progress ──it took over──▶ none, a replica
//!    ▲                   │ ABORT, time up     (or time up and FORCE)      │
//!    └───────────────────┴──────────────────ABORT, it refuses─────────────┘
//! ```

use std::time::Duration;

use base::Time;
use commands::{Error, Flags, Meta, Outcome, Row, int, is};
use replication::master::Event;
use replication::replica::Input;
use resp::Args;

use super::commands::ReplicaLine;
use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// Where a failover stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) enum Failover {
    /// There is none.
    #[default]
    None,
    /// Writes are held back until a replica has everything.
    WaitingForSync {
        /// Which one; None: whichever is first.
        target: Option<(String, u16)>,
        /// What it must have acknowledged.
        offset: u64,
        /// Until when.
        until: Option<Time>,
        /// Then the target takes over all the same.
        force: bool,
    },
    /// The target was asked to take over.
    InProgress,
}

impl Failover {
    /// As INFO shows it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Failover::None => "no-failover",
            Failover::WaitingForSync { .. } => "waiting-for-sync",
            Failover::InProgress => "failover-in-progress",
        }
    }
}

/// Makes a master of a replica and follows it.
pub(super) const FAILOVER: ServerRow = Row {
    name: "failover",
    meta: Meta::new("server", "6.2.0", -1, Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE))
        .about("Makes a master of one of the replicas, which then is followed, without losing a write.", "O(1)")
        .usage("[TO=target{host:string port:integer [FORCE]}] [ABORT] [TIMEOUT=milliseconds:integer]"),
    run: failover as ServerFn,
    subcommands: &[],
};

#[derive(Default)]
struct Options {
    target: Option<(String, i64)>,
    timeout: Option<i64>,
    force: bool,
    abort: bool,
}

fn parse(args: &Args<'_>) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut at = 1;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if is(word, "TIMEOUT") && left >= 1 && options.timeout.is_none() {
            let timeout = int(&args[at + 1])?;
            if timeout <= 0 {
                return Err(Error::text("ERR FAILOVER timeout must be greater than 0"));
            }
            options.timeout = Some(timeout);
            at += 2;
        } else if is(word, "ABORT") && args.len() == 2 {
            options.abort = true;
            at += 1;
        } else if is(word, "TO") && left >= 2 && options.target.is_none() {
            options.target = Some((String::from_utf8_lossy(&args[at + 1]).into_owned(), int(&args[at + 2])?));
            at += 3;
        } else if is(word, "FORCE") && !options.force {
            options.force = true;
            at += 1;
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok(options)
}

fn failover(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let options = parse(args)?;
    if options.abort {
        if node.replication.failover == Failover::None {
            return Err(Error::text("ERR No failover in progress."));
        }
        node.abort_failover("Failover manually aborted");
        node.reply(conn).ok();
        return Ok(());
    }
    if node.replication.failover != Failover::None {
        return Err(Error::text("ERR FAILOVER already in progress."));
    }
    if node.replication.is_replica() {
        return Err(Error::text("ERR FAILOVER is not valid when server is a replica."));
    }
    let lines = node.replica_lines();
    if lines.is_empty() {
        return Err(Error::text("ERR FAILOVER requires connected replicas."));
    }
    if options.force && (options.timeout.is_none() || options.target.is_none()) {
        return Err(Error::text("ERR FAILOVER with force option requires both a timeout and target HOST and IP."));
    }
    let mut target = None;
    if let Some((host, port)) = options.target {
        let found = lines.iter().find(|line| line.ip.eq_ignore_ascii_case(&host) && i64::from(line.port) == port);
        let found = found.ok_or(Error::text("ERR FAILOVER target HOST and PORT is not a replica."))?;
        if found.state != "online" {
            return Err(Error::text("ERR FAILOVER target replica is not online."));
        }
        target = address(found);
    }
    node.begin_failover(target, options.timeout, options.force);
    node.reply(conn).ok();
    Ok(())
}

/// Where a replica can be reached.
fn address(line: &ReplicaLine) -> Option<(String, u16)> {
    Some((line.ip.clone(), u16::try_from(line.port).ok()?))
}

impl Node {
    fn begin_failover(&mut self, target: Option<(String, u16)>, timeout_ms: Option<i64>, force: bool) {
        let line = match &target {
            Some((host, port)) => format!("FAILOVER requested to {host}:{port}."),
            None => "FAILOVER requested.".to_owned(),
        };
        self.log(LogLevel::Notice, &line);
        let until = timeout_ms.map(|ms| self.now + Duration::from_millis(ms as u64));
        let offset = self.replication.offset();
        self.replication.failover = Failover::WaitingForSync { target, offset, until, force };
        self.pause.for_failover = true;
        self.replication.peers.handle(self.now, Event::FailingOver(true));
        self.run_peers();
        // The answers decide, not this command: in a transaction others may follow it, and none of their effects is in the
        // stream yet.
        self.replication.peers.request_acks();
    }

    /// Hands over if a replica has everything, or gives up when the time is over.
    pub(crate) fn advance_failover(&mut self) {
        let Failover::WaitingForSync { target, offset, until, force } = self.replication.failover.clone() else {
            return;
        };
        // The question for acknowledgements changes no data, but is a part of the stream that we ask to go on from.
        let offset = offset.max(self.replication.offset());
        let lines = self.replica_lines();
        let ready = lines.iter().find(|line| {
            let is_it = target.as_ref().is_none_or(|target| address(line).as_ref() == Some(target));
            is_it && line.state == "online" && line.acked >= offset
        });
        if let Some(address) = ready.and_then(address) {
            self.hand_over(address);
        } else if until.is_some_and(|until| until <= self.now) {
            match target {
                Some(target) if force => {
                    self.log(LogLevel::Notice, "Failover to a replica that did not catch up in time, as FORCE says.");
                    self.hand_over(target);
                }
                _ => self.abort_failover("Replica never caught up before timeout"),
            }
        }
    }

    /// When a failover that waits gives up.
    pub(crate) fn failover_deadline(&self) -> Option<Time> {
        match &self.replication.failover {
            Failover::WaitingForSync { until, .. } => *until,
            _ => None,
        }
    }

    fn hand_over(&mut self, (host, port): (String, u16)) {
        self.log(LogLevel::Notice, &format!("Failover target is {host}:{port}, failing over."));
        self.replication.failover = Failover::InProgress;
        // From here on nothing is written that the target may not have.
        self.replication.peers.take_acks_wanted();
        self.replication.apply.db = self.replication.selected_db.unwrap_or(0);
        self.replication.apply.drop_unfinished();
        self.end_all_waits();
        self.replication.guard.ordered();
        self.replication.link.handle(self.now, Input::HandOver { host, port });
        self.run_link();
    }

    /// The target took over, or did not.
    pub(super) fn handed_over(&mut self, result: Result<(), String>) {
        if self.replication.failover == Failover::None {
            return;
        }
        match result {
            Ok(()) => {
                let master = self.replication.link.master().map(|(host, port)| (host.to_owned(), port));
                self.config.set_replicaof(master);
                self.log(LogLevel::Notice, "Failover complete: the former replica is the master.");
                self.end_failover();
            }
            Err(reason) => self.abort_failover(&format!("Failover target rejected psync request: {reason}")),
        }
    }

    fn abort_failover(&mut self, reason: &str) {
        self.log(LogLevel::Notice, &format!("Aborting failover: {reason}"));
        let was_handing_over = self.replication.failover == Failover::InProgress;
        self.end_failover();
        if was_handing_over {
            // The target may have become a master and written: what we write from here on bears another id.
            self.stop_following();
        }
    }

    fn end_failover(&mut self) {
        self.replication.failover = Failover::None;
        self.replication.peers.handle(self.now, Event::FailingOver(false));
        self.pause.for_failover = false;
        self.release_paused();
    }
}
