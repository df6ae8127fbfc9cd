//! Inline requests: words with shell-like quoting, as typed into telnet and written in configuration files.

use crate::args::{ArgRange, ArgsBuf};

/// A quote was not closed, or its end was not followed by a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Splits a line into decoded words, put into `args`. `"…"` knows `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and takes any
/// other escaped byte as itself; `'…'` knows only `\'`. No word at all gives empty `args`. A zero byte is a byte
/// like others (the peers stop reading the line there).
pub fn split_inline(line: &[u8], args: &mut ArgsBuf) -> Result<(), UnbalancedQuotes> {
    args.clear();
    args.is_decoded = true;
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(());
        }
        let start = args.decoded.len();
        rest = take_word(rest, &mut args.decoded)?;
        args.ranges.push(ArgRange { start, len: args.decoded.len() - start });
    }
}

/// Decodes the word at the beginning of `rest` and returns what is behind it. A quote may begin in the middle
/// of a word but always ends it.
fn take_word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', quoted @ ..] => return take_double_quoted(quoted, out),
            [b'\'', quoted @ ..] => return take_single_quoted(quoted, out),
            [byte, behind @ ..] => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, behind) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', behind @ ..] => return behind_quote(behind),
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), behind)
            }
            [b'\\', escaped, behind @ ..] => (unescape(*escaped), behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        out.push(byte);
        rest = behind;
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, behind) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', behind @ ..] => return behind_quote(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        out.push(byte);
        rest = behind;
    }
}

fn behind_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_space(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    (digit as char).to_digit(16).expect("checked to be a hex digit") as u8
}

/// C's `isspace`, which also takes the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, or None if its quotes are unbalanced.
    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut args = ArgsBuf::new();
        split_inline(line, &mut args).ok()?;
        Some(args.view(b"").iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn words_are_decoded_as_a_real_server_echoes_them() {
        // Read off ECHO replies of Redis 7.0.15 and Valkey 8.0, which agree.
        for (line, word) in [
            (&br#"ECHO "a\x41\n\r\t\b\a\q\\\"b""#[..], &b"aA\n\r\t\x08\x07q\\\"b"[..]),
            (br#"ECHO 'a\'b\n"'"#, b"a'b\\n\""),
            (br#"ECHO a"b c""#, b"ab c"),
            (br#"ECHO a'b c'"#, b"ab c"),
            (br#"ECHO """#, b""),
            (br"ECHO a\x41", br"a\x41"),
            (br#"ECHO "\xzz""#, b"xzz"),
            (br#"ECHO "\x4""#, b"x4"),
            (b"ECHO \x0ba", b"a"),
            (b"ECHO a\x0cb", b"a\x0cb"),
            (b" ECHO\ta \r", b"a"),
            (b"\"ECHO\" \"\xff\"", b"\xff"),
        ] {
            assert_eq!(words(line), Some(vec![b"ECHO".to_vec(), word.to_vec()]), "{}", line.escape_ascii());
        }
        assert_eq!(words(b" \r"), Some(vec![]));
        assert_eq!(words(b"a\rb").map(|words| words.len()), Some(2));
    }

    #[test]
    fn an_open_quote_or_one_that_ends_inside_a_word_is_refused() {
        for line in [r#"ECHO "a"#, "ECHO 'a", r#"ECHO "a"b"#, "ECHO 'a'b", r#"ECHO "a\""#, r#"ECHO "a\"#] {
            assert_eq!(words(line.as_bytes()), None, "{line}");
        }
    }
}
