//! `sim --seed N [--storm] [--steps M] [--trace] [--sabotage NAME] [--only INVARIANT]` runs one seed, `sim --seeds A..B` many.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;

use sim::{Figures, INVARIANTS, Options, Sabotage, failure_text, run, run_many};

const USAGE: &str = "usage: sim --seed N | --seeds A..B  [--storm] [--steps M] [--trace] [--threads T] [--sabotage NAME] \
[--only INVARIANT]…";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            ExitCode::from(2)
        }
        Ok((options, None, _)) => one(&options),
        Ok((options, Some(seeds), threads)) => many(&options, seeds, threads),
    }
}

fn one(options: &Options) -> ExitCode {
    let outcome = run(options);
    println!("seed {}: {} simulated seconds, {}", outcome.seed, outcome.seconds, outcome.figures);
    println!("trace: {} lines, sum {:016x}", outcome.trace.1, outcome.trace.0);
    match failure_text(options, &outcome) {
        None => ExitCode::SUCCESS,
        Some(text) => {
            println!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn many(options: &Options, seeds: Range<u64>, threads: usize) -> ExitCode {
    let sum = Mutex::new((Figures::default(), 0u64));
    run_many(seeds.clone(), options, threads, |options, outcome| {
        let mut sum = sum.lock().expect("nobody panics with it");
        sum.0.add(&outcome.figures);
        if let Some(violation) = &outcome.violation {
            sum.1 += 1;
            println!("seed {} violates {}: {}", outcome.seed, violation.invariant, violation.text);
            println!("  replay: {}", options.replay_line());
        }
    });
    let (figures, failed) = sum.into_inner().expect("nobody panics with it");
    println!("{} seeds, {failed} failed: {figures}", seeds.end - seeds.start);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(Options, Option<Range<u64>>, usize), String> {
    let mut options = Options::of_seed(0);
    let (mut seeds, mut threads) = (None, 2);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--trace" => {
                options.print_trace = true;
                continue;
            }
            "--storm" => {
                options.storm = true;
                continue;
            }
            _ => {}
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
        match word.as_str() {
            "--seed" => options.seed = number()?,
            "--steps" => options.steps = number()?,
            "--threads" => threads = number()? as usize,
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or("--seeds wants A..B")?;
                let bound = |text: &str| text.parse::<u64>().map_err(|error| format!("--seeds {value}: {error}"));
                seeds = Some(bound(from)?..bound(to)?);
            }
            "--sabotage" => {
                options.sabotage = Some(Sabotage::named(&value).ok_or_else(|| format!("no sabotage '{value}'"))?);
            }
            "--only" => {
                let name = INVARIANTS.into_iter().find(|name| *name == value);
                options.only.push(name.ok_or_else(|| format!("no invariant '{value}'"))?);
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok((options, seeds, threads))
}
