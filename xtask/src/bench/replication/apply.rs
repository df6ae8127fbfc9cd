//! How fast a replica applies a backlog: it is stopped while its master takes writes, then let go.

use std::time::{Duration, Instant};

use super::{Better, KINDS, NAMES, Observer, Plan, Row, run_sets, start, wait_caught_up};
use crate::Outcome;
use crate::bench::servers::{Kind, Programs};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// As large that the stream of the stopped replica stays in memory.
const BACKLOG: [&str; 2] = ["--repl-backlog-size", "512mb"];

pub(super) fn measure(programs: &Programs, plan: &Plan) -> Outcome<Vec<Row>> {
    let mut rates: [Vec<f64>; 2] = Default::default();
    let mut costs: [Vec<f64>; 2] = Default::default();
    for round in 1..=plan.rounds {
        for (at, kind) in KINDS.into_iter().enumerate() {
            let (rate, cpu_us) = apply(programs, kind, plan.backlog_commands)?;
            println!("round {round}: {kind:?}: {rate:.0} thousand commands a second applied, {cpu_us:.3} us each");
            rates[at].push(rate);
            costs[at].push(cpu_us);
        }
    }
    let name = |text: &str| format!("a replica out of a backlog of {} SETs, {text}", plan.backlog_commands);
    Ok(vec![
        Row::new(name("thousand applied a second"), 0, Better::More, rates),
        Row::new(name("its processor time for each, µs"), 2, Better::Less, costs),
    ])
}

/// Thousand commands a second, and the replica's processor time for one in microseconds.
fn apply(programs: &Programs, kind: Kind, commands: u64) -> Outcome<(f64, f64)> {
    let master = start(programs, kind, &BACKLOG, 0)?;
    let replicaof = ["--replicaof", "127.0.0.1", master.port()];
    let replica = start(programs, kind, &[&BACKLOG[..], &replicaof[..]].concat(), 1)?;
    run_sets(&master, 3 * NAMES)?;
    let replicas = [replica];
    wait_caught_up(&master, &replicas)?;
    let [replica] = &replicas;
    let mut observer = Observer::new(replica)?;
    let syncs = master.number("sync_full")?;
    replica.signal("STOP")?;
    let sent = run_sets(&master, commands);
    // The master has only to hand out what it holds.
    let target = Observer::new(&master).and_then(|mut master| master.offset());
    master.pin(1);
    replica.pin(0);
    replica.signal("CONT")?;
    let (began, before) = (Instant::now(), replica.cpu_seconds());
    sent?;
    observer.wait_for_offset(target?, LOOK_EVERY)?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), replica.cpu_seconds() - before);
    if master.number("sync_full")? != syncs {
        return Err(format!("{}: the replica was lost and synchronised again", master.name));
    }
    Ok((commands as f64 / seconds / 1e3, used / commands as f64 * 1e6))
}
