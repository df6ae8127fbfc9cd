//! The replies of the HELP subcommands: every container lists its own in one layout.

use commands::Outcome;

use crate::client::ConnId;
use crate::node::Node;

/// Replies the subcommands of `command`: how each is called, and what it does.
pub(crate) fn reply(node: &mut Node, conn: ConnId, command: &str, subcommands: &[(&str, &str)]) -> Outcome {
    let mut reply = node.reply(conn);
    reply.array(3 + 2 * subcommands.len());
    reply.simple(&format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (usage, summary) in subcommands {
        reply.simple(usage);
        reply.simple(&format!("    {summary}"));
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
    Ok(())
}
