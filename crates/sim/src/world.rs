//! One run: a stormy part of so many events, then everything heals and the nodes have a bounded time to become equal.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use base::Time;

use crate::client::Client;
use crate::env::Env;
use crate::faults::{Topology, follow, give_order, kill, strike, switch, take_down};
use crate::invariants::{Invariants, difference};
use crate::machine::{Machine, StartSource};
use crate::network::{Network, Party};
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::report::{Figures, Outcome, Violation};
use crate::run::Options;
use crate::trace::Trace;
use crate::workload::words;

/// How often the operator looks.
const OPERATOR_PERIOD: Duration = Duration::from_millis(500);

/// How long clients go on after everything is healed.
const CLIENTS_AFTER_HEALING: Duration = Duration::from_secs(2);

/// How long the nodes have to become equal after that.
const CONVERGENCE_MAX: Duration = Duration::from_secs(240);

/// A simulated world.
pub(crate) struct World {
    pub env: Env,
    pub machines: Vec<Machine>,
    clients: Vec<Client>,
    pub topology: Topology,
    invariants: Invariants,
    options: Options,
    /// When everything was healed; None: it storms.
    healed_at: Option<Time>,
    converged: bool,
    /// How many steps of a switch storm were made.
    switched: u64,
}

impl World {
    /// A world as its seed lays it out.
    pub fn new(options: &Options) -> World {
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let plan = if options.storm { Plan::storm(&mut rng) } else { Plan::new(&mut rng) };
        World::with_plan(options, plan, rng)
    }

    /// A world laid out like this.
    pub fn with_plan(options: &Options, plan: Plan, mut rng: fastrand::Rng) -> World {
        let topology = Topology::tree(plan.nodes, 0, &mut rng);
        let machines: Vec<Machine> =
            (0..plan.nodes).map(|index| Machine::new(index, rng.i64(-plan.skew_ms..=plan.skew_ms))).collect();
        let (writers, readers) = plan.clients;
        let clients = (0..writers + readers).map(|index| Client::new(index, index < writers)).collect();
        let invariants = Invariants::new(plan.nodes, options.only.clone(), options.print_trace);
        let env = Env {
            clock: Rc::new(Cell::new(Time(1_000_000))),
            rng,
            queue: Queue::default(),
            network: Network::new(plan.weather),
            trace: Trace::new(options.print_trace),
            board: vec![None; plan.nodes],
            plan,
            sabotage: options.sabotage,
            figures: Figures::default(),
        };
        World {
            env,
            machines,
            clients,
            topology,
            invariants,
            options: options.clone(),
            healed_at: None,
            converged: false,
            switched: 0,
        }
    }

    /// Runs to the end, or to the first violation.
    pub fn run(&mut self) -> Result<(), Violation> {
        self.begin();
        let mut events = 0;
        // A switch storm has its number of switches, whatever else happens meanwhile.
        while self.env.plan.switches.map_or(events < self.options.steps, |switches| self.switched < switches) {
            self.step()?;
            events += 1;
        }
        self.heal();
        while !self.converged {
            self.step()?;
        }
        let healed_at = self.healed_at.unwrap_or_default();
        self.invariants.at_the_end(&self.machines, healed_at, &self.env)
    }

    /// Starts everybody.
    pub fn begin(&mut self) {
        let env = &mut self.env;
        env.trace("sim", &format!("seed {}, {} nodes", self.options.seed, env.plan.nodes));
        for machine in &mut self.machines {
            machine.configured = self.topology.follows[machine.index];
            machine.start(env);
        }
        for client in &mut self.clients {
            let span = env.span_ms(1, 500);
            client.plan(span, env);
        }
        env.after(OPERATOR_PERIOD, Event::Operator);
        env.after(Duration::from_millis(env.plan.fault_ms.1), Event::Fault);
    }

    /// What the run came to.
    pub fn outcome(&self, violation: Option<Violation>) -> Outcome {
        let trace = &self.env.trace;
        Outcome {
            seed: self.options.seed,
            violation,
            figures: self.env.figures,
            trace: (trace.sum(), trace.lines()),
            last_lines: trace.last_lines(),
            seconds: self.env.now().0 / 1_000_000,
        }
    }

