//! Transcripts of the data commands, against a real process: recording one from a peer, and following one on a peer or
//! on our program. The notation is that of `crates/commands/tests/support/script.rs`, where the same files are run
//! with no server at all. A transcript is its own input: what came of its commands is left out and asked for anew.

mod moments;
mod tree;
mod witness;

use crate::Peer;
use std::collections::{BTreeMap, BTreeSet};
pub(crate) use tree::Tree;
pub(crate) use witness::split;
use witness::{Happening, Witness};

/// Classes of keyspace events as `notify-keyspace-events` has them, but for those that a client may always get.
const CLASSES: &[char] = &['g', '$', 'l', 's', 'h', 'z', 'x', 'e', 'n', 't', 'd', 'm'];

/// The class of each event by its name.
type ClassOf = BTreeMap<String, String>;

/// One line of a transcript that makes something happen or is kept.
enum Step {
    /// A comment or an empty line.
    Kept(String),
    /// `%sorted`, `%idle` and `%shape`, for the command that follows.
    Mode(String),
    Sleep(u64),
    Config(String),
    Command {
        resp3: bool,
        text: String,
    },
}

/// Runs a transcript's commands on a peer and writes down what comes of them. To learn the class of each event the
/// commands run once more for every class.
pub fn record(peer: Peer, transcript: &str) -> String {
    let steps = steps(transcript);
    let mut classes = ClassOf::new();
    for class in CLASSES {
        for name in follow(peer, &steps, &class.to_string(), &classes).1 {
            classes.entry(name).or_insert(class.to_string());
        }
    }
    let (text, _) = follow(peer, &steps, "Anm", &classes);
    format!("# Recorded from {} by the recorder; do not edit.\n{text}", peer.name())
}

/// What a server makes of a transcript that differs from what it says, a line for each difference; the classes of
/// events are taken from the transcript.
pub fn differences(peer: Peer, transcript: &str) -> Vec<String> {
    let classes = transcript.lines().filter_map(event_class).collect();
    let (found, _) = follow(peer, &steps(transcript), "Anm", &classes);
    let expected = commands_with_lines(transcript);
    let found = commands_with_lines(&found);
    assert_eq!(expected.len(), found.len(), "the same commands in both");
    let mut differences = Vec::new();
    for ((line, command, expected), (_, _, found)) in expected.iter().zip(&found) {
        if expected != found {
            let name = peer.name();
            differences.push(format!("{line}: {command}\n  recorded {expected:?}\n  {name} {found:?}"));
        }
    }
    differences
}

/// Name and class in a line `@ db class name key`.
fn event_class(line: &str) -> Option<(String, String)> {
    let mut words = line.strip_prefix("@ ")?.split(' ').skip(1);
    let class = words.next()?.to_owned();
    Some((words.next()?.to_owned(), class))
}

/// Each command with the number of its line and what came of it.
fn commands_with_lines(transcript: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let mut commands: Vec<(usize, &str, Vec<&str>)> = Vec::new();
    for (index, line) in transcript.lines().enumerate() {
        if line.starts_with("> ") || line.starts_with("3> ") {
            commands.push((index + 1, line, Vec::new()));
        } else if step(line).is_none()
            && let Some((_, _, lines)) = commands.last_mut()
        {
            lines.push(line);
        }
    }
    commands
}

fn steps(transcript: &str) -> Vec<Step> {
    let is_heading = |line: &&str| line.starts_with("# Recorded from ");
    transcript.lines().skip_while(is_heading).filter_map(step).collect()
}

/// What a line asks for; None if it is what came of a command.
fn step(line: &str) -> Option<Step> {
    if line.is_empty() || line.starts_with("# ") {
        return Some(Step::Kept(line.to_owned()));
    }
    if ["%sorted", "%idle", "%shape"].contains(&line) {
        return Some(Step::Mode(line.to_owned()));
    }
    if let Some(ms) = line.strip_prefix("%sleep ") {
        return Some(Step::Sleep(ms.parse().expect("%sleep takes milliseconds")));
    }
    if let Some(setting) = line.strip_prefix("%config ") {
        return Some(Step::Config(setting.to_owned()));
    }
    let (resp3, text) =
        line.strip_prefix("3> ").map(|text| (true, text)).or(line.strip_prefix("> ").map(|text| (false, text)))?;
    Some(Step::Command { resp3, text: text.to_owned() })
}

