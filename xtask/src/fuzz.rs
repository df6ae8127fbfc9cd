//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/` for a bounded time each. Only the toolchain and a C++ compiler are
//! needed: libFuzzer comes as source with a crate, coverage is a pass of the compiler, and the address sanitizer is in
//! the toolchain; where it is not, the targets run without it.

use crate::{Outcome, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One program of `fuzz/targets/`.
struct Target {
    name: &'static str,
    /// The longest input that is tried: what is reached by longer ones is reached by these.
    input_bytes_max: u32,
    /// Inputs beside `fuzz/seeds/<name>/`, from the root.
    more_seeds: Option<&'static str>,
}

const TARGETS: &[Target] = &[
    // Beyond the 64 KiB at which a line is too long.
    Target { name: "request_parser", input_bytes_max: 70_000, more_seeds: None },
    Target { name: "configuration", input_bytes_max: 4_000, more_seeds: None },
    Target { name: "rdb_decoder", input_bytes_max: 10_000, more_seeds: Some("crates/persist/tests/fixtures") },
    Target { name: "restore", input_bytes_max: 3_000, more_seeds: None },
];

const SECONDS_DEFAULT: u64 = 20;
/// How much of a failed run is shown: the message, the stack and the input.
const REPORT_LINES_MAX: usize = 80;
/// More resident memory than this is a finding.
const RESIDENT_MIB_MAX: u32 = 1024;
/// An input that takes longer is a finding.
const INPUT_SECONDS_MAX: u32 = 10;

/// What makes the compiler count edges and comparisons for libFuzzer.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What the command line asks for.
struct Request {
    seconds: u64,
    target: Option<&'static Target>,
    /// One input to run instead of searching for others.
    input: Option<PathBuf>,
}

/// The stage of `cargo xtask test`.
pub fn run_default() -> Outcome<()> {
    run(Vec::new())
}

/// Runs with these words of the command line: `[--seconds N] [TARGET [INPUT]]`.
pub fn run(arguments: Vec<String>) -> Outcome<()> {
    let request = parse(arguments)?;
    let programs = build()?;
    if let (Some(target), Some(input)) = (request.target, &request.input) {
        return replay(&programs, target, input);
    }
    let mut findings = Vec::new();
    for target in TARGETS.iter().filter(|target| request.target.is_none_or(|wanted| wanted.name == target.name)) {
        if let Err(reason) = search(&programs, target, request.seconds) {
            eprintln!("{reason}");
            findings.push(target.name);
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("fuzz: failed: {}", findings.join(", "))) }
}

fn parse(arguments: Vec<String>) -> Outcome<Request> {
    let mut request = Request { seconds: SECONDS_DEFAULT, target: None, input: None };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let value = arguments.next().unwrap_or_default();
            request.seconds = value.parse().map_err(|_| format!("--seconds takes a number, not `{value}`"))?;
        } else if argument.starts_with('-') {
            return Err(format!("`fuzz` knows --seconds N, not {argument}"));
        } else if request.target.is_none() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            let target = TARGETS.iter().find(|target| target.name == argument);
            request.target = Some(target.ok_or(format!("no target `{argument}`, only {}", names.join(", ")))?);
        } else if request.input.is_none() {
            request.input = Some(PathBuf::from(argument));
        } else {
            return Err(format!("one input at a time, not `{argument}` too"));
        }
    }
    Ok(request)
}

/// Where our build results go: beside those of other builds, which have other flags.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from);
    target.join("fuzz")
}

