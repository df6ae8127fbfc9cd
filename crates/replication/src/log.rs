//! How grave a log line is. The machines put their lines out like any other output.

/// The server's four log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the protocol.
    Debug,
    /// Detail that most operators do not want.
    Verbose,
    /// What an operator wants to see in production.
    Notice,
    /// Something went wrong.
    Warning,
}
