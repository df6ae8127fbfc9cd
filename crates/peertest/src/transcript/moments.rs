//! Moments in transcripts: `{+10000}` is the Unix time in milliseconds 10 s from now, `{s+100}` that in seconds.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// How much later than it was sent a command may run and still count as of that moment.
const LATE_MS: i64 = 40;

/// Numbers of ten digits within this of now are taken for a moment in seconds.
const SECONDS_NEAR: i64 = 200_000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("now is after 1970").as_millis() as i64
}

/// Replaces the moments in a command: the time taken for now, and the command. One that names seconds waits for the
/// start of a second, so that a rounded reply is the same each time.
pub fn fill(text: &str) -> (i64, String) {
    if text.contains("{s") {
        crate::wait_until("the start of a second", crate::SHORT, || now_ms() % 1000 < LATE_MS / 2);
    }
    let now_ms = now_ms();
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        match behind.split_once('}').and_then(|(inside, behind)| Some((moment(inside, now_ms)?, behind))) {
            Some((moment, behind)) => {
                filled.push_str(&moment.to_string());
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = behind;
            }
        }
    }
    (now_ms, filled + rest)
}

fn moment(inside: &str, now_ms: i64) -> Option<i64> {
    let (now, offset) = match inside.strip_prefix('s') {
        Some(offset) => (now_ms / 1000, offset),
        None => (now_ms, inside),
    };
    let signed = offset.starts_with(['+', '-']);
    offset.parse::<i64>().ok().filter(|_| signed).map(|offset| now + offset)
}

/// The numbers in a line that might be moments: ten to thirteen digits.
pub fn numbers(line: &str) -> impl Iterator<Item = String> {
    pieces(line).into_iter().filter(|piece| is_number(piece)).map(str::to_owned)
}

/// Replaces moments in a line by how far they are from now; `given` are numbers that the test itself wrote.
pub fn relative(line: &str, now_ms: i64, given: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for piece in pieces(line) {
        let near = Some(piece).filter(|piece| is_number(piece) && !given.contains(*piece));
        match near.and_then(|piece| distance(piece.parse().expect("digits"), piece.len(), now_ms)) {
            Some(distance) => text.push_str(&distance),
            None => text.push_str(piece),
        }
    }
    text
}

/// A number as a placeholder, if it is a moment that the test can have meant.
fn distance(number: i64, digits: usize, now_ms: i64) -> Option<String> {
    if digits == 13 {
        let distance = number - now_ms;
        let round = [1000, 100].map(|step| (distance + step / 2).div_euclid(step) * step);
        return round
            .into_iter()
            .find(|round| (distance - round).abs() < LATE_MS)
            .map(|round| format!("{{{round:+}}}"));
    }
    let distance = number - now_ms / 1000;
    if digits != 10 || distance.abs() >= SECONDS_NEAR {
        return None;
    }
    let round = (distance + 50).div_euclid(100) * 100;
    let meant = if distance.abs() >= 100 && (distance - round).abs() <= 1 { round } else { distance };
    Some(format!("{{s{meant:+}}}"))
}

fn is_number(piece: &str) -> bool {
    (10..=13).contains(&piece.len()) && piece.bytes().all(|byte| byte.is_ascii_digit())
}

/// Cuts a line into words (letters, digits, `_`, `.`) and what stands between them.
fn pieces(line: &str) -> Vec<&str> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, c) in line.char_indices().skip(1) {
        let before = line[..at].chars().next_back().expect("not the first");
        if in_word(before) != in_word(c) {
            pieces.push(&line[start..at]);
            start = at;
        }
    }
    pieces.push(&line[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_750_000_000_123;

    fn shown(line: &str) -> String {
        relative(line, NOW, &BTreeSet::from(["1750000005000".to_owned()]))
    }

    #[test]
    fn moments_near_now_are_written_as_distances() {
        assert_eq!(shown("! 0 SET k v PXAT 1750000010150"), "! 0 SET k v PXAT {+10000}");
        assert_eq!(shown(":1750000100"), ":{s+100}");
        assert_eq!(shown(":1749999999"), ":{s-1}");
    }

    #[test]
    fn numbers_of_the_test_and_other_numbers_stay() {
        assert_eq!(shown("! 0 SET k v PXAT 1750000005000"), "! 0 SET k v PXAT 1750000005000");
        assert_eq!(shown("1750000010.150 x1750000010123 1750000010173"), "1750000010.150 x1750000010123 1750000010173");
    }

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let (now, text) = fill("SET {a} v PXAT {+5}");
        assert_eq!(text, format!("SET {{a}} v PXAT {}", now + 5));
    }
}
