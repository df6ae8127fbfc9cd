//! A shutdown waits for replicas: who is held back meanwhile, what ends the wait, and who hears of it.

mod support;

use node::ShutdownSignal;
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

fn info(session: &mut Session, field: &str) -> Option<String> {
    let text = send(session, 'i', "INFO everything").concat();
    let at = text.split(&format!("{field}:")).nth(1)?;
    Some(at.chars().take_while(char::is_ascii_digit).collect())
}

fn offset(session: &mut Session) -> u64 {
    info(session, "master_repl_offset").expect("the field is there").parse().expect("a number")
}

/// A server with a replica, `r`, that has everything up to a write that follows.
fn with_replica() -> Session {
    let mut session = Session::new();
    for line in ["REPLCONF capa eof capa psync2", "PSYNC ? -1"] {
        send(&mut session, 'r', line);
    }
    session.act(&Action::Sleep(6000));
    taken(&mut session);
    acknowledge(&mut session);
    assert_eq!(send(&mut session, 'a', "SET before 1")[0], "a: +OK");
    session
}

/// The replica acknowledges all there is.
fn acknowledge(session: &mut Session) {
    let offset = offset(session);
    send(session, 'r', &format!("REPLCONF ACK {offset}"));
}

/// What clients got, the stream to the replica left out.
fn others(replies: Vec<String>) -> Vec<String> {
    replies.into_iter().filter(|reply| !reply.starts_with("r:")).collect()
}

#[test]
fn a_shutdown_without_replicas_or_with_equal_ones_does_not_wait() {
    let mut alone = Session::new();
    assert_eq!(send(&mut alone, 'a', "SHUTDOWN"), ["a: ! closed"]);
    assert_eq!(alone.exit_code(), Some(0));
    let mut session = with_replica();
    acknowledge(&mut session);
    send(&mut session, 's', "SHUTDOWN");
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn a_shutdown_ends_when_the_last_replica_has_caught_up() {
    let mut session = with_replica();
    assert!(others(send(&mut session, 's', "SHUTDOWN NOSAVE")).is_empty(), "it waits");
    session.act(&Action::Sleep(3000));
    assert_eq!(session.exit_code(), None);
    assert_eq!(info(&mut session, "shutdown_in_milliseconds").as_deref(), Some("7000"));
    acknowledge(&mut session);
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn a_shutdown_does_not_wait_longer_than_its_time_out() {
    let mut session = with_replica();
    assert_eq!(send(&mut session, 'a', "CONFIG SET shutdown-timeout 4"), ["a: +OK"]);
    send(&mut session, 's', "SHUTDOWN");
    session.act(&Action::Sleep(3999));
    assert_eq!(session.exit_code(), None);
    session.act(&Action::Sleep(1));
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn a_replica_that_leaves_is_not_waited_for() {
    let mut session = with_replica();
    send(&mut session, 's', "SHUTDOWN");
    session.act(&Action::Close('r'));
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn now_and_a_time_out_of_zero_do_not_wait() {
    let mut session = with_replica();
    send(&mut session, 's', "SHUTDOWN NOW");
    assert_eq!(session.exit_code(), Some(0));
    let mut session = with_replica();
    send(&mut session, 'a', "CONFIG SET shutdown-timeout 0");
    send(&mut session, 's', "SHUTDOWN");
    assert_eq!(session.exit_code(), Some(0));
}

#[test]
fn while_a_shutdown_waits_writes_are_held_back_and_nothing_expires() {
    let mut session = with_replica();
    send(&mut session, 'a', "SET short 1 PX 500");
    send(&mut session, 's', "SHUTDOWN");
    let end = offset(&mut session);
    assert!(send(&mut session, 'w', "SET held 1").is_empty());
    assert!(send(&mut session, 'p', "PUBLISH c x").is_empty());
    assert_eq!(others(send(&mut session, 'a', "CLIENT UNPAUSE")), ["a: +OK"], "this pause is not its");
    session.act(&Action::Sleep(1000));
    assert_eq!(others(send(&mut session, 'a', "GET short")), ["a: $-1"]);
    assert_eq!(others(send(&mut session, 'a', "DBSIZE")), ["a: :2"]);
    assert_eq!(offset(&mut session), end);
    assert_eq!(session.exit_code(), None);
}

#[test]
fn after_an_abort_everybody_goes_on() {
    let mut session = with_replica();
    let failed = "-ERR Errors trying to SHUTDOWN. Check logs.";
    send(&mut session, 's', "SHUTDOWN");
    assert!(others(send(&mut session, 't', "SHUTDOWN NOW")).is_empty(), "the first one counts");
    send(&mut session, 'w', "SET held 1");
    let replies = others(send(&mut session, 'a', "SHUTDOWN ABORT"));
    assert_eq!(replies, ["a: +OK".to_owned(), format!("s: {failed}"), format!("t: {failed}"), "w: +OK".to_owned()]);
    assert_eq!(others(send(&mut session, 's', "PING")), ["s: +PONG"]);
    let none = "a: -ERR No shutdown in progress.";
    assert_eq!(others(send(&mut session, 'a', "SHUTDOWN ABORT")), [none]);
    session.act(&Action::Sleep(20_000));
    assert_eq!(session.exit_code(), None);
    acknowledge(&mut session);
    assert_eq!(session.exit_code(), None);
}

#[test]
fn signals_wait_too_and_their_settings_say_how() {
    let mut session = with_replica();
    session.signal(ShutdownSignal::Terminate);
    assert_eq!(session.exit_code(), None);
    session.signal(ShutdownSignal::Terminate);
    assert_eq!(session.exit_code(), None, "a second one changes nothing");
    acknowledge(&mut session);
    assert_eq!(session.exit_code(), Some(0));
    let mut session = with_replica();
    send(&mut session, 'a', "CONFIG SET shutdown-on-sigint now");
    session.signal(ShutdownSignal::Interrupt);
    assert_eq!(session.exit_code(), Some(0));
}
