//! The notation of a transcript:
//!
//! ```text
//! # comment
//! > SET k v EX 10              a command as redis-cli quotes it; `3> ` for RESP3
//! +OK                          its reply, a protocol line per line; payloads that are not plain text in quotes
//! ! 0 SET k v PXAT {+10000}    what went down the stream: database, command (no SELECT, MULTI, EXEC)
//! @ 0 $ set k                  keyspace events in order: database, class, event, key
//! %sorted                      the elements of the next reply are sorted first
//! %idle                        of the next reply (XPENDING's) the third of each element is not compared
//! %shape                       of the next reply only the type is compared
//! %sleep 150                   milliseconds pass
//! %config name value           CONFIG SET
//! ```
//!
//! `{+10000}` stands for the Unix time in milliseconds 10 s from now, `{s+100}` for that in seconds.

/// A transcript.
pub struct Script {
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// One step of a transcript.
pub enum Step {
    /// A command and what came of it.
    Command(Command),
    /// Milliseconds pass.
    Sleep(i64),
    /// A setting and its new value.
    Config(String, String),
}

/// A command and what came of it.
pub struct Command {
    /// Where it stands in the file.
    pub line: usize,
    /// As written.
    pub text: String,
    /// Whether the client speaks RESP3.
    pub resp3: bool,
    /// How its reply is compared.
    pub mode: Mode,
    /// Reply, stream and events, a line each.
    pub expected: Vec<String>,
}

/// How a reply is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To the letter.
    Exact,
    /// With its elements sorted.
    Sorted,
    /// Without the third of each element.
    Idle,
    /// Only its type.
    Shape,
}

impl Script {
    /// Reads a transcript.
    pub fn parse(text: &str) -> Script {
        let mut steps = Vec::new();
        let mut mode = Mode::Exact;
        for (nth, line) in text.lines().enumerate() {
            let command = line.strip_prefix("> ").or_else(|| line.strip_prefix("3> "));
            if let Some(text) = command {
                let resp3 = line.starts_with('3');
                let mode = std::mem::replace(&mut mode, Mode::Exact);
                let text = text.to_owned();
                steps.push(Step::Command(Command { line: nth + 1, text, resp3, mode, expected: Vec::new() }));
            } else if line.is_empty() || line.starts_with("# ") {
                continue;
            } else if let Some(ms) = line.strip_prefix("%sleep ") {
                steps.push(Step::Sleep(ms.parse().expect("%sleep takes milliseconds")));
            } else if let Some(setting) = line.strip_prefix("%config ") {
                let (name, value) = setting.split_once(' ').expect("%config takes a name and a value");
                steps.push(Step::Config(name.to_owned(), value.to_owned()));
            } else if line == "%sorted" {
                mode = Mode::Sorted;
            } else if line == "%idle" {
                mode = Mode::Idle;
            } else if line == "%shape" {
                mode = Mode::Shape;
            } else {
                let Some(Step::Command(command)) = steps.last_mut() else { panic!("line {}: {line}", nth + 1) };
                command.expected.push(line.to_owned());
            }
        }
        Script { steps }
    }
}

/// Splits a command line as redis-cli does.
pub fn split(line: &str) -> Vec<Vec<u8>> {
    let mut words = resp::ArgsBuf::new();
    resp::split_inline(line.as_bytes(), &mut words).expect("balanced quotes");
    words.view(b"").iter().map(<[u8]>::to_vec).collect()
}

/// Writes an argument of a stream or event line: in quotes unless it is plain.
pub fn quoted(bytes: &[u8]) -> String {
    let plain = |b: &u8| (33..127).contains(b) && !b"\"'\\{".contains(b);
    if !bytes.is_empty() && bytes[0] != b'~' && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    in_quotes(bytes)
}

/// Writes the payload of a reply: in quotes unless it is plain text that cannot be taken for something else.
pub fn payload(bytes: &[u8]) -> String {
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
