//! Settings at the start: a file, standard input, the command line, in this order; what comes later counts.

use std::fmt;

use crate::arguments::text_of;
use crate::config::Config;
use crate::default_user::DefaultUser;
use crate::directive::{Directive, Effect, Shown, find};
use crate::grammar::split_line;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file: its name and text.
    pub file: Option<(String, Vec<u8>)>,
    /// Standard input.
    pub stdin: Option<Vec<u8>>,
    /// The words of the command line: `--name value value --name …`.
    pub arguments: Vec<Vec<u8>>,
}

/// What loading asks of the program around it.
pub trait Surroundings {
    /// Makes this the directory that relative paths begin in: its absolute path, or why not.
    fn enter(&mut self, directory: &[u8]) -> Result<Vec<u8>, String>;
    /// Reads the files that an `include` names, with their names, in order.
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String>;
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
/// How many files may be included in all: some that include each other twice would never end.
const INCLUDED_FILES_MAX: usize = 1000;

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

impl Config {
    /// The settings of these sources, and what in them has no effect.
    pub fn load(sources: &Sources, around: &mut dyn Surroundings) -> Result<(Config, Vec<Warning>), LoadError> {
        let mut loading = Loading {
            config: Config::default(),
            around,
            given: Vec::new(),
            user: None,
            is_included: false,
            included_files: 0,
        };
        if let Some((name, text)) = &sources.file {
            loading.read(name, text, 0)?;
        }
        if let Some(text) = &sources.stdin {
            loading.read("on standard input", text, 0)?;
        }
        if !sources.arguments.is_empty() {
            loading.read("on the command line", &text_of(&sources.arguments), 0)?;
        }
        loading.finish()
    }
}

/// A line with its place.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    text: &'a [u8],
}

impl Place<'_> {
    fn error(self, reason: String) -> LoadError {
        let text = String::from_utf8_lossy(self.text).into_owned();
        LoadError { file: self.file.to_owned(), line: self.line, text, reason }
    }
}

struct Loading<'a> {
    config: Config,
    around: &'a mut dyn Surroundings,
    /// Directives that were given already, in whatever source.
    given: Vec<&'static Directive>,
    /// The words of the `user` line, and what to answer if they are refused: judged at the end, for another line may
    /// say what a user may do unless told.
    user: Option<(Vec<Vec<u8>>, LoadError)>,
    /// Lines come from an included file now.
    is_included: bool,
    /// How many files were included.
    included_files: usize,
}

