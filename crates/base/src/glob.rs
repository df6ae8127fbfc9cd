//! Glob matching over bytes, as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET use it: `*`, `?`, `[a-z]`,
//! `[^x]`, and `\` to escape. Iterative: one star is remembered, so the time is bounded by pattern × text.

/// Whether `text` matches `pattern` as a whole.
pub fn glob_match(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star: the pattern behind it, and the text position it eats up to.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            while p < pattern.len() && pattern[p] == b'*' {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        if p < pattern.len()
            && let Some(next) = match_one(&pattern[p..], text[t], ignore_case)
        {
            p += next;
            t += 1;
            continue;
        }
        match retry.as_mut() {
            Some((after_star, eaten)) => {
                *eaten += 1;
                p = *after_star;
                t = *eaten;
            }
            None => return false,
        }
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
        if class[i] == b'\\' && i + 1 < class.len() {
            hit |= fold(class[i + 1]) == byte;
            i += 2;
        } else if i + 2 < class.len() && class[i + 1] == b'-' {
            let (a, b) = (fold(class[i]), fold(class[i + 2]));
            hit |= (a.min(b)..=a.max(b)).contains(&byte);
            i += 3;
        } else {
            hit |= fold(class[i]) == byte;
            i += 1;
        }
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
            ("**", "", "\u{0}never"),
        ] {
            assert!(glob_match(pattern.as_bytes(), yes.as_bytes(), false), "{pattern} {yes}");
            if pattern != "**" {
                assert!(!glob_match(pattern.as_bytes(), no.as_bytes(), false), "{pattern} {no}");
            }
        }
        assert!(glob_match(b"FOO[A-C]", b"foob", true));
        assert!(!glob_match(b"FOO", b"foo", false));
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = b"*a".repeat(60);
        assert!(!glob_match(&pattern, &b"b".repeat(50_000), false));
    }
}
