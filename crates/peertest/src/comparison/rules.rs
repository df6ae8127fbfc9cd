//! When two replies to a command count as equal though their bytes differ, and why.

use client::Value;
use std::borrow::Cow;

/// How far apart two servers may be in time when they run the same command, in milliseconds.
const APART_MS: i64 = 5_000;

/// A count that no collection of the comparison reaches: whoever asks at random for so many gets all.
const ALL: &[u8] = b"1000000";

/// How replies to a command are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Byte for byte.
    Exact,
    /// Elements in any order.
    Unordered,
    /// Names and values in turn, in any order.
    UnorderedPairs,
    /// A cursor and elements in any order.
    Scan,
    /// The same with names and values in turn.
    ScanPairs,
    /// What is chosen is random: only its kind and its length.
    Length,
    /// A number of seconds or milliseconds, which may differ by this.
    Time(i64),
    /// XPENDING with a range: the milliseconds that an entry has waited.
    Pending,
    /// XINFO: moments, and fields that Redis 7.2 has added.
    StreamInfo,
    /// A payload: that it stands for the same value is seen where it is restored.
    Dump,
    /// Texts in the order of the C library, which ends them at a zero byte.
    Collated,
    /// The name of an encoding.
    Encoding,
    /// Not compared.
    Ignored,
}

impl Rule {
    /// The rule for a command.
    pub fn of(command: &[Vec<u8>]) -> Rule {
        let name = command[0].to_ascii_uppercase();
        let has = |word: &[u8]| command.iter().skip(1).any(|argument| argument.eq_ignore_ascii_case(word));
        match name.as_slice() {
            b"SMEMBERS" | b"SUNION" | b"SINTER" | b"SDIFF" | b"KEYS" | b"HKEYS" | b"HVALS" => Rule::Unordered,
            b"SORT" if names_no_key(command) && has(b"limit") => Rule::Length,
            b"SORT" if names_no_key(command) => Rule::Unordered,
            b"SORT" if has(b"alpha") => Rule::Collated,
            b"HGETALL" => Rule::UnorderedPairs,
            b"SPOP" | b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => match command.get(2).map(Vec::as_slice) {
                Some(ALL) if has(b"withvalues") || has(b"withscores") => Rule::UnorderedPairs,
                Some(ALL) => Rule::Unordered,
                _ => Rule::Length,
            },
            b"RANDOMKEY" => Rule::Length,
            b"SCAN" | b"SSCAN" => Rule::Scan,
            b"HSCAN" | b"ZSCAN" => Rule::ScanPairs,
            b"TTL" | b"EXPIRETIME" => Rule::Time(APART_MS / 1000),
            b"PTTL" | b"PEXPIRETIME" => Rule::Time(APART_MS),
            b"OBJECT" if has(b"idletime") => Rule::Time(APART_MS / 1000),
            b"OBJECT" if has(b"encoding") => Rule::Encoding,
            b"XPENDING" if command.len() > 3 => Rule::Pending,
            b"XINFO" => Rule::StreamInfo,
            b"DUMP" => Rule::Dump,
            b"HELLO" => Rule::Ignored,
            _ => Rule::Exact,
        }
    }

