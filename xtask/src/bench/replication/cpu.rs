//! The master's processor time for a SET with no replica, one and two.

use super::{Better, KINDS, NAMES, Plan, Row, run_sets, start, wait_caught_up};
use crate::Outcome;
use crate::bench::servers::{Kind, Programs, Server};

const REPLICAS_MAX: usize = 2;

/// A master with its replicas.
struct Side {
    master: Server,
    replicas: Vec<Server>,
}

pub(super) fn measure(programs: &Programs, plan: &Plan) -> Outcome<Vec<Row>> {
    let mut figures: Vec<[Vec<f64>; 2]> = vec![Default::default(); REPLICAS_MAX + 1];
    for round in 1..=plan.rounds {
        let mut sides = Vec::new();
        for kind in KINDS {
            let master = start(programs, kind, &[], 0)?;
            // Names are drawn at random: three times as many draws as names leave few of them out.
            run_sets(&master, 3 * NAMES)?;
            sides.push(Side { master, replicas: Vec::new() });
        }
        for (count, figures) in figures.iter_mut().enumerate() {
            for (at, kind) in KINDS.into_iter().enumerate() {
                let side = &mut sides[at];
                side.follow(programs, kind, count)?;
                let cpu = side.cpu_us(plan)?;
                println!("round {round}: {}, {count} replicas: {cpu:.3} us per SET", side.master.name);
                figures[at].push(cpu);
            }
        }
    }
    let name = |count| format!("master's processor time per SET, {count} replicas, µs");
    let rows = figures.into_iter().enumerate();
    Ok(rows.map(|(count, figures)| Row::new(name(count), 2, Better::Less, figures)).collect())
}

impl Side {
    /// Makes it so many replicas.
    fn follow(&mut self, programs: &Programs, kind: Kind, count: usize) -> Outcome<()> {
        while self.replicas.len() < count {
            self.replicas.push(start(programs, kind, &["--replicaof", "127.0.0.1", self.master.port()], 1)?);
        }
        wait_caught_up(&self.master, &self.replicas)
    }

    fn cpu_us(&self, plan: &Plan) -> Outcome<f64> {
        let (syncs, before) = (self.master.number("sync_full")?, self.master.cpu_seconds());
        run_sets(&self.master, plan.requests)?;
        wait_caught_up(&self.master, &self.replicas)?;
        let used = self.master.cpu_seconds() - before;
        if self.master.number("sync_full")? != syncs {
            return Err(format!("{}: a replica was lost and synchronised again", self.master.name));
        }
        Ok(used / plan.requests as f64 * 1e6)
    }
}
