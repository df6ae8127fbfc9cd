//! The commands of replication: REPLICAOF, PSYNC, SYNC, REPLCONF, ROLE, WAIT.

use std::time::Duration;

use commands::{Categories, Error, Flags, Meta, Outcome, Row, int, is};
use replication::master::{PsyncOutcome, PsyncRequest, ReplconfOutcome};
use replication::replica::Input;
use resp::Args;

use super::failover::Failover;
use crate::client::{Blocked, ConnId, Kind, WaitFor};
use crate::host::LogLevel;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] =
    &[REPLICAOF, SLAVEOF, PSYNC, SYNC, REPLCONF, ROLE, WAIT, super::doctor::REPLICATION, super::failover::FAILOVER];

const FOLLOWING: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE).with(Flags::NO_ASYNC_LOADING);
const FOLLOW_USAGE: &str = "args<host-port{host:string port:integer} | no-one{NO ONE}>";

/// Follows a master, or none.
const REPLICAOF: ServerRow = Row {
    name: "replicaof",
    meta: Meta::new("server", "5.0.0", 3, FOLLOWING)
        .about("Makes the server follow a master, or be one.", "O(1)")
        .usage(FOLLOW_USAGE),
    run: replicaof as ServerFn,
    subcommands: &[],
};

/// The same under its old name.
const SLAVEOF: ServerRow = Row {
    name: "slaveof",
    meta: Meta::new("server", "1.0.0", 3, FOLLOWING)
        .about("Makes the server follow a master, or be one.", "O(1)")
        .usage(FOLLOW_USAGE)
        .deprecated("5.0.0", "`REPLICAOF`"),
    run: replicaof as ServerFn,
    subcommands: &[],
};

fn replicaof(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if node.replication.failover != Failover::None {
        return Err(Error::text("ERR REPLICAOF not allowed while failing over."));
    }
    if is(&args[1], "NO") && is(&args[2], "ONE") {
        if node.replication.is_replica() {
            let who = node.clients[conn].peer.addr.clone();
            node.log(LogLevel::Notice, &format!("MASTER MODE enabled (user request from '{who}')"));
            node.stop_following();
        }
        node.reply(conn).simple("OK");
        return Ok(());
    }
    // A replica that asks its own master to follow somebody has lost its way.
    if node.clients[conn].kind == Kind::Replica {
        return Err(Error::text("ERR Command is not valid when client is a replica."));
    }
    let port = base::numbers::parse_i64(&args[2]).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(Error::text("ERR Invalid master port"))?;
    let host = String::from_utf8_lossy(&args[1]).into_owned();
    if node.replication.link.master().is_some_and(|(h, p)| h.eq_ignore_ascii_case(&host) && p == port) {
        node.log(LogLevel::Notice, "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.");
        node.reply(conn).simple("OK Already connected to specified master");
        return Ok(());
    }
    let who = node.clients[conn].peer.addr.clone();
    node.log(LogLevel::Notice, &format!("REPLICAOF {host}:{port} enabled (user request from '{who}')"));
    node.follow(host, port);
    node.reply(conn).simple("OK");
    Ok(())
}

impl Node {
    /// Follows a master: what is here stays until the master's data set is complete.
    pub fn follow(&mut self, host: String, port: u16) {
        // What the unit did as a master belongs into its stream.
        self.commit();
        let was_master = !self.replication.is_replica();
        self.config.set_replicaof(Some((host.clone(), port)));
        if was_master {
            // As a master we know what our stream has selected; from here on the new master's stream goes on there.
            self.replication.apply.db = self.replication.selected_db.unwrap_or(0);
        }
        self.replication.apply.drop_unfinished();
        self.end_all_waits();
        self.replication.guard.ordered();
        self.replication.link.handle(self.now, Input::Follow { host, port });
        self.drop_replicas("we follow another master now");
        self.run_link();
        self.begin_unit();
    }

