//! One directive of redis.conf: a row of the table.

use crate::config::Config;
use crate::field::{Field, Line, not_a_choice, one, parse_bool};
use crate::grammar::{join, quote};
use crate::number::Range;

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
    /// What else a value must be.
    pub check: Option<Check>,
    /// CONFIG SET may not change it.
    pub immutable: bool,
    /// CONFIG SET may change it only where enable-protected-configs allows.
    pub protected: bool,
    /// Who sees it.
    pub shown: Shown,
    /// REWRITE keeps a line that sets it to nothing; others go.
    pub keeps_empty: bool,
}

/// Says what is wrong with a value.
pub type Check = fn(&[u8]) -> Result<(), &'static str>;

/// Who sees a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// CONFIG GET, CONFIG SET and CONFIG REWRITE.
    Always,
    /// The same, but only by its whole name: a debugging aid.
    ByName,
    /// A configuration file only: it is an order and no setting, or no longer one.
    Never,
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
    /// So many numbers in the row's range; what to say of others.
    Numbers(usize, &'static str),
}

impl Directive {
    const fn new(name: &'static str, effect: Effect) -> Directive {
        Directive {
            name,
            alias: None,
            effect,
            range: Range::ANY,
            check: None,
            immutable: false,
            protected: false,
            shown: Shown::Always,
            keeps_empty: false,
        }
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
        self.range = Range { min: min as i128, max: max as i128, ..self.range };
        self
    }

    /// Its number is a size in bytes.
    pub(crate) const fn bytes(mut self, min: i64, max: i64) -> Directive {
        self.range = Range { min: min as i128, max: max as i128, bytes: true, ..self.range };
        self
    }

    /// Its size may be anything that 64 bits hold.
    pub(crate) const fn any_bytes(mut self) -> Directive {
        self.range = Range { min: 0, max: u64::MAX as i128, bytes: true, ..self.range };
        self
    }

    /// Its size may be given as a share, `n%`.
    pub(crate) const fn or_share(mut self) -> Directive {
        self.range.share = true;
        self
    }

    /// An allowed number outside of these is moved to the nearest of them.
    pub(crate) const fn clamped(mut self, min: i64, max: i64) -> Directive {
        self.range.clamp = Some((min as i128, max as i128));
        self
    }

