//! Everything a server holds, read through its commands, and how two such readings differ. Types are read by their own
//! commands because DUMP payloads differ from version to version while the data does not.

use client::{Client, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Keys asked for in one pipeline.
const BATCH: usize = 500;

/// Differences shown; the rest is counted.
const SHOWN_MAX: usize = 20;

/// All keys of all databases.
#[derive(Debug, PartialEq)]
pub struct Dataset {
    /// By database and key.
    entries: BTreeMap<(u32, Vec<u8>), Entry>,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// As TYPE names it.
    pub kind: String,
    /// When it expires, in Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Its elements in order, or sorted if the type has no order; a hash has fields and values in turn.
    pub elements: Vec<Vec<u8>>,
    /// The scores of a sorted set, as the bits of each number: the text of a number differs between versions. A zero has no
    /// sign: the compact encoding drops it, and a replica may have that encoding where its master has another.
    pub scores: Vec<u64>,
    /// The fields of a hash that expire, sorted, with the moment in Unix milliseconds.
    pub field_deadlines: Vec<(Vec<u8>, i64)>,
}

impl Dataset {
    /// Reads databases 0 to 15.
    #[track_caller]
    pub fn read(client: &mut Client) -> Dataset {
        let mut entries = BTreeMap::new();
        for database in 0..16 {
            expect(client.call(&[b"SELECT", database.to_string().as_bytes()]));
            let keys = match expect(client.call(&[b"KEYS", b"*"])) {
                Value::Array(keys) => keys.iter().filter_map(Value::as_bytes).map(<[u8]>::to_vec).collect(),
                other => panic!("KEYS answered {other:?}"),
            };
            read_database(client, database, keys, &mut entries);
        }
        Dataset { entries }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One key's entry.
    pub fn get(&self, database: u32, key: &str) -> Option<&Entry> {
        self.entries.get(&(database, key.as_bytes().to_vec()))
    }

    /// How many keys expire before that Unix time in milliseconds, or a field of theirs.
    pub fn expiring_before(&self, unix_ms: i64) -> usize {
        let soon = |entry: &&Entry| {
            let fields = entry.field_deadlines.iter().map(|(_, at)| *at);
            entry.expires_ms.into_iter().chain(fields).any(|at| at < unix_ms)
        };
        self.entries.values().filter(soon).count()
    }

    /// How many fields of hashes expire.
    pub fn field_deadlines(&self) -> usize {
        self.entries.values().map(|entry| entry.field_deadlines.len()).sum()
    }

    /// A line for each key that differs, None if nothing does. `mine` and `theirs` name the two.
    pub fn differences(&self, mine: &str, other: &Dataset, theirs: &str) -> Option<String> {
        self.differences_within(0, mine, other, theirs)
    }

    /// The same for servers that ran the same commands: moments may be so many milliseconds apart.
    pub fn differences_within(&self, apart_ms: i64, mine: &str, other: &Dataset, theirs: &str) -> Option<String> {
        let mut lines = Vec::new();
        let mut names: Vec<_> = self.entries.keys().chain(other.entries.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (database, key) = name;
            let key = key.escape_ascii();
            match (self.entries.get(name), other.entries.get(name)) {
                (Some(a), Some(b)) if a.agrees(b, apart_ms) => {}
                (Some(a), Some(b)) => {
                    lines.push(format!("db {database} {key}: {}", entry_difference(a, mine, b, theirs)))
                }
                (a, b) => {
                    let (holder, entry) = if a.is_some() { (mine, a) } else { (theirs, b) };
                    let entry = entry.expect("the name came from one of the two");
                    lines.push(format!("db {database} {key}: only {holder} has it: {}", show(entry)));
                }
            }
        }
        if lines.is_empty() {
            return None;
        }
        let mut text = format!("{} of {} keys differ between {mine} and {theirs}\n", lines.len(), self.len());
        lines.iter().take(SHOWN_MAX).for_each(|line| writeln!(text, "  {line}").expect("a string takes everything"));
        Some(text)
    }
}

impl Entry {
    /// Whether two entries are equal but for moments that are up to `apart_ms` apart.
    fn agrees(&self, other: &Entry, apart_ms: i64) -> bool {
        let near = |a: i64, b: i64| a.abs_diff(b) <= apart_ms.unsigned_abs();
        let expires = match (self.expires_ms, other.expires_ms) {
            (Some(a), Some(b)) => near(a, b),
            (a, b) => a == b,
        };
        // In a stream, the moment of a delivery is an element of its own, a Unix time of 13 digits.
        let moment = |text: &[u8]| std::str::from_utf8(text).ok().filter(|text| text.len() == 13)?.parse().ok();
        let same = |(a, b): (&Vec<u8>, &Vec<u8>)| {
            a == b || self.kind == "stream" && moment(a).zip(moment(b)).is_some_and(|(a, b)| near(a, b))
        };
        let elements =
            self.elements.len() == other.elements.len() && self.elements.iter().zip(&other.elements).all(same);
        expires
            && elements
            && self.kind == other.kind
            && self.scores == other.scores
            && self.field_deadlines == other.field_deadlines
    }
}

fn read_database(
    client: &mut Client,
    database: u32,
    keys: Vec<Vec<u8>>,
    entries: &mut BTreeMap<(u32, Vec<u8>), Entry>,
) {
    for keys in keys.chunks(BATCH) {
        let kinds: Vec<[&[u8]; 2]> = keys.iter().map(|key| [b"TYPE".as_slice(), key]).collect();
        let deadlines: Vec<[&[u8]; 2]> = keys.iter().map(|key| [b"PEXPIRETIME".as_slice(), key]).collect();
        let kinds = expect(client.pipeline(kinds.iter().map(|command| command.as_slice())));
        let deadlines = expect(client.pipeline(deadlines.iter().map(|command| command.as_slice())));
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str().unwrap_or("?").to_owned()).collect();
        let present: Vec<_> = (0..keys.len()).filter(|&index| kinds[index] != "none").collect();
        let reads: Vec<_> = present.iter().map(|&index| read_command(&kinds[index], &keys[index])).collect();
        let values = expect(client.pipeline(reads.iter().map(Vec::as_slice)));
        for (index, value) in present.into_iter().zip(values) {
            let expires_ms = deadlines[index].as_int().filter(|&at| at >= 0);
            let entry = entry(&kinds[index], expires_ms, &value);
            // It may have expired between the two questions; and a hash may wait with its last fields for its end.
            let ended = deadlines[index].as_int() == Some(-2) || (entry.kind == "hash" && entry.elements.is_empty());
            if !ended {
                entries.insert((database, keys[index].clone()), entry);
            }
        }
    }
    read_field_deadlines(client, database, entries);
}

/// Reads the deadlines of fields, if the server knows of them.
fn read_field_deadlines(client: &mut Client, database: u32, entries: &mut BTreeMap<(u32, Vec<u8>), Entry>) {
    let probe: [&[u8]; 5] = [b"HPEXPIRETIME", b"no such key", b"FIELDS", b"1", b"f"];
    if matches!(client.call(&probe), Err(client::Error::Reply(_))) {
        return;
    }
    let hashes = entries.iter_mut().filter(|((db, _), entry)| *db == database && entry.kind == "hash");
    let mut hashes: Vec<(&Vec<u8>, &mut Entry)> = hashes.map(|((_, key), entry)| (key, entry)).collect();
    for hashes in hashes.chunks_mut(BATCH) {
        let counts: Vec<String> = hashes.iter().map(|(_, entry)| (entry.elements.len() / 2).to_string()).collect();
        let command = |((key, entry), count): (&(&Vec<u8>, &mut Entry), &String)| {
            let head: [Vec<u8>; 4] = [b"HPEXPIRETIME".to_vec(), key.to_vec(), b"FIELDS".to_vec(), count.clone().into()];
            head.into_iter().chain(entry.elements.iter().step_by(2).cloned()).collect::<Vec<_>>()
        };
        let commands: Vec<Vec<Vec<u8>>> = hashes.iter().zip(&counts).map(command).collect();
        let commands: Vec<Vec<&[u8]>> =
            commands.iter().map(|words| words.iter().map(Vec::as_slice).collect()).collect();
        let replies = expect(client.pipeline(commands.iter().map(Vec::as_slice)));
        for ((_, entry), reply) in hashes.iter_mut().zip(replies) {
            let moments = reply.as_slice().unwrap_or_default().iter().map(|at| at.as_int().unwrap_or(-1));
            let fields = entry.elements.iter().step_by(2).cloned().zip(moments);
            entry.field_deadlines = fields.filter(|(_, at)| *at >= 0).collect();
        }
    }
}

/// The command that reads a whole value.
fn read_command<'a>(kind: &str, key: &'a [u8]) -> Vec<&'a [u8]> {
    match kind {
        "string" => vec![b"GET", key],
        "list" => vec![b"LRANGE", key, b"0", b"-1"],
        "set" => vec![b"SMEMBERS", key],
        "hash" => vec![b"HGETALL", key],
        "zset" => vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        "stream" => vec![b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
        other => panic!("{} is of type {other}, which cannot be compared yet", key.escape_ascii()),
    }
}

