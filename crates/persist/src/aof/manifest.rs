//! The manifest: which files make up the data set, in the text form of Redis 7 and its descendants.

use std::fmt;

/// What a file of the manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileType {
    /// The whole data set at one moment.
    Base,
    /// What changed since.
    Incr,
    /// No longer needed, to be deleted.
    History,
}

/// One file of the manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileInfo {
    /// Its name, without a directory.
    pub name: String,
    /// Its number among those of its type.
    pub seq: u64,
}

/// The files of the data set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// The base, if there is one yet.
    pub base: Option<FileInfo>,
    /// The incremental files in order.
    pub incrs: Vec<FileInfo>,
    /// Files to be deleted.
    pub history: Vec<FileInfo>,
}

/// A manifest that says something impossible.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Peers refuse longer lines.
const LINE_BYTES_MAX: usize = 1024;

/// No server counts as far, and there is room to go on.
const SEQ_MAX: u64 = 1 << 62;

fn parse_seq(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|seq| *seq <= SEQ_MAX)
}

/// What the name of a file says, `<stem>.<number>.base.rdb`, `….base.aof` or `….incr.aof`: its type and its number. None: it
/// is none of these.
pub fn parse_file_name(stem: &str, name: &str) -> Option<(FileType, u64)> {
    let (digits, kind) = name.strip_prefix(stem)?.strip_prefix('.')?.split_once('.')?;
    let kind = match kind {
        "base.rdb" | "base.aof" => FileType::Base,
        "incr.aof" => FileType::Incr,
        _ => return None,
    };
    let seq = parse_seq(digits)?;
    (digits == seq.to_string()).then_some((kind, seq))
}

impl Manifest {
    /// The highest numbers of bases and of incremental files, of those that this names and of those with these names.
    pub fn last_numbers<S: AsRef<str>>(&self, stem: &str, names: impl Iterator<Item = S>) -> (u64, u64) {
        let (mut base, mut incr) =
            (self.base.as_ref().map_or(0, |base| base.seq), self.incrs.last().map_or(0, |incr| incr.seq));
        for found in names.filter_map(|name| parse_file_name(stem, name.as_ref())) {
            match found {
                (FileType::Base, seq) => base = base.max(seq),
                (_, seq) => incr = incr.max(seq),
            }
        }
        (base, incr)
    }

    /// Reads a manifest.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        let mut lines = 0;
        for (at, line) in text.lines().enumerate() {
            let failed = |what| ManifestError { line: at + 1, what };
            lines = at + 1;
            if line.len() >= LINE_BYTES_MAX {
                return Err(failed("the line is too long"));
            }
            if line.starts_with('#') {
                continue;
            }
            let (file, kind) = parse_line(line).map_err(failed)?;
            match kind {
                FileType::Base if manifest.base.is_some() => return Err(failed("there is a second base file")),
                FileType::Base => manifest.base = Some(file),
                FileType::Incr => {
                    if manifest.incrs.last().is_some_and(|last| last.seq >= file.seq) {
                        return Err(failed("the numbers of the incremental files do not rise"));
                    }
                    manifest.incrs.push(file);
                }
                FileType::History => manifest.history.push(file),
            }
        }
        if lines == 0 {
            return Err(ManifestError { line: 1, what: "the manifest is empty" });
        }
        Ok(manifest)
    }

    /// Its text.
    pub fn format(&self) -> String {
        let history = self.history.iter().map(|file| line(file, 'h'));
        let base = self.base.iter().map(|file| line(file, 'b'));
        let incrs = self.incrs.iter().map(|file| line(file, 'i'));
        base.chain(history).chain(incrs).collect()
    }
}

fn line(file: &FileInfo, kind: char) -> String {
    format!("file {} seq {} type {kind}\n", quoted(&file.name), file.seq)
}

