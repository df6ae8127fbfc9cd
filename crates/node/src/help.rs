//! The replies of the HELP subcommands: every container lists its own in one layout.

use commands::{Error, Outcome};
use resp::Args;

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

/// How much of a subcommand's name a refusal quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 128;

/// The refusal of a subcommand that does not take these arguments, as far as its arity does not say so.
pub(crate) fn wrong_arguments(args: &Args<'_>) -> Error {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(&args[1][..args[1].len().min(QUOTED_BYTES_MAX)]);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(&args[0].to_ascii_uppercase());
    text.extend_from_slice(b" HELP.");
    Error::Bytes(text)
}
