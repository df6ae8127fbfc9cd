//! Limits on what clients leave untaken and on how long they say nothing, also while nobody writes to them.

mod support;

use support::script::Action;
use support::session::Session;

/// Sends a command on a connection: what came of it on each, as `name: lines`.
fn send(session: &mut Session, name: char, line: &str) -> Vec<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send(name, bytes));
    taken(session)
}

fn taken(session: &mut Session) -> Vec<String> {
    session.take_all(false).into_iter().map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect()
}

fn pass(session: &mut Session, ms: u64) -> Vec<String> {
    session.act(&Action::Sleep(ms));
    taken(session)
}

#[test]
fn a_client_above_its_soft_limit_is_closed_even_if_nothing_is_added() {
    let mut session = Session::new();
    let big = format!("SET big {}", "x".repeat(100_000));
    assert_eq!(send(&mut session, 'a', &big), ["a: +OK"]);
    let limits = ["CONFIG", "SET", "client-output-buffer-limit", "normal 0 50000 2"];
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &limits.map(str::as_bytes));
    session.act(&Action::Send('a', bytes));
    assert_eq!(taken(&mut session), ["a: +OK"]);
    session.stall('b');
    assert!(send(&mut session, 'b', "GET big").is_empty());
    assert!(pass(&mut session, 1900).is_empty());
    assert_eq!(pass(&mut session, 1200), ["b: ! closed"]);
    let info = send(&mut session, 'a', "INFO stats").concat();
    assert!(info.contains("client_output_buffer_limit_disconnections:1"));
}

#[test]
fn a_client_that_must_still_authenticate_cannot_pile_up_replies() {
    let mut session = Session::new();
    assert_eq!(send(&mut session, 'a', "CONFIG SET requirepass pw"), ["a: +OK"]);
    session.stall('b');
    let request = b"PING\r\n".repeat(200);
    let mut closed = Vec::new();
    for _ in 0..10 {
        session.act(&Action::Send('b', request.clone()));
        closed = taken(&mut session);
        if !closed.is_empty() {
            break;
        }
    }
    assert_eq!(closed, ["b: ! closed"]);
}

#[test]
fn only_ordinary_clients_are_too_idle() {
    let mut session = Session::new();
    assert_eq!(send(&mut session, 'a', "CONFIG SET timeout 5"), ["a: +OK"]);
    for (name, line) in [('i', "PING"), ('s', "SUBSCRIBE c"), ('m', "MONITOR"), ('b', "BLPOP k 0"), ('w', "WAIT 1 0")] {
        send(&mut session, name, line);
    }
    let closed: Vec<String> = pass(&mut session, 7000).into_iter().filter(|line| line.contains('!')).collect();
    assert_eq!(closed, ["a: ! closed", "i: ! closed"]);
}

#[test]
fn when_clients_take_too_much_the_largest_go_until_the_rest_fits() {
    let mut session = Session::new();
    let big = format!("SET big {}", "x".repeat(60_000));
    assert_eq!(send(&mut session, 'a', &big), ["a: +OK"]);
    for (name, requests) in [('b', 1), ('c', 3), ('d', 2), ('e', 4)] {
        session.stall(name);
        for _ in 0..requests {
            assert!(send(&mut session, name, "GET big").is_empty());
        }
    }
    // The one that takes most is spared; what it has counts all the same.
    session.stall('e');
    assert!(send(&mut session, 'e', "CLIENT NO-EVICT ON").is_empty());
    assert_eq!(send(&mut session, 'a', "CONFIG SET maxmemory-clients 500kb"), ["a: +OK", "c: ! closed"]);
    let info = send(&mut session, 'a', "INFO stats").concat();
    assert!(info.contains("evicted_clients:1"), "{info}");
    assert!(send(&mut session, 'a', "DEBUG CLIENT-EVICTION").concat().contains("Limit 512000 bytes"));
    // Queued commands, watched keys and what is half received count too.
    session.act(&Action::Send('f', b"MULTI\r\n".to_vec()));
    taken(&mut session);
    let queued = format!("SET k {}", "x".repeat(300_000));
    assert_eq!(send(&mut session, 'f', &queued), ["f: ! closed"]);
    let half = format!("*2\r\n$3\r\nGET\r\n$400000\r\n{}", "x".repeat(300_000));
    session.act(&Action::Send('g', half.into_bytes()));
    assert_eq!(taken(&mut session), ["g: ! closed"]);
    assert_eq!(send(&mut session, 'a', "PING"), ["a: +PONG"]);
}