impl Loading<'_> {
    fn read(&mut self, file: &str, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = Place { file, line: at + 1, text: line };
            if line.contains(&0) {
                return Err(place.error("a line with a zero byte; write it as \"\\x00\"".to_owned()));
            }
            let words = split_line(line).map_err(|_| place.error("Unbalanced quotes in configuration line".into()))?;
            let Some((name, values)) = words.split_first() else { continue };
            if name.eq_ignore_ascii_case(b"include") {
                self.include(place, values, depth)?;
            } else if name.eq_ignore_ascii_case(b"user") {
                self.take_user(place, values)?;
            } else {
                self.set(name, values).map_err(|reason| place.error(reason))?;
            }
        }
        Ok(())
    }

    fn include(&mut self, place: Place<'_>, values: &[Vec<u8>], depth: usize) -> Result<(), LoadError> {
        let [pattern] = values else { return Err(place.error(BAD_DIRECTIVE.to_owned())) };
        if depth == INCLUDE_DEPTH_MAX {
            return Err(place.error("files include each other too deeply".to_owned()));
        }
        let files = self.around.include(pattern).map_err(|reason| place.error(reason))?;
        self.included_files += files.len();
        if self.included_files > INCLUDED_FILES_MAX {
            return Err(place.error("too many files are included".to_owned()));
        }
        let outer = std::mem::replace(&mut self.is_included, true);
        for (name, text) in files {
            self.read(&name, &text, depth + 1)?;
        }
        self.is_included = outer;
        Ok(())
    }

    fn take_user(&mut self, place: Place<'_>, words: &[Vec<u8>]) -> Result<(), LoadError> {
        let refusal = place.error(String::new());
        DefaultUser::from_rules(words, true).map_err(|reason| place.error(reason))?;
        if self.user.is_some() {
            let reason = "Error in user declaration 'default': Duplicate user found. A user can only be defined once in \
                          config files";
            return Err(place.error(reason.to_owned()));
        }
        if self.is_included {
            self.config.included.insert("user");
        }
        self.user = Some((words.to_vec(), refusal));
        Ok(())
    }

    fn set(&mut self, name: &[u8], values: &[Vec<u8>]) -> Result<(), String> {
        let (directive, _) = find(name).ok_or(BAD_DIRECTIVE)?;
        let mut first = !self.given.iter().any(|other| other.name == directive.name);
        let mut words = values.to_vec();
        if let [whole] = values
            && directive.takes_words(&mut self.config)
            && directive.name != "rename-command"
        {
            words = split_line(whole).unwrap_or_default();
            // `save ""` takes back all save points, where a bare `save` adds none.
            first |= words.is_empty();
        }
        if words.len() < values.len() && directive.name == "client-output-buffer-limit" {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        let is_order = directive.shown == Shown::Never && directive.name != "rename-command";
        if is_order && values.len() != 1 {
            return Err(BAD_DIRECTIVE.to_owned());
        }
        directive.set(&mut self.config, &words, first)?;
        if directive.name == "dir" {
            self.config.dir = self.around.enter(&self.config.dir)?;
        }
        self.given.push(directive);
        if self.is_included {
            self.config.included.insert(directive.name);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Config, Vec<Warning>), LoadError> {
        if let Some((words, refusal)) = self.user {
            let channels = self.config.get(&[b"acl-pubsub-default"])[0].1 == b"allchannels";
            let user = DefaultUser::from_rules(&words, channels);
            self.config.default_user = user.map_err(|reason| LoadError { reason, ..refusal })?;
        }
        let mut warnings: Vec<Warning> = Vec::new();
        for directive in self.given {
            if let Effect::Accepted { why, default, .. } = directive.effect
                && directive.text(&mut self.config) != default.as_bytes()
                && warnings.iter().all(|other| other.name != directive.name)
            {
                warnings.push(Warning { name: directive.name, why });
            }
        }
        Ok((self.config, warnings))
    }
}

/// A line without the blanks around it.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let start = line.iter().take_while(|byte| blank(byte)).count();
    let end = line[start..].iter().rev().take_while(|byte| blank(byte)).count();
    &line[start..line.len() - end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Includes one file whatever its name, and has two directories.
    struct Around {
        directory: &'static str,
    }

    impl Surroundings for Around {
        fn enter(&mut self, directory: &[u8]) -> Result<Vec<u8>, String> {
            if directory != b"data" {
                return Err("No such file or directory".to_owned());
            }
            self.directory = "/data";
            Ok(b"/data".to_vec())
        }

        fn include(&mut self, pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
            let name = format!("{}/{}", self.directory, String::from_utf8_lossy(pattern));
            let text = if name == "/data/other.conf" { "port 8888" } else { "port 7777" };
            Ok(vec![(name, text.into())])
        }
    }

    fn load_all(sources: &Sources) -> Result<(Config, Vec<Warning>), LoadError> {
        Config::load(sources, &mut Around { directory: "/home" })
    }

    fn load(text: &str) -> Result<(Config, Vec<Warning>), LoadError> {
        load_all(&Sources { file: Some(("redis.conf".to_owned(), text.into())), ..Sources::default() })
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_text() {
        for (line, reason) in [
            ("foo bar", "Bad directive or wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("save \"a", "Unbalanced quotes in configuration line"),
        ] {
            let error = load(&format!("# a comment\n{line}\n")).unwrap_err();
            assert_eq!((error.file.as_str(), error.line, error.text.as_str()), ("redis.conf", 2, line));
            assert_eq!(error.reason, reason);
        }
    }

    #[test]
    fn later_sources_win_and_save_points_add_up() {
        let words = ["--port", "2", "--replicaof", "host 3", "--save", "60 9"];
        let sources = Sources {
            file: Some(("f".to_owned(), b"port 1\nsave 900 1\nsave 300 10\nslave-priority 7\n".to_vec())),
            stdin: Some(b"timeout 5".to_vec()),
            arguments: words.map(|word| word.into()).to_vec(),
        };
        let (config, warnings) = load_all(&sources).unwrap();
        assert_eq!((config.port, config.timeout, config.replica_priority), (2, 5, 7));
        assert_eq!(config.save.len(), 3);
        assert_eq!(config.replicaof, Some(("host".to_owned(), 3)));
        assert!(warnings.is_empty());
    }

    #[test]
    fn files_are_included_and_what_has_no_effect_is_said_once() {
        let (config, warnings) =
            load("include other.conf\nio-threads 4\nio-threads 5\nio-threads-do-reads no\n").unwrap();
        assert_eq!(config.port, 7777);
        assert_eq!(warnings.iter().map(|warning| warning.name).collect::<Vec<_>>(), ["io-threads"]);
        assert_eq!(config.get(&[b"io-threads"]), [(b"io-threads".to_vec(), b"5".to_vec())]);
    }

    #[test]
    fn a_directory_counts_for_the_files_included_after_it() {
        let (config, _) = load("dir data\ninclude other.conf").unwrap();
        assert_eq!((config.port, config.dir.as_slice()), (8888, &b"/data"[..]));
        assert_eq!(load("include other.conf\ndir data").unwrap().0.port, 7777);
        assert_eq!(load("dir nowhere").unwrap_err().reason, "No such file or directory");
    }

    #[test]
    fn the_default_user_wins_over_requirepass_until_that_is_changed() {
        let open = "user default on nopass sanitize-payload ~* &* +@all";
        for text in [format!("requirepass x\n{open}"), format!("{open}\nrequirepass x")] {
            let (mut config, _) = load(&text).unwrap();
            assert!(!config.needs_password() && config.requirepass == b"x", "{text}");
            config.set(&[(b"requirepass", b"x")], false).unwrap();
            assert!(!config.needs_password(), "the same password again changes nothing, as with the peers");
            config.set(&[(b"requirepass", b"y")], false).unwrap();
            assert!(config.needs_password() && config.accepts_password(b"y") && !config.accepts_password(b"x"));
        }
        let error = load(&format!("port 1\n{open} -debug")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.reason.starts_with("'-debug': there are no ACL users yet"), "{}", error.reason);
    }

    #[test]
    fn a_promise_that_is_not_kept_is_refused() {
        for line in [
            "tls-port 6380",
            "cluster-enabled yes",
            "aclfile users.acl",
            "loadmodule x.so",
            "user bob on",
            "import-mode yes",
            "locale-collate de_DE",
        ] {
            assert!(load(line).is_err(), "{line}");
        }
        assert!(load("tls-port 0\ncluster-enabled no\naclfile \"\"\nlocale-collate POSIX").is_ok());
    }

    #[test]
    fn a_zero_byte_in_a_line_is_refused_and_an_escaped_one_kept() {
        assert!(load("masterauth a\0b").is_err());
        assert_eq!(load("masterauth \"a\\x00b\"").unwrap().0.masterauth, b"a\0b");
    }

    #[test]
    fn names_asked_for_are_answered_as_they_were_written() {
        let (config, _) = load("watchdog-period 5").unwrap();
        let names = |patterns: &[&str]| {
            let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
            config.get(&patterns).into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(names(&["HZ", "hz", "h?", "nope"]), ["HZ"]);
        assert_eq!(names(&["Slave-Priority"]), ["Slave-Priority"]);
        assert_eq!(names(&["*-priority"]), ["replica-priority", "slave-priority"]);
        assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
        assert_eq!(names(&["watchdog*"]), [""; 0], "a debugging aid is shown by its whole name only");
    }
}
