//! The append-only file when it is turned off, ended or failing: what clients are told, and which files are left.

mod support;

use support::script::Action;
use support::session::Session;

/// A server with an append-only file whose base is complete.
fn session() -> Session {
    let mut session = Session::new();
    session.send('a', &["CONFIG SET appendonly yes"]);
    assert_eq!(info(&mut session, "aof_rewrites"), "1");
    session
}

fn info(session: &mut Session, field: &str) -> String {
    let text = session.send('i', &["INFO persistence"]).concat();
    let value = text.split(&format!("{field}:")).nth(1).unwrap_or_else(|| panic!("{field} is not in {text}"));
    value.split(['\\', ' ', '\r', '\n']).next().expect("a value").to_owned()
}

fn sleep(session: &mut Session, ms: u64) {
    session.act(&Action::Sleep(ms));
    session.taken();
}

/// What a disk in trouble says.
fn trouble() -> Option<String> {
    Some("Input/output error".to_owned())
}

#[test]
fn a_sync_that_fails_after_appendonly_no_does_not_bring_the_file_back() {
    let mut session = session();
    session.aof.hold_syncs.set(true);
    sleep(&mut session, 2000);
    session.send('a', &["SET k v"]);
    assert_eq!(session.aof.syncs.borrow().len(), 1, "a sync is under way");
    sleep(&mut session, 1200);
    session.send('a', &["CONFIG SET appendonly no"]);
    session.finish_syncs(Err("Input/output error".to_owned()));
    sleep(&mut session, 1000);
    session.finish_syncs(Err("Input/output error".to_owned()));
    assert_eq!(info(&mut session, "aof_enabled"), "0");
    assert_eq!(session.send('a', &["SET k w"]), ["a: +OK"]);
    assert_eq!(info(&mut session, "aof_rewrites"), "1");
}

