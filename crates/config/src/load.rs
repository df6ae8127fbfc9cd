//! Settings at the start: a file, standard input, the command line, in this order; what comes later counts.

use std::fmt;

use crate::config::Config;
use crate::directive::{Effect, find};
use crate::grammar::split_line;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file: its name and text.
    pub file: Option<(String, String)>,
    /// Standard input.
    pub stdin: Option<String>,
    /// The words of the command line: `--name value value --name …`.
    pub arguments: Vec<String>,
}

/// Why the settings can't be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// Where the line stands: a file, standard input, or the command line.
    pub file: String,
    /// The line's number, from one.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Lockstep) ***")?;
        writeln!(f, "Reading the configuration file {}, at line {}", self.file, self.line)?;
        writeln!(f, ">>> '{}'", self.text)?;
        write!(f, "{}", self.reason)
    }
}

/// A directive that was accepted but has no effect here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The directive.
    pub name: &'static str,
    /// Why it has no effect.
    pub why: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The directive '{}' has no effect here: {}", self.name, self.why)
    }
}

/// How deep files may include each other.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Reads the files that an `include` names: their names and texts.
pub type Include<'a> = dyn FnMut(&str) -> Result<Vec<(String, String)>, String> + 'a;

impl Config {
    /// The settings of these sources, and what in them has no effect.
    pub fn load(sources: &Sources, include: &mut Include<'_>) -> Result<(Config, Vec<Warning>), LoadError> {
        let mut loading = Loading { config: Config::default(), warnings: Vec::new(), include };
        if let Some((name, text)) = &sources.file {
            loading.read(name, text, 0, &mut Vec::new())?;
        }
        if let Some(text) = &sources.stdin {
            loading.read("on standard input", text, 0, &mut Vec::new())?;
        }
        if !sources.arguments.is_empty() {
            let text = lines_of_arguments(&sources.arguments);
            loading.read("on the command line", &text, 0, &mut Vec::new())?;
        }
        Ok((loading.config, loading.warnings))
    }
}

struct Loading<'a, 'b> {
    config: Config,
    warnings: Vec<Warning>,
    include: &'a mut Include<'b>,
}

impl Loading<'_, '_> {
    /// Reads one text. `seen`: directives that this source has given already.
    fn read(&mut self, file: &str, text: &str, depth: usize, seen: &mut Vec<&'static str>) -> Result<(), LoadError> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let failed =
                |reason: String| LoadError { file: file.to_owned(), line: at + 1, text: line.to_owned(), reason };
            let words = split_line(line).map_err(|_| failed("Unbalanced quotes in configuration line".to_owned()))?;
            let Some((name, values)) = words.split_first() else { continue };
            if name.eq_ignore_ascii_case("include") {
                let [pattern] = values else { return Err(failed("wrong number of arguments".to_owned())) };
                if depth == INCLUDE_DEPTH_MAX {
                    return Err(failed("files include each other too deeply".to_owned()));
                }
                for (name, text) in (self.include)(pattern).map_err(&failed)? {
                    self.read(&name, &text, depth + 1, seen)?;
                }
                continue;
            }
            self.set(name, values, seen).map_err(&failed)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, values: &[String], seen: &mut Vec<&'static str>) -> Result<(), String> {
        let directive = find(name).ok_or("Bad directive or wrong number of arguments")?;
        if values.is_empty() {
            return Err("wrong number of arguments".to_owned());
        }
        let first = !seen.contains(&directive.name);
        directive.set(&mut self.config, values, first)?;
        seen.push(directive.name);
        if let Effect::Accepted { why, default, .. } = directive.effect
            && first
            && values.join(" ") != default
        {
            self.warnings.push(Warning { name: directive.name, why });
        }
        Ok(())
    }
}

