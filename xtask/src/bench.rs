//! `cargo xtask bench <name>`: measurements beside a real peer, whose tables go into docs/benchmarks.md. One file a
//! benchmark; what they share: the servers (`bench/servers.rs`), the load and the probe (`bench/load.rs`), the page
//! (`bench/page.rs`).

mod journal;
mod load;
mod page;
mod servers;
mod snapshot;

use crate::Outcome;
use std::path::PathBuf;

/// What the command line asks of a benchmark.
pub struct Options {
    /// How many keys the servers hold.
    pub keys: u64,
    /// How often everything is measured; medians are shown.
    pub rounds: usize,
    /// Overwrites per second.
    pub rate: u64,
    /// A remark for the page: what was unusual about this run.
    pub note: Option<String>,
    /// Short spans and small files, to see whether it runs.
    pub quick: bool,
    /// Our program, if it is not to be built.
    pub program: Option<PathBuf>,
}

/// Runs with these words of the command line.
pub fn run(arguments: Vec<String>) -> Outcome<()> {
    let (name, options) = parse(arguments)?;
    match name.as_str() {
        "journal" => journal::run(&options),
        "snapshot" => snapshot::run(&options),
        _ => Err(format!("there is no benchmark `{name}`, only journal and snapshot")),
    }
}

fn parse(arguments: Vec<String>) -> Outcome<(String, Options)> {
    let mut options = Options { keys: 10_000_000, rounds: 3, rate: 20_000, note: None, quick: false, program: None };
    let mut arguments = arguments.into_iter();
    let name = arguments.next().ok_or("which benchmark? journal or snapshot")?;
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
            "--rounds" => options.rounds = number()? as usize,
            "--rate" => options.rate = number()?,
            "--note" => options.note = Some(value),
            "--program" => options.program = Some(PathBuf::from(value)),
            _ => {
                return Err(format!(
                    "`bench` knows --keys, --rounds, --rate, --note, --quick and --program, not {argument}"
                ));
            }
        }
    }
    Ok((name, options))
}
