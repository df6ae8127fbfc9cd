//! `cargo xtask bench snapshot`: what BGSAVE costs while random keys are overwritten, ours beside Valkey's, which forks.
//! Per round and server: writes alone, then writes while it saves. The pause, the memory that the save needs on top, and
//! the time that single writes take.
//!
//! What a save needs on top grows with what is overwritten meanwhile, and the two do not take equally long. So ours is
//! measured once more with the rate raised or lowered until as much is overwritten during its walk as during Valkey's:
//! as if both walked for the same time.

use super::load::{Load, VALUE_BYTES, fill};
use super::servers::{Memory, Server};
use super::{Options, page};
use crate::Outcome;
use std::time::{Duration, Instant};

/// How long writes are timed before a save.
const BEFORE: Duration = Duration::from_secs(4);
/// How often memory is looked at during a save.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SAVE_MAX: Duration = Duration::from_secs(600);
const MIB: f64 = 1024.0 * 1024.0;

/// One save under load.
#[derive(Clone)]
struct Run {
    pause_us: f64,
    seconds: f64,
    overwritten: f64,
    extra_mib: f64,
    /// Of that, what the server itself counts: retired entries, or the child's private pages.
    counted_mib: f64,
    before: Percentiles,
    during: Percentiles,
}

/// Of the time that writes took, in microseconds.
#[derive(Clone, Copy)]
struct Percentiles([f64; 4]);

const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// Measures and writes the page's section.
pub fn run(options: &Options) -> Outcome<()> {
    let machine = page::machine();
    let (ours, valkey) = (Server::ours(options.program.as_deref())?, Server::valkey()?);
    for server in [&ours, &valkey] {
        let started = Instant::now();
        fill(server, options.keys)?;
        println!("{}: {} keys in {:.1} s", server.name, options.keys, started.elapsed().as_secs_f64());
    }
    let (ours_idle, valkey_idle) = (settle(&ours, options)?, settle(&valkey, options)?);
    let (mut our_runs, mut valkey_runs, mut even_runs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        let valkey_run = save_under_load(&valkey, valkey_idle, options.keys, options.rate)?;
        let our_run = save_under_load(&ours, ours_idle, options.keys, options.rate)?;
        let rate = options.rate as f64 * valkey_run.seconds / our_run.seconds;
        even_runs.push(save_under_load(&ours, ours_idle, options.keys, rate as u64)?);
        valkey_runs.push(valkey_run);
        our_runs.push(our_run);
    }
    let columns = [
        (ours.name.clone(), our_runs),
        (format!("{}, as much overwritten as by Valkey", ours.name), even_runs),
        (valkey.name.clone(), valkey_runs),
    ];
    let body = report(options, &machine, &columns);
    println!("\n{body}");
    page::write_section("Snapshot", &body)
}

/// Overwrites for a while, so that the allocator has what it wants: the memory in use then.
fn settle(server: &Server, options: &Options) -> Outcome<Memory> {
    let load = Load::start(server, options.keys, options.rate)?;
    std::thread::sleep(BEFORE);
    load.stop()?;
    Ok(server.memory())
}

