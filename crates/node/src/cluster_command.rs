//! The commands of cluster clients, as a server answers them that is no part of a cluster. Tools send READONLY to any
//! server and go on after this answer.

use commands::{Categories, Error, Flags, Meta, Outcome, Row};
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[READONLY, READWRITE, ASKING, CLUSTER];

const ANYTIME: Flags = Flags::FAST.with(Flags::LOADING).with(Flags::STALE);

const fn row(name: &'static str, flags: Flags, summary: &'static str) -> ServerRow {
    let meta = Meta::new("cluster", "3.0.0", 1, flags).about(summary, "O(1)").acl(Categories::CONNECTION);
    Row { name, meta, run: no_cluster as ServerFn, subcommands: &[] }
}

/// A cluster client wants to read from a replica.
const READONLY: ServerRow = row("readonly", ANYTIME, "Lets the connection read from a replica of a cluster.");

/// It no longer wants that.
const READWRITE: ServerRow =
    row("readwrite", ANYTIME, "Sends the connection's reads back to the masters of a cluster.");

/// A cluster client was sent here for its next command.
const ASKING: ServerRow = row("asking", Flags::FAST, "Lets the next command use a slot that is being moved here.");

/// The container.
const CLUSTER: ServerRow = Row {
    name: "cluster",
    meta: Meta::new("cluster", "3.0.0", -2, Flags::NONE)
        .about("Shows and manages the nodes of a cluster.", "Depends on the subcommand."),
    run: no_cluster as ServerFn,
    subcommands: &[
        sub("addslots", "3.0.0", -3, CHANGES, "Takes slots.", "slot:integer..."),
        sub(
            "addslotsrange",
            "7.0.0",
            -4,
            CHANGES,
            "Takes ranges of slots.",
            "range{start-slot:integer end-slot:integer}...",
        ),
        changing(sub("bumpepoch", "3.0.0", 2, CHANGES, "Raises the node's epoch.", "")),
        changing(sub(
            "count-failure-reports",
            "3.0.0",
            3,
            ASKS_OPERATOR,
            "Counts who reports a node as failing.",
            "node-id:string",
        )),
        sub("countkeysinslot", "3.0.0", 3, Flags::STALE, "Counts the keys of a slot.", "slot:integer"),
        sub("delslots", "3.0.0", -3, CHANGES, "Gives slots away.", "slot:integer..."),
        sub(
            "delslotsrange",
            "7.0.0",
            -4,
            CHANGES,
            "Gives ranges of slots away.",
            "range{start-slot:integer end-slot:integer}...",
        ),
        sub(
            "failover",
            "3.0.0",
            -2,
            CHANGES,
            "Makes the replica take over from its master.",
            "[options<FORCE | TAKEOVER>]",
        ),
        sub("flushslots", "3.0.0", 2, CHANGES, "Gives all slots away.", ""),
        sub("forget", "3.0.0", 3, CHANGES, "Forgets a node.", "node-id:string"),
        changing(sub("getkeysinslot", "3.0.0", 4, Flags::STALE, "Names keys of a slot.", "slot:integer count:integer")),
        sub("help", "5.0.0", 2, ASKS, "Lists the subcommands.", ""),
        changing(sub("info", "3.0.0", 2, Flags::STALE, "Describes the cluster.", "")),
        sub("keyslot", "3.0.0", 3, Flags::STALE, "Tells the slot of a key.", "key:string"),
        changing(sub("links", "7.0.0", 2, Flags::STALE, "Lists the links between nodes.", "")),
        sub(
            "meet",
            "3.0.0",
            -4,
            CHANGES,
            "Makes another node known.",
            "ip:string port:integer [cluster-bus-port:integer^4.0.0]",
        ),
        sub("myid", "3.0.0", 2, Flags::STALE, "Tells the node's id.", ""),
        changing(sub("myshardid", "7.2.0", 2, Flags::STALE, "Tells the shard's id.", "")),
        changing(sub("nodes", "3.0.0", 2, Flags::STALE, "Lists the nodes.", "")),
        changing(sub("replicas", "5.0.0", 3, ASKS_OPERATOR, "Lists the replicas of a node.", "node-id:string")),
        sub("replicate", "3.0.0", 3, CHANGES, "Makes the node a replica.", "node-id:string"),
        sub(
            "reset",
            "3.0.0",
            -2,
            Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE),
            "Makes the node forget the cluster.",
            "[reset-type<HARD | SOFT>]",
        ),
        sub("saveconfig", "3.0.0", 2, CHANGES, "Saves what is known of the cluster.", ""),
        sub("set-config-epoch", "3.0.0", 3, CHANGES, "Sets the epoch of a new node.", "config-epoch:integer"),
        sub("setslot", "3.0.0", -4, CHANGES, "Says who a slot belongs to.", SETSLOT_USAGE),
        changing(sub("shards", "7.0.0", 2, ASKS, "Lists the shards.", "")),
        changing(sub("slaves", "3.0.0", 3, ASKS_OPERATOR, "Lists the replicas of a node.", "node-id:string")),
        changing(sub("slots", "3.0.0", 2, ASKS, "Lists who serves which slots.", "")),
    ],
};

const ASKS: Flags = Flags::LOADING.with(Flags::STALE);
const ASKS_OPERATOR: Flags = Flags::ADMIN.with(Flags::STALE);
const CHANGES: Flags = ASKS_OPERATOR.with(Flags::NO_ASYNC_LOADING);

const SETSLOT_USAGE: &str = "slot:integer subcommand<IMPORTING=importing:string'node-id' | \
MIGRATING=migrating:string'node-id' | NODE=node:string'node-id' | STABLE>";

/// One subcommand of CLUSTER.
const fn sub(
    name: &'static str,
    since: &'static str,
    arity: i8,
    flags: Flags,
    summary: &'static str,
    usage: &'static str,
) -> ServerRow {
    let meta = Meta::new("cluster", since, arity, flags).about(summary, "O(1)").usage(usage);
    Row { name, meta, run: no_cluster as ServerFn, subcommands: &[] }
}

/// One whose answer is another each time.
const fn changing(mut row: ServerRow) -> ServerRow {
    row.meta = row.meta.tips(&["nondeterministic_output"]);
    row
}

fn no_cluster(_node: &mut Node, _conn: ConnId, _args: &Args<'_>) -> Outcome {
    Err(Error::text("ERR This instance has cluster support disabled"))
}
