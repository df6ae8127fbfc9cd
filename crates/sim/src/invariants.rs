//! What must never happen, one invariant a file. They look at nodes between turns, when no unit is half done.

mod acknowledged;
mod convergence;
mod digests;
mod durable;
mod memory;
mod offsets;
mod resync;
mod stream_bytes;
mod transactions;

use base::Time;
use node::Node;

pub(crate) use convergence::difference;

use crate::client::Claim;
use crate::env::Env;
use crate::inspect::inspect;
use crate::machine::Machine;
use crate::report::Violation;

/// The names of all invariants.
pub const NAMES: [&str; 9] = [
    "acknowledged",
    "convergence",
    "digests",
    "durable",
    "memory",
    "offsets",
    "resync",
    "stream_bytes",
    "transactions",
];

/// How many turns of a machine pass between two looks at its acknowledged writes.
const TURNS_BETWEEN_LOOKS: u64 = 8;

/// All checkers with what they remember.
pub(crate) struct Invariants {
    /// Only these are checked, if any are named.
    only: Vec<&'static str>,
    acknowledged: acknowledged::Acknowledged,
    digests: digests::Digests,
    durable: durable::Durable,
    memory: memory::Memory,
    offsets: offsets::Offsets,
    resync: resync::Resync,
    stream_bytes: stream_bytes::StreamBytes,
    turns: u64,
}

/// What a checker found; the text says what was seen.
pub(crate) type Verdict = Result<(), String>;

impl Invariants {
    /// Nothing seen yet. `keep_listings`: a difference between data sets is shown key by key.
    pub fn new(nodes: usize, only: Vec<&'static str>, keep_listings: bool) -> Invariants {
        Invariants {
            only,
            acknowledged: acknowledged::Acknowledged::new(nodes),
            digests: digests::Digests::new(keep_listings),
            durable: durable::Durable::new(nodes),
            memory: memory::Memory::new(nodes),
            offsets: offsets::Offsets::new(nodes),
            resync: resync::Resync::default(),
            stream_bytes: stream_bytes::StreamBytes::new(nodes),
            turns: 0,
        }
    }

    fn check(&self, invariant: &'static str, verdict: Verdict) -> Result<(), Violation> {
        match verdict {
            Err(text) if self.only.is_empty() || self.only.contains(&invariant) => Err(Violation { invariant, text }),
            _ => Ok(()),
        }
    }

    /// Looks at a machine after its turn.
    pub fn after_turn(&mut self, machine: &mut Machine, env: &mut Env) -> Result<(), Violation> {
        self.turns += 1;
        for answered in std::mem::take(&mut machine.sockets.answered) {
            env.figures.answers_checked += 1;
            self.check("resync", self.resync.answer(machine, &answered, env))?;
        }
        self.check("resync", resync::question(machine))?;
        if let Some(complaint) = machine.complaint.take() {
            self.check("digests", Err(format!("{}: {complaint}", machine.name)))?;
        }
        let Some(facts) = machine.facts() else { return Ok(()) };
        let verdict = self.durable.look(machine, &facts, env.now(), &mut env.figures);
        self.check("durable", verdict)?;
        let Some(node) = &machine.node else { return Ok(()) };
        self.resync.note(&facts);
        let verdict = self.offsets.look(machine.index, machine.generation, &facts);
        self.check("offsets", verdict)?;
        let verdict = self.stream_bytes.look(machine.index, machine.generation, &facts, node, &mut env.figures);
        self.check("stream_bytes", verdict)?;
        let verdict = self.memory.look(machine.index, &facts, node);
        self.check("memory", verdict)?;
        if self.digests.wants(&facts, env) {
            let seen = inspect(node.keyspace());
            let verdict = self.digests.look(machine.index, &facts, &seen, node.keyspace(), env);
            self.check("digests", verdict)?;
            self.check("transactions", transactions::look(machine.index, &seen))?;
        }
        if self.turns.is_multiple_of(TURNS_BETWEEN_LOOKS) {
            let verdict = self.acknowledged.look(machine);
            self.check("acknowledged", verdict)?;
        }
        Ok(())
    }

    /// A client was told something.
    pub fn claimed(&mut self, claim: &Claim, machines: &[Machine], env: &mut Env) -> Result<(), Violation> {
        match claim {
            Claim::Written { marker, by, since } => {
                self.durable.written(*marker, &machines[*by], *since);
                let verdict = self.acknowledged.written(*marker, &machines[*by], *since);
                self.check("acknowledged", verdict)
            }
            Claim::Replicated { marker, by, replicas, since } => {
                env.figures.waits += 1;
                let verdict = self.acknowledged.replicated((*marker, *replicas), *by, *since, machines, &env.network);
                self.check("acknowledged", verdict)
            }
            Claim::OnDisk { marker, by, local, replicas, since } => {
                env.figures.waits_for_disks += 1;
                let disks = (*local, *replicas);
                let verdict = self.durable.on_disk(*marker, disks, &machines[*by], *since, machines);
                self.check("durable", verdict)
            }
            Claim::Halves { by, reply } => self.check("transactions", transactions::shown(*by, reply)),
        }
    }

    /// The end: everything was healed long ago, or is equal.
    pub fn at_the_end(&mut self, machines: &[Machine], healed_at: Time, env: &Env) -> Result<(), Violation> {
        if let Some(difference) = difference(machines) {
            let seconds = env.now().seconds_since(healed_at);
            let text = format!("{seconds} s after healing: {difference}");
            return self.check("convergence", Err(text));
        }
        for machine in machines {
            let verdict = self.acknowledged.look(machine);
            self.check("acknowledged", verdict)?;
            if let Some(node) = &machine.node {
                self.check("memory", memory::at_rest(machine.index, node))?;
            }
        }
        Ok(())
    }
}

/// A node that is up.
fn up(machine: &Machine) -> Option<&Node> {
    machine.node.as_ref()
}
