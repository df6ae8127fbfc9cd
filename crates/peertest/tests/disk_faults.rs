//! Disks that are full or fail under a server: what clients are told, that nothing acknowledged is lost, that replication
//! goes on, and that it recovers by itself. Each story runs on real servers too, under the same fault, and what they answer
//! is compared.
//!
//! A full disk is a limit of file sizes that is lowered and raised while the server runs; a failing sync comes from a small
//! library that stands before the system's.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use std::path::{Path, PathBuf};
use std::process::Command;

use peertest::{Client, LONG, Peer, SHORT, Server, Value, wait_for, wait_for_link, wait_until};

/// Files end here while the disk is full.
const ROOM: u64 = 4000;

/// Bytes of a value: a few of them fill the room.
const VALUE: usize = 700;

fn start(peer: Peer, directives: &[&str]) -> Server {
    let server = Server::start(peer, directives);
    wait_until("the first base", LONG, || server.info().get("aof_rewrite_in_progress") == Some("0"));
    server
}

fn field(server: &Server, name: &str) -> String {
    server.info().text(name).to_owned()
}

fn wait_for_field(server: &Server, name: &str, value: &str) {
    wait_until(&format!("{name}:{value} of {}", server.peer().name()), LONG, || field(server, name) == value);
}

/// Fills the room with writes `k0`, `k1`, … on a connection of their own, all at once, without waiting for the replies.
fn fill_the_disk(server: &Server) -> Client {
    let mut writer = server.client();
    let value = "x".repeat(VALUE);
    let set = |number| format!("*3\r\n$3\r\nSET\r\n$2\r\nk{number}\r\n${VALUE}\r\n{value}\r\n");
    let all: String = (0..8).map(set).collect();
    writer.send_raw(all.as_bytes()).expect("an open connection");
    writer
}

/// What a client is told that comes when the disk is in trouble.
fn answers(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let commands = ["SET a b", "PING", "EXISTS k0", "DEL nosuch", "PUBLISH c m", "TYPE k0", "MULTI", "SET a b", "EXEC"];
    commands.iter().map(|line| format!("{line}: {:?}", client.line(line).expect("a reply"))).collect()
}