    /// Becomes a master: replicas of the old master, and our own, may go on under the second id, unless we hold something
    /// else than they do.
    pub(crate) fn stop_following(&mut self) {
        self.commit();
        self.config.set_replicaof(None);
        self.replication.guard.ordered();
        self.replication.link.handle(self.now, Input::Unfollow);
        self.replication.apply.drop_unfinished();
        let fresh = base::ReplId::from_entropy(self.host.entropy());
        if std::mem::take(&mut self.replication.own_effects) {
            self.begin_own_history(fresh);
        } else {
            let offset = self.replication.offset();
            self.replication.history.promote(fresh, offset);
            self.note_new_id();
        }
        self.keyspace.forget_own_deadlines();
        self.replication.selected_db = None;
        self.drop_replicas("we are a master now, under a new id");
        self.run_link();
        // What the unit goes on to do is in the stream.
        self.begin_unit();
    }

    /// The data set is not what the stream up to here says: nobody can go on from that, and the append-only file needs a
    /// base that holds it.
    fn begin_own_history(&mut self, fresh: base::ReplId) {
        let line = "As a replica this server changed keys by itself: replicas need a full synchronisation, and the \
                    append-only file a new base.";
        self.log(LogLevel::Notice, line);
        self.replication.history.rotate(fresh);
        self.restart_aof();
    }

    pub(super) fn end_all_waits(&mut self) {
        let waiting: Vec<ConnId> = self
            .clients
            .iter()
            .filter(|client| matches!(client.blocked, Some(Blocked::Wait { .. } | Blocked::Keys)))
            .map(|client| client.id)
            .collect();
        for conn in waiting {
            self.reply(conn)
                .error(b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
            self.waiters.remove(conn);
            self.waits.retain(|waiting| *waiting != conn);
            self.clients[conn].blocked = None;
            self.close_after_reply(conn);
        }
    }
}

/// A replica asks to go on from where it is, or for everything.
const PSYNC: ServerRow = Row {
    name: "psync",
    meta: Meta::new(
        "server",
        "2.8.0",
        -3,
        Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI),
    )
    .about("Begins replication; sent by replicas.", "")
    .usage("replicationid:string offset:integer"),
    run: psync as ServerFn,
    subcommands: &[],
};

fn psync(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if node.clients[conn].monitor {
        return Ok(()); // As with the peers: its lines would stand in the stream.
    }
    let wanted = int(&args[2])?;
    let pending_output = !node.clients[conn].outbox.is_empty();
    // The peers pass over any other word here.
    let failover = args.get(3).is_some_and(|word| is(word, "FAILOVER"));
    let now = node.now;
    let mut request = PsyncRequest { id: args.at(1), wanted, failover, pending_output };
    let mut outcome = node.with_view(|peers, view| peers.psync(now, conn, request, view));
    if outcome == PsyncOutcome::PromoteFirst {
        node.log(LogLevel::Warning, "Failover request received from the master: becoming a master.");
        node.stop_following();
        request.failover = false;
        outcome = node.with_view(|peers, view| peers.psync(now, conn, request, view));
    }
    node.answer_psync(conn, outcome)
}

/// The same in its old form, without a history.
const SYNC: ServerRow = Row {
    name: "sync",
    meta: Meta::new(
        "server",
        "1.0.0",
        1,
        Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI),
    )
    .about("Begins replication in its oldest form.", ""),
    run: sync as ServerFn,
    subcommands: &[],
};

fn sync(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.clients[conn].monitor {
        return Ok(());
    }
    let pending_output = !node.clients[conn].outbox.is_empty();
    let now = node.now;
    let outcome = node.with_view(|peers, view| peers.sync(now, conn, pending_output, view));
    node.answer_psync(conn, outcome)
}

