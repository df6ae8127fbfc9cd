//! What goes wrong while a run is in its stormy part, and how the operator reacts: cut links, partitions, stopped and
//! killed processes, broken disks, and changes of who follows whom.

use std::time::Duration;

use crate::env::Env;
use crate::machine::{Machine, PORT, name_of};
use crate::network::Party;
use crate::queue::Event;
use crate::workload::{Words, words};

/// Who is meant to follow whom. Never a circle; there may be several masters.
pub(crate) struct Topology {
    /// Each machine's master.
    pub follows: Vec<Option<usize>>,
}

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
        Topology { follows }
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
    match env.rng.u8(..100) {
        0..34 => cut(env),
        34..46 => partition(env),
        46..52 => stop(&mut machines[index], env),
        52..62 => kill(&mut machines[index], topology, env),
        62..72 => reattach(index, topology, env),
        72..79 => {
            if let Some(master) = topology.follows[index] {
                env.trace("op", &format!("{} takes over from {}", name_of(index), name_of(master)));
                topology.promote(index);
            }
        }
        79..83 => {
            if topology.follows[index].take().is_some() {
                env.trace("op", &format!("{} is made a master", name_of(index)));
            }
        }
        83..91 => give_order(&mut machines[index], words(&["BGSAVE"]), env),
        91..94 => {
            let broken = !machines[index].disk.borrow().broken;
            machines[index].disk.borrow_mut().broken = broken;
            env.trace(&name_of(index), &format!("disk broken={broken}"));
        }
        94..97 => give_order(&mut machines[index], words(&["SHUTDOWN", "SAVE", "FORCE"]), env),
        _ => flap(&mut machines[index], topology, env),
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

fn kill(machine: &mut Machine, topology: &Topology, env: &mut Env) {
    if machine.node.is_none() {
        return;
    }
    let silently = env.rng.u8(..4) == 0;
    let span = env.span_ms(20, 6_000);
    env.trace(&machine.name, &format!("is killed{}, starts in {span:?}", if silently { " silently" } else { "" }));
    take_down(machine, topology, silently, span, env);
}

/// Ends a process and lets it start again; its configuration file names the master it is meant to follow.
pub(crate) fn take_down(machine: &mut Machine, topology: &Topology, silently: bool, span: Duration, env: &mut Env) {
    env.figures.kills += 1;
    machine.kill(env, silently);
    machine.configured = topology.follows[machine.index];
    env.after(span, Event::Restart(machine.index));
}

fn reattach(index: usize, topology: &mut Topology, env: &mut Env) {
    let master = env.rng.usize(..env.plan.nodes);
    if index != master && topology.attach(index, master) {
        env.trace("op", &format!("{} is to follow {}", name_of(index), name_of(master)));
    }
}

/// A hasty operator: another master, and back at once.
fn flap(machine: &mut Machine, topology: &Topology, env: &mut Env) {
    let other = env.rng.usize(..env.plan.nodes);
    let Some(master) = topology.follows[machine.index] else { return };
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