fn entry(kind: &str, expires_ms: Option<i64>, value: &Value) -> Entry {
    let mut elements = Vec::new();
    match kind {
        // A key that expired just now is answered by an error.
        "stream" if value.as_error().is_none() => flatten_stream(value, &mut elements),
        _ => flatten(value, &mut elements),
    }
    let mut scores = Vec::new();
    match kind {
        "set" => elements.sort(),
        "hash" => {
            let mut pairs: Vec<_> = elements.chunks_exact(2).map(<[_]>::to_vec).collect();
            pairs.sort();
            elements = pairs.concat();
        }
        "zset" => {
            scores = elements.chunks_exact(2).map(|pair| score_bits(&pair[1])).collect();
            elements = elements.chunks_exact(2).map(|pair| pair[0].clone()).collect();
        }
        _ => {}
    }
    Entry { kind: kind.to_owned(), expires_ms, elements, scores, field_deadlines: Vec::new() }
}

fn score_bits(text: &[u8]) -> u64 {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    let number = number.unwrap_or_else(|| panic!("{} is no score", text.escape_ascii()));
    (number + 0.0).to_bits()
}

fn flatten(value: &Value, elements: &mut Vec<Vec<u8>>) {
    match value.as_slice() {
        Some(items) => items.iter().for_each(|item| flatten(item, elements)),
        // A key that expired just now reads as null.
        None => elements.extend(value.as_bytes().map(<[u8]>::to_vec)),
    }
}

