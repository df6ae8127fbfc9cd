//! INFO: what there is to know about the server, by section. Each section is a function that lists its fields, one line
//! a field, in the order in which the peers list them; fields of our own come last.

mod commands;
mod machine;
mod replication;
mod traffic;

use std::fmt::{Display, Write};

use ::commands::{Flags, Meta, Outcome, Row, is};
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::table::{ServerFn, ServerRow};

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[INFO];

/// Describes the server.
const INFO: ServerRow = Row {
    name: "info",
    meta: Meta::new("server", "1.0.0", -1, Flags::LOADING.with(Flags::STALE))
        .about("Describes the server in sections of fields.", "O(1)")
        .acl(::commands::Categories::DANGEROUS)
        .usage("[section:string...]")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    run: info as ServerFn,
    subcommands: &[],
};

/// One section: its name, whether it is shown unless asked otherwise, and its fields.
struct Section {
    name: &'static str,
    by_default: bool,
    write: fn(&Node, &mut Fields),
}

const fn shown(name: &'static str, write: fn(&Node, &mut Fields)) -> Section {
    Section { name, by_default: true, write }
}

const fn hidden(name: &'static str, write: fn(&Node, &mut Fields)) -> Section {
    Section { name, by_default: false, write }
}

const SECTIONS: [Section; 13] = [
    shown("Server", machine::server),
    shown("Clients", traffic::clients),
    shown("Memory", machine::memory),
    shown("Persistence", machine::persistence),
    shown("Stats", traffic::stats),
    shown("Replication", replication::replication),
    shown("CPU", machine::cpu),
    shown("Modules", |_, _| {}),
    hidden("Commandstats", commands::commandstats),
    shown("Errorstats", commands::errorstats),
    hidden("Latencystats", commands::latencystats),
    shown("Cluster", machine::cluster),
    shown("Keyspace", machine::keyspace),
];

fn info(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let wanted = args.tail(1);
    let has = |word: &str| wanted.iter().any(|section| is(section, word));
    let (all, everything) = (has("ALL"), has("EVERYTHING"));
    let default = wanted.is_empty() || has("DEFAULT");
    let mut fields = Fields::default();
    for section in &SECTIONS {
        let named = wanted.iter().any(|name| name.eq_ignore_ascii_case(section.name.as_bytes()));
        let chosen = named || all || everything || (default && section.by_default);
        if chosen {
            fields.begin(section.name);
            (section.write)(node, &mut fields);
        }
    }
    node.reply(conn).verbatim(b"txt", fields.text.as_bytes());
    Ok(())
}

/// The text being built.
#[derive(Default)]
pub(crate) struct Fields {
    text: String,
}

impl Fields {
    fn begin(&mut self, section: &str) {
        let gap = if self.text.is_empty() { "" } else { "\r\n" };
        self.put_raw(format_args!("{gap}# {section}\r\n"));
    }

    /// Adds a field.
    pub(crate) fn put(&mut self, name: &str, value: impl Display) {
        self.put_raw(format_args!("{name}:{value}\r\n"));
    }

    fn put_raw(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes all text");
    }

    /// Adds a size and the same for people.
    pub(crate) fn put_bytes(&mut self, name: &str, bytes: u64) {
        self.put(name, bytes);
        self.put(&format!("{name}_human"), human(bytes));
    }
}

/// A size for people: `1.50M`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10).min(5);
    format!("{:.2}{}", bytes as f64 / f64::powi(1024.0, power as i32), UNITS[power as usize])
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_are_written_for_people_as_the_peers_do() {
        assert_eq!(human(512), "512B");
        assert_eq!(human(2134376), "2.04M");
        assert_eq!(human(25274793984), "23.54G");
    }
}
