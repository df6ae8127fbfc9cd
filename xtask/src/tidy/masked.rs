//! A Rust file with comments and the insides of literals blanked, so that the rules see code only. It is a scanner of
//! characters, not a parser: it knows comments, strings, raw strings, characters and lifetimes, and no more.

/// The blanked text. Every byte stays at its place, line ends included.
pub struct Masked {
    text: Vec<u8>,
}

impl Masked {
    /// Blanks `text`.
    pub fn new(text: &str) -> Masked {
        let mut masked = Masked { text: text.as_bytes().to_vec() };
        let mut at = 0;
        while at < masked.text.len() {
            at = masked.step(at);
        }
        masked
    }

    /// The blanked lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.as_str().lines()
    }

    /// The whole blanked text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("only whole characters are blanked")
    }

    /// Handles what begins at `at` and returns where the next thing begins.
    fn step(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let word_before = at > 0 && is_word(self.text[at - 1]);
        if rest.starts_with(b"//") {
            let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            return self.blank(at, at + length);
        }
        if rest.starts_with(b"/*") {
            return self.blank(at, at + comment_length(rest));
        }
        if !word_before && let Some((open, hashes)) = raw_string(rest) {
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let inside = rest[open..].windows(close.len()).position(|window| window == close);
            let length = inside.unwrap_or(rest.len() - open);
            self.blank(at + open, at + open + length);
            return (at + open + length + close.len()).min(self.text.len());
        }
        match rest[0] {
            b'"' => self.quoted(at, b'"'),
            b'\'' if is_character(rest) => self.quoted(at, b'\''),
            _ => at + 1,
        }
    }

    /// Blanks up to the closing quote of what opens at `at`.
    fn quoted(&mut self, at: usize, quote: u8) -> usize {
        let mut end = at + 1;
        while end < self.text.len() && self.text[end] != quote {
            end += if self.text[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(self.text.len());
        self.blank(at + 1, end) + 1
    }

    fn blank(&mut self, from: usize, to: usize) -> usize {
        for byte in &mut self.text[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        to
    }
}

/// Whether a byte can be part of a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Comments nest.
fn comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the opening of a raw string (`r"`, `br#"` …) and its number of `#`.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let letters = ["br", "cr", "r"].into_iter().find(|letters| rest.starts_with(letters.as_bytes()))?.len();
    let hashes = rest[letters..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(letters + hashes) == Some(&b'"')).then_some((letters + hashes + 1, hashes))
}

/// Tells a character literal from a lifetime: it closes after one character.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let length = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            rest.get(1 + length) == Some(&b'\'')
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Masked;

    fn masked(text: &str) -> String {
        Masked::new(text).as_str().to_owned()
    }

    #[test]
    fn comments_and_strings_are_blanked_and_code_is_not() {
        assert_eq!(masked("a(\"un{\\\"\"); // b\nc"), "a(\"     \");     \nc");
        assert_eq!(masked("a /* x /* y */ z */ b"), "a                   b");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(masked("r#\"a\"b\"#;c"), "r#\"   \"#;c");
        assert_eq!(masked("br\"a\\\";c"), "br\"  \";c");
        assert_eq!(masked("for\"a\""), "for\" \"");
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(masked("&'a str, '{', '\\'', '\"', b'}'"), "&'a str, ' ', '  ', ' ', b' '");
    }
}
