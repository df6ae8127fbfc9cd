//! Keys of a shape: strings of some length, small collections; and how a server is filled with them.

use super::load::Numbers;
use super::servers::Server;
use crate::Outcome;

/// Keys set by one round trip.
const BATCH: u64 = 1000;
/// Bytes of a key's name.
pub const NAME_BYTES: usize = 16;
/// Bytes of an element of a list, a set or a sorted set, and of the name of a field.
const ELEMENT_BYTES: usize = 4;
/// Bytes of the value of a field.
const FIELD_VALUE_BYTES: usize = 16;

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A string of so many bytes.
    Text(usize),
    /// A string that is a number.
    Number,
    /// A hash of so many fields.
    Hash(usize),
    /// A list of so many elements.
    List(usize),
    /// A set of so many members.
    Set(usize),
    /// A sorted set of so many members.
    ZSet(usize),
}

impl Shape {
    /// What tables call it.
    pub fn name(self) -> String {
        match self {
            Shape::Text(bytes) => format!("string of {bytes} bytes"),
            Shape::Number => "number".to_owned(),
            Shape::Hash(count) => format!("hash of {count} fields"),
            Shape::List(count) => format!("list of {count}"),
            Shape::Set(count) => format!("set of {count}"),
            Shape::ZSet(count) => format!("sorted set of {count}"),
        }
    }

    /// The command that makes key number `key`.
    fn put(self, out: &mut Vec<u8>, key: u64, numbers: &mut Numbers) {
        let name = format!("key:{key:0width$}", width = NAME_BYTES - 4);
        let mut words = vec![self.command().to_owned(), name];
        match self {
            Shape::Text(bytes) => words.push(text(bytes, numbers)),
            Shape::Number => words.push((numbers.next() % 1_000_000_000).to_string()),
            Shape::Hash(count) => {
                (0..count).for_each(|at| words.extend([element(at), text(FIELD_VALUE_BYTES, numbers)]));
            }
            Shape::List(count) | Shape::Set(count) => words.extend((0..count).map(element)),
            Shape::ZSet(count) => {
                let score = |numbers: &mut Numbers| format!("{:.6}", (numbers.next() % 1_000_000) as f64 / 1e6);
                (0..count).for_each(|at| words.extend([score(numbers), element(at)]));
            }
        }
        put_command(out, &words);
    }

    fn command(self) -> &'static str {
        match self {
            Shape::Text(_) | Shape::Number => "SET",
            Shape::Hash(_) => "HSET",
            Shape::List(_) => "RPUSH",
            Shape::Set(_) => "SADD",
            Shape::ZSet(_) => "ZADD",
        }
    }
}

/// Random letters and digits, which no compression shortens by much.
fn text(bytes: usize, numbers: &mut Numbers) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes + 10);
    while text.len() < bytes {
        let random = numbers.next();
        text.extend((0..10).map(|place| char::from(LETTERS[(random >> (6 * place)) as usize & 63])));
    }
    text.truncate(bytes);
    // A number would be kept as one.
    if bytes > 0 { format!("v{}", &text[1..]) } else { text }
}

fn element(at: usize) -> String {
    format!("e{at:0width$}", width = ELEMENT_BYTES - 1)
}

fn put_command(out: &mut Vec<u8>, words: &[String]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    words.iter().for_each(|word| out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes()));
}

/// Makes keys 0 to `keys`, each of the shape that `shape` chooses by a random number, and gives those a deadline for which
/// it says so.
pub fn fill(server: &Server, keys: u64, shape: impl Fn(u64) -> (Shape, bool)) -> Outcome<()> {
    let mut client = server.connect()?;
    let mut numbers = Numbers(1);
    let failed = |error: client::Error| format!("{}: {error}", server.name);
    for first in (0..keys).step_by(BATCH as usize) {
        let (mut bytes, mut replies) = (Vec::new(), 0);
        for key in first..keys.min(first + BATCH) {
            let (shape, expires) = shape(numbers.next());
            shape.put(&mut bytes, key, &mut numbers);
            replies += 1;
            if expires {
                // About the year 2100, so that none goes while anything is measured.
                let deadline = 4_102_444_800_000 + numbers.next() % 1_000_000_000;
                let name = format!("key:{key:0width$}", width = NAME_BYTES - 4);
                put_command(&mut bytes, &["PEXPIREAT".to_owned(), name, deadline.to_string()]);
                replies += 1;
            }
        }
        client.send_raw(&bytes).map_err(failed)?;
        for _ in 0..replies {
            if let client::Value::Error(text) = client.reply().map_err(failed)? {
                return Err(format!("{}: {}", server.name, String::from_utf8_lossy(&text)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_length_and_is_no_number() {
        let mut numbers = Numbers(7);
        for bytes in [1, 8, 64, 1000] {
            let text = text(bytes, &mut numbers);
            assert_eq!(text.len(), bytes);
            assert!(text.starts_with('v'));
        }
    }

    #[test]
    fn a_hash_is_made_by_one_command() {
        let mut out = Vec::new();
        Shape::Hash(1).put(&mut out, 5, &mut Numbers(1));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("*4\r\n$4\r\nHSET\r\n$16\r\nkey:000000000005\r\n$4\r\ne000\r\n$16\r\nv"), "{text}");
    }
}
