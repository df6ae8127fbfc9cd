//! `cargo xtask bench replication`: what replication costs and how fast it is, ours beside Valkey's, each with replicas of
//! its own kind and the peers' benchmark program as the load. The servers take turns within each round; ratios are taken
//! within a round. One file for each kind of measurement: `cpu.rs`, `apply.rs`, `full_sync.rs`.

mod apply;
mod cpu;
mod full_sync;

use super::servers::{Kind, Programs, Server, pinned};
use super::{Options, page};
use crate::{Outcome, workspace};
use client::{Client, Value};
use std::process::Command;
use std::time::{Duration, Instant};

const KINDS: [Kind; 2] = [Kind::Ours, Kind::Valkey];
/// The names that are chosen from at random, unless said otherwise.
const NAMES: u64 = 1_000_000;
const VALUE_BYTES: &str = "64";
const CLIENTS: &str = "50";
const PIPELINE: &str = "64";
/// How long a replica may take to catch up.
const CATCH_UP_MAX: Duration = Duration::from_secs(300);
/// A replica that falls behind is not cut off, whatever the load does to it; one that comes is served at once.
const COMMON: [&str; 4] = ["--client-output-buffer-limit", "replica 0 0 0", "--repl-diskless-sync-delay", "0"];

/// What is measured, smaller with `--quick`.
struct Plan {
    rounds: usize,
    /// SETs whose processor time is measured.
    requests: u64,
    /// Commands of the backlog that a replica applies.
    backlog_commands: u64,
    /// Keys of the full synchronisation.
    keys: u64,
    /// Writes per second beside it.
    rate: u64,
}

/// One line of the table: a figure of ours and of Valkey's for each round.
struct Row {
    name: String,
    digits: usize,
    /// How the two are compared: by which ratio ours is better.
    better: Better,
    figures: [Vec<f64>; 2],
}

/// What makes a figure a good one.
#[derive(Clone, Copy)]
enum Better {
    /// More of it.
    More,
    /// Less of it.
    Less,
    /// It is compared with something else.
    Neither,
}

impl Row {
    fn new(name: impl Into<String>, digits: usize, better: Better, figures: [Vec<f64>; 2]) -> Row {
        Row { name: name.into(), digits, better, figures }
    }

    fn line(&self) -> String {
        let Row { name, digits, figures: [ours, valkey], .. } = self;
        let shown =
            |(least, middle, most): (f64, f64, f64)| format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})");
        let mut line = format!("| {name} | {} | {} |", shown(spread(ours)), shown(spread(valkey)));
        let ratios: Vec<f64> = match self.better {
            Better::More => ours.iter().zip(valkey).map(|(ours, valkey)| ours / valkey).collect(),
            Better::Less => ours.iter().zip(valkey).map(|(ours, valkey)| valkey / ours).collect(),
            Better::Neither => Vec::new(),
        };
        if ratios.is_empty() {
            return line + " |";
        }
        let (least, middle, most) = spread(&ratios);
        line += &format!(" {middle:.2}× ({least:.2}–{most:.2}) |");
        line
    }
}

/// One kind of measurement: its rows.
type Measure = fn(&Programs, &Plan) -> Outcome<Vec<Row>>;

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let programs = Programs::find(options.program.as_deref())?;
    let part = if options.quick { 5 } else { 1 };
    let plan = Plan {
        rounds: options.rounds,
        requests: 4_000_000 / part,
        backlog_commands: 2_000_000 / part,
        // What the options give unless they say otherwise is meant for other benchmarks.
        keys: if options.keys == 10_000_000 { 5_000_000 / part } else { options.keys },
        rate: options.rate,
    };
    let parts: [(&str, Measure); 3] =
        [("cpu", cpu::measure), ("apply", apply::measure), ("full-sync", full_sync::measure)];
    let mut rows = Vec::new();
    for (_, measure) in parts.iter().filter(|(name, _)| options.only.as_ref().is_none_or(|only| name.contains(only))) {
        let measured = measure(&programs, &plan)?;
        measured.iter().for_each(|row| println!("{}", row.line()));
        rows.extend(measured);
    }
    let names = KINDS.map(|kind| programs.start(kind, &[]).map(|server| server.name.clone()));
    let [ours, valkey] = names;
    let body = report(options, &plan, &machine, [&ours?, &valkey?], &rows);
    // A part would stand on the page as if it were the whole.
    if options.quick || options.only.is_some() { Ok(()) } else { page::write_section("Replication", &body) }
}

