//! A connection that must be closed while its own command runs: the command ends as if nothing had happened.

mod support;

use support::script::Action;
use support::session::Session;

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
    session.send('a', &["SETRANGE big 200000 x"]);
    let transaction = ["MULTI", "GET big", "SUBSCRIBE c", "PUBLISH c x", "SET after 1", "EXEC", "SET never 1"];
    assert_eq!(session.send('b', &transaction), ["b: ! closed"]);
    assert_eq!(session.send('a', &["EXISTS after never"]), ["a: :1"]);
    assert_eq!(session.send('a', &["PUBSUB NUMSUB c"]), ["a: *2 $1 c :0"]);
}

// What MONITOR showed it of its own command put it over its limit before that command began.
#[test]
fn a_connection_that_monitors_itself_may_go_over_its_limit() {
    let mut session = Session::new();
    limit_subscribers(&mut session);
    let echo = format!("ECHO {}", "x".repeat(30_000));
    let lines = ["HELLO 3", "SUBSCRIBE c", "MONITOR", &echo, &echo, &echo, &echo, &echo];
    assert_eq!(session.send('b', &lines), ["b: ! closed"]);
    assert_eq!(session.send('a', &["PING"]), ["a: +PONG"]);
}

// A promotion sends all replicas away, and with them the one that asked for it.
#[test]
fn a_replica_may_ask_for_the_promotion_that_sends_it_away() {
    let mut session = Session::new();
    session.follow_master();
    session.send('b', &["PSYNC ? -1"]);
    session.act(&Action::Sleep(6000));
    session.take_all(false);
    assert!(session.send('a', &["ROLE"])[0].contains("connected"));
    assert_eq!(session.send('b', &["REPLICAOF NO ONE"]), ["b: ! closed"]);
    assert_eq!(session.send('a', &["PING"]), ["a: +PONG"]);
}

#[test]
fn no_message_follows_the_last_reply_of_a_connection() {
    let mut session = Session::new();
    session.send('b', &["SUBSCRIBE c"]);
    let got = session.send_together(&[('b', &["QUIT"]), ('a', &["PUBLISH c m"])]);
    assert_eq!(got, ["a: :1", "b: +OK ! closed"]);
}