fn save_under_load(server: &Server, idle: Memory, keys: u64, rate: u64) -> Outcome<Run> {
    let load = Load::start(server, keys, rate)?;
    std::thread::sleep(BEFORE);
    let (saves, already) = (server.number("rdb_saves")?, load.written());
    let began = Instant::now();
    let mut control = server.connect()?;
    control.call(&[b"BGSAVE"]).map_err(|error| format!("{}: BGSAVE: {error}", server.name))?;
    let (mut extra, mut private) = (0, 0);
    let mut look = 0;
    loop {
        std::thread::sleep(LOOK_EVERY);
        let memory = server.memory();
        private = private.max(memory.child_private);
        extra = extra.max(memory.child_private + memory.resident.saturating_sub(idle.resident));
        look += 1;
        // INFO takes the server's time: less often.
        if look % 3 == 0 && server.number("rdb_bgsave_in_progress")? == 0 {
            break;
        }
        if began.elapsed() > SAVE_MAX {
            return Err(format!("{}: BGSAVE takes longer than {} s", server.name, SAVE_MAX.as_secs()));
        }
    }
    let ended = Instant::now();
    let overwritten = load.written() - already;
    let timed = load.stop()?;
    if server.info("rdb_last_bgsave_status")? != "ok" || server.number("rdb_saves")? == saves {
        return Err(format!("{}: BGSAVE failed", server.name));
    }
    let (before, during) =
        timed.into_iter().filter(|(at, _)| *at < ended).partition::<Vec<_>, _>(|(at, _)| *at < began);
    let counted = server.number("rdb_last_cow_size")?.max(private);
    let run = Run {
        pause_us: server.number("latest_fork_usec")? as f64,
        seconds: (ended - began).as_secs_f64(),
        overwritten: overwritten as f64,
        extra_mib: extra as f64 / MIB,
        counted_mib: counted as f64 / MIB,
        before: percentiles(&before),
        during: percentiles(&during),
    };
    println!(
        "  {}: {rate}/s, {:.1} s, pause {} us, {:.0} MiB on top ({:.0} counted), writes {:.0?} then {:.0?} us",
        server.name, run.seconds, run.pause_us, run.extra_mib, run.counted_mib, run.before.0, run.during.0
    );
    Ok(run)
}

fn percentiles(timed: &[(Instant, Duration)]) -> Percentiles {
    let mut micros: Vec<f64> = timed.iter().map(|(_, span)| span.as_secs_f64() * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    let last = micros.len().saturating_sub(1);
    Percentiles(PERCENTILES.map(|(_, part)| micros.get((last as f64 * part).round() as usize).copied().unwrap_or(0.0)))
}

/// The middle of what the runs say.
fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        count if count % 2 == 1 => figures[count / 2],
        count => (figures[count / 2 - 1] + figures[count / 2]) / 2.0,
    }
}

fn report(options: &Options, machine: &str, columns: &[(String, Vec<Run>)]) -> String {
    let mut body = format!(
        "`cargo xtask bench snapshot --keys {} --rounds {} --rate {}`: BGSAVE of that many keys with values of \
         {VALUE_BYTES} bytes, while random ones are overwritten at that rate per second.\n\n{machine}\n",
        options.keys, options.rounds, options.rate
    );
    if let Some(program) = &options.program {
        body += &format!("\nOurs was built before, not from this commit: {}.\n", program.display());
    }
    if let Some(note) = &options.note {
        body += &format!("\n{note}\n");
    }
    body += "\n| |";
    columns.iter().for_each(|(name, _)| body += &format!(" {name} |"));
    body += &format!("\n|---|{}\n", "---:|".repeat(columns.len()));
    let mut row = |name: &str, digits: usize, figure: &dyn Fn(&Run) -> f64| {
        body += &format!("| {name} |");
        columns.iter().for_each(|(_, runs)| body += &format!(" {:.digits$} |", median(runs, figure)));
        body.push('\n');
    };
    row("pause of the executor (latest_fork_usec), µs", 0, &|run| run.pause_us);
    row("duration of the save, s", 1, &|run| run.seconds);
    row("keys overwritten meanwhile", 0, &|run| run.overwritten);
    row("memory on top at the worst, MiB", 1, &|run| run.extra_mib);
    row("of it counted by the server, MiB", 1, &|run| run.counted_mib);
    for (place, (name, _)) in PERCENTILES.iter().enumerate() {
        row(&format!("a write, {name}, before, µs"), 0, &|run| run.before.0[place]);
        row(&format!("a write, {name}, during the save, µs"), 0, &|run| run.during.0[place]);
    }
    body + "\nMemory on top: growth of the server's resident set since before the first save, and the pages of a forked \
            child that it shares with nobody. Counted: entries kept for the snapshot alone, or the child's private \
            pages. One write a millisecond is timed; one held up by the one before counts from when it was due.\n"
}