    /// Its value must pass this, too.
    pub(crate) const fn checked(mut self, check: Check) -> Directive {
        self.check = Some(check);
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

    /// CONFIG GET and SET do not know it: it is no setting but an order (`rename-command`), or no longer one.
    pub(crate) const fn unseen(mut self) -> Directive {
        self.shown = Shown::Never;
        self
    }

    /// CONFIG GET shows it only where its whole name is asked for.
    pub(crate) const fn by_name(mut self) -> Directive {
        self.shown = Shown::ByName;
        self
    }

    /// REWRITE keeps a line that sets it to nothing.
    pub(crate) const fn keeps_empty(mut self) -> Directive {
        self.keeps_empty = true;
        self
    }

    /// Whether its value is several words: one word of a file or of CONFIG SET holds them all.
    pub(crate) fn takes_words(&self, config: &mut Config) -> bool {
        match &self.effect {
            Effect::Honoured(field) => field(config).takes_words(),
            Effect::Accepted { kind, .. } => matches!(kind, Kind::Words | Kind::Numbers(..)),
            Effect::Refused { .. } => false,
        }
    }

    /// Sets it from the words behind its name. `first`: the first time at this start, or a CONFIG SET.
    pub(crate) fn set(&self, config: &mut Config, words: &[Vec<u8>], first: bool) -> Result<(), String> {
        if let Some(check) = self.check {
            check(one(words)?)?;
        }
        match &self.effect {
            Effect::Honoured(field) => field(config).set(words, self.range, first)?,
            Effect::Accepted { kind, .. } => {
                let value = remembered(*kind, words, self.range)?;
                config.others.insert(self.name, value);
            }
            Effect::Refused { allowed, why } => {
                match *allowed {
                    "no" => drop(parse_bool(one(words)?)?),
                    "0" => drop(self.range.parse(one(words)?)?),
                    _ => {}
                }
                if !words.join(&b' ').eq_ignore_ascii_case(allowed.as_bytes()) {
                    return Err(format!("{why}: '{}' can't be set to anything but '{allowed}'", self.name));
                }
            }
        }
        Ok(())
    }

    /// Its value as CONFIG GET shows it.
    pub(crate) fn text(&self, config: &mut Config) -> Vec<u8> {
        match &self.effect {
            Effect::Honoured(field) => field(config).text(),
            Effect::Accepted { default, .. } => {
                config.others.get(self.name).map_or(default.as_bytes().to_vec(), |words| words.join(&b' '))
            }
            Effect::Refused { allowed, .. } => allowed.as_bytes().to_vec(),
        }
    }

    /// Its values as lines of a file. `defaults`: settings that nobody changed. `explicit`: an included file has set it
    /// before these lines.
    pub(crate) fn lines(&self, config: &mut Config, defaults: &mut Config, explicit: bool) -> Vec<Line> {
        let text = self.text(config);
        let is_default = text == self.text(defaults);
        let goes = text.is_empty() && self.is_text(config) && !self.keeps_empty && !explicit;
        if goes {
            return Vec::new();
        }
        let mut lines = match &self.effect {
            Effect::Honoured(field) => field(config).lines(&field(defaults), self.range, explicit),
            Effect::Accepted { kind, .. } => {
                let text = match kind {
                    Kind::Number => number(&text).map_or(text, |number| self.range.write(number).into()),
                    Kind::Text => quote(&text),
                    Kind::Words if text.is_empty() => quote(&text),
                    Kind::Words => join(&config.others[self.name]),
                    Kind::Bool | Kind::Word(_) | Kind::Numbers(..) => text,
                };
                vec![Line { text, is_default }]
            }
            Effect::Refused { allowed: "", .. } => vec![Line { text: quote(b""), is_default }],
            Effect::Refused { allowed, .. } => vec![Line { text: allowed.as_bytes().to_vec(), is_default }],
        };
        for line in &mut lines {
            line.is_default &= !explicit && self.name != "dir";
        }
        lines
    }

    fn is_text(&self, config: &mut Config) -> bool {
        match &self.effect {
            Effect::Honoured(field) => matches!(field(config), Field::Text(_)),
            Effect::Accepted { kind, .. } => *kind == Kind::Text,
            Effect::Refused { .. } => false,
        }
    }
}

/// The words of a remembered directive as it would show them.
fn remembered(kind: Kind, words: &[Vec<u8>], range: Range) -> Result<Vec<Vec<u8>>, String> {
    match kind {
        Kind::Bool => Ok(vec![if parse_bool(one(words)?)? { b"yes".to_vec() } else { b"no".to_vec() }]),
        Kind::Number => Ok(vec![range.parse(one(words)?)?.to_string().into()]),
        Kind::Word(allowed) => {
            let word = one(words)?;
            let found = allowed.iter().find(|other| other.as_bytes().eq_ignore_ascii_case(word));
            Ok(vec![found.ok_or_else(|| not_a_choice(allowed))?.as_bytes().to_vec()])
        }
        Kind::Text => Ok(vec![one(words)?.clone()]),
        Kind::Words => Ok(words.to_vec()),
        Kind::Numbers(count, bad) => {
            if words.len() != count {
                return Err("wrong number of arguments".to_owned());
            }
            let canonical = |word: &Vec<u8>| range.parse(word).map(|value| value.to_string().into_bytes());
            words.iter().map(canonical).collect::<Result<_, _>>().map_err(|_| bad.to_owned())
        }
    }
}

fn number(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// All directives.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    crate::rows::ALL.iter().flat_map(|rows| rows.iter())
}

/// The directive of that name, in any case, and the name as the table has it.
pub(crate) fn find(name: &[u8]) -> Option<(&'static Directive, &'static str)> {
    directives().find_map(|directive| {
        let mut names = [Some(directive.name), directive.alias].into_iter().flatten();
        names.find(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|known| (directive, known))
    })
}