impl Node {
    fn answer_psync(&mut self, conn: ConnId, outcome: PsyncOutcome) -> Outcome {
        match outcome {
            PsyncOutcome::Continue { reply, from } => {
                self.clients[conn].kind = Kind::Replica;
                self.reply(conn).raw(&reply);
                self.start_stream(conn, from);
                let who = self.clients[conn].peer.addr.clone();
                self.log(LogLevel::Notice, &format!("Partial resynchronization request from {who} accepted."));
            }
            PsyncOutcome::Waiting => self.clients[conn].kind = Kind::Replica,
            PsyncOutcome::Refused(error) => self.reply(conn).raw(&error),
            PsyncOutcome::Ignored | PsyncOutcome::PromoteFirst => {}
        }
        self.run_peers();
        Ok(())
    }
}

/// What a replica tells of itself, and what it has.
const REPLCONF: ServerRow = Row {
    name: "replconf",
    meta: Meta::new(
        "server",
        "3.0.0",
        -1,
        Flags::ADMIN.with(Flags::ALLOW_BUSY).with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE),
    )
    .about("Tells a master about a replica; sent by replicas.", "O(1)"),
    run: replconf as ServerFn,
    subcommands: &[],
};

fn replconf(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let options: Vec<&[u8]> = args.tail(1).iter().collect();
    match node.replication.peers.replconf(node.now, conn, &options) {
        ReplconfOutcome::Reply(reply) => node.reply(conn).raw(&reply),
        ReplconfOutcome::Silent => node.note_lag(conn),
    }
    node.run_peers();
    node.finish_waits();
    node.advance_failover();
    Ok(())
}

/// Which role the server has.
const ROLE: ServerRow = Row {
    name: "role",
    meta: Meta::new("server", "2.8.12", 1, Flags::FAST.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE))
        .about("Tells the role of the server in replication.", "O(1)")
        .acl(Categories::ADMIN.with(Categories::DANGEROUS)),
    run: role as ServerFn,
    subcommands: &[],
};

fn role(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let offset = node.replication.offset() as i64;
    if let Some((host, port)) = node.replication.link.master() {
        let (host, port) = (host.to_owned(), port);
        let figures = node.replication.link.figures(node.now);
        let known = node.replication.active && figures.up;
        let mut reply = node.reply(conn);
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(host.as_bytes());
        reply.int(i64::from(port));
        reply.bulk(figures.role_word.as_bytes());
        reply.int(if known { offset } else { -1 });
        return Ok(());
    }
    let online: Vec<(String, i32, u64)> = node
        .replica_lines()
        .into_iter()
        .filter(|line| line.state == "online")
        .map(|line| (line.ip, line.port, line.acked))
        .collect();
    let mut reply = node.reply(conn);
    reply.array(3);
    reply.bulk(b"master");
    reply.int(offset);
    reply.array(online.len());
    for (ip, port, acked) in online {
        reply.array(3);
        reply.bulk(ip.as_bytes());
        reply.bulk_int(i64::from(port));
        reply.bulk_int(acked as i64);
    }
    Ok(())
}

/// One replica as INFO and ROLE show it.
pub(crate) struct ReplicaLine {
    pub conn: ConnId,
    pub ip: String,
    pub port: i32,
    pub state: &'static str,
    pub acked: u64,
    pub lag_seconds: u64,
}

impl Node {
    /// The replicas in the order in which they came.
    pub(crate) fn replica_lines(&self) -> Vec<ReplicaLine> {
        let replicas = self.replication.peers.replicas(self.now);
        let lines = replicas.into_iter().filter_map(|replica| {
            let client = self.clients.get(replica.conn)?;
            let announced = replica.announced_ip.map(|ip| String::from_utf8_lossy(&ip).into_owned());
            Some(ReplicaLine {
                conn: replica.conn,
                ip: announced.unwrap_or_else(|| client.peer.ip.clone()),
                port: replica.port,
                state: replica.state,
                acked: replica.acked,
                lag_seconds: replica.lag_seconds,
            })
        });
        lines.collect()
    }
}

