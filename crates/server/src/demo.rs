//! Coming below.
use std::process::ExitCode;

/// Runs the demo.
pub fn run(_words: &[String]) -> ExitCode {
    ExitCode::FAILURE
}
