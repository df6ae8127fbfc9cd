//! `cargo xtask transcripts coverage`: what no transcript shows. The commands and their options are those of our own
//! COMMAND DOCS, so that a new row is missed here until a transcript uses it. What is not asked for, and why, is in
//! `transcripts/exceptions.rs`. What transcripts say is not checked here: tests follow them.

mod cases;
mod exceptions;
mod table;

use crate::server::{Server, target};
use crate::{Outcome, workspace};
use cases::{Came, Case};
use exceptions::Lack;
use std::collections::{BTreeMap, BTreeSet};
use table::Known;

/// Where the transcripts are.
const FOLDERS: [&str; 2] = ["crates/commands/tests/transcripts", "crates/node/tests/transcripts"];

/// The task with its words.
pub fn run(words: &[String]) -> Outcome<()> {
    match words {
        [word] if word == "coverage" => coverage(),
        _ => Err("usage: cargo xtask transcripts coverage".to_owned()),
    }
}

/// Lists what no transcript shows; that there is something is an error.
pub fn coverage() -> Outcome<()> {
    let folder = target().join("transcripts");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let server = Server::start(&folder)?;
    let known = table::read(server.port)?;
    let mut cases = Vec::new();
    for folder in FOLDERS {
        for file in workspace::files(&workspace::root().join(folder), "txt")? {
            cases.extend(cases::read(&workspace::read(&file)?));
        }
    }
    let lacking = judge(&known, &cases);
    let (excepted, missing): (Vec<_>, Vec<_>) = lacking.iter().partition(|(name, lack)| exceptions::has(name, lack));
    missing.iter().for_each(|(name, lack)| println!("{name}: {lack}"));
    let stale: Vec<_> =
        exceptions::all().filter(|(name, lack)| !lacking.contains(&(name.to_string(), lack.clone()))).collect();
    stale.iter().for_each(|(name, lack)| println!("{name}: {lack}: an exception that is not needed"));
    println!(
        "transcripts: {} commands, {} cases, {} exceptions, {} missing",
        known.len(),
        cases.len(),
        excepted.len(),
        missing.len()
    );
    if missing.is_empty() && stale.is_empty() { Ok(()) } else { Err("transcripts do not show everything".to_owned()) }
}

/// What the transcripts lack, by command.
fn judge(known: &[Known], cases: &[Case]) -> BTreeSet<(String, Lack)> {
    let mut of_command: BTreeMap<&str, Vec<(&Case, &[String])>> = BTreeMap::new();
    for case in cases {
        if let Some((known, arguments)) = table::resolve(known, &case.words) {
            of_command.entry(&known.name).or_default().push((case, arguments));
        }
    }
    let mut lacking = BTreeSet::new();
    for command in known {
        let cases = of_command.get(command.name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut lack = |lack: Lack| {
            lacking.insert((command.name.clone(), lack));
        };
        let came = |kind: Came| cases.iter().any(|(case, _)| case.came == kind);
        if !came(Came::Reply) {
            lack(Lack::Use);
        }
        // A subcommand's HELP and the like take nothing that could be wrong but their number.
        let errors = [Came::Error, Came::WrongType, Came::WrongNumber];
        if !errors.into_iter().any(came) {
            lack(Lack::Error);
        }
        if command.judges_arguments && !came(Came::Error) {
            lack(Lack::OwnError);
        }
        if command.has_type && !came(Came::WrongType) {
            lack(Lack::WrongType);
        }
        for token in &command.tokens {
            let uses = |(case, arguments): &(&Case, &[String])| {
                case.came == Came::Reply && arguments.iter().any(|argument| argument.eq_ignore_ascii_case(token))
            };
            if !cases.iter().any(uses) {
                lack(Lack::Option(token.clone()));
            }
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(transcript: &str) -> Vec<String> {
        let known = Known {
            name: "lpos".to_owned(),
            tokens: vec!["RANK".to_owned(), "COUNT".to_owned()],
            judges_arguments: true,
            has_type: true,
        };
        judge(&[known], &cases::read(transcript)).into_iter().map(|(_, lack)| lack.to_string()).collect()
    }

    #[test]
    fn an_option_counts_when_its_reply_is_no_error() {
        let errors = "> LPOS k\n-ERR wrong number of arguments for 'lpos' command\n> LPOS s e\n-WRONGTYPE Operation\n";
        assert_eq!(
            lacks(&format!("{errors}> LPOS k e RANK 0\n-ERR RANK can't be zero\n> LPOS k e count 1\n*0\n")),
            ["no reply to the option RANK"]
        );
    }

    #[test]
    fn what_is_only_queued_is_not_used() {
        assert_eq!(lacks("> LPOS k e RANK 1 COUNT 1\n+QUEUED\n").len(), 6);
    }
}
