//! Runs cargo and the test runner, passes their output on and counts the tests in it.

use crate::{Outcome, workspace};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

/// Tests that passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
}

impl Count {
    /// Adds another count.
    pub fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Counts a check that is no test.
pub fn one_check(outcome: Outcome<()>) -> (Count, Outcome<()>) {
    let passed = u64::from(outcome.is_ok());
    (Count { passed, failed: 1 - passed }, outcome)
}

/// Runs cargo in the root of the checkout.
pub fn cargo(arguments: &[&str]) -> Outcome<()> {
    let status = cargo_command(arguments).status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}`: {status}", arguments.join(" "))) }
}

/// Runs the tests of the packages selected, all of them even if one fails.
pub fn tests(packages: &[&str]) -> (Count, Outcome<()>) {
    let mut arguments = if has_nextest() {
        vec!["nextest", "run", "--no-fail-fast", "--no-tests", "pass", "--cargo-quiet"]
    } else {
        vec!["test", "--quiet", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    arguments.extend(packages);
    println!("cargo {}", arguments.join(" "));
    match run_counted(cargo_command(&arguments)) {
        Ok((count, true)) if count.failed == 0 => (count, Ok(())),
        Ok((count, _)) => (count, Err(format!("{} tests failed, {} passed", count.failed, count.passed))),
        Err(reason) => (Count::default(), Err(reason)),
    }
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(workspace::cargo());
    command.args(arguments).current_dir(workspace::root());
    // Set by the cargo that runs us, about us; build scripts and tests below would take it for theirs.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

fn has_nextest() -> bool {
    let output = cargo_command(&["nextest", "--version"]).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs a program, passes its output on line by line, and tells the tests counted in it and whether it succeeded.
fn run_counted(mut command: Command) -> Outcome<(Count, bool)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let errors = child.stderr.take().expect("piped above");
    let errors = std::thread::spawn(move || pass_on(errors, &mut std::io::stderr()));
    let output = child.stdout.take().expect("piped above");
    let mut count = pass_on(output, &mut std::io::stdout());
    count.add(errors.join().expect("passing lines on does not panic"));
    let status = child.wait().map_err(|error| format!("cargo cannot be waited for: {error}"))?;
    Ok((count, status.success()))
}

fn pass_on(from: impl Read, to: &mut impl Write) -> Count {
    let mut count = Count::default();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // A reader of ours that has gone away is no reason to stop testing.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        count.add(count_line(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    count
}

/// What a line says of finished tests: the last line of nextest, or the one of each program under `cargo test`.
fn count_line(line: &str) -> Count {
    let line = line.trim();
    let nextest = line.starts_with("Summary [") && line.contains(" run: ");
    if !nextest && !line.starts_with("test result: ") {
        return Count::default();
    }
    // A test that a signal or the time limit ended is counted apart by nextest.
    let number = |word: &str| number_before(line, word);
    let failed = number("failed") + number("timed out") + number("exec failed");
    Count { passed: number("passed"), failed }
}

fn number_before(line: &str, word: &str) -> u64 {
    let parts = line.split([';', ',', ':', '.', '(']);
    parts.filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let line = "     Summary [   0.512s] 14 tests run: 12 passed (1 slow), 1 failed, 1 timed out, 3 skipped\n";
        assert_eq!(count_line(line), Count { passed: 12, failed: 2 });
    }

    #[test]
    fn the_result_of_each_program_under_cargo_test_is_counted() {
        let line = "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(count_line(line), Count { passed: 7, failed: 2 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(count_line("test result_is_kept ... ok"), Count::default());
        assert_eq!(count_line("12 passed, 3 failed"), Count::default());
    }
}