fn report(options: &Options, plan: &Plan, machine: &str, names: [&str; 2], rows: &[Row]) -> String {
    let mut body = format!(
        "`cargo xtask bench replication --rounds {}`: each server with replicas of its own kind; SETs of {VALUE_BYTES} \
         bytes by `valkey-benchmark`. The medians of the rounds, in brackets the least and the most; ratios above 1: \
         ours is better.\n\n{machine}\n",
        plan.rounds,
    );
    if let Some(program) = &options.program {
        body += &format!("\nOurs was built before, not from this commit: {}.\n", program.display());
    }
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    let [ours, valkey] = names;
    body += &format!("\n| | {ours} | {valkey} | ratio |\n|---|---:|---:|---:|\n");
    rows.iter().for_each(|row| body += &(row.line() + "\n"));
    body + &format!(
        "\nProcessor time: of the master, for {} SETs by {CLIENTS} clients in batches of {PIPELINE} under {NAMES} random \
         names, until its replicas have caught up; master on a core of its own. Apply: a replica on a core of its own is \
         stopped while {} such SETs run, then let go. Full synchronisation: an empty replica is told to follow a master \
         of {} keys under {} SETs a second, `repl-diskless-sync-delay 0`; caught up: it has the offset that its master \
         had a moment before; master, with whatever it forks, on one core, replica and load on the other. One write a \
         millisecond is timed; one held up by the one before counts from when it was due. Extra memory: growth of the \
         master's resident set, and the pages of a forked child that it shares with nobody.\n",
        plan.requests, plan.backlog_commands, plan.keys, plan.rate
    )
}

/// The least, the middle and the most.
fn spread(figures: &[f64]) -> (f64, f64, f64) {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    match (figures.first(), figures.get(figures.len() / 2), figures.last()) {
        (Some(least), Some(middle), Some(most)) => (*least, *middle, *most),
        _ => (0.0, 0.0, 0.0),
    }
}

/// The benchmark program against a server, on the core that is not the first: SETs under `names` random names.
fn sets(server: &Server, names: u64) -> Command {
    let mut command = pinned(&workspace::peers().join("valkey91-benchmark"), 1);
    command.args(["--csv", "-p", server.port(), "-t", "set", "-d", VALUE_BYTES, "-r", &names.to_string()]);
    command
}

/// Runs so many pipelined SETs.
fn run_sets(server: &Server, requests: u64) -> Outcome<()> {
    let mut command = sets(server, NAMES);
    command.args(["-c", CLIENTS, "-P", PIPELINE, "-n", &requests.to_string()]);
    let output = command.output().map_err(|error| format!("valkey91-benchmark: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("\"SET\"") {
        Ok(())
    } else {
        Err(format!("{}: valkey91-benchmark said:\n{text}\n{}", server.name, String::from_utf8_lossy(&output.stderr)))
    }
}

/// The fields of INFO replication, over a connection that stays.
struct Observer {
    client: Client,
    name: String,
}

impl Observer {
    fn new(server: &Server) -> Outcome<Observer> {
        Ok(Observer { client: server.connect()?, name: server.name.clone() })
    }

    fn field(&mut self, field: &str) -> Outcome<String> {
        let failed = |error: client::Error| format!("INFO: {error}");
        let reply = self.client.call(&[b"INFO", b"replication"]).map_err(failed)?;
        let Value::Bulk(text) = reply else { return Err(format!("{}: INFO is no text", self.name)) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.unwrap_or_default().trim().to_owned())
    }

    /// How far its stream goes.
    fn offset(&mut self) -> Outcome<u64> {
        let text = self.field("master_repl_offset")?;
        text.parse().map_err(|_| format!("{}: master_repl_offset is `{text}`", self.name))
    }

    fn link_is_up(&mut self) -> Outcome<bool> {
        Ok(self.field("master_link_status")? == "up")
    }

    /// Waits until its stream has got there.
    fn wait_for_offset(&mut self, offset: u64, look_every: Duration) -> Outcome<()> {
        let began = Instant::now();
        while !self.link_is_up()? || self.offset()? < offset {
            if began.elapsed() > CATCH_UP_MAX {
                return Err(format!("{}: the replica does not catch up", self.name));
            }
            std::thread::sleep(look_every);
        }
        Ok(())
    }
}

/// Waits until these replicas have what their master has now.
fn wait_caught_up(master: &Server, replicas: &[Server]) -> Outcome<()> {
    for replica in replicas {
        let mut observer = Observer::new(replica)?;
        observer.wait_for_offset(Observer::new(master)?.offset()?, Duration::from_millis(20))?;
    }
    Ok(())
}

/// A server of this kind with what all of them are given, on one core.
fn start(programs: &Programs, kind: Kind, directives: &[&str], core: usize) -> Outcome<Server> {
    let server = programs.start(kind, &[&COMMON[..], directives].concat())?;
    server.pin(core);
    Ok(server)
}