/// The words of a command line as lines of a file: each `--name` begins one.
fn lines_of_arguments(words: &[String]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let begins = word.strip_prefix("--").filter(|name| !name.is_empty());
        match begins {
            Some(name) => {
                if at > 0 {
                    text.push('\n');
                }
                text.push_str(name);
                let is_bare = words.get(at + 1).is_none_or(|next| next.starts_with("--"));
                if is_bare && name.eq_ignore_ascii_case("save") {
                    text.push_str(" \"\"");
                }
            }
            None => {
                // One word stays one, whatever is in it. Directives of several words split it themselves: `--save
                // "900 1"`, `--replicaof "host port"`.
                text.push(' ');
                text.push_str(&crate::grammar::quote(word));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<(Config, Vec<Warning>), LoadError> {
        let sources = Sources { file: Some(("redis.conf".to_owned(), text.to_owned())), ..Sources::default() };
        Config::load(&sources, &mut |name| Ok(vec![(name.to_owned(), "port 7777".to_owned())]))
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_text() {
        // Reasons read off a real Valkey 8.0.
        for (line, reason) in [
            ("foo bar", "Bad directive or wrong number of arguments"),
            ("port abc", "argument couldn't be parsed into an integer"),
            ("port 1 2", "wrong number of arguments"),
            ("save \"a", "Unbalanced quotes in configuration line"),
            ("save 900", "Invalid save parameters"),
            ("daemonize x", "argument must be 'yes' or 'no'"),
            ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
            ("maxmemory 10zb", "argument must be a memory value"),
            ("replicaof a", "wrong number of arguments"),
        ] {
            let error = load(&format!("# a comment\n{line}\n")).unwrap_err();
            assert_eq!((error.file.as_str(), error.line, error.text.as_str()), ("redis.conf", 2, line));
            assert_eq!(error.reason, reason);
        }
    }

    #[test]
    fn later_sources_win_and_save_points_of_one_source_add_up() {
        let sources = Sources {
            file: Some(("f".to_owned(), "port 1\nsave 900 1\nsave 300 10\nslave-priority 7\n".to_owned())),
            stdin: Some("timeout 5".to_owned()),
            arguments: ["--port", "2", "--replicaof", "host 3"].map(str::to_owned).to_vec(),
        };
        let (config, warnings) = Config::load(&sources, &mut |_| Ok(Vec::new())).unwrap();
        assert_eq!((config.port, config.timeout, config.replica_priority), (2, 5, 7));
        assert_eq!(config.save.len(), 2);
        assert_eq!(config.replicaof, Some(("host".to_owned(), 3)));
        assert!(warnings.is_empty());
    }

    #[test]
    fn an_empty_save_on_the_command_line_turns_saving_off() {
        let sources =
            Sources { arguments: ["--save", "", "--port", "0"].map(str::to_owned).to_vec(), ..Sources::default() };
        let (config, _) = Config::load(&sources, &mut |_| Ok(Vec::new())).unwrap();
        assert!(config.save.is_empty());
        assert_eq!(config.port, 0);
    }

    #[test]
    fn a_value_of_the_command_line_stays_one_value() {
        let arguments = ["--masterauth", "a b", "--requirepass", "x\nport 1", "--save"].map(str::to_owned).to_vec();
        let (config, _) = Config::load(&Sources { arguments, ..Sources::default() }, &mut |_| Ok(Vec::new())).unwrap();
        assert_eq!((config.masterauth.as_str(), config.requirepass.as_str()), ("a b", "x\nport 1"));
        assert_eq!((config.port, config.save.len()), (6379, 0));
        let arguments =
            ["--save", "900 1", "--rename-command", "KEYS \"\"", "--bind", "127.0.0.1 ::1"].map(str::to_owned).to_vec();
        let (config, _) = Config::load(&Sources { arguments, ..Sources::default() }, &mut |_| Ok(Vec::new())).unwrap();
        assert_eq!((config.save.len(), config.bind.len()), (1, 2));
        assert_eq!(config.rename_command, [("KEYS".to_owned(), String::new())]);
    }

    #[test]
    fn files_are_included_and_what_has_no_effect_is_said() {
        let (config, warnings) = load("include other.conf\nio-threads 4\n").unwrap();
        assert_eq!(config.port, 7777);
        assert_eq!(warnings.len(), 1);
        assert_eq!(config.get(&[b"io-threads"]), [("io-threads".to_owned(), "4".to_owned())]);
    }

    #[test]
    fn a_promise_that_is_not_kept_is_refused() {
        for line in ["tls-port 6380", "cluster-enabled yes", "aclfile users.acl", "loadmodule x.so", "user bob on"] {
            assert!(load(line).is_err(), "{line}");
        }
        assert!(load("tls-port 0\ncluster-enabled no\naclfile \"\"").is_ok());
    }
}
