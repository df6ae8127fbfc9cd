//! Replicas that fall behind what memory holds, with a disk that works, and with disks that do not.

mod support;

use support::script::Action;
use support::session::Session;
use support::spill_disk::Mood;

/// A value that stands for many writes, in bytes.
const VALUE_BYTES: usize = 50_000;

/// A server with little memory for replicas, and a replica, `r`, that has everything and takes nothing any more.
fn session(disk_bytes: &str) -> Session {
    let mut session = Session::new();
    session.send('a', &["CONFIG SET repl-backlog-size 20000"]);
    let limit = [&b"CONFIG"[..], b"SET", b"client-output-buffer-limit", b"replica 1000000 0 0"];
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &limit);
    session.act(&Action::Send('a', bytes));
    session.send('a', &[&format!("CONFIG SET repl-backlog-disk-size {disk_bytes}")]);
    session.add_replica();
    session.stall('r');
    session
}

/// Writes so often: the values that a replica will see.
fn write(session: &mut Session, times: usize) -> Vec<String> {
    let values: Vec<String> = (0..times).map(|nth| format!("{nth:0VALUE_BYTES$}")).collect();
    for value in &values {
        session.send('a', &[&format!("SET k {value}")]);
    }
    values
}

fn info(session: &mut Session, field: &str) -> String {
    let text = session.send('a', &["INFO replication"]).concat();
    let value = text.split(&format!("{field}:")).nth(1).unwrap_or_else(|| panic!("{field} is not in {text}"));
    value.split(['\\', ' ', '\r', '\n']).next().expect("a value").to_owned()
}

/// What the replica gets when it takes its part again.
fn goes_on(session: &mut Session) -> String {
    session.unstall('r');
    session.send('a', &["SET last value"]).into_iter().filter(|line| line.starts_with('r')).collect()
}

fn is_connected(session: &mut Session) -> bool {
    info(session, "connected_slaves") == "1"
}

#[test]
fn what_left_memory_comes_from_disk_in_order_and_whole() {
    let mut session = session("1gb");
    let values = write(&mut session, 60);
    assert_eq!(session.disk.reads, 0, "nothing is read for a replica that takes nothing");
    let held: usize = info(&mut session, "lockstep_backlog_memory_bytes").parse().expect("a number");
    assert!(held < 5 * VALUE_BYTES, "{held}");
    let got = goes_on(&mut session);
    let places: Vec<_> = values.iter().map(|value| got.find(value.as_str())).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "each value once, in order");
    assert!(got.contains("last") && got.len() > 60 * VALUE_BYTES);
    assert!(session.disk.reads >= 4, "block by block: {}", session.disk.reads);
    assert_eq!(info(&mut session, "lockstep_replicas_from_disk"), "0");
}

#[test]
fn files_go_one_by_one_and_a_replica_that_needs_the_oldest_is_cut() {
    let mut session = session("1000000");
    write(&mut session, 15);
    assert!(is_connected(&mut session), "it is behind, and on disk");
    write(&mut session, 60);
    assert!(!is_connected(&mut session));
    assert_eq!(info(&mut session, "lockstep_last_cut_setting"), "repl-backlog-disk-size");
    assert!((500_000..=1_000_000).contains(&session.disk.bytes()), "{}", session.disk.bytes());
    session.send('a', &["CONFIG SET repl-backlog-disk-size 0"]);
    session.send('a', &["PING"]);
    assert_eq!(session.disk.bytes(), 0);
}

#[test]
fn with_a_full_disk_memory_serves_up_to_the_output_limit() {
    let mut session = session("1gb");
    session.disk.mood = Mood::Full;
    write(&mut session, 15);
    assert!(is_connected(&mut session));
    write(&mut session, 10);
    assert!(!is_connected(&mut session));
    assert_eq!(info(&mut session, "lockstep_last_cut_setting"), "client-output-buffer-limit");
}

#[test]
fn a_disk_that_fills_up_costs_those_who_are_far_behind_and_is_tried_again() {
    let mut session = session("1gb");
    write(&mut session, 60);
    session.disk.mood = Mood::Full;
    write(&mut session, 10);
    assert!(!is_connected(&mut session));
    assert_eq!(session.disk.bytes(), 0, "the room is given back");
    session.disk.mood = Mood::Well;
    write(&mut session, 10);
    assert_eq!(session.disk.bytes(), 0);
    session.act(&Action::Sleep(10_000));
    write(&mut session, 10);
    assert!(session.disk.bytes() > 0);
}

#[test]
fn a_disk_that_never_answers_is_given_up_before_memory_is_full() {
    let mut session = session("1gb");
    session.disk.mood = Mood::Stuck;
    write(&mut session, 1200);
    assert!(is_connected(&mut session), "60 MB wait for the disk");
    write(&mut session, 200);
    assert!(!is_connected(&mut session), "the output limit holds again");
    let held: usize = info(&mut session, "lockstep_backlog_memory_bytes").parse().expect("a number");
    assert!(held < 5 * VALUE_BYTES, "{held}");
}

#[test]
fn what_cannot_be_read_is_promised_to_nobody_again() {
    let mut session = session("1gb");
    let from = session.offset();
    write(&mut session, 60);
    session.disk.mood = Mood::Unreadable;
    goes_on(&mut session);
    assert!(!is_connected(&mut session));
    assert_eq!(info(&mut session, "lockstep_last_cut_setting"), "none");
    let id = info(&mut session, "master_replid");
    let answer = session.send('s', &[&format!("PSYNC {id} {}", from + 1)]).concat();
    assert!(!answer.contains("CONTINUE"), "{answer}");
}

// The thread that wrote to an append-only file was busy when that was given up after a failed sync, and again when
// `appendonly no` ended what came after it. What it reported then was taken for the end of the nameless files.
#[test]
fn a_late_write_to_a_file_that_was_given_up_does_not_shorten_what_is_kept_for_replicas() {
    let mut session = session("1gb");
    let files = |session: &mut Session, value: &str| session.send('a', &[&format!("CONFIG SET appendonly {value}")]);
    files(&mut session, "yes");
    session.aof.hold_syncs.set(true);
    session.act(&Action::Sleep(2_000));
    session.send('a', &["SET synced maybe"]);
    assert_eq!(session.aof.syncs.borrow().len(), 1, "a sync is under way");
    session.send('a', &["SET late maybe"]);
    assert!(session.aof.writing.get().is_some(), "so a thread writes");
    session.finish_syncs(Err("Input/output error".to_owned()));
    files(&mut session, "no");
    session.aof.hold_syncs.set(false);
    let from = session.offset();
    let values = write(&mut session, 60);
    session.finish_writing();
    let id = info(&mut session, "master_replid");
    let got = session.send('s', &[&format!("PSYNC {id} {}", from + 1)]).concat();
    assert!(got.contains("+CONTINUE") && values.iter().all(|value| got.contains(value.as_str())));
}

#[test]
fn another_replica_goes_on_from_disk() {
    let mut session = session("1gb");
    let from = session.offset();
    let values = write(&mut session, 60);
    let id = info(&mut session, "master_replid");
    let got = session.send('s', &[&format!("PSYNC {id} {}", from + 1)]).concat();
    assert!(got.contains("+CONTINUE") && values.iter().all(|value| got.contains(value.as_str())));
}
