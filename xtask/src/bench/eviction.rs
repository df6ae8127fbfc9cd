//! `cargo xtask bench eviction`: how many reads of a skewed load a server with too little memory can answer, ours beside
//! Valkey's, under the policies that look at the use of keys. A reader asks for keys by a Zipf distribution and sets what
//! is missing, as an application does with a cache. The same seed gives both the same questions.

use super::load::Numbers;
use super::servers::Server;
use super::{Options, page};
use crate::Outcome;
use client::{Client, Value};
use std::time::Instant;

const POLICIES: [&str; 3] = ["allkeys-lru", "allkeys-lfu", "volatile-lru"];
const MAXMEMORY_MIB: u64 = 24;
/// The lengths of values, in bytes: each key's is always the same.
const VALUE_BYTES: std::ops::Range<usize> = 20..180;
/// How much more often the first key is asked for than the tenth: to the power of this.
const SKEW: f64 = 0.99;
/// Reads in one round trip.
const BATCH: usize = 50;
const DEADLINE_SECONDS: &str = "100000";

/// What one server did under one policy.
struct Run {
    hit_rate: f64,
    /// What one that knows all would reach with as many keys.
    best: f64,
    keys: u64,
    used_mib: f64,
    requests_per_second: f64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let zipf = Zipf::new(options.keys);
    let mut rows = Vec::new();
    let mut names = [String::new(), String::new()];
    for policy in POLICIES {
        let mut runs = Vec::new();
        for (place, server) in [Server::ours(options.program.as_deref())?, Server::valkey()?].iter().enumerate() {
            let run = measure(server, policy, &zipf, options.requests)?;
            println!(
                "{policy}, {}: {:.2} % of reads answered, {} keys, {:.1} MiB, {:.0} requests a second",
                server.name,
                run.hit_rate * 100.0,
                run.keys,
                run.used_mib,
                run.requests_per_second
            );
            names[place].clone_from(&server.name);
            runs.push(run);
        }
        rows.push((policy, runs));
    }
    let body = report(options, &machine, &names, &rows);
    println!("\n{body}");
    page::write_section("Eviction", &body)
}

/// Ranks by how often they are asked for.
struct Zipf {
    /// The share of all questions that goes to this rank and those before.
    cumulated: Vec<f64>,
}

impl Zipf {
    fn new(keys: u64) -> Zipf {
        let mut cumulated: Vec<f64> = Vec::with_capacity(keys as usize);
        let mut sum = 0.0;
        for rank in 1..=keys {
            sum += (rank as f64).powf(-SKEW);
            cumulated.push(sum);
        }
        cumulated.iter_mut().for_each(|share| *share /= sum);
        Zipf { cumulated }
    }

    fn rank(&self, numbers: &mut Numbers) -> usize {
        let point = (numbers.next() >> 11) as f64 / (1u64 << 53) as f64;
        self.cumulated.partition_point(|share| *share <= point).min(self.cumulated.len() - 1)
    }
}

