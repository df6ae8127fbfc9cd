//! Fields of hashes that expire by themselves: in slices on a master, never on a replica.

mod support;

use support::script::Action;
use support::session::Session;

fn command(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &words);
    bytes
}

/// Sends a command: the reply's lines.
fn send(session: &mut Session, line: &str) -> Vec<String> {
    session.act(&Action::Send('a', command(line)));
    session.take_all(false).remove(&'a').unwrap_or_default()
}

fn number_behind(session: &mut Session, section: &str, name: &str) -> u64 {
    let info = send(session, &format!("INFO {section}")).join("\n");
    let value = info.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {info}"));
    value.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

#[test]
fn many_due_fields_go_in_slices_and_the_hash_with_the_last() {
    let mut session = Session::new();
    for first in (0..3000).step_by(500) {
        let pairs: String = (first..first + 500).map(|number| format!(" f{number} v")).collect();
        send(&mut session, &format!("HSETEX h PX 1000 FIELDS 500{pairs}"));
    }
    send(&mut session, "HSETEX g PX 1000 FIELDS 2 a 1 b 2");
    send(&mut session, "HSET g c d");
    assert_eq!(number_behind(&mut session, "keyspace", "subexpiry="), 2);
    assert_eq!(number_behind(&mut session, "stats", "expired_subkeys:"), 0);

    session.act(&Action::Sleep(1100));
    let slice = number_behind(&mut session, "stats", "expired_subkeys:");
    assert!((1..3000).contains(&slice), "{slice} at once");
    for _ in 0..20 {
        send(&mut session, "PING");
    }
    assert_eq!(number_behind(&mut session, "stats", "expired_subkeys:"), 3002);
    assert_eq!(number_behind(&mut session, "keyspace", "subexpiry="), 0);
    assert_eq!(send(&mut session, "EXISTS h"), [":0"]);
    assert_eq!(send(&mut session, "HGETALL g"), ["*2", "$1", "c", "$1", "d"]);
}

#[test]
fn whoever_listens_hears_of_a_hash_once_for_all_its_fields() {
    let mut session = Session::new();
    send(&mut session, "CONFIG SET notify-keyspace-events Eghx");
    send(&mut session, "HSETEX h PX 50 FIELDS 2 a 1 b 2");
    session.act(&Action::Send('s', command("PSUBSCRIBE *")));
    session.take_all(false);
    session.act(&Action::Sleep(200));
    let heard = session.take_all(false).remove(&'s').unwrap_or_default().join(" ");
    let events: Vec<&str> = heard.split("__keyevent@0__:").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(events, ["hexpired", "del"]);
}

#[test]
fn a_replica_deletes_no_field_until_its_master_says_so() {
    let mut session = Session::new();
    session.follow_master();
    session.master_sends(&command("HSETEX h PXAT 1000 FIELDS 1 a 1"));
    session.master_sends(&command("HSET h b 2"));
    session.act(&Action::Sleep(1000));
    assert_eq!(send(&mut session, "HGETALL h"), ["*2", "$1", "b", "$1", "2"]);
    assert_eq!(send(&mut session, "HMGET h a b"), ["*2", "$-1", "$1", "2"]);
    assert_eq!(send(&mut session, "HLEN h"), [":2"]);
    session.master_sends(&command("HDEL h a"));
    assert_eq!(send(&mut session, "HLEN h"), [":1"]);
    assert_eq!(number_behind(&mut session, "stats", "expired_subkeys:"), 0);
}
