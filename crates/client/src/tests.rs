//! Against a scripted server: a thread that reads a given number of bytes, then writes.

use super::*;
use std::net::TcpListener;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A client of a server that, for each (bytes to read, answer), reads and answers, then closes.
fn against(script: Vec<(usize, &'static [u8])>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (length, answer) in script {
            stream.read_exact(&mut vec![0; length]).unwrap();
            stream.write_all(answer).unwrap();
        }
    });
    Client::connect(&address, TIMEOUT).unwrap()
}

const PING: &[&[u8]] = &[b"PING"];
const PING_BYTES: usize = b"*1\r\n$4\r\nPING\r\n".len();

#[test]
fn replies_are_read_and_push_messages_kept_apart() {
    let mut client =
        against(vec![(PING_BYTES, b">1\r\n:1\r\n+PONG\r\n"), (PING_BYTES * 2, b":1\r\n-ERR no\r\n>1\r\n:2\r\n")]);
    assert_eq!(client.command(PING).unwrap(), Value::Simple(b"PONG".to_vec()));
    assert_eq!(client.pipeline([PING, PING]).unwrap(), [Value::Int(1), Value::Error(b"ERR no".to_vec())]);
    assert_eq!(client.next_push().unwrap(), Value::Push(vec![Value::Int(1)]));
    assert_eq!(client.next_push().unwrap(), Value::Push(vec![Value::Int(2)]));
    assert!(matches!(client.next_push(), Err(Error::Closed)));
}

#[test]
fn failures_say_whose_fault_they_are() {
    let mut client = against(vec![(PING_BYTES, b"-NOAUTH first\r\n"), (PING_BYTES, b"hello\r\n")]);
    let error = client.call(PING).unwrap_err();
    assert_eq!(error.reply(), Some(&b"NOAUTH first"[..]));
    assert_eq!(error.to_string(), "the server answered: NOAUTH first");
    assert!(matches!(client.call(PING), Err(Error::Protocol(_))));
}

#[test]
fn a_silent_server_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(&listener.local_addr().unwrap().to_string(), TIMEOUT).unwrap();
    client.set_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(matches!(client.command(PING), Err(Error::Timeout)));
}

#[test]
fn raw_lines_and_bytes_can_stand_between_replies() {
    let mut client = against(vec![(PING_BYTES, b"\n+FULLRESYNC id 0\r\n$3\r\nRDB+PONG\r\n")]);
    client.send(PING).unwrap();
    assert_eq!(client.read_line().unwrap(), b"");
    assert_eq!(client.read_line().unwrap(), b"+FULLRESYNC id 0");
    assert_eq!(client.read_line().unwrap(), b"$3");
    assert_eq!(client.read_raw(3).unwrap(), b"RDB");
    assert_eq!(client.reply().unwrap(), Value::Simple(b"PONG".to_vec()));
}
