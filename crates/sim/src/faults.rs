//! What goes wrong while a run is in its stormy part, and how the operator reacts: cut links, partitions, stopped and
//! killed processes, machines that die, disks that are full or fail, and changes of who follows whom. In a switch storm
//! nothing goes wrong but the operator.

use std::time::Duration;

use base::Time;

use crate::env::Env;
use crate::machine::{Machine, PORT, name_of};
use crate::network::Party;
use crate::queue::Event;
use crate::workload::{Words, words};

/// Who is meant to follow whom. Never a circle; there may be several masters.
pub(crate) struct Topology {
    /// Each machine's master.
    pub follows: Vec<Option<usize>>,
    /// The machine that was told FAILOVER, and when: until it is over, who follows whom is its own affair.
    pub failing_over: Option<(usize, Time)>,
}

/// How long the operator waits for a FAILOVER before it gives it up.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a FAILOVER is left alone at least: the order must have come first.
const FAILOVER_SPAN_MIN: Duration = Duration::from_millis(200);

impl Topology {
    /// Everybody below machine `root`, in a random tree.
    pub fn tree(nodes: usize, root: usize, rng: &mut fastrand::Rng) -> Topology {
        let mut follows = vec![None; nodes];
        let mut placed = vec![root];
        let mut rest: Vec<usize> = (0..nodes).filter(|index| *index != root).collect();
        rng.shuffle(&mut rest);
        for index in rest {
            follows[index] = Some(placed[rng.usize(..placed.len())]);
            placed.push(index);
        }
        Topology { follows, failing_over: None }
    }

    /// Those that follow nobody.
    pub fn masters(&self) -> Vec<usize> {
        (0..self.follows.len()).filter(|index| self.follows[*index].is_none()).collect()
    }

    /// Whether `below` follows `above`, directly or through others.
    fn is_below(&self, below: usize, above: usize) -> bool {
        let mut at = Some(below);
        while let Some(index) = at {
            if index == above {
                return true;
            }
            at = self.follows[index];
        }
        false
    }

    /// A machine follows another one, if that makes no circle.
    fn attach(&mut self, index: usize, master: usize) -> bool {
        let fits = !self.is_below(master, index) && self.follows[index] != Some(master);
        if fits {
            self.follows[index] = Some(master);
        }
        fits
    }

    /// Whether a machine takes part in a FAILOVER, so that the operator leaves it alone.
    pub fn is_failing_over(&self, index: usize) -> bool {
        self.failing_over.is_some_and(|(master, _)| index == master || self.follows[index] == Some(master))
    }

    /// Sees whether a FAILOVER is over, and takes note of what it led to.
    pub fn watch_failover(&mut self, machines: &mut [Machine], env: &mut Env) {
        let Some((master, since)) = self.failing_over else { return };
        let Some(facts) = machines[master].facts() else {
            self.failing_over = None; // The process died: the operator goes on as before.
            return;
        };
        let waited = env.now().since(since);
        if waited < FAILOVER_SPAN_MIN || !machines[master].orders.is_empty() {
            return;
        }
        if facts.failing_over {
            if waited >= FAILOVER_PATIENCE {
                give_order(&mut machines[master], words(&["FAILOVER", "ABORT"]), env);
            }
            return;
        }
        self.failing_over = None;
        let Some(target) = machines[master].follows() else { return };
        if self.follows[target] == Some(master) {
            env.figures.failovers_done += 1;
            env.trace("op", &format!("{} has handed over to {}", name_of(master), name_of(target)));
            self.follows[target] = None;
            self.follows[master] = Some(target);
        }
    }

    /// A replica takes over from its master: the others follow it.
    fn promote(&mut self, index: usize) {
        let Some(master) = self.follows[index].take() else { return };
        for other in 0..self.follows.len() {
            if other != index && self.follows[other] == Some(master) {
                self.follows[other] = Some(index);
            }
        }
        if self.follows[master].is_none() {
            self.follows[master] = Some(index);
        }
    }
}

