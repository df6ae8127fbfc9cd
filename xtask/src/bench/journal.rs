//! `cargo xtask bench journal`: what the append-only file costs, ours beside Valkey's: throughput and the slowest writes
//! with `everysec` and `always`, with no, one and two replicas; and how long a restart from a large base and journal takes.
//!
//! Writes come from Valkey's own benchmark program. Every combination gets fresh servers, the two kinds in turn, so that
//! what else goes on with the disk meets both.

use super::servers::{Kind, Programs, Server};
use super::{Options, page};
use crate::{Outcome, workspace};
use std::process::Command;
use std::time::{Duration, Instant};

const POLICIES: [&str; 2] = ["everysec", "always"];
const REPLICAS_MAX: usize = 2;
const KINDS: [Kind; 2] = [Kind::Ours, Kind::Valkey];
const CLIENTS: &str = "50";
/// Bytes of a value that the benchmark program writes.
const VALUE_BYTES: &str = "64";
/// Bytes of a value in the files of the restart, and keys set by one round trip there.
const LARGE_VALUE_BYTES: usize = 512;
const BATCH: u64 = 500;
const WAIT_MAX: Duration = Duration::from_secs(120);
const MIB: u64 = 1024 * 1024;

/// What the benchmark program says of one run.
#[derive(Clone, Copy, Default)]
struct Writes {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Spans and sizes.
struct Plan {
    seconds: u64,
    warmup_seconds: u64,
    rounds: usize,
    base_bytes: u64,
    journal_bytes: u64,
}

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let programs = Programs::find(options.program.as_deref())?;
    let plan = if options.quick {
        Plan { seconds: 1, warmup_seconds: 1, rounds: 1, base_bytes: 64 * MIB, journal_bytes: 16 * MIB }
    } else {
        let rounds = options.rounds.min(3);
        Plan { seconds: 3, warmup_seconds: 1, rounds, base_bytes: 1024 * MIB, journal_bytes: 256 * MIB }
    };
    let mut names = [String::new(), String::new()];
    let mut rows = Vec::new();
    for policy in POLICIES {
        for replicas in 0..=REPLICAS_MAX {
            let mut runs = [Vec::new(), Vec::new()];
            for _ in 0..plan.rounds {
                for (at, kind) in KINDS.into_iter().enumerate() {
                    let (name, writes) = write(&programs, kind, policy, replicas, &plan)?;
                    println!(
                        "{name}, {policy}, {replicas} replicas: {:.0}/s, p50 {:.3} ms, p99 {:.3} ms",
                        writes.per_second, writes.p50_ms, writes.p99_ms
                    );
                    names[at] = name;
                    runs[at].push(writes);
                }
            }
            rows.push((policy, replicas, runs.map(|runs| median(&runs))));
        }
    }
    let mut restarts = [0.0; 2];
    for (at, kind) in KINDS.into_iter().enumerate() {
        restarts[at] = restart(&programs, kind, &plan)?.as_secs_f64();
        println!("{}: restarted in {:.2} s", names[at], restarts[at]);
    }
    let body = report(options, &plan, &machine, &names, &rows, restarts);
    println!("\n{body}");
    page::write_section("Journal", &body)
}