    /// The next event.
    pub fn step(&mut self) -> Result<(), Violation> {
        let (at, event) = self.env.queue.pop().expect("the operator always plans its next look");
        self.env.clock.set(at.max(self.env.now()));
        let env = &mut self.env;
        match event {
            Event::Turn(index) => {
                let machine = &mut self.machines[index];
                if machine.takes_turn_now(env) {
                    machine.turn(env);
                    self.invariants.after_turn(machine, env)?;
                    if machine.ended {
                        env.trace(&machine.name, "ends");
                        let span = env.span_ms(20, 3_000);
                        take_down(machine, &self.topology, false, span, env);
                    }
                }
            }
            Event::Arrive { key, side } => self.arrive(key, side)?,
            Event::ConnectDone(key) => self.connect_done(key),
            Event::Client(index) => self.clients[index].act(&self.topology.masters(), env),
            Event::Job { machine, job } => self.machines[machine].step_job(job, env),
            Event::Fault if self.healed_at.is_none() => {
                match env.plan.switches {
                    Some(_) => switch(&mut self.machines, &mut self.topology, env),
                    None => strike(&mut self.machines, &mut self.topology, env),
                }
                self.switched += 1;
                let (from, to) = env.plan.fault_ms;
                let span = env.span_ms(from, to);
                env.after(span, Event::Fault);
            }
            Event::Fault => {}
            Event::Operator => self.operate(),
            Event::Kill(index) if self.healed_at.is_none() => kill(&mut self.machines[index], &self.topology, env),
            Event::Kill(_) => {}
            Event::Restart(index) => self.restart(index),
            Event::Resume(index) => {
                if self.machines[index].stopped {
                    env.trace(&self.machines[index].name, "goes on");
                    self.machines[index].set_stopped(false, env);
                }
            }
        }
        Ok(())
    }

    fn arrive(&mut self, key: u64, side: usize) -> Result<(), Violation> {
        let Some(party) = self.env.network.get(key).map(|connection| connection.parties[side]) else { return Ok(()) };
        match party {
            Party::Machine(index) => self.machines[index].mark_ready(key, &mut self.env),
            Party::Client(index) => {
                for claim in self.clients[index].arrived(key, &mut self.env) {
                    self.invariants.claimed(&claim, &self.machines, &mut self.env)?;
                }
            }
        }
        Ok(())
    }

    fn connect_done(&mut self, key: u64) {
        let env = &mut self.env;
        let Some([from, Party::Machine(to)]) = env.network.get(key).map(|connection| connection.parties) else {
            return;
        };
        env.network.accepted(key);
        let accepted = self.machines[to].knock(key, env);
        match from {
            Party::Machine(index) => self.machines[index].link_answered(key, accepted, env),
            Party::Client(index) => self.clients[index].connected(key, accepted, env),
        }
        if !accepted {
            env.close((key, 1));
        }
    }

    fn restart(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if machine.node.is_some() {
            return;
        }
        machine.start(&mut self.env);
        let figures = &mut self.env.figures;
        match &machine.start_source {
            StartSource::Nothing => {}
            StartSource::File => figures.restarts_from_file += 1,
            StartSource::AppendOnly => figures.restarts_from_aof += 1,
        }
    }

    /// The operator makes what is into what should be, and sees whether it is over.
    fn operate(&mut self) {
        let env = &mut self.env;
        env.after(OPERATOR_PERIOD, Event::Operator);
        self.topology.watch_failover(&mut self.machines, env);
        for machine in &mut self.machines {
            let meant = self.topology.follows[machine.index];
            if self.topology.is_failing_over(machine.index) {
                continue;
            }
            if machine.node.is_some() && machine.follows() != meant && machine.orders.is_empty() {
                if meant.is_none() {
                    env.figures.promotions += 1;
                }
                give_order(machine, follow(meant), env);
            }
        }
        let Some(healed_at) = self.healed_at else { return };
        let since = env.now().since(healed_at);
        if since >= CLIENTS_AFTER_HEALING {
            self.clients.iter_mut().for_each(|client| client.quiet = true);
        }
        let settled = since >= CLIENTS_AFTER_HEALING * 3 && difference(&self.machines).is_none();
        self.converged = settled || since >= CLIENTS_AFTER_HEALING + CONVERGENCE_MAX;
    }

    fn heal(&mut self) {
        let env = &mut self.env;
        let root = env.rng.usize(..env.plan.nodes);
        env.trace("sim", &format!("everything heals, n{root} becomes the master of all"));
        self.healed_at = Some(env.now());
        if let Some((master, _)) = self.topology.failing_over {
            give_order(&mut self.machines[master], words(&["FAILOVER", "ABORT"]), env);
        }
        self.topology = Topology::tree(env.plan.nodes, root, &mut env.rng);
        env.network.heal();
        for machine in &mut self.machines {
            machine.disk.borrow_mut().room = None;
            machine.disk.borrow_mut().sync_fails = false;
            let (restart, resume) = (machine.node.is_none(), machine.stopped);
            if resume {
                machine.set_stopped(false, env);
            }
            if restart {
                env.after(Duration::from_millis(10), Event::Restart(machine.index));
            }
        }
    }
}
