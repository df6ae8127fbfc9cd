//! DUMP and DEBUG OBJECT of a large value are answered when a thread has laid it out, RESTORE of one is run when a thread has
//! read it; nobody else waits.

mod support;

use collections::{Limits, List};
use keyspace::ValueRef;
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
        assert_eq!(session.finish_payloads(), 1);
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
    assert_eq!(session.finish_payloads(), 0);
}

#[test]
fn the_length_is_that_of_the_value_in_the_payload() {
    let mut session = with_large_values();
    session.send('a', &["DEBUG OBJECT s"]);
    session.finish_payloads();
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
        session.finish_payloads();
        assert!(session.taken() == [format!("a: {reply}")], "{change}");
    }
    let reply = at_once(&mut session, "DUMP l");
    session.send('a', &["DUMP l"]);
    session.send('b', &["FLUSHALL"]);
    session.finish_payloads();
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
    assert_eq!(session.finish_payloads(), 3);
    assert!(session.taken() == [format!("b: {reply}"), format!("d: {reply}")]);
    assert_eq!(session.send('b', &["PING"]), ["b: +PONG"]);
}

#[test]
fn where_no_thread_can_be_started_the_client_is_told() {
    let mut session = with_large_values();
    assert!(session.send('a', &["DUMP s", "PING"]).is_empty());
    session.refuse_payload();
    assert_eq!(session.taken(), ["a: -ERR The value can't be laid out: no thread could be started +PONG"]);
    assert!(session.send('a', &["DUMP s"]).is_empty());
    assert_eq!(session.finish_payloads(), 1);
}

#[test]
fn who_sends_no_more_gets_the_reply() {
    let mut session = with_large_values();
    let reply = at_once(&mut session, "DUMP s");
    assert!(session.send('a', &["DUMP s", "SET behind 1"]).is_empty());
    assert!(!session.end_input('a'));
    session.finish_payloads();
    assert!(session.taken() == [format!("a: {reply} +OK ! closed")]);
    assert_eq!(session.send('b', &["GET behind"]), ["b: $1 1"]);
}

#[test]
fn a_skipped_reply_is_skipped_and_the_next_is_not() {
    let mut session = with_large_values();
    assert!(session.send('a', &["CLIENT REPLY SKIP", "DUMP s", "PING"]).is_empty());
    session.finish_payloads();
    assert_eq!(session.taken(), ["a: +PONG"]);
}

#[test]
fn it_counts_as_one_call() {
    let mut session = with_large_values();
    session.send('a', &["CONFIG RESETSTAT", "DUMP s"]);
    assert!(session.send('b', &["INFO clients"])[0].contains("blocked_clients:1"));
    session.finish_payloads();
    session.taken();
    let stats = session.send('b', &["INFO commandstats", "INFO clients"]).concat();
    assert!(stats.contains("cmdstat_dump:calls=1,"), "{stats}");
    assert!(stats.contains("blocked_clients:0"), "{stats}");
}

/// The payload of a list of 8000 elements.
fn payload() -> Vec<u8> {
    let (mut list, limits) = (List::new(), Limits::default());
    (0..8000).for_each(|number| list.push_back(format!("{number:064}").as_bytes(), &limits));
    persist::rdb::dump(ValueRef::List(&list), false)
}

/// A request to restore it.
fn restoring(key: &str, ttl: &str, options: &[&str]) -> Vec<u8> {
    request(&payload(), key, ttl, options)
}

fn request(payload: &[u8], key: &str, ttl: &str, options: &[&str]) -> Vec<u8> {
    let mut words = vec![&b"RESTORE"[..], key.as_bytes(), ttl.as_bytes(), payload];
    words.extend(options.iter().map(|option| option.as_bytes()));
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    bytes
}

/// Sends a request, and what else is to be sent with it.
fn send(session: &mut Session, name: char, request: &[u8], behind: &[u8]) -> Vec<String> {
    session.act(&Action::Send(name, [request, behind].concat()));
    session.taken()
}

/// What a transaction replies, which reads payloads at once.
fn restored_at_once(session: &mut Session, request: &[u8]) -> String {
    session.send('t', &["MULTI"]);
    let replies = send(session, 't', request, b"EXEC\r\n");
    replies[0].strip_prefix("t: +QUEUED *1 ").expect("a transaction").to_owned()
}