/// Builds all targets: the folder of their programs.
fn build() -> Outcome<PathBuf> {
    let (host, sysroot) = toolchain()?;
    let mut flags = COVERAGE.join("\u{1f}");
    let mut command = Command::new(workspace::cargo());
    // Naming the host as the target keeps the flags away from build scripts.
    command.args(["build", "--quiet", "--release", "--bins", "--target", &host]);
    command.arg("--target-dir").arg(folder()).current_dir(workspace::root().join("fuzz"));
    if has_sanitizer(&sysroot.join("lib/rustlib").join(&host).join("lib")) {
        // The stable compiler has the sanitizer but lets only itself and its own build ask for it.
        flags.push_str("\u{1f}-Zsanitizer=address");
        command.env("RUSTC_BOOTSTRAP", "1");
        println!("fuzz: with coverage and the address sanitizer");
    } else {
        println!("fuzz: with coverage only: this toolchain has no address sanitizer");
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags).env_remove("RUSTFLAGS");
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err("the fuzz targets cannot be built; needed are the Rust toolchain and a C++ compiler".to_owned());
    }
    Ok(folder().join(host).join("release"))
}

/// The host's triple and the toolchain's folder.
fn toolchain() -> Outcome<(String, PathBuf)> {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let ask = |arguments: &[&str]| -> Outcome<String> {
        let output = Command::new(&rustc).args(arguments).output();
        let output = output.map_err(|error| format!("rustc cannot be started: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let version = ask(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc -vV names no host")?;
    Ok((host.to_owned(), PathBuf::from(ask(&["--print", "sysroot"])?)))
}

fn has_sanitizer(libraries: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(libraries) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("_rt.asan.a"))
}

/// Searches from the seeds and from what earlier runs kept.
fn search(programs: &Path, target: &Target, seconds: u64) -> Outcome<()> {
    let root = workspace::root();
    let corpus = folder().join("corpus").join(target.name);
    let artifacts = root.join("fuzz/artifacts").join(target.name);
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = program(programs, target);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", target.input_bytes_max),
        format!("-artifact_prefix={}/", artifacts.display()),
        "-print_funcs=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    command.arg(corpus).arg(root.join("fuzz/seeds").join(target.name));
    command.args(target.more_seeds.map(|folder| root.join(folder)));
    let output = command.output().map_err(|error| format!("{} cannot be started: {error}", target.name))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        println!("fuzz: {}: {} inputs in {seconds} s, nothing found", target.name, inputs_tried(&report));
        return Ok(());
    }
    let lines: Vec<_> = report.lines().collect();
    let name = target.name;
    Err(format!(
        "{}\nfuzz: {name} found an input it must not fail on, kept in fuzz/artifacts/{name}/ (`Test unit written to` \
         above).\nfuzz: again: cargo xtask fuzz {name} FILE",
        lines[lines.len().saturating_sub(REPORT_LINES_MAX)..].join("\n")
    ))
}

/// What the program says at its end of how many inputs it ran.
fn inputs_tried(report: &str) -> &str {
    let stat = report.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    stat.map_or("an unknown number of", str::trim)
}

fn replay(programs: &Path, target: &Target, input: &Path) -> Outcome<()> {
    let status = program(programs, target).arg(input).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{} fails on {}", target.name, input.display())) }
}

fn program(programs: &Path, target: &Target) -> Command {
    let mut command = Command::new(programs.join(target.name));
    command.args([format!("-rss_limit_mb={RESIDENT_MIB_MAX}"), format!("-timeout={INPUT_SECONDS_MAX}")]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Outcome<Request> {
        parse(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn every_target_has_a_program_and_seeds() {
        let fuzz = workspace::root().join("fuzz");
        for target in TARGETS {
            assert!(fuzz.join("targets").join(format!("{}.rs", target.name)).exists(), "{}", target.name);
            let seeds = std::fs::read_dir(fuzz.join("seeds").join(target.name));
            assert!(seeds.is_ok_and(|mut seeds| seeds.next().is_some()), "{}", target.name);
        }
    }

    #[test]
    fn seconds_a_target_and_an_input_are_understood() {
        let request = parsed(&["restore", "--seconds", "3", "crash-1"]).expect("as the help says");
        assert_eq!((request.seconds, request.target.map(|target| target.name)), (3, Some("restore")));
        assert_eq!(request.input, Some(PathBuf::from("crash-1")));
        for wrong in [&["--seconds"][..], &["--seconds", "x"], &["typo"], &["--typo"], &["restore", "a", "b"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
