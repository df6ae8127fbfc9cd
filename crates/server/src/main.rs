//! The `lockstep` program: `lockstep server` runs a server, `lockstep demo` shows replication at work. Under a name
//! that ends in `-server` it is a server at once, so that it can stand in for the peers' programs.

#![allow(
    clippy::disallowed_methods,
    reason = "the shell: the only place that reads clocks, opens files and sockets, starts threads"
)]

mod checks;
mod clock;
mod demo;
mod files;
mod gather;
mod host;
mod jobs;
mod limits;
mod logger;
mod memory;
mod poller;
mod reads;
mod ring;
mod shell;
mod signals;
mod sockets;
mod startup;
mod supervisor;
mod surroundings;
mod syslog;
mod system;

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use config::Config;
use node::LogLevel;
use persist::rdb::Target;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Files that the server needs besides one for each client.
pub const RESERVED_FILES: u64 = 32;

const USAGE: &str = "\
Usage: lockstep server [/path/to/redis.conf] [--directive value ...] [-]
       lockstep demo [--seconds N]
       lockstep --version | --help

server  Runs a server with the settings of a redis.conf, of `--directive value`
        pairs, and of standard input where a lone - is
        the first or the last word.
demo    Starts a master, a replica and a replica of that replica on free ports,
        writes to the master, cuts and restores the middle link, and shows it all.
";

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(OsStringExt::into_vec);
    let program = words.next().unwrap_or_default();
    let rest: Vec<Vec<u8>> = words.collect();
    if program.ends_with(b"-server") {
        return server(&rest);
    }
    match rest.first().map(|word| String::from_utf8_lossy(word)).as_deref() {
        Some("server") => server(&rest[1..]),
        Some("demo") => {
            let words: Vec<String> = rest[1..].iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            demo::run(&words)
        }
        Some("--version" | "-v") => {
            println!("{}", startup::version_line());
            ExitCode::SUCCESS
        }
        Some("--help" | "-h") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn server(words: &[Vec<u8>]) -> ExitCode {
    match words {
        [word] if word == b"--version" || word == b"-v" => {
            println!("{}", startup::version_line());
            return ExitCode::SUCCESS;
        }
        [word] if word == b"--help" || word == b"-h" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let first = words.first().map(|word| String::from_utf8_lossy(word));
    if let Some(code) = checks::answer(first.as_deref()) {
        return code;
    }
    match startup::run(words) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Twenty fresh random bytes. A system without entropy can't run a server that others must be able to tell apart.
pub fn entropy() -> [u8; 20] {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// An error of the system in its own words, without the number that Rust puts behind them.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The level of the log that the settings ask for.
pub fn log_level(config: &Config) -> LogLevel {
    match config.loglevel {
        config::LogLevel::Debug => LogLevel::Debug,
        config::LogLevel::Verbose => LogLevel::Verbose,
        config::LogLevel::Notice => LogLevel::Notice,
        config::LogLevel::Warning | config::LogLevel::Nothing => LogLevel::Warning,
    }
}

/// The lowest version of the RDB format that files are written in.
pub fn file_version(config: &Config) -> Target {
    config.rdb_version.and_then(Target::of_number).unwrap_or(Target::LOWEST)
}
