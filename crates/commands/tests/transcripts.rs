//! Runs the transcripts under `transcripts/` against the data commands, with no server around them: every reply, every
//! command that goes down the replication stream and every keyspace event must be what a real peer gave. A second
//! keyspace applies the stream as a replica does and must hold the same data in the end.
//!
//! The transcripts were recorded from a peer, never from us. Their notation is explained in `support/script.rs`.
//! Where we differ from the peers on purpose, only master and replica are compared, by commands that stand below.

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

/// An entry claimed as often as can be counted, and claimed once more: the count was journalled as 2^63, which XCLAIM
/// does not read, and the replica left the entry with its first owner.
#[test]
fn a_replica_follows_a_claim_beyond_the_last_delivery_count() {
    assert_replica_follows(
        "> XADD s 1-1 a 1
         > XGROUP CREATE s g 0
         > XREADGROUP GROUP g c1 STREAMS s >
         > XCLAIM s g c1 0 1-1 RETRYCOUNT 9223372036854775807 JUSTID
         > XCLAIM s g c2 0 1-1
         > XREADGROUP GROUP g c2 STREAMS s 0
         > XAUTOCLAIM s g c3 0 0",
    );
}

/// A count of entries read beyond 2^63-1 was journalled as a negative one, which XGROUP SETID does not take.
#[test]
fn a_replica_follows_a_group_of_a_stream_that_had_more_entries_than_a_group_can_count() {
    assert_replica_follows(
        "> XADD s 1-1 a 1
         > XSETID s 1-1 ENTRIESADDED 9223372036854775807
         > XADD s 2-1 a 1
         > XGROUP CREATE s g 1-1
         > XREADGROUP GROUP g c STREAMS s >",
    );
}

/// A payload whose first entry, deleted, has an id far above the others (a Valkey 8.0 takes it): an approximate trim was
/// journalled with that id, and the replica removed every entry.
#[test]
fn a_replica_keeps_the_entries_below_the_id_of_a_deleted_one() {
    assert_replica_follows(concat!(
        r#"> RESTORE z 0 "\x15\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x33\x33\x00\x00\x00"#,
        r#"\x14\x00\x02\x01\x01\x01\x01\x01\x81a\x02\x00\x01\x03\x01d\x01\x00\x01\x81b\x02\x04\x01\x02\x01\x01\x01\x00\x01\x81b\x02"#,
        r#"\x04\x01\x02\x01\x02\x01\x00\x01\x81b\x02\x04\x01\xff\x02\x03\x01\x02\x01\x01\x01\x03\x00\x0b\x00\xf1\xa5Kr_'\xca}""#,
        "\n> XADD z MINID ~ 0 9-1 c d",
    ));
}

/// Runs commands, whose replies do not matter here, and compares what the replica ends with.
fn assert_replica_follows(commands: &str) {
    let lines: Vec<&str> = commands.lines().map(str::trim_start).collect();
    let script = Script::parse(&lines.join("\n"));
    let mut session = Session::new();
    for step in &script.steps {
        let Step::Command(command) = step else { panic!("only commands stand here") };
        let lines = session.run(command);
        assert!(!lines[0].starts_with('-'), "{}: {}", command.text, lines[0]);
    }
    assert_eq!(session.replica_differences(), Vec::<String>::new());
}
