//! The words of commands: keys from small pools, one pool a type, so that commands meet the same values again and again;
//! members, numbers, ids, deadlines, mostly valid.

use super::wire::Command;
use fastrand::Rng;

/// Key pools by the letter that their names begin with: text, numbers, bitmaps, HyperLogLogs, lists, hashes, sets,
/// sorted sets, streams, sorted sets of places.
const POOLS: &str = "tnbplhszxg";

/// A pool of sorted sets whose scores are all 0; no command of other pools touches them.
const APART: char = 'y';

/// Keys of a pool. The last one of each grows large.
const POOL_KEYS: u32 = 5;

const EDGES: &[&str] =
    &["", "-0", "007", "1e3", "0x10", " 1", "nan", "inf", "-9223372036854775808", "9223372036854775807"];

const UNITS: &[&str] = &["m", "km", "ft", "mi", "KM"];

/// Numbers that no argument bears, or that are at the edge of what it bears. None lies where a server would set hundreds
/// of megabytes aside.
const NASTY: &[&str] = &[
    "",
    "x",
    "-1",
    "0",
    "1",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "4294967296",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "(1",
    "[a",
    "-",
    "+",
    "*",
    "$",
    "NX",
    "\0",
    "é",
];

/// Whether a word may be one of the pools' keys.
pub fn is_key(word: &[u8]) -> bool {
    let pool = word.first().is_some_and(|&letter| POOLS.as_bytes().contains(&letter) || letter == APART as u8);
    word.is_empty() || pool && matches!(word.get(1), Some(b':' | 0)) || word.starts_with(b"lcs") || word == b"xfuture"
}

/// Where words come from.
pub struct Words {
    pub rng: Rng,
    /// The first key of the command before, for `{=}`.
    pub previous_key: Vec<u8>,
    /// Whether the last key drawn is one of those that grow large.
    large: bool,
    /// Milliseconds of the last new stream id; other ids are drawn from the time before it.
    stream_ms: u32,
}

impl Words {
    pub fn new(seed: u64) -> Words {
        Words { rng: Rng::with_seed(seed), previous_key: Vec::new(), large: false, stream_ms: 300 }
    }

    /// Appends what the name stands for.
    pub fn draw(&mut self, name: &str, out: &mut Command) {
        match name {
            "=" => out.push(self.previous_key.clone()),
            "any" => {
                let pool = self.pool();
                out.push(self.key(pool));
            }
            "m" => out.push(self.member()),
            "m300" => (0..300).for_each(|_| out.push(self.member())),
            "v" => out.push(self.value()),
            "num" => out.push(self.number()),
            "mv" => out.extend([self.member(), self.value()]),
            "mv100" => (0..100).for_each(|_| out.extend([self.member(), self.member()])),
            "sm" => out.extend([self.score(), self.member()]),
            "0m" => out.extend([b"0".to_vec(), self.member()]),
            "sm200" => (0..200).for_each(|_| out.extend([self.score(), self.member()])),
            "tv" => {
                let key = self.key('t');
                out.extend([key, self.value()]);
            }
            "place" => {
                let place = self.place();
                out.extend(place);
            }
            "lonlat" => {
                let mut place = self.place();
                place.pop();
                out.extend(place);
            }
            "nasty" => out.push(self.nasty()),
            _ => match name.strip_prefix("nk:") {
                Some(pool) => self.counted_keys(pool, out),
                None => {
                    let word = self.word(name);
                    out.push(word);
                }
            },
        }
    }