    /// Why the rule is no more than fair; shown beside the number of replies that needed it.
    pub fn reason(self) -> &'static str {
        match self {
            Rule::Exact => "byte for byte",
            Rule::Unordered | Rule::UnorderedPairs | Rule::Scan | Rule::ScanPairs => "a hash table has no order",
            Rule::Length => "chosen at random",
            Rule::Time(_) | Rule::Pending => "the clock went on between the servers",
            Rule::StreamInfo => "moments; `inactive` and `active-time` are of 7.2; the nodes of an index",
            Rule::Dump => "payloads are compressed and numbered differently; what they restore to is compared",
            Rule::Collated => "elements that are equal up to a zero byte have no order",
            Rule::Encoding => "lists and sets have the encodings of 7.2",
            Rule::Ignored => "version and id of the server",
        }
    }

    /// Whether two replies are equal under the rule.
    pub fn agree(self, a: &Value, b: &Value) -> bool {
        match self {
            Rule::Exact | Rule::Encoding => a == b,
            Rule::Ignored => true,
            Rule::Unordered => sorted(a, 1) == sorted(b, 1),
            Rule::UnorderedPairs => sorted(a, 2) == sorted(b, 2),
            Rule::Scan | Rule::ScanPairs => match (a.as_slice(), b.as_slice()) {
                (Some([cursor, elements]), Some([other_cursor, others])) => {
                    let width = if self == Rule::Scan { 1 } else { 2 };
                    cursor == other_cursor && sorted(elements, width) == sorted(others, width)
                }
                _ => a == b,
            },
            Rule::Length => match (a.as_slice(), b.as_slice()) {
                (Some(a), Some(b)) => a.len() == b.len(),
                _ => a == b || std::mem::discriminant(a) == std::mem::discriminant(b) && a.as_error().is_none(),
            },
            Rule::Time(apart) => near(a, b, apart),
            Rule::Pending => pending_agrees(a, b),
            Rule::StreamInfo => info_agrees(a, b),
            Rule::Dump => a.as_bytes().is_some() && b.as_bytes().is_some(),
            Rule::Collated => match (a.as_slice(), b.as_slice()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| before_zero(a) == before_zero(b))
                }
                _ => a == b,
            },
        }
    }
}

fn before_zero(value: &Value) -> Option<&[u8]> {
    value.as_bytes().and_then(|text| text.split(|&byte| byte == 0).next())
}

/// The groups of `width` neighbours in a canonical order; a map counts as its pairs.
fn sorted(value: &Value, width: usize) -> Vec<String> {
    if let Value::Map(pairs) = value {
        let mut pairs: Vec<_> = pairs.iter().map(|pair| format!("map {pair:?}")).collect();
        pairs.sort();
        return pairs;
    }
    let Some(items) = value.as_slice() else { return vec![format!("{value:?}")] };
    let kind = format!("{:?}", std::mem::discriminant(value));
    // RESP3 has pairs as elements of their own.
    let width = if items.first().is_some_and(|item| item.as_slice().is_some()) { 1 } else { width };
    let mut groups: Vec<_> = items.chunks(width).map(|group| format!("{group:?}")).collect();
    groups.sort();
    groups.push(kind);
    groups
}

fn near(a: &Value, b: &Value, apart: i64) -> bool {
    match (a, b) {
        // Negative numbers say that there is no deadline or no key.
        (Value::Int(a), Value::Int(b)) => a == b || (*a >= 0 && *b >= 0 && a.abs_diff(*b) <= apart as u64),
        _ => a == b,
    }
}

fn pending_agrees(a: &Value, b: &Value) -> bool {
    let (Some(mine), Some(theirs)) = (a.as_slice(), b.as_slice()) else { return a == b };
    mine.len() == theirs.len()
        && mine.iter().zip(theirs).all(|(a, b)| match (a.as_slice(), b.as_slice()) {
            (Some([id, owner, waited, times]), Some([id_2, owner_2, waited_2, times_2])) => {
                id == id_2 && owner == owner_2 && times == times_2 && near(waited, waited_2, APART_MS)
            }
            _ => a == b,
        })
}

/// Compares descriptions of streams: what is of one version only is left out, moments may be a little apart.
fn info_agrees(a: &Value, b: &Value) -> bool {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        let moments = *a > 1_000_000_000_000 && a.abs_diff(*b) <= APART_MS as u64;
        return a == b || moments;
    }
    let (Some(mine), Some(theirs)) = (named(a), named(b)) else {
        let (Some(mine), Some(theirs)) = (a.as_slice(), b.as_slice()) else { return a == b };
        return mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| info_agrees(a, b));
    };
    let kept = |pairs: Vec<(String, Value)>| {
        let versioned =
            |name: &str| matches!(name, "inactive" | "active-time" | "radix-tree-nodes" | "radix-tree-keys");
        pairs.into_iter().filter(|(name, _)| !versioned(name)).collect::<Vec<_>>()
    };
    let (mine, theirs) = (kept(mine), kept(theirs));
    mine.len() == theirs.len()
        && mine.iter().zip(&theirs).all(|((name, a), (other, b))| {
            name == other && if name == "idle" { near(a, b, APART_MS) } else { info_agrees(a, b) }
        })
}

