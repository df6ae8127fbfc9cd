//! What real servers do with files, command lines, CONFIG SET and CONFIG REWRITE, compared with what is done here. The
//! facts under `peers/` were taken from Redis 7.0.15 and 8.0.6 and Valkey 8.0.1 and 9.1.2; the head of each file says how
//! to read it. Where the peers differ, one of their answers will do, but what one of them takes at its start must be
//! taken.

use config::{Config, Sources, Surroundings, split_line};

/// The folder that the servers were started in.
const HOME: &str = "/home";

/// Files in memory: those of the facts, and what a fact names itself.
#[derive(Default)]
struct Files {
    directory: Option<String>,
    more: Vec<(String, Vec<u8>)>,
}

const STANDARD: [(&str, &str); 4] = [
    ("/home/a.conf", "hz 30\n"),
    ("/home/d/x1.conf", "hz 50\n"),
    ("/home/d/x2.conf", "hz 60\n"),
    ("/home/self.conf", "include self.conf\n"),
];

impl Surroundings for Files {
    fn enter(&mut self, directory: &[u8]) -> Result<Vec<u8>, String> {
        let path = match directory {
            b".." => "/tmp".to_owned(),
            b"d" => "/home/d".to_owned(),
            b"/home" => HOME.to_owned(),
            _ => return Err("No such file or directory".to_owned()),
        };
        self.directory = Some(path.clone());
        Ok(path.into_bytes())
    }

    fn include(&mut self, pattern: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let pattern = String::from_utf8(pattern.to_vec()).unwrap();
        let directory = self.directory.as_deref().unwrap_or(HOME);
        let pattern = if pattern.starts_with('/') { pattern } else { format!("{directory}/{pattern}") };
        let standard = STANDARD.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        let all = standard.filter(|_| self.more.is_empty()).chain(self.more.clone());
        let found: Vec<_> =
            all.filter(|(name, _)| base::glob_match(pattern.as_bytes(), name.as_bytes(), false)).collect();
        if found.is_empty() && !pattern.contains(['*', '?']) { Err("no such file".to_owned()) } else { Ok(found) }
    }
}

/// One fact: lines that begin with a mark, in order, and the answers.
struct Fact {
    lines: Vec<(char, Vec<u8>)>,
}

impl Fact {
    fn of(&self, mark: char) -> Vec<Vec<u8>> {
        self.lines.iter().filter(|(other, _)| *other == mark).map(|(_, text)| text.clone()).collect()
    }

    /// The lines with that mark as a file.
    fn file(&self, mark: char) -> Vec<u8> {
        self.of(mark).join(&b'\n')
    }

    /// The answers of the peers, which differ or are one.
    fn answers(&self) -> Vec<Answer> {
        self.lines.iter().filter_map(|(mark, text)| Answer::parse(*mark, text)).collect()
    }

    fn title(&self) -> String {
        let lines = self.lines.iter().filter(|(mark, text)| Answer::parse(*mark, text).is_none());
        lines.map(|(mark, text)| format!("{mark} {}", text.escape_ascii())).collect::<Vec<_>>().join("\n")
    }
}

/// What a peer answered.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    /// Names and values.
    Taken(Vec<Vec<u8>>),
    /// Why not.
    Refused(String),
}

impl Answer {
    fn parse(mark: char, text: &[u8]) -> Option<Answer> {
        let words = |text: &[u8]| split_line(text).expect("facts are well-formed");
        match mark {
            '=' => Some(Answer::Taken(words(text))),
            '!' => Some(Answer::Refused(String::from_utf8_lossy(text).into_owned())),
            '[' => {
                let behind = text.iter().position(|byte| *byte == b']').expect("a closing bracket") + 2;
                Answer::parse(text[behind] as char, text.get(behind + 2..).unwrap_or_default())
            }
            _ => None,
        }
    }
}

fn facts(text: &'static str) -> Vec<Fact> {
    let text = text.replace("%D", HOME);
    let parse = |block: &str| {
        let lines = block.lines().filter(|line| !line.starts_with("# "));
        let line = |line: &str| {
            let (mark, rest) = (line.chars().next().expect("no blank line"), line.get(2..).unwrap_or_default());
            let rest = if mark == '[' { &line[1..] } else { rest };
            let raw = matches!(mark, '=' | '[' | '$' | '@');
            (mark, if raw { rest.as_bytes().to_vec() } else { unescape(rest) })
        };
        Fact { lines: lines.map(line).collect() }
    };
    let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
    blocks.filter(|block| block.lines().any(|line| !line.starts_with("# "))).map(parse).collect()
}

/// `\xNN`, `\n` and `\\` as the bytes they stand for.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, used) = match behind {
            [b'x', hex @ ..] => (u8::from_str_radix(std::str::from_utf8(&hex[..2]).unwrap(), 16).unwrap(), 3),
            [b'n', ..] => (b'\n', 1),
            [other, ..] => (*other, 1),
            [] => panic!("a lone backslash"),
        };
        bytes.push(byte);
        rest = &behind[used..];
    }
    bytes
}

