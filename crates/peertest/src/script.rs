//! Transcripts of a whole server, with several connections, against a real process. The notation is that of
//! `crates/node/tests/support/script.rs`, where the same files are run on a node in process.

use crate::transcript::{Tree, split};
use crate::{Client, Peer, Server, wait};
use std::collections::BTreeMap;
use std::time::Duration;

const DIRECTIVES: &[&str] = &["enable-debug-command yes"];

/// How long a line that was recorded may keep us waiting.
const LINE_MAX: Duration = Duration::from_secs(6);

/// What has no reply is left so long to the server before something comes from another connection.
const UNANSWERED: Duration = Duration::from_millis(30);

/// The last line of a connection that the server closed.
const CLOSED: &str = "! closed";

/// One step: what is done, and what was recorded of it on each connection.
struct Step<'a> {
    line: usize,
    text: &'a str,
    action: Action,
    sorted: bool,
    recorded: BTreeMap<char, Vec<&'a str>>,
}

enum Action {
    Send(char, Vec<u8>),
    Sleep(u64),
    Close(char),
}

/// What a server makes of a transcript that differs from what it says, a line for each difference.
pub fn differences(peer: Peer, transcript: &str) -> Vec<String> {
    let server = Server::start(peer, DIRECTIVES);
    let mut connections: BTreeMap<char, Client> = BTreeMap::new();
    let mut differences = Vec::new();
    for step in steps(transcript) {
        act(&server, &mut connections, &step);
        for (name, recorded) in &step.recorded {
            let Some(client) = connections.get_mut(name) else { continue };
            let came = read(client, recorded, step.sorted);
            if !fit(recorded, &came) {
                let (line, text, peer) = (step.line, step.text, peer.name());
                differences.push(format!("{line}: {text}\n  {name} recorded {recorded:?}\n  {peer} {came:?}"));
            }
            // Its name stands for a new connection from here on.
            if came.last().is_some_and(|last| last == CLOSED) {
                connections.remove(name);
            }
        }
    }
    for (name, client) in &mut connections {
        // All that came by now was recorded.
        client.set_timeout(Some(Duration::from_millis(1))).expect("an open socket");
        if let Ok(rest) = Tree::read(client) {
            differences.push(format!("{name} got more in the end: {:?}", rest.lines()));
        }
    }
    differences
}

fn act(server: &Server, connections: &mut BTreeMap<char, Client>, step: &Step<'_>) {
    match &step.action {
        Action::Send(name, bytes) => {
            let client = connections.entry(*name).or_insert_with(|| server.client());
            client.set_timeout(Some(LINE_MAX)).expect("an open socket");
            client.send_raw(bytes).expect("a connection that was closed is opened anew");
            if !step.recorded.contains_key(name) {
                wait::pass(UNANSWERED);
            }
        }
        Action::Sleep(ms) => wait::pass(Duration::from_millis(*ms)),
        Action::Close(name) => {
            connections.remove(name);
            wait::pass(UNANSWERED);
        }
    }
}

/// Reads as many lines as were recorded; of a reply whose type alone was recorded, all.
fn read(client: &mut Client, recorded: &[&str], sorted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < recorded.len() {
        match Tree::read(client) {
            Ok(mut tree) => {
                if sorted {
                    tree.children.sort_by_key(Tree::lines);
                }
                lines.extend(tree.lines());
            }
            Err(client::Error::Closed | client::Error::Io(_)) => {
                lines.push(CLOSED.to_owned());
                break;
            }
            Err(error) => {
                lines.push(format!("({error})"));
                break;
            }
        }
    }
    lines
}

/// Whether these lines are what was recorded.
fn fit(recorded: &[&str], came: &[String]) -> bool {
    if let ([only], [first, ..]) = (recorded, came)
        && only.starts_with('~')
    {
        return fits(only, first);
    }
    recorded.len() == came.len() && recorded.iter().zip(came).all(|(recorded, came)| fits(recorded, came))
}

fn fits(recorded: &str, came: &str) -> bool {
    match recorded.strip_prefix("~ ") {
        Some(pattern) => base::glob_match(pattern.as_bytes(), came.as_bytes(), false),
        None => recorded == came,
    }
}

fn steps(transcript: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut sorted = false;
    let mut to = 'a';
    for (index, text) in transcript.lines().enumerate() {
        if text.is_empty() || text.starts_with("# ") {
            continue;
        }
        if text == "%sorted" {
            sorted = true;
        } else if let Some(action) = action(text) {
            to = if let Action::Send(name, _) = &action { *name } else { 'a' };
            let sorted = std::mem::take(&mut sorted);
            steps.push(Step { line: index + 1, text, action, sorted, recorded: BTreeMap::new() });
        } else if let Some(name) = text.strip_prefix("< ") {
            to = first(name);
        } else {
            let step = steps.last_mut().unwrap_or_else(|| panic!("{text} stands before the first command"));
            step.recorded.entry(to).or_default().push(text);
        }
    }
    steps
}

fn action(line: &str) -> Option<Action> {
    if let Some(ms) = line.strip_prefix("%sleep ") {
        return Some(Action::Sleep(ms.parse().expect("%sleep takes milliseconds")));
    }
    if let Some(name) = line.strip_prefix("%close ") {
        return Some(Action::Close(first(name)));
    }
    let (name, rest) = match line.as_bytes() {
        [b'a'..=b'z', b'>', ..] => (first(line), &line[1..]),
        [b'>', ..] => ('a', line),
        _ => return None,
    };
    if let Some(raw) = rest.strip_prefix(">> ") {
        return Some(Action::Send(name, split(raw).concat()));
    }
    let words = split(rest.strip_prefix("> ")?);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    Some(Action::Send(name, bytes))
}

fn first(name: &str) -> char {
    name.chars().next().expect("a connection's name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_belong_to_the_connection_that_got_them() {
        let text = "# a\nb> SUBSCRIBE c\n*3\n> PUBLISH c x\n:1\n< b\n*3\n%close b\n";
        let steps = steps(text);
        let shown: Vec<_> = steps.iter().map(|step| (step.line, format!("{:?}", step.recorded))).collect();
        let expected = [(2, "{'b': [\"*3\"]}"), (4, "{'a': [\":1\"], 'b': [\"*3\"]}"), (8, "{}")];
        assert_eq!(shown, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn a_type_alone_fits_every_reply_of_it() {
        assert!(fit(&["~ $*"], &["$3".to_owned(), "abc".to_owned()]));
        assert!(!fit(&["~ $*"], &[":3".to_owned()]));
        assert!(!fit(&["$3"], &["$3".to_owned(), "abc".to_owned()]));
    }
}
