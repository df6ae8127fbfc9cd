//! The kill matrix: whoever dies in a chain of three, however it dies, comes back with everything that was acknowledged
//! and with partial resynchronisations only. Every cell is one line of the output.

use std::fmt;

use peertest::{
    Acknowledged, LONG, Load, Peer, Proxy, Server, assert_equal, fill, settle, wait_for_link, wait_for_writes,
    wait_until,
};

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    Master,
    Replica,
    Middle,
}

/// How it dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Death {
    Term,
    Kill,
    KillDuringRewrite,
    KillDuringFullSync,
}

/// Data that the load stands on: 3 MB, so that a transfer can be stopped in the middle.
const KEYS: usize = 3_000;
const KEY_BYTES: usize = 1_000;
const STALL_AFTER: u64 = 1_000_000;

const BYTES: i64 = 20_000;

struct Cell {
    victim: Victim,
    death: Death,
    fsync: &'static str,
    other: Peer,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (victim, death) = (format!("{:?}", self.victim), format!("{:?}", self.death));
        write!(f, "{victim:8} {death:20} {:9} with {:9}", self.fsync, self.other.name())
    }
}

impl Cell {
    /// The chain, master first. Whoever dies is ours; the peer is at the other end.
    fn servers(&self) -> Vec<Server> {
        let peers = match self.victim {
            Victim::Replica => [self.other, Peer::Ours, Peer::Ours],
            Victim::Master | Victim::Middle => [Peer::Ours, Peer::Ours, self.other],
        };
        let fsync = format!("appendfsync {}", self.fsync);
        let mut servers: Vec<Server> = Vec::new();
        for peer in peers {
            let mut directives = vec!["repl-ping-replica-period 1"];
            if peer == Peer::Ours {
                directives.extend(["appendonly yes", &fsync]);
            }
            let server = Server::start(peer, &directives);
            match servers.last() {
                Some(master) => {
                    server.replicate(master.port());
                    wait_for_link(&server);
                }
                None => fill(&mut server.client(), "before", KEYS, KEY_BYTES),
            }
            servers.push(server);
        }
        servers
    }

    fn run(&self) {
        let mut servers = self.servers();
        for ours in servers.iter().filter(|server| server.peer() == Peer::Ours) {
            wait_until("the append-only file", LONG, || ours.info().get("aof_rewrite_in_progress") == Some("0"));
        }
        let acknowledged = Acknowledged::start(&servers[0].address());
        let load = Load::start(&servers[0].address(), self.seed());
        wait_for_writes(&servers[2], BYTES);
        let victim = match self.victim {
            Victim::Master => 0,
            Victim::Middle => 1,
            Victim::Replica => 2,
        };
        let full_before: Vec<i64> = servers.iter().map(full_syncs).collect();
        self.kill(&mut servers[victim]);
        let master = victim.checked_sub(1).map(|at| format!("replicaof 127.0.0.1 {}", servers[at].port()));
        servers[victim].start_again(master.as_deref().as_slice());
        for server in &servers[1..] {
            wait_for_link(server);
        }
        wait_for_writes(&servers[2], BYTES);
        let report = load.stop();
        // What a server that loads its files answers, and to the end of a transaction in which it did.
        let expected = |text: &str| text.starts_with("LOADING ") || text.starts_with("EXECABORT ");
        let unexpected: Vec<_> = report.errors.keys().filter(|text| !expected(text)).collect();
        assert!(unexpected.is_empty(), "{self}: {unexpected:?}");
        let written = acknowledged.stop();
        settle(&servers[0], &[&servers[1], &servers[2]]);
        written.assert_kept(&mut servers[0].client());
        assert_equal(&servers[0], &servers[1]);
        assert_equal(&servers[0], &servers[2]);
        let full: i64 = servers
            .iter()
            .enumerate()
            .map(|(at, server)| full_syncs(server) - if at == victim { 0 } else { full_before[at] })
            .sum();
        println!("{self}: everything acknowledged is there, {full} full resynchronisations");
        assert_eq!(full, 0, "{self}: full resynchronisations");
    }

    /// Kills the victim.
    fn kill(&self, victim: &mut Server) {
        match self.death {
            Death::Term => victim.terminate(),
            Death::Kill => victim.kill(),
            Death::KillDuringRewrite => {
                victim.run("BGREWRITEAOF");
                // Somewhere between the first file and the last step, which takes some milliseconds.
                for _ in 0..fastrand::Rng::with_seed(self.seed()).u32(..100) {
                    victim.run("PING");
                }
                victim.kill();
            }
            Death::KillDuringFullSync => {
                // A further replica hangs in the middle of its first synchronisation.
                let proxy = Proxy::to(victim.port());
                proxy.stall_after(STALL_AFTER);
                let fresh = Server::start(Peer::Ours, &["repl-timeout 5"]);
                fresh.replicate(proxy.port());
                wait_until("the middle of the transfer", LONG, || proxy.is_stalled());
                victim.kill();
            }
        }
    }

    fn seed(&self) -> u64 {
        self.to_string().bytes().fold(7, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
    }
}

fn full_syncs(server: &Server) -> i64 {
    server.info().number("sync_full")
}

fn all_deaths(victim: Victim, fsync: &'static str) {
    for other in [Peer::Ours, Peer::Redis70, Peer::Valkey91] {
        for death in [Death::Term, Death::Kill, Death::KillDuringRewrite, Death::KillDuringFullSync] {
            Cell { victim, death, fsync, other }.run();
        }
    }
}

#[test]
fn a_master_dies_with_everysec() {
    all_deaths(Victim::Master, "everysec");
}

#[test]
fn a_master_dies_with_always() {
    all_deaths(Victim::Master, "always");
}

#[test]
fn a_replica_dies_with_everysec() {
    all_deaths(Victim::Replica, "everysec");
}

#[test]
fn a_replica_dies_with_always() {
    all_deaths(Victim::Replica, "always");
}

#[test]
fn the_middle_dies_with_everysec() {
    all_deaths(Victim::Middle, "everysec");
}

#[test]
fn the_middle_dies_with_always() {
    all_deaths(Victim::Middle, "always");
}