/// The values of these names, as an answer has them.
fn shown<'a>(config: &Config, names: impl Iterator<Item = &'a Vec<u8>>) -> Vec<Vec<u8>> {
    names
        .flat_map(|name| {
            let value = config.get(&[name.as_slice()]).pop().map_or(b"(none)".to_vec(), |(_, value)| value);
            [name.clone(), value]
        })
        .collect()
}

fn names(answer: &Answer) -> Vec<Vec<u8>> {
    match answer {
        Answer::Taken(words) => words.chunks(2).map(|pair| pair[0].clone()).collect(),
        Answer::Refused(_) => Vec::new(),
    }
}

/// Whether ours is one of the peers' answers; being less strict than one of them is not asked for, but allowed where
/// another takes it.
fn fits(ours: &Result<Config, String>, answers: &[Answer]) -> Result<(), String> {
    let taken = answers.iter().any(|answer| matches!(answer, Answer::Taken(_)));
    match ours {
        Err(reason) if taken => Err(format!("refused here: {reason}")),
        Err(reason) => {
            // Redis 8 takes an unknown name for a module's, and ends later.
            let same = |answer: &Answer| matches!(answer, Answer::Refused(text) if text == reason || text == "exits");
            if answers.iter().any(same) { Ok(()) } else { Err(format!("refused for another reason: {reason}")) }
        }
        Ok(config) => {
            let same = |answer: &&Answer| match answer {
                Answer::Taken(words) => shown(config, names(answer).iter()) == *words,
                Answer::Refused(_) => false,
            };
            let all = answers.iter().flat_map(names).collect::<Vec<_>>();
            let text = shown(config, all.iter()).join(&b' ').escape_ascii().to_string();
            answers.iter().find(same).map(|_| ()).ok_or(format!("taken here, with {text}"))
        }
    }
}

/// Where we do otherwise, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("> repl-backlog-size 1\n", "our backlog is never below 16 KB"),
    ("> rename-command nope x", "what is unknown here may be known to the peers"),
    ("> rename-command get set", "found when the node is built"),
    ("> include nope.conf", "the reason is the caller's"),
    ("> include self.conf", "the peers crash"),
    ("> user default on nopass ~* &* +@all ~x", "other users' rules are not judged"),
    (r#"> dbfilename \"\""#, "Redis takes it, and can't save then"),
    ("> watchdog-period 5", "the peers' least depends on hz"),
    ("> cluster-announce-human-nodename", "a node's name goes into lines: kept strict"),
];

fn is_different(title: &str) -> bool {
    DIFFERENT.iter().any(|(start, _)| format!("{title}\n").starts_with(start))
}

fn report(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} differ:\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn files_are_taken_and_refused_as_by_the_peers() {
    let mut failures = Vec::new();
    for fact in facts(include_str!("peers/load.txt")) {
        let sources = Sources { file: Some(("c.conf".to_owned(), fact.file('>'))), ..Sources::default() };
        let ours =
            Config::load(&sources, &mut Files::default()).map(|(config, _)| config).map_err(|error| error.reason);
        if let Err(reason) = fits(&ours, &fact.answers())
            && !is_different(&fact.title())
        {
            failures.push(format!("{}\n{reason}\n{:?}", fact.title(), fact.answers()));
        }
    }
    report(failures);
}

#[test]
fn command_lines_are_read_as_by_the_peers() {
    let names = ["bind", "hz", "masterauth", "repl-timeout", "save", "timeout"].map(|name| name.as_bytes().to_vec());
    let defaults = Config::default();
    let mut failures = Vec::new();
    for fact in facts(include_str!("peers/arguments.txt")) {
        let words = fact.of('-');
        let has_file = !fact.of('>').is_empty();
        let all = if has_file { [vec![b"c.conf".to_vec()], words].concat() } else { words };
        let parsed = config::CommandLine::parse(&all);
        let sources = Sources {
            file: has_file.then(|| ("c.conf".to_owned(), fact.file('>'))),
            stdin: parsed.stdin.then(|| fact.file('<')),
            arguments: parsed.arguments,
        };
        let ours =
            Config::load(&sources, &mut Files::default()).map(|(config, _)| config).map_err(|error| error.reason);
        let fine = match &ours {
            Err(_) => fits(&ours, &fact.answers()).is_ok(),
            Ok(config) => {
                let changed = |name: &&Vec<u8>| config.get(&[name.as_slice()]) != defaults.get(&[name.as_slice()]);
                fact.answers().contains(&Answer::Taken(shown(config, names.iter().filter(changed))))
            }
        };
        if !fine && !is_different(&fact.title()) {
            let ours = ours.map(|config| shown(&config, names.iter()).join(&b' ').escape_ascii().to_string());
            failures.push(format!("{}\n{ours:?}\n{:?}", fact.title(), fact.answers()));
        }
    }
    report(failures);
}

