//! What one client does in a unit of its own is not interleaved with what others do, and replicas are asked once a turn.

mod support;

use node::Rest;
use support::script::Action;
use support::session::Session;

fn id_of(session: &mut Session, name: char) -> String {
    let lines = session.send(name, &["CLIENT ID"]);
    lines[0].rsplit(':').next().expect("an integer reply").to_owned()
}

// CLIENT UNBLOCK ended the WAIT of another client and ran at once what that one had sent behind it, between two commands
// of the transaction.
#[test]
fn ending_the_wait_of_another_client_does_not_let_it_into_a_transaction() {
    let mut session = Session::new();
    session.add_replica();
    let id = id_of(&mut session, 'b');
    assert!(
        session
            .send('b', &["CLIENT REPLY OFF", "SET k 1", "WAIT 2 0", "SET k 2"])
            .iter()
            .all(|line| line.starts_with('r'))
    );
    let transaction = ["MULTI", "GET k", &format!("CLIENT UNBLOCK {id}"), "GET k", "EXEC", "GET k"];
    let replies = session.send('a', &transaction);
    assert!(replies[0].ends_with("*3 $1 1 :1 $1 1 $1 1"), "{replies:?}");
    assert!(session.send('a', &["GET k"])[0].ends_with("$1 2"));
}

// A replica's acknowledgement ended the WAIT in the middle of the turn; a wait that ends does what was held behind it at
// the end of the turn, and CLIENT REPLY SKIP is over by then.
#[test]
fn a_wait_that_ends_goes_on_in_the_same_turn() {
    let mut session = Session::new();
    session.add_replica();
    session.send('b', &["SET k 1", "WAIT 1 0", "GET k"]);
    let offset = session.offset();
    let replies = session.send('r', &[&format!("REPLCONF ACK {offset}")]);
    assert_eq!(replies, ["b: :1 $1 1"]);
}

#[test]
fn all_who_wait_in_one_turn_share_a_question_to_the_replicas() {
    let mut session = Session::new();
    session.add_replica();
    session.send('a', &["SET k 1"]);
    session.send('b', &["SET k 2"]);
    let transaction = ["MULTI", "SET k 3", "EXEC", "WAIT 1 0"];
    let mut replies = session.send_together(&[('a', &transaction), ('b', &["WAIT 1 0"]), ('r', &["REPLCONF ACK 1"])]);
    session.act(&Action::Sleep(1));
    replies.extend(session.taken());
    assert_eq!(replies.concat().matches("GETACK").count(), 1, "{replies:?}");
}

// What a transaction has done is not in the stream before EXEC ends: a snapshot taken by its BGSAVE held half of it, at
// an offset before it.
#[test]
fn a_save_asked_for_inside_a_transaction_begins_behind_it() {
    let mut session = Session::new();
    let saving = |session: &mut Session| session.send('i', &["INFO persistence"]).concat().contains("rdb_saves:0");
    session.send('i', &["PING"]);
    session.send('a', &["MULTI", "SET a 1", "BGSAVE", "SET b 1", "EXEC"]);
    assert!(saving(&mut session), "not yet");
    session.act(&Action::Sleep(200));
    assert!(!saving(&mut session));
}

// A client that read as fast as it was written to got all of a large value before anybody else's turn came.
#[test]
fn a_large_reply_goes_out_in_shares_of_a_turn() {
    let mut session = Session::new();
    session.send('a', &["SETRANGE big 4999999 x"]);
    session.stall('b');
    session.send('b', &["GET big", "PING"]);
    let mut shares = Vec::new();
    loop {
        let (bytes, rest) = session.write_once('b');
        shares.push(bytes);
        if rest == Rest::None {
            break;
        }
        assert_eq!(rest, Rest::Later);
    }
    assert!(shares.len() >= 5 && shares.iter().all(|bytes| *bytes <= 1 << 20), "{shares:?}");
    assert_eq!(shares.iter().sum::<usize>(), b"$5000000\r\n".len() + 5_000_000 + b"\r\n+PONG\r\n".len());
}

