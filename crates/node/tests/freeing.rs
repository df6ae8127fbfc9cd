//! Large values that are deleted are handed over to be freed elsewhere.

mod support;

use support::script::Action;
use support::session::Session;

/// Sends a command: the reply's lines.
fn send(session: &mut Session, line: &str) -> Vec<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send('a', bytes));
    session.take_all(false).into_values().flatten().collect()
}

/// Pending and freed objects, as INFO shows them.
fn counters(session: &mut Session) -> [String; 2] {
    let info = send(session, "INFO memory").join("\n");
    ["lazyfree_pending_objects:", "lazyfreed_objects:"].map(|name| {
        let value = info.split(name).nth(1).expect("INFO shows the counter");
        value.chars().take_while(char::is_ascii_digit).collect()
    })
}

#[test]
fn large_values_are_freed_on_the_side_however_they_go() {
    let mut session = Session::new();
    let fields: String = (0..600).map(|number| format!(" f{number} v")).collect();
    for (round, line) in (1..).zip(["UNLINK h", "DEL h", "SET h v", "RENAME other h", "PEXPIREAT h 1", "FLUSHALL"]) {
        send(&mut session, "SET other 1");
        send(&mut session, "DEL h");
        send(&mut session, &format!("HSET h{fields}"));
        send(&mut session, line);
        send(&mut session, "PING");
        let freed = if line == "FLUSHALL" { round - 1 } else { round };
        assert_eq!(counters(&mut session), ["0".to_owned(), freed.to_string()], "{line}");
    }
    send(&mut session, "HSET h f v");
    send(&mut session, "DEL h");
    send(&mut session, "PING");
    assert_eq!(counters(&mut session)[1], "5", "a small value is freed at once");
    send(&mut session, "CONFIG RESETSTAT");
    assert_eq!(counters(&mut session), ["0", "0"]);
}

#[test]
fn the_nodes_of_much_that_goes_at_once_are_freed_on_the_side() {
    let mut session = Session::new();
    let filler = "x".repeat(500);
    for _ in 0..10 {
        let elements: String = (0..1000).map(|number| format!(" {number}-{filler}")).collect();
        send(&mut session, &format!("RPUSH l{elements}"));
    }
    for (line, discards) in [
        ("LTRIM l 0 9989", 0),
        ("LTRIM l 3000 -1", 1),
        ("LPOP l 100", 1),
        ("LPOP l 1900", 2),
        ("RPOP l 2000", 3),
        ("LMPOP 1 l LEFT COUNT 2000", 4),
    ] {
        send(&mut session, line);
        send(&mut session, "PING");
        assert_eq!(session.discards, discards, "{line}");
    }
    assert_eq!(counters(&mut session), ["0", "0"], "no object was deleted");
    assert_eq!(send(&mut session, "LPOS l 0-x"), ["$-1"]);
    assert_eq!(send(&mut session, &format!("LPOS l 0-{filler}")), [":0"]);
    assert_eq!(send(&mut session, &format!("LPOS l 989-{filler} RANK -1")), [":989"]);
    assert_eq!(send(&mut session, "LLEN l"), [":990"]);
    // A compact list is one block of memory, however many elements it has.
    send(&mut session, "CONFIG SET list-max-listpack-size -5");
    let small: String = (0..20_000).map(|number| format!(" {}", number % 10)).collect();
    send(&mut session, &format!("RPUSH s{small}"));
    send(&mut session, "LTRIM s 0 9");
    send(&mut session, "PING");
    assert_eq!(session.discards, 4);
}