#[test]
fn every_directive_takes_and_refuses_the_values_that_the_peers_do() {
    let mut failures = Vec::new();
    for line in include_str!("peers/values.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (name, values) = (fields.next().unwrap(), fields.next().unwrap());
        let answers: Vec<&str> = fields.map(|answer| answer.split_once('|').map_or(answer, |pair| pair.1)).collect();
        let wanted: Vec<&str> = if answers.contains(&"OK") { vec!["OK"] } else { answers };
        for value in values.split('|') {
            let arguments = [format!("--{name}"), value.to_owned()].map(String::into_bytes).to_vec();
            let sources = Sources { arguments, ..Sources::default() };
            let ours = Config::load(&sources, &mut Files::default());
            let ours = ours.map_or_else(|error| error.reason, |_| "OK".to_owned());
            let is_promise = ours.contains("can't be set to anything but");
            let refused_on_purpose = is_promise && (wanted == ["OK"] || name == "activedefrag");
            // Redis takes an empty file name, and can't save then; a limit of that many bytes is none.
            let is_different =
                [("dbfilename", ""), ("maxmemory-clients", "9223372036854775808")].contains(&(name, value));
            if !is_different && !wanted.contains(&ours.as_str()) && !refused_on_purpose {
                failures.push(format!("{name} '{value}': {ours}, not {wanted:?}"));
            }
        }
    }
    report(failures);
}

#[test]
fn config_set_answers_as_the_peers() {
    let mut failures = Vec::new();
    for block in include_str!("peers/set.txt").split("\n\n").map(|block| block.trim_matches('\n')) {
        let mut lines = block.lines().filter(|line| !line.starts_with("# "));
        let Some(asked) = lines.next() else { continue };
        let words = split_line(&asked.as_bytes()[2..]).unwrap();
        let answers: Vec<&str> = lines.map(|line| line.split_once("] ").map_or(line, |pair| pair.1)).collect();
        let mut config = Config::default();
        config.save.clear();
        let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
        let fine = match config.set(&pairs, false) {
            Err(error) => answers.contains(&format!("-{error}").as_str()),
            Ok(_) => {
                let names: Vec<Vec<u8>> = words.chunks(2).map(|pair| pair[0].to_ascii_lowercase()).collect();
                let ours = shown(&config, names.iter());
                let mut theirs = answers.iter().filter_map(|answer| answer.strip_prefix("+OK = "));
                theirs.any(|answer| split_line(answer.as_bytes()).unwrap() == ours)
            }
        };
        if !fine {
            let ours = Config::default().set(&pairs, false);
            failures.push(format!("{asked}\n{ours:?}\n{answers:?}"));
        }
    }
    report(failures);
}

#[test]
fn rewritten_files_are_those_of_redis() {
    let mut failures = Vec::new();
    for fact in facts(include_str!("peers/rewrite.txt")) {
        let more = fact.of('+').into_iter().map(|line| {
            let text = String::from_utf8(line).unwrap();
            let (name, text) = text.split_once(' ').unwrap();
            (format!("{HOME}/{name}"), text.as_bytes().to_vec())
        });
        let mut files = Files { more: more.collect(), directory: None };
        let old = [b"port 6379\n", fact.file('>').as_slice()].concat();
        let sources = Sources { file: Some(("c.conf".to_owned(), old.clone())), ..Sources::default() };
        let (mut config, _) =
            Config::load(&sources, &mut files).unwrap_or_else(|error| panic!("{}: {error}", fact.title()));
        config.dir = HOME.into();
        for (mark, line) in &fact.lines {
            let words = split_line(line).unwrap_or_default();
            match mark {
                '$' => {
                    let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
                    config.set(&pairs, false).unwrap();
                }
                '@' if words[0] == b"no" => config.set_replicaof(None),
                '@' => {
                    let [host, port] = [0, 1].map(|at: usize| String::from_utf8(words[at].clone()).unwrap());
                    config.set_replicaof(Some((host, port.parse().unwrap())));
                }
                _ => {}
            }
        }
        let text = config.rewrite(Some(&old)).unwrap();
        let ours = sorted_tail(text.strip_prefix(b"port 6379\n").unwrap());
        let theirs: Vec<String> = fact.of('<').iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect();
        if ours != theirs {
            failures.push(format!(
                "{}\n--- ours\n{}\n--- theirs\n{}",
                fact.title(),
                ours.join("\n"),
                theirs.join("\n")
            ));
        }
    }
    report(failures);
}

/// The lines of a rewritten file, what was appended sorted, without `dir`.
fn sorted_tail(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines: Vec<String> = text.strip_suffix('\n').unwrap().split('\n').map(str::to_owned).collect();
    let Some(signature) = lines.iter().position(|line| line == "# Generated by CONFIG REWRITE") else { return lines };
    let mut head = lines[..=signature].to_vec();
    let mut tail = lines[signature + 1..].to_vec();
    let kept = tail.iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1);
    head.extend(tail.drain(..kept));
    tail.retain(|line| !line.starts_with("dir "));
    tail.sort();
    head.extend(tail);
    head
}
