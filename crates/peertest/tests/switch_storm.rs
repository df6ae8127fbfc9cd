//! A switch storm on real processes: four of us and a peer, a writer at each of ours, and fifty random steps that move
//! replicas up, down and across the tree, hand over and promote. Every step leaves the histories whole, so that nobody may
//! need a full synchronisation; at the end all are equal and have what was acknowledged. `sim --storm` does the same by the
//! thousand, with steps that part histories too.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: a storm ends by the clock")]

use std::time::{Duration, Instant};

use peertest::{Acknowledged, LONG, Peer, Server, assert_equal, fill, offset, settle, wait_for_link, wait_until};

const STEPS: usize = 50;

/// No step begins after this.
const STORM_MAX: Duration = Duration::from_secs(80);

/// Where the real server stands; the others are ours.
const PEER: usize = 4;

struct Storm {
    servers: Vec<Server>,
    follows: Vec<Option<usize>>,
    rng: fastrand::Rng,
}

impl Storm {
    fn start(peer: Peer, seed: u64) -> Storm {
        // A ping is a byte that only the master has: nothing may be written behind a pause.
        let directives = ["repl-ping-replica-period 3600", "repl-diskless-sync-delay 0", "appendonly yes"];
        let kinds = [Peer::Ours, Peer::Ours, Peer::Ours, Peer::Ours, peer];
        let servers: Vec<Server> = kinds.into_iter().map(|kind| Server::start(kind, &directives)).collect();
        fill(&mut servers[0].client(), "before", 1_000, 100);
        for replica in &servers[1..] {
            replica.replicate(servers[0].port());
            wait_for_link(replica);
        }
        let follows = vec![None, Some(0), Some(0), Some(0), Some(0)];
        Storm { servers, follows, rng: fastrand::Rng::with_seed(seed) }
    }

    fn master(&self) -> usize {
        self.follows.iter().position(Option::is_none).expect("there is always one")
    }

    fn is_below(&self, below: usize, above: usize) -> bool {
        let path = std::iter::successors(Some(below), |at| self.follows[*at]);
        path.into_iter().any(|at| at == above)
    }

    fn follow(&mut self, replica: usize, master: usize) {
        self.servers[replica].replicate(self.servers[master].port());
        self.follows[replica] = Some(master);
    }

    /// A replica goes to another place in the tree.
    fn move_replica(&mut self) {
        let (replica, master) = (self.rng.usize(..5), self.rng.usize(..PEER));
        if self.follows[replica].is_some() && !self.is_below(master, replica) {
            self.follow(replica, master);
        }
    }

    /// One of ours that follows the master directly, once its link is up.
    fn heir(&mut self) -> Option<usize> {
        let master = self.master();
        let heirs: Vec<usize> = (0..PEER).filter(|at| self.follows[*at] == Some(master)).collect();
        let heir = *heirs.get(self.rng.usize(..heirs.len().max(1)))?;
        wait_for_link(&self.servers[heir]);
        // A link that the other end has closed is up until that is noticed: the history must be the master's, too.
        wait_until("the heir to have the master's history", LONG, || {
            let id = |at: usize| self.servers[at].info().text("master_replid").to_owned();
            id(heir) == id(master)
        });
        Some(heir)
    }

    /// The master hands over.
    fn hand_over(&mut self) {
        let (master, Some(heir)) = (self.master(), self.heir()) else { return };
        let port = self.servers[heir].port();
        let order = format!("FAILOVER TO 127.0.0.1 {port} TIMEOUT 20000");
        wait_until("the heir to be online", LONG, || self.servers[master].call(&order).as_error().is_none());
        wait_until("the roles to change", LONG, || {
            let role = |at: usize| self.servers[at].info().text("role").to_owned();
            (role(master).as_str(), role(heir).as_str()) == ("slave", "master")
        });
        wait_until("the end of the failover", LONG, || {
            self.servers[master].info().text("master_failover_state") == "no-failover"
        });
        (self.follows[master], self.follows[heir]) = (Some(heir), None);
    }

    /// A replica that has everything is promoted by hand; the old master follows it, and whoever followed that one may stay.
    fn promote(&mut self) {
        let (master, Some(heir)) = (self.master(), self.heir()) else { return };
        self.servers[master].run("CLIENT PAUSE 20000 WRITE");
        let end = offset(&self.servers[master]);
        wait_until("the heir to have everything", LONG, || offset(&self.servers[heir]) >= end);
        self.servers[heir].run("REPLICAOF NO ONE");
        self.follows[heir] = None;
        self.follow(master, heir);
        self.servers[master].run("CLIENT UNPAUSE");
    }

    fn step(&mut self) {
        match self.rng.u8(..10) {
            0..6 => self.move_replica(),
            6..8 => self.hand_over(),
            _ => self.promote(),
        }
        // A little is written between two steps, or nothing.
        let (master, bytes) = (self.master(), self.rng.i64(..3_000));
        let start = offset(&self.servers[master]);
        wait_until("writes", LONG, || offset(&self.servers[master]) >= start + bytes);
    }

    /// Full synchronisations given by ours so far.
    fn full_synchronisations(&self) -> i64 {
        self.servers[..PEER].iter().map(|server| server.info().number("sync_full")).sum()
    }
}

fn nobody_needs_everything(peer: Peer, seed: u64) {
    let mut storm = Storm::start(peer, seed);
    let full_at_start = storm.full_synchronisations();
    let writer = |at: usize| Acknowledged::start_named(&storm.servers[at].address(), &format!("writer{at}"));
    let writers: Vec<Acknowledged> = (0..PEER).map(writer).collect();
    let began = Instant::now();
    let mut steps = 0;
    while steps < STEPS && began.elapsed() < STORM_MAX {
        storm.step();
        steps += 1;
    }
    let written: Vec<_> = writers.into_iter().map(Acknowledged::stop).collect();
    let master = storm.master();
    for (at, replica) in storm.servers.iter().enumerate() {
        if at != master {
            wait_for_link(replica);
            settle(&storm.servers[master], &[replica]);
            assert_equal(&storm.servers[master], replica);
        }
    }
    for written in written.iter().filter(|written| !written.is_empty()) {
        written.assert_kept(&mut storm.servers[master].client());
    }
    assert_eq!(storm.full_synchronisations(), full_at_start, "after {steps} steps of seed {seed}");
}

#[test]
fn four_of_us_and_redis_70() {
    nobody_needs_everything(Peer::Redis70, 41);
}

#[test]
fn four_of_us_and_valkey_91() {
    nobody_needs_everything(Peer::Valkey91, 42);
}
