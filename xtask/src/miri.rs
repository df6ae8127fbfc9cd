//! `cargo xtask miri`: the tests of the keyspace's table, which is the only code with `unsafe`, under Miri. Where the
//! toolchain has no Miri, it says so and runs them under the address sanitizer instead, which sees less: wrong and freed
//! memory and leaks, but neither values that were never written nor broken rules of borrowing.

use crate::{Outcome, workspace};
use std::process::Command;

/// The tests, as an argument of the test runner.
const TESTS: &str = "table::";

/// Runs the stage.
pub fn run() -> Outcome<()> {
    if has_miri() {
        let mut command = Command::new("cargo");
        command.args(["+nightly", "miri", "test", "-p", "keyspace", "--lib", TESTS]);
        // Addresses are kept in words beside tags.
        command.env("MIRIFLAGS", "-Zmiri-permissive-provenance");
        return check(command, "Miri");
    }
    println!(
        "miri: NOT RUN: there is no Miri (rustup +nightly component add miri rust-src); the address sanitizer stands in"
    );
    let mut command = Command::new(workspace::cargo());
    // A target of its own name keeps build scripts out of it.
    command.args(["test", "-p", "keyspace", "--lib", "--target", "x86_64-unknown-linux-gnu", "--target-dir"]);
    command.args(["target/sanitized", TESTS]);
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    check(command, "the address sanitizer")
}

fn has_miri() -> bool {
    let asked = Command::new("cargo").args(["+nightly", "miri", "--version"]).output();
    asked.is_ok_and(|output| output.status.success())
}

fn check(mut command: Command, name: &str) -> Outcome<()> {
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the table's tests fail under {name}")) }
}
