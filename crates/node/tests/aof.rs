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
