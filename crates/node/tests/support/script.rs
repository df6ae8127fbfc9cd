//! The notation of a transcript:
//!
//! ```text
//! # comment
//! > SET k v                    a command of connection a, as redis-cli quotes it
//! +OK                          what the connection got, a protocol line per line; payloads that are not plain in quotes
//! b> PUBLISH c x               a command of connection b, which opens at its first use
//! < a                          what follows came to a of its own accord
//! b>> "PING\r\n"               raw bytes
//! ~ :*                         a line that varies: a glob
//! ! closed                     the server closed the connection
//! %sorted                      the elements of the next reply are sorted first
//! %sleep 150                   milliseconds pass
//! %close b                     the client closes its connection
//! ```

use std::collections::BTreeMap;

/// A transcript.
pub struct Script {
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// One step of a transcript and what came of it.
pub struct Step {
    /// Where it stands in the file.
    pub line: usize,
    /// As written.
    pub text: String,
    /// What is done.
    pub action: Action,
    /// The elements of the reply are sorted before they are compared.
    pub sorted: bool,
    /// What each connection gets, a line each.
    pub expected: BTreeMap<char, Vec<String>>,
}

/// What a step does.
pub enum Action {
    /// A connection sends these bytes.
    Send(char, Vec<u8>),
    /// Milliseconds pass.
    Sleep(u64),
    /// A client closes its connection.
    Close(char),
}

impl Action {
    /// Whose reply is waited for.
    pub fn connection(&self) -> Option<char> {
        match self {
            Action::Send(connection, _) => Some(*connection),
            _ => None,
        }
    }
}

impl Script {
    /// Reads a transcript.
    pub fn parse(text: &str) -> Script {
        let mut steps: Vec<Step> = Vec::new();
        let mut sorted = false;
        let mut to = 'a';
        for (nth, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with("# ") {
                continue;
            }
            if line == "%sorted" {
                sorted = true;
            } else if let Some(action) = action(line) {
                to = action.connection().unwrap_or('a');
                let sorted = std::mem::take(&mut sorted);
                steps.push(Step { line: nth + 1, text: line.to_owned(), action, sorted, expected: BTreeMap::new() });
            } else if let Some(name) = line.strip_prefix("< ") {
                to = name.chars().next().expect("a connection's name");
            } else {
                let step = steps.last_mut().unwrap_or_else(|| panic!("line {}: {line}", nth + 1));
                step.expected.entry(to).or_default().push(line.to_owned());
            }
        }
        Script { steps }
    }
}

fn action(line: &str) -> Option<Action> {
    if let Some(ms) = line.strip_prefix("%sleep ") {
        return Some(Action::Sleep(ms.parse().expect("%sleep takes milliseconds")));
    }
    if let Some(name) = line.strip_prefix("%close ") {
        return Some(Action::Close(name.chars().next().expect("a connection's name")));
    }
    let (name, rest) = match line.as_bytes() {
        [name @ b'a'..=b'z', b'>', ..] => (char::from(*name), &line[1..]),
        [b'>', ..] => ('a', line),
        _ => return None,
    };
    if let Some(raw) = rest.strip_prefix(">> ") {
        return Some(Action::Send(name, split(raw).concat()));
    }
    let words = split(rest.strip_prefix("> ")?);
    let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &slices);
    Some(Action::Send(name, bytes))
}

/// Splits a command line as redis-cli does.
fn split(line: &str) -> Vec<Vec<u8>> {
    let mut words = resp::ArgsBuf::new();
    resp::split_inline(line.as_bytes(), &mut words).expect("balanced quotes");
    words.view(b"").iter().map(<[u8]>::to_vec).collect()
}

/// Whether a line is what was recorded.
pub fn fits(recorded: &str, got: &str) -> bool {
    match recorded.strip_prefix("~ ") {
        Some(pattern) => base::glob_match(pattern.as_bytes(), got.as_bytes(), false),
        None => recorded == got,
    }
}

/// Takes the whole replies off the front of what a connection got: their lines.
pub fn take_replies(bytes: &mut Vec<u8>, sorted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let mut tree = Tree::read(bytes, &mut at);
        if sorted {
            tree.children.sort_by_key(Tree::lines);
        }
        lines.extend(tree.lines());
    }
    bytes.clear();
    lines
}

/// A reply taken apart.
struct Tree {
    head: String,
    payload: Option<Vec<u8>>,
    children: Vec<Tree>,
}

impl Tree {
    fn read(bytes: &[u8], at: &mut usize) -> Tree {
        let end = *at + memchr::memchr(b'\r', &bytes[*at..]).expect("a whole line");
        let head = String::from_utf8_lossy(&bytes[*at..end]).into_owned();
        *at = end + 2;
        let mut tree = Tree { head, payload: None, children: Vec::new() };
        let Ok(count) = tree.head[1..].parse::<usize>() else { return tree };
        match tree.head.as_bytes()[0] {
            b'$' | b'=' => {
                tree.payload = Some(bytes[*at..*at + count].to_vec());
                *at += count + 2;
            }
            b'*' | b'~' | b'>' => tree.children = (0..count).map(|_| Tree::read(bytes, at)).collect(),
            b'%' => tree.children = (0..2 * count).map(|_| Tree::read(bytes, at)).collect(),
            _ => {}
        }
        tree
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.head.clone()];
        lines.extend(self.payload.as_deref().map(payload));
        self.children.iter().for_each(|child| lines.extend(child.lines()));
        lines
    }
}

/// Writes the payload of a reply: in quotes unless it is plain text that cannot be taken for something else.
fn payload(bytes: &[u8]) -> String {
    let plain = |b: &u8| (32..127).contains(b);
    match bytes.first() {
        Some(first) if !b"\">!@%#~3".contains(first) && bytes.iter().all(plain) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        _ => in_quotes(bytes),
    }
}

fn in_quotes(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            32..127 => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text + "\""
}
