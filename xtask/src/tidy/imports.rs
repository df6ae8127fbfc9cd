//! Imports point down: which crate may depend on which, read from each Cargo.toml. A new crate gets a row here, so that
//! its place is decided once and seen in review.

use super::Violation;

/// Every crate of ours, lowest first, with the crates of ours that it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("resp", &["base"]),
    ("collections", &["base"]),
    ("journal", &["base"]),
    ("client", &["base", "resp"]),
    ("keyspace", &["base", "collections"]),
    ("persist", &["base", "collections", "keyspace", "resp"]),
    ("commands", &["base", "collections", "keyspace", "persist", "resp"]),
    // Protocol machines: never the keyspace, never each other.
    ("replication", &["base", "journal", "resp"]),
    ("node", &["base", "collections", "commands", "config", "journal", "keyspace", "persist", "replication", "resp"]),
    (
        "server",
        &["base", "client", "commands", "config", "journal", "keyspace", "node", "persist", "replication", "resp"],
    ),
    (
        "sim",
        &["base", "collections", "commands", "config", "journal", "keyspace", "node", "persist", "replication", "resp"],
    ),
    ("peertest", &["base", "client", "resp"]),
    ("xtask", &["base", "client", "resp"]),
    // Fuzz targets look into everything that reads bytes from outside.
    ("fuzz", &["base", "collections", "commands", "config", "keyspace", "persist", "replication", "resp"]),
];

/// Checks one Cargo.toml.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let folder = path.split('/').rev().nth(1);
    let allowed = folder.and_then(|name| ALLOWED.iter().find(|(row, _)| *row == name));
    let mut report = |line: usize, what: String| violations.push(Violation { path: path.to_owned(), line, what });
    if let Some(name) = folder
        && allowed.is_none()
    {
        report(1, format!("the crate {name} has no row in xtask/src/tidy/imports.rs: decide what it may import"));
    }
    let mut dependencies = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            dependencies = line.ends_with("dependencies]");
        } else if line.contains("path = \"/") {
            report(index + 1, "a path outside of the repository".to_owned());
        } else if dependencies && !line.starts_with('#') && !line.is_empty() {
            let import = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let ours = ALLOWED.iter().any(|(name, _)| *name == import);
            if let Some((name, imports)) = allowed
                && ours
                && !imports.contains(&import)
            {
                report(index + 1, format!("{name} must not import {import}: imports point down"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(path, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_import_that_points_up_is_found() {
        let text = "[package]\nname = \"resp\"\n\n[dependencies]\nbytes.workspace = true\nbase.workspace = true\n\
             keyspace = { path = \"../keyspace\" }\n";
        assert_eq!(
            found("crates/resp/Cargo.toml", text),
            ["crates/resp/Cargo.toml:7: resp must not import keyspace: imports point down"]
        );
    }

    #[test]
    fn protocol_machines_do_not_know_the_keyspace_not_even_in_tests() {
        assert_eq!(found("crates/replication/Cargo.toml", "[dev-dependencies]\nkeyspace.workspace = true\n").len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_and_a_path_outside_are_found() {
        assert_eq!(found("crates/novel/Cargo.toml", "[package]\nname = \"novel\"\n").len(), 1);
        assert_eq!(
            found("Cargo.toml", "[workspace.dependencies]\nconfig = { path = \"/elsewhere/config\" }\n").len(),
            1
        );
        assert_eq!(
            found("Cargo.toml", "[workspace.dependencies]\nkeyspace = { path = \"crates/keyspace\" }\n").len(),
            0
        );
    }

    #[test]
    fn the_table_names_no_crate_above_its_own_row() {
        for (index, (name, imports)) in ALLOWED.iter().enumerate() {
            for import in *imports {
                let row = ALLOWED.iter().position(|(row, _)| row == import);
                assert!(row.is_some_and(|row| row < index), "{name} imports {import}");
            }
        }
    }
}
