//! `repl-diskless-load`: what clients of a replica are told while a master's data set comes in, compared with real servers
//! under the same setting; that the default needs memory for one data set only; and that the old one is given up for nothing
//! less than a whole and sound new one.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use peertest::{LONG, Peer, Proxy, Server, assert_equal, fill, settle, wait_for_link, wait_until};

const VALUE: usize = 1000;

/// Keys of a data set whose file takes some seconds to come, as `SLOWLY` says, and is large enough to go through a file.
const KEYS: usize = 3_000;

/// A pause of the master for each key that it sends, in microseconds.
const SLOWLY: &str = "rdb-key-save-delay 1500";

/// What a replica had before.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Had {
    Nothing,
    /// Data of its own.
    Other,
    /// The same history, from which it is cut off.
    Same,
}

/// What clients are told in the middle of a full synchronisation under this setting.
fn told_meanwhile(replica: Peer, setting: &str, had: Had) -> Vec<String> {
    let keys = Server::start(Peer::Valkey80, &["repl-backlog-size 16kb", "client-output-buffer-limit 'replica 0 0 0'"]);
    let directives = [&format!("repl-diskless-load {setting}"), "loading-process-events-interval-bytes 1024"];
    let replica = Server::start(replica, &directives);
    let proxy = Proxy::to(keys.port());
    match had {
        Had::Nothing => {}
        Had::Other => drop(replica.run("SET old v")),
        Had::Same => {
            keys.run("SET old v");
            replica.replicate(proxy.port());
            wait_for_link(&replica);
            proxy.cut();
        }
    }
    fill(&mut keys.client(), "key", KEYS, VALUE);
    keys.run(&format!("CONFIG SET {SLOWLY}"));
    proxy.restore();
    if had != Had::Same {
        replica.replicate(proxy.port());
    }
    let before = proxy.bytes_to_replica();
    wait_until("the middle of the transfer", LONG, || proxy.bytes_to_replica() > before + 500_000);
    let mut client = replica.client();
    let commands = [
        "GET old",
        "EXISTS key:1 old",
        "SET a b",
        "PING",
        "DBSIZE",
        "PUBLISH channel message",
        "SAVE",
        "BGREWRITEAOF",
        "CONFIG SET hz 10",
        "CONFIG GET hz",
        "REPLICAOF NO ONE EXTRA",
        "LASTSAVE EXTRA",
        "MULTI",
        "GET old",
        "EXEC",
    ];
    let mut told: Vec<String> = commands
        .iter()
        .map(|line| {
            let reply = format!("{line}: {:?}", client.line(line).expect("a reply"));
            reply.replace("Valkey", "Redis")
        })
        .collect();
    let info = replica.info();
    for field in ["loading", "async_loading", "master_link_status", "master_sync_in_progress"] {
        told.push(format!("{field}:{}", info.text(field)));
    }
    assert!(info.get("loading_start_time").is_some() == (told.iter().any(|line| line.ends_with("loading:1"))));
    assert_eq!(replica.info().text("master_sync_in_progress"), "1", "it was the middle until now");
    drop(client);
    keys.run("CONFIG SET rdb-key-save-delay 0");
    told
}

#[test]
fn clients_are_told_what_a_peer_tells_while_a_data_set_comes_in() {
    for setting in ["disabled", "on-empty-db", "swapdb"] {
        for had in [Had::Nothing, Had::Other, Had::Same] {
            let ours = told_meanwhile(Peer::Ours, setting, had);
            let theirs = told_meanwhile(Peer::Valkey80, setting, had);
            assert_eq!(ours, theirs, "{setting}, {had:?}");
        }
    }
}

/// Starts a replica with `mib` MiB of data below a master with as much: the most memory that it had meanwhile, in
/// bytes, and what clients saw.
fn replaced(setting: &str, mib: usize) -> (u64, Vec<String>) {
    let master = Server::start(Peer::Ours, &[]);
    fill(&mut master.client(), "new", mib * 1024, 1024);
    master.run("SET which new");
    let replica = Server::start(Peer::Ours, &[&format!("repl-diskless-load {setting}"), "rdbcompression no"]);
    fill(&mut replica.client(), "old", mib * 1024, 1024);
    replica.run("SET which old");
    // What the allocator keeps of the filling is no part of what the synchronisation takes.
    replica.run("MEMORY PURGE");
    let of_process = |file: &str| format!("/proc/{}/{file}", replica.info().number("process_id"));
    std::fs::write(of_process("clear_refs"), "5").expect("the highest resident set is begun anew");
    replica.replicate(master.port());
    let mut client = replica.client();
    let mut seen: Vec<String> = Vec::new();
    wait_until("the new data set", LONG, || {
        let reply = client.line("GET which").expect("a reply");
        let word = match reply.as_error() {
            Some(text) => String::from_utf8_lossy(text).split(' ').next().unwrap_or_default().to_owned(),
            None => reply.as_str().unwrap_or("nothing").to_owned(),
        };
        if seen.last() != Some(&word) {
            seen.push(word.clone());
        }
        word == "new"
    });
    wait_for_link(&replica);
    settle(&master, &[&replica]);
    assert_equal(&master, &replica);
    let status = std::fs::read_to_string(of_process("status")).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the highest resident set");
    let peak: u64 = peak.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    (peak * 1024, seen)
}

