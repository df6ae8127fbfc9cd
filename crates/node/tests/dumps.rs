//! DUMP and DEBUG OBJECT of a large value are answered when a thread has laid it out; nobody else waits.

mod support;

use support::script::Action;
use support::session::Session;

/// A server with a list of about 600 KB, and a string of 300 KB that is laid out as it is.
fn with_large_values() -> Session {
    let mut session = Session::new();
    session.send('a', &["CONFIG SET rdbcompression no", "SETRANGE s 300000 x"]);
    let elements = |from: usize| (from..from + 500).map(|n| format!(" {n:064}")).collect::<String>();
    for from in (0..8000).step_by(500) {
        session.send('a', &[&format!("RPUSH l{}", elements(from))]);
    }
    session
}

/// What a transaction replies, which lays values out at once.
fn at_once(session: &mut Session, command: &str) -> String {
    let replies = session.send('t', &["MULTI", command, "EXEC"]);
    replies[0].strip_prefix("t: +OK +QUEUED *1 ").expect("a transaction").to_owned()
}

#[test]
fn who_asks_for_a_large_value_waits_and_others_go_on() {
    let mut session = with_large_values();
    for command in ["DUMP l", "DUMP s", "DEBUG OBJECT l", "DEBUG OBJECT s"] {
        let reply = at_once(&mut session, command);
        assert!(session.send('a', &[command, "ECHO behind"]).is_empty(), "{command}");
        assert_eq!(session.send('b', &["LLEN l", "STRLEN s"]), ["b: :8000 :300001"]);
        assert_eq!(session.finish_dumps(), 1);
        assert!(session.taken() == [format!("a: {reply} $6 behind")], "{command}: another reply");
    }
}

#[test]
fn short_values_and_what_needs_no_layout_are_answered_at_once() {
    let mut session = with_large_values();
    session.send('a', &["SETRANGE short 200000 x", "DEL none"]);
    for command in ["DUMP short", "DUMP none", "DEBUG OBJECT short", "DEBUG OBJECT l FAST"] {
        assert_eq!(session.send('a', &[command]), [format!("a: {}", at_once(&mut session, command))]);
    }
    assert_eq!(session.finish_dumps(), 0);
}

#[test]
fn the_length_is_that_of_the_value_in_the_payload() {
    let mut session = with_large_values();
    session.send('a', &["DEBUG OBJECT s"]);
    session.finish_dumps();
    // A length of 32 bits, with its mark.
    assert!(session.taken()[0].contains(&format!(" serializedlength:{} lru:", 5 + 300_001)));
}

#[test]
fn what_is_laid_out_is_the_value_as_it_was_when_it_was_asked_for() {
    let mut session = with_large_values();
    for change in ["RPUSH l more", "LTRIM l 0 9", "DEL l"] {
        let mut session = with_large_values();
        let reply = at_once(&mut session, "DUMP l");
        session.send('a', &["DUMP l"]);
        session.send('b', &[change]);
        session.finish_dumps();
        assert!(session.taken() == [format!("a: {reply}")], "{change}");
    }
    let reply = at_once(&mut session, "DUMP l");
    session.send('a', &["DUMP l"]);
    session.send('b', &["FLUSHALL"]);
    session.finish_dumps();
    assert!(session.taken() == [format!("a: {reply}")]);
    assert_eq!(session.send('a', &["DUMP l"]), ["a: $-1"]);
}

#[test]
fn values_are_laid_out_one_after_the_other() {
    let mut session = with_large_values();
    let reply = at_once(&mut session, "DUMP s");
    for name in ['a', 'b', 'c', 'd'] {
        assert!(session.send(name, &["DUMP s"]).is_empty());
    }
    // One has gone while its value is laid out, one before.
    session.act(&Action::Close('a'));
    session.act(&Action::Close('c'));
    assert_eq!(session.finish_dumps(), 3);
    assert!(session.taken() == [format!("b: {reply}"), format!("d: {reply}")]);
    assert_eq!(session.send('b', &["PING"]), ["b: +PONG"]);
}

#[test]
fn where_no_thread_can_be_started_the_client_is_told() {
    let mut session = with_large_values();
    assert!(session.send('a', &["DUMP s", "PING"]).is_empty());
    session.refuse_dump();
    assert_eq!(session.taken(), ["a: -ERR The value can't be laid out: no thread could be started +PONG"]);
    assert!(session.send('a', &["DUMP s"]).is_empty());
    assert_eq!(session.finish_dumps(), 1);
}

#[test]
fn who_sends_no_more_gets_the_reply() {
    let mut session = with_large_values();
    let reply = at_once(&mut session, "DUMP s");
    assert!(session.send('a', &["DUMP s", "SET behind 1"]).is_empty());
    assert!(!session.end_input('a'));
    session.finish_dumps();
    assert!(session.taken() == [format!("a: {reply} +OK ! closed")]);
    assert_eq!(session.send('b', &["GET behind"]), ["b: $1 1"]);
}

#[test]
fn a_skipped_reply_is_skipped_and_the_next_is_not() {
    let mut session = with_large_values();
    assert!(session.send('a', &["CLIENT REPLY SKIP", "DUMP s", "PING"]).is_empty());
    session.finish_dumps();
    assert_eq!(session.taken(), ["a: +PONG"]);
}

#[test]
fn it_counts_as_one_call() {
    let mut session = with_large_values();
    session.send('a', &["CONFIG RESETSTAT", "DUMP s"]);
    assert!(session.send('b', &["INFO clients"])[0].contains("blocked_clients:1"));
    session.finish_dumps();
    session.taken();
    let stats = session.send('b', &["INFO commandstats", "INFO clients"]).concat();
    assert!(stats.contains("cmdstat_dump:calls=1,"), "{stats}");
    assert!(stats.contains("blocked_clients:0"), "{stats}");
}
