//! `cargo xtask bench throughput`: operations per second and processor time per operation, ours beside the peers, under
//! the peers' own benchmark program. The servers take turns several times within each round, so that whatever else the
//! machine does meets all of them; ratios are taken within a round. Where the machine is shared, processor time is the
//! figure to trust.

use super::servers::{Server, ended_cpu_seconds};
use super::{Options, page};
use crate::{Outcome, workspace};
use std::time::Instant;

/// The keys, fields or members that are chosen from at random.
const NAMES: &str = "1000000";
const VALUE_BYTES: &str = "64";
/// Turns that a server takes in a round, with a part of the requests each, and the order of the servers in each: every one
/// is first once, and behind each of the others once, lest one always gets what another left to be done.
const TURNS: [[usize; 4]; 4] = [[0, 1, 2, 3], [1, 3, 0, 2], [2, 0, 3, 1], [3, 2, 1, 0]];
/// With `--quick` this part of the requests is sent.
const QUICK_PART: u64 = 10;

/// One kind of load.
struct Work {
    name: &'static str,
    /// What the benchmark program calls it, or a request of several words.
    test: &'static str,
    pipeline: u32,
    clients: u32,
    requests: u64,
    /// What is run before, without being timed, so that there is something to find.
    before: &'static str,
}

impl Work {
    /// Whether it takes away what it finds, so that every round must begin by putting it back.
    fn consumes(&self) -> bool {
        self.test.contains("pop")
    }
}

const fn work(name: &'static str, test: &'static str, pipeline: u32, requests: u64, before: &'static str) -> Work {
    Work { name, test, pipeline, clients: 50, requests, before }
}

const WORKS: &[Work] = &[
    work("SET, P=1", "set", 1, 300_000, "set"),
    work("GET, P=1", "get", 1, 300_000, "set"),
    work("SET, P=16", "set", 16, 3_000_000, "set"),
    work("GET, P=16", "get", 16, 3_000_000, "set"),
    work("SET, P=64", "set", 64, 4_000_000, "set"),
    work("GET, P=64", "get", 64, 4_000_000, "set"),
    work("INCR, P=16", "incr", 16, 2_000_000, "incr"),
    work("LPUSH, P=16", "lpush", 16, 2_000_000, "lpush"),
    work("RPOP, P=16", "rpop", 16, 2_000_000, "lpush"),
    work("SADD, P=16", "sadd", 16, 2_000_000, "sadd"),
    work("HSET, P=16", "hset", 16, 2_000_000, "hset"),
    work("ZADD, P=16", "zadd", 16, 1_000_000, "zadd"),
    work("SPOP, P=16", "spop", 16, 500_000, "sadd"),
    work("ZPOPMIN, P=16", "zpopmin", 16, 500_000, "zadd"),
    // Its own `lrange_100` fills the list once more, within the time.
    work("LRANGE of 100, P=1", "lrange mylist 0 99", 1, 100_000, "lpush"),
    work("MSET of 10, P=1", "mset", 1, 200_000, "mset"),
    // More requests, of whose time the 500 connections that each turn makes anew take about a hundredth.
    Work { clients: 500, ..work("SET, P=1, 500 connections", "set", 1, 600_000, "set") },
    Work { clients: 500, ..work("GET, P=1, 500 connections", "get", 1, 600_000, "set") },
];

/// What one run showed.
#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    cpu_us: f64,
    /// How much of the time the load program was busy, on its core.
    load: f64,
}

/// What the turns of one server have taken, in seconds.
#[derive(Clone, Default)]
struct Spent {
    /// As the load program says.
    elapsed: f64,
    /// From the start of the load program to its end.
    run: f64,
    /// The server's processor time.
    server: f64,
    /// The load program's.
    load: f64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let mut servers = vec![Server::ours(options.program.as_deref())?];
    for peer in ["valkey91", "redis80", "redis70"] {
        servers.push(Server::peer(peer)?);
    }
    servers.iter().for_each(|server| server.pin(0));
    let mut lines = Vec::new();
    for work in WORKS.iter().filter(|work| options.only.as_ref().is_none_or(|only| work.name.contains(only))) {
        let line = measure(work, &servers, options)?;
        println!("{line}");
        lines.push(line);
    }
    let body = report(options, &machine, &servers, &lines);
    // A part would stand on the page as if it were the whole.
    if options.quick || options.only.is_some() { Ok(()) } else { page::write_section("Throughput", &body) }
}

