//! A reply as it came, line by line: what a parsed value no longer tells (which null, how a double was written) is what
//! transcripts are about.

use client::{Client, Error};

/// A reply or an element of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tree {
    /// Its first line with the type's character.
    pub head: String,
    /// The bytes of a bulk string and the like.
    pub payload: Option<Vec<u8>>,
    /// Elements; keys and values of a map in turn.
    pub children: Vec<Tree>,
}

impl Tree {
    /// Reads the next reply of a connection.
    pub fn read(client: &mut Client) -> Result<Tree, Error> {
        let head = String::from_utf8_lossy(&client.read_line()?).into_owned();
        let mut tree = Tree { head, payload: None, children: Vec::new() };
        // A count of -1 is a null.
        let Some(count) = tree.head.get(1..).and_then(|count| count.parse::<usize>().ok()) else { return Ok(tree) };
        let children = match tree.head.as_bytes()[0] {
            b'$' | b'=' | b'!' => {
                let mut payload = client.read_raw(count + 2)?;
                payload.truncate(count);
                tree.payload = Some(payload);
                0
            }
            b'*' | b'~' | b'>' => count,
            b'%' => 2 * count,
            _ => 0,
        };
        for _ in 0..children {
            tree.children.push(Tree::read(client)?);
        }
        Ok(tree)
    }

    /// Its lines, payloads in quotes unless they are plain.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.head.clone()];
        lines.extend(self.payload.as_deref().map(payload));
        self.children.iter().for_each(|child| lines.extend(child.lines()));
        lines
    }

    /// Sorts elements without order; of a SCAN reply those inside.
    pub fn sort(&mut self) {
        let inside = self.children.len() == 2 && self.children[1].head.starts_with('*');
        let tree = if inside { &mut self.children[1] } else { self };
        tree.children.sort_by_key(Tree::lines);
    }

    /// The payloads of its elements.
    pub fn words(&self) -> Vec<Vec<u8>> {
        self.children.iter().map(|child| child.payload.clone().unwrap_or_default()).collect()
    }
}

/// An argument in a line of the stream or an event: in quotes unless it is plain.
pub fn quoted(bytes: &[u8]) -> String {
    let plain = |byte: &u8| (33..127).contains(byte) && !b"\"'\\{".contains(byte);
    if !bytes.is_empty() && bytes[0] != b'~' && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    in_quotes(bytes)
}

/// A payload: in quotes unless it is plain text that nobody takes for another kind of line.
fn payload(bytes: &[u8]) -> String {
    let plain = |byte: &u8| (32..127).contains(byte);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_be_taken_for_another_line_is_in_quotes() {
        assert_eq!(payload(b"plain text"), "plain text");
        assert_eq!(payload(b"3 apples"), "\"3 apples\"");
        assert_eq!(payload(b""), "\"\"");
        assert_eq!(payload(b"a\x00\"b"), "\"a\\x00\\\"b\"");
        assert_eq!(quoted(b"a b"), "\"a b\"");
        assert_eq!(quoted(b"k:1"), "k:1");
    }
}
