//! CONFIG SET: several settings at once, all or none.

use std::fmt;

use crate::config::Config;
use crate::default_user::DefaultUser;
use crate::directive::{Directive, Shown, find};

/// Why CONFIG SET changed nothing: the text of the error reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetError(pub String);

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SetError {
    /// A setting could not be changed for this reason.
    pub fn of(name: &str, reason: &str) -> SetError {
        SetError(format!("ERR CONFIG SET failed (possibly related to argument '{}') - {reason}", one_line(name)))
    }
}

fn one_line(name: &str) -> String {
    name.replace(['\r', '\n'], " ")
}

impl Config {
    /// Sets these directives: the names of those whose value is another now. After an error nothing has changed.
    /// `protected` says whether the client may change protected ones.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], protected: bool) -> Result<Vec<&'static str>, SetError> {
        let found = settable(pairs, protected)?;
        let mut before = self.clone();
        let mut changed = self.clone();
        let mut names = Vec::new();
        for (directive, name, value) in found {
            let words = match value {
                b"" if directive.takes_words(&mut changed) => Vec::new(),
                _ if directive.takes_words(&mut changed) => {
                    value.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect()
                }
                _ => vec![value.to_vec()],
            };
            directive.set(&mut changed, &words, true).map_err(|reason| SetError::of(name, &reason))?;
            if !names.contains(&directive.name) {
                names.push(directive.name);
            }
        }
        names.retain(|name| {
            find(name.as_bytes()).is_some_and(|(row, _)| row.text(&mut before) != row.text(&mut changed))
        });
        if names.contains(&"requirepass") {
            changed.default_user = DefaultUser::Requirepass;
        }
        *self = changed;
        Ok(names)
    }
}

/// A row, its name as the table has it, and the new value.
type Wanted<'a> = (&'static Directive, &'static str, &'a [u8]);

/// The rows of these names, if all of them may be set. A name and its alias are two: the later counts.
fn settable<'a>(pairs: &[(&[u8], &'a [u8])], protected: bool) -> Result<Vec<Wanted<'a>>, SetError> {
    let mut found: Vec<Wanted<'a>> = Vec::new();
    for (asked, value) in pairs {
        let asked_text = String::from_utf8_lossy(asked);
        let Some((directive, name)) = find(asked).filter(|(directive, _)| directive.shown != Shown::Never) else {
            let asked = one_line(&asked_text);
            return Err(SetError(format!("ERR Unknown option or number of arguments for CONFIG SET - '{asked}'")));
        };
        if found.iter().any(|(_, other, _)| *other == name) {
            return Err(SetError::of(&asked_text, "duplicate parameter"));
        }
        if directive.immutable {
            return Err(SetError::of(&asked_text, "can't set immutable config"));
        }
        if directive.protected && !protected {
            return Err(SetError::of(&asked_text, "can't set protected config"));
        }
        found.push((directive, name, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> String {
        let mut config = Config::default();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let error = config.set(&pairs, false).unwrap_err();
        assert_eq!(config, Config::default(), "an error changes nothing");
        error.0
    }

    #[test]
    fn refusals_are_those_of_a_real_server() {
        let failed = |name: &str, reason: &str| SetError::of(name, reason).0;
        assert_eq!(refusal(&[("foo", "1")]), "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
        assert_eq!(
            refusal(&[("maxmemory", "1"), ("foo", "1")]),
            "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"
        );
        assert_eq!(refusal(&[("port", "1"), ("port", "2")]), failed("port", "duplicate parameter"));
        assert_eq!(refusal(&[("daemonize", "yes")]), failed("daemonize", "can't set immutable config"));
        assert_eq!(refusal(&[("slaveof", "a 1")]), failed("slaveof", "can't set immutable config"));
        assert_eq!(refusal(&[("dir", "/")]), failed("dir", "can't set protected config"));
        assert_eq!(refusal(&[("appendonly", "maybe")]), failed("appendonly", "argument must be 'yes' or 'no'"));
        assert_eq!(
            refusal(&[("maxclients", "0")]),
            failed("maxclients", "argument must be between 1 and 4294967295 inclusive")
        );
        assert_eq!(
            refusal(&[("timeout", "1"), ("loglevel", "foo")]),
            failed("loglevel", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing")
        );
        assert_eq!(
            refusal(&[("notify-keyspace-events", "Q")]),
            failed("notify-keyspace-events", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        );
    }

    #[test]
    fn several_settings_change_together_and_only_the_changed_ones_are_named() {
        let mut config = Config::default();
        let pairs: [(&[u8], &[u8]); 3] = [(b"maxmemory", b"1gb"), (b"timeout", b"0"), (b"slave-priority", b"5")];
        assert_eq!(config.set(&pairs, false), Ok(vec!["maxmemory", "replica-priority"]));
        assert_eq!((config.maxmemory, config.replica_priority), (1 << 30, 5));
        let limits: [(&[u8], &[u8]); 1] = [(b"client-output-buffer-limit", b"normal 1mb 2mb 3")];
        config.set(&limits, false).unwrap();
        assert_eq!(
            config.get(&[b"client-output-buffer-limit"])[0].1,
            b"normal 1048576 2097152 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        );
    }
}
