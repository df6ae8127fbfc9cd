//! The trace: one line per event, `<seconds> <who> <what> <details>`, described in docs/simulation.md. The last lines
//! are kept for the report of a failure, and all of them are summed, so that two runs can be compared.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use base::Time;

/// How many lines a failure shows.
const KEPT_LINES: usize = 80;

/// What was traced.
pub(crate) struct Trace {
    print: bool,
    last: VecDeque<String>,
    sum: u64,
    lines: u64,
}

impl Trace {
    /// Nothing yet. `print`: every line goes to standard output.
    pub fn new(print: bool) -> Trace {
        Trace { print, last: VecDeque::new(), sum: 0, lines: 0 }
    }

    /// One event.
    pub fn line(&mut self, now: Time, who: &str, what: &str) {
        let line = format!("{:4}.{:06} {who:<3} {what}", now.0 / 1_000_000, now.0 % 1_000_000);
        let mut hasher = foldhash::fast::FixedState::with_seed(self.sum).build_hasher();
        hasher.write(line.as_bytes());
        self.sum = hasher.finish();
        self.lines += 1;
        if self.print {
            println!("{line}");
        }
        if self.last.len() == KEPT_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// A number that stands for all lines so far.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    pub fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
