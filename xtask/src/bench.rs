//! `cargo xtask bench <name>`: measurements beside a real peer, whose tables go into docs/benchmarks.md. One file a
//! benchmark; what they share: the servers (`bench/servers.rs`), the load and the probe (`bench/load.rs`), the page
//! (`bench/page.rs`).

mod bigvalues;
mod counts;
mod eviction;
mod journal;
mod load;
mod loading;
mod memory;
mod page;
mod replication;
mod servers;
mod shapes;
mod snapshot;
mod throughput;

use crate::Outcome;
use std::path::PathBuf;

/// What the command line asks of a benchmark.
pub struct Options {
    /// How many keys the servers hold.
    pub keys: u64,
    /// How many requests are sent.
    pub requests: u64,
    /// How often everything is measured; medians are shown.
    pub rounds: usize,
    /// Overwrites per second.
    pub rate: u64,
    /// A remark for the page: what was unusual about this run.
    pub note: Option<String>,
    /// Our program, if it is not to be built.
    pub program: Option<PathBuf>,
    /// Only what has this in its name.
    pub only: Option<String>,
    /// A short run: to see that all works, not for the page.
    pub quick: bool,
}

type Benchmark = fn(&Options) -> Outcome<()>;

/// The benchmarks by name.
const ALL: &[(&str, Benchmark)] = &[
    ("bigvalues", bigvalues::run),
    ("counts", counts::run),
    ("eviction", eviction::run),
    ("journal", journal::run),
    ("load", loading::run),
    ("memory", memory::run),
    ("replication", replication::run),
    ("snapshot", snapshot::run),
    ("throughput", throughput::run),
];

/// Runs with these words of the command line.
pub fn run(arguments: Vec<String>) -> Outcome<()> {
    let (name, options) = parse(arguments)?;
    match ALL.iter().find(|(known, _)| *known == name) {
        Some((_, run)) => run(&options),
        None => Err(format!("there is no benchmark `{name}`, only {}", names())),
    }
}

fn names() -> String {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

fn parse(arguments: Vec<String>) -> Outcome<(String, Options)> {
    let mut arguments = arguments.into_iter();
    let name = arguments.next().ok_or_else(|| format!("which benchmark? There are {}", names()))?;
    let mut options = Options {
        keys: if name == "eviction" { 500_000 } else { 10_000_000 },
        requests: 6_000_000,
        rounds: 3,
        rate: 20_000,
        note: None,
        program: None,
        only: None,
        quick: false,
    };
    while let Some(argument) = arguments.next() {
        if argument == "--quick" {
            options.quick = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{argument} takes a value"))?;
        let number = || value.parse::<u64>().ok().filter(|number| *number > 0);
        let number = || number().ok_or(format!("{argument} takes a number, not `{value}`"));
        match argument.as_str() {
            "--keys" => options.keys = number()?,
            "--requests" => options.requests = number()?,
            "--rounds" => options.rounds = number()? as usize,
            "--rate" => options.rate = number()?,
            "--only" => options.only = Some(value),
            "--note" => options.note = Some(value),
            "--program" => options.program = Some(PathBuf::from(value)),
            _ => {
                let known = "--quick, --only, --keys, --requests, --rounds, --rate, --note and --program";
                return Err(format!("`bench` knows {known}, not {argument}"));
            }
        }
    }
    Ok((name, options))
}
