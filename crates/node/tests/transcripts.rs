//! Runs the transcripts under `transcripts/` against a whole node in process: several connections, what each gets of its
//! own accord, and which are closed must be what a real peer did.
//!
//! The transcripts were recorded from a peer, never from us. Their notation is explained in `support/script.rs`.

mod support;

use support::script::{Script, Step, fits};
use support::session::Session;

#[test]
fn every_transcript_is_followed_to_the_letter() {
    let in_repository = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    // A folder of fresh recordings can be tried before they are added.
    let folder = std::env::var("LOCKSTEP_TRANSCRIPTS").unwrap_or_else(|_| in_repository.to_owned());
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the transcripts are in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
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

/// Runs one transcript against a fresh server; what differs is described.
fn follow(script: &Script) -> Vec<String> {
    let mut session = Session::new();
    let mut mismatches = Vec::new();
    for step in &script.steps {
        let own = step.action.connection();
        session.act(&step.action);
        let waits_for_reply = own.is_some_and(|own| step.expected.get(&own).is_some_and(|lines| !lines.is_empty()));
        if waits_for_reply {
            session.wait_for(own.expect("a connection that waits"));
        }
        let got = session.take_all(step.sorted);
        mismatches.extend(differences(step, &got));
    }
    mismatches
}

fn differences(step: &Step, got: &std::collections::BTreeMap<char, Vec<String>>) -> Vec<String> {
    let connections: std::collections::BTreeSet<char> = step.expected.keys().chain(got.keys()).copied().collect();
    let nothing = Vec::new();
    connections
        .into_iter()
        .filter_map(|connection| {
            let expected = step.expected.get(&connection).unwrap_or(&nothing);
            let got = got.get(&connection).unwrap_or(&nothing);
            let same = expected.len() == got.len() && expected.iter().zip(got).all(|(line, got)| fits(line, got));
            // `~ $*` as the only line: the type was recorded, not the content.
            let same = same
                || (expected.len() == 1
                    && !got.is_empty()
                    && fits(&expected[0], &got[0])
                    && expected[0].starts_with('~'));
            (!same).then(|| {
                format!(
                    "{}: {}\n  {connection} expected {expected:?}\n  {connection} got      {got:?}",
                    step.line, step.text
                )
            })
        })
        .collect()
}
