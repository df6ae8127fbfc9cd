//! `cargo xtask test`: everything that must hold before a change goes in, stage after stage, stopping at the first that
//! fails. A further stage is one row of `STAGES`. How programs are run and their tests counted: `test/runner.rs`.

mod runner;

use crate::{Outcome, clients, fuzz, miri, peers, tidy, transcripts};
use runner::Count;
use std::time::{Duration, Instant};

/// One thing to check.
struct Stage {
    name: &'static str,
    /// Left out by `--fast`.
    long: bool,
    work: Work,
}

/// What a stage does.
enum Work {
    /// A task of ours; counts as one check.
    Task(fn() -> Outcome<()>),
    /// cargo with these arguments; counts as one check.
    Cargo(&'static [&'static str]),
    /// A test runner (nextest if installed, else cargo test) over the packages that these arguments select.
    Tests(&'static [&'static str]),
}

/// In the order of what fails fastest.
const STAGES: &[Stage] = &[
    Stage { name: "peers", long: false, work: Work::Task(peers::run) },
    Stage { name: "fmt", long: false, work: Work::Cargo(&["fmt", "--all", "--check"]) },
    Stage { name: "tidy", long: false, work: Work::Task(tidy::run) },
    Stage {
        name: "clippy",
        long: false,
        work: Work::Cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    // Tests that start our server look for it beside themselves.
    Stage {
        name: "binary",
        long: false,
        work: Work::Cargo(&["build", "--quiet", "-p", "server", "--bin", "lockstep"]),
    },
    Stage { name: "transcripts", long: false, work: Work::Task(transcripts::coverage) },
    Stage { name: "tests", long: false, work: Work::Tests(&["--workspace", "--exclude", "peertest"]) },
    Stage { name: "doctests", long: false, work: Work::Cargo(&["test", "--quiet", "--workspace", "--doc"]) },
    Stage { name: "clients", long: true, work: Work::Task(clients::run) },
    Stage { name: "miri", long: true, work: Work::Task(miri::run) },
    Stage { name: "fuzz", long: true, work: Work::Task(fuzz::run_default) },
    Stage { name: "processes", long: true, work: Work::Tests(&["-p", "peertest"]) },
];

/// Runs the stages named, or all.
pub fn run(words: &[String]) -> Outcome<()> {
    let mut fast = false;
    let mut names = Vec::new();
    for word in words {
        match word.as_str() {
            "--fast" => fast = true,
            "--list" => {
                STAGES.iter().for_each(|stage| println!("{}{}", stage.name, if stage.long { " (long)" } else { "" }));
                return Ok(());
            }
            option if option.starts_with('-') => return Err(format!("`test` knows --fast and --list, not {option}")),
            name => names.push(name.to_owned()),
        }
    }
    let selected = select(&names, fast)?;
    let mut times = Vec::new();
    let mut total = Count::default();
    let mut failed = None;
    for stage in &selected {
        println!("── {} ──", stage.name);
        let start = Instant::now();
        let (count, outcome) = work(&stage.work);
        total.add(count);
        times.push((stage.name, start.elapsed()));
        if let Err(reason) = outcome {
            failed = Some((stage.name, reason));
            break;
        }
    }
    summarise(&times, fast, names.is_empty());
    match failed {
        Some((name, reason)) => {
            eprintln!("xtask: stage `{name}` failed: {reason}");
            println!("{} passed, {} failed", total.passed, total.failed.max(1));
            std::process::exit(1);
        }
        None => {
            println!("{} passed, {} failed", total.passed, total.failed);
            Ok(())
        }
    }
}

fn select(names: &[String], fast: bool) -> Outcome<Vec<&'static Stage>> {
    if let Some(name) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != **name)) {
        let known: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        return Err(format!("there is no stage `{name}`, only {}", known.join(", ")));
    }
    let wanted = |stage: &&Stage| match names.is_empty() {
        true => !(fast && stage.long),
        false => names.iter().any(|name| name == stage.name),
    };
    Ok(STAGES.iter().filter(wanted).collect())
}

fn work(work: &Work) -> (Count, Outcome<()>) {
    match work {
        Work::Task(task) => runner::one_check(task()),
        Work::Cargo(arguments) => runner::one_check(runner::cargo(arguments)),
        Work::Tests(packages) => runner::tests(packages),
    }
}

fn summarise(times: &[(&str, Duration)], fast: bool, all: bool) {
    println!("── time ──");
    for (name, time) in times {
        println!("{name:<12} {:>7.1} s", time.as_secs_f64());
    }
    let left_out: Vec<_> = STAGES.iter().filter(|stage| stage.long).map(|stage| stage.name).collect();
    if fast && all {
        println!("NOT RUN because of --fast: {}. This is not the whole test.", left_out.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], fast: bool) -> Vec<&'static str> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        select(&names, fast).expect("known stages").iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn fast_leaves_out_the_long_stages_and_naming_them_wins() {
        assert!(names(&[], false).contains(&"processes"));
        assert!(!names(&[], true).contains(&"processes"));
        assert_eq!(names(&["processes", "tidy"], true), ["tidy", "processes"]);
    }

    #[test]
    fn an_unknown_stage_is_refused() {
        assert!(select(&["typo".to_owned()], false).is_err());
    }
}
