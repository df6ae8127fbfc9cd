//! The transcripts of the data commands over TCP: the peer they were recorded from still says the same, and so does our
//! program. (`crates/commands/tests/transcripts.rs` runs them with no server around the commands.)

use peertest::{Peer, transcript};
use std::path::Path;

/// Follows the transcripts that were recorded from one of these peers.
fn follows_every_transcript(peer: Peer, recorded_from: &[Peer]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../commands/tests/transcripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the transcripts are in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    let mut report = String::new();
    let mut followed = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a readable transcript");
        let is_from = |peer: &Peer| text.starts_with(&format!("# Recorded from {} ", peer.name()));
        if !recorded_from.iter().any(is_from) {
            continue;
        }
        followed += 1;
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        for difference in transcript::differences(peer, &text) {
            report.push_str(&format!("{name}:{difference}\n"));
        }
    }
    assert!(followed > 0, "no transcripts prove nothing");
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn valkey_80_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Valkey80, &[Peer::Valkey80]);
}

#[test]
fn redis_80_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Redis80, &[Peer::Redis80]);
}

#[test]
fn we_say_over_tcp_what_was_recorded() {
    follows_every_transcript(Peer::Ours, &[Peer::Valkey80, Peer::Redis80]);
}
