//! What a comparison has found, and how it is told.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Examples kept of each kind of difference.
const EXAMPLES_MAX: usize = 2;

/// How a reply of ours compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Equal to that of Redis 7.0 in every byte.
    Equal,
    /// Equal once what may differ is set aside, for this reason.
    Normalised(&'static str),
    /// Not that of Redis 7.0, but that of the descendant of 7.2; the text tells kinds of it apart.
    Newer(String),
    /// Neither one's.
    Different(String),
}

/// One kind of difference.
#[derive(Debug, Default)]
pub struct Kind {
    /// How often it was met.
    pub count: usize,
    /// The first ones, with what led to them.
    pub examples: Vec<String>,
}

/// The sums of a comparison.
#[derive(Debug, Default)]
pub struct Tally {
    /// Equal to those of Redis 7.0 in every byte.
    pub equal: usize,
    /// Equal once what may differ is set aside, by the reason.
    pub normalised: BTreeMap<&'static str, usize>,
    /// As 7.2 has them.
    pub newer: BTreeMap<String, Kind>,
    /// As no server has them, or as one that is not to be followed.
    pub different: BTreeMap<String, Kind>,
    /// Replies not compared because they follow from a difference that was counted.
    pub skipped: usize,
    /// Replies by command: how often it succeeded, and how often it was refused.
    pub commands: BTreeMap<String, (usize, usize)>,
}

impl Tally {
    /// Counts a reply; `example` is asked for only if it will be shown.
    pub fn count(&mut self, verdict: Verdict, example: impl FnOnce() -> String) {
        let kind = match verdict {
            Verdict::Equal => return self.equal += 1,
            Verdict::Normalised(reason) => return *self.normalised.entry(reason).or_default() += 1,
            Verdict::Newer(kind) => self.newer.entry(kind).or_default(),
            Verdict::Different(kind) => self.different.entry(kind).or_default(),
        };
        kind.count += 1;
        if kind.examples.len() < EXAMPLES_MAX {
            kind.examples.push(example());
        }
    }

    /// Replies compared.
    pub fn total(&self) -> usize {
        let kinds = self.newer.values().chain(self.different.values());
        self.equal + self.normalised.values().sum::<usize>() + kinds.map(|kind| kind.count).sum::<usize>()
    }

    /// How many of a thousand replies are those of Redis 7.0.
    pub fn equal_per_mille(&self) -> f64 {
        let equal = self.equal + self.normalised.values().sum::<usize>();
        equal as f64 * 1000.0 / self.total().max(1) as f64
    }

    /// The kinds of replies that are not those of Redis 7.0 for a reason nobody has written down.
    pub fn unexplained(&self) -> Vec<&String> {
        self.newer.keys().chain(self.different.keys()).filter(|kind| reason(kind).is_none()).collect()
    }

    /// For people.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
        line(format!("{:>9} replies compared, {:.3} per mille as Redis 7.0", self.total(), self.equal_per_mille()));
        line(format!("{:>9} equal in every byte", self.equal));
        for (reason, count) in &self.normalised {
            line(format!("{count:>9} equal but for: {reason}"));
        }
        line(format!("{:>9} not compared: they follow from a difference above or below", self.skipped));
        let newer = self.newer.iter().map(|entry| ("as 7.2", entry));
        let different = self.different.iter().map(|entry| ("DIFFERENT", entry));
        for (what, (kind, found)) in newer.chain(different) {
            let reason = reason(kind);
            line(format!("{:>9} {what}: {kind}: {}", found.count, reason.unwrap_or("NOT EXPLAINED")));
            if reason.is_none() {
                found.examples.iter().for_each(|example| line(indented(example)));
            }
        }
        text
    }

    /// How often each command succeeded and failed, so that a command that never succeeds is seen.
    pub fn coverage(&self) -> String {
        let lines = self.commands.iter().map(|(name, (done, refused))| format!("{name} {done}+{refused}"));
        lines.collect::<Vec<_>>().join(", ")
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("            {line}")).collect::<Vec<_>>().join("\n")
}

/// What 7.2 changed, or where the three servers have three opinions: a part of the name of the kind, and the reason.
const REASONS: &[(&str, &str)] = &[
    ("ZRANK: ", "ZRANK has WITHSCORE since 7.2"),
    ("ZREVRANK: ", "ZREVRANK has WITHSCORE since 7.2"),
    ("XGROUP: a number instead of a number", CONSUMERS),
    ("XINFO: elements instead of elements", CONSUMERS),
    ("BITCOUNT: \"ERR ", "7.2 looks at the arguments before it looks for the key; only Valkey 8.0 takes one bound"),
    ("OBJECT: a number instead of a number", "in 7.0 keys share small numbers, and with them their idle time"),
    ("SORT: elements instead of \"ERR One or more scores", OVERFLOW),
    ("SORT: a number instead of \"ERR One or more scores", OVERFLOW),
    ("LREM: \"ERR value is out of range, value must", "7.2 refuses the lowest count"),
    ("LPOS: \"ERR value is out of range, value must", "7.2 refuses the lowest RANK"),
    ("BITPOS: \"ERR ", "7.2 looks at the arguments before it looks for the key"),
    (
        SET_OVER,
        "as Valkey has it since 8.0, such a SET of a key that is not there touches nothing; Redis sets and expires it",
    ),
];

/// In the name of a kind: EXEC that Redis 7.0 refused, where a watched key has been SET with a deadline that is over.
pub const SET_OVER: &str = ", after a SET of a watched key whose deadline is over";

const CONSUMERS: &str = "since 7.2 a consumer exists from its first XREADGROUP on, even if it got nothing";

const OVERFLOW: &str = "the peers' SORT takes the overflow of an earlier command for one of its own";

fn reason(kind: &str) -> Option<&'static str> {
    REASONS.iter().find(|(part, _)| kind.contains(part)).map(|(_, reason)| *reason)
}
