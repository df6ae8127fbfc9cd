//! One directive of redis.conf: a row of the table.

use crate::config::Config;
use crate::field::{Field, Range, parse_bool, parse_number};

/// One directive.
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Its other name: `slave-…` for `replica-…`, `…-ziplist-…` for `…-listpack-…`.
    pub alias: Option<&'static str>,
    /// What it does here.
    pub effect: Effect,
    /// What a number may be.
    pub range: Range,
    /// CONFIG SET may not change it.
    pub immutable: bool,
    /// CONFIG SET may change it only where enable-protected-configs allows.
    pub protected: bool,
    /// CONFIG GET shows it.
    pub shown: bool,
}

/// What a directive does here.
pub enum Effect {
    /// It is obeyed: its value is kept here.
    Honoured(fn(&mut Config) -> Field<'_>),
    /// It is known and remembered, and cannot matter here; the reason, for the log.
    Accepted {
        /// What it may hold.
        kind: Kind,
        /// Its value unless given.
        default: &'static str,
        /// Why it has no effect.
        why: &'static str,
    },
    /// It is known, and only its default is taken: anything else would be a promise that is not kept.
    Refused {
        /// What is taken.
        allowed: &'static str,
        /// What is missing.
        why: &'static str,
    },
}

/// What a remembered directive may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A number in the row's range.
    Number,
    /// A word out of these.
    Word(&'static [&'static str]),
    /// One word.
    Text,
    /// Any words.
    Words,
    /// Any words, several lines of them.
    Lines,
}

const ANY: Range = Range { min: i64::MIN, max: i64::MAX, bytes: false, clamps: false };

impl Directive {
    const fn new(name: &'static str, effect: Effect) -> Directive {
        Directive { name, alias: None, effect, range: ANY, immutable: false, protected: false, shown: true }
    }

    /// One that is obeyed.
    pub(crate) const fn honoured(name: &'static str, field: fn(&mut Config) -> Field<'_>) -> Directive {
        Directive::new(name, Effect::Honoured(field))
    }

    /// One that cannot matter here.
    pub(crate) const fn accepted(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        why: &'static str,
    ) -> Directive {
        Directive::new(name, Effect::Accepted { kind, default, why })
    }

    /// One of which only the default is taken.
    pub(crate) const fn refused(name: &'static str, allowed: &'static str, why: &'static str) -> Directive {
        Directive::new(name, Effect::Refused { allowed, why })
    }

    /// Its other name.
    pub(crate) const fn alias(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    /// The range of its number.
    pub(crate) const fn range(mut self, min: i64, max: i64) -> Directive {
        self.range = Range { min, max, ..self.range };
        self
    }

    /// Its number is a size in bytes.
    pub(crate) const fn bytes(mut self, min: i64, max: i64) -> Directive {
        self.range = Range { min, max, bytes: true, clamps: false };
        self
    }

    /// A number outside the range is moved into it.
    pub(crate) const fn clamped(mut self) -> Directive {
        self.range.clamps = true;
        self
    }

    /// CONFIG SET may not change it.
    pub(crate) const fn immutable(mut self) -> Directive {
        self.immutable = true;
        self
    }

    /// CONFIG SET may change it only where enable-protected-configs allows.
    pub(crate) const fn protected(mut self) -> Directive {
        self.protected = true;
        self
    }

    /// CONFIG GET does not show it: it is no setting but an order (`include`, `rename-command`).
    pub(crate) const fn unseen(mut self) -> Directive {
        self.shown = false;
        self.immutable = true;
        self
    }

    /// Sets it from the words behind its name. `first`: the first time in this file or command.
    pub(crate) fn set(&self, config: &mut Config, words: &[String], first: bool) -> Result<(), String> {
        match &self.effect {
            Effect::Honoured(field) => field(config).set(words, self.range, first)?,
            Effect::Accepted { kind, .. } => {
                check_kind(*kind, words, self.range)?;
                let values = config.others.entry(self.name).or_default();
                if first {
                    values.clear();
                }
                values.extend(words.iter().cloned());
            }
            Effect::Refused { allowed, why } => {
                if *allowed == "no" {
                    check_kind(Kind::Bool, words, self.range)?;
                }
                if !words.join(" ").eq_ignore_ascii_case(allowed) {
                    return Err(format!("{why}: '{}' can't be set to anything but '{allowed}'", self.name));
                }
            }
        }
        config.note_given(self.name);
        Ok(())
    }

    /// Its value as CONFIG GET shows it.
    pub(crate) fn text(&self, config: &mut Config) -> String {
        match &self.effect {
            Effect::Honoured(field) => field(config).text(),
            Effect::Accepted { default, .. } => {
                config.others.get(self.name).map_or((*default).to_owned(), |words| words.join(" "))
            }
            Effect::Refused { allowed, .. } => (*allowed).to_owned(),
        }
    }

    /// Its values as lines of a file, without its name.
    pub(crate) fn lines(&self, config: &mut Config) -> Vec<String> {
        match &self.effect {
            Effect::Honoured(field) => field(config).lines(),
            Effect::Accepted { kind: Kind::Words | Kind::Lines, .. } => {
                let words = config.others.get(self.name).cloned().unwrap_or_default();
                vec![words.iter().map(|word| crate::grammar::quote(word)).collect::<Vec<_>>().join(" ")]
            }
            _ => vec![crate::grammar::quote(&self.text(config))],
        }
    }
}

fn check_kind(kind: Kind, words: &[String], range: Range) -> Result<(), String> {
    let one = || match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".to_owned()),
    };
    match kind {
        Kind::Bool => parse_bool(one()?).map(drop),
        // A share of the memory may stand in place of a size.
        Kind::Number if range.bytes && one()?.ends_with('%') => {
            let share = one()?.trim_end_matches('%').parse::<u8>().ok().filter(|share| *share <= 100);
            share.map(drop).ok_or_else(|| "argument must be a memory or percent value".to_owned())
        }
        Kind::Number => parse_number(one()?, range).map(drop),
        Kind::Word(allowed) => {
            let fits = allowed.iter().any(|word| word.eq_ignore_ascii_case(words.first().map_or("", String::as_str)));
            if fits {
                one().map(drop)
            } else {
                Err(format!("argument(s) must be one of the following: {}", allowed.join(", ")))
            }
        }
        Kind::Text => one().map(drop),
        Kind::Words | Kind::Lines => Ok(()),
    }
}

/// All directives.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    crate::rows::ALL.iter().flat_map(|rows| rows.iter())
}

/// The directive of that name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Directive> {
    directives().find(|directive| {
        directive.name.eq_ignore_ascii_case(name)
            || directive.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    })
}
