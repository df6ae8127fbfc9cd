//! Append-only files that one server writes and another starts from: the folder of Redis 7 in both directions, the single
//! file of older servers, and what `redis-check-aof` says of ours. The data has every type, deadlines, transactions, streams
//! with groups, and deadlines of fields where both servers know them.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use std::path::Path;
use std::process::Command;

use peertest::{Dataset, LONG, Load, Peer, Server, settle, wait_for_writes, wait_until};

const BYTES: i64 = 60_000;

fn start(peer: Peer, directives: &[&str]) -> Server {
    let server = Server::start(peer, &[&["appendonly yes"], directives].concat());
    wait_for_the_rewrite(&server);
    server
}

fn wait_for_the_rewrite(server: &Server) {
    wait_until("the rewrite", LONG, || server.info().get("aof_rewrite_in_progress") == Some("0"));
}

/// Writes something before a rewrite and some of everything behind it: what the server holds then. It ends.
fn write(writer: &mut Server, field_deadlines: bool) -> Dataset {
    // Only with a replica does a real server count what it writes.
    let replica = Server::start(writer.peer(), &[]);
    replica.replicate(writer.port());
    wait_until("the replica", LONG, || writer.info().get("connected_slaves") == Some("1"));
    for part in 0..2 {
        let address = writer.address();
        let load = if field_deadlines {
            Load::start_with_field_deadlines(&address, 90 + part)
        } else {
            Load::start(&address, 90 + part)
        };
        wait_for_writes(writer, BYTES);
        if part == 0 {
            writer.run("BGREWRITEAOF");
        }
        wait_for_writes(writer, BYTES);
        load.stop().assert_clean();
        wait_for_the_rewrite(writer);
    }
    writer.run("XADD stream 5-1 field value");
    writer.run("XGROUP CREATE stream group 0");
    writer.run("XREADGROUP GROUP group reader STREAMS stream >");
    settle(writer, &[]);
    let data = Dataset::read(&mut writer.client());
    assert_eq!(data.field_deadlines() > 0, field_deadlines);
    drop(replica);
    writer.terminate();
    data
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Starts a server on these files, which are put into its folder by `place`.
fn starts_from(reader: Peer, expected: &Dataset, place: impl Fn(&Path)) -> Server {
    let mut server = Server::start(reader, &[]);
    server.kill();
    place(&server.data_folder());
    server.start_again(&["appendonly yes"]);
    assert_holds(&server, expected);
    server
}

fn assert_holds(server: &Server, expected: &Dataset) {
    wait_until("the files to be loaded", LONG, || {
        server.try_call("EXISTS a").is_ok_and(|reply| reply.as_int().is_some())
    });
    let found = Dataset::read(&mut server.client());
    assert_eq!(expected.differences("writer", &found, server.peer().name()), None);
    let pending = server.run("XPENDING stream group");
    assert_eq!(pending.as_slice().and_then(|parts| parts[0].as_int()), Some(1));
}

fn goes_from_to(writer: Peer, reader: Peer, directives: &[&str]) {
    let field_deadlines = writer.knows_field_deadlines() && reader.knows_field_deadlines();
    let mut from = start(writer, directives);
    let data = write(&mut from, field_deadlines);
    let folder = from.data_folder().join("appendonlydir");
    let mut server = starts_from(reader, &data, |to| copy(&folder, &to.join("appendonlydir")));
    // It goes on with them, and starts again from what it made of them.
    server.run("SET later v");
    server.run("DEL later");
    server.terminate();
    server.start_again(&[]);
    assert_holds(&server, &data);
}

#[test]
fn redis_70_starts_from_our_folder() {
    goes_from_to(Peer::Ours, Peer::Redis70, &[]);
}

#[test]
fn redis_80_starts_from_our_folder() {
    goes_from_to(Peer::Ours, Peer::Redis80, &[]);
}

#[test]
fn valkey_80_starts_from_our_folder() {
    goes_from_to(Peer::Ours, Peer::Valkey80, &[]);
}

#[test]
fn we_start_from_the_folder_of_redis_70() {
    goes_from_to(Peer::Redis70, Peer::Ours, &[]);
    goes_from_to(Peer::Redis70, Peer::Ours, &["aof-use-rdb-preamble no"]);
}

#[test]
fn we_start_from_the_folder_of_redis_80() {
    goes_from_to(Peer::Redis80, Peer::Ours, &[]);
}

#[test]
fn we_start_from_the_folder_of_valkey_91() {
    goes_from_to(Peer::Valkey91, Peer::Ours, &["aof-timestamp-enabled yes"]);
}

/// Before Redis 7 there was one file: a base, RDB or commands, and the commands behind it.
fn takes_over_a_single_file(preamble: &str) {
    let mut writer = start(Peer::Redis70, &[&format!("aof-use-rdb-preamble {preamble}")]);
    let data = write(&mut writer, false);
    let folder = writer.data_folder().join("appendonlydir");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    names.retain(|path| !path.to_string_lossy().ends_with(".manifest"));
    names.sort_by_key(|path| path.to_string_lossy().contains(".incr."));
    assert_eq!(names.len(), 2, "a base and one file behind it");
    let single: Vec<u8> = names.iter().flat_map(|path| std::fs::read(path).expect("a file")).collect();
    let place = |to: &Path| std::fs::write(to.join("appendonly.aof"), &single).expect("a file");
    // The peer shows that it is such a file.
    drop(starts_from(Peer::Redis70, &data, place));
    let mut server = starts_from(Peer::Ours, &data, place);
    server.kill();
    server.start_again(&[]);
    assert_holds(&server, &data);
}

#[test]
fn the_single_file_of_older_servers_is_taken_over() {
    takes_over_a_single_file("yes");
    takes_over_a_single_file("no");
}

/// A peer's tool beside `check-rdb`, started in the same way.
fn check_aof(peer: Peer, file: &Path) -> (bool, String) {
    let beside = peer.tool("check-rdb");
    let script = std::fs::read_to_string(&beside).expect("a script").replace("check-rdb", "check-aof");
    let output = Command::new("sh").args(["-c", &script]).arg(&beside).arg(file).output().expect("a shell");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn redis_check_aof_accepts_our_files() {
    use Peer::{Redis70, Redis80, Valkey80, Valkey91};
    let all: [(bool, &[Peer]); 2] = [(false, &[Redis70, Redis80, Valkey80, Valkey91]), (true, &[Redis80])];
    for (field_deadlines, peers) in all {
        let mut server = start(Peer::Ours, &[]);
        write(&mut server, field_deadlines);
        let manifest = server.data_folder().join("appendonlydir/appendonly.aof.manifest");
        for &peer in peers {
            let (accepted, text) = check_aof(peer, &manifest);
            assert!(accepted && text.contains("are valid"), "{}: {text}", peer.name());
        }
    }
}
