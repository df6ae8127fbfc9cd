//! The notation in which commands are listed, and how a line of it becomes commands.
//!
//! `(a b|c)` is one of its alternatives, `[a]` is there or not, `{name}` is drawn by `words.rs`, `{name+}` is one to six
//! of them, `;` begins another command. A `!` in front keeps the line from being damaged on purpose: damaged, it could
//! wait for ever, expire in the middle of the comparison, or answer at random.

use super::wire::Command;
use super::words::Words;

/// Turns one line into commands.
pub fn expand(words: &mut Words, line: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for part in line.split(" ; ") {
        words.previous_key = commands.last().and_then(|command| command.get(1)).cloned().unwrap_or_default();
        let mut command = Vec::new();
        expand_into(words, part, &mut command);
        commands.push(command);
    }
    commands
}

fn expand_into(words: &mut Words, text: &str, out: &mut Command) {
    let mut rest = text.trim_start();
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'(' | b'[' => {
                let length = group_length(rest);
                let inside = &rest[1..length - 1];
                if first == b'(' {
                    let choices = alternatives(inside);
                    let chosen = choices[words.rng.usize(..choices.len())];
                    expand_into(words, chosen, out);
                } else if words.rng.u32(..3) == 0 {
                    expand_into(words, inside, out);
                }
                length
            }
            _ => {
                let length = rest.find(' ').unwrap_or(rest.len());
                token(words, &rest[..length], out);
                length
            }
        };
        rest = rest[length..].trim_start();
    }
}

fn token(words: &mut Words, token: &str, out: &mut Command) {
    let Some(name) = token.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
        let lower = words.rng.u32(..12) == 0;
        out.push(if lower { token.to_lowercase().into_bytes() } else { token.as_bytes().to_vec() });
        return;
    };
    match name.strip_suffix('+') {
        Some(name) => (0..words.rng.u32(1..7)).for_each(|_| words.draw(name, out)),
        None => words.draw(name, out),
    }
}

/// Length of the group that `text` begins with, brackets included.
fn group_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    panic!("a bracket is open in {text}");
}

/// The parts of a group between bars that stand in no inner group.
fn alternatives(inside: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'|' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_and_the_same_seed_gives_the_same_commands() {
        assert_eq!(alternatives("a (b|c)|d [e|f]|"), ["a (b|c)", "d [e|f]", ""]);
        let line = "SET {t} {v} [(EX {ttl}|PXAT {pat})] ; GET {=}";
        let once = expand(&mut Words::new(7), line);
        assert_eq!(once, expand(&mut Words::new(7), line));
        assert_eq!(once.len(), 2);
        assert_eq!(once[0][1], once[1][1]);
    }
}
