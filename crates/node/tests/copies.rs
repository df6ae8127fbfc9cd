//! A change that begins with a copy of a large string waits for it; nobody else does.

mod support;

use support::script::Action;
use support::session::Session;

/// A server with a string of two megabytes, and a save of it under way.
fn saving() -> Session {
    let mut session = Session::new();
    assert_eq!(session.send('a', &["SETRANGE k 2000000 x"]), ["a: :2000001"]);
    save(&mut session);
    session
}

fn save(session: &mut Session) {
    session.hold_saves();
    assert_eq!(session.send('s', &["BGSAVE"]), ["s: +Background saving started"]);
}

#[test]
fn a_change_beside_a_save_waits_for_its_copy_and_others_go_on() {
    let mut session = saving();
    assert!(session.send('a', &["SETBIT k 7 1", "GETBIT k 7", "STRLEN k"]).is_empty());
    assert_eq!(session.send('b', &["GETBIT k 7", "SET other 1", "GETRANGE k 2000000 -1"]), ["b: :0 +OK $1 x"]);
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.taken(), ["a: :0 :1 :2000001"]);
    // It is its own now.
    assert_eq!(session.send('b', &["SETBIT k 6 1", "APPEND k y"]), ["b: :0 :2000002"]);
    assert_eq!(session.finish_copies(), 0);
    session.finish_saves();
}

#[test]
fn without_a_save_nothing_waits() {
    let mut session = saving();
    session.finish_saves();
    assert_eq!(session.send('a', &["SETBIT k 7 1", "SETRANGE k 0 abc"]), ["a: :0 :2000001"]);
}

#[test]
fn short_strings_are_not_waited_for() {
    let mut session = Session::new();
    session.send('a', &["SETRANGE k 1000000 x"]);
    save(&mut session);
    assert_eq!(session.send('a', &["SETBIT k 7 1"]), ["a: :0"]);
}

#[test]
fn a_copy_of_another_key_is_left_as_it_is() {
    let mut session = Session::new();
    session.send('a', &["SETRANGE k 2000000 x", "COPY k l"]);
    assert!(session.send('a', &["BITFIELD l SET u8 0 65"]).is_empty());
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.taken(), ["a: *1 :0"]);
    assert_eq!(session.send('a', &["GETRANGE l 0 0", "GETBIT k 1", "SETBIT k 1 1"]), ["a: $1 A :0 :0"]);
}

#[test]
fn all_who_change_the_same_string_wait_for_one_copy() {
    let mut session = saving();
    for name in ['a', 'b', 'c'] {
        assert!(session.send(name, &["APPEND k y"]).is_empty());
    }
    session.act(&Action::Close('b'));
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.taken(), ["a: :2000002", "c: :2000003"]);
}

#[test]
fn who_sends_no_more_is_waited_for_and_has_everything_run() {
    let mut session = saving();
    assert!(session.send('a', &["APPEND k y", "SET behind 1", "STRLEN k"]).is_empty());
    assert!(!session.end_input('a'));
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.taken(), ["a: :2000002 +OK :2000002 ! closed"]);
    assert_eq!(session.send('b', &["GET behind"]), ["b: $1 1"]);
    assert!(session.end_input('b'));
    session.send('b', &["COPY k another"]);
    assert!(session.send('c', &["APPEND k y", "BLPOP l 0", "SET far 1"]).is_empty());
    assert!(!session.end_input('c'));
    session.finish_copies();
    session.taken();
    assert_eq!(
        session.send('b', &["STRLEN k", "EXISTS far", "INFO clients"])[0].matches("blocked_clients:0").count(),
        1
    );
}

