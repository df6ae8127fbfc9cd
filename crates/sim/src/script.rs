//! One story, told step by step, in a world where nothing goes wrong by itself: for the regression tests of what the
//! seeds found. All invariants are checked meanwhile.

use std::time::Duration;

use base::Time;
use config::{Appendfsync, SavePoint};
use keyspace::{Str, ValueRef};

use crate::faults::{follow, give_order, take_down};
use crate::invariants::difference;
use crate::machine::{Machine, PORT, name_of};
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
        let mut plan = Plan::calm(nodes);
        plan.weather.window = window;
        Script::with_plan(plan)
    }

    /// The same, with these directives in every configuration file.
    pub fn with_settings(nodes: usize, settings: &[(&str, &str)]) -> Script {
        let mut plan = Plan::calm(nodes);
        for (name, value) in settings {
            match (*name, *value) {
                ("save", "1000 1000") => plan.config.save = vec![SavePoint { seconds: 1_000, changes: 1_000 }],
                ("appendonly", value) => plan.config.appendonly = value == "yes",
                ("appendfsync", "always") => plan.config.appendfsync = Appendfsync::Always,
                ("appendfsync", "everysec") => plan.config.appendfsync = Appendfsync::Everysec,
                ("appendfsync", "no") => plan.config.appendfsync = Appendfsync::No,
                other => panic!("no script needed {other:?} yet"),
            }
        }
        Script::with_plan(plan)
    }

    fn with_plan(plan: Plan) -> Script {
        let nodes = plan.nodes;
        let options = Options { print_trace: std::env::var_os("SIM_TRACE").is_some(), ..Options::of_seed(1) };
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

    /// Types a command and waits for what the node answers.
    pub fn ask(&mut self, node: usize, command: &str) -> String {
        self.world.machines[node].console_said.clear();
        self.order(node, command);
        self.wait("an answer", |machines| !machines[node].console_said.is_empty());
        String::from_utf8_lossy(&self.world.machines[node].console_said).into_owned()
    }

    /// A master hands over to a replica; the others are not told.
    pub fn hand_over(&mut self, master: usize, target: usize) {
        let (world, name) = (&mut self.world, name_of(target));
        world.topology.failing_over = Some((master, world.env.now()));
        let order = words(&["FAILOVER", "TO", &name, &PORT.to_string()]);
        give_order(&mut world.machines[master], order, &mut world.env);
        self.wait("it has handed over", |machines| machines[master].follows() == Some(target));
        let topology = &mut self.world.topology;
        topology.failing_over = None;
        (topology.follows[master], topology.follows[target]) = (Some(target), None);
    }

    /// Two nodes do not hear each other for a while; nothing is lost.
    pub fn partition(&mut self, a: usize, b: usize, span_ms: u64) {
        let env = &mut self.world.env;
        let (now, until) = (env.now(), env.now() + Duration::from_millis(span_ms));
        let ends = [Party::Machine(a), Party::Machine(b)];
        env.network.partition_until(now, ends, until, &mut env.queue);
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

    /// A node's machine dies, and starts again after a while.
    pub fn lose_machine(&mut self, node: usize, down_ms: u64) {
        let world = &mut self.world;
        let span = Duration::from_millis(down_ms);
        take_down(&mut world.machines[node], &world.topology, true, span, &mut world.env);
    }

    /// Every sync of a node's disk takes so long.
    pub fn slow_disk(&mut self, node: usize, span_ms: u64) {
        self.world.machines[node].disk.borrow_mut().sync_span = Some(Duration::from_millis(span_ms));
    }

    /// The next sync of a node's disk fails.
    pub fn fail_next_sync(&mut self, node: usize) {
        self.world.machines[node].disk.borrow_mut().sync_fails = true;
    }

    /// A node's disk takes nothing more.
    pub fn fill_disk(&mut self, node: usize) {
        self.world.machines[node].disk.borrow_mut().room = Some(0);
    }

    /// Stops a node (SIGSTOP), or lets it go on.
    pub fn set_stopped(&mut self, node: usize, stopped: bool) {
        self.world.machines[node].set_stopped(stopped, &mut self.world.env);
    }

    /// Whom a node that is down is to follow when it starts.
    pub fn set_configured(&mut self, node: usize, master: Option<usize>) {
        self.world.topology.follows[node] = master;
        self.world.machines[node].configured = master;
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

    /// Waits until what a node writes is in its append-only file.
    pub fn until_appending(&mut self, node: usize) {
        self.wait("it appends", |machines| machines[node].facts().is_some_and(|facts| facts.aof.on));
    }

    /// Waits until what a node writes is in no file of which it is known what is on disk.
    pub fn until_distrusting(&mut self, node: usize) {
        self.wait("it trusts its files no more", |machines| machines[node].facts().is_some_and(|facts| !facts.aof.on));
    }

    /// Waits until a node replaces the manifest of its append-only files.
    pub fn until_publishing(&mut self, node: usize) {
        self.wait("the manifest is being replaced", |machines| machines[node].is_running("aof publish"));
    }

    /// Waits until a node's process has ended of its own accord, as it was told.
    pub fn until_ended(&mut self, node: usize) {
        self.wait("it ends", |machines| machines[node].node.is_none());
    }

    /// Waits until a replica gets its master's stream.
    pub fn until_streaming(&mut self, node: usize) {
        self.wait("the stream comes in", |machines| machines[node].facts().is_some_and(|facts| facts.link_up));
    }

    /// Whether what a node writes is in its append-only file.
    pub fn is_appending(&self, node: usize) -> bool {
        self.world.machines[node].facts().is_some_and(|facts| facts.aof.on)
    }

    /// Whether a replica gets its master's stream.
    pub fn is_streaming(&self, node: usize) -> bool {
        self.world.machines[node].facts().is_some_and(|facts| facts.link_up)
    }

    /// The replication id under which a node goes on, and its offset.
    pub fn place(&self, node: usize) -> Option<(String, u64)> {
        self.world.machines[node].facts().map(|facts| (facts.replid.to_string(), facts.end))
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