#[test]
fn a_share_of_maxmemory_is_a_limit_for_clients_only_with_maxmemory() {
    let mut session = Session::new();
    assert_eq!(send(&mut session, 'a', "CONFIG SET maxmemory-clients 5%"), ["a: +OK"]);
    assert!(send(&mut session, 'a', "DEBUG CLIENT-EVICTION").concat().contains("-ERR maxmemory-clients is disabled."));
    send(&mut session, 'a', "CONFIG SET maxmemory 100mb");
    assert!(send(&mut session, 'a', "DEBUG CLIENT-EVICTION").concat().contains("Limit 5242880 bytes"));
    send(&mut session, 'a', "CONFIG SET maxmemory-clients 1");
    assert!(send(&mut session, 'a', "DEBUG CLIENT-EVICTION").concat().contains("Limit 131072 bytes"));
}

// What was parsed ahead was let in by the limits of a client that was known.
#[test]
fn what_follows_a_reset_in_a_pipeline_is_judged_as_unauthenticated() {
    let mut session = Session::new();
    session.send('a', &["CONFIG SET requirepass pw"]);
    let long = format!("ECHO {}", "x".repeat(20_000));
    let got = session.send('b', &["AUTH pw", "PING", "RESET", &long, "PING"]);
    assert_eq!(got, ["b: +OK +PONG +RESET -ERR Protocol error: unauthenticated bulk length ! closed"]);
}

// The command of a request was taken for that of the one before by its first word.
#[test]
fn subcommands_that_follow_each_other_in_a_pipeline_are_told_apart() {
    let mut session = Session::new();
    let requests = ["CLIENT SETNAME one", "CLIENT GETNAME", "CLIENT", "CLIENT NOSUCH", "CLIENT GETNAME"];
    let alone: Vec<String> = requests.iter().map(|request| session.send('a', &[request])[0].clone()).collect();
    assert!(alone[1].contains("one") && alone[2].contains("-ERR wrong number"), "{alone:?}");
    let alone = alone.iter().map(|reply| reply.trim_start_matches("a: ")).collect::<Vec<_>>().join(" ");
    assert_eq!(session.send('a', &requests), [format!("a: {alone}")]);
}

// The room for a large request stayed for the few bytes that followed it.
#[test]
fn a_few_bytes_left_over_hold_no_large_buffer() {
    let mut session = Session::new();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &[&b"SET"[..], b"k", &vec![b'x'; 1 << 20]]);
    bytes.extend_from_slice(b"*1\r\n$4\r\nPI");
    let (first, rest) = bytes.split_at(1000);
    session.act(&Action::Send('b', first.to_vec()));
    session.act(&Action::Send('b', rest.to_vec()));
    assert_eq!(taken(&mut session), ["b: +OK"]);
    let list = send(&mut session, 'a', "CLIENT LIST").concat();
    let free = list.split("qbuf=10 qbuf-free=").nth(1).expect("the unfinished request is shown");
    let free: usize = free.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(free < 1 << 16, "{list}");
}

// The buffer of a reply that was read long ago counted, and the first kilobytes did.
#[test]
fn only_what_a_client_has_not_taken_counts_and_not_its_first_kilobytes() {
    let mut session = Session::new();
    let echo = format!("ECHO {}", "x".repeat(40_000));
    assert!(send(&mut session, 'b', &echo)[0].starts_with("b: $"));
    assert!(send(&mut session, 'a', "CLIENT LIST").concat().matches(" omem=0 ").count() >= 2);
    let mut bytes = Vec::new();
    let limits = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1 0 0"];
    resp::encode::command(&mut bytes, &limits.map(str::as_bytes));
    session.act(&Action::Send('a', bytes));
    assert_eq!(taken(&mut session), ["a: +OK"]);
    assert_eq!(send(&mut session, 'b', "PING"), ["b: +PONG"]);
    assert_eq!(send(&mut session, 'b', &echo), ["b: ! closed"]);
}
