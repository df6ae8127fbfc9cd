//! A connection that must be closed while its own command runs: the command ends as if nothing had happened.

mod support;

use support::script::Action;
use support::session::Session;

/// Sends commands in one piece on a connection: what came of them on each, as `name: lines`.
fn send(session: &mut Session, name: char, lines: &[&str]) -> Vec<String> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        resp::encode::command(&mut bytes, &words);
    }
    session.act(&Action::Send(name, bytes));
    session.take_all(false).into_iter().map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect()
}

fn limit_subscribers(session: &mut Session) {
    let words = [&b"CONFIG"[..], b"SET", b"client-output-buffer-limit", b"pubsub 100000 0 0"];
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send('a', bytes));
    session.take_all(false);
}

// The message of its own PUBLISH put the client over its limit; the reply to PUBLISH then had nowhere to go.
#[test]
fn a_transaction_that_fills_its_own_connection_is_carried_out_whole() {
    let mut session = Session::new();
    limit_subscribers(&mut session);
    send(&mut session, 'a', &["SETRANGE big 200000 x"]);
    let transaction = ["MULTI", "GET big", "SUBSCRIBE c", "PUBLISH c x", "SET after 1", "EXEC", "SET never 1"];
    assert_eq!(send(&mut session, 'b', &transaction), ["b: ! closed"]);
    assert_eq!(send(&mut session, 'a', &["EXISTS after never"]), ["a: :1"]);
    assert_eq!(send(&mut session, 'a', &["PUBSUB NUMSUB c"]), ["a: *2 $1 c :0"]);
}

// What MONITOR showed it of its own command put it over its limit before that command began.
#[test]
fn a_connection_that_monitors_itself_may_go_over_its_limit() {
    let mut session = Session::new();
    limit_subscribers(&mut session);
    let echo = format!("ECHO {}", "x".repeat(30_000));
    let lines = ["HELLO 3", "SUBSCRIBE c", "MONITOR", &echo, &echo, &echo, &echo, &echo];
    assert_eq!(send(&mut session, 'b', &lines), ["b: ! closed"]);
    assert_eq!(send(&mut session, 'a', &["PING"]), ["a: +PONG"]);
}

// A promotion sends all replicas away, and with them the one that asked for it.
#[test]
fn a_replica_may_ask_for_the_promotion_that_sends_it_away() {
    let mut session = Session::new();
    session.follow_master();
    send(&mut session, 'b', &["PSYNC ? -1"]);
    session.act(&Action::Sleep(6000));
    session.take_all(false);
    assert!(send(&mut session, 'a', &["ROLE"])[0].contains("connected"));
    assert_eq!(send(&mut session, 'b', &["REPLICAOF NO ONE"]), ["b: ! closed"]);
    assert_eq!(send(&mut session, 'a', &["PING"]), ["a: +PONG"]);
}
