//! Runs the transcripts under `transcripts/` against the data commands, with no server around them: every reply, every
//! command that goes down the replication stream and every keyspace event must be what a real peer gave. A second
//! keyspace applies the stream as a replica does and must hold the same data in the end.
//!
//! The transcripts were recorded from a peer, never from us. Their notation is explained in `support/script.rs`.

mod support;

use support::script::{Script, Step};
use support::session::Session;

#[test]
fn every_transcript_is_followed_to_the_letter() {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    // Fresh recordings, of random commands say, can be tried without adding them.
    let folder = std::env::var("LOCKSTEP_TRANSCRIPTS").unwrap_or(ours.to_owned());
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the transcripts are in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    let mut report = String::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a readable transcript");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        for mismatch in follow(&Script::parse(&text)) {
            report.push_str(&format!("{name}:{mismatch}\n"));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// Runs one transcript in a fresh server; what differs is described.
fn follow(script: &Script) -> Vec<String> {
    let mut session = Session::new();
    let mut mismatches = Vec::new();
    for step in &script.steps {
        match step {
            Step::Sleep(ms) => session.pass(*ms),
            Step::Config(name, value) => session.configure(name, value),
            Step::Command(command) => {
                session.align(command);
                let expected = session.concrete(&command.expected);
                let got = session.run(command);
                if got != expected {
                    mismatches.push(format!(
                        "{}: {}\n  expected {expected:?}\n  got      {got:?}",
                        command.line, command.text
                    ));
                }
            }
        }
    }
    mismatches.extend(session.replica_differences());
    mismatches
}
