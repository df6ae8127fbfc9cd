//! `cargo xtask bench bigvalues`: what is done with a string of 512 MiB and with collections of ten million members, ours
//! beside Valkey's: how long the command takes, how long other clients have to wait meanwhile, and how much memory it
//! needs. One server is alive at a time. `--keys` makes the collections smaller, and the string in proportion.

mod connection;
mod probe;
mod steps;

use super::servers::{Kind as Which, Programs, Server};
use super::{Options, page};
use crate::Outcome;
use connection::{Connection, Reply};
use probe::Probe;
use std::time::{Duration, Instant};
use steps::{GROUPS, Kind, Step};

/// Members of the large collections unless fewer are asked for, and bytes of the string that goes with them: less than 512
/// MiB by what the steps append.
const KEYS: u64 = 10_000_000;
const STRING_BYTES: u64 = (512 << 20) - (64 << 10);
/// The commands that build a collection have this many members each.
const BUILD_BATCH: u64 = 500;
/// And so many commands go out before their replies are read.
const BUILD_COMMANDS: u64 = 20;
/// A step that may be repeated is, so many times.
const REPETITIONS: usize = 5;
/// What a command left to be done later counts if it comes within this time.
const AFTER: Duration = Duration::from_millis(60);
const AFTER_DEADLINE: Duration = Duration::from_millis(500);
/// After a step, so that the memory of what it freed is free when the next begins.
const SETTLE: Duration = Duration::from_millis(150);
/// Longer than the peer's by this factor and this time is worth a mark.
const WORSE_FACTOR: f64 = 1.3;
const WORSE_MS: f64 = 1.0;
/// The same for memory.
const WORSE_MIB: f64 = 64.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What one step did to one server.
#[derive(Clone, Default)]
struct Run {
    name: &'static str,
    /// The first line of the reply.
    head: String,
    wall_ms: f64,
    stall_ms: f64,
    /// Resident memory at most, above what it was before.
    extra_mib: f64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let programs = Programs::find(options.program.as_deref())?;
    let mut body = intro(options, &machine);
    let mut worse = 0;
    for (name, steps) in GROUPS.iter().filter(|(name, _)| options.only.as_ref().is_none_or(|only| name.contains(only)))
    {
        let mut names = [String::new(), String::new()];
        let mut sides = [Vec::new(), Vec::new()];
        for _ in 0..options.rounds {
            for (place, which) in [Which::Ours, Which::Valkey].into_iter().enumerate() {
                let server = programs.start(which, &["--enable-debug-command", "yes"])?;
                server.pin(0);
                names[place].clone_from(&server.name);
                let runs = measure(&server, steps, options).map_err(|error| format!("{}: {error}", server.name))?;
                sides[place].push(runs);
            }
        }
        let [ours, peers] = sides.map(|rounds| medians(&rounds));
        body += &format!("\n### {name}\n\n{}", table(&names, &ours, &peers, &mut worse));
        println!("{}", table(&names, &ours, &peers, &mut 0));
    }
    println!("{worse} marks");
    // A part would stand on the page as if it were the whole.
    if options.only.is_some() || options.quick { Ok(()) } else { page::write_section("Large values", &body) }
}

fn string_bytes(options: &Options) -> usize {
    (STRING_BYTES as u128 * u128::from(options.keys.min(KEYS)) / u128::from(KEYS)) as usize
}

/// Carries out the steps on a server.
fn measure(server: &Server, steps: &[Step], options: &Options) -> Outcome<Vec<Run>> {
    let big = noise(string_bytes(options));
    let mut stage = Stage {
        server,
        connection: Connection::open(server)?,
        probe: Probe::start(server)?,
        keys: options.keys,
        big,
        last: Vec::new(),
        repetition: 0,
    };
    let mut runs = Vec::new();
    for step in steps {
        match step.kind {
            Kind::Quiet => {
                stage.call(step.words, false)?;
                std::thread::sleep(SETTLE);
            }
            Kind::Build => {
                stage.build(step.words)?;
                std::thread::sleep(SETTLE);
            }
            Kind::Often => {
                let all: Outcome<Vec<Run>> = (0..REPETITIONS).map(|_| stage.timed(step)).collect();
                runs.push(median(&all?));
            }
            Kind::Once | Kind::Expires | Kind::Kept => {
                runs.push(stage.timed(step)?);
                std::thread::sleep(SETTLE);
            }
        }
    }
    Ok(runs)
}

/// A server under measurement.
struct Stage<'a> {
    server: &'a Server,
    connection: Connection,
    probe: Probe,
    keys: u64,
    big: Vec<u8>,
    last: Vec<u8>,
    repetition: u64,
}