/// One run against fresh servers.
fn write(programs: &Programs, kind: Kind, policy: &str, replicas: usize, plan: &Plan) -> Outcome<(String, Writes)> {
    let master = programs.start(kind, &["--appendonly", "yes", "--appendfsync", policy])?;
    let followers: Vec<Server> = (0..replicas)
        .map(|_| programs.start(kind, &["--replicaof", "127.0.0.1", master.port()]))
        .collect::<Outcome<_>>()?;
    for follower in &followers {
        wait_for(follower, "master_link_status", "up")?;
    }
    wait_for(&master, "aof_rewrite_in_progress", "0")?;
    let output = Command::new(workspace::peers().join("valkey91-benchmark"))
        .args(["-p", master.port(), "-c", CLIENTS, "-t", "set", "-r", "100000", "-d", VALUE_BYTES, "--csv"])
        .args(["--duration", &plan.seconds.to_string(), "--warmup", &plan.warmup_seconds.to_string()])
        .output()
        .map_err(|error| format!("valkey91-benchmark: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let writes = read_csv(&text)
        .ok_or_else(|| format!("valkey91-benchmark said:\n{text}\n{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((master.name.clone(), writes))
}

/// `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"`
/// and a line with the figures.
fn read_csv(text: &str) -> Option<Writes> {
    let line = text.lines().find(|line| line.starts_with("\"SET\""))?;
    let figures: Vec<f64> = line.split(',').skip(1).filter_map(|word| word.trim_matches('"').parse().ok()).collect();
    Some(Writes { per_second: *figures.first()?, p50_ms: *figures.get(3)?, p99_ms: *figures.get(5)? })
}

/// The middle by throughput.
fn median(runs: &[Writes]) -> Writes {
    let mut runs = runs.to_vec();
    runs.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

/// How long a restart takes from a base and a journal of the plan's sizes.
fn restart(programs: &Programs, kind: Kind, plan: &Plan) -> Outcome<Duration> {
    let settings = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--rdbcompression", "no"];
    let mut server = programs.start(kind, &settings)?;
    let keys = plan.base_bytes / LARGE_VALUE_BYTES as u64;
    set_keys(&server, keys)?;
    let mut control = server.connect()?;
    wait_for(&server, "aof_rewrite_in_progress", "0")?;
    control.call(&[b"BGREWRITEAOF"]).map_err(|error| format!("{}: BGREWRITEAOF: {error}", server.name))?;
    wait_for(&server, "aof_rewrite_scheduled", "0")?;
    wait_for(&server, "aof_rewrite_in_progress", "0")?;
    if server.number("aof_base_size")? < plan.base_bytes {
        return Err(format!("{}: the base has only {} bytes", server.name, server.number("aof_base_size")?));
    }
    set_keys(&server, plan.journal_bytes / LARGE_VALUE_BYTES as u64)?;
    server.restart()
}

/// Sets so many keys to values that differ.
fn set_keys(server: &Server, keys: u64) -> Outcome<()> {
    let mut client = server.connect()?;
    let failed = |error: client::Error| format!("{}: SET: {error}", server.name);
    let filler = "x".repeat(LARGE_VALUE_BYTES - 20);
    for first in (0..keys).step_by(BATCH as usize) {
        let batch = first..keys.min(first + BATCH);
        let set = |key: u64| {
            format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${LARGE_VALUE_BYTES}\r\n{key:020}{filler}\r\n")
        };
        let bytes: String = batch.clone().map(set).collect();
        client.send_raw(bytes.as_bytes()).map_err(failed)?;
        for _ in batch {
            client.reply().map_err(failed)?;
        }
    }
    Ok(())
}

fn wait_for(server: &Server, field: &str, value: &str) -> Outcome<()> {
    let began = Instant::now();
    while server.info(field)? != value {
        if began.elapsed() > WAIT_MAX {
            return Err(format!("{}: {field} does not become {value}", server.name));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

type Row = (&'static str, usize, [Writes; 2]);

fn report(
    options: &Options,
    plan: &Plan,
    machine: &str,
    names: &[String; 2],
    rows: &[Row],
    restarts: [f64; 2],
) -> String {
    let mut body = format!(
        "`cargo xtask bench journal --rounds {}{}`: SET of {VALUE_BYTES} bytes under 100000 random keys by {CLIENTS} \
         clients, {} s each, with `appendonly yes`; replicas of the same kind, without an append-only file.\n\n{machine}\n",
        plan.rounds,
        if options.quick { " --quick" } else { "" },
        plan.seconds
    );
    if let Some(program) = &options.program {
        body += &format!("\nOurs was built before, not from this commit: {}.\n", program.display());
    }
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    let [ours, valkey] = names;
    body += &format!("\n| appendfsync, replicas | {ours}, writes/s | {valkey}, writes/s | {ours}, p50 / p99, ms |");
    body += &format!(" {valkey}, p50 / p99, ms |\n|---|---:|---:|---:|---:|\n");
    for (policy, replicas, [ours, valkey]) in rows {
        body += &format!(
            "| {policy}, {replicas} | {:.0} | {:.0} | {:.3} / {:.3} | {:.3} / {:.3} |\n",
            ours.per_second, valkey.per_second, ours.p50_ms, ours.p99_ms, valkey.p50_ms, valkey.p99_ms
        );
    }
    body += &format!(
        "\nRestart from a base of {} MiB and a journal of {} MiB (values of {LARGE_VALUE_BYTES} bytes), until data is \
         served: {ours} {:.2} s, {valkey} {:.2} s.\n",
        plan.base_bytes / MIB,
        plan.journal_bytes / MIB,
        restarts[0],
        restarts[1]
    );
    body + "\nWith `everysec` both write to the file before they answer; Valkey puts that off for up to two seconds while a \
            sync is under way. With `always` both answer when it is synced.\n"
}

#[cfg(test)]
mod tests {
    use super::read_csv;

    #[test]
    fn the_figures_of_the_benchmark_program_are_found_by_their_place() {
        let text = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                    \"p99_latency_ms\",\"max_latency_ms\"\n\"SET\",\"1000.5\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"\n";
        let writes = read_csv(text).unwrap();
        assert_eq!((writes.per_second, writes.p50_ms, writes.p99_ms), (1000.5, 3.0, 5.0));
        assert!(read_csv("error").is_none());
    }
}
