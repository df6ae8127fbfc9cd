//! One line of redis.conf as words: separated by blanks, in `"…"` with escapes or `'…'`.

/// A quote that is not closed, or goes on without a blank behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbalanced;

/// Splits a line into its words.
pub fn split_line(line: &str) -> Result<Vec<String>, Unbalanced> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(words);
        }
        let mut word = String::new();
        loop {
            match rest.next() {
                None => break,
                Some(c) if c.is_ascii_whitespace() => break,
                Some(quote @ ('"' | '\'')) => {
                    read_quoted(&mut rest, quote, &mut word)?;
                    // A closing quote ends the word: only a blank may follow it.
                    if rest.peek().is_some_and(|c| !c.is_ascii_whitespace()) {
                        return Err(Unbalanced);
                    }
                    break;
                }
                Some(c) => word.push(c),
            }
        }
        words.push(word);
    }
}

fn read_quoted(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    word: &mut String,
) -> Result<(), Unbalanced> {
    loop {
        match rest.next().ok_or(Unbalanced)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '\'' && rest.peek() == Some(&'\'') => {
                rest.next();
                word.push('\'');
            }
            '\\' if quote == '"' => word.push(read_escape(rest)?),
            c => word.push(c),
        }
    }
}

fn read_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, Unbalanced> {
    let escaped = rest.next().ok_or(Unbalanced)?;
    Ok(match escaped {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'a' => '\u{7}',
        'x' => {
            let mut ahead = rest.clone();
            let digits = (ahead.next().and_then(|c| c.to_digit(16)), ahead.next().and_then(|c| c.to_digit(16)));
            match digits {
                (Some(high), Some(low)) => {
                    *rest = ahead;
                    char::from((high * 16 + low) as u8)
                }
                _ => 'x',
            }
        }
        other => other,
    })
}

/// Writes a word so that it reads back as itself, in quotes where it needs them.
pub(crate) fn quote(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#'));
    if plain {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_the_peers_split_them() {
        for (line, words) in [
            ("save 900 1", vec!["save", "900", "1"]),
            ("requirepass \"a b\\x41\\n\"", vec!["requirepass", "a bA\n"]),
            ("save \"\"", vec!["save", ""]),
            ("x 'it\\'s'", vec!["x", "it's"]),
            ("  \t", vec![]),
        ] {
            assert_eq!(split_line(line).unwrap(), words, "{line}");
        }
        for line in ["save \"a", "save 'a", "x \"a\"b", "x \"\\"] {
            assert_eq!(split_line(line), Err(Unbalanced), "{line}");
        }
    }

    #[test]
    fn a_quoted_word_reads_back() {
        for word in ["", "plain", "two words", "q\"u\\o'te", "line\nend", "#no comment"] {
            assert_eq!(split_line(&quote(word)).unwrap(), [word]);
        }
    }
}
