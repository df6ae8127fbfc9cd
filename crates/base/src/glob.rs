//! Glob matching over bytes, as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET use it: `*`, `?`, `[a-z]`,
//! `[^x]`, and `\` to escape. Stars cut a pattern into segments; every element of a segment takes one byte. So the first
//! segment stands at the start of the text, the last at its end, and each between at the first place where it fits:
//! nothing is tried again. A segment of plain bytes is found in linear time, one with other elements in its length ×
//! the text's.

use memchr::memmem;

/// Whether `text` matches `pattern` as a whole. An empty text matches only an empty pattern, not even `*`: the peers
/// have it so, and look for a lone `*` before they ask.
pub fn glob_match(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    while p < pattern.len() && pattern[p] != b'*' {
        let Some(next) = text.get(t).and_then(|byte| match_one(&pattern[p..], *byte, ignore_case)) else {
            return false;
        };
        p += next;
        t += 1;
    }
    if p == pattern.len() {
        return t == text.len();
    }
    match_behind_star(&pattern[p..], &text[t..], ignore_case)
}

/// Matches a pattern that begins with a star.
fn match_behind_star(mut pattern: &[u8], mut text: &[u8], ignore_case: bool) -> bool {
    loop {
        while let [b'*', rest @ ..] = pattern {
            pattern = rest;
        }
        if pattern.is_empty() {
            return true;
        }
        let segment = Segment::at_start_of(pattern);
        if segment.bytes.len() == pattern.len() {
            let start = text.len().checked_sub(segment.elements);
            return start.is_some_and(|start| segment.fits(&text[start..], ignore_case));
        }
        let Some(found) = segment.find(text, ignore_case) else { return false };
        pattern = &pattern[segment.bytes.len()..];
        text = &text[found + segment.elements..];
    }
}

/// What stands between two stars.
struct Segment<'a> {
    bytes: &'a [u8],
    /// How many bytes of a text it takes.
    elements: usize,
}

impl<'a> Segment<'a> {
    fn at_start_of(pattern: &'a [u8]) -> Segment<'a> {
        let (mut at, mut elements) = (0, 0);
        while at < pattern.len() && pattern[at] != b'*' {
            at += match pattern[at] {
                b'[' => 1 + class_length(&pattern[at + 1..]),
                b'\\' if at + 1 < pattern.len() => 2,
                _ => 1,
            };
            elements += 1;
        }
        Segment { bytes: &pattern[..at], elements }
    }

    /// Whether a text begins with it.
    fn fits(&self, text: &[u8], ignore_case: bool) -> bool {
        let mut at = 0;
        text.iter().take(self.elements).all(|byte| {
            let next = match_one(&self.bytes[at..], *byte, ignore_case);
            at += next.unwrap_or(0);
            next.is_some()
        })
    }

    /// The first place in a text where it fits.
    fn find(&self, text: &[u8], ignore_case: bool) -> Option<usize> {
        let plain = !ignore_case && !self.bytes.iter().any(|byte| matches!(byte, b'?' | b'[' | b'\\'));
        if plain {
            return memmem::find(text, self.bytes);
        }
        let last = text.len().checked_sub(self.elements)?;
        (0..=last).find(|start| self.fits(&text[*start..], ignore_case))
    }
}

/// The length of a class whose `[` is already read, with its `]`. An unclosed one ends with the pattern.
fn class_length(class: &[u8]) -> usize {
    let mut i = usize::from(class.first() == Some(&b'^'));
    while i < class.len() && class[i] != b']' {
        i += element_of_class(&class[i..]);
    }
    (i + 1).min(class.len())
}

/// The length of what a class begins with: an escaped byte, a range or a byte.
fn element_of_class(class: &[u8]) -> usize {
    match class {
        [b'\\', _, ..] => 2,
        [_, b'-', _, ..] => 3,
        _ => 1,
    }
}

/// Matches one byte against the element at the start of `pattern`: the element's length if it does.
fn match_one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |b: u8| if ignore_case { b.to_ascii_lowercase() } else { b };
    match pattern[0] {
        b'?' => Some(1),
        b'[' => {
            let (hit, length) = match_class(&pattern[1..], fold(byte), fold);
            hit.then_some(1 + length)
        }
        b'\\' if pattern.len() > 1 => (fold(pattern[1]) == fold(byte)).then_some(2),
        literal => (fold(literal) == fold(byte)).then_some(1),
    }
}

/// Matches a class whose `[` is already read: whether it hits, and its length with the closing `]`. An
/// unclosed class ends with the pattern.
fn match_class(class: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut i = usize::from(negated);
    let mut hit = false;
    while i < class.len() && class[i] != b']' {
        let length = element_of_class(&class[i..]);
        hit |= match (length, &class[i..i + length]) {
            (2, [_, escaped]) => fold(*escaped) == byte,
            (3, [from, _, to]) => {
                let (from, to) = (fold(*from), fold(*to));
                (from.min(to)..=from.max(to)).contains(&byte)
            }
            (_, element) => fold(element[0]) == byte,
        };
        i += length;
    }
    (hit != negated, (i + 1).min(class.len()))
}

#[cfg(test)]
mod tests {
    use super::glob_match;

    #[test]
    fn patterns_match_as_the_manual_of_keys_says() {
        for (pattern, yes, no) in [
            ("h?llo", "hallo", "hllo"),
            ("h*llo", "heeeello", "hell"),
            ("h[ae]llo", "hello", "hillo"),
            ("h[^e]llo", "hallo", "hello"),
            ("h[a-b]llo", "hbllo", "hcllo"),
            ("h[b-a]llo", "hallo", "hcllo"),
            ("a\\*b", "a*b", "axb"),
            ("*a*b*c", "xxaxxbxxc", "xxaxxcxxb"),
            ("a*", "a", "ba"),
            ("*a?c*c", "xabcc", "xabc"),
            ("**", "x", ""),
            ("*", "x", ""),
            ("*[a*", "xya", "xy"),
            ("a\\", "a\\", "a"),
        ] {
            assert!(glob_match(pattern.as_bytes(), yes.as_bytes(), false), "{pattern} {yes}");
            assert!(!glob_match(pattern.as_bytes(), no.as_bytes(), false), "{pattern} {no}");
        }
        assert!(glob_match(b"FOO[A-C]", b"foob", true));
        assert!(!glob_match(b"FOO", b"foo", false));
    }

    #[test]
    fn many_stars_and_long_patterns_stay_fast() {
        let pattern = b"*a".repeat(60);
        assert!(!glob_match(&pattern, &b"b".repeat(50_000), false));
        let text = b"a".repeat(1_000_000);
        for end in ["b", "b*"] {
            let pattern = [b"*", &text[..500_000], end.as_bytes()].concat();
            assert!(!glob_match(&pattern, &text, false));
        }
    }
}