/// Starts again from a copy of the files as they are, and refuses those that end in half a command.
fn loads_as_it_is(server: &Server) -> Server {
    let copy = tempfile::tempdir().expect("a folder").keep();
    let from = server.data_folder().join("appendonlydir");
    let to = copy.join("appendonlydir");
    std::fs::create_dir(&to).expect("a folder in it");
    for entry in std::fs::read_dir(&from).expect("the folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
    let dir = format!("dir {}", copy.display());
    let started = Server::start(Peer::Ours, &["appendonly yes", "aof-load-truncated no", &dir]);
    wait_until("the files to be loaded", LONG, || started.try_call("EXISTS a").is_ok_and(|v| v.as_int().is_some()));
    // It may be about to begin its next file there.
    wait_until("our own folder to be gone", SHORT, || std::fs::remove_dir_all(&copy).is_ok());
    started
}

fn count(client: &mut Client, keys: std::ops::Range<usize>) -> i64 {
    let exists =
        |number: usize| client.line(&format!("EXISTS k{number}")).expect("it is up").as_int().expect("a number");
    keys.map(exists).sum()
}

#[test]
fn appends_that_fail_refuse_writes_as_a_peer_does_until_there_is_room() {
    let directives = ["appendonly yes", "appendfsync everysec"];
    let mut seen: Vec<Vec<String>> = Vec::new();
    for peer in [Peer::Ours, Peer::Redis70, Peer::Valkey80] {
        let server = start(peer, &directives);
        let replica = Server::start(Peer::Ours, &[]);
        replica.replicate(server.port());
        wait_for_link(&replica);
        server.limit_files(Some(ROOM));
        let mut writer = fill_the_disk(&server);
        wait_for_field(&server, "aof_last_write_status", "err");
        wait_until("the replica to get on from memory", SHORT, || count(&mut replica.client(), 0..8) == 8);
        assert_eq!(field(&server, "rdb_last_bgsave_status"), "ok");
        // Peers call a write that came out short a full disk.
        seen.push(
            answers(&server).iter().map(|line| line.replace("No space left on device", "File too large")).collect(),
        );
        if peer == Peer::Ours {
            let restarted = loads_as_it_is(&server);
            assert!((0..8).contains(&count(&mut restarted.client(), 0..8)), "whole commands, and only those");
        }
        server.limit_files(None);
        wait_for_field(&server, "aof_last_write_status", "ok");
        assert!(server.log().contains("AOF write error looks solved"));
        for _ in 0..8 {
            assert_eq!(writer.reply().expect("what waited is answered"), Value::Simple(b"OK".to_vec()));
        }
        server.run("SET a b");
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[test]
fn what_was_acknowledged_before_and_after_a_full_disk_survives_a_kill() {
    for fsync in ["always", "everysec"] {
        let mut server =
            start(Peer::Ours, &["appendonly yes", "aof-load-truncated no", &format!("appendfsync {fsync}")]);
        for round in 0..3 {
            server.limit_files(Some(ROOM + round * 5 * VALUE as u64));
            let mut writer = fill_the_disk(&server);
            wait_for_field(&server, "aof_last_write_status", "err");
            server.limit_files(None);
            for _ in 0..8 {
                assert!(writer.reply().expect("what waited is answered").as_error().is_none());
            }
        }
        server.limit_files(Some(ROOM));
        let mut writer = server.client();
        writer.send(&[b"SET", b"unacknowledged", b"v"]).expect("it is up");
        wait_for_field(&server, "aof_last_write_status", "err");
        server.kill();
        server.start_again(&[]);
        wait_until("the files to be loaded", LONG, || server.call("EXISTS k0").as_int().is_some());
        assert_eq!(count(&mut server.client(), 0..8), 8);
    }
}

/// Real servers end here; ours acknowledges nothing, and goes on when it can.
#[test]
fn with_always_nothing_is_acknowledged_that_is_not_in_the_file() {
    for peer in [Peer::Redis70, Peer::Valkey80] {
        let mut server = start(peer, &["appendonly yes", "appendfsync always"]);
        server.limit_files(Some(ROOM));
        drop(fill_the_disk(&server));
        assert_eq!(server.wait_for_exit(), Some(1));
    }
    let server = start(Peer::Ours, &["appendonly yes", "appendfsync always"]);
    server.limit_files(Some(ROOM));
    let mut writer = fill_the_disk(&server);
    wait_for_field(&server, "aof_last_write_status", "err");
    let restarted = loads_as_it_is(&server);
    let on_disk = count(&mut restarted.client(), 0..8) as usize;
    for _ in 0..on_disk {
        assert!(writer.reply().expect("it is on disk").as_error().is_none());
    }
    writer.set_timeout(Some(std::time::Duration::from_millis(500))).expect("an open connection");
    assert!(writer.reply().is_err(), "the next one is not, and gets no answer");
    // Others are told at once, and reads go on.
    let mut other = server.client();
    let refused = other.line("SET a b").expect("a reply");
    assert_eq!(refused.as_error(), Some(&b"MISCONF Errors writing to the AOF file: File too large"[..]));
    assert_eq!(other.line("EXISTS k0").expect("a reply").as_int(), Some(1));
    server.limit_files(None);
    wait_for_field(&server, "aof_last_write_status", "ok");
    server.run("SET a b");
    assert_eq!(count(&mut server.client(), 0..8), 8);
}

#[test]
fn a_rewrite_that_fails_is_told_and_the_next_one_works() {
    for peer in [Peer::Ours, Peer::Redis70, Peer::Valkey80] {
        let server = start(peer, &["appendonly yes", "rdbcompression no"]);
        server.run(&format!("SET large {}", "x".repeat(5 * VALUE)));
        server.run("INCR before");
        let size = server.info().number("aof_current_size");
        server.limit_files(Some(3000));
        assert!(server.call("BGREWRITEAOF").as_error().is_none());
        wait_for_field(&server, "aof_last_bgrewrite_status", "err");
        let refused = server.call("SET a b").as_error().is_some();
        assert!(!refused, "{}: the file that the stream goes to has room", peer.name());
        server.limit_files(None);
        assert!(server.info().number("aof_current_size") >= size);
        let log = server.log();
        assert!(log.contains("File too large"), "{log}");
        server.run("BGREWRITEAOF");
        wait_for_field(&server, "aof_last_bgrewrite_status", "ok");
        let leftover = |name: &String| name.starts_with("temp-");
        wait_until("nothing unfinished to be left", SHORT, || !server.files().iter().any(leftover));
    }
}

/// The folder of the files is gone: nothing can be created there.
#[test]
fn a_rewrite_without_its_folder_is_told_and_goes_on_when_it_is_back() {
    let mut server = start(Peer::Ours, &["appendonly yes"]);
    server.run("SET k v");
    let folder = server.data_folder().join("appendonlydir");
    let aside = server.data_folder().join("aside");
    std::fs::rename(&folder, &aside).expect("it is there");
    std::fs::write(&folder, "in its place").expect("a file");
    server.run("BGREWRITEAOF");
    wait_for_field(&server, "aof_last_bgrewrite_status", "err");
    server.run("SET k w");
    std::fs::remove_file(&folder).expect("our own file");
    std::fs::rename(&aside, &folder).expect("it is there");
    server.run("BGREWRITEAOF");
    wait_for_field(&server, "aof_last_bgrewrite_status", "ok");
    server.kill();
    server.start_again(&[]);
    wait_until("the files to be loaded", LONG, || server.call("GET k").as_str() == Some("w"));
}

#[test]
fn an_append_only_file_that_cannot_be_created_is_not_turned_on() {
    let mut seen = Vec::new();
    for peer in [Peer::Ours, Peer::Valkey80] {
        let server = Server::start(peer, &[]);
        std::fs::write(server.data_folder().join("appendonlydir"), "in its place").expect("a file");
        let refused = server.call("CONFIG SET appendonly yes");
        server.run("SET k v");
        seen.push((refused, server.call("CONFIG GET appendonly"), field(&server, "aof_enabled")));
    }
    assert_eq!(seen[0], seen[1]);
}

/// Saves fail, by themselves, by command and at the end.
fn failing_saves(peer: Peer, break_disk: fn(&Server), mend_disk: fn(&Server)) -> Vec<String> {
    let server = Server::start(peer, &["save '1 1'", "rdbcompression no"]);
    server.run(&format!("SET large {}", "x".repeat(5 * VALUE)));
    wait_for_field(&server, "rdb_changes_since_last_save", "0");
    break_disk(&server);
    let mut told = vec![format!("SAVE: {:?}", server.call("SAVE"))];
    // Who asked was told: writes are not refused for it.
    told.push(format!("status {}", field(&server, "rdb_last_bgsave_status")));
    server.run("SET k0 v");
    wait_for_field(&server, "rdb_last_bgsave_status", "err");
    told.extend(answers(&server));
    told.push(format!("SHUTDOWN: {:?}", server.call("SHUTDOWN")));
    server.run("CONFIG SET stop-writes-on-bgsave-error no");
    told.extend(answers(&server));
    server.run("CONFIG SET stop-writes-on-bgsave-error yes");
    told.extend(answers(&server));
    mend_disk(&server);
    // It is tried again after some seconds.
    wait_for_field(&server, "rdb_last_bgsave_status", "ok");
    told.extend(answers(&server));
    // Valkey names itself.
    told.iter().map(|line| line.replace("Valkey", "Redis")).collect()
}

#[test]
fn saves_that_find_no_room_refuse_writes_as_a_peer_does_until_one_succeeds() {
    let run = |peer| failing_saves(peer, |server| server.limit_files(Some(2000)), |server| server.limit_files(None));
    let ours = run(Peer::Ours);
    assert_eq!(ours, run(Peer::Redis70));
    assert_eq!(ours, run(Peer::Valkey80));
}

#[test]
fn saves_that_cannot_put_their_file_in_place_do_the_same() {
    fn file(server: &Server) -> PathBuf {
        server.data_folder().join("dump.rdb")
    }
    let break_disk = |server: &Server| {
        std::fs::remove_file(file(server)).expect("the last save");
        std::fs::create_dir_all(file(server).join("in its place")).expect("a folder");
    };
    let mend_disk = |server: &Server| std::fs::remove_dir_all(file(server)).expect("our own folder");
    let ours = failing_saves(Peer::Ours, break_disk, mend_disk);
    assert_eq!(ours, failing_saves(Peer::Redis70, break_disk, mend_disk));
}

/// A library before the system's whose syncs fail while a file is there.
struct FailingSync {
    folder: tempfile::TempDir,
}

impl FailingSync {
    fn build() -> FailingSync {
        let folder = tempfile::tempdir().expect("a folder");
        let flag = folder.path().join("fail");
        let source = format!(
            "#define _GNU_SOURCE\n#include <errno.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
             static int fails(void) {{ return access(\"{}\", F_OK) == 0 && (errno = EIO); }}\n\
             int fdatasync(int fd) {{ return fails() ? -1 : syscall(SYS_fdatasync, fd); }}\n\
             int fsync(int fd) {{ return fails() ? -1 : syscall(SYS_fsync, fd); }}\n",
            flag.display()
        );
        std::fs::write(folder.path().join("sync.c"), source).expect("a file");
        let mut compiler = Command::new("cc");
        compiler.current_dir(folder.path()).args(["-shared", "-fPIC", "-o", "sync.so", "sync.c"]);
        assert!(compiler.status().is_ok_and(|status| status.success()), "cc makes a library");
        FailingSync { folder }
    }

    fn start(&self, peer: Peer, fsync: &str) -> Server {
        let library = self.path("sync.so");
        let environment = [("LD_PRELOAD", library.to_str().expect("a path of letters"))];
        let directives = ["appendonly yes", "aof-load-truncated no", &format!("appendfsync {fsync}")];
        let server = Server::start_with(peer, &directives, &environment);
        wait_until("the first base", LONG, || server.info().get("aof_rewrite_in_progress") == Some("0"));
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn begin(&self) {
        std::fs::write(self.path("fail"), "").expect("a file");
    }

    fn end(&self) {
        std::fs::remove_file(self.path("fail")).expect("our own file");
    }
}

#[test]
fn a_file_that_cannot_be_synced_refuses_writes_as_a_peer_does_until_there_is_a_new_base() {
    let mut seen = Vec::new();
    for peer in [Peer::Ours, Peer::Redis70, Peer::Valkey80] {
        let sync = FailingSync::build();
        let mut server = sync.start(peer, "everysec");
        let replica = Server::start(Peer::Ours, &[]);
        replica.replicate(server.port());
        wait_for_link(&replica);
        server.run("SET k0 v");
        let bases = server.info().get("aof_rewrites").map(str::to_owned);
        sync.begin();
        // Another one may be under way.
        let mut writer = server.client();
        wait_until("writes to be refused", LONG, || {
            drop(writer.send(&[b"SET", b"k1", b"v"]));
            field(&server, "aof_last_write_status") == "err"
        });
        seen.push(answers(&server));
        wait_until("the replica to get on from memory", SHORT, || count(&mut replica.client(), 0..2) == 2);
        sync.end();
        // Real servers refuse writes for ever, since only a write would have them sync again.
        if peer == Peer::Ours {
            wait_for_field(&server, "aof_last_write_status", "ok");
            server.run("SET k2 v");
            assert_ne!(server.info().get("aof_rewrites").map(str::to_owned), bases, "a new base stands");
            server.kill();
            server.start_again(&[]);
            wait_until("the files to be loaded", LONG, || server.call("EXISTS a").as_int().is_some());
            assert_eq!(count(&mut server.client(), 0..3), 3);
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

/// One fault, of which the system tells whoever syncs next, and nobody after that.
#[test]
fn a_sync_that_fails_at_the_end_is_not_forgotten() {
    let sync = FailingSync::build();
    let mut server = sync.start(Peer::Ours, "everysec");
    server.run("SET k0 v");
    let bases = server.info().number("aof_rewrites");
    sync.begin();
    server.run("SET k1 v");
    assert!(server.call("SHUTDOWN NOSAVE").as_error().is_some());
    sync.end();
    let synced = server.call("WAITAOF 1 0 0");
    assert_eq!(synced, Value::Array(vec![Value::Int(1), Value::Int(0)]));
    assert!(server.info().number("aof_rewrites") > bases, "only a new base is to be trusted");
    server.terminate();
    server.start_again(&[]);
    wait_until("the files to be loaded", LONG, || server.call("EXISTS k0").as_int().is_some());
    assert_eq!(count(&mut server.client(), 0..2), 2);
}

/// Real servers end here.
#[test]
fn with_always_a_write_whose_sync_failed_is_answered_when_a_new_base_has_it() {
    for peer in [Peer::Redis70, Peer::Valkey80] {
        let sync = FailingSync::build();
        let mut server = sync.start(peer, "always");
        sync.begin();
        drop(fill_the_disk(&server));
        assert_eq!(server.wait_for_exit(), Some(1));
    }
    let sync = FailingSync::build();
    let mut server = sync.start(Peer::Ours, "always");
    sync.begin();
    let mut writer = server.client();
    writer.send(&[b"SET", b"k0", b"v"]).expect("it is up");
    wait_for_field(&server, "aof_last_write_status", "err");
    writer.set_timeout(Some(std::time::Duration::from_millis(300))).expect("an open connection");
    assert!(writer.reply().is_err(), "nobody knows whether it is on disk");
    sync.end();
    writer.set_timeout(Some(LONG)).expect("an open connection");
    assert!(writer.reply().expect("it is on disk now").as_error().is_none());
    server.kill();
    server.start_again(&[]);
    wait_until("the files to be loaded", LONG, || server.call("EXISTS k0").as_int() == Some(1));
}

/// What becomes of a replica whose disk is full while its master writes: its exit code if it ends, else what it answers.
fn replica_with_a_full_disk(peer: Peer, directives: &[&str]) -> Result<Vec<String>, Option<i32>> {
    let master = Server::start(Peer::Valkey80, &[]);
    let mut replica = Server::start(peer, directives);
    replica.replicate(master.port());
    wait_for_link(&replica);
    master.run(&format!("SET large {}", "x".repeat(5 * VALUE)));
    wait_until("the write", LONG, || replica.call("EXISTS large").as_int() == Some(1));
    wait_until("its base", LONG, || replica.info().get("aof_rewrite_in_progress") == Some("0"));
    replica.limit_files(Some(1000));
    let value = "x".repeat(VALUE);
    let (mut number, mut behind) = (0, 0);
    let end = wait_for("the fault to be seen", LONG, || {
        number += 1;
        master.run(&format!("SET k{} {value}", number % 8));
        if !replica.is_alive() {
            return Some(Err(()));
        }
        let info = replica.try_call("INFO persistence").ok()?;
        let trouble = ["aof_last_write_status:err", "rdb_last_bgsave_status:err"];
        let in_trouble = trouble.iter().any(|line| info.as_str().is_some_and(|text| text.contains(line)));
        behind += u32::from(in_trouble);
        // A few more, so that one comes behind the fault.
        (behind > 5).then_some(Ok(()))
    });
    if end.is_err() {
        return Err(replica.wait_for_exit());
    }
    master.run("SET last v");
    wait_until("replication to go on", LONG, || replica.call("EXISTS last").as_int() == Some(1));
    Ok(answers(&replica).iter().map(|line| line.replace("Valkey", "Redis")).collect())
}

#[test]
fn a_replica_that_cannot_write_to_disk_ends_unless_it_is_to_ignore_that() {
    for how in [&["appendonly yes"][..], &["save '1 1'", "rdbcompression no"]] {
        // Real servers abort, which no exit code tells.
        assert_eq!(replica_with_a_full_disk(Peer::Valkey80, how), Err(None), "{how:?}");
        assert_eq!(replica_with_a_full_disk(Peer::Ours, how), Err(Some(1)), "{how:?}");
        let ignoring = [how, &["replica-ignore-disk-write-errors yes"]].concat();
        let theirs = replica_with_a_full_disk(Peer::Valkey80, &ignoring);
        assert!(theirs.is_ok(), "{how:?}");
        assert_eq!(replica_with_a_full_disk(Peer::Ours, &ignoring), theirs, "{how:?}");
    }
}

/// A replica holds another type under a key than its master, which writes to it: whether it ends, and what it counts.
fn replica_that_differs(peer: Peer, behavior: &str, read_only: &str) -> Option<i64> {
    let master = Server::start(Peer::Valkey80, &[]);
    let mut replica = Server::start(peer, &[&format!("propagation-error-behavior {behavior}"), "replica-read-only no"]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    replica.run("SET k v");
    replica.run(&format!("CONFIG SET replica-read-only {read_only}"));
    master.run("RPUSH k element");
    master.run("SET behind v");
    let ended = wait_for("what is behind, or the end", LONG, || {
        let behind = replica.try_call("EXISTS behind").is_ok_and(|reply| reply.as_int() == Some(1));
        if behind { Some(false) } else { (!replica.is_alive()).then_some(true) }
    });
    // Valkey calls it its primary.
    assert!(replica.log().contains("== CRITICAL == This replica is sending an error to its "), "{}", replica.log());
    assert!(!ended || replica.log().contains("This replica panicked sending an error to its "));
    (!ended).then(|| replica.info().number("unexpected_error_replies"))
}

#[test]
fn a_replica_that_differs_from_its_master_ends_or_says_so_as_the_settings_and_a_peer_do() {
    let expected = [
        ("ignore", "yes", Some(1)),
        ("panic", "yes", None),
        ("panic", "no", Some(1)),
        ("panic-on-replicas", "yes", None),
        ("panic-on-replicas", "no", Some(1)),
    ];
    for (behavior, read_only, outcome) in expected {
        for peer in [Peer::Valkey80, Peer::Ours] {
            let seen = replica_that_differs(peer, behavior, read_only);
            assert_eq!(seen, outcome, "{}: {behavior}, replica-read-only {read_only}", peer.name());
        }
    }
}

/// A command in an append-only file that fails when it is replayed: with `panic` the files are refused.
#[test]
fn a_file_whose_command_fails_is_loaded_or_refused_as_the_settings_say() {
    for (behavior, starts) in [("ignore", true), ("panic-on-replicas", true), ("panic", false)] {
        for peer in [Peer::Valkey80, Peer::Ours] {
            let mut server = start(peer, &["appendonly yes", &format!("propagation-error-behavior {behavior}")]);
            server.run("SET k v");
            server.terminate();
            let file = last_file(&server.data_folder().join("appendonlydir"));
            let mut bytes = std::fs::read(&file).expect("the file");
            bytes.extend_from_slice(b"*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n$7\r\nelement\r\n");
            std::fs::write(&file, bytes).expect("the file");
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                server.start_again(&[]);
                wait_until("the files to be loaded", SHORT, || {
                    server.try_call("GET k").is_ok_and(|reply| reply.as_str() == Some("v"))
                });
            }));
            assert_eq!(outcome.is_ok(), starts, "{}: {behavior}", peer.name());
            let log = server.log();
            assert!(log.contains("sending an error to its AOF-loading-client") || !starts, "{}: {log}", peer.name());
        }
    }
}

/// The incremental file that is written to: the one with the highest number.
fn last_file(folder: &Path) -> PathBuf {
    let names = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = names.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).collect();
    files.sort();
    files.pop().expect("an incremental file")
}
