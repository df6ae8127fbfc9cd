//! Development tasks: `cargo xtask <task>`. Each task is a module with a `run`; nothing here is part of the server.
//! Start with `test.rs`, whose table of stages is what continuous integration runs.

#![allow(clippy::disallowed_methods, reason = "a development tool: it reads files, runs programs and takes the time")]

mod bench;
mod clients;
mod fuzz;
mod peers;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

/// What a task ends with: the error is for people and already says what to do.
pub type Outcome<T> = Result<T, String>;

const HELP: &str = "\
usage: cargo xtask <task>

tasks:
  test [--fast] [STAGE…]   fetch the peers, check the code, run every test; the stages named, or all of them.
                           --fast leaves out the long stages
  test --list              name the stages
  bench snapshot [--keys N] [--rounds N] [--rate N] [--note TEXT] [--program FILE]
                           measure beside Valkey 9.1 and write the table into docs/benchmarks.md; FILE: ours,
                           already built
  fuzz [--seconds N] [TARGET [INPUT]]
                           search for inputs that the parsers of outside bytes cannot bear, N seconds a target (20);
                           INPUT: run this one only
  clients                  drive our binary with redis-py, ioredis, node-redis and the peers' redis-cli
  tidy                     check what no compiler checks: headers, imports, sizes, words that must not stay
  peers                    fetch the real Redis and Valkey that tests run against, into target/peers
                           (or the folder that $LOCKSTEP_PEERS names); neither root nor the system is touched
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    // These take options with values.
    let mut raw = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match raw.next().as_deref() {
        Some("bench") => return bench::run(raw.collect()),
        Some("fuzz") => return fuzz::run(raw.collect()),
        _ => {}
    }
    let mut arguments = lexopt::Parser::from_env();
    let mut words = Vec::new();
    let mut options = Vec::new();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            lexopt::Arg::Long(name) => options.push(name.to_owned()),
            lexopt::Arg::Short('h') => options.push("help".to_owned()),
            other @ lexopt::Arg::Short(_) => return Err(other.unexpected().to_string()),
        }
    }
    if words.is_empty() || options.iter().any(|option| option == "help") {
        print!("{HELP}");
        return Ok(());
    }
    let task = words.remove(0);
    match task.as_str() {
        "test" => test::run(&words, &options),
        "clients" => no_arguments(&words, &options).and_then(|()| clients::run()),
        "tidy" => no_arguments(&words, &options).and_then(|()| tidy::run()),
        "peers" => no_arguments(&words, &options).and_then(|()| peers::run()),
        _ => Err(format!("there is no task `{task}`\n\n{HELP}")),
    }
}

fn no_arguments(words: &[String], options: &[String]) -> Outcome<()> {
    match words.first().or(options.first()) {
        Some(argument) => Err(format!("this task takes no argument, not `{argument}` either")),
        None => Ok(()),
    }
}