#[test]
fn a_large_payload_is_waited_for_and_others_go_on() {
    let mut session = Session::new();
    assert!(send(&mut session, 'a', &restoring("r", "0", &[]), b"LLEN r\r\n").is_empty());
    assert_eq!(session.send('b', &["EXISTS r", "SET k 1"]), ["b: :0 +OK"]);
    assert_eq!(session.finish_payloads(), 1);
    assert_eq!(session.taken(), ["a: +OK :8000"]);
    assert_eq!(restored_at_once(&mut session, &restoring("t", "0", &[])), "+OK");
    let digests = session.send('b', &["DEBUG DIGEST-VALUE r t"])[0].clone();
    let [_, _, of_r, of_t] = digests.split(' ').collect::<Vec<_>>()[..] else { panic!("{digests}") };
    assert_eq!(of_r, of_t);
    assert_eq!(session.send('b', &["LINDEX r 7999"]), [format!("b: $64 {:064}", 7999)]);
}

#[test]
fn a_payload_that_comes_in_pieces_is_read_where_it_was_received() {
    let mut session = Session::new();
    for piece in restoring("r", "0", &[]).chunks(100_000) {
        assert!(send(&mut session, 'a', piece, b"").is_empty());
    }
    assert_eq!(session.finish_payloads(), 1);
    assert_eq!(session.taken(), ["a: +OK"]);
    assert_eq!(session.send('a', &["LLEN r"]), ["a: :8000"]);
}

#[test]
fn a_command_is_judged_again_when_its_payload_was_read() {
    let mut session = Session::new();
    send(&mut session, 'a', &restoring("r", "0", &[]), b"");
    session.send('b', &["SET r taken"]);
    let dropped = session.discards;
    session.finish_payloads();
    assert_eq!(session.taken(), ["a: -BUSYKEY Target key name already exists."]);
    assert_eq!(session.discards, dropped + 1);
    send(&mut session, 'a', &restoring("r", "0", &["REPLACE"]), b"");
    session.send('b', &["REPLICAOF localhost 1"]);
    let dropped = session.discards;
    session.finish_payloads();
    assert_eq!(session.taken(), ["a: -READONLY You can't write against a read only replica."]);
    assert_eq!(session.discards, dropped + 1);
    assert_eq!(session.send('b', &["REPLICAOF NO ONE", "GET r"]), ["b: +OK $5 taken"]);
    send(&mut session, 'a', &restoring("r", "0", &["REPLACE"]), b"");
    session.send('b', &["CLIENT PAUSE 1000 WRITE"]);
    session.finish_payloads();
    assert!(session.taken().is_empty());
    session.act(&Action::Sleep(1100));
    assert_eq!(session.taken(), ["a: +OK"]);
    assert_eq!(session.send('b', &["LLEN r"]), ["b: :8000"]);
}

#[test]
fn what_is_refused_is_refused_as_a_transaction_does_and_before_its_payload_is_read() {
    let mut session = Session::new();
    session.send('b', &["SET taken 1"]);
    let mut wrong = payload();
    wrong[1000] ^= 1;
    for (request, jobs) in [
        (request(&wrong, "r", "0", &[]), 1),
        (restoring("r", "0", &["NONSENSE"]), 0),
        (restoring("r", "-1", &[]), 0),
        (restoring("taken", "0", &[]), 0),
    ] {
        let refusal = restored_at_once(&mut session, &request);
        assert!(refusal.starts_with('-'), "{refusal}");
        let mut taken = send(&mut session, 'a', &request, b"");
        assert_eq!(session.finish_payloads(), jobs);
        taken.append(&mut session.taken());
        assert_eq!(taken, [format!("a: {refusal}")]);
    }
    assert_eq!(session.send('a', &["EXISTS r", "DEL taken"]), ["a: :0 :1"]);
    assert!(send(&mut session, 'a', &restoring("taken", "0", &[]), b"").is_empty());
    assert_eq!(session.finish_payloads(), 1);
    assert_eq!(session.taken(), ["a: +OK"]);
}

