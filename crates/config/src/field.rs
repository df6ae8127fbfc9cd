//! Where a directive's value is kept, and how text becomes a value and back.

use base::EventClass;

use crate::config::{BufferLimit, ClientBufferLimits, SavePoint};

/// A number of any width.
pub trait Number {
    /// The value.
    fn get(&self) -> i64;
    /// Sets it to a value within the directive's range.
    fn put(&mut self, value: i64);
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn get(&self) -> i64 {
                *self as i64
            }
            fn put(&mut self, value: i64) {
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
    /// A word out of a few.
    Choice(&'a mut dyn Choice),
    /// Any text.
    Text(&'a mut String),
    /// Classes of keyspace events.
    Events(&'a mut EventClass),
    /// Any words.
    Words(&'a mut Vec<String>),
    /// The save points.
    Save(&'a mut Vec<SavePoint>),
    /// The output buffer limits.
    BufferLimits(&'a mut ClientBufferLimits),
    /// The master.
    Master(&'a mut Option<(String, u16)>),
    /// Commands and their new names.
    Renames(&'a mut Vec<(String, String)>),
    /// A file mode.
    Octal(&'a mut u32),
    /// A number, or the word `auto`.
    Auto(&'a mut Option<u16>),
}

/// What a number may be, and how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
    /// Bytes: units are allowed.
    pub bytes: bool,
    /// A value outside is set to the nearest inside instead of refused.
    pub clamps: bool,
}

impl Field<'_> {
    /// Sets the value from the words behind the directive's name. `first` says that this is the first time in this
    /// file or command: lists of lines begin anew.
    pub fn set(&mut self, words: &[String], range: Range, first: bool) -> Result<(), String> {
        match self {
            Field::Bool(value) => **value = parse_bool(one(words)?)?,
            Field::Number(value) => value.put(parse_number(one(words)?, range)?),
            Field::Choice(value) => {
                if !value.choose(one(words)?) {
                    return Err(format!("argument(s) must be one of the following: {}", value.words().join(", ")));
                }
            }
            Field::Text(value) => one(words)?.clone_into(value),
            Field::Events(value) => {
                let bad = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
                **value = EventClass::parse(one(words)?.as_bytes()).ok_or(bad)?;
            }
            Field::Words(value) => **value = split_words(words),
            Field::Save(value) => set_save(value, words, first)?,
            Field::BufferLimits(value) => set_buffer_limits(value, words)?,
            Field::Master(value) => **value = parse_master(words)?,
            Field::Renames(value) => {
                let one = words.len() == 1;
                let words =
                    if one { crate::grammar::split_line(&words[0]).unwrap_or_default() } else { words.to_vec() };
                let [old, new] = words.as_slice() else { return Err("wrong number of arguments".to_owned()) };
                value.push((old.clone(), new.clone()));
            }
            Field::Octal(value) => {
                let bad = "argument couldn't be parsed as an octal number".to_owned();
                **value = u32::from_str_radix(one(words)?, 8).ok().filter(|mode| *mode <= 0o777).ok_or(bad)?;
            }
            Field::Auto(value) => {
                let word = one(words)?;
                **value = match word.as_str() {
                    _ if word.eq_ignore_ascii_case("auto") => None,
                    // Valkey's own numbering begins here.
                    "80" => Some(80),
                    _ => Some(parse_number(word, range)? as u16),
                };
            }
        }
        Ok(())
    }

    /// The value as CONFIG GET shows it.
    pub fn text(&self) -> String {
        match self {
            Field::Bool(value) => if **value { "yes" } else { "no" }.to_owned(),
            Field::Number(value) => value.get().to_string(),
            Field::Choice(value) => value.word().to_owned(),
            Field::Text(value) => (*value).clone(),
            Field::Events(value) => value.letters(),
            Field::Words(value) => value.join(" "),
            Field::Save(value) => {
                let points: Vec<String> =
                    value.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
                points.join(" ")
            }
            Field::BufferLimits(value) => buffer_limit_lines(value).join(" "),
            Field::Master(value) => value.as_ref().map_or(String::new(), |(host, port)| format!("{host} {port}")),
            Field::Renames(_) => String::new(),
            Field::Octal(value) => format!("{value:o}"),
            Field::Auto(value) => value.map_or("auto".to_owned(), |number| number.to_string()),
        }
    }

    /// The values as lines of a file, without the directive's name: most have one.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Field::Save(points) if points.is_empty() => vec!["\"\"".to_owned()],
            Field::Save(points) => points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect(),
            Field::BufferLimits(limits) => buffer_limit_lines(limits),
            Field::Renames(renames) => {
                renames.iter().map(|(old, new)| format!("{old} {}", crate::grammar::quote(new))).collect()
            }
            Field::Master(None) => Vec::new(),
            Field::Master(Some((host, port))) => vec![format!("{} {port}", crate::grammar::quote(host))],
            Field::Words(words) => {
                vec![words.iter().map(|word| crate::grammar::quote(word)).collect::<Vec<_>>().join(" ")]
            }
            other => vec![crate::grammar::quote(&other.text())],
        }
    }
}

fn one(words: &[String]) -> Result<&String, String> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".to_owned()),
    }
}

/// Words that came as one, as CONFIG SET gives them, or one by one, as a file does.
fn split_words(words: &[String]) -> Vec<String> {
    words.iter().flat_map(|word| word.split_ascii_whitespace()).map(str::to_owned).collect()
}

pub(crate) fn parse_bool(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

/// Reads a number within a range; sizes may have a unit.
pub(crate) fn parse_number(word: &str, range: Range) -> Result<i64, String> {
    let value = if range.bytes {
        parse_bytes(word).ok_or("argument must be a memory value")?
    } else {
        word.parse::<i64>().map_err(|_| "argument couldn't be parsed into an integer")?
    };
    if range.clamps {
        return Ok(value.clamp(range.min, range.max));
    }
    if !(range.min..=range.max).contains(&value) {
        return Err(format!("argument must be between {} and {} inclusive", range.min, range.max));
    }
    Ok(value)
}

/// Reads a size: `1k` is 1000 bytes, `1kb` 1024, and so on with m and g.
pub(crate) fn parse_bytes(word: &str) -> Option<i64> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let factor: i64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(factor)
}

fn set_save(points: &mut Vec<SavePoint>, words: &[String], first: bool) -> Result<(), String> {
    const BAD: &str = "Invalid save parameters";
    let words = split_words(words);
    if first {
        points.clear();
    }
    if !words.len().is_multiple_of(2) {
        return Err(BAD.to_owned());
    }
    for pair in words.chunks(2) {
        let number = |word: &String| word.parse::<u64>().map_err(|_| BAD.to_owned());
        let (seconds, changes) = (number(&pair[0])?, number(&pair[1])?);
        if seconds == 0 {
            return Err(BAD.to_owned());
        }
        points.push(SavePoint { seconds, changes });
    }
    if words.is_empty() {
        points.clear();
    }
    Ok(())
}

fn set_buffer_limits(limits: &mut ClientBufferLimits, words: &[String]) -> Result<(), String> {
    const BAD: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    let words = split_words(words);
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    for group in words.chunks(4) {
        let slot = match group[0].to_ascii_lowercase().as_str() {
            "normal" => &mut limits.normal,
            "slave" | "replica" => &mut limits.replica,
            "pubsub" => &mut limits.pubsub,
            _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
        };
        let size = |word: &String| parse_bytes(word).and_then(|bytes| u64::try_from(bytes).ok()).ok_or(BAD);
        let soft_seconds = group[3].parse().map_err(|_| BAD)?;
        *slot = BufferLimit { hard: size(&group[1])?, soft: size(&group[2])?, soft_seconds };
    }
    Ok(())
}

fn buffer_limit_lines(limits: &ClientBufferLimits) -> Vec<String> {
    let line =
        |class: &str, limit: &BufferLimit| format!("{class} {} {} {}", limit.hard, limit.soft, limit.soft_seconds);
    vec![line("normal", &limits.normal), line("slave", &limits.replica), line("pubsub", &limits.pubsub)]
}

fn parse_master(words: &[String]) -> Result<Option<(String, u16)>, String> {
    let words = split_words(words);
    let [host, port] = words.as_slice() else { return Err("wrong number of arguments".to_owned()) };
    if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
        return Ok(None);
    }
    match port.parse::<u16>() {
        Ok(port) => Ok(Some((host.clone(), port))),
        Err(_) => Err("Invalid master port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_peers_units() {
        for (word, bytes) in [("1", 1), ("1b", 1), ("2k", 2000), ("2kb", 2048), ("1MB", 1 << 20), ("1g", 1_000_000_000)]
        {
            assert_eq!(parse_bytes(word), Some(bytes), "{word}");
        }
        for word in ["", "mb", "10zb", "-1", "1.5gb", "99999999999999gb"] {
            assert_eq!(parse_bytes(word), None, "{word}");
        }
    }
}