/// What a replica must hold of a stream: its entries and last id; of each group, its place, and what is pending for whom
/// since when. Not what an older RDB version does not carry, nor consumers that got nothing, which nobody is told of.
fn flatten_stream(value: &Value, elements: &mut Vec<Vec<u8>>) {
    for name in ["last-generated-id", "entries"] {
        flatten(field(value, name), elements);
    }
    for group in field(value, "groups").as_slice().unwrap_or_default() {
        for name in ["name", "last-delivered-id"] {
            flatten(field(group, name), elements);
        }
        for pending in field(group, "pending").as_slice().unwrap_or_default() {
            flatten(pending, elements);
            let numbers = pending.as_slice().unwrap_or_default().iter().filter_map(Value::as_int);
            elements.extend(numbers.map(|number| number.to_string().into_bytes()));
        }
    }
}

/// The value behind a name in a flat list of pairs.
fn field<'a>(pairs: &'a Value, name: &str) -> &'a Value {
    let pairs = pairs.as_slice().unwrap_or_default();
    let found = pairs.chunks_exact(2).find(|pair| pair[0].as_bytes() == Some(name.as_bytes()));
    &found.unwrap_or_else(|| panic!("a description of a stream has the field {name}"))[1]
}

fn entry_difference(a: &Entry, mine: &str, b: &Entry, theirs: &str) -> String {
    if a.kind != b.kind {
        return format!("{mine} has a {}, {theirs} a {}", a.kind, b.kind);
    }
    if a.elements != b.elements || a.scores != b.scores {
        let at = a.elements.iter().zip(&b.elements).position(|(x, y)| x != y);
        let at = at.or_else(|| a.scores.iter().zip(&b.scores).position(|(x, y)| x != y));
        let at = at.unwrap_or(a.elements.len().min(b.elements.len()));
        return format!(
            "{} of {} and {} elements, from element {at}: {mine} {}, {theirs} {}",
            a.kind,
            a.elements.len(),
            b.elements.len(),
            element(a, at),
            element(b, at)
        );
    }
    if a.field_deadlines != b.field_deadlines {
        let only = |these: &[(Vec<u8>, i64)], those: &[(Vec<u8>, i64)]| {
            let one = these.iter().find(|one| !those.contains(one));
            one.map_or("none".to_owned(), |(field, at)| format!("{} at {at}", field.escape_ascii()))
        };
        return format!(
            "{mine} expires {} and {theirs} {} fields, as only {mine}: {}, as only {theirs}: {}",
            a.field_deadlines.len(),
            b.field_deadlines.len(),
            only(&a.field_deadlines, &b.field_deadlines),
            only(&b.field_deadlines, &a.field_deadlines),
        );
    }
    format!("{mine} expires it at {:?}, {theirs} at {:?}", a.expires_ms, b.expires_ms)
}

