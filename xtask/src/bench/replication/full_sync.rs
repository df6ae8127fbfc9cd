//! A full synchronisation under writes: how long, what it does to single writes, and what memory the master needs for it.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{Better, CATCH_UP_MAX, CLIENTS, KINDS, Observer, Plan, Row, sets, start};
use crate::Outcome;
use crate::bench::load::{Load, fill};
use crate::bench::servers::{Kind, Memory, Programs, Server};

/// How long writes are timed before.
const BEFORE: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MEMORY_EVERY: Duration = Duration::from_millis(50);
const MIB: f64 = 1024.0 * 1024.0;

/// One full synchronisation.
struct Run {
    seconds: f64,
    extra_mib: f64,
    before_us: f64,
    during_us: f64,
    longest_us: f64,
}

pub(super) fn measure(programs: &Programs, plan: &Plan) -> Outcome<Vec<Row>> {
    let mut runs: [Vec<Run>; 2] = Default::default();
    for round in 1..=plan.rounds {
        for (at, kind) in KINDS.into_iter().enumerate() {
            let run = synchronise(programs, kind, plan)?;
            println!(
                "round {round}: {kind:?}: {:.2} s, {:.0} MiB on top, p99.9 {:.0} then {:.0} us, at most {:.0} us",
                run.seconds, run.extra_mib, run.before_us, run.during_us, run.longest_us
            );
            runs[at].push(run);
        }
    }
    let figures = |figure: fn(&Run) -> f64| [0, 1].map(|at| runs[at].iter().map(figure).collect::<Vec<f64>>());
    let name = |text: &str| format!("full synchronisation of {} keys under {} writes/s, {text}", plan.keys, plan.rate);
    Ok(vec![
        Row::new(name("s"), 2, Better::Less, figures(|run| run.seconds)),
        Row::new(name("master's extra memory, MiB"), 1, Better::Less, figures(|run| run.extra_mib)),
        Row::new("a write before, p99.9, µs", 0, Better::Neither, figures(|run| run.before_us)),
        Row::new("a write meanwhile, p99.9, µs", 0, Better::Less, figures(|run| run.during_us)),
        Row::new(
            "a write meanwhile beside before, p99.9",
            2,
            Better::Neither,
            figures(|run| run.during_us / run.before_us),
        ),
        Row::new("a write meanwhile, the longest, µs", 0, Better::Less, figures(|run| run.longest_us)),
    ])
}

fn synchronise(programs: &Programs, kind: Kind, plan: &Plan) -> Outcome<Run> {
    let master = start(programs, kind, &[], 0)?;
    let replica = start(programs, kind, &[], 1)?;
    fill(&master, plan.keys)?;
    let mut writes = sets(&master, plan.keys);
    let million_seconds = "1000000";
    writes.args(["-c", CLIENTS, "--rps", &plan.rate.to_string(), "--duration", million_seconds]);
    let mut writes = writes.stdout(Stdio::null()).spawn().map_err(|error| format!("valkey91-benchmark: {error}"))?;
    let run = under_writes(&master, &replica, plan);
    // Gone already is as good.
    let _ = writes.kill();
    let _ = writes.wait();
    run
}

fn under_writes(master: &Server, replica: &Server, plan: &Plan) -> Outcome<Run> {
    let probe = Load::start(master, plan.keys, 0)?;
    std::thread::sleep(BEFORE);
    let idle = master.memory();
    let stop = Arc::new(AtomicBool::new(false));
    let extra = Arc::new(AtomicU64::new(0));
    let (began, ended) = std::thread::scope(|scope| {
        scope.spawn(|| watch_memory(master, idle, &stop, &extra));
        let followed = follow(master, replica);
        stop.store(true, Relaxed);
        followed
    })?;
    let timed = probe.stop()?;
    let (before, during) =
        timed.into_iter().filter(|(at, _)| *at < ended).partition::<Vec<_>, _>(|(at, _)| *at < began);
    Ok(Run {
        seconds: (ended - began).as_secs_f64(),
        extra_mib: extra.load(Relaxed) as f64 / MIB,
        before_us: at_part(&before, 0.999),
        during_us: at_part(&during, 0.999),
        longest_us: at_part(&during, 1.0),
    })
}

/// Tells a server to follow: when it was told, and when it had caught up.
fn follow(master: &Server, replica: &Server) -> Outcome<(Instant, Instant)> {
    let (mut of_master, mut of_replica) = (Observer::new(master)?, Observer::new(replica)?);
    let mut control = replica.connect()?;
    let began = Instant::now();
    let order: [&[u8]; 3] = [b"REPLICAOF", b"127.0.0.1", master.port().as_bytes()];
    control.call(&order).map_err(|error| format!("{}: REPLICAOF: {error}", replica.name))?;
    while began.elapsed() < CATCH_UP_MAX {
        // Only a replica whose link stands is asked how far it is, so that the master is not disturbed before.
        if of_replica.link_is_up()? {
            let target = of_master.offset()?;
            if of_replica.offset()? >= target {
                return Ok((began, Instant::now()));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(format!("{}: the replica does not catch up", replica.name))
}

fn watch_memory(master: &Server, idle: Memory, stop: &AtomicBool, extra: &AtomicU64) {
    while !stop.load(Relaxed) {
        let memory = master.memory();
        extra.fetch_max(memory.child_private + memory.resident.saturating_sub(idle.resident), Relaxed);
        std::thread::sleep(MEMORY_EVERY);
    }
}

/// The time in microseconds that this part of the writes stayed below.
fn at_part(timed: &[(Instant, Duration)], part: f64) -> f64 {
    let mut micros: Vec<f64> = timed.iter().map(|(_, span)| span.as_secs_f64() * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    micros.get((micros.len().saturating_sub(1) as f64 * part).round() as usize).copied().unwrap_or(0.0)
}