#[test]
fn payloads_in_a_pipeline_are_read_one_after_the_other_and_not_all_received_before() {
    let mut session = Session::new();
    let requests: Vec<u8> = (0..6).flat_map(|number| restoring(&format!("r{number}"), "0", &[])).collect();
    let pieces: Vec<&[u8]> = requests.chunks(50_000).collect();
    let (mut sent, mut jobs, mut held) = (0, 0, 0);
    while sent < pieces.len() {
        if session.has_enough('a') {
            held += 1;
            jobs += session.finish_payloads();
        } else {
            session.act(&Action::Send('a', pieces[sent].to_vec()));
            sent += 1;
        }
    }
    jobs += session.finish_payloads();
    assert_eq!(jobs, 6);
    // All but the last, behind which nothing comes.
    assert_eq!(held, 5);
    assert_eq!(session.taken(), ["a: +OK +OK +OK +OK +OK +OK"]);
    assert!(!session.has_enough('a'));
}

#[test]
fn jobs_of_a_client_that_is_gone_are_not_done() {
    let mut session = with_large_values();
    session.send('a', &["DUMP s"]);
    for name in ['b', 'c', 'd'] {
        send(&mut session, name, &restoring("r", "0", &[]), b"");
        session.act(&Action::Close(name));
    }
    session.send('e', &["DUMP s"]);
    session.act(&Action::Close('e'));
    session.send('f', &["DEBUG OBJECT s"]);
    assert_eq!(session.finish_payloads(), 2);
    let taken = session.taken();
    assert!(taken.len() == 2 && taken[0].starts_with("a: $") && taken[1].starts_with("f: +Value at"));
}

#[test]
fn a_value_that_nobody_needs_is_dropped_beside_the_executor() {
    let mut session = Session::new();
    let dropped = session.discards;
    send(&mut session, 'a', &restoring("r", "0", &[]), b"");
    session.act(&Action::Close('a'));
    session.finish_payloads();
    assert_eq!(session.discards, dropped + 1);
    // A deadline that is over.
    send(&mut session, 'a', &restoring("r", "5", &["ABSTTL"]), b"");
    session.finish_payloads();
    assert_eq!(session.taken(), ["a: +OK"]);
    assert_eq!(session.discards, dropped + 2);
    assert_eq!(session.send('a', &["EXISTS r"]), ["a: :0"]);
}

#[test]
fn where_no_thread_can_be_started_a_payload_is_not_read() {
    let mut session = Session::new();
    assert!(send(&mut session, 'a', &restoring("r", "0", &[]), b"PING\r\n").is_empty());
    session.refuse_payload();
    assert_eq!(session.taken(), ["a: -ERR The payload can't be read: no thread could be started +PONG"]);
    assert_eq!(session.send('a', &["EXISTS r"]), ["a: :0"]);
}

#[test]
fn a_replica_gets_the_command_when_it_has_run() {
    let mut session = Session::new();
    session.add_replica();
    send(&mut session, 'a', &restoring("k", "0", &[]), b"");
    assert_eq!(session.send('b', &["SET k 1"]), ["b: +OK", "r: *2 $6 SELECT $1 0 *3 $3 SET $1 k $1 1"]);
    session.finish_payloads();
    assert_eq!(session.taken(), ["a: -BUSYKEY Target key name already exists."]);
    send(&mut session, 'a', &restoring("k", "0", &["REPLACE"]), b"");
    session.finish_payloads();
    let taken = session.taken();
    assert_eq!(taken[0], "a: +OK");
    assert!(taken[1].starts_with("r: *5 $7 RESTORE $1 k $1 0 $") && taken[1].ends_with(" $7 REPLACE"));
}

#[test]
fn a_command_for_which_there_was_room_when_it_came_is_run() {
    let mut session = Session::new();
    send(&mut session, 'a', &restoring("r", "0", &[]), b"SET behind 1\r\n");
    session.send('b', &["CONFIG SET maxmemory 1"]);
    session.finish_payloads();
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(session.taken(), [format!("a: +OK {oom}")]);
}

#[test]
fn the_time_that_a_client_waited_does_not_count_as_idle() {
    let mut session = with_large_values();
    session.send('a', &["CONFIG SET timeout 5", "DUMP s"]);
    session.send('b', &["BLPOP none 0"]);
    session.act(&Action::Sleep(10_000));
    session.finish_payloads();
    session.send('c', &["RPUSH none x"]);
    session.act(&Action::Sleep(2000));
    assert!(session.taken().iter().all(|taken| !taken.ends_with("! closed")));
    session.act(&Action::Sleep(10_000));
    assert_eq!(session.taken(), ["a: ! closed", "b: ! closed", "c: ! closed"]);
}
