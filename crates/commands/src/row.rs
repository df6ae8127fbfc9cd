//! The command row: everything a command is, declared in one const directly above its function. COMMAND,
//! COMMAND DOCS, ACL, cluster key extraction and the command line's help read it; nothing is said twice.

use crate::flags::{Categories, Flags};
use crate::keyspec::KeySpec;

/// One command or subcommand; `F` is the type of its function.
#[derive(Clone, Copy)]
pub struct Row<F: 'static> {
    /// The name in lower case, without its container: `get`, `config`, and `get` below `config`.
    pub name: &'static str,
    /// What describes the command to others.
    pub meta: Meta,
    /// The function that runs it.
    pub run: F,
    /// The subcommands of a container command.
    pub subcommands: &'static [Row<F>],
}

impl<F: Copy> Row<F> {
    /// The same command with its arguments listed, for rows that a function makes.
    pub const fn with_usage(mut self, usage: &'static str) -> Row<F> {
        self.meta = self.meta.usage(usage);
        self
    }

    /// The same command with its key positions, for rows that a function makes.
    pub const fn with_keys(mut self, keys: &'static [KeySpec]) -> Row<F> {
        self.meta = self.meta.keys(keys);
        self
    }
}

/// An element that a command will look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// None, or nobody knows before it runs.
    Unknown,
    /// The member or field at this place among the arguments; others may follow.
    Named(u8),
    /// The first member of a sorted set.
    Lowest,
    /// The last member of a sorted set.
    Highest,
}

/// What describes a command to clients, to ACL and to the gate.
#[derive(Clone, Copy)]
pub struct Meta {
    /// How many arguments, the name included; negative: at least that many.
    pub arity: i8,
    /// What the command does and where it may run.
    pub flags: Flags,
    /// ACL categories beyond those that follow from the flags.
    pub extra_categories: Categories,
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// Which element of the collection of its first key it looks for, that can be said beforehand.
    pub reach: Reach,
    /// It changes the string under its first key in place, which takes a copy of all of it where someone else needs it.
    pub edits_string: bool,
    /// Which argument is a payload as DUMP replies it.
    pub payload_at: Option<u8>,
    /// One line that says what it does.
    pub summary: &'static str,
    /// The first Redis version that had it.
    pub since: &'static str,
    /// The group as COMMAND DOCS names it: `string`, `sorted-set`, `generic` …
    pub group: &'static str,
    /// Time complexity in O-notation.
    pub complexity: &'static str,
    /// Its arguments in the notation that [`crate::usage`] reads.
    pub usage: &'static str,
    /// The version since which it is deprecated, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Reply and execution hints for clients, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
}

impl Meta {
    /// The start of every row; the rest is added by the chained functions below.
    pub const fn new(group: &'static str, since: &'static str, arity: i8, flags: Flags) -> Meta {
        Meta {
            arity,
            flags,
            extra_categories: Categories::NONE,
            keys: &[],
            reach: Reach::Unknown,
            edits_string: false,
            payload_at: None,
            summary: "",
            since,
            group,
            complexity: "O(1)",
            usage: "",
            deprecated: None,
            tips: &[],
        }
    }

    /// Says what the command does, and how its time grows.
    pub const fn about(mut self, summary: &'static str, complexity: &'static str) -> Meta {
        self.summary = summary;
        self.complexity = complexity;
        self
    }

    /// Says where its keys stand.
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Meta {
        self.keys = keys;
        self
    }

    /// Says where the first member or field stands, so that it can be fetched ahead.
    pub const fn member(mut self, at: u8) -> Meta {
        self.reach = Reach::Named(at);
        self
    }

    /// Says that it looks for the member at an end of a sorted set, so that this can be fetched ahead.
    pub const fn end(mut self, reach: Reach) -> Meta {
        self.reach = reach;
        self
    }

    /// Says that it changes the string under its first key in place.
    pub const fn edits_string(mut self) -> Meta {
        self.edits_string = true;
        self
    }

    /// Says that this argument is a payload as DUMP replies it.
    pub const fn payload_at(mut self, argument: u8) -> Meta {
        self.payload_at = Some(argument);
        self
    }

    /// Adds ACL categories that do not follow from the flags: the data type, `dangerous`, `connection` …
    pub const fn acl(mut self, categories: Categories) -> Meta {
        self.extra_categories = categories;
        self
    }

    /// Lists its arguments, see [`crate::usage`].
    pub const fn usage(mut self, usage: &'static str) -> Meta {
        self.usage = usage;
        self
    }

    /// Marks it as deprecated.
    pub const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Meta {
        self.deprecated = Some((since, instead));
        self
    }

    /// Adds hints for clients.
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Meta {
        self.tips = tips;
        self
    }

    /// Whether a request of `count` arguments, the name included, has the right number.
    pub const fn arity_fits(&self, count: usize) -> bool {
        if self.arity >= 0 { count == self.arity as usize } else { count >= self.arity.unsigned_abs() as usize }
    }

    /// All ACL categories: those of the flags and the extra ones.
    pub const fn categories(&self) -> Categories {
        let mut all = self.extra_categories;
        if self.flags.has(Flags::WRITE) {
            all = all.with(Categories::WRITE);
        }
        if self.flags.has(Flags::READONLY) && !all.has(Categories::SCRIPTING) {
            all = all.with(Categories::READ);
        }
        if self.flags.has(Flags::ADMIN) {
            all = all.with(Categories::ADMIN).with(Categories::DANGEROUS);
        }
        if self.flags.has(Flags::PUBSUB) {
            all = all.with(Categories::PUBSUB);
        }
        if self.flags.has(Flags::BLOCKING) {
            all = all.with(Categories::BLOCKING);
        }
        if self.flags.has(Flags::FAST) { all.with(Categories::FAST) } else { all.with(Categories::SLOW) }
    }
}
