//! MONITOR: shows a connection every command that clients send.

use std::fmt::Write;

use commands::{Error, Flags, Meta, Outcome, Row};
use resp::{Args, Reply};

use crate::client::{ConnId, Kind, ReplyMode};
use crate::node::Node;
use crate::redact::{REDACTED, secrets};
use crate::table::{CommandId, ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[MONITOR];

/// Shows everything that clients send.
const MONITOR: ServerRow = Row {
    name: "monitor",
    meta: Meta::new("server", "1.0.0", 1, Flags::ADMIN.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE))
        .about("Shows every command that the server gets.", ""),
    run: monitor as ServerFn,
    subcommands: &[],
};

fn monitor(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.running_inside_exec() {
        return Err(Error::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if node.clients[conn].monitor || node.clients[conn].kind == Kind::Replica {
        return Ok(()); // No reply at all: so do the peers.
    }
    node.clients[conn].monitor = true;
    node.monitors.push(conn);
    node.reply(conn).simple("OK");
    Ok(())
}

impl Node {
    /// Shows a command that was called to whoever monitors, unless it is one that must not be seen.
    pub(crate) fn feed_monitors(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) {
        if self.monitors.is_empty() {
            return;
        }
        let meta = self.table.get(id).row.meta();
        if meta.flags.has(Flags::SKIP_MONITOR) || meta.flags.has(Flags::ADMIN) {
            return;
        }
        let Some(client) = self.clients.get(conn) else { return }; // It killed its own connection.
        let micros = self.host.unix_micros();
        let mut line = format!("{}.{:06} [{} {}]", micros / 1_000_000, micros % 1_000_000, client.db, client.peer.addr);
        let secrets = secrets(&self.table.get(id).full_name, args);
        for (at, arg) in args.iter().enumerate() {
            let shown = if secrets.contains(&at) { REDACTED } else { arg };
            write!(line, " \"{}\"", escape(shown)).expect("a string takes all text");
        }
        for watcher in self.monitors.clone() {
            match self.clients.get_mut(watcher) {
                Some(client) if client.monitor => {
                    // A line stands behind the reply to the monitor's own command, never inside it.
                    let out = if client.executing { &mut client.pushes } else { &mut client.outbox };
                    if client.reply_mode == ReplyMode::On {
                        Reply::new(out, client.proto).simple(&line);
                    }
                    self.clients.mark_dirty(watcher);
                    self.check_output_limit(watcher);
                }
                _ => self.monitors.retain(|other| *other != watcher),
            }
        }
    }
}

/// Bytes as the peers print them between quotes.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'"' => text.push_str("\\\""),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(*byte as char),
            other => write!(text, "\\x{other:02x}").expect("a string takes all text"),
        }
    }
    text
}