/// Names with blanks or quotes stand in quotes, as in redis.conf.
fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'));
    if plain {
        return name.to_owned();
    }
    let escaped = name.bytes().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        other => format!("\\x{other:02x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Reads pairs of a key and a value: `file`, `seq` and `type`, and others of newer servers that say nothing we need.
fn parse_line(line: &str) -> Result<(FileInfo, FileType), &'static str> {
    let mut buffer = resp::ArgsBuf::new();
    resp::split_inline(line.as_bytes(), &mut buffer).map_err(|_| "a quote is not closed")?;
    let words: Vec<&[u8]> = buffer.view(line.as_bytes()).iter().collect();
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err("it is no list of keys and values");
    }
    let (mut name, mut seq, mut kind) = (None, None, None);
    for pair in words.chunks(2) {
        let value = std::str::from_utf8(pair[1]).map_err(|_| "a value is not UTF-8")?;
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if value.contains('/') => return Err("a file name must be without a directory"),
            b"file" => name = Some(value.to_owned()),
            b"seq" => seq = parse_seq(value),
            b"type" => {
                kind = match value {
                    "b" => Some(FileType::Base),
                    "i" => Some(FileType::Incr),
                    "h" => Some(FileType::History),
                    _ => return Err("the type is none of b, i and h"),
                }
            }
            _ => {}
        }
    }
    match (name, seq, kind) {
        (Some(name), Some(seq), Some(kind)) if !name.is_empty() => Ok((FileInfo { name, seq }, kind)),
        _ => Err("file, seq or type is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis 7.0, and as Redis 8.0 which adds offsets, write it.
    #[test]
    fn manifests_of_peers_are_read_and_ours_read_back() {
        let text = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.base.as_ref().unwrap().name, "appendonly.aof.2.base.rdb");
        assert_eq!(manifest.format(), text);
        let newer = "file \"a b.aof.2.incr.aof\" seq 2 type i startoffset 2\n";
        let manifest = Manifest::parse(newer).unwrap();
        assert_eq!(manifest.incrs[0].name, "a b.aof.2.incr.aof");
        assert_eq!(Manifest::parse(&manifest.format()).unwrap(), manifest);
    }

    #[test]
    fn a_name_tells_type_and_number_if_it_is_written_just_so() {
        assert_eq!(parse_file_name("f", "f.2.base.rdb"), Some((FileType::Base, 2)));
        assert_eq!(parse_file_name("f", "f.2.base.aof"), Some((FileType::Base, 2)));
        assert_eq!(parse_file_name("f", "f.3.incr.aof"), Some((FileType::Incr, 3)));
        assert_eq!(parse_file_name("a.b", "a.b.3.incr.aof"), Some((FileType::Incr, 3)));
        let others = ["f.01.incr.aof", "f.+1.incr.aof", "g.1.incr.aof", "ff.1.incr.aof", "f.1.incr.aof.bak"];
        for name in others.into_iter().chain(["f", "f.manifest", "f.1.incr.rdb", "f.1.spare.aof", "f..incr.aof"]) {
            assert_eq!(parse_file_name("f", name), None, "{name}");
        }
        let last = u64::MAX;
        assert_eq!(parse_file_name("f", &format!("f.{last}.incr.aof")), None);
        assert!(Manifest::parse(&format!("file f.{last}.incr.aof seq {last} type i\n")).is_err());
    }

    #[test]
    fn the_last_numbers_are_those_of_the_manifest_or_of_files_beside_it() {
        let text = "file f.2.base.rdb seq 2 type b\nfile f.3.incr.aof seq 3 type i\nfile f.4.incr.aof seq 4 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        let last = |names: &[&str]| manifest.last_numbers("f", names.iter());
        assert_eq!(last(&[]), (2, 4));
        assert_eq!(last(&["f.1.base.rdb", "f.3.incr.aof"]), (2, 4));
        assert_eq!(last(&["f.7.base.aof", "f.5.incr.aof", "f.6.incr.aof", "f.3.incr.aof"]), (7, 6));
        assert_eq!(last(&["f.09.incr.aof", "g.9.incr.aof", "f.9.incr.aof.bak", "f.9.spare.aof"]), (2, 4));
        assert_eq!(Manifest::default().last_numbers("f", [""].iter()), (0, 0));
    }

    #[test]
    fn an_impossible_manifest_is_refused_with_its_line() {
        let refused = |text: &str| Manifest::parse(text).unwrap_err().to_string();
        assert_eq!(refused(""), "line 1: the manifest is empty");
        assert_eq!(refused("file a seq 1 type b\nfile b seq 2 type b\n"), "line 2: there is a second base file");
        assert_eq!(refused("file ../a seq 1 type i\n"), "line 1: a file name must be without a directory");
        assert_eq!(refused("file a seq x type i\n"), "line 1: file, seq or type is missing");
        assert_eq!(refused("file a seq 1 type x\n"), "line 1: the type is none of b, i and h");
        assert_eq!(refused("file a seq 1\n"), "line 1: it is no list of keys and values");
        let rising = "file a seq 2 type i\nfile b seq 2 type i\n";
        assert_eq!(refused(rising), "line 2: the numbers of the incremental files do not rise");
    }
}
