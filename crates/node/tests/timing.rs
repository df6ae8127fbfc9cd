//! Every command gets its time: alone by itself, in a pipeline its share.

mod support;

use std::time::Duration;

use support::script::Action;
use support::session::Session;

fn request(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    bytes
}

/// Sends requests in one piece: the replies.
fn send(session: &mut Session, lines: &[&str]) -> String {
    let bytes = lines.iter().map(|line| request(line)).collect::<Vec<_>>().concat();
    session.act(&Action::Send('a', bytes));
    session.take_all(false).remove(&'a').map_or(String::new(), |lines| lines.join(" "))
}

fn usec(session: &mut Session, command: &str) -> u64 {
    let info = send(session, &["INFO commandstats"]);
    let at = info.split(&format!("cmdstat_{command}:calls=")).nth(1).unwrap_or_else(|| panic!("{command} in {info}"));
    let digits = at.split("usec=").nth(1).expect("its time").split(',').next().expect("a number");
    digits.parse().expect("a number")
}

// Commands of constant time had no time, no histogram and no entry in the slow log.
#[test]
fn a_fast_command_that_comes_alone_is_timed_by_itself() {
    let mut session = Session::new();
    session.set_tick(Duration::from_micros(20_000));
    send(&mut session, &["GET key"]);
    session.set_tick(Duration::ZERO);
    assert_eq!(usec(&mut session, "get"), 20_000);
    assert!(send(&mut session, &["LATENCY HISTOGRAM get"]).contains("calls :1"));
    assert!(send(&mut session, &["SLOWLOG GET"]).contains(":20000 *2 $3 GET $3 key"));
    assert!(send(&mut session, &["INFO stats"]).contains("eventloop_duration_cmd_sum:20000"));
}

#[test]
fn the_fast_commands_of_a_pipeline_share_their_time() {
    let mut session = Session::new();
    session.set_tick(Duration::from_micros(30_000));
    send(&mut session, &["GET one", "GET two", "SET one two"]);
    session.set_tick(Duration::ZERO);
    assert_eq!((usec(&mut session, "get"), usec(&mut session, "set")), (20_000, 10_000));
    assert!(send(&mut session, &["LATENCY HISTOGRAM get"]).contains("calls :2"));
    let slow = send(&mut session, &["SLOWLOG GET"]);
    assert!(slow.contains(":30000 *4 $10 (pipeline) $3 get $3 get $3 set"), "{slow}");
}

#[test]
fn what_may_take_long_is_timed_by_itself_in_a_pipeline_too() {
    let mut session = Session::new();
    send(&mut session, &["RPUSH list a b"]);
    session.set_tick(Duration::from_micros(1000));
    send(&mut session, &["GET one", "LRANGE list 0 -1", "GET two"]);
    session.set_tick(Duration::ZERO);
    assert_eq!((usec(&mut session, "get"), usec(&mut session, "lrange")), (2000, 1000));
}

#[test]
fn a_low_threshold_of_the_slow_log_has_every_command_timed_by_itself() {
    let mut session = Session::new();
    send(&mut session, &["CONFIG SET slowlog-log-slower-than 0"]);
    send(&mut session, &["SLOWLOG RESET"]);
    send(&mut session, &["GET one", "PING", "MULTI", "INCR n", "EXEC"]);
    let slow = send(&mut session, &["SLOWLOG GET"]);
    let order = ["INCR", "MULTI", "PING", "GET"].map(|name| slow.find(&format!(" {name} ")).expect("logged"));
    assert!(order.is_sorted(), "{slow}");
}

#[test]
fn a_transaction_counts_once_in_the_time_of_all_commands() {
    let mut session = Session::new();
    send(&mut session, &["MULTI"]);
    send(&mut session, &["INCR n"]);
    send(&mut session, &["INCR n"]);
    session.set_tick(Duration::from_micros(100));
    send(&mut session, &["EXEC"]);
    session.set_tick(Duration::ZERO);
    let (exec, incr) = (usec(&mut session, "exec"), usec(&mut session, "incr"));
    assert!(incr > 0 && incr < exec, "{incr} of {exec}");
    assert!(send(&mut session, &["INFO stats"]).contains(&format!("eventloop_duration_cmd_sum:{exec}")));
}

#[test]
fn what_the_master_sends_has_its_time_as_well() {
    let mut session = Session::new();
    session.follow_master();
    session.set_tick(Duration::from_micros(50));
    session.master_sends(&[request("SET a b"), request("SET c d")].concat());
    session.set_tick(Duration::ZERO);
    assert!(usec(&mut session, "set") > 0);
}

// The time of a turn stood still, so that what followed a slow command in it got deadlines that were over.
#[test]
fn what_follows_a_slow_command_sees_the_time_after_it() {
    let mut session = Session::new();
    session.set_tick(Duration::from_millis(50));
    let mut requests = vec!["KEYS nomatch"; 20];
    requests.extend(["SET lock 1 PX 1500", "SET gone 1 PX 60", "KEYS nomatch", "GET gone", "INCR gone"]);
    let replies = send(&mut session, &requests);
    session.set_tick(Duration::ZERO);
    assert!(replies.ends_with("+OK +OK *0 $-1 :1"), "{replies}");
    assert_eq!(send(&mut session, &["EXISTS lock"]), ":1");
}

#[test]
fn in_a_transaction_time_stands_still() {
    let mut session = Session::new();
    session.set_tick(Duration::from_millis(50));
    let requests = ["MULTI", "SET kept 1 PX 60", "KEYS nomatch", "KEYS nomatch", "GET kept", "EXEC", "GET kept"];
    let replies = send(&mut session, &requests);
    assert!(replies.ends_with("*4 +OK *0 *0 $1 1 $-1"), "{replies}");
}
