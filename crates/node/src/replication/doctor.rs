//! REPLICATION DOCTOR: what an operator should know about replication, in words: why the last synchronisation was full,
//! and which setting would have avoided it.

use commands::{Error, Flags, Meta, Outcome, Row};
use replication::Refusal;
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::pubsub::container;
use crate::table::{ServerFn, ServerRow};

/// A backlog that reaches for less than this many seconds at the present rate is worth a word.
const BACKLOG_SECONDS_MIN: u64 = 60;

/// Why a replica needed everything.
#[derive(Clone, Debug)]
pub(crate) struct FullSyncReason {
    /// Its address.
    pub replica: String,
    /// What the stream refused.
    pub refusal: Refusal,
    /// When.
    pub at: base::Time,
}

/// Tells about replication in words. Our own.
pub(super) const REPLICATION: ServerRow = Row {
    name: "replication",
    meta: Meta::new("server", "7.2.4", -2, Flags::NONE)
        .about("Tells about replication in words.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        Row {
            name: "doctor",
            meta: Meta::new("server", "7.2.4", 2, FLAGS)
                .about("Tells what is wrong with replication, and what would help.", "O(N) in the number of replicas."),
            run: doctor as ServerFn,
            subcommands: &[],
        },
        Row {
            name: "help",
            meta: Meta::new("server", "7.2.4", 2, FLAGS).about("Lists the subcommands.", "O(1)"),
            run: help,
            subcommands: &[],
        },
    ],
};

const FLAGS: Flags = Flags::ADMIN.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE);

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let lines = [("DOCTOR", "Return what is wrong with replication, and what would help.")];
    crate::help::reply(node, conn, "REPLICATION", &lines)
}

fn doctor(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if args.len() != 2 {
        return Err(Error::Syntax);
    }
    let mut findings = node.findings_as_replica();
    findings.extend(node.findings_as_master());
    let text = match findings.len() {
        0 => "Replication is well.".to_owned(),
        _ => findings.iter().map(|finding| format!("* {finding}\n")).collect(),
    };
    node.reply(conn).verbatim(b"txt", text.as_bytes());
    Ok(())
}

impl Node {
    fn findings_as_replica(&self) -> Vec<String> {
        let mut findings = Vec::new();
        if !self.replication.is_replica() {
            return findings;
        }
        let figures = self.replication.link.figures(self.now);
        if !figures.up {
            let since = figures.down_since_seconds.unwrap_or(0);
            findings.push(format!("The link to the master has been down for {since} seconds; the log says why."));
        }
        if self.replication.guard.holding_since.is_some() {
            findings.push(
                "The master has another history and no key; the data of this replica is kept \
                 (replica-guard-empty-master). REPLICAOF again takes the empty data set over."
                    .to_owned(),
            );
        }
        if !self.config.appendonly && self.config.save.is_empty() {
            findings.push(
                "Nothing is saved here: after a restart everything is synchronised anew. appendonly yes avoids that."
                    .to_owned(),
            );
        }
        findings
    }

    fn findings_as_master(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for line in self.replica_lines().iter().filter(|line| line.state == "online") {
            let who = format!("{}:{}", line.ip, line.port);
            let lag = self.lag_of(line.conn, line.acked);
            if let Some(seconds) = lag.backlog_seconds.filter(|seconds| *seconds < BACKLOG_SECONDS_MIN) {
                findings.push(format!(
                    "The backlog reaches for only {seconds} seconds at the present rate: should {who} be away for longer, \
                     it needs a full synchronisation. A larger repl-backlog-size or repl-backlog-disk-size avoids that."
                ));
            }
        }
        if let Some(cut) = &self.replication.retention.last_cut {
            let ago = self.now.seconds_since(cut.at);
            let (replica, reason, advice) = (&cut.replica, &cut.reason, cut.reason.advice());
            findings
                .push(format!("{replica} was cut {ago} seconds ago: {reason} ({}). {advice}", cut.reason.setting()));
        }
        if let Some(reason) = &self.replication.last_full_sync {
            let ago = self.now.seconds_since(reason.at);
            findings.push(format!(
                "{} needed a full synchronisation {ago} seconds ago: {}. {}",
                reason.replica,
                reason.refusal,
                advice(&reason.refusal)
            ));
        }
        findings
    }
}

/// What would have avoided a full synchronisation.
pub(crate) fn advice(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AskedForFull => {
            "For a new replica that is as it must be; appendonly yes (or save points) on the replica \
            avoids it after a restart."
                .to_owned()
        }
        Refusal::UnknownId => {
            "Where this server or the master before it was restarted, appendonly yes keeps the history \
            that replicas name."
                .to_owned()
        }
        Refusal::BeyondSecondId { .. } => {
            "The replica had more than this server when it took over; nothing but waiting \
            before the switch (FAILOVER, WAIT) avoids that."
                .to_owned()
        }
        Refusal::NoBacklog => "repl-backlog-ttl 0 keeps the backlog while there is no replica.".to_owned(),
        Refusal::TooOld(_) => {
            "A larger repl-backlog-size avoids it, or on disk a larger repl-backlog-disk-size.".to_owned()
        }
        Refusal::TooNew(_) => {
            "The replica has bytes that this server lost in a crash; appendfsync always avoids that.".to_owned()
        }
        Refusal::NeverCame => "The link to the master above was lost at that moment.".to_owned(),
    }
}
