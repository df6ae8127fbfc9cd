//! One machine: a node, the sockets it has, its disk, and the loop around it. What the real server's shell does with a
//! poll loop and threads happens here in turns and slices; the order within a turn is the same.

mod sockets;
mod turn;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use base::UnixMs;
use config::{Appendfsync, Config};
use keyspace::Keyspace;
use node::{ConnId, Node, Setup, StreamFacts, StreamPosition};

pub(crate) use sockets::{Answered, Asked, Expected, Question, Sockets};

use crate::aof::{AofFiles, find, survey};
use crate::disk::{DATA_FILE, Disk};
use crate::env::Env;
use crate::host::{Log, SimHost};
use crate::jobs::{Build, Job, Report, SharedFiles, Source};
use crate::queue::Event;
use crate::relay::Relay;

/// The port that all machines listen on; their names tell them apart.
pub(crate) const PORT: u16 = 6379;

/// The name of a machine.
pub(crate) fn name_of(index: usize) -> String {
    format!("n{index}")
}

/// The machine of that name.
pub(crate) fn index_of(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.parse().ok()
}

/// The connection to the master.
pub(crate) struct LinkSocket {
    /// None: closed.
    pub key: Option<u64>,
    /// It stands.
    pub connected: bool,
    /// What it carries is looked at, and may be falsified.
    pub relay: Relay,
}

/// A data set that is being received.
pub(crate) struct Receiving {
    attempt: u64,
    /// None: all bytes were given, and it is being built.
    work: Option<(Box<Keyspace>, Vec<u8>)>,
}

/// What a process began with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StartSource {
    /// No data set.
    Nothing,
    /// The file of SAVE.
    File,
    /// Append-only files.
    AppendOnly,
}

/// How a process ended that was killed.
#[derive(Clone)]
pub(crate) struct Death {
    /// The machine died with it.
    pub of_machine: bool,
    /// Where it stood after its last turn; None: it was still loading.
    pub facts: Option<StreamFacts>,
}

/// One machine.
pub(crate) struct Machine {
    /// Its number.
    pub index: usize,
    /// Its name in the trace and in REPLICAOF.
    pub name: String,
    /// The process; None while it is down.
    pub node: Option<Node>,
    /// It is stopped (SIGSTOP): its kernel goes on, it does not.
    pub stopped: bool,
    /// Its disk.
    pub disk: Rc<RefCell<Disk>>,
    /// How far its wall clock is off.
    pub skew_ms: i64,
    /// Changes whenever its data set was replaced as a whole: at a start and with a full synchronisation.
    pub generation: u64,
    /// When that was last.
    pub generation_at: base::Time,
    /// Commands that the operator gives on its console.
    pub orders: VecDeque<Vec<Vec<u8>>>,
    /// What its console was answered.
    pub console_said: Vec<u8>,
    /// The master it is told to follow when it starts.
    pub configured: Option<usize>,
    /// What its configuration file says of the append-only file; None: what all nodes of the run have.
    pub aof_settings: Option<(bool, Appendfsync)>,
    /// What its process began with.
    pub start_source: StartSource,
    /// How its last process ended.
    pub death: Option<Death>,
    /// When it was last told to begin or end its append-only file.
    pub aof_changed_at: base::Time,
    /// The load at the start runs.
    pub loading: bool,
    /// Where the load at the start has ended, if files said so.
    pub recovered: Option<StreamPosition>,
    /// Connections that its clients and replicas have.
    pub sockets: Sockets,
    /// The connection to its master.
    pub link: Option<LinkSocket>,
    /// Its append-only files as the present process has them open.
    aof: SharedFiles,
    log: Log,
    console: Option<ConnId>,
    ready: BTreeSet<u64>,
    accepts: Vec<u64>,
    link_answer: Option<(u64, bool)>,
    reports: VecDeque<Report>,
    jobs: BTreeMap<u64, Job>,
    jobs_started: u64,
    loads_started: u64,
    receiving: Option<Receiving>,
    turn_at: Option<base::Time>,
    /// What went wrong that only the loop sees: an exit nobody asked for, a command that failed.
    pub complaint: Option<String>,
    /// It was told to end, and wants to.
    pub ended: bool,
}

