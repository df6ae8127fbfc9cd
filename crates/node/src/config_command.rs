//! CONFIG: reads and changes the settings while the server runs. What a directive may hold is the business of the
//! `config` crate; here a change takes effect, or is taken back as a whole.

use commands::{Error, Flags, Meta, Outcome, Row};
use config::{Config, ProtectedAction, SetError};
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::pubsub::container;
use crate::stats::Stats;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[CONFIG];

const FLAGS: Flags = Flags::ADMIN.with(Flags::LOADING).with(Flags::NOSCRIPT).with(Flags::STALE);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// Reads and changes the settings.
const CONFIG: ServerRow = Row {
    name: "config",
    meta: Meta::new("server", "2.0.0", -2, Flags::NONE)
        .about("Reads and changes the settings.", "Depends on the subcommand."),
    run: container,
    subcommands: &[
        Row {
            name: "get",
            meta: Meta::new("server", "2.0.0", -3, FLAGS)
                .about("Returns settings.", "O(N) in the number of settings.")
                .usage("parameter:string..."),
            run: get as ServerFn,
            subcommands: &[],
        },
        Row {
            name: "set",
            meta: Meta::new("server", "2.0.0", -4, FLAGS)
                .about("Changes settings, all of them or none.", "O(N) in the number of settings given.")
                .usage("data{parameter:string value:string}...")
                .tips(EVERYWHERE),
            run: set,
            subcommands: &[],
        },
        Row {
            name: "rewrite",
            meta: Meta::new("server", "2.8.0", 2, FLAGS)
                .about("Writes the settings to the configuration file.", "O(1)")
                .tips(EVERYWHERE),
            run: rewrite,
            subcommands: &[],
        },
        Row {
            name: "resetstat",
            meta: Meta::new("server", "2.0.0", 2, FLAGS).about("Sets all counters to zero.", "O(1)").tips(EVERYWHERE),
            run: reset_stat,
            subcommands: &[],
        },
        Row {
            name: "help",
            meta: Meta::new("server", "5.0.0", 2, Flags::LOADING.with(Flags::STALE))
                .about("Lists the subcommands.", "O(1)"),
            run: help,
            subcommands: &[],
        },
    ],
};

fn get(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let patterns: Vec<&[u8]> = args.tail(2).iter().collect();
    let settings = node.config.get(&patterns);
    let mut reply = node.reply(conn);
    reply.map(settings.len());
    for (name, value) in settings {
        reply.bulk(&name);
        reply.bulk(&value);
    }
    Ok(())
}

fn set(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    let words: Vec<&[u8]> = args.tail(2).iter().collect();
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let protected = match node.config.enable_protected_configs {
        ProtectedAction::Yes => true,
        ProtectedAction::Local => node.clients[conn].peer.local,
        ProtectedAction::No => false,
    };
    node.change_settings(&pairs, protected).map_err(|refusal| Error::owned(refusal.0))?;
    node.reply(conn).ok();
    Ok(())
}

impl Node {
    /// Changes settings and puts them into effect: all, or none if one fails.
    fn change_settings(&mut self, pairs: &[(&[u8], &[u8])], protected: bool) -> Result<(), SetError> {
        let before = self.config.clone();
        let mut wanted = before.clone();
        let changed = wanted.set(pairs, protected)?;
        for (done, name) in changed.iter().enumerate() {
            if let Err(reason) = self.host.apply_setting(&wanted, name) {
                self.take_back(&before, &changed[..done]);
                self.log_warning(&format!("CONFIG SET {name}: {reason}"));
                return Err(SetError::of(name, public_reason(name).unwrap_or(&reason)));
            }
        }
        if changed.contains(&"dir")
            && let Some(directory) = self.host.working_directory()
        {
            wanted.dir = directory;
        }
        self.config = wanted;
        self.settings_changed();
        self.appendonly_changed();
        if changed.iter().any(|name| matches!(*name, "maxmemory" | "maxmemory-policy")) {
            self.maxmemory_changed();
        }
        if changed.contains(&"latency-tracking") && !self.config.latency_tracking {
            self.latency.forget_times();
        }
        Ok(())
    }

    /// Puts the old values of settings into effect again. They worked a moment ago; where one no longer does, the
    /// operator must know.
    fn take_back(&mut self, before: &Config, names: &[&'static str]) {
        for name in names {
            if let Err(reason) = self.host.apply_setting(before, name) {
                self.log_warning(&format!("CONFIG SET failed, and '{name}' could not be set back: {reason}"));
            }
        }
    }
}

/// What clients are told where the cause itself, with addresses and the like, is for the log.
fn public_reason(name: &str) -> Option<&'static str> {
    match name {
        "port" => Some("Unable to listen on this port. Check server logs."),
        "appendonly" => Some("Unable to turn on AOF. Check server logs."),
        "bind" => Some("Failed to bind to specified addresses."),
        _ => None,
    }
}

fn rewrite(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.host.process().config_file.is_empty() {
        return Err(Error::text("ERR The server is running without a config file"));
    }
    // A file that went away is written anew; one that can't be read must not be.
    let old = node.host.read_config_file();
    let text = old.and_then(|old| node.config.rewrite(old.as_deref()));
    if let Err(reason) = text.and_then(|text| node.host.write_config_file(&text)) {
        node.log_warning(&format!("CONFIG REWRITE failed: {reason}"));
        return Err(Error::owned(format!("ERR Rewriting config file: {reason}")));
    }
    node.log_notice("CONFIG REWRITE executed with success.");
    node.reply(conn).ok();
    Ok(())
}

fn reset_stat(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let stats = &mut node.stats;
    // What memory was once used is no count, and stays.
    let (memory_at_start, memory_peak, free) =
        (stats.memory_at_start, stats.memory_peak, std::mem::take(&mut stats.free));
    free.freed.store(0, std::sync::atomic::Ordering::Relaxed);
    *stats = Stats { memory_at_start, memory_peak, free, ..Stats::default() };
    node.keyspace.stats = keyspace::Stats::default();
    node.eviction.reset_stats();
    node.client_memory.evicted = 0;
    node.replication.peers.reset_stats();
    node.table.reset_stats();
    node.latency.forget_times();
    node.reply(conn).ok();
    Ok(())
}

fn help(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    crate::help::reply(
        node,
        conn,
        "CONFIG",
        &[
            ("GET <pattern>", "Return the settings whose names fit this pattern or one of more, with their values."),
            ("SET <directive> <value>", "Change one setting or more, all of them or none."),
            ("RESETSTAT", "Set the counters that INFO shows to zero."),
            ("REWRITE", "Write the settings to the configuration file."),
        ],
    )
}