/// Lets one thing go wrong.
pub(crate) fn strike(machines: &mut [Machine], topology: &mut Topology, env: &mut Env) {
    let index = env.rng.usize(..machines.len());
    match env.rng.u8(..125) {
        0..34 => cut(env),
        34..46 => partition(env),
        46..52 => stop(&mut machines[index], env),
        52..62 => kill(&mut machines[index], topology, env),
        62..72 => reattach(index, topology, env),
        72..79 => take_over(index, topology, env),
        79..83 => make_master(index, topology, env),
        83..91 => give_order(&mut machines[index], words(&["BGSAVE"]), env),
        91..94 => {
            let room = if machines[index].disk.borrow().room.is_some() { None } else { Some(env.rng.usize(..400)) };
            machines[index].disk.borrow_mut().room = room;
            env.trace(&name_of(index), &format!("disk room={room:?}"));
        }
        94..97 => give_order(&mut machines[index], words(&["SHUTDOWN", "SAVE", "FORCE"]), env),
        97..100 => flap(&mut machines[index], topology, env),
        100..104 => {
            machines[index].disk.borrow_mut().sync_fails = true;
            env.trace(&name_of(index), "the next sync fails");
        }
        104..109 => fail_over(machines, topology, env),
        109..114 => give_order(&mut machines[index], words(&["BGREWRITEAOF"]), env),
        114..119 => {
            let value = if env.rng.u8(..3) == 0 { "no" } else { "yes" };
            machines[index].aof_changed_at = env.now();
            give_order(&mut machines[index], words(&["CONFIG", "SET", "appendonly", value]), env);
        }
        119..122 => {
            let policy = ["always", "everysec", "no"][env.rng.usize(..3)];
            give_order(&mut machines[index], words(&["CONFIG", "SET", "appendfsync", policy]), env);
        }
        _ => {
            // In the middle of a rewrite, or of the first one.
            give_order(&mut machines[index], words(&["BGREWRITEAOF"]), env);
            let span = env.span_ms(0, 200);
            env.after(span, Event::Kill(index));
        }
    }
}

/// One step of a switch storm.
pub(crate) fn switch(machines: &mut [Machine], topology: &mut Topology, env: &mut Env) {
    let index = env.rng.usize(..machines.len());
    match env.rng.u8(..100) {
        0..40 => reattach(index, topology, env),
        40..48 => flap(&mut machines[index], topology, env),
        48..75 => fail_over(machines, topology, env),
        75..95 => take_over(index, topology, env),
        _ => make_master(index, topology, env),
    }
}

/// A master hands over to one of its replicas.
fn fail_over(machines: &mut [Machine], topology: &mut Topology, env: &mut Env) {
    let masters = topology.masters();
    let master = masters[env.rng.usize(..masters.len())];
    if topology.failing_over.is_some() || machines[master].node.is_none() {
        return;
    }
    let replicas: Vec<usize> = (0..machines.len()).filter(|index| topology.follows[*index] == Some(master)).collect();
    let Some(target) = replicas.get(env.rng.usize(..replicas.len().max(1))) else { return };
    let (name, port) = (name_of(*target), PORT.to_string());
    let timeout = env.rng.u32(1..3_000).to_string();
    let order = match env.rng.u8(..5) {
        0 => words(&["FAILOVER"]),
        1 => words(&["FAILOVER", "TIMEOUT", &timeout]),
        2 => words(&["FAILOVER", "TO", &name, &port]),
        3 => words(&["FAILOVER", "TO", &name, &port, "TIMEOUT", &timeout]),
        _ => words(&["FAILOVER", "TO", &name, &port, "FORCE", "TIMEOUT", &timeout]),
    };
    env.figures.failovers_asked += 1;
    env.trace("op", &format!("{} is to hand over", name_of(master)));
    give_order(&mut machines[master], order, env);
    topology.failing_over = Some((master, env.now()));
    if env.rng.u8(..8) == 0 {
        give_order(&mut machines[master], words(&["FAILOVER", "ABORT"]), env);
    }
}

fn take_over(index: usize, topology: &mut Topology, env: &mut Env) {
    if let Some(master) = topology.follows[index]
        && !topology.is_failing_over(index)
    {
        env.trace("op", &format!("{} takes over from {}", name_of(index), name_of(master)));
        topology.promote(index);
    }
}

fn make_master(index: usize, topology: &mut Topology, env: &mut Env) {
    if !topology.is_failing_over(index) && topology.follows[index].take().is_some() {
        env.trace("op", &format!("{} is made a master", name_of(index)));
    }
}