impl Machine {
    /// A machine with an empty disk that is down.
    pub fn new(index: usize, skew_ms: i64) -> Machine {
        let disk: Rc<RefCell<Disk>> = Rc::default();
        Machine {
            index,
            name: name_of(index),
            node: None,
            stopped: false,
            aof: Rc::new(RefCell::new(AofFiles::new(Rc::clone(&disk)))),
            disk,
            skew_ms,
            generation: 0,
            generation_at: base::Time(0),
            orders: VecDeque::new(),
            console_said: Vec::new(),
            configured: None,
            aof_settings: None,
            start_source: StartSource::Nothing,
            death: None,
            aof_changed_at: base::Time(0),
            loading: false,
            recovered: None,
            sockets: Sockets::default(),
            link: None,
            log: Log::default(),
            console: None,
            ready: BTreeSet::new(),
            accepts: Vec::new(),
            link_answer: None,
            reports: VecDeque::new(),
            jobs: BTreeMap::new(),
            jobs_started: 0,
            loads_started: 0,
            receiving: None,
            turn_at: None,
            complaint: None,
            ended: false,
        }
    }

    /// Starts the process from its append-only files, or its file, if they are there: as the real server's startup does.
    pub fn start(&mut self, env: &mut Env) {
        let mut config = env.plan.config.clone();
        config.set_replicaof(self.configured.map(|master| (name_of(master), PORT)));
        if let Some((appendonly, appendfsync)) = self.aof_settings {
            (config.appendonly, config.appendfsync) = (appendonly, appendfsync);
        }
        self.aof = Rc::new(RefCell::new(AofFiles::new(Rc::clone(&self.disk))));
        let host = SimHost {
            clock: Rc::clone(&env.clock),
            rng: RefCell::new(env.rng.fork()),
            log: Rc::clone(&self.log),
            disk: Rc::clone(&self.disk),
            aof: Rc::clone(&self.aof),
        };
        let seeds = std::array::from_fn(|_| env.rng.u64(..));
        let unix = self.unix(env);
        let mut node = Node::new(Setup { config: config.clone(), host: Box::new(host), seeds, now: env.now(), unix });
        let (manifest, last_base, last_incr) = survey(&self.disk.borrow());
        node.note_old_files(manifest, last_base, last_incr);
        node.begin_turn(env.now(), unix);
        let (found, file) = {
            let disk = self.disk.borrow();
            let found = if config.appendonly { find(&disk) } else { Ok(None) };
            (found, disk.read(DATA_FILE).map(<[u8]>::to_vec))
        };
        let shown = match &found {
            Ok(Some(manifest)) => format!("{} append-only files", manifest.incrs.len()),
            _ => format!("file {:?} bytes", file.as_ref().map(Vec::len)),
        };
        env.trace(&self.name, &format!("starts, {shown}, master {:?}", self.configured));
        self.new_generation(env);
        let as_master = self.configured.is_none();
        let source = match (found, file) {
            (Ok(Some(manifest)), _) => {
                Some(Ok(Source::Files { manifest, disk: Rc::clone(&self.disk), config: Box::new(config) }))
            }
            (Ok(None), Some(file)) => Some(Ok(Source::Bytes(file))),
            (Ok(None), None) => None,
            (Err(reason), _) => Some(Err(reason)),
        };
        self.start_source = match &source {
            Some(Ok(Source::Files { .. })) => StartSource::AppendOnly,
            Some(_) => StartSource::File,
            None => StartSource::Nothing,
        };
        self.loading = source.is_some();
        self.recovered = None;
        match source {
            Some(source) => {
                let empty = node.start_loading(1_000);
                let build = Build::new(0, empty, source, as_master, env);
                self.start_job(Job::Build(build), env);
            }
            None => node.start_empty(),
        }
        self.node = Some(node);
        self.wake(env);
    }

    /// Kills the process (SIGKILL): memory and sockets are gone, the disk stays. If the machine dies with it, what was not
    /// synced is lost, and nobody tells the other side of its connections.
    pub fn kill(&mut self, env: &mut Env, with_machine: bool) {
        let mut keys: Vec<u64> = self.sockets.keys();
        keys.append(&mut self.accepts);
        let links = self.link.take().and_then(|link| link.key);
        for (key, side) in keys.into_iter().map(|key| (key, 1)).chain(links.map(|key| (key, 0))) {
            if with_machine && env.network.get(key).is_some_and(|connection| connection.open) {
                let late = env.span_ms(1_000, 30_000);
                env.network.cut(env.now(), key, [late; 2], &mut env.queue);
            }
            env.close((key, side));
        }
        if with_machine {
            self.disk.borrow_mut().crash(&mut env.rng);
        }
        self.disk.borrow_mut().forget_doubts();
        // The operator writes to the configuration file what is set at run time.
        let settings = self.node.as_ref().map(|node| (node.config().appendonly, node.config().appendfsync));
        let facts = self.facts().filter(|_| !self.loading);
        let fresh = Machine::new(self.index, self.skew_ms);
        *self = Machine {
            aof_settings: settings.or(self.aof_settings),
            death: Some(Death { of_machine: with_machine, facts }),
            disk: Rc::clone(&self.disk),
            generation: self.generation,
            generation_at: self.generation_at,
            configured: self.configured,
            jobs_started: self.jobs_started,
            complaint: self.complaint.take(),
            ..fresh
        };
        self.new_generation(env);
        env.board[self.index] = None;
    }

