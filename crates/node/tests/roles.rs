//! What changes with the role of a server, and with that of a connection.

mod support;

use support::script::Action;
use support::session::Session;

/// The commands in what the replica got.
fn stream(replies: &[String]) -> String {
    replies.iter().find(|line| line.starts_with('r')).cloned().unwrap_or_default()
}

// The whole transaction was judged by the role that the server had at its end: the value stayed, the effect was gone.
#[test]
fn what_a_transaction_did_before_the_server_followed_somebody_is_in_its_stream() {
    let mut session = Session::new();
    session.add_replica();
    session.send('a', &["SET k 0"]);
    let before = session.offset();
    session.send('a', &["MULTI", "SET k 1", "REPLICAOF 127.0.0.1 1", "EXEC"]);
    assert!(session.offset() > before, "SET is in the stream");
}

#[test]
fn what_a_transaction_does_after_a_promotion_is_in_the_stream() {
    let mut session = Session::new();
    session.follow_master();
    session.send('a', &["CONFIG SET replica-read-only no"]);
    let before = session.offset();
    session.send('a', &["MULTI", "SET local 1", "REPLICAOF NO ONE", "SET k 1", "EXEC"]);
    let select_and_set = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n".len() as u64;
    assert_eq!(session.offset() - before, select_and_set);
}

// The hand-over took place in the middle of the transaction, and nothing of it got into the stream.
#[test]
fn a_failover_in_a_transaction_waits_for_its_end() {
    let mut session = Session::new();
    session.add_replica();
    let before = session.offset();
    session.send('a', &["MULTI", "SET a 1", "FAILOVER", "SET b 2", "EXEC"]);
    let info = session.send('i', &["INFO replication"]).concat();
    assert!(info.contains("master_failover_state:waiting-for-sync"), "{info}");
    let both = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n".len() as u64 * 2;
    assert!(session.offset() >= before + both, "both writes are in the stream");
    session.acknowledge();
    let info = session.send('i', &["INFO replication"]).concat();
    assert!(info.contains("master_failover_state:failover-in-progress"), "{info}");
}

// After a partial synchronisation from a wrong offset values ran as commands, and the replica went on.
#[test]
fn a_stream_of_anything_but_whole_arrays_ends_the_link_and_its_history() {
    const ID: &str = "0123456789012345678901234567890123456789";
    let flaws =
        ["SET k 1\r\n", "SET", "+OK\r\n", "*1\rX$4\r\nPING\r\n", "*1\r\n$4\r\nPINGxx", "*x\r\n", "*1\r\n:4\r\n"];
    for flaw in flaws {
        let mut session = Session::new();
        session.follow_master();
        session.master_sends(b"\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(session.send('a', &["EXISTS a"]), ["a: :1"]);
        session.master_sends(flaw.as_bytes());
        let asked = session.connect_again();
        assert!(asked.contains("PSYNC") && !asked.contains(ID), "{flaw:?}: {asked:?}");
        assert_eq!(session.send('a', &["EXISTS k"]), ["a: :0"], "{flaw:?}");
        assert!(session.send('i', &["INFO replication"]).concat().contains("master_link_status:down"), "{flaw:?}");
    }
}

// The offset of the last write stood in another stream: replicas of the new one never got there.
#[test]
fn who_wrote_before_a_change_of_history_does_not_wait_for_offsets_of_the_old_one() {
    let mut session = Session::new();
    session.add_replica();
    session.send('a', &[&format!("SET big {}", "x".repeat(5000))]);
    session.follow_master();
    session.send('b', &["REPLICAOF NO ONE"]);
    session.add_replica();
    assert_eq!(session.send('a', &["WAIT 1 0"]), ["a: :1"]);
}

// A reply in the middle of the stream would be taken for a part of it.
#[test]
fn a_replica_whose_command_has_a_reply_is_sent_away() {
    for command in ["PING", "GET k", "RESET", "SELECT 1", "nosuch", "REPLCONF listening-port 1"] {
        let mut session = Session::new();
        session.add_replica();
        assert_eq!(stream(&session.send('r', &[command])), "r: ! closed", "{command}");
    }
    let mut session = Session::new();
    session.add_replica();
    assert!(session.send('r', &["PSYNC ? -1", "MONITOR", "REPLCONF ACK 1", "CLIENT REPLY OFF", "SET k 1"]).is_empty());
    assert_eq!(session.send('a', &["EXISTS k"]), ["a: :0"], "silent or not, a replica changes no keys");
}

// After a synchronisation at offset 0 there was nothing above zero to acknowledge: WAIT waited out its time.
#[test]
fn wait_counts_a_replica_that_has_everything_although_nothing_was_written() {
    let mut session = Session::new();
    session.add_replica();
    assert_eq!(session.send('b', &["WAIT 1 0"]), ["b: :1"]);
}

// Clients that waited stood in the lines of their keys until their error was written: a push meanwhile was theirs.
#[test]
fn who_is_sent_away_by_a_change_of_role_stands_in_no_line() {
    let mut session = Session::new();
    assert!(session.send('b', &["BLPOP k 0"]).is_empty());
    session.send('a', &["CONFIG SET replica-read-only no"]);
    let replies = session.send('a', &["REPLICAOF 127.0.0.1 1", "RPUSH k x", "LLEN k"]);
    assert!(replies[0].ends_with(":1 :1"), "{replies:?}");
    assert!(replies[1].starts_with("b: -UNBLOCKED") && replies[1].ends_with("! closed"), "{replies:?}");
}

// A replica of a hundred megabytes of backlog was cut as soon as it began to read it.
#[test]
fn a_replica_may_be_as_far_behind_as_the_backlog_reaches() {
    let mut session = Session::new();
    session.add_replica();
    session.stall('r');
    let words =
        [&b"CONFIG"[..], b"SET", b"client-output-buffer-limit", b"replica 1000 500 1", b"repl-backlog-size", b"20000"];
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send('a', bytes));
    let value = "x".repeat(8000);
    session.send('a', &[&format!("SET k {value}"), &format!("SET k {value}")]);
    session.act(&Action::Sleep(3000));
    assert!(session.send('a', &["ROLE"])[0].contains("127.0.0.1"), "it is still there");
    session.send('a', &[&format!("SET k {value}")]);
    assert!(session.send('a', &["ROLE"])[0].ends_with("*0"), "now it is cut");
}
