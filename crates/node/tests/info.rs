//! What INFO persistence and INFO stats tell of snapshots: how long the executor stood still, and what was kept for them.

mod support;

use std::time::Duration;

use support::script::Action;
use support::session::Session;

fn send(session: &mut Session, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send('a', bytes));
    session.take_all(false).remove(&'a').map_or(String::new(), |lines| lines.join(" "))
}

fn number(session: &mut Session, field: &str) -> u64 {
    let info = send(session, "INFO everything");
    let at = info.split(&format!("{field}:")).nth(1).unwrap_or_else(|| panic!("INFO has no {field}"));
    let digits: String = at.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{field} is no number"))
}

#[test]
fn latest_fork_usec_is_how_long_the_last_snapshot_held_the_executor_up() {
    let mut session = Session::new();
    send(&mut session, "SET k v");
    assert_eq!(number(&mut session, "latest_fork_usec"), 0, "there was none");
    session.set_tick(Duration::from_micros(7));
    send(&mut session, "BGSAVE");
    session.set_tick(Duration::ZERO);
    assert_eq!(number(&mut session, "latest_fork_usec"), 7);
    assert_eq!(number(&mut session, "total_forks"), 0, "nothing was forked");
}

#[test]
fn rdb_last_cow_size_is_the_most_that_was_kept_for_the_last_snapshot() {
    let mut session = Session::new();
    for at in 0..100 {
        send(&mut session, &format!("SET key:{at} {}", "x".repeat(1000)));
    }
    assert_eq!(number(&mut session, "rdb_last_cow_size"), 0);
    session.hold_saves();
    send(&mut session, "BGSAVE");
    for at in 0..100 {
        send(&mut session, &format!("SET key:{at} new"));
    }
    session.act(&Action::Sleep(200));
    let kept = number(&mut session, "current_cow_peak");
    assert!(kept > 100_000, "the old values are kept, {kept} bytes");
    assert_eq!(number(&mut session, "mem_snapshot_retired"), number(&mut session, "current_cow_size"));
    session.finish_saves();
    session.act(&Action::Sleep(1000));
    assert_eq!(number(&mut session, "current_cow_peak"), 0, "no save runs");
    assert_eq!(number(&mut session, "current_cow_size"), 0, "and nothing is kept any more");
    assert_eq!(number(&mut session, "rdb_last_cow_size"), kept);
    send(&mut session, "BGSAVE");
    assert_eq!(number(&mut session, "rdb_last_cow_size"), 0, "nothing was kept for this one");
}

// It was how long the next key had.
#[test]
fn avg_ttl_is_the_mean_of_what_the_keys_of_a_database_have_left() {
    let mut session = Session::new();
    send(&mut session, "SET stays v");
    assert!(send(&mut session, "INFO keyspace").contains("db0:keys=1,expires=0,avg_ttl=0"));
    send(&mut session, "SET a v PX 100000");
    send(&mut session, "SET b v PX 1000000");
    session.act(&Action::Sleep(50_000));
    assert!(send(&mut session, "INFO keyspace").contains("db0:keys=3,expires=2,avg_ttl=500000"));
    send(&mut session, "PERSIST a");
    assert!(send(&mut session, "INFO keyspace").contains("db0:keys=3,expires=1,avg_ttl=950000"));
}

#[test]
fn a_look_at_how_a_value_is_stored_counts_as_a_lookup() {
    // As Redis 7.0 and Valkey 8.0 count them.
    let mut session = Session::new();
    send(&mut session, "SET k v");
    for subcommand in ["ENCODING", "IDLETIME", "REFCOUNT", "FREQ"] {
        send(&mut session, &format!("OBJECT {subcommand} k"));
        send(&mut session, &format!("OBJECT {subcommand} nothing"));
    }
    assert_eq!((number(&mut session, "keyspace_hits"), number(&mut session, "keyspace_misses")), (4, 4));
}
