//! A server that runs one command at a time and shows what it replied and what it journalled.

use base::UnixMs;
use commands::{Context, GROUPS};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings};
use resp::{Outbox, OwnedArgs, Protocol, Reply};

/// See the top of this file.
pub struct Server {
    keyspace: Keyspace,
    rng: fastrand::Rng,
}

/// What a command left: its reply's bulk strings, and the journalled commands as words.
pub struct Outcome {
    /// Of the reply.
    pub bulks: Vec<String>,
    /// In order.
    pub journal: Vec<Vec<String>>,
}

impl Server {
    /// Without keys.
    pub fn new() -> Server {
        Server { keyspace: Keyspace::new(1, [1, 2], Settings::default()), rng: fastrand::Rng::with_seed(1) }
    }

    /// Runs a command that succeeds; its words are separated by spaces.
    pub fn run(&mut self, line: &str) -> Outcome {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = OwnedArgs::from_slices(&words);
        let name = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let row = GROUPS.iter().flat_map(|group| group.iter()).find(|row| row.name == name).expect("a known command");
        let mut effects = Effects::default();
        effects.journal_wanted = true;
        effects.begin_command();
        let mut out = Outbox::new();
        let db = Db::new(&mut self.keyspace, 0, &mut effects, UnixMs(1_750_000_000_000), ExpiryMode::Delete);
        let reply = Reply::new(&mut out, Protocol::Resp2);
        (row.run)(
            &mut Context { db, reply, rng: &mut self.rng, blocking: commands::Blocking::Refused },
            &args.as_args(),
        )
        .expect("the command succeeds");
        effects.end_command(0, words.iter().copied());
        let journal = effects.commands().map(|(_, bytes)| bulks(bytes)).collect();
        Outcome { bulks: bulks(&out.to_vec()), journal }
    }
}

/// The bulk strings in some RESP: every line that is no header. Good for words without line ends.
fn bulks(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\r\n")
        .filter(|line| !line.is_empty() && !line.starts_with(['*', '$', ':']))
        .map(str::to_owned)
        .collect()
}
