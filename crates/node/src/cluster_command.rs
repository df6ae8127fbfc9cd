//! The commands of cluster clients, as a server answers them that is no part of a cluster. Tools send READONLY to any
//! server and go on after this answer.

use commands::{Categories, Error, Flags, Meta, Outcome, Row};
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[READONLY, READWRITE, ASKING];

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

fn no_cluster(_node: &mut Node, _conn: ConnId, _args: &Args<'_>) -> Outcome {
    Err(Error::text("ERR This instance has cluster support disabled"))
}
