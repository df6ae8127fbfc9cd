//! What MONITOR and SLOWLOG do not show: the arguments that hold passwords.

use commands::is;
use resp::Args;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &[u8] = b"(redacted)";

/// The settings whose values are secrets.
const SECRET_SETTINGS: [&str; 7] = [
    "requirepass",
    "masterauth",
    "masteruser",
    "primaryauth",
    "primaryuser",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// Which arguments of a request hold a secret, in order.
pub(crate) fn secrets(full_name: &str, args: &Args<'_>) -> Vec<usize> {
    match full_name {
        "auth" => (1..args.len()).collect(),
        "hello" => hello(args),
        "config|set" => (2..args.len().saturating_sub(1))
            .step_by(2)
            .filter(|at| SECRET_SETTINGS.iter().any(|name| is(&args[*at], name)))
            .map(|at| at + 1)
            .collect(),
        _ => Vec::new(),
    }
}

/// A user and a password behind each AUTH, as far as the options can be read.
fn hello(args: &Args<'_>) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 2;
    while at < args.len() {
        if is(&args[at], "AUTH") && at + 2 < args.len() {
            found.extend([at + 1, at + 2]);
            at += 3;
        } else if is(&args[at], "SETNAME") && at + 1 < args.len() {
            at += 2;
        } else {
            break;
        }
    }
    found
}