    /// The wall clock as this machine sees it.
    pub fn unix(&self, env: &Env) -> UnixMs {
        UnixMs(env.unix().0 + self.skew_ms)
    }

    /// Where the node stands; None while it is down.
    pub fn facts(&self) -> Option<StreamFacts> {
        self.node.as_ref().map(Node::stream_facts)
    }

    /// Whom it follows now.
    pub fn follows(&self) -> Option<usize> {
        self.facts().and_then(|facts| facts.master).and_then(|(host, _)| index_of(&host))
    }

    /// Whether a received data set is being built.
    pub fn is_building(&self) -> bool {
        self.receiving.as_ref().is_some_and(|receiving| receiving.work.is_none())
    }

    /// Whether a job of this name is under way.
    pub fn is_running(&self, name: &str) -> bool {
        self.jobs.values().any(|job| job.name() == name)
    }

    /// A connection was made: the loop will accept it. False: nobody listens.
    pub fn knock(&mut self, key: u64, env: &mut Env) -> bool {
        if self.node.is_none() {
            return false;
        }
        self.accepts.push(key);
        self.wake(env);
        true
    }

    /// The attempt to connect to the master is answered.
    pub fn link_answered(&mut self, key: u64, connected: bool, env: &mut Env) {
        self.link_answer = Some((key, connected));
        self.wake(env);
    }

    /// Something may be read or written.
    pub fn mark_ready(&mut self, key: u64, env: &mut Env) {
        let ours = self.sockets.conn(key).is_some() || self.link.as_ref().is_some_and(|link| link.key == Some(key));
        if ours {
            self.ready.insert(key);
            self.wake(env);
        }
    }

    /// Lets the loop run soon.
    pub fn wake(&mut self, env: &mut Env) {
        let at = env.now() + std::time::Duration::from_micros(env.rng.u64(1..=env.plan.turn_delay_us));
        self.turn_no_later_than(at, env);
    }

    fn turn_no_later_than(&mut self, at: base::Time, env: &mut Env) {
        let at = at.max(env.now() + std::time::Duration::from_micros(1));
        if self.node.is_some() && !self.stopped && self.turn_at.is_none_or(|planned| planned > at) {
            self.turn_at = Some(at);
            env.queue.at(at, Event::Turn(self.index));
        }
    }

    /// Stops the process, or lets it go on.
    pub fn set_stopped(&mut self, stopped: bool, env: &mut Env) {
        self.stopped = stopped;
        self.turn_at = None;
        self.wake(env);
    }

    /// Whether the planned turn is this one.
    pub fn takes_turn_now(&mut self, env: &Env) -> bool {
        let due = self.turn_at == Some(env.now()) && !self.stopped && self.node.is_some();
        if due {
            self.turn_at = None;
        }
        due
    }

    /// Does the next slice of a job. A stopped machine's threads are stopped too.
    pub fn step_job(&mut self, number: u64, env: &mut Env) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        let event = Event::Job { machine: self.index, job: number };
        if self.stopped {
            env.after(std::time::Duration::from_millis(50), event);
            return;
        }
        let slice = job.step(env, &mut self.sockets);
        match slice.again {
            Some(span) => env.after(span, event),
            None => {
                env.trace(&self.name, &format!("job {number} {} ends", job.name()));
                self.jobs.remove(&number);
            }
        }
        if !slice.reports.is_empty() {
            self.reports.extend(slice.reports);
            self.wake(env);
        }
    }

    fn start_job(&mut self, job: Job, env: &mut Env) {
        self.jobs_started += 1;
        env.trace(&self.name, &format!("job {} {} begins", self.jobs_started, job.name()));
        env.after(env.plan.job_start, Event::Job { machine: self.index, job: self.jobs_started });
        self.jobs.insert(self.jobs_started, job);
    }

    fn new_generation(&mut self, env: &Env) {
        self.generation += 1;
        self.generation_at = env.now();
    }
}

/// The settings that all nodes of a run share.
pub(crate) fn base_config() -> Config {
    let mut config = Config::default();
    config.protected_mode = false;
    // A replica whose disk is full would end, as the peers do; whoever started it again would change nothing.
    config.replica_ignore_disk_write_errors = true;
    config.save = Vec::new();
    // Replicas are served from memory alone.
    config.repl_backlog_disk_size = Some(0);
    config
}
