//! Requests with long arguments that arrive in pieces, where something else holds them up: the arguments are kept apart
//! from the rest of the input, and nothing of them may get lost.

mod support;

use support::script::Action;
use support::session::Session;

const LENGTH: usize = 300_000;
/// What a read of the socket gives at most.
const PIECE: usize = 64 * 1024;

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, words);
    bytes
}

fn send(session: &mut Session, name: char, bytes: &[u8]) -> Vec<String> {
    for piece in bytes.chunks(PIECE) {
        session.act(&Action::Send(name, piece.to_vec()));
    }
    taken(session)
}

fn taken(session: &mut Session) -> Vec<String> {
    session.take_all(false).into_iter().map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect()
}

fn line(session: &mut Session, name: char, line: &str) -> Vec<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    send(session, name, &request(&words))
}

/// A long value that ends in these bytes, and how the last four come back.
fn value(end: &[u8; 4]) -> Vec<u8> {
    let mut value = vec![b'.'; LENGTH];
    value.extend_from_slice(end);
    value
}

#[test]
fn requests_before_and_behind_a_long_argument_run_in_order() {
    let mut session = Session::new();
    let mut bytes = request(&[b"SET", b"k", b"short"]);
    bytes.extend(request(&[b"MSET", b"k", &value(b"one!"), b"l", &value(b"two!")]));
    bytes.extend(request(&[b"GETRANGE", b"k", b"-4", b"-1"]));
    bytes.extend(request(&[b"GETRANGE", b"l", b"-4", b"-1"]));
    bytes.extend(request(&[b"STRLEN", b"k"]));
    assert_eq!(send(&mut session, 'a', &bytes), ["a: +OK +OK $4 one! $4 two! :300004"]);
}

#[test]
fn a_long_argument_waits_out_a_pause() {
    let mut session = Session::new();
    line(&mut session, 'a', "CLIENT PAUSE 1000 WRITE");
    let mut bytes = request(&[b"SET", b"k", &value(b"long")]);
    bytes.extend(request(&[b"GETRANGE", b"k", b"-4", b"-1"]));
    assert!(send(&mut session, 'b', &bytes).is_empty());
    assert!(send(&mut session, 'b', &request(&[b"STRLEN", b"k"])).is_empty());
    session.act(&Action::Sleep(1500));
    assert_eq!(taken(&mut session), ["b: +OK $4 long :300004"]);
}

#[test]
fn a_long_argument_that_arrives_behind_a_blocking_command_waits_for_it() {
    let mut session = Session::new();
    let mut bytes = request(&[b"BLPOP", b"l", b"0"]);
    bytes.extend(request(&[b"SET", b"k", &value(b"long")]));
    bytes.extend(request(&[b"GETRANGE", b"k", b"-4", b"-1"]));
    let half = bytes.len() / 2;
    assert!(send(&mut session, 'b', &bytes[..half]).is_empty());
    assert_eq!(line(&mut session, 'a', "EXISTS k"), ["a: :0"]);
    line(&mut session, 'a', "RPUSH l x");
    let replies = send(&mut session, 'b', &bytes[half..]).concat();
    assert!(replies.ends_with("+OK $4 long"), "{replies}");
}

#[test]
fn a_long_argument_is_queued_and_counts_as_input_while_it_arrives() {
    let mut session = Session::new();
    assert_eq!(line(&mut session, 'b', "MULTI"), ["b: +OK"]);
    let bytes = request(&[b"SET", b"k", &value(b"long")]);
    assert!(send(&mut session, 'b', &bytes[..200_000]).is_empty());
    let list = line(&mut session, 'a', "CLIENT LIST").concat();
    assert!(list.contains("qbuf=200000"), "{list}");
    assert_eq!(send(&mut session, 'b', &bytes[200_000..]), ["b: +QUEUED"]);
    line(&mut session, 'b', "GETRANGE k -4 -1");
    assert!(line(&mut session, 'b', "EXEC").concat().ends_with("+OK $4 long"));
    assert_eq!(line(&mut session, 'a', "STRLEN k"), ["a: :300004"]);
}

#[test]
fn more_than_may_wait_of_a_request_ends_the_connection() {
    let mut session = Session::new();
    line(&mut session, 'a', "CONFIG SET client-query-buffer-limit 1mb");
    let bytes = request(&[b"SET", b"k", &vec![b'x'; 2 << 20]]);
    assert_eq!(send(&mut session, 'b', &bytes[..(1 << 20) + 100_000]), ["b: ! closed"]);
    assert_eq!(line(&mut session, 'a', "EXISTS k"), ["a: :0"]);
}