fn measure(work: &Work, servers: &[Server], options: &Options) -> Outcome<String> {
    for server in servers {
        server.connect()?.call(&[b"FLUSHALL"]).map_err(|error| format!("{}: {error}", server.name))?;
    }
    let rounds: Vec<Vec<Run>> = (0..options.rounds)
        .map(|number| round(work, servers, number == 0 || work.consumes(), options))
        .collect::<Outcome<_>>()?;
    let mut line = format!("| {} |", work.name);
    for at in 0..servers.len() {
        let rate = spread(rounds.iter().map(|runs| runs[at].per_second / 1000.0));
        let cpu = spread(rounds.iter().map(|runs| runs[at].cpu_us));
        line += &format!(" {:.0} | {:.2} |", rate.1, cpu.1);
        if at == 0 {
            line += &format!(" {:.0} % |", spread(rounds.iter().map(|runs| runs[0].load * 100.0)).1);
        } else {
            let faster = spread(rounds.iter().map(|runs| runs[0].per_second / runs[at].per_second));
            let cheaper = spread(rounds.iter().map(|runs| runs[at].cpu_us / runs[0].cpu_us));
            line += &format!(" {:.2}× | {:.2}× ({:.2}–{:.2}) |", faster.1, cheaper.1, cheaper.0, cheaper.2);
        }
    }
    Ok(line)
}

/// What each of the servers does in one round.
fn round(work: &Work, servers: &[Server], fill: bool, options: &Options) -> Outcome<Vec<Run>> {
    let (requests, turns) = if options.quick { (work.requests / QUICK_PART, 1) } else { (work.requests, TURNS.len()) };
    if fill {
        // Names are drawn at random: three times as many draws as names leave few of them out.
        let draws = if options.quick { requests } else { requests.max(3_000_000) };
        for server in servers {
            load(server, work.before, 64, 50, draws)?;
        }
    }
    let part = requests / turns as u64;
    let mut spent = vec![Spent::default(); servers.len()];
    for order in &TURNS[..turns] {
        for &at in order {
            let (server, spent) = (&servers[at], &mut spent[at]);
            let (server_before, load_before) = (server.cpu_seconds(), ended_cpu_seconds());
            let began = Instant::now();
            spent.elapsed += part as f64 / load(server, work.test, work.pipeline, work.clients, part)?;
            spent.run += began.elapsed().as_secs_f64();
            spent.server += server.cpu_seconds() - server_before;
            spent.load += ended_cpu_seconds() - load_before;
        }
    }
    let sent = (part * turns as u64) as f64;
    let run = |spent: &Spent| Run {
        per_second: sent / spent.elapsed,
        cpu_us: spent.server / sent * 1e6,
        load: spent.load / spent.run,
    };
    Ok(spent.iter().map(run).collect())
}

/// Runs the benchmark program: requests per second.
fn load(server: &Server, test: &str, pipeline: u32, clients: u32, requests: u64) -> Outcome<f64> {
    let program = workspace::peers().join("valkey91-benchmark");
    let port = server.address.rsplit(':').next().unwrap_or_default();
    let output = super::servers::pinned(&program, 1)
        .args(["--csv", "-p", port, "-r", NAMES, "-d", VALUE_BYTES])
        .args(["-P", &pipeline.to_string(), "-c", &clients.to_string(), "-n", &requests.to_string()])
        .args((!test.contains(' ')).then_some("-t"))
        .args(test.split(' '))
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with('"')).unwrap_or_default();
    let figure = last.split("\",\"").nth(1).and_then(|figure| figure.parse().ok());
    figure.ok_or_else(|| format!("{}: {test}: no figure in `{}`", server.name, text.trim()))
}

/// The least, the middle and the most.
pub fn spread(figures: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let count = figures.len();
    (figures[0], figures[count / 2], figures[count - 1])
}

fn report(options: &Options, machine: &str, servers: &[Server], lines: &[String]) -> String {
    let mut body = format!(
        "`cargo xtask bench throughput --rounds {}{}`: thousand operations a second (k/s), and the server's processor time \
         for one (µs). Values of {VALUE_BYTES} bytes, {NAMES} random names, 50 connections unless said otherwise; \
         server and load on a core each. Load: how busy the load program was with ours; near 100 % its core is what limits the \
         operations per second, not the server. A round is {} turns of each server. Ratios: above 1 ours is faster, or takes \
         less processor time; in brackets the least and the most of the rounds.\n\n\
         {machine}\n",
        options.rounds,
        if options.quick { " --quick" } else { "" },
        TURNS.len(),
    );
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    body += "\n| |";
    for (at, server) in servers.iter().enumerate() {
        body += &format!(" {}, k/s | µs |", server.name);
        body += if at > 0 { " ratio k/s | ratio µs |" } else { " load |" };
    }
    body += &format!("\n|---|---:|---:|---:|{}\n", "---:|---:|---:|---:|".repeat(servers.len() - 1));
    body + &lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_middle_of_the_rounds_is_shown_with_the_extremes() {
        assert_eq!(super::spread([3.0, 1.0, 2.0].into_iter()), (1.0, 2.0, 3.0));
    }
}
