//! The commands in a transcript of either notation and what kind of reply came. The notations are explained in
//! `crates/commands/tests/support/script.rs` and `crates/node/tests/support/script.rs`.

/// A command of a transcript.
pub struct Case {
    /// Its words.
    pub words: Vec<String>,
    /// What came.
    pub came: Came,
}

/// What kind of reply came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// A reply that is no error.
    Reply,
    /// The refusal of a number of arguments.
    WrongNumber,
    /// The refusal of a value of another type.
    WrongType,
    /// Another error.
    Error,
    /// Nothing yet: queued, blocked, silent.
    Nothing,
}

/// All commands of a transcript.
pub fn read(text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.lines().collect();
    let next = |index: usize| lines.get(index + 1).map_or(Came::Nothing, |line| came(line));
    let case = |(index, line): (usize, &&str)| Some(Case { words: split(command(line)?), came: next(index) });
    lines.iter().enumerate().filter_map(case).collect()
}

/// The command of a line, if it is one; raw bytes are none.
fn command(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(|name: char| name.is_ascii_lowercase() || name == '3').unwrap_or(line);
    rest.strip_prefix("> ")
}

fn came(line: &str) -> Came {
    let line = line.strip_prefix("~ ").unwrap_or(line);
    match line.as_bytes() {
        [b'-', rest @ ..] if rest.starts_with(b"WRONGTYPE") => Came::WrongType,
        [b'-', rest @ ..] if rest.starts_with(b"ERR wrong number of arguments") => Came::WrongNumber,
        [b'-', ..] => Came::Error,
        _ if line == "+QUEUED" || command(line).is_some() => Came::Nothing,
        [b'+' | b':' | b'$' | b'*' | b'%' | b'~' | b',' | b'#' | b'_' | b'(' | b'=' | b'>', ..] => Came::Reply,
        _ => Came::Nothing,
    }
}

/// Splits as redis-cli does, near enough to find words: what an escape stands for does not matter here.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        let Some(first) = characters.next() else { return words };
        let quote = ['"', '\''].contains(&first).then_some(first);
        let mut word = if quote.is_some() { String::new() } else { String::from(first) };
        while let Some(character) = characters.next() {
            match quote {
                Some(quote) if character == quote => break,
                None if character.is_whitespace() => break,
                Some('"') if character == '\\' => word.extend(characters.next()),
                _ => word.push(character),
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_both_notations_are_read_with_what_came() {
        let text = "# a\n> SET k \"a b\"\n+OK\n@ 0 $ set k\n3> GET k\n-WRONGTYPE no\nb> MULTI x\n-ERR wrong number of \
            arguments for 'multi' command\nb>> \"PING\\r\\n\"\n+PONG\n> GET k\n+QUEUED\n> PSUBSCRIBE x\n> INFO\n~ $*\n";
        let cases: Vec<_> = read(text).into_iter().map(|case| (case.words.join("|"), case.came)).collect();
        let expected = [
            ("SET|k|a b", Came::Reply),
            ("GET|k", Came::WrongType),
            ("MULTI|x", Came::WrongNumber),
            ("GET|k", Came::Nothing),
            ("PSUBSCRIBE|x", Came::Nothing),
            ("INFO", Came::Reply),
        ];
        assert_eq!(cases, expected.map(|(words, came)| (words.to_owned(), came)));
    }
}
