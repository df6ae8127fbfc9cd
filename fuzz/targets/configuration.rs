//! Settings: whatever files, command lines and CONFIG SET say, loading ends with settings or a reason; settings that are
//! rewritten into a file and loaded again are the same; and a rewritten file stays as it is when it is rewritten.
//!
//! The input is sections with a 0x1E byte between them: the file, what every `include` finds, standard input; then words
//! with a 0x1F between them: the command line, and names and values for CONFIG SET; then another file to rewrite.

#![no_main]

use config::{CommandLine, Config, Shown, Sources, Surroundings, directives};
use libfuzzer_sys::fuzz_target;

/// Files that all have the same text, and directories that are all there.
struct Around<'a> {
    included: &'a [u8],
}

impl Surroundings for Around<'_> {
    fn enter(&mut self, directory: &[u8]) -> Result<Vec<u8>, String> {
        Ok(if directory.starts_with(b"/") { directory.to_vec() } else { [b"/home/", directory].concat() })
    }

    fn include(&mut self, pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        match pattern {
            b"" => Err("no such file".to_owned()),
            _ => Ok(vec![("included".to_owned(), self.included.to_vec())]),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut sections = data.split(|byte| *byte == 0x1e);
    let mut section = || sections.next().unwrap_or_default();
    let (file, included, stdin) = (section(), section(), section());
    let words = |text: &[u8]| text.split(|byte| *byte == 0x1f).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let line = CommandLine::parse(&words(section()));
    let pairs = words(section());
    let other_file = section();

    let mut around = Around { included };
    let sources = Sources {
        file: Some(("file".to_owned(), file.to_vec())),
        stdin: line.stdin.then(|| stdin.to_vec()),
        arguments: line.arguments,
    };
    let mut config = match Config::load(&sources, &mut around) {
        Ok((config, _)) => config,
        Err(error) => {
            assert!(error.line > 0 && !error.reason.is_empty());
            return;
        }
    };
    if !config.dir.starts_with(b"/") {
        // As a start does: the directory it is in.
        config.dir = b"/home".to_vec();
    }
    check_rewriting(&config, file, &mut around);
    let pairs: Vec<(&[u8], &[u8])> = pairs.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
    let before = all(&config);
    match config.set(&pairs, true) {
        Ok(changed) => assert_eq!(changed.is_empty(), all(&config) == before, "what changed is named"),
        Err(error) => {
            assert!(!error.0.is_empty() && all(&config) == before, "after an error nothing has changed");
        }
    }
    check_rewriting(&config, file, &mut around);
    // A file that was edited since may hold anything.
    drop(config.rewrite(Some(other_file)));
});

/// Every directive with its value, those too that are shown by name only.
fn all(config: &Config) -> Vec<(Vec<u8>, Vec<u8>)> {
    let hidden = directives().filter(|directive| directive.shown == Shown::ByName);
    let names: Vec<&[u8]> = hidden.map(|directive| directive.name.as_bytes()).chain([&b"*"[..]]).collect();
    config.get(&names)
}

fn check_rewriting(config: &Config, file: &[u8], around: &mut Around<'_>) {
    // An included file may have a `user` line that no other line can take back.
    let Ok(new) = config.rewrite(Some(file)) else { return };
    let sources = Sources { file: Some(("rewritten".to_owned(), new.clone())), ..Sources::default() };
    let (back, _) = Config::load(&sources, around).unwrap_or_else(|error| panic!("{error}\n{}", new.escape_ascii()));
    for (ours, theirs) in all(config).into_iter().zip(all(&back)) {
        // A directory of CONFIG SET has become absolute where it was entered.
        let same_directory = ours.0 == b"dir" && theirs.1.ends_with(&ours.1);
        assert!(ours == theirs || same_directory, "{ours:?} is {theirs:?} after a rewrite");
    }
    assert_eq!(config.needs_password(), back.needs_password());
    for password in [&config.requirepass[..], b"", b"x"] {
        assert_eq!(config.accepts_password(password), back.accepts_password(password));
    }
    if config.dir == back.dir {
        let again = back.rewrite(Some(&new)).expect("as the first time");
        assert_eq!(again.trim_ascii_end(), new.trim_ascii_end(), "a rewritten file is rewritten to itself");
    }
}