/// Asks half of the requests to fill the server, and counts the answers to the other half.
fn measure(server: &Server, policy: &str, zipf: &Zipf, requests: u64) -> Outcome<Run> {
    let mut client = server.connect()?;
    let maxmemory = (MAXMEMORY_MIB << 20).to_string();
    for setting in [["maxmemory-policy", policy], ["maxmemory", &maxmemory]] {
        let [name, value] = setting.map(str::as_bytes);
        match client.call(&[b"CONFIG", b"SET", name, value]) {
            Ok(Value::Simple(_)) => {}
            other => return Err(format!("{}: CONFIG SET {policy}: {other:?}", server.name)),
        }
    }
    let mut numbers = Numbers(11);
    let batches = requests / BATCH as u64;
    let (mut hits, mut counted) = (0, 0);
    let began = Instant::now();
    for batch in 0..batches {
        let found = read_or_set(&mut client, zipf, &mut numbers, policy.starts_with("volatile"))?;
        if batch >= batches / 2 {
            hits += found;
            counted += BATCH as u64;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let keys = match client.call(&[b"DBSIZE"]) {
        Ok(Value::Int(keys)) => keys as u64,
        other => return Err(format!("{}: DBSIZE: {other:?}", server.name)),
    };
    Ok(Run {
        hit_rate: hits as f64 / counted as f64,
        best: zipf.cumulated[(keys as usize).clamp(1, zipf.cumulated.len()) - 1],
        keys,
        used_mib: server.number("used_memory")? as f64 / (1 << 20) as f64,
        requests_per_second: (batches * BATCH as u64) as f64 / seconds,
    })
}

/// Reads a batch of keys and sets those that are missing: how many were there.
fn read_or_set(client: &mut Client, zipf: &Zipf, numbers: &mut Numbers, with_deadline: bool) -> Outcome<u64> {
    let failed = |error: client::Error| error.to_string();
    let mut names = Vec::with_capacity(BATCH);
    let mut bytes = Vec::new();
    for _ in 0..BATCH {
        // Neighbours in rank are no neighbours by name.
        let name = format!("key:{:016x}", (zipf.rank(numbers) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        bytes.extend_from_slice(format!("*2\r\n$3\r\nGET\r\n${}\r\n{name}\r\n", name.len()).as_bytes());
        names.push(name);
    }
    client.send_raw(&bytes).map_err(failed)?;
    let mut missing = Vec::new();
    for name in names {
        match client.reply().map_err(failed)? {
            Value::Null => missing.push(name),
            Value::Bulk(_) => {}
            other => return Err(format!("GET: {other:?}")),
        }
    }
    let longest = "v".repeat(VALUE_BYTES.end);
    bytes.clear();
    for name in &missing {
        let head = if with_deadline { 5 } else { 3 };
        let length = VALUE_BYTES.start + name.bytes().map(usize::from).sum::<usize>() * 7 % VALUE_BYTES.len();
        let value = &longest[..length];
        bytes.extend_from_slice(
            format!("*{head}\r\n$3\r\nSET\r\n${}\r\n{name}\r\n${length}\r\n{value}\r\n", name.len()).as_bytes(),
        );
        if with_deadline {
            bytes.extend_from_slice(
                format!("$2\r\nEX\r\n${}\r\n{DEADLINE_SECONDS}\r\n", DEADLINE_SECONDS.len()).as_bytes(),
            );
        }
    }
    client.send_raw(&bytes).map_err(failed)?;
    for _ in &missing {
        if let Value::Error(text) = client.reply().map_err(failed)? {
            return Err(format!("SET: {}", String::from_utf8_lossy(&text)));
        }
    }
    Ok((BATCH - missing.len()) as u64)
}

fn report(options: &Options, machine: &str, names: &[String; 2], rows: &[(&str, Vec<Run>)]) -> String {
    let mut body = format!(
        "`cargo xtask bench eviction --keys {} --requests {}`: reads of that many keys by a Zipf distribution (skew \
         {SKEW}), a write of {} to {} bytes for each that is missing, maxmemory {MAXMEMORY_MIB} MiB, five samples. \
         The first half of the reads fills the server and is not counted.\n\n{machine}\n",
        options.keys,
        options.requests,
        VALUE_BYTES.start,
        VALUE_BYTES.end - 1
    );
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    body += "\n| policy | server | reads answered | of what that many keys could answer | keys held | used, MiB | \
             reads per second |\n|---|---|---:|---:|---:|---:|---:|\n";
    for (policy, runs) in rows {
        for (name, run) in names.iter().zip(runs) {
            body += &format!(
                "| {policy} | {name} | {:.2} % | {:.1} % | {} | {:.1} | {:.0} |\n",
                run.hit_rate * 100.0,
                run.hit_rate / run.best * 100.0,
                run.keys,
                run.used_mib,
                run.requests_per_second
            );
        }
    }
    body + "\nWhat that many keys could answer: the share of reads that goes to the most wanted keys, as many as the server \
            holds. An entry takes fewer bytes with us, so that more of them fit.\n"
}
