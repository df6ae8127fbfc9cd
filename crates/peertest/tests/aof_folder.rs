//! What a start makes of a folder of append-only files that is not as it was left: another server wrote to it, a file of it
//! is missing or empty, or another server uses it at the same time.

#![allow(clippy::disallowed_methods, reason = "tests on real processes: files are their means")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use peertest::{Dataset, LONG, Peer, Server, free_port, wait_until};

fn folder_of(server: &Server) -> PathBuf {
    server.data_folder().join("appendonlydir")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A server that must not start in this folder: what it says.
#[track_caller]
fn refusal(folder: &Path) -> String {
    let (program, first) = Peer::Ours.server_program();
    // One that starts after all is no reason to wait for ever.
    let mut command = Command::new("timeout");
    command.arg("30").arg(program).args(first).args([
        "--port",
        &free_port().to_string(),
        "--appendonly",
        "yes",
        "--save",
        "",
        "--dir",
    ]);
    let output = command.arg(folder).stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn wait_for_the_link(replica: &Server) {
    wait_until("the link", LONG, || replica.info().get("master_link_status") == Some("up"));
}

/// A server with an append-only file that is complete.
fn ours(directives: &[&str]) -> Server {
    let server = Server::start(Peer::Ours, &[&["appendonly yes"], directives].concat());
    wait_until("the base", LONG, || server.info().get("aof_rewrite_in_progress") == Some("0"));
    server
}

/// A replica that ended, and a server that ran on its files before it starts again: how the replica comes back.
fn comes_back_after(between: impl FnOnce(&Path)) -> (Server, Server, i64, i64) {
    let master = Server::start(Peer::Ours, &[]);
    let mut replica = ours(&[&format!("replicaof 127.0.0.1 {}", master.port())]);
    wait_for_the_link(&replica);
    wait_until("the base", LONG, || replica.info().get("aof_rewrite_in_progress") == Some("0"));
    for n in 0..20 {
        master.run(&format!("SET before{n} {n}"));
    }
    wait_until("the replica to have all", LONG, || replica.run("DBSIZE").as_int() == Some(20));
    replica.terminate();
    let before = master.info();
    for n in 0..200 {
        master.run(&format!("SET after{n} {}", "v".repeat(100)));
    }
    between(&replica.data_folder());
    replica.start_again(&[]);
    wait_for_the_link(&replica);
    let after = master.info();
    let grown = |field: &str| after.number(field) - before.number(field);
    let (full, partial) = (grown("sync_full"), grown("sync_partial_ok"));
    wait_until("the replica to have all", LONG, || replica.run("DBSIZE").as_int() == Some(220));
    (master, replica, full, partial)
}

#[test]
fn a_replica_that_ended_in_order_goes_on_where_it_was() {
    let (_master, _replica, full, partial) = comes_back_after(|_| {});
    assert_eq!((full, partial), (0, 1));
}

/// It went on by the number of bytes, in the middle of a command.
#[test]
fn a_replica_whose_files_another_server_wrote_to_gets_everything() {
    let (master, replica, full, partial) = comes_back_after(|folder| {
        let mut other = Server::start(Peer::Valkey80, &["appendonly yes", &format!("dir {}", folder.display())]);
        for n in 0..20 {
            other.run(&format!("SET k{n} v"));
        }
        other.terminate();
    });
    assert_eq!((full, partial), (1, 0));
    assert!(replica.log().contains("Another server wrote to the append-only files"), "{}", replica.log());
    let (mine, other) = (Dataset::read(&mut master.client()), Dataset::read(&mut replica.client()));
    assert_eq!(mine.differences("master", &other, "replica"), None);
}

#[test]
fn a_master_whose_files_another_server_wrote_to_sends_everything_and_starts_again() {
    let mut master = ours(&[]);
    master.run("SET k0 v");
    let replica = Server::start(Peer::Ours, &[]);
    replica.replicate(master.port());
    wait_for_the_link(&replica);
    master.terminate();
    let mut other =
        Server::start(Peer::Valkey80, &["appendonly yes", &format!("dir {}", master.data_folder().display())]);
    other.run("SET k1 v");
    other.terminate();
    master.start_again(&[]);
    assert_eq!(master.run("DBSIZE").as_int(), Some(2));
    wait_until("the link", LONG, || replica.run("DBSIZE").as_int() == Some(2));
    assert_eq!((master.info().number("sync_full"), master.info().number("sync_partial_ok")), (1, 0));
    // What goes on behind the other's bytes can be loaded.
    master.run("SET k2 v");
    for _ in 0..2 {
        master.terminate();
        master.start_again(&[]);
        wait_until("the load", LONG, || master.call("DBSIZE").as_int() == Some(3));
    }
}

/// A master knows commands that its replica does not, which passes over them: after a restart too.
#[test]
fn a_replica_that_passed_over_a_command_of_its_master_starts_again() {
    let master = Server::start(Peer::Valkey80, &[]);
    let mut replica = ours(&[&format!("replicaof 127.0.0.1 {}", master.port())]);
    wait_for_the_link(&replica);
    wait_until("the base", LONG, || replica.info().get("aof_rewrite_in_progress") == Some("0"));
    let library = "#!lua name=library\nredis.register_function('f', function() return 1 end)";
    let loaded = master.client().command(&[b"FUNCTION", b"LOAD", library.as_bytes()]).expect("an answer");
    assert!(loaded.as_error().is_none(), "{loaded:?}");
    master.run("SET k v");
    wait_until("the write", LONG, || replica.call("EXISTS k").as_int() == Some(1));
    assert!(replica.log().contains("CRITICAL"), "there must be something to pass over: {}", replica.log());
    let ids = std::fs::read_to_string(folder_of(&replica).join("appendonly.aof.ids")).expect("it is there");
    assert!(ids.contains("unknown-since"), "{ids}");
    replica.kill();
    replica.start_again(&[]);
    wait_until("the load", LONG, || replica.call("EXISTS k").as_int() == Some(1));
}

#[test]
fn files_without_their_manifest_are_neither_used_nor_deleted() {
    let mut server = ours(&[]);
    server.run("SET k v");
    server.terminate();
    let folder = folder_of(&server);
    std::fs::remove_file(folder.join("appendonly.aof.manifest")).expect("there is one");
    let before = names(&folder);
    for _ in 0..2 {
        let said = refusal(&server.data_folder());
        assert!(said.contains("appendonly.aof.1.base.rdb") && said.contains("Restore the manifest"), "{said}");
        assert_eq!(names(&folder), before);
    }
    // Nor does a server that begins one while it runs.
    server.start_again(&["appendonly no"]);
    let refused = server.call("CONFIG SET appendonly yes");
    assert!(refused.as_error().is_some(), "{refused:?}");
    assert_eq!(names(&folder), before);
}

#[test]
fn a_start_that_is_killed_before_its_first_base_is_complete_can_be_repeated() {
    let mut server = Server::start(Peer::Ours, &["appendonly yes"]);
    server.kill();
    let folder = folder_of(&server);
    // As if the manifest had not been reached.
    std::fs::write(folder.join("appendonly.aof.manifest"), "# Nothing is complete yet.\n").expect("a file");
    server.start_again(&[]);
    assert_eq!(server.run("DBSIZE").as_int(), Some(0));
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let mut server = ours(&[]);
    let folder = server.data_folder();
    let said = refusal(&folder);
    assert!(said.contains("in use by another server"), "{said}");
    let second = Server::start(Peer::Ours, &[&format!("dir {}", folder.display())]);
    let refused = second.call("CONFIG SET appendonly yes");
    assert!(refused.as_error().is_some(), "{refused:?}");
    assert_eq!(second.run("CONFIG GET appendonly").as_slice().map(|pair| pair[1].as_str()), Some(Some("no")));
    server.run("SET k v");
    server.kill();
    server.start_again(&[]);
    wait_until("the load", LONG, || server.call("EXISTS k").as_int() == Some(1));
}

#[test]
fn an_empty_base_is_refused() {
    let mut server = ours(&[]);
    server.run("SET k v");
    server.run("BGREWRITEAOF");
    wait_until("the rewrite", LONG, || server.info().number("aof_rewrites") >= 2);
    server.run("SET l v");
    server.terminate();
    let folder = folder_of(&server);
    let base = names(&folder).into_iter().find(|name| name.ends_with("base.rdb")).expect("a base");
    std::fs::write(folder.join(&base), "").expect("the base");
    let said = refusal(&server.data_folder());
    assert!(said.contains(&base) && said.contains("is empty"), "{said}");
}

// The file went on in the folder of the start, and a start with the new setting found none.
#[test]
fn the_append_only_file_is_not_left_behind_by_another_dir() {
    let server = ours(&["enable-protected-configs yes"]);
    let elsewhere = server.data_folder().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a folder");
    let change = format!("CONFIG SET dir {}", elsewhere.display());
    let refused = |reply: client::Value, why: &str| {
        let text = reply.as_error().map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(text.as_ref().is_some_and(|text| text.contains(why)), "{text:?}");
    };
    refused(server.call(&change), "Set appendonly to no before dir is changed");
    // To where it is already, as tools do that restore settings.
    server.run(&format!("CONFIG SET dir {}", server.data_folder().display()));
    server.run("CONFIG SET appendonly no");
    server.run(&change);
    server.run("SET k v");
    server.run("SAVE");
    assert!(elsewhere.join("dump.rdb").exists());
    refused(server.call("CONFIG SET appendonly yes"), "Unable to turn on AOF. Check server logs.");
    assert!(server.log().contains("dir was changed since the start"), "{}", server.log());
    server.run(&format!("CONFIG SET dir {}", server.data_folder().display()));
    server.run("CONFIG SET appendonly yes");
    wait_until("the base", LONG, || server.info().get("aof_rewrite_in_progress") == Some("0"));
    assert!(names(&folder_of(&server)).iter().any(|name| name.ends_with(".base.rdb")));
}

/// Does something to the file in use of a server with keys in it, writes on, and kills it once it has noticed: it starts with
/// all keys.
fn notices(fsync: &str, harm: impl FnOnce(&Path)) {
    let mut server = ours(&[&format!("appendfsync {fsync}")]);
    (0..100).for_each(|at| drop(server.run(&format!("SET before:{at} 1"))));
    let rewrites = || server.info().number("aof_rewrites");
    let rewrites_before = rewrites();
    let folder = folder_of(&server);
    let in_use = names(&folder).into_iter().rfind(|name| name.ends_with(".incr.aof")).expect("the file in use");
    harm(&folder.join(in_use));
    // Some may be refused until there is a new base.
    wait_until("the new base", LONG, || {
        server.call("SET after 1");
        rewrites() > rewrites_before && server.info().get("aof_rewrite_in_progress") == Some("0")
    });
    wait_until("writes to be taken again", LONG, || server.call("SET last 1").as_error().is_none());
    assert!(server.log().contains("by somebody else"), "{}", server.log());
    server.kill();
    server.start_again(&[]);
    let data = Dataset::read(&mut server.client());
    assert_eq!(data.len(), 102);
}

fn cut(path: &Path) {
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(0)).expect("it is cut");
}

// What was written behind the cut stood behind a hole, and no start could read it.
#[test]
fn a_file_that_is_cut_while_it_is_in_use_is_replaced_by_a_new_base() {
    notices("everysec", cut);
    notices("always", cut);
}

#[test]
fn a_file_that_is_deleted_while_it_is_in_use_is_replaced_by_a_new_base() {
    notices("always", |path| std::fs::remove_file(path).expect("it is deleted"));
    notices("everysec", |path| std::fs::remove_dir_all(path.parent().expect("a folder")).expect("all is deleted"));
}
