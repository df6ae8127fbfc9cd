//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.

use commands::{Categories, Error, Flags, KeyAccess, KeySpec, Meta, Outcome, Row};
use resp::Args;

use crate::client::{ConnId, Transaction};
use crate::client_memory::WATCHED_KEY_BYTES;
use crate::node::Node;
use crate::table::{CommandId, ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

const ANYTIME: Flags =
    Flags::ALLOW_BUSY.with(Flags::FAST).with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE);

/// Begins a transaction.
const MULTI: ServerRow = Row {
    name: "multi",
    meta: Meta::new("transactions", "1.2.0", 1, ANYTIME)
        .about("Begins a transaction: what follows is queued until EXEC.", "O(1)")
        .acl(Categories::TRANSACTION),
    run: multi as ServerFn,
    subcommands: &[],
};

fn multi(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let client = &mut node.clients[conn];
    if client.transaction.is_some() {
        return Err(Error::text("ERR MULTI calls can not be nested"));
    }
    client.transaction = Some(Box::default());
    node.reply(conn).simple("OK");
    Ok(())
}

/// Runs the queued commands as one unit.
const EXEC: ServerRow = Row {
    name: "exec",
    meta: Meta::new(
        "transactions",
        "1.2.0",
        1,
        Flags::LOADING.with(Flags::NOSCRIPT).with(Flags::SKIP_SLOWLOG).with(Flags::STALE),
    )
    .about("Runs all queued commands as one unit.", "Depends on the queued commands.")
    .acl(Categories::TRANSACTION),
    run: exec as ServerFn,
    subcommands: &[],
};

fn exec(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let Some(transaction) = node.clients[conn].transaction.take() else {
        return Err(Error::text("ERR EXEC without MULTI"));
    };
    if transaction.aborted {
        node.unwatch_all(conn);
        return Err(Error::text("EXECABORT Transaction discarded because of previous errors."));
    }
    let client = &node.clients[conn];
    let now = node.unix;
    let expired = node.watches.any_expired(conn, &client.watching, |db, key| node.keyspace.is_gone(db, key, now));
    let broken = client.watch_broken || expired;
    node.unwatch_all(conn);
    if broken {
        node.reply(conn).null_array();
        return Ok(());
    }
    node.reply(conn).array(transaction.queued.len());
    node.in_exec = true;
    let shared_before = node.is_sharing_time();
    node.share_time(true);
    for (id, args) in &transaction.queued {
        node.call(conn, *id, &args.as_args());
        node.feed_monitors(conn, *id, &args.as_args());
    }
    node.settle_time();
    node.share_time(shared_before);
    node.in_exec = false;
    node.effects.begin_command();
    node.effects.replicate_nothing();
    Ok(())
}

/// Forgets the queued commands.
const DISCARD: ServerRow = Row {
    name: "discard",
    meta: Meta::new("transactions", "2.0.0", 1, ANYTIME)
        .about("Drops a transaction and what it watched.", "O(N)")
        .acl(Categories::TRANSACTION),
    run: discard as ServerFn,
    subcommands: &[],
};

fn discard(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.clients[conn].transaction.take().is_none() {
        return Err(Error::text("ERR DISCARD without MULTI"));
    }
    node.unwatch_all(conn);
    node.reply(conn).simple("OK");
    Ok(())
}

/// Watches keys: EXEC does nothing if one of them changes before it.
const WATCH: ServerRow = Row {
    name: "watch",
    meta: Meta::new("transactions", "2.2.0", -2, ANYTIME)
        .about("Makes the next EXEC depend on these keys staying as they are.", "O(1) per key.")
        .acl(Categories::TRANSACTION)
        .keys(&[KeySpec::range(KeyAccess::RO, 1, -1, 1)])
        .usage("key:key#0..."),
    run: watch as ServerFn,
    subcommands: &[],
};

fn watch(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if node.clients[conn].transaction.is_some() {
        return Err(Error::text("ERR WATCH inside MULTI is not allowed"));
    }
    let db = node.clients[conn].db;
    for key in args.tail(1).iter() {
        let existed = !node.keyspace.is_gone(db, key, node.unix);
        if node.watches.add(conn, db, key, existed) {
            let client = &mut node.clients[conn];
            client.watching.push((db, key.to_vec()));
            client.watching_bytes += key.len() + WATCHED_KEY_BYTES;
        }
    }
    node.reply(conn).simple("OK");
    Ok(())
}

/// Stops watching.
const UNWATCH: ServerRow = Row {
    name: "unwatch",
    meta: Meta::new("transactions", "2.2.0", 1, ANYTIME)
        .about("Stops watching all keys.", "O(1)")
        .acl(Categories::TRANSACTION),
    run: unwatch as ServerFn,
    subcommands: &[],
};

fn unwatch(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    node.unwatch_all(conn);
    node.reply(conn).simple("OK");
    Ok(())
}

impl Node {
    /// Queues a command for EXEC.
    pub(crate) fn queue(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) {
        let client = &mut self.clients[conn];
        let transaction: &mut Transaction = client.transaction.as_mut().expect("the gate saw a transaction");
        let args = args.to_owned_args();
        transaction.bytes += args.memory_bytes();
        transaction.queued.push((id, args));
        self.reply(conn).simple("QUEUED");
    }

    /// Stops watching, and forgets that something watched has changed.
    pub(crate) fn unwatch_all(&mut self, conn: ConnId) {
        let client = &mut self.clients[conn];
        client.watch_broken = false;
        client.watching_bytes = 0;
        let watching = std::mem::take(&mut client.watching);
        self.watches.forget(conn, &watching);
    }
}