#[test]
fn a_sync_that_fails_at_the_end_has_a_new_base_written() {
    let mut session = session();
    sleep(&mut session, 2000);
    session.aof.hold_syncs.set(true);
    session.send('a', &["SET k v"]);
    session.aof.sync_fault.replace(trouble());
    let failed = "a: -ERR Errors trying to SHUTDOWN. Check logs.";
    assert_eq!(session.send('a', &["SHUTDOWN NOSAVE"]), [failed]);
    assert_eq!(session.exit_code(), None);
    // The system tells of each fault once.
    session.aof.sync_fault.replace(None);
    session.finish_syncs(Ok(()));
    assert_eq!(info(&mut session, "aof_rewrites"), "2");
    session.send('a', &["SHUTDOWN NOSAVE"]);
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn a_shutdown_waits_for_the_file_that_a_new_id_begins() {
    let mut session = session();
    session.aof.hold_files.set(true);
    let end = ["REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "SET late 1", "SHUTDOWN NOSAVE"];
    session.send('a', &end);
    assert_eq!(session.exit_code(), None, "the write is in no file yet");
    session.finish_file_tasks();
    assert_eq!(session.exit_code(), Some(0));
    let content = session.aof.content.borrow();
    assert!(content.windows(4).any(|window| window == b"late"));
}

#[test]
fn a_shutdown_waits_for_the_first_base_if_a_write_does() {
    let mut session = Session::with_append_only_file(true);
    session.send('a', &["SET late 1", "SHUTDOWN NOSAVE NOW"]);
    assert_eq!(session.exit_code(), None);
    session.finish_file_tasks();
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn a_shutdown_does_not_wait_for_ever_for_a_file() {
    let mut session = session();
    session.aof.hold_files.set(true);
    let end = ["REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "SET late 1"];
    session.send('a', &end);
    session.send('b', &["SHUTDOWN NOSAVE"]);
    session.act(&Action::Sleep(10_000));
    assert_eq!(session.taken(), ["b: -ERR Errors trying to SHUTDOWN. Check logs."]);
    session.send('b', &["SHUTDOWN NOSAVE FORCE"]);
    session.act(&Action::Sleep(10_000));
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn bgrewriteaof_tries_at_once_what_waits_after_failures() {
    let mut session = session();
    session.aof.base_fault.replace(trouble());
    session.send('a', &["CONFIG SET appendonly no"]);
    session.send('a', &["CONFIG SET appendonly yes"]);
    for _ in 0..5 {
        sleep(&mut session, 100_000);
    }
    assert_eq!(info(&mut session, "aof_rewrite_scheduled"), "1");
    session.aof.base_fault.replace(None);
    assert_eq!(session.send('a', &["BGREWRITEAOF"]), ["a: +Background append only file rewriting started"]);
    assert_eq!(info(&mut session, "aof_rewrites"), "2");
    assert_eq!(info(&mut session, "aof_rewrite_scheduled"), "0");
}

#[test]
fn a_second_bgrewriteaof_is_refused_while_the_first_is_under_way() {
    let mut session = session();
    session.aof.hold_files.set(true);
    session.send('a', &["BGREWRITEAOF"]);
    let refused = "a: -ERR Background append only file rewriting already in progress";
    assert_eq!(session.send('a', &["BGREWRITEAOF"]), [refused]);
}

#[test]
fn who_waits_for_our_disk_is_told_when_there_is_no_append_only_file_any_more() {
    let mut session = session();
    session.aof.hold_syncs.set(true);
    sleep(&mut session, 2000);
    assert_eq!(session.send('w', &["SET k v", "WAITAOF 1 0 0"]), ["w: +OK"]);
    assert!(session.send('r', &["WAITAOF 0 1 0"]).is_empty());
    let told = session.send('a', &["CONFIG SET appendonly no"]);
    let refused = "w: -ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(told, ["a: +OK", refused]);
    assert_eq!(session.send('w', &["PING"]), ["w: +PONG"]);
}

#[test]
fn bases_that_fail_leave_no_files() {
    let mut session = session();
    session.send('a', &["SET k v", "CONFIG SET appendonly no"]);
    session.aof.base_fault.replace(trouble());
    let before = session.aof.names.borrow().clone();
    session.send('a', &["CONFIG SET appendonly yes"]);
    for _ in 0..4 {
        sleep(&mut session, 100_000);
        session.send('a', &["INCR n"]);
    }
    assert_eq!(info(&mut session, "aof_rewrites_consecutive_failures"), "5");
    assert_eq!(*session.aof.names.borrow(), before);
    session.aof.base_fault.replace(None);
    session.send('a', &["BGREWRITEAOF"]);
    assert_eq!(session.aof.with_ending(".base.rdb").len(), 1);
    assert_eq!(session.aof.with_ending(".incr.aof").len(), 1);
}

#[test]
fn a_base_that_is_complete_too_late_is_deleted() {
    for turn_off in [false, true] {
        let mut session = session();
        let before = session.aof.with_ending(".base.rdb");
        session.aof.hold_bases.set(true);
        session.send('a', &["BGREWRITEAOF"]);
        let wish = if turn_off { "CONFIG SET appendonly no" } else { "PING" };
        session.send('a', &[wish]);
        session.finish_bases();
        let after = session.aof.with_ending(".base.rdb");
        assert_eq!(after.len(), 1);
        assert_eq!(after == before, turn_off);
    }
}

// A start passes over such commands of a newer master, and refuses all others that it does not know.
#[test]
fn a_command_of_the_master_that_is_not_known_is_noted_with_its_place() {
    let mut session = session();
    session.follow_master();
    let known = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    session.master_sends(known);
    session.master_sends(b"*1\r\n$6\r\nNOSUCH\r\n");
    session.master_sends(b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(*session.aof.unknown.borrow(), [known.len() as u64]);
}

// What of its replies is free was asked twice in a turn, and the second answer was another: the reply waited for the sync of
// the write of that moment, time and again.
#[test]
fn a_long_reply_does_not_wait_for_writes_that_come_behind_it() {
    let mut session = session();
    let value = "x".repeat(20_000);
    session.send('w', &["CONFIG SET appendfsync always", &format!("SET long {value}")]);
    session.aof.hold_syncs.set(true);
    session.send('w', &["SET k 1"]);
    assert!(session.send('r', &["GET long"]).is_empty(), "what it may have seen is not on disk");
    session.send('w', &["SET k 2"]);
    session.finish_syncs(Ok(()));
    assert!(session.taken().contains(&format!("r: $20000 {value}")));
}
