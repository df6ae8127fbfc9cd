//! `cargo xtask bench memory`: bytes per key, ours beside the peers': what INFO's used_memory and the resident set have
//! grown by when a million keys of one shape are in, divided by their number.

use super::servers::{Programs, Server};
use super::shapes::{NAME_BYTES, Shape, fill};
use super::{Options, page};
use crate::Outcome;

const KEYS: u64 = 1_000_000;
const QUICK_KEYS: u64 = 200_000;
const PEERS: [&str; 3] = ["valkey91", "redis80", "redis70"];

const SHAPES: [Shape; 8] = [
    Shape::Text(8),
    Shape::Text(64),
    Shape::Text(1000),
    Shape::Number,
    Shape::Hash(5),
    Shape::List(10),
    Shape::Set(10),
    Shape::ZSet(10),
];

/// Bytes per key.
#[derive(Clone, Copy)]
struct PerKey {
    used: f64,
    resident: f64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let programs = Programs::find(options.program.as_deref())?;
    let keys = if options.quick { QUICK_KEYS } else { KEYS };
    let wanted = |shape: &Shape| options.only.as_ref().is_none_or(|only| shape.name().contains(only));
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    for shape in SHAPES.into_iter().filter(wanted) {
        let mut columns = Vec::new();
        for place in 0..=PEERS.len() {
            let server = start(&programs, place)?;
            columns.push(measure(&server, shape, keys)?);
            if names.len() < columns.len() {
                names.push(server.name.clone());
            }
        }
        let line = line(shape, &columns);
        println!("{line}");
        lines.push(line);
    }
    let body = report(options, keys, &machine, &names, &lines);
    // A part would stand on the page as if it were the whole.
    if options.quick || options.only.is_some() { Ok(()) } else { page::write_section("Memory", &body) }
}

fn start(programs: &Programs, place: usize) -> Outcome<Server> {
    match place.checked_sub(1) {
        None => programs.start(super::servers::Kind::Ours, &[]),
        Some(peer) => Server::peer(PEERS[peer]),
    }
}

fn measure(server: &Server, shape: Shape, keys: u64) -> Outcome<PerKey> {
    let before = state(server)?;
    fill(server, keys, |_| (shape, false))?;
    let after = state(server)?;
    let per_key = |before: u64, after: u64| after.saturating_sub(before) as f64 / keys as f64;
    Ok(PerKey { used: per_key(before.0, after.0), resident: per_key(before.1, after.1) })
}

/// What the server counts and what the system counts for it, without memory that waits to be used again.
fn state(server: &Server) -> Outcome<(u64, u64)> {
    let purge = server.connect()?.call(&[b"MEMORY", b"PURGE"]);
    purge.map_err(|error| format!("{}: MEMORY PURGE: {error}", server.name))?;
    Ok((server.number("used_memory")?, server.memory().resident))
}

fn line(shape: Shape, columns: &[PerKey]) -> String {
    let mut line = format!("| {} |", shape.name());
    columns.iter().for_each(|column| line += &format!(" {:.0} / {:.0} |", column.used, column.resident));
    let (ours, valkey) = (columns[0], columns[1]);
    line + &format!(" {:.2}× / {:.2}× |", ours.used / valkey.used, ours.resident / valkey.resident)
}

fn report(options: &Options, keys: u64, machine: &str, names: &[String], lines: &[String]) -> String {
    let mut body = format!(
        "`cargo xtask bench memory`: bytes per key, of {keys} keys with names of {NAME_BYTES} bytes, by the growth of \
         used_memory / of the resident set. Fields have values of 16 bytes, elements and members are 4 bytes long, scores \
         have six decimals.\n\n{machine}\n",
    );
    if let Some(program) = &options.program {
        body += &format!("\nOurs was built before, not from this commit: {}.\n", program.display());
    }
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    body += "\n| |";
    names.iter().for_each(|name| body += &format!(" {name} |"));
    body +=
        &format!(" ours : {} |\n|---|{}\n", names.get(1).map_or("", String::as_str), "---:|".repeat(names.len() + 1));
    body + &lines.join("\n") + "\n"
}