#[test]
fn a_string_that_was_replaced_meanwhile_stays_replaced() {
    let mut session = saving();
    assert!(session.send('a', &["APPEND k y"]).is_empty());
    session.send('b', &["SET k new"]);
    session.finish_copies();
    assert_eq!(session.taken(), ["a: :4"]);
    assert_eq!(session.send('b', &["GET k"]), ["b: $4 newy"]);
    for end in ["DEL k", "FLUSHALL"] {
        let mut session = saving();
        assert!(session.send('a', &["APPEND k y"]).is_empty());
        session.send('b', &[end]);
        session.finish_copies();
        assert_eq!(session.taken(), ["a: :1"], "{end}");
    }
}

#[test]
fn a_transaction_waits_before_it_begins() {
    let mut session = saving();
    let begun = session.send('a', &["MULTI", "SET before 1", "SETBIT k 7 1", "EXEC", "PING"]);
    assert_eq!(begun, ["a: +OK +QUEUED +QUEUED"]);
    assert_eq!(session.send('b', &["GET before"]), ["b: $-1"]);
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.taken(), ["a: *2 +OK :0 +PONG"]);
}

#[test]
fn a_copy_is_no_change() {
    let mut session = saving();
    session.send('w', &["WATCH k", "MULTI", "PING"]);
    // It is refused when its turn comes, and has changed nothing.
    assert!(session.send('a', &["SETRANGE k 536870912 x"]).is_empty());
    session.finish_copies();
    assert!(session.taken()[0].starts_with("a: -ERR string exceeds maximum allowed size"));
    assert_eq!(session.send('w', &["EXEC"]), ["w: *1 +PONG"]);
}

#[test]
fn where_no_thread_can_be_started_the_executor_copies() {
    let mut session = saving();
    assert!(session.send('a', &["SETBIT k 7 1"]).is_empty());
    assert_eq!(session.refuse_copies(), 1);
    assert_eq!(session.taken(), ["a: :0"]);
    session.finish_saves();
    save(&mut session);
    assert_eq!(session.send('a', &["SETBIT k 6 1"]), ["a: :0"]);
}

#[test]
fn the_stream_of_a_master_waits_and_goes_on_in_its_order() {
    let setup = |session: &mut Session| {
        session.follow_master();
        session.master_sends(b"*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$7\r\n2000000\r\n$1\r\nx\r\n");
        save(session);
    };
    let append = b"*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\ny\r\n";
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$1\r\n1\r\n";
    let (multi, exec) = (b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n");
    for unit in [[&append[..], set].concat(), [&multi[..], set, append, exec].concat()] {
        let mut session = Session::new();
        setup(&mut session);
        let before = session.offset();
        // The unit in two reads, and something behind it in a third.
        let (front, back) = unit.split_at(unit.len() - 5);
        session.master_sends(front);
        session.master_sends(back);
        session.master_sends(b"*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$1\r\n1\r\n");
        assert_eq!(session.send('a', &["STRLEN k", "EXISTS l m"]), ["a: :2000001 :0"]);
        assert_eq!(session.offset(), before, "what is not applied is not acknowledged");
        assert_eq!(session.finish_copies(), 1);
        assert_eq!(session.send('a', &["STRLEN k", "EXISTS l m"]), ["a: :2000002 :2"]);
        assert_eq!(session.offset(), before + unit.len() as u64 + set.len() as u64);
    }
}

#[test]
fn a_link_that_closes_while_its_stream_waits_begins_where_it_was() {
    let mut session = Session::new();
    session.follow_master();
    session.master_sends(b"*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$7\r\n2000000\r\n$1\r\nx\r\n");
    save(&mut session);
    let before = session.offset();
    session.master_sends(b"*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\ny\r\n");
    session.cut_link();
    assert_eq!(session.finish_copies(), 1);
    assert_eq!(session.send('a', &["STRLEN k"]), ["a: :2000001"]);
    let asked = session.connect_again();
    assert!(asked.ends_with(&format!("\r\n{}\r\n", before + 1)), "{asked}");
    session.master_sends(b"+CONTINUE\r\n*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\ny\r\n");
    assert_eq!(session.send('a', &["STRLEN k"]), ["a: :2000002"]);
}
