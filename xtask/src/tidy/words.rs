//! Words that must not stand in the code, or only in the files that own them: `unsafe`, unfinished code, tests that
//! are left out, tests that sleep.

use super::Violation;
use super::masked::{Masked, is_word};

/// Where `unsafe` may stand, and why. A path that ends in `/` is a folder.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/base/src/prefetch.rs", "a hint to the processor"),
    ("crates/keyspace/src/table/", "the table, read by snapshots on other threads while it is written"),
    ("crates/commands/src/bitmap/bits.rs", "a function for wider registers, called where the processor has them"),
    ("crates/server/src/ring.rs", "requests to the kernel that point to memory"),
    ("crates/server/src/system.rs", "calls of the operating system that the standard library lacks"),
    ("fuzz/src/memory.rs", "the allocator that counts what a fuzz target holds"),
];

/// Where tests may sleep, and why.
const SLEEP: &[(&str, &str)] = &[("crates/peertest/src/wait.rs", "the wait for a condition, which every test uses")];

/// What is never left in the code, and what to do instead.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!(", "say what is missing by an error, or build it"),
    ("unimplemented!(", "say what is missing by an error, or build it"),
    ("dbg!(", "a help for one's own eyes"),
    ("#[ignore", "a test runs or is removed"),
];

/// Checks one file.
pub fn check(path: &str, text: &str, masked: &Masked) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut test_code = is_test_file(path);
    for (index, line) in masked.lines().enumerate() {
        let mut report = |what: String| violations.push(Violation { path: path.to_owned(), line: index + 1, what });
        test_code |= line.trim_start().starts_with("#[cfg(test)]");
        for (word, advice) in UNFINISHED {
            if contains(line, word) {
                report(format!("`{word}`: {advice}"));
            }
        }
        if contains(line, "unsafe") && !allowed(UNSAFE, path) {
            report("`unsafe` outside of the few files that may have it".to_owned());
        }
        if test_code && contains(line, "thread::sleep") && !allowed(SLEEP, path) {
            report("a test that sleeps: wait for a condition, or simulate time".to_owned());
        }
    }
    debug_assert_eq!(text.len(), masked.as_str().len());
    violations
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("crates/peertest/")
}

fn allowed(table: &[(&str, &str)], path: &str) -> bool {
    table.iter().any(|(place, _)| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// Whether `word` stands in the line as a word of its own, not within a longer one.
fn contains(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.as_bytes()[..at].last().is_some_and(|&byte| is_word(byte));
        let ends_in_word = word.as_bytes().last().is_some_and(|&byte| is_word(byte));
        let after = line.as_bytes().get(at + word.len()).is_some_and(|&byte| is_word(byte));
        !(before || ends_in_word && after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(path, text, &Masked::new(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unfinished_code_is_found_and_talk_about_it_is_not() {
        assert_eq!(
            found("a.rs", "fn f() {\n    todo!()\n}")[0],
            "a.rs:2: `todo!(`: say what is missing by an error, or build it"
        );
        assert_eq!(found("a.rs", "// todo!()\nlet a = \"dbg!(\"; my_dbg!(1);"), Vec::<String>::new());
        assert_eq!(found("a.rs", "#[ignore = \"slow\"]").len(), 1);
    }

    #[test]
    fn unsafe_stands_only_where_it_may() {
        assert_eq!(found("crates/resp/src/lib.rs", "unsafe { f() }").len(), 1);
        assert_eq!(found("crates/keyspace/src/table/entry.rs", "unsafe { f() }").len(), 0);
        assert_eq!(found("crates/resp/src/lib.rs", "#![deny(unsafe_op_in_unsafe_fn)]").len(), 0);
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = "std::thread::sleep(x);\n#[cfg(test)]\nmod tests {\nstd::thread::sleep(x);\n}\n";
        assert_eq!(found("crates/server/src/a.rs", text).len(), 1);
        assert_eq!(found("crates/server/tests/a.rs", text).len(), 2);
        assert_eq!(found("crates/peertest/src/wait.rs", text).len(), 0);
    }
}