/// A client that is held up may miss what lasts only briefly.
fn assert_in_order(seen: &[String]) {
    let order = ["old", "LOADING", "new"];
    let places: Vec<_> = seen.iter().map(|word| order.iter().position(|one| one == word)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("new"));
}

#[test]
fn the_default_needs_no_memory_for_a_second_data_set() {
    const MIB: usize = 100;
    let (beside, seen) = replaced("swapdb", MIB);
    assert_in_order(&seen);
    let (through_file, seen) = replaced("disabled", MIB);
    assert_in_order(&seen);
    let spared = beside as i64 - through_file as i64;
    println!("at most {beside} bytes with swapdb, {through_file} through a file");
    assert!(spared > (MIB as i64) * 1024 * 1024 * 6 / 10, "{beside} beside, {through_file} through a file");
}

#[test]
fn a_replica_keeps_its_data_until_the_new_one_is_whole_and_sound() {
    let master = Server::start(Peer::Ours, &["rdbcompression no"]);
    fill(&mut master.client(), "new", 3_000, VALUE);
    let replica = Server::start(Peer::Ours, &["repl-timeout 3"]);
    replica.run("SET old v");
    // Cut in the middle, then damaged, then without room for the file.
    let proxy = Proxy::to(master.port());
    proxy.stall_after(1_500_000);
    replica.replicate(proxy.port());
    wait_until("the middle of the transfer", LONG, || proxy.is_stalled());
    proxy.cut();
    let log = |text: &str| wait_until(text, LONG, || replica.log().contains(text));
    log("Synchronisation failed");
    assert_eq!(replica.run("GET old").as_str(), Some("v"));
    proxy.flip_a_bit_at(1_000_000);
    proxy.restore();
    log("the checksum at the end of the data set does not fit");
    assert_eq!(replica.run("GET old").as_str(), Some("v"));
    replica.limit_files(Some(1_000_000));
    log("the file for the data set: File too large");
    assert_eq!(replica.run("GET old").as_str(), Some("v"));
    replica.limit_files(None);
    wait_for_link(&replica);
    settle(&master, &[&replica]);
    assert_equal(&master, &replica);
    assert!(!replica.files().iter().any(|name| name.starts_with("temp-")), "the file has no name");
}

/// With an append-only file the old data set is on disk until the new one is: a replica that is killed in between, when it
/// has neither in memory, comes back with the old one.
#[test]
fn a_replica_that_is_killed_while_it_loads_starts_with_what_its_files_hold() {
    let master = Server::start(Peer::Ours, &[]);
    fill(&mut master.client(), "new", 60_000, VALUE);
    let mut replica = Server::start(Peer::Ours, &["appendonly yes"]);
    wait_until("the first base", LONG, || replica.info().get("aof_rewrites") == Some("1"));
    replica.run("SET old v");
    replica.replicate(master.port());
    wait_until("the load", LONG, || {
        replica.call("GET old").as_error().is_some_and(|text| text.starts_with(b"LOADING"))
    });
    assert_eq!(replica.info().text("loading"), "1");
    replica.kill();
    replica.start_again(&[]);
    wait_until("its files", LONG, || replica.call("GET old").as_str() == Some("v"));
    replica.replicate(master.port());
    wait_until("the new data set", LONG, || replica.call("EXISTS new:1").as_int() == Some(1));
    wait_for_link(&replica);
    wait_until("a base of it", LONG, || replica.info().number("aof_base_size") > 10_000_000);
    replica.kill();
    replica.start_again(&[]);
    wait_until("its files", LONG, || replica.call("EXISTS new:1").as_int() == Some(1));
    assert_eq!(replica.call("EXISTS old").as_int(), Some(0));
}