impl Stage<'_> {
    fn timed(&mut self, step: &Step) -> Outcome<Run> {
        let before = self.server.reset_peak();
        self.probe.begin();
        let began = Instant::now();
        let reply = self.call(step.words, step.kind == Kind::Kept)?;
        let wall = began.elapsed();
        std::thread::sleep(if step.kind == Kind::Expires { AFTER_DEADLINE } else { AFTER });
        let stall = self.probe.longest()?;
        if step.kind == Kind::Kept {
            self.last = reply.bytes;
        }
        Ok(Run {
            name: step.name,
            head: reply.head,
            wall_ms: wall.as_secs_f64() * 1000.0,
            stall_ms: stall.as_secs_f64() * 1000.0,
            extra_mib: self.server.peak().saturating_sub(before) as f64 / MIB,
        })
    }

    /// Sends a command and waits for the end of its reply.
    fn call(&mut self, line: &str, keep: bool) -> Outcome<Reply> {
        self.repetition += 1;
        let words: Vec<String> = line.split(' ').map(|word| self.number(word)).collect();
        let large = |word| match word {
            "{big}" => &self.big[..],
            "{part}" => &self.big[..self.big.len() / 8],
            "{last}" => &self.last[..],
            word => word.as_bytes(),
        };
        let words: Vec<&[u8]> = words.iter().map(|word| large(word)).collect();
        self.connection.send(&words)?;
        self.connection.reply(keep)
    }

    fn number(&self, word: &str) -> String {
        word.replace("{n}", &self.keys.to_string())
            .replace("{half}", &(self.keys / 2).to_string())
            .replace("{i}", &(self.repetition + 1000).to_string())
    }

    /// Builds a collection of this type under this key.
    fn build(&mut self, words: &str) -> Outcome<()> {
        let (kind, key) = words.split_once(' ').unwrap_or((words, "k"));
        let batch = if kind == "stream" { 1 } else { BUILD_BATCH };
        self.call(&format!("DEL {key}"), false)?;
        let mut next = 0;
        while next < self.keys {
            let (mut bytes, mut commands) = (Vec::new(), 0);
            while commands < BUILD_COMMANDS * BUILD_BATCH / batch && next < self.keys {
                let end = (next + batch).min(self.keys);
                put_members(&mut bytes, kind, key, next..end);
                next = end;
                commands += 1;
            }
            self.connection.send_raw(&bytes)?;
            for _ in 0..commands {
                let reply = self.connection.reply(false)?;
                if reply.head.starts_with('-') {
                    return Err(format!("building a {kind}: {}", reply.head));
                }
            }
        }
        Ok(())
    }
}

/// The command that adds these members.
fn put_members(out: &mut Vec<u8>, kind: &str, key: &str, numbers: std::ops::Range<u64>) {
    let mut words: Vec<String> = Vec::new();
    let name = match kind {
        "hash" => "HSET",
        "zset" => "ZADD",
        "list" => "RPUSH",
        "stream" => "XADD",
        _ => "SADD",
    };
    words.extend([name.to_owned(), key.to_owned()]);
    for number in numbers {
        match kind {
            "hash" => words.extend([format!("f{number}"), format!("v{number}")]),
            "zset" => words.extend([number.to_string(), format!("m{number}")]),
            "list" => words.push(format!("e{number}")),
            "stream" => words.extend([format!("{}-0", number + 1), "f".to_owned(), format!("v{number}")]),
            "integers" => words.push(number.to_string()),
            _ => words.push(format!("m{number}")),
        }
    }
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// Bytes that cannot be compressed.
fn noise(length: usize) -> Vec<u8> {
    let mut numbers = super::load::Numbers(7);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&numbers.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Of each step the median of the rounds.
fn medians(rounds: &[Vec<Run>]) -> Vec<Run> {
    let steps = rounds.first().map_or(0, Vec::len);
    (0..steps).map(|step| median(&rounds.iter().map(|runs| runs[step].clone()).collect::<Vec<_>>())).collect()
}

/// Each figure's median.
fn median(runs: &[Run]) -> Run {
    let middle = |figure: fn(&Run) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[(figures.len() - 1) / 2]
    };
    Run {
        wall_ms: middle(|run| run.wall_ms),
        stall_ms: middle(|run| run.stall_ms),
        extra_mib: middle(|run| run.extra_mib),
        ..runs[0].clone()
    }
}

fn intro(options: &Options, machine: &str) -> String {
    let mut body = format!(
        "`cargo xtask bench bigvalues --keys {} --rounds {}`: a string of {:.1} MiB, and collections of that many members. \
         The time of the command (request sent to reply read), the longest that another connection waited for a PING \
         (sent every 200 µs) from then until shortly after, and what was resident at most beyond what was before. Marked is \
         what takes more than {WORSE_FACTOR} times as long as Valkey's and {WORSE_MS} ms more, or as much more memory and \
         {WORSE_MIB} MiB more.\n\n{machine}\n",
        options.keys,
        options.rounds,
        string_bytes(options) as f64 / MIB,
    );
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    body
}

fn table(names: &[String; 2], ours: &[Run], peers: &[Run], worse: &mut usize) -> String {
    let [our, peer] = names;
    let mut text = format!(
        "| operation | {our}, ms | {peer}, ms | {our}, others wait, ms | {peer}, others wait, ms | {our}, MiB more | \
         {peer}, MiB more |\n|---|---:|---:|---:|---:|---:|---:|\n"
    );
    for (run, peer) in ours.iter().zip(peers) {
        let mut cells = |figure: fn(&Run) -> f64, least: f64, digits: usize| {
            let (ours, theirs) = (figure(run), figure(peer));
            let marked = ours > theirs * WORSE_FACTOR && ours > theirs + least;
            *worse += usize::from(marked);
            let bold = if marked { "**" } else { "" };
            format!("{bold}{ours:.digits$}{bold} | {theirs:.digits$}")
        };
        let times = [
            cells(|run| run.wall_ms, WORSE_MS, 2),
            cells(|run| run.stall_ms, WORSE_MS, 2),
            cells(|run| run.extra_mib, WORSE_MIB, 0),
        ];
        text += &format!("| {} | {} |\n", run.name, times.join(" | "));
        // A reply of another kind shows that not the same was done.
        if run.head != peer.head && !run.name.contains("USAGE") && !run.name.contains("DEBUG") {
            println!("{}: replies differ: {} and {}", run.name, run.head, peer.head);
        }
    }
    text
}