/// What clients sent in one turn is looked at before it runs, many requests at a time; what an earlier request changes counts for the later ones.
#[test]
fn requests_of_one_turn_see_what_those_before_them_changed() {
    let mut session = Session::new();
    let sent = [('a', &["SET k 1"][..]), ('b', &["GET k"]), ('a', &["SET k 2"]), ('b', &["GET k"])];
    assert_eq!(session.send_together(&sent), ["a: +OK +OK", "b: $1 1 $1 2"]);
    let sent = [('a', &["CONFIG SET proto-max-bulk-len 1mb"][..]), ('b', &["SET k x"]), ('a', &["GET k"])];
    assert_eq!(session.send_together(&sent), ["a: +OK $1 x", "b: +OK"]);
    let sent = [('a', &["MULTI"][..]), ('b', &["SET k y"]), ('a', &["GET k"]), ('a', &["EXEC"])];
    assert_eq!(session.send_together(&sent), ["a: +OK +QUEUED *1 $1 y", "b: +OK"]);
}

#[test]
fn a_request_that_is_held_back_in_a_turn_of_several_runs_later() {
    let mut session = Session::new();
    let sent = [('a', &["CLIENT PAUSE 100 WRITE"][..]), ('b', &["SET k 1"]), ('c', &["GET k"])];
    assert_eq!(session.send_together(&sent), ["a: +OK", "c: $-1"]);
    session.act(&Action::Sleep(200));
    assert_eq!(session.taken(), ["b: +OK"]);
}

#[test]
fn a_password_that_is_set_in_a_turn_holds_for_its_later_requests() {
    let mut session = Session::new();
    session.send_together(&[('a', &["PING"][..]), ('b', &["PING"])]);
    let sent = [('a', &["CONFIG SET requirepass secret"][..]), ('c', &["GET k"]), ('b', &["GET k"])];
    assert_eq!(session.send_together(&sent), ["a: +OK", "b: $-1", "c: $-1"]);
    let sent = [('d', &["GET k"][..]), ('b', &["GET k"])];
    assert_eq!(session.send_together(&sent), ["b: $-1", "d: -NOAUTH Authentication required."]);
}

/// More keys than are fetched together: the requests of a turn are looked at in groups.
#[test]
fn requests_with_many_keys_in_one_turn_all_run_in_their_order() {
    let mut session = Session::new();
    let sets: Vec<String> =
        (10..50).map(|at| format!("MSET{}", (0..7).map(|key| format!(" k{key} v{at}")).collect::<String>())).collect();
    let lines: Vec<[&str; 1]> = sets.iter().map(|line| [line.as_str()]).collect();
    let mut sent: Vec<(char, &[&str])> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        sent.push((if at % 2 == 0 { 'a' } else { 'b' }, line));
        sent.push(('c', &["MGET k0 k6"]));
    }
    let seen: String = (10..50).map(|at| format!(" *2 $3 v{at} $3 v{at}")).collect();
    let oks = " +OK".repeat(20);
    assert_eq!(session.send_together(&sent), [format!("a:{oks}"), format!("b:{oks}"), format!("c:{seen}")]);
}

#[test]
fn what_a_request_of_a_turn_changes_counts_behind_many_others() {
    let mut session = Session::new();
    session.send_together(&[('b', &["PING"][..]), ('f', &["PING"]), ('k', &["PING"])]);
    let id = id_of(&mut session, 'k');
    let many = format!("MGET{}", (0..70).map(|key| format!(" many{key}")).collect::<String>());
    let kill = format!("CLIENT KILL ID {id}");
    let steps = [
        ('a', &["SET k 1"][..]),
        ('b', &["SELECT 1"]),
        ('b', &["SET k other"]),
        ('a', &["GET k"]),
        ('b', &["GET k"]),
        ('c', &["MULTI"]),
        ('c', &["GET k"]),
        ('d', &["GET k", "GET k"]),
        ('c', &["EXEC"]),
        ('d', &["CONFIG SET proto-max-bulk-len 1mb"]),
        ('d', &["GET k"]),
        ('a', &[&kill]),
        ('k', &["GET k"]),
        ('e', &["CLIENT PAUSE 100 WRITE"]),
        ('a', &["SET k paused"]),
        ('b', &["GET k"]),
    ];
    let many = [many.as_str()];
    let sent: Vec<(char, &[&str])> = steps.iter().flat_map(|step| [*step, ('f', &many[..])]).collect();
    let filling = format!(" *70{}", " $-1".repeat(70)).repeat(steps.len());
    let expected = [
        "a: +OK $1 1 :1",
        "b: +OK +OK $5 other $5 other",
        "c: +OK +QUEUED *1 $1 1",
        "d: $1 1 $1 1 +OK $1 1",
        "e: +OK",
        &format!("f:{filling}"),
        "k: ! closed",
    ];
    assert_eq!(session.send_together(&sent), expected);
    session.act(&Action::Sleep(200));
    assert_eq!(session.taken(), ["a: +OK"]);
}