    fn word(&mut self, name: &str) -> Vec<u8> {
        let rng = &mut self.rng;
        let text = match name {
            "newid" => {
                self.stream_ms += rng.u32(..3);
                format!("{}-{}", self.stream_ms, rng.u32(1..5))
            }
            "newms" => {
                self.stream_ms += rng.u32(..3);
                self.stream_ms.to_string()
            }
            "id" => format!("{}-{}", self.stream_ms - rng.u32(..300), rng.u32(..5)),
            "i" => rng.i32(-12..13).to_string(),
            "wide" => rng.i32(-600..600).to_string(),
            "c" => rng.u32(..12).to_string(),
            "c1" => rng.u32(1..12).to_string(),
            "int" => integer(rng),
            "f" => float(rng),
            "score" => return self.score(),
            "min" | "max" => self.score_bound(),
            "lex" => self.lex_bound(),
            "idx" => self.id_bound(),
            "bit" => rng.u32(..6000).to_string(),
            "01" => rng.u32(..2).to_string(),
            "ttl" => rng.u32(20_000..900_000_000).to_string(),
            "pttl" => rng.u64(20_000_000..900_000_000_000).to_string(),
            "at" => rng.u64(2_000_000_000..9_000_000_000).to_string(),
            "pat" => rng.u64(2_000_000_000_000..9_000_000_000_000).to_string(),
            "past" => rng.u32(1..100_000).to_string(),
            "field" => format!("{}{}", if rng.bool() { 'i' } else { 'u' }, rng.u32(1..64)),
            "offset" => format!("{}{}", if rng.bool() { "#" } else { "" }, rng.u32(..90)),
            "glob" => glob(rng).to_owned(),
            "db" => rng.u32(..4).to_string(),
            "unit" => UNITS[rng.usize(..UNITS.len())].to_owned(),
            "radius" => format!("{}", f64::from(rng.u32(..4_000)) * 1.5),
            "group" => format!("group{}", rng.u32(..3)),
            "consumer" => format!("consumer{}", rng.u32(..4)),
            pool => return self.key(pool.chars().next().expect("a name is not empty")),
        };
        text.into_bytes()
    }

    fn pool(&mut self) -> char {
        let at = self.rng.usize(..POOLS.len());
        POOLS[at..].chars().next().expect("it is inside")
    }

    /// A key of that pool; seldom of another, or one that never exists.
    fn key(&mut self, pool: char) -> Vec<u8> {
        assert!(pool == APART || POOLS.contains(pool), "there is no word {pool}");
        let pool = match self.rng.u32(..100) {
            _ if pool == APART => pool,
            0 | 1 => self.pool(),
            2 => return b"none".to_vec(),
            _ => pool,
        };
        let number = self.rng.u32(..POOL_KEYS * 3);
        self.large = number == POOL_KEYS * 3 - 1;
        match number % POOL_KEYS {
            0 if pool == 't' => Vec::new(),
            1 => [pool as u8, 0, 0xff, b'\r', b'\n'].to_vec(),
            4 if !self.large => format!("{pool}:3").into_bytes(),
            number => format!("{pool}:{number}").into_bytes(),
        }
    }

    fn counted_keys(&mut self, pool: &str, out: &mut Command) {
        let pool = pool.chars().next().expect("a pool has a letter");
        let count = self.rng.usize(1..4);
        let shown = if self.rng.u32(..40) == 0 { self.rng.usize(..6) } else { count };
        out.push(shown.to_string().into_bytes());
        (0..count).for_each(|_| out.push(self.key(pool)));
    }

    /// An element of a collection, from a pool that fits the size of the key.
    fn member(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        let number = if self.large { rng.u32(..3000) } else { rng.u32(..24) };
        match rng.u32(..100) {
            0..40 => number.to_string().into_bytes(),
            40..44 => (i64::from(number) * -77_777_777).to_string().into_bytes(),
            44..90 => format!("{}{number}", ["a", "b", "é", "aa"][number as usize % 4]).into_bytes(),
            90..93 => vec![b'w'; [63, 64, 65, 66, 252, 253, 254][rng.usize(..7)]],
            93..97 => EDGES[rng.usize(..EDGES.len())].as_bytes().to_vec(),
            97 => vec![0, 0xff, b'\r', b'\n', number as u8],
            _ => format!("{number}.5").into_bytes(),
        }
    }

    /// A value of a string.
    fn value(&mut self) -> Vec<u8> {
        let length = match self.rng.u32(..400) {
            0..120 => return self.member(),
            120..160 => return self.number(),
            160..200 => self.rng.usize(42..47),
            200..390 => self.rng.usize(..100),
            390..397 => self.rng.usize(..2_000),
            397 | 398 => self.rng.usize(..20_000),
            _ => self.rng.usize(..150_000),
        };
        match self.rng.u32(..3) {
            0 => (0..length).map(|_| self.rng.u8(..)).collect(),
            _ => b"the quick brown fox ".iter().copied().cycle().take(length).collect(),
        }
    }

