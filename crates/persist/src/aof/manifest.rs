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

impl Manifest {
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
            b"seq" => seq = value.parse().ok(),
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