/// Waits until replicas have what this connection wrote.
const WAIT: ServerRow = Row {
    name: "wait",
    meta: Meta::new("generic", "3.0.0", 3, Flags::BLOCKING)
        .about("Waits until so many replicas acknowledged the writes of this connection.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage("numreplicas:integer timeout:integer")
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    run: wait as ServerFn,
    subcommands: &[],
};

fn wait(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if node.replication.is_replica() {
        return Err(Error::text(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ));
    }
    let wanted = int(&args[1])?;
    let timeout =
        base::numbers::parse_i64(&args[2]).ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::text("ERR timeout is negative"))?;
    let offset = node.clients[conn].write_offset;
    let wait = WaitFor::Replicas(usize::try_from(wanted).unwrap_or(0));
    let reached = node.wait_counts(offset);
    if node.running_inside_exec() || is_over(wait, reached) {
        node.reply_wait(conn, wait, reached);
        return Ok(());
    }
    let until = (timeout > 0).then(|| node.now + Duration::from_millis(timeout));
    node.clients[conn].blocked = Some(Blocked::Wait { offset, wait, until });
    node.waits.push(conn);
    // Asked once, at the end of the turn, for all who wait.
    node.replication.peers.request_acks();
    Ok(())
}

impl Node {
    /// Ends the waits whose replicas have acknowledged, or whose time is up.
    pub(crate) fn finish_waits(&mut self) {
        if self.waits.is_empty() {
            return;
        }
        for conn in self.waits.clone() {
            let blocked = self.clients.get(conn).and_then(|client| client.blocked);
            let Some(Blocked::Wait { offset, wait, until }) = blocked else {
                self.waits.retain(|waiting| *waiting != conn);
                continue;
            };
            if is_over(wait, self.wait_counts(offset)) || until.is_some_and(|until| until <= self.now) {
                self.end_wait(conn, false);
            }
        }
    }

    /// Who has the stream up to an offset: replicas in memory, our disk (0 or 1), replicas on disk.
    pub(crate) fn wait_counts(&self, offset: u64) -> Reached {
        let peers = &self.replication.peers;
        Reached {
            replicas: peers.acked_at_least(offset),
            disk: usize::from(self.is_synced(offset)),
            replica_disks: peers.fsynced_at_least(offset),
        }
    }

    /// Answers WAIT and WAITAOF.
    pub(crate) fn reply_wait(&mut self, conn: ConnId, wait: WaitFor, reached: Reached) {
        let mut reply = self.reply(conn);
        match wait {
            WaitFor::Replicas(_) => reply.int(reached.replicas as i64),
            WaitFor::Disks { .. } => {
                reply.array(2);
                reply.int(reached.disk as i64);
                reply.int(reached.replica_disks as i64);
            }
        }
    }

    /// Ends one wait: with the count reached, or with CLIENT UNBLOCK's error.
    pub(crate) fn end_wait(&mut self, conn: ConnId, with_error: bool) {
        self.waits.retain(|waiting| *waiting != conn);
        let Some(client) = self.clients.get(conn) else { return };
        let Some(Blocked::Wait { offset, wait, .. }) = client.blocked else { return };
        if with_error {
            self.reply(conn).error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            self.reply_wait(conn, wait, self.wait_counts(offset));
        }
        self.release(conn);
    }
}

/// Who has the stream up to an offset.
#[derive(Clone, Copy)]
pub(crate) struct Reached {
    /// Replicas that applied it.
    pub replicas: usize,
    /// Our disk: 0 or 1.
    pub disk: usize,
    /// Replicas that synced it.
    pub replica_disks: usize,
}

/// Whether that is enough.
pub(crate) fn is_over(wait: WaitFor, reached: Reached) -> bool {
    match wait {
        WaitFor::Replicas(replicas) => reached.replicas >= replicas,
        WaitFor::Disks { local, replicas } => reached.disk >= local && reached.replica_disks >= replicas,
    }
}
