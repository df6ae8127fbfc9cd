//! Where a directive's value is kept, and how words become a value and back.

use base::EventClass;

use crate::config::{BufferLimit, BytesOrShare, ClientBufferLimits, SavePoint};
use crate::grammar::{join, quote, quote_if_needed};
use crate::number::{Range, parse_bytes, parse_integer, parse_octal, parse_share, percentile_text};
use crate::shutdown_flags::ShutdownFlags;

/// A number of any width.
pub trait Number {
    /// The value.
    fn get(&self) -> i128;
    /// Sets it to a value within the directive's range.
    fn put(&mut self, value: i128);
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn get(&self) -> i128 {
                i128::from(*self)
            }
            fn put(&mut self, value: i128) {
                *self = value as $type;
            }
        })*
    };
}
number!(u16, u32, u64, i32, i64);

/// A setting of a few words.
pub trait Choice {
    /// All words.
    fn words(&self) -> &'static [&'static str];
    /// The chosen one.
    fn word(&self) -> &'static str;
    /// Chooses by word: false if there is no such word.
    fn choose(&mut self, word: &str) -> bool;
}

/// Where a value is kept.
pub enum Field<'a> {
    /// `yes` or `no`.
    Bool(&'a mut bool),
    /// A number; the row says the range and whether units are allowed.
    Number(&'a mut dyn Number),
    /// Bytes, or a share of `maxmemory`.
    Size(&'a mut BytesOrShare),
    /// A word out of a few.
    Choice(&'a mut dyn Choice),
    /// Any bytes.
    Text(&'a mut Vec<u8>),
    /// Any UTF-8: a name that becomes part of other names.
    Name(&'a mut String),
    /// Classes of keyspace events.
    Events(&'a mut EventClass),
    /// Addresses to listen on.
    Addresses(&'a mut Vec<String>),
    /// The save points.
    Save(&'a mut Vec<SavePoint>),
    /// The output buffer limits.
    BufferLimits(&'a mut ClientBufferLimits),
    /// Shares of calls, in percent.
    Percentiles(&'a mut Vec<f64>),
    /// The master.
    Master(&'a mut Option<(String, u16)>),
    /// Commands and their new names.
    Renames(&'a mut Vec<(Vec<u8>, Vec<u8>)>),
    /// How a signal ends the server.
    Shutdown(&'a mut ShutdownFlags),
    /// A file mode.
    Octal(&'a mut u32),
    /// A version of the RDB format, or the word `auto`.
    RdbVersion(&'a mut Option<u16>),
    /// A size in bytes, or the word `auto`.
    AutoBytes(&'a mut Option<u64>),
}

/// A line of a configuration file, without the directive's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// What stands behind the name.
    pub text: Vec<u8>,
    /// It says what holds without it, too: it need not be added.
    pub is_default: bool,
}

const WORD_COUNT: &str = "wrong number of arguments";
/// How many addresses `bind` takes.
const ADDRESSES_MAX: usize = 16;

impl Field<'_> {
    /// Whether its value is several words.
    pub fn takes_words(&self) -> bool {
        matches!(
            self,
            Field::Addresses(_)
                | Field::Save(_)
                | Field::BufferLimits(_)
                | Field::Percentiles(_)
                | Field::Master(_)
                | Field::Renames(_)
                | Field::Shutdown(_)
        )
    }

    /// Sets the value from the words behind the directive's name. `first` says that this is the first time at this
    /// start, or a CONFIG SET: what several lines add up to begins anew.
    pub fn set(&mut self, words: &[Vec<u8>], range: Range, first: bool) -> Result<(), String> {
        match self {
            Field::Bool(value) => **value = parse_bool(one(words)?)?,
            Field::Number(value) => value.put(range.parse(one(words)?)?),
            Field::Size(value) => **value = parse_size(one(words)?, range)?,
            Field::Choice(value) => {
                if !value.choose(&String::from_utf8_lossy(one(words)?)) {
                    return Err(not_a_choice(value.words()));
                }
            }
            Field::Text(value) => one(words)?.clone_into(value),
            Field::Name(value) => {
                **value = String::from_utf8(one(words)?.clone()).map_err(|_| "argument must be UTF-8")?;
            }
            Field::Events(value) => {
                let bad = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
                **value = EventClass::parse(one(words)?).ok_or(bad)?;
            }
            Field::Addresses(value) => **value = parse_addresses(words)?,
            Field::Save(value) => set_save(value, words, first)?,
            Field::BufferLimits(value) => set_buffer_limits(value, words)?,
            Field::Percentiles(value) => **value = parse_percentiles(words)?,
            Field::Master(value) => **value = parse_master(words)?,
            Field::Renames(value) => {
                let [old, new] = words else { return Err("Bad directive or wrong number of arguments".to_owned()) };
                value.push((old.clone(), new.clone()));
            }
            Field::Shutdown(value) => **value = ShutdownFlags::parse(words)?,
            Field::Octal(value) => **value = parse_octal(one(words)?)?,
            Field::RdbVersion(value) => **value = parse_rdb_version(one(words)?, range)?,
            Field::AutoBytes(value) => **value = parse_auto_bytes(one(words)?, range)?,
        }
        Ok(())
    }

    /// The value as CONFIG GET shows it.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Field::Bool(value) => if **value { "yes" } else { "no" }.into(),
            Field::Number(value) => value.get().to_string().into(),
            Field::Size(value) => size_text(**value, |bytes| bytes.to_string()).into(),
            Field::Choice(value) => value.word().into(),
            Field::Text(value) => (*value).clone(),
            Field::Name(value) => value.as_bytes().to_vec(),
            Field::Events(value) => value.letters().into(),
            Field::Addresses(value) => value.join(" ").into(),
            Field::Save(value) => save_lines(value).join(" ").into(),
            Field::BufferLimits(value) => {
                let [normal, replica, pubsub] = [value.normal, value.replica, value.pubsub]
                    .map(|limit| format!("{} {} {}", limit.hard, limit.soft, limit.soft_seconds));
                format!("normal {normal} slave {replica} pubsub {pubsub}").into()
            }
            Field::Percentiles(value) => percentiles_text(value).into(),
            Field::Master(value) => {
                value.as_ref().map_or(Vec::new(), |(host, port)| format!("{host} {port}").into_bytes())
            }
            Field::Renames(_) => Vec::new(),
            Field::Shutdown(value) => value.text().into(),
            Field::Octal(value) => format!("{value:o}").into(),
            Field::RdbVersion(value) => value.map_or("auto".to_owned(), |number| number.to_string()).into(),
            Field::AutoBytes(value) => value.map_or("auto".to_owned(), |bytes| bytes.to_string()).into(),
        }
    }

    /// The value as lines of a file: most have one. `default` is the same directive's value unless given. `explicit`:
    /// an included file has set it before these lines, so that nothing may be left unsaid.
    pub(crate) fn lines(&self, default: &Field<'_>, range: Range, explicit: bool) -> Vec<Line> {
        let text = self.text();
        let is_default = text == default.text();
        let line = |text: Vec<u8>| vec![Line { text, is_default }];
        match self {
            Field::Number(value) => line(range.write(value.get()).into()),
            Field::Size(value) => line(size_text(**value, |bytes| range.write(bytes)).into()),
            Field::AutoBytes(Some(value)) => line(range.write(i128::from(*value)).into()),
            Field::Text(_) | Field::Name(_) | Field::Events(_) => line(quote(&text)),
            Field::Addresses(_) if is_default && !explicit => Vec::new(),
            Field::Addresses(value) if value.is_empty() => line(quote(b"")),
            Field::Addresses(value) => line(join(value)),
            Field::Save(points) => {
                let mut lines = save_lines(points);
                if explicit || lines.is_empty() {
                    lines.insert(0, "\"\"".to_owned());
                }
                lines.into_iter().map(|text| Line { text: text.into(), is_default: false }).collect()
            }
            Field::BufferLimits(limits) => buffer_limit_lines(limits, default, range),
            // Always said, as by the peers.
            Field::Percentiles(_) => {
                vec![Line { text: if text.is_empty() { quote(b"") } else { text }, is_default: false }]
            }
            Field::Master(None) if explicit => line(b"no one".to_vec()),
            Field::Master(None) => Vec::new(),
            Field::Master(Some((host, port))) => {
                let mut text = quote_if_needed(host.as_bytes());
                text.extend(format!(" {port}").bytes());
                line(text)
            }
            Field::Renames(_) => Vec::new(),
            Field::Bool(_)
            | Field::Choice(_)
            | Field::Shutdown(_)
            | Field::Octal(_)
            | Field::RdbVersion(_)
            | Field::AutoBytes(None) => line(text),
        }
    }
}

pub(crate) fn one(words: &[Vec<u8>]) -> Result<&Vec<u8>, String> {
    match words {
        [word] => Ok(word),
        _ => Err(WORD_COUNT.to_owned()),
    }
}

pub(crate) fn not_a_choice(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

pub(crate) fn parse_bool(word: &[u8]) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

fn parse_size(word: &[u8], range: Range) -> Result<BytesOrShare, String> {
    Ok(match parse_share(word).filter(|_| range.share).transpose()? {
        // Nothing of something is as good as no number at all.
        Some(0) => BytesOrShare::Bytes(0),
        Some(share) => BytesOrShare::Share(share),
        None => BytesOrShare::Bytes(u64::try_from(range.parse(word)?).map_err(|_| "argument must be a memory value")?),
    })
}

fn size_text(size: BytesOrShare, write: impl Fn(i128) -> String) -> String {
    match size {
        BytesOrShare::Bytes(bytes) => write(i128::from(bytes)),
        BytesOrShare::Share(share) => format!("{share}%"),
    }
}

fn parse_addresses(words: &[Vec<u8>]) -> Result<Vec<String>, String> {
    if words.len() > ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".to_owned());
    }
    let text = |word: &Vec<u8>| String::from_utf8(word.clone()).map_err(|_| "an address is not UTF-8".to_owned());
    words.iter().map(text).collect()
}

fn parse_percentiles(words: &[Vec<u8>]) -> Result<Vec<f64>, String> {
    let parse = |word: &Vec<u8>| {
        let value: Option<f64> = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
        let value =
            value.filter(|value| !value.is_nan()).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&value) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned());
        }
        // A negative zero is no other share than zero.
        Ok(value.abs())
    };
    words.iter().map(parse).collect()
}

fn percentiles_text(values: &[f64]) -> String {
    values.iter().map(|value| percentile_text(*value)).collect::<Vec<_>>().join(" ")
}

fn parse_auto_bytes(word: &[u8], range: Range) -> Result<Option<u64>, String> {
    if word.eq_ignore_ascii_case(b"auto") {
        return Ok(None);
    }
    let bytes = range.parse(word).map_err(|error| format!("{error}, or 'auto'"))?;
    Ok(u64::try_from(bytes).ok())
}

fn parse_rdb_version(word: &[u8], range: Range) -> Result<Option<u16>, String> {
    /// The version of Valkey 9, which left the numbers of Redis.
    const VALKEY: i64 = 80;
    match parse_integer(word) {
        Some(VALKEY) => Ok(Some(VALKEY as u16)),
        Some(number) if (range.min..=range.max).contains(&i128::from(number)) => Ok(Some(number as u16)),
        None if word.eq_ignore_ascii_case(b"auto") => Ok(None),
        _ => Err(format!("argument must be 'auto', {} to {}, or {VALKEY}", range.min, range.max)),
    }
}

/// Reads a number of seconds or changes; leading zeros and a `+` are fine.
fn parse_count(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn set_save(points: &mut Vec<SavePoint>, words: &[Vec<u8>], first: bool) -> Result<(), String> {
    const BAD: &str = "Invalid save parameters";
    if first {
        points.clear();
    }
    if !words.len().is_multiple_of(2) {
        return Err(BAD.to_owned());
    }
    for pair in words.chunks(2) {
        let number = |word: &Vec<u8>| parse_count(word).filter(|n| i64::try_from(*n).is_ok()).ok_or(BAD);
        let (seconds, changes) = (number(&pair[0])?, number(&pair[1])?);
        if seconds == 0 {
            return Err(BAD.to_owned());
        }
        points.push(SavePoint { seconds, changes });
    }
    Ok(())
}

fn save_lines(points: &[SavePoint]) -> Vec<String> {
    points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect()
}

fn set_buffer_limits(limits: &mut ClientBufferLimits, words: &[Vec<u8>]) -> Result<(), String> {
    const BAD: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    for group in words.chunks(4) {
        let slot = match group[0].to_ascii_lowercase().as_slice() {
            b"normal" => &mut limits.normal,
            b"slave" | b"replica" => &mut limits.replica,
            b"pubsub" => &mut limits.pubsub,
            _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
        };
        let size = |word: &Vec<u8>| parse_bytes(word).and_then(|bytes| u64::try_from(bytes).ok()).ok_or(BAD);
        let soft_seconds = parse_count(&group[3]).ok_or(BAD)?;
        *slot = BufferLimit { hard: size(&group[1])?, soft: size(&group[2])?, soft_seconds };
    }
    Ok(())
}

fn buffer_limit_lines(limits: &ClientBufferLimits, default: &Field<'_>, range: Range) -> Vec<Line> {
    let Field::BufferLimits(default) = default else { return Vec::new() };
    let line = |class: &str, limit: BufferLimit, default: BufferLimit| {
        let size = |bytes: u64| range.write(i128::from(bytes));
        let text = format!("{class} {} {} {}", size(limit.hard), size(limit.soft), limit.soft_seconds);
        Line { text: text.into(), is_default: limit == default }
    };
    vec![
        line("normal", limits.normal, default.normal),
        line("replica", limits.replica, default.replica),
        line("pubsub", limits.pubsub, default.pubsub),
    ]
}

fn parse_master(words: &[Vec<u8>]) -> Result<Option<(String, u16)>, String> {
    let [host, port] = words else { return Err(WORD_COUNT.to_owned()) };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(None);
    }
    let port = parse_count(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
    let host = String::from_utf8(host.clone()).map_err(|_| "the host's name is not UTF-8")?;
    Ok(Some((host, port)))
}