/// Breaks one connection, a replica's more often than a client's.
fn cut(env: &mut Env) {
    let all: Vec<(u64, [Party; 2])> = env.network.open_connections().collect();
    let links: Vec<u64> =
        all.iter().filter(|(_, parties)| matches!(parties[0], Party::Machine(_))).map(|(key, _)| *key).collect();
    let keys = if links.is_empty() || env.rng.u8(..8) == 0 { all.iter().map(|(key, _)| *key).collect() } else { links };
    if keys.is_empty() {
        return;
    }
    let key = keys[env.rng.usize(..keys.len())];
    let mut noticed = [env.span_ms(0, 5), env.span_ms(0, 5)];
    if env.rng.u8(..3) == 0 {
        noticed[env.rng.usize(..2)] = env.span_ms(500, 30_000);
    }
    env.figures.cuts += 1;
    env.trace("net", &format!("connection {key} is cut, noticed after {noticed:?}"));
    env.network.cut(env.now(), key, noticed, &mut env.queue);
}

fn partition(env: &mut Env) {
    let (a, b) = (env.rng.usize(..env.plan.nodes), env.rng.usize(..env.plan.nodes));
    if a == b {
        return;
    }
    let span = if env.rng.bool() { env.span_ms(50, 1_500) } else { env.span_ms(2_000, 20_000) };
    env.figures.partitions += 1;
    env.trace("net", &format!("n{a} and n{b} do not hear each other for {span:?}"));
    let until = env.now() + span;
    env.network.partition_until(env.now(), [Party::Machine(a), Party::Machine(b)], until, &mut env.queue);
}

fn stop(machine: &mut Machine, env: &mut Env) {
    if machine.node.is_none() || machine.stopped {
        return;
    }
    let span = if env.rng.bool() { env.span_ms(50, 1_500) } else { env.span_ms(2_000, 15_000) };
    env.figures.stops += 1;
    env.trace(&machine.name, &format!("stops for {span:?}"));
    machine.set_stopped(true, env);
    env.after(span, Event::Resume(machine.index));
}

/// Kills a process, now and then with its machine.
pub(crate) fn kill(machine: &mut Machine, topology: &Topology, env: &mut Env) {
    if machine.node.is_none() {
        return;
    }
    let with_machine = env.rng.u8(..4) == 0;
    let span = env.span_ms(20, 6_000);
    let how = if with_machine { "dies with its machine" } else { "is killed" };
    env.trace(&machine.name, &format!("{how}, starts in {span:?}"));
    take_down(machine, topology, with_machine, span, env);
}

/// Ends a process and lets it start again; its configuration file names the master it is meant to follow.
pub(crate) fn take_down(machine: &mut Machine, topology: &Topology, with_machine: bool, span: Duration, env: &mut Env) {
    env.figures.kills += 1;
    env.figures.machines_lost += u64::from(with_machine);
    machine.kill(env, with_machine);
    machine.configured = topology.follows[machine.index];
    env.after(span, Event::Restart(machine.index));
}

fn reattach(index: usize, topology: &mut Topology, env: &mut Env) {
    let master = env.rng.usize(..env.plan.nodes);
    let busy = topology.is_failing_over(index) || topology.is_failing_over(master);
    if index != master && !busy && topology.attach(index, master) {
        env.trace("op", &format!("{} is to follow {}", name_of(index), name_of(master)));
    }
}

/// A hasty operator: another master, and back at once.
fn flap(machine: &mut Machine, topology: &Topology, env: &mut Env) {
    let other = env.rng.usize(..env.plan.nodes);
    let Some(master) = topology.follows[machine.index] else { return };
    if topology.is_failing_over(machine.index) {
        return;
    }
    if other != machine.index && !topology.is_below(other, machine.index) {
        give_order(machine, follow(Some(other)), env);
        give_order(machine, follow(Some(master)), env);
    }
}

/// REPLICAOF in words.
pub(crate) fn follow(master: Option<usize>) -> Words {
    match master {
        Some(master) => words(&["REPLICAOF", &name_of(master), &PORT.to_string()]),
        None => words(&["REPLICAOF", "NO", "ONE"]),
    }
}

/// Types a command at a machine's console.
pub(crate) fn give_order(machine: &mut Machine, order: Words, env: &mut Env) {
    if machine.node.is_some() {
        machine.orders.push_back(order);
        machine.wake(env);
    }
}
