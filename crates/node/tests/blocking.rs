//! Clients that wait for keys, where a transcript cannot say it: ids that vary, a change of role, the end of a pause.

mod support;

use support::script::Action;
use support::session::Session;

/// Sends a command on a connection: what came of it on each, as `name: lines`.
fn send(session: &mut Session, name: char, line: &str) -> Vec<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    session.act(&Action::Send(name, bytes));
    session.take_all(false).into_iter().map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect()
}

fn id_of(session: &mut Session, name: char) -> String {
    let lines = send(session, name, "CLIENT ID");
    lines[0].rsplit(':').next().expect("an integer reply").to_owned()
}

#[test]
fn client_unblock_ends_a_wait_with_nothing_or_with_an_error() {
    let mut session = Session::new();
    let id = id_of(&mut session, 'b');
    assert!(send(&mut session, 'b', "BLMOVE k d LEFT LEFT 0").is_empty());
    assert_eq!(send(&mut session, 'a', &format!("CLIENT UNBLOCK {id}")), ["a: :1", "b: *-1"]);
    assert_eq!(send(&mut session, 'a', &format!("CLIENT UNBLOCK {id}")), ["a: :0"]);
    assert!(send(&mut session, 'b', "BZPOPMIN z 5").is_empty());
    let unblocked = send(&mut session, 'a', &format!("CLIENT UNBLOCK {id} ERROR"));
    assert_eq!(unblocked, ["a: :1", "b: -UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
    assert_eq!(send(&mut session, 'a', "RPUSH k x"), ["a: :1"], "nobody waits any more");
    session.act(&Action::Sleep(6000));
    assert_eq!(send(&mut session, 'b', "PING"), ["b: +PONG"], "its deadline is forgotten");
}

#[test]
fn a_client_that_cannot_be_served_keeps_its_place() {
    let mut session = Session::new();
    assert!(send(&mut session, 'b', "BLPOP first k 0").is_empty());
    assert!(send(&mut session, 'c', "BLPOP k 0").is_empty());
    for line in ["MULTI", "RPUSH first x", "DEL first"] {
        send(&mut session, 'a', line);
    }
    assert_eq!(send(&mut session, 'a', "EXEC"), ["a: *2 :1 :1"]);
    assert_eq!(send(&mut session, 'a', "RPUSH k x"), ["a: :1", "b: *2 $1 k $1 x"]);
    assert_eq!(send(&mut session, 'a', "RPUSH k y"), ["a: :1", "c: *2 $1 k $1 y"]);
}

#[test]
fn who_waits_is_shown_in_info_and_forgotten_when_it_leaves() {
    let mut session = Session::new();
    let shown = |session: &mut Session| {
        let info = send(session, 'a', "INFO clients").concat();
        let value = |name: &str| {
            let at = info.split(&format!("{name}:")).nth(1).expect("the field is there");
            at.chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        ["blocked_clients", "total_blocking_keys", "clients_in_timeout_table"].map(value)
    };
    assert!(send(&mut session, 'b', "BLPOP k l k 0").is_empty());
    assert!(send(&mut session, 'c', "BZPOPMAX z 100").is_empty());
    assert_eq!(shown(&mut session), ["2", "3", "1"]);
    session.act(&Action::Close('b'));
    session.act(&Action::Close('c'));
    assert_eq!(shown(&mut session), ["0", "0", "0"]);
}

#[test]
fn commandstats_count_a_wait_once_and_when_it_is_served() {
    let mut session = Session::new();
    let calls = |session: &mut Session| {
        let info = send(session, 'a', "INFO commandstats").concat();
        info.split("cmdstat_blpop:").nth(1).map(|rest| rest.split(',').next().unwrap_or_default().to_owned())
    };
    assert!(send(&mut session, 'b', "BLPOP k 0").is_empty());
    assert_eq!(calls(&mut session), None);
    send(&mut session, 'a', "RPUSH k x");
    assert_eq!(calls(&mut session).as_deref(), Some("calls=1"));
}

/// What a client sent while it waited runs after the transaction that ended its wait, not inside it.
#[test]
fn a_transaction_is_not_interrupted_by_those_whose_waits_it_ends() {
    let mut session = Session::new();
    let id = id_of(&mut session, 'b');
    assert!(send(&mut session, 'b', "WAIT 1 0").is_empty());
    assert!(send(&mut session, 'b', "INCR n").is_empty());
    for line in ["MULTI", "GET n", &format!("CLIENT UNBLOCK {id}"), "GET n"] {
        send(&mut session, 'a', line);
    }
    assert_eq!(send(&mut session, 'a', "EXEC"), ["a: *3 $-1 :1 $-1", "b: :0 :1"]);
}

#[test]
fn a_save_inside_a_transaction_waits_for_its_end() {
    let mut session = Session::new();
    for line in ["MULTI", "SET a 1", "BGSAVE", "SET b 1"] {
        send(&mut session, 'a', line);
    }
    assert_eq!(send(&mut session, 'a', "EXEC"), ["a: *3 +OK +Background saving scheduled +OK"]);
    session.act(&Action::Sleep(200));
    let info = send(&mut session, 'a', "INFO persistence").concat();
    assert!(info.contains("rdb_saves:1") && info.contains("rdb_changes_since_last_save:0"), "{info}");
}