/// Runs all steps on a new server: the transcript, and the names of all events that were seen.
fn follow(peer: Peer, steps: &[Step], classes: &str, class_of: &ClassOf) -> (String, BTreeSet<String>) {
    let mut witness = Witness::start(peer, classes);
    let mut lines = Vec::new();
    let mut names = BTreeSet::new();
    let mut given = BTreeSet::new();
    let mut mode = String::new();
    for step in steps {
        match step {
            Step::Kept(line) => lines.push(line.clone()),
            Step::Mode(line) => {
                mode = line.clone();
                lines.push(line.clone());
            }
            Step::Sleep(ms) => {
                crate::wait::pass(std::time::Duration::from_millis(*ms));
                lines.push(format!("%sleep {ms}"));
            }
            Step::Config(setting) => {
                witness.configure(setting);
                lines.push(format!("%config {setting}"));
            }
            Step::Command { resp3, text } => {
                lines.push(format!("{} {text}", if *resp3 { "3>" } else { ">" }));
                let (now_ms, sent) = moments::fill(text);
                if sent == *text {
                    given.extend(moments::numbers(text));
                }
                let (mut reply, happenings) = witness.run(*resp3, &sent);
                let mut came = reply_lines(&mut reply, &std::mem::take(&mut mode));
                came.extend(happenings.iter().map(|happening| line_of(happening, class_of)));
                lines.extend(came.iter().map(|line| moments::relative(line, now_ms, &given)));
                names.extend(happenings.into_iter().filter_map(|happening| match happening {
                    Happening::Event { name, .. } => Some(name),
                    Happening::Streamed { .. } => None,
                }));
            }
        }
    }
    (lines.join("\n") + "\n", names)
}

fn reply_lines(reply: &mut Tree, mode: &str) -> Vec<String> {
    match mode {
        "%shape" => vec![format!("{}~", &reply.head[..1])],
        "%idle" => {
            reply
                .children
                .iter_mut()
                .filter_map(|row| row.children.get_mut(2))
                .for_each(|idle| idle.head = ":~".to_owned());
            reply.lines()
        }
        "%sorted" => {
            reply.sort();
            reply.lines()
        }
        _ => reply.lines(),
    }
}

fn line_of(happening: &Happening, class_of: &ClassOf) -> String {
    match happening {
        Happening::Streamed { database, words } => {
            let words: Vec<_> = words.iter().map(|word| tree::quoted(word)).collect();
            format!("! {database} {}", words.join(" "))
        }
        Happening::Event { database, name, key } => {
            let class = class_of.get(name).map_or("?", String::as_str);
            format!("@ {database} {class} {name} {}", tree::quoted(key))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSCRIPT: &str = "# Recorded from valkey80 by the recorder; do not edit.\n# A comment\n> SET k v\n+OK\n\
        ! 0 SET k v\n@ 0 $ set k\n%sorted\n3> HGETALL h\n%2\n%sleep 150\n> GET k\n$1\n# a payload is in quotes\n";

    #[test]
    fn what_came_of_commands_is_told_from_what_is_asked_for() {
        let commands = commands_with_lines(TRANSCRIPT);
        let shown: Vec<_> = commands.iter().map(|(line, command, lines)| (*line, *command, lines.len())).collect();
        assert_eq!(shown, [(3, "> SET k v", 3), (8, "3> HGETALL h", 1), (11, "> GET k", 1)]);
        assert_eq!(steps(TRANSCRIPT).len(), 7, "the heading is not kept");
    }

    #[test]
    fn an_event_line_tells_the_class_of_its_name() {
        assert_eq!(event_class("@ 0 $ set k"), Some(("set".to_owned(), "$".to_owned())));
        assert_eq!(event_class("! 0 SET k v"), None);
    }
}
