//! `cargo xtask tidy`: what no compiler and no linter of the toolchain checks. Each rule is a function in a file of
//! this folder from a file's text to violations; the exceptions it knows stand in its table, with the reason.

mod imports;
mod masked;
mod sizes;
mod words;

use crate::{Outcome, workspace};
use masked::Masked;
use std::fmt;

/// Something that must not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    path: String,
    /// Counted from 1.
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The folders with Rust files of ours; not all of them exist always.
const FOLDERS: &[&str] = &["crates", "xtask", "fuzz"];

/// Checks the checkout: a line for every violation, then the notes.
pub fn run() -> Outcome<()> {
    let root = workspace::root();
    let mut violations = Vec::new();
    let mut notes = Vec::new();
    let mut count = 0;
    for folder in FOLDERS.iter().map(|name| root.join(name)).filter(|folder| folder.exists()) {
        for file in workspace::files(&folder, "rs")? {
            let path = file.strip_prefix(&root).expect("found below").display().to_string();
            let text = workspace::read(&file)?;
            violations.extend(check_file(&path, &text));
            notes.extend(sizes::note(&path, &text));
            count += 1;
        }
        for file in workspace::files(&folder, "toml")? {
            if file.file_name().is_some_and(|name| name == "Cargo.toml") {
                let path = file.strip_prefix(&root).expect("found below").display().to_string();
                violations.extend(imports::check(&path, &workspace::read(&file)?));
            }
        }
    }
    violations.extend(imports::check("Cargo.toml", &workspace::read(&root.join("Cargo.toml"))?));
    for note in notes {
        println!("tidy: note: {note}");
    }
    for violation in &violations {
        println!("{violation}");
    }
    println!("tidy: {count} files, {} violations", violations.len());
    if violations.is_empty() { Ok(()) } else { Err(format!("{} violations of the house rules", violations.len())) }
}

/// All rules for one Rust file.
fn check_file(path: &str, text: &str) -> Vec<Violation> {
    let masked = Masked::new(text);
    let mut violations = Vec::new();
    if !text.starts_with("//!") {
        violations.push(Violation {
            path: path.to_owned(),
            line: 1,
            what: "the file does not open with `//!`: what it owns, and what it does not".to_owned(),
        });
    }
    violations.extend(sizes::check(path, text, &masked));
    violations.extend(words::check(path, text, &masked));
    violations
}

#[cfg(test)]
mod tests {
    use super::check_file;

    #[test]
    fn a_file_without_a_header_is_named_with_its_line() {
        let found: Vec<_> = check_file("crates/base/src/a.rs", "fn f() {}\n").iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["crates/base/src/a.rs:1: the file does not open with `//!`: what it owns, and what it does not"]
        );
    }

    #[test]
    fn a_file_with_a_header_is_fine() {
        assert_eq!(check_file("crates/base/src/a.rs", "//! Helpers.\n\nfn f() {}\n"), []);
    }
}
