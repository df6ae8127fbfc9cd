//! CONFIG SET: several settings at once, all or none.

use std::fmt;

use crate::config::Config;
use crate::directive::find;

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
        SetError(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
    }
}

impl Config {
    /// Sets these directives: the names of those whose value is another now. After an error nothing has changed.
    /// `protected` says whether the client may change protected ones.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], protected: bool) -> Result<Vec<&'static str>, SetError> {
        let mut changed = self.clone();
        let mut seen: Vec<&'static str> = Vec::new();
        let mut found = Vec::new();
        for (name, value) in pairs {
            let name = String::from_utf8_lossy(name).into_owned();
            let unknown = || SetError(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"));
            let directive = find(&name).filter(|directive| directive.shown).ok_or_else(unknown)?;
            if seen.contains(&directive.name) {
                return Err(SetError::of(&name, "duplicate parameter"));
            }
            seen.push(directive.name);
            if directive.immutable {
                return Err(SetError::of(&name, "can't set immutable config"));
            }
            if directive.protected && !protected {
                return Err(SetError::of(&name, "can't set protected config"));
            }
            found.push((name, directive, String::from_utf8_lossy(value).into_owned()));
        }
        let mut before = self.clone();
        let mut names = Vec::new();
        for (name, directive, value) in found {
            directive.set(&mut changed, &[value], true).map_err(|reason| SetError::of(&name, &reason))?;
            if directive.text(&mut before) != directive.text(&mut changed) {
                names.push(directive.name);
            }
        }
        *self = changed;
        Ok(names)
    }
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
            "normal 1048576 2097152 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        );
    }
}
