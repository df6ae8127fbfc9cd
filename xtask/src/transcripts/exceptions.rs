//! What no transcript needs to show, with the reason: a row here is looked for, and one that is not needed is an error.

use std::fmt;

/// What a command's transcripts lack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// A use with a reply.
    Use,
    /// Any error.
    Error,
    /// An error that is about its arguments: neither their number nor the key's type.
    OwnError,
    /// WRONGTYPE.
    WrongType,
    /// A reply to a use of this option.
    Option(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Use => f.write_str("no reply"),
            Lack::Error => f.write_str("no error"),
            Lack::OwnError => f.write_str("no error about its arguments"),
            Lack::WrongType => f.write_str("no WRONGTYPE"),
            Lack::Option(token) => write!(f, "no reply to the option {token}"),
        }
    }
}

/// Names of commands, what is not asked of them, and why.
struct Row {
    names: &'static [&'static str],
    lacks: &'static [Kind],
    #[expect(dead_code, reason = "for who reads the table")]
    why: &'static str,
}

enum Kind {
    Use,
    Error,
    WrongType,
    Option(&'static str),
}

const ROWS: &[Row] = &[
    Row {
        names: &["mget", "mset", "msetnx", "psetex", "setex", "setnx"],
        lacks: &[Kind::WrongType],
        why: "they take a value of another type for none, or write over it",
    },
    Row {
        names: &["lcs"],
        lacks: &[Kind::WrongType],
        why: "it has an error of its own for values that are not strings",
    },
    Row {
        names: &["command|docs", "command|info", "info", "latency|histogram", "latency|reset", "pubsub|numsub"],
        lacks: &[Kind::Error],
        why: "they take any number of names, and what they do not know is left out",
    },
    Row {
        names: &["punsubscribe", "pubsub|shardnumsub", "quit", "sunsubscribe", "unsubscribe"],
        lacks: &[Kind::Error],
        why: "they take any arguments",
    },
    Row {
        names: &["shutdown"],
        lacks: &[
            Kind::Use,
            Kind::Option("ABORT"),
            Kind::Option("FORCE"),
            Kind::Option("NOSAVE"),
            Kind::Option("NOW"),
            Kind::Option("SAVE"),
        ],
        why: "it ends the server without a reply; crates/node/tests/shutdown.rs and crates/peertest/tests/shutdown.rs",
    },
    Row {
        names: &["failover"],
        lacks: &[Kind::Use, Kind::Option("ABORT"), Kind::Option("FORCE"), Kind::Option("TIMEOUT"), Kind::Option("TO")],
        why: "it needs a replica; crates/peertest/tests/failover.rs",
    },
    Row {
        names: &["psync", "sync"],
        lacks: &[Kind::Use],
        why: "what follows is a data set and a stream; crates/peertest and crates/replication test it",
    },
    Row {
        names: &["client|reply"],
        lacks: &[Kind::Option("OFF"), Kind::Option("SKIP")],
        why: "they have no reply; reply-mode.txt and silence.txt show what they do",
    },
    Row {
        names: &["bgrewriteaof"],
        lacks: &[Kind::Use],
        why: "it needs files beside the executor; crates/peertest/tests/kill_matrix.rs",
    },
    Row {
        names: &["config|rewrite"],
        lacks: &[Kind::Use],
        why: "it needs a configuration file; crates/peertest/tests/configuration.rs",
    },
    Row { names: &["asking", "readonly", "readwrite"], lacks: &[Kind::Use], why: "there is no cluster yet" },
    Row {
        names: &["replication|doctor", "replication|help"],
        lacks: &[Kind::Use, Kind::Error],
        why: "no peer has them to record them from",
    },
];

/// The subcommands of a command that is not built: all of them answer with one refusal, which is shown for some.
const REFUSED: &str = "cluster|";

/// Whether this need not be shown.
pub fn has(name: &str, lack: &Lack) -> bool {
    name.starts_with(REFUSED) || all().any(|(excepted, kind)| excepted == name && kind == *lack)
}

/// All rows, one by one.
pub fn all() -> impl Iterator<Item = (&'static str, Lack)> {
    ROWS.iter().flat_map(|row| row.names.iter().flat_map(|name| row.lacks.iter().map(|lack| (*name, lack.spelled()))))
}

impl Kind {
    fn spelled(&self) -> Lack {
        match self {
            Kind::Use => Lack::Use,
            Kind::Error => Lack::Error,
            Kind::WrongType => Lack::WrongType,
            Kind::Option(token) => Lack::Option((*token).to_owned()),
        }
    }
}
