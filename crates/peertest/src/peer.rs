//! Which servers there are, and where their programs lie.

use std::path::{Path, PathBuf};

/// A server implementation of a certain version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The `lockstep` program of this checkout.
    Ours,
    /// Redis 7.0
    Redis70,
    /// Redis 8.0
    Redis80,
    /// Valkey 8.0
    Valkey80,
    /// Valkey 9.1
    Valkey91,
}

impl Peer {
    /// A name for messages, and the beginning of the programs' names.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Ours => "lockstep",
            Peer::Redis70 => "redis70",
            Peer::Redis80 => "redis80",
            Peer::Valkey80 => "valkey80",
            Peer::Valkey91 => "valkey91",
        }
    }

    /// Whether fields of hashes can have deadlines there.
    pub fn knows_field_deadlines(self) -> bool {
        matches!(self, Peer::Ours | Peer::Redis80 | Peer::Valkey91)
    }

    /// The program of the server and the words before its directives.
    pub fn server_program(self) -> (PathBuf, &'static [&'static str]) {
        match self {
            Peer::Ours => (our_program(), &["server"]),
            _ => (self.tool("server"), &[]),
        }
    }

    /// One of a peer's programs: `server`, `cli`, `benchmark` or `check-rdb`. Panics if it was not fetched: a test
    /// that leaves out its peer would prove nothing.
    pub fn tool(self, tool: &str) -> PathBuf {
        let folder = match std::env::var_os("LOCKSTEP_PEERS") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        };
        let path = folder.join(format!("{}-{tool}", self.name()));
        assert!(path.exists(), "{} is not there: run `cargo xtask peers`", path.display());
        path
    }
}

/// `$LOCKSTEP_BIN`, or the program built into the same folder as the running test or tool.
fn our_program() -> PathBuf {
    if let Some(path) = std::env::var_os("LOCKSTEP_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("a test knows its own program");
    // target/debug/deps/test-0123, or target/debug/compare → target/debug/lockstep
    let mut candidates = test.ancestors().skip(1).take(2).map(|folder| folder.join("lockstep"));
    let found = candidates.find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no lockstep beside {}: run `cargo build -p server`", test.display()))
}
