//! BGREWRITEAOF and WAITAOF.

use std::time::Duration;

use commands::{Categories, Error, Flags, Meta, Outcome, Row, int_in};
use resp::Args;

use crate::client::{Blocked, ConnId, WaitFor};
use crate::node::Node;
use crate::replication::is_over;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[BGREWRITEAOF, WAITAOF];

/// Replaces the append-only file by a shorter one.
const BGREWRITEAOF: ServerRow = Row {
    name: "bgrewriteaof",
    meta: Meta::new("server", "1.0.0", 1, Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING))
        .about("Replaces the append-only file by a shorter one, in the background.", "O(1)"),
    run: bgrewriteaof as ServerFn,
    subcommands: &[],
};

fn bgrewriteaof(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    // One that waits after a failure is tried at once.
    let scheduled = node.aof.rewrite_wanted && node.aof.rewrite_not_before <= node.now;
    if node.aof.rewriting_since().is_some() || scheduled {
        return Err(Error::text("ERR Background append only file rewriting already in progress"));
    }
    node.want_rewrite();
    node.reply(conn).simple("Background append only file rewriting started");
    Ok(())
}

/// Waits until what the connection wrote is safe on disk, here and on replicas.
const WAITAOF: ServerRow = Row {
    name: "waitaof",
    meta: Meta::new("generic", "7.2.0", 4, Flags::BLOCKING)
        .about("Waits until the writes of this connection are synced to disk, here and by so many replicas.", "O(1)")
        .acl(Categories::CONNECTION)
        .usage("numlocal:integer numreplicas:integer timeout:integer")
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    run: waitaof as ServerFn,
    subcommands: &[],
};

const NO_FILE: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

fn waitaof(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let local = int_in(&args[1], 0..=1, Error::text("ERR value is out of range, value must between 0 and 1"))?;
    let replicas = base::numbers::parse_i64(&args[2]).and_then(|replicas| usize::try_from(replicas).ok());
    let replicas = replicas.ok_or(Error::text("ERR value is out of range, must be positive"))?;
    let timeout =
        base::numbers::parse_i64(&args[3]).ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::text("ERR timeout is negative"))?;
    if node.replication.is_replica() {
        return Err(Error::text(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local \
             and are not propagated.",
        ));
    }
    if local > 0 && !node.aof.is_on() {
        return Err(Error::text(NO_FILE));
    }
    let offset = node.clients[conn].write_offset;
    let wait = WaitFor::Disks { local: local as usize, replicas };
    let reached = node.wait_counts(offset);
    if is_over(wait, reached) || node.running_inside_exec() {
        node.reply_wait(conn, wait, reached);
        return Ok(());
    }
    let until = (timeout > 0).then(|| node.now + Duration::from_millis(timeout));
    node.clients[conn].blocked = Some(Blocked::Wait { offset, wait, until });
    node.waits.push(conn);
    if replicas > 0 {
        node.replication.peers.request_acks();
    }
    Ok(())
}

impl Node {
    /// There is no append-only file any more: who waits for it is told, synced or not, as with the peers.
    pub(super) fn refuse_waits_for_disk(&mut self) {
        let clients = &self.clients;
        let wants_disk = |conn: &mut ConnId| {
            let blocked = clients.get(*conn).and_then(|client| client.blocked);
            matches!(blocked, Some(Blocked::Wait { wait: WaitFor::Disks { local: 1.., .. }, .. }))
        };
        let refused: Vec<ConnId> = self.waits.extract_if(.., wants_disk).collect();
        for conn in refused {
            self.stats.count_error(NO_FILE.as_bytes());
            self.reply(conn).error(NO_FILE.as_bytes());
            self.release(conn);
        }
    }

    /// Whether what a connection wrote up to this offset is synced here.
    pub(crate) fn is_synced(&self, offset: u64) -> bool {
        self.aof.on_disk().is_some_and(|synced| synced >= offset)
    }
}
