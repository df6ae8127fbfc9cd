//! One story, told step by step, in a world where nothing goes wrong by itself: for the regression tests of what the
//! seeds found. All invariants are checked meanwhile.

use std::time::Duration;

use base::Time;
use keyspace::{Str, ValueRef};

use crate::faults::{follow, give_order, take_down};
use crate::invariants::difference;
use crate::machine::Machine;
use crate::network::Party;
use crate::plan::Plan;
use crate::queue::Event;
use crate::run::Options;
use crate::workload::words;
use crate::world::World;

/// How long a story waits for something at most, in simulated time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A story about a few nodes. Node 0 is the master of all others at the beginning.
pub struct Script {
    world: World,
}

impl Script {
    /// So many nodes, all of them following node 0 once they are up.
    pub fn new(nodes: usize) -> Script {
        Script::with_window(nodes, 100_000)
    }

    /// The same, on connections that take so many bytes that nobody has read.
    pub fn with_window(nodes: usize, window: usize) -> Script {
        let options = Options { print_trace: std::env::var_os("SIM_TRACE").is_some(), ..Options::of_seed(1) };
        let mut plan = Plan::calm(nodes);
        plan.weather.window = window;
        let mut world = World::with_plan(&options, plan, fastrand::Rng::with_seed(1));
        world.topology.follows = (0..nodes).map(|index| (index > 0).then_some(0)).collect();
        world.begin();
        Script { world }
    }

    /// Lets time pass.
    pub fn run_ms(&mut self, span: u64) {
        let until = self.now() + Duration::from_millis(span);
        while self.now() < until {
            self.step();
        }
    }

    /// Types a command at a node's console and lets the node run it.
    pub fn order(&mut self, node: usize, command: &str) {
        let command = words(&command.split(' ').collect::<Vec<_>>());
        give_order(&mut self.world.machines[node], command, &mut self.world.env);
        self.wait("the order is carried out", |machines| {
            machines[node].node.is_none() || machines[node].orders.is_empty()
        });
    }

    /// A node is to follow another one, or none; the operator repeats it until it is so.
    pub fn follow(&mut self, node: usize, master: Option<usize>) {
        self.world.topology.follows[node] = master;
        give_order(&mut self.world.machines[node], follow(master), &mut self.world.env);
        self.wait("it follows", |machines| machines[node].follows() == master);
    }

    /// Breaks all connections between two nodes; both notice at once.
    pub fn cut(&mut self, a: usize, b: usize) {
        let env = &mut self.world.env;
        let ends = [Party::Machine(a), Party::Machine(b)];
        let all: Vec<(u64, [Party; 2])> = env.network.open_connections().collect();
        for (key, parties) in all {
            if ends.contains(&parties[0]) && ends.contains(&parties[1]) {
                env.network.cut(env.clock.get(), key, [Duration::ZERO; 2], &mut env.queue);
            }
        }
    }

    /// Kills a node, which starts again after a while.
    pub fn kill(&mut self, node: usize, down_ms: u64) {
        let world = &mut self.world;
        let span = Duration::from_millis(down_ms);
        take_down(&mut world.machines[node], &world.topology, false, span, &mut world.env);
    }

    /// Stops a node (SIGSTOP), or lets it go on.
    pub fn set_stopped(&mut self, node: usize, stopped: bool) {
        self.world.machines[node].set_stopped(stopped, &mut self.world.env);
    }

    /// A killed node starts at once.
    pub fn restart(&mut self, node: usize) {
        self.world.env.after(Duration::ZERO, Event::Restart(node));
        self.wait("it is up", |machines| machines[node].node.is_some());
    }

    /// Waits until all nodes are equal.
    pub fn until_equal(&mut self) {
        self.wait("all nodes are equal", |machines| difference(machines).is_none());
    }

    /// Waits until a node builds the data set that it received.
    pub fn until_building(&mut self, node: usize) {
        self.wait("it loads", |machines| machines[node].is_building());
    }

    /// Waits until a replica has the beginning of a transaction but not its end.
    pub fn until_inside_unit(&mut self, node: usize) {
        self.wait("a transaction is half received", |machines| {
            machines[node].link.as_ref().is_some_and(|link| link.relay.is_inside_unit())
        });
    }

    /// The string at a key of a database.
    pub fn get(&self, node: usize, db: usize, key: &str) -> Option<String> {
        let keyspace = self.world.machines[node].node.as_ref()?.keyspace();
        let mut found = None;
        keyspace.for_each(db, |name, value, _| {
            if name == key.as_bytes()
                && let ValueRef::String(text) = value
            {
                found = Some(Str::with_bytes(&text, |bytes| String::from_utf8_lossy(bytes).into_owned()));
            }
        });
        found
    }

    /// How many full and partial synchronisations there were.
    pub fn synchronisations(&self) -> (u64, u64) {
        (self.world.env.figures.full_syncs, self.world.env.figures.partial_syncs)
    }

    fn now(&self) -> Time {
        self.world.env.now()
    }

    fn step(&mut self) {
        if let Err(violation) = self.world.step() {
            let outcome = self.world.outcome(Some(violation.clone()));
            panic!("{}\n{}: {}", outcome.last_lines.join("\n"), violation.invariant, violation.text);
        }
    }

    fn wait(&mut self, what: &str, reached: impl Fn(&[Machine]) -> bool) {
        let until = self.now() + PATIENCE;
        while !reached(&self.world.machines) {
            if self.now() >= until {
                let outcome = self.world.outcome(None);
                panic!("{}\nin vain: {what}", outcome.last_lines.join("\n"));
            }
            self.step();
        }
    }
}
