//! The random comparison with Redis 7.0 at any length: `cargo xtask compare [--commands N] [--seed N]`. Ends with an error
//! if a reply is neither that of Redis 7.0 nor, for a reason that is written down, that of 7.2, or if the data differ.

#![allow(clippy::disallowed_methods, reason = "a development tool")]

use peertest::comparison::Comparison;
use std::time::Instant;

/// Commands between two lines about how far it is.
const STEP: usize = 100_000;

fn main() -> Result<(), String> {
    let (mut commands, mut seed) = (1_000_000, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (argument.as_str(), number) {
            ("--commands", Some(number)) => commands = number as usize,
            ("--seed", Some(number)) => seed = number,
            _ => return Err(format!("compare takes --commands N and --seed N, not {argument}")),
        }
    }
    let start = Instant::now();
    let mut comparison = Comparison::start(seed);
    while comparison.tally().total() < commands {
        comparison.run(STEP.min(commands - comparison.tally().total()));
        let (done, seconds) = (comparison.tally().total(), start.elapsed().as_secs_f64());
        eprintln!(
            "{done} commands in {seconds:.0} s, {} kinds of differences",
            comparison.tally().newer.len() + comparison.tally().different.len()
        );
    }
    let differences = comparison.finish();
    let tally = comparison.tally();
    println!("seed {seed}\n{}\n{}", tally.report(), tally.coverage());
    differences.iter().for_each(|text| println!("DATA DIFFER {text}"));
    match differences.is_empty() && tally.unexplained().is_empty() {
        true => Ok(()),
        false => Err("there are differences that nobody has explained".to_owned()),
    }
}
