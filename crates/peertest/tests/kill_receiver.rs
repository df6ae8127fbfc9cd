//! Who receives a full synchronisation with the append-only file on, and dies of it: during the transfer, or while it puts
//! the new data set and its files in the place of the old. It starts with the whole old data set or the whole new one, never
//! with some of both, and follows its master again. Every cell is one line of the output.

use std::fmt;

use peertest::{
    Acknowledged, Dataset, LONG, Load, Peer, Proxy, Server, assert_equal, fill, settle, wait_for_link, wait_for_writes,
    wait_until,
};

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    Replica,
    Middle,
}

/// When it dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// In the middle of the transfer.
    Transfer,
    /// So many short requests after it said that the link is up.
    Adoption(u32),
    /// When its files hold the new data set.
    Written,
}

/// Data of the master: 3 MB, so that the transfer can be stopped in the middle.
const NEW_KEYS: usize = 3_000;
const NEW_KEY_BYTES: usize = 1_000;
const STALL_AFTER: u64 = 1_000_000;

/// Data of its own that the victim gives up.
const OLD_KEYS: usize = 500;

const BYTES: i64 = 20_000;

struct Cell {
    victim: Victim,
    moment: Moment,
    fsync: &'static str,
    other: Peer,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (victim, moment) = (format!("{:?}", self.victim), format!("{:?}", self.moment));
        write!(f, "{victim:8} {moment:14} {:9} with {:9}", self.fsync, self.other.name())
    }
}

/// What a server that died has when it starts without a master.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    Old,
    New,
}

impl Cell {
    fn run(&self) {
        let ours = ["appendonly yes", &format!("appendfsync {}", self.fsync), "repl-ping-replica-period 1"];
        let master = match self.victim {
            Victim::Replica => Server::start(self.other, &["repl-ping-replica-period 1"]),
            Victim::Middle => Server::start(Peer::Ours, &ours),
        };
        fill(&mut master.client(), "new", NEW_KEYS, NEW_KEY_BYTES);
        let mut victim = Server::start(Peer::Ours, &ours);
        fill(&mut victim.client(), "old", OLD_KEYS, 100);
        let below = (self.victim == Victim::Middle).then(|| {
            let below = Server::start(self.other, &[]);
            below.replicate(victim.port());
            wait_for_link(&below);
            below
        });
        let acknowledged = Acknowledged::start(&master.address());
        let load = Load::start(&master.address(), 17);
        wait_until("the load", LONG, || load.written() > 100);

        self.receive_and_die(&master, &mut victim);
        victim.start_again(&[]);
        let found = found(&victim);
        match self.moment {
            Moment::Transfer => assert_eq!(found, Found::Old, "{self}: the transfer was not complete"),
            Moment::Adoption(_) => {}
            Moment::Written => assert_eq!(found, Found::New, "{self}: the files were complete"),
        }
        victim.replicate(master.port());
        for server in std::iter::once(&victim).chain(&below) {
            wait_for_link(server);
        }
        wait_for_writes(&victim, BYTES);
        load.stop().assert_clean();
        let written = acknowledged.stop();
        let replicas: Vec<&Server> = std::iter::once(&victim).chain(&below).collect();
        settle(&master, &replicas);
        written.assert_kept(&mut master.client());
        replicas.iter().for_each(|replica| assert_equal(&master, replica));
        println!("{self}: it started with the {found:?} data set, and follows");
    }

    /// Has the victim receive the master's data set, and kills it.
    fn receive_and_die(&self, master: &Server, victim: &mut Server) {
        let proxy = Proxy::to(master.port());
        match self.moment {
            Moment::Transfer => {
                proxy.stall_after(STALL_AFTER);
                victim.replicate(proxy.port());
                wait_until("the middle of the transfer", LONG, || proxy.is_stalled());
            }
            Moment::Adoption(requests) => {
                victim.replicate(proxy.port());
                wait_for_link(victim);
                (0..requests).for_each(|_| drop(victim.run("PING")));
            }
            Moment::Written => {
                victim.replicate(proxy.port());
                wait_for_link(victim);
                let done = || victim.info().get("aof_rewrite_in_progress") == Some("0");
                wait_until("the new files", LONG, || done() && victim.info().get("aof_rewrite_scheduled") == Some("0"));
            }
        }
        victim.kill();
    }
}

/// Which data set a server started with; panics if it is neither as a whole.
fn found(server: &Server) -> Found {
    let data = Dataset::read(&mut server.client());
    let count =
        |prefix: &str, keys: usize| (0..keys).filter(|at| data.get(0, &format!("{prefix}:{at}")).is_some()).count();
    match (count("old", OLD_KEYS), count("new", NEW_KEYS)) {
        (OLD_KEYS, 0) => Found::Old,
        (0, NEW_KEYS) => Found::New,
        (old, new) => panic!("neither data set: {old} keys of the old one, {new} of the new one"),
    }
}

fn all_moments(victim: Victim, fsync: &'static str) {
    for other in [Peer::Ours, Peer::Redis70, Peer::Valkey91] {
        for moment in [Moment::Transfer, Moment::Adoption(0), Moment::Adoption(500), Moment::Written] {
            Cell { victim, moment, fsync, other }.run();
        }
    }
}

#[test]
fn a_replica_dies_with_everysec() {
    all_moments(Victim::Replica, "everysec");
}

#[test]
fn a_replica_dies_with_always() {
    all_moments(Victim::Replica, "always");
}

#[test]
fn the_middle_dies_with_everysec() {
    all_moments(Victim::Middle, "everysec");
}

#[test]
fn the_middle_dies_with_always() {
    all_moments(Victim::Middle, "always");
}
