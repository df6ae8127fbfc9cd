//! The transcripts over TCP: the peer they were recorded from still says the same, and so does our program. (In process
//! they are run by `crates/commands/tests/transcripts.rs`, with no server around the commands, and by
//! `crates/node/tests/transcripts.rs`.)

use peertest::{Peer, script, transcript};
use std::path::Path;

/// A folder of transcripts and what follows them.
type Kind = (&'static str, fn(Peer, &str) -> Vec<String>);

const OF_COMMANDS: Kind = ("../commands/tests/transcripts", transcript::differences);
const OF_SERVERS: Kind = ("../node/tests/transcripts", script::differences);

/// Follows the transcripts that were recorded from one of these peers.
fn follows_every_transcript(peer: Peer, (folder, differences): Kind, recorded_from: &[Peer]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
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
        for difference in differences(peer, &text) {
            report.push_str(&format!("{name}:{difference}\n"));
        }
    }
    assert!(followed > 0, "no transcripts prove nothing");
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn valkey_80_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Valkey80, OF_COMMANDS, &[Peer::Valkey80]);
}

#[test]
fn redis_80_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Redis80, OF_COMMANDS, &[Peer::Redis80]);
}

#[test]
fn we_say_over_tcp_what_was_recorded() {
    follows_every_transcript(Peer::Ours, OF_COMMANDS, &[Peer::Valkey80, Peer::Redis80]);
}

#[test]
fn valkey_80_as_a_whole_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Valkey80, OF_SERVERS, &[Peer::Valkey80]);
}

#[test]
fn redis_80_as_a_whole_still_says_what_was_recorded() {
    follows_every_transcript(Peer::Redis80, OF_SERVERS, &[Peer::Redis80]);
}

#[test]
fn we_say_as_a_whole_over_tcp_what_was_recorded() {
    follows_every_transcript(Peer::Ours, OF_SERVERS, &[Peer::Valkey80, Peer::Redis80]);
}