    fn number(&mut self) -> Vec<u8> {
        match self.rng.u32(..4) {
            0 => float(&mut self.rng).into_bytes(),
            _ => integer(&mut self.rng).into_bytes(),
        }
    }

    fn score(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        match rng.u32(..40) {
            0 => "inf".into(),
            1 => "-inf".into(),
            2 => "1e22".into(),
            3 => "-0".into(),
            4 => format!("{}", rng.f64() * 1e9).into_bytes(),
            5..10 => format!("{}.25", rng.i32(-5..5)).into_bytes(),
            10 => "0.1".into(),
            11 => rng.i64(..).to_string().into_bytes(),
            _ => rng.i32(-8..20).to_string().into_bytes(),
        }
    }

    fn score_bound(&mut self) -> String {
        let open = if self.rng.u32(..4) == 0 { "(" } else { "" };
        let rng = &mut self.rng;
        let number = match rng.u32(..12) {
            0 => "-inf".to_owned(),
            1 => "+inf".to_owned(),
            2 => format!("{}.25", rng.i32(-5..5)),
            _ => rng.i32(-9..21).to_string(),
        };
        format!("{open}{number}")
    }

    fn lex_bound(&mut self) -> String {
        match self.rng.u32(..8) {
            0 => "-".to_owned(),
            1 => "+".to_owned(),
            number => {
                let member = self.member();
                let open = if number % 2 == 0 { '[' } else { '(' };
                format!("{open}{}", String::from_utf8_lossy(&member))
            }
        }
    }

    fn id_bound(&mut self) -> String {
        let rng = &mut self.rng;
        let ms = self.stream_ms - rng.u32(..300);
        match rng.u32(..12) {
            0 | 1 => "-".to_owned(),
            2 | 3 => "+".to_owned(),
            4 => format!("({ms}-{}", rng.u32(..5)),
            5 | 6 => ms.to_string(),
            _ => format!("{ms}-{}", rng.u32(..5)),
        }
    }

    /// Longitude, latitude and a name.
    fn place(&mut self) -> Command {
        let rng = &mut self.rng;
        let longitude = f64::from(rng.i32(-1900..1900)) / 100.0 + 10.0;
        let latitude = f64::from(rng.i32(-900..900)) / 100.0 + 45.0;
        let name = format!("place{}", rng.u32(..60));
        vec![format!("{longitude}").into_bytes(), format!("{latitude}").into_bytes(), name.into_bytes()]
    }

    fn nasty(&mut self) -> Vec<u8> {
        NASTY[self.rng.usize(..NASTY.len())].as_bytes().to_vec()
    }

    /// Breaks a command in one of the ways in which clients break them.
    pub fn damage(&mut self, command: &mut Command) {
        let last = command.len() - 1;
        match self.rng.u32(..8) {
            0 if last > 0 => drop(command.pop()),
            1 => command.push(self.nasty()),
            2 if last > 0 => command.swap(self.rng.usize(1..=last), last),
            3 if last > 0 => {
                let word = command[self.rng.usize(1..=last)].clone();
                command.insert(self.rng.usize(1..=last + 1), word);
            }
            4 => command[0].push(b'Q'),
            _ if last > 1 => {
                let at = self.rng.usize(2..=last);
                command[at] = self.nasty();
            }
            _ => {}
        }
    }
}

fn integer(rng: &mut Rng) -> String {
    match rng.u32(..30) {
        0 => i64::MAX.to_string(),
        1 => i64::MIN.to_string(),
        2 => (i64::MAX - 5).to_string(),
        3..8 => rng.i64(..).to_string(),
        8..14 => rng.i32(..).to_string(),
        _ => rng.i32(-200..200).to_string(),
    }
}

fn float(rng: &mut Rng) -> String {
    match rng.u32(..12) {
        0 => "1e20".to_owned(),
        1 => "3.0e-5".to_owned(),
        2 => format!("{}", rng.f64()),
        3 => rng.i64(..).to_string(),
        _ => format!("{}.{}", rng.i32(-50..50), rng.u32(..1000)),
    }
}

fn glob(rng: &mut Rng) -> &'static str {
    const GLOBS: &[&str] = &["*", "a*", "*1*", "?", "[a-c]*", "[^a]*", "\\a*", "", "*:[0-2]", "z*", "[", "w*w"];
    GLOBS[rng.usize(..GLOBS.len())]
}
