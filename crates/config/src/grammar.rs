//! One line of redis.conf as words: separated by blanks, in `"…"` with escapes or `'…'`. Words are bytes: a password
//! need not be text.

/// A quote that is not closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbalanced;

/// Splits a line into its words. What stands directly before or behind a quoted part belongs to the same word, as with
/// Valkey 9.1; older servers refuse something behind one.
pub fn split_line(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(words);
        }
        let mut word = Vec::new();
        while let Some(byte) = next(&mut rest) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => break,
                b'"' => read_double_quoted(&mut rest, &mut word)?,
                b'\'' => read_single_quoted(&mut rest, &mut word)?,
                byte => word.push(byte),
            }
        }
        words.push(word);
    }
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    &rest[rest.iter().take_while(|byte| blank(byte)).count()..]
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
}

fn read_single_quoted(rest: &mut &[u8], word: &mut Vec<u8>) -> Result<(), Unbalanced> {
    loop {
        match next(rest).ok_or(Unbalanced)? {
            b'\'' => return Ok(()),
            b'\\' if rest.first() == Some(&b'\'') => word.extend(next(rest)),
            byte => word.push(byte),
        }
    }
}

fn read_double_quoted(rest: &mut &[u8], word: &mut Vec<u8>) -> Result<(), Unbalanced> {
    loop {
        match next(rest).ok_or(Unbalanced)? {
            b'"' => return Ok(()),
            b'\\' => word.push(read_escape(rest)?),
            byte => word.push(byte),
        }
    }
}

fn read_escape(rest: &mut &[u8]) -> Result<u8, Unbalanced> {
    let hex = |at: usize| rest.get(at).and_then(|byte| (*byte as char).to_digit(16));
    if let (Some(b'x'), Some(high), Some(low)) = (rest.first(), hex(1), hex(2)) {
        *rest = &rest[3..];
        return Ok((high * 16 + low) as u8);
    }
    Ok(match next(rest).ok_or(Unbalanced)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    })
}

/// Writes a word in quotes, as the peers write it: everything that is not printable ASCII as an escape.
pub(crate) fn quote(word: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in word {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            0x07 => text.extend(b"\\a"),
            0x08 => text.extend(b"\\b"),
            b' '..=b'~' => text.push(*byte),
            byte => text.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    text.push(b'"');
    text
}

/// Writes a word so that it reads back as itself, in quotes only where it needs them.
pub(crate) fn quote_if_needed(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    let is_plain = word.iter().all(plain) && !matches!(word.first(), None | Some(b'#'));
    if is_plain { word.to_vec() } else { quote(word) }
}

/// The words of a directive that takes several, as the part of a line behind its name. A word that stands alone there is
/// split once more when it is read, so it is quoted once more.
pub(crate) fn join<Word: AsRef<[u8]>>(words: &[Word]) -> Vec<u8> {
    match words {
        [only] => quote_if_needed(&quote_if_needed(only.as_ref())),
        words => words.iter().map(|word| quote_if_needed(word.as_ref())).collect::<Vec<_>>().join(&b' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
        split_line(line)
    }

    #[test]
    fn words_are_split_as_the_peers_split_them() {
        for (line, words) in [
            (&b"save 900 1"[..], vec![&b"save"[..], b"900", b"1"]),
            (b"requirepass \"a b\\x41\\n\\q\\x4\"", vec![b"requirepass", b"a bA\nqx4"]),
            (b"save \"\"", vec![b"save", b""]),
            (b"x 'it\\'s \\x41'", vec![b"x", b"it's \\x41"]),
            (b"x a'b'c\"d\"", vec![b"x", b"abcd"]),
            (b"x \"\\xff\\x00\" \xff\xfe", vec![b"x", b"\xff\x00", b"\xff\xfe"]),
            (b"a\x0bb \x0bc", vec![b"a\x0bb", b"c"]),
            (b"  \t", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{}", line.escape_ascii());
        }
        for line in ["save \"a", "save 'a", "x \"\\", "x a\\\"b"] {
            assert_eq!(split(line.as_bytes()), Err(Unbalanced), "{line}");
        }
    }

    #[test]
    fn a_quoted_word_reads_back_whatever_its_bytes_are() {
        let all: Vec<u8> = (0..=255).collect();
        for word in [&b""[..], b"plain", b"two words", b"q\"u\\o'te", b"line\nend", b"#no comment", b"a#b", &all] {
            assert_eq!(split(&quote(word)).unwrap(), [word]);
            assert_eq!(split(&quote_if_needed(word)).unwrap(), [word]);
        }
        assert_eq!(quote(b"a \"b\n\x01\xe9"), b"\"a \\\"b\\n\\x01\\xe9\"");
        assert_eq!(quote_if_needed(b"a#b"), b"a#b");
    }
}
