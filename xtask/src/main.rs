//! Development tasks: `cargo xtask <task>`. Each task is a module with a `run`; nothing here is part of the server.
//! Start with `test.rs`, whose table of stages is what continuous integration runs.

#![allow(clippy::disallowed_methods, reason = "a development tool: it reads files, runs programs and takes the time")]

mod bench;
mod clients;
mod fuzz;
mod miri;
mod peers;
mod server;
mod test;
mod tidy;
mod transcripts;
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
  bench throughput [--quick] [--only TEXT] [--rounds N] [--note TEXT] [--program FILE]
                           measure beside Valkey 9.1, Redis 8.0 and Redis 7.0 and write the table into
                           docs/benchmarks.md; TEXT: only what has it in its name, or with --quick: not written
  bench memory [--quick] [--only TEXT] [--note TEXT] [--program FILE]
                           bytes per key beside the same peers; as above
  bench load [--quick] [--rounds N] [--note TEXT] [--program FILE]
                           how long a start takes that loads a file of 2 GB, beside Valkey 9.1; as above
  bench snapshot [--keys N] [--rounds N] [--rate N] [--note TEXT] [--program FILE]
  bench journal [--quick] [--rounds N] [--note TEXT] [--program FILE]
                           measure beside Valkey 9.1 and write the table into docs/benchmarks.md; FILE: ours,
                           already built
  fuzz [--seconds N] [TARGET [INPUT]]
                           search for inputs that the parsers of outside bytes cannot bear, N seconds a target (20);
                           INPUT: run this one only
  miri                     run the tests of the table's unsafe code under Miri, or, where that is not installed, under
                           the address sanitizer
  clients                  drive our binary with redis-py, ioredis, node-redis, rq, Celery, BullMQ and the peers'
                           redis-cli
  record [--peer NAME] FILE…
                           write into transcripts of data commands what a real peer (valkey80) makes of them
  transcripts coverage     name commands and options that no transcript uses, and commands without an error or a
                           WRONGTYPE in one
  compare [--commands N] [--seed N]
                           random commands to ours and to Redis 7.0: every reply compared, then all data, after a reload,
                           a restart and on replicas (docs/testing.md)
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
    let mut words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if words.is_empty() || words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let task = words.remove(0);
    match task.as_str() {
        "test" => test::run(&words),
        "bench" => bench::run(words),
        "clients" => no_arguments(&words).and_then(|()| clients::run()),
        "fuzz" => fuzz::run(words),
        "miri" => no_arguments(&words).and_then(|()| miri::run()),
        "record" => record(&words),
        "compare" => compare(&words),
        "tidy" => no_arguments(&words).and_then(|()| tidy::run()),
        "transcripts" => transcripts::run(&words),
        "peers" => no_arguments(&words).and_then(|()| peers::run()),
        _ => Err(format!("there is no task `{task}`\n\n{HELP}")),
    }
}

/// The recorder lives with the tests that run transcripts on real servers.
fn record(words: &[String]) -> Outcome<()> {
    let mut command = std::process::Command::new(workspace::cargo());
    command.args(["run", "--quiet", "-p", "peertest", "--bin", "record", "--"]).args(words);
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err("nothing was recorded from there on".to_owned()) }
}

/// So does the comparison.
fn compare(words: &[String]) -> Outcome<()> {
    let mut command = std::process::Command::new(workspace::cargo());
    command.args(["run", "--quiet", "-p", "peertest", "--bin", "compare", "--"]).args(words);
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err("see above for what differs".to_owned()) }
}

fn no_arguments(words: &[String]) -> Outcome<()> {
    match words.first() {
        Some(argument) => Err(format!("this task takes no argument, not `{argument}` either")),
        None => Ok(()),
    }
}
