//! Records transcripts of data commands from a real peer: `cargo xtask record [--peer valkey80] FILE…`. A file holds
//! commands (`> SET k v`), comments and the directives of the notation; what came of the commands is written into it, in
//! place of what stood there.

#![allow(clippy::disallowed_methods, reason = "a development tool")]

use peertest::{Peer, transcript};

fn main() -> Result<(), String> {
    let mut peer = Peer::Valkey80;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--peer" {
            let name = arguments.next().unwrap_or_default();
            // Never from us: a transcript is what we are judged by.
            let peers = [Peer::Redis70, Peer::Redis80, Peer::Valkey80, Peer::Valkey91];
            let found = peers.into_iter().find(|peer| peer.name() == name);
            peer = found.ok_or_else(|| format!("there is no peer `{name}`: {peers:?}"))?;
            continue;
        }
        let text = std::fs::read_to_string(&argument).map_err(|error| format!("{argument}: {error}"))?;
        let recorded = transcript::record(peer, &text);
        std::fs::write(&argument, recorded).map_err(|error| format!("{argument}: {error}"))?;
        println!("{argument}: recorded from {}", peer.name());
    }
    Ok(())
}