fn show(entry: &Entry) -> String {
    let expires = entry.expires_ms.map_or(String::new(), |at| format!(", expires at {at}"));
    format!("{} of {} elements, first {}{expires}", entry.kind, entry.elements.len(), element(entry, 0))
}

fn element(entry: &Entry, at: usize) -> String {
    let Some(bytes) = entry.elements.get(at) else { return "nothing".to_owned() };
    let score = entry.scores.get(at).map_or(String::new(), |&bits| format!(" with score {}", f64::from_bits(bits)));
    let shown: String = bytes.escape_ascii().to_string().chars().take(60).collect();
    format!("\"{shown}\"{score}")
}

#[track_caller]
fn expect<T>(outcome: Result<T, client::Error>) -> T {
    outcome.unwrap_or_else(|error| panic!("the data set cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(entries: &[(&str, Entry)]) -> Dataset {
        let entries = entries.iter().map(|(key, entry)| ((0, key.as_bytes().to_vec()), entry.clone()));
        Dataset { entries: entries.collect() }
    }

    fn zset(pairs: &[(&str, f64)]) -> Entry {
        Entry {
            kind: "zset".to_owned(),
            expires_ms: None,
            elements: pairs.iter().map(|(member, _)| member.as_bytes().to_vec()).collect(),
            scores: pairs.iter().map(|(_, score)| score.to_bits()).collect(),
            field_deadlines: Vec::new(),
        }
    }

    #[test]
    fn equal_data_sets_have_no_differences() {
        let a = dataset(&[("z", zset(&[("a", 0.1), ("b", 2.0)]))]);
        assert_eq!(a.differences("a", &dataset(&[("z", zset(&[("a", 0.1), ("b", 2.0)]))]), "b"), None);
    }

    #[test]
    fn a_score_a_deadline_and_a_missing_key_are_told_apart() {
        let deadline = Entry { expires_ms: Some(5), ..zset(&[("a", 1.0)]) };
        let a = dataset(&[("d", deadline), ("m", zset(&[])), ("s", zset(&[("a", 1.0), ("b", 2.0)]))]);
        let b = dataset(&[("d", zset(&[("a", 1.0)])), ("s", zset(&[("a", 1.0), ("b", 3.0)]))]);
        let text = a.differences("A", &b, "B").expect("they differ");
        assert!(text.starts_with("3 of 3 keys differ"), "{text}");
        assert!(text.contains("db 0 d: A expires it at Some(5), B at None"), "{text}");
        assert!(text.contains("db 0 m: only A has it: zset of 0 elements"), "{text}");
        assert!(text.contains("from element 1: A \"b\" with score 2, B \"b\" with score 3"), "{text}");
    }

    #[test]
    fn elements_without_order_are_sorted_and_scores_read_as_numbers() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let hash = entry("hash", None, &Value::Array(["b", "1", "a", "2"].map(bulk).to_vec()));
        assert_eq!(hash.elements, [b"a", b"2", b"b", b"1"]);
        let old = entry("zset", None, &Value::Array(["m", "0.10000000000000001"].map(bulk).to_vec()));
        assert_eq!(old, entry("zset", None, &Value::Array(["m", "0.1"].map(bulk).to_vec())));
    }
}