/// A map, or an array of names and values in turn, as XINFO has it in RESP2.
fn named(value: &Value) -> Option<Vec<(String, Value)>> {
    let is_field = |name: &Value| name.as_str().filter(|name| FIELDS.contains(name)).map(str::to_owned);
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| Some((is_field(name)?, value.clone()))).collect(),
        Value::Array(items) if items.len() >= 6 && items.len().is_multiple_of(2) => {
            items.chunks_exact(2).map(|pair| Some((is_field(&pair[0])?, pair[1].clone()))).collect()
        }
        _ => None,
    }
}

const FIELDS: &[&str] = &[
    "length",
    "radix-tree-keys",
    "radix-tree-nodes",
    "last-generated-id",
    "max-deleted-entry-id",
    "entries-added",
    "recorded-first-entry-id",
    "entries",
    "groups",
    "first-entry",
    "last-entry",
    "name",
    "last-delivered-id",
    "entries-read",
    "lag",
    "pel-count",
    "pel",
    "pending",
    "consumers",
    "seen-time",
    "active-time",
    "idle",
    "inactive",
];

/// Why ours may have another encoding than both others: docs/compatibility.md.
pub fn reason_of_encoding(ours: &Value, theirs: &Value) -> Option<&'static str> {
    match (ours.as_str()?, theirs.as_str()?) {
        ("listpack", "skiplist") => Some("SORT of the peers makes a small sorted set large"),
        ("listpack", "quicklist") | ("quicklist", "listpack") => {
            Some("when a list is small again depends on how its nodes were cut")
        }
        _ => None,
    }
}

/// Whether the peers have changed a key though they refuse: PFADD that comes upon damage after it has added some elements.
pub fn is_half_done(command: &[Vec<u8>], reply: &Value) -> bool {
    command[0].eq_ignore_ascii_case(b"PFADD") && reply.as_error().is_some_and(|text| text.starts_with(b"INVALIDOBJ"))
}

/// Whether it is a SET with a deadline that is over: one in the first days of 1970.
pub fn is_set_over(command: &[Vec<u8>]) -> bool {
    let over = |text: &[u8]| {
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).is_some_and(|at: u32| at <= 100_000)
    };
    let is_deadline = |word: &[u8]| word.eq_ignore_ascii_case(b"EXAT") || word.eq_ignore_ascii_case(b"PXAT");
    command[0].eq_ignore_ascii_case(b"SET")
        && command.windows(2).skip(2).any(|pair| is_deadline(&pair[0]) && over(&pair[1]))
}

/// Whether a command replies with numbers that Redis 7.0 writes with up to 17 digits and 7.2 as short as they can be.
pub fn has_numbers(command: &[Vec<u8>]) -> bool {
    let name = command[0].to_ascii_uppercase();
    name.starts_with(b"Z") || name.starts_with(b"BZ") || name.starts_with(b"GEO")
}

/// The reply with every number in one form.
pub fn with_plain_numbers(value: &Value) -> Cow<'_, Value> {
    rewrite(value, &|text| {
        let number = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
        Some((number + 0.0).to_string().into_bytes())
    })
}

/// Whether BY names no key for each element, so that nothing is sorted: a set comes in the order that it is stored in.
fn names_no_key(command: &[Vec<u8>]) -> bool {
    let by = command.windows(2).find(|pair| pair[0].eq_ignore_ascii_case(b"by"));
    by.is_some_and(|pair| !pair[1].contains(&b'*'))
}

/// The reply without the sign of a zero: small sets keep none, and which sets are small differs (SORT makes a sorted set of
/// the peers large).
pub fn without_signs_of_zero(value: &Value) -> Cow<'_, Value> {
    rewrite(value, &|text| (text == b"-0").then(|| b"0".to_vec()))
}

fn rewrite<'a>(value: &'a Value, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Cow<'a, Value> {
    match value {
        Value::Double(number) => Cow::Owned(Value::Double(*number + 0.0)),
        Value::Bulk(text) => change(text).map_or(Cow::Borrowed(value), |text| Cow::Owned(Value::Bulk(text))),
        Value::Array(items) => {
            Cow::Owned(Value::Array(items.iter().map(|item| rewrite(item, change).into_owned()).collect()))
        }
        _ => Cow::Borrowed(value),
    }
}
