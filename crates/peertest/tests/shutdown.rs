//! The end of a server that has replicas: each story is lived by a real peer first, then by us.

use peertest::{LONG, Peer, SHORT, Server, Value, wait_for_link, wait_until};

const FAILED: &[u8] = b"ERR Errors trying to SHUTDOWN. Check logs.";

/// A master and its replica, which is stopped and lacks the last write.
fn lagging(peer: Peer, directives: &[&str]) -> (Server, Server) {
    let master = Server::start(peer, directives);
    let replica = Server::start(Peer::Valkey80, &[]);
    replica.replicate(master.port());
    wait_for_link(&replica);
    wait_until("the replica to be online", LONG, || master.info().text("slave0").contains("state=online"));
    replica.pause();
    master.run("SET last write");
    (master, replica)
}

/// Asks for a shutdown on a connection of its own, and waits until it waits.
fn begin_shutdown(master: &Server, words: &str) -> peertest::Client {
    let mut client = master.client();
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    client.send(&words).expect("a connection that was just opened");
    wait_until_it_waits(master);
    client
}

fn wait_until_it_waits(master: &Server) {
    wait_until("the shutdown to wait", SHORT, || master.info().get("shutdown_in_milliseconds").is_some());
}

/// A replica that does not come back is waited for as long as the setting says; then the server ends all the same.
fn the_time_is_up(peer: Peer) {
    let (mut master, replica) = lagging(peer, &["shutdown-timeout 1"]);
    let _client = begin_shutdown(&master, "SHUTDOWN NOSAVE");
    assert_eq!(master.call("GET last").as_str(), Some("write"), "reads are answered");
    assert_eq!(master.wait_for_exit(), Some(0));
    let log = master.log();
    assert!(log.contains("Waiting for replicas before shutting down."), "{log}");
    assert!(log.contains(&format!("Lagging replica 127.0.0.1:{} reported offset ", replica.port())), "{log}");
    assert!(log.contains("0 of 1 replicas are in sync when shutting down."), "{log}");
    replica.resume();
}

/// A replica that catches up ends the wait, and has every write.
fn the_replica_catches_up(peer: Peer) {
    let (mut master, replica) = lagging(peer, &["shutdown-timeout 60", "save '3600 1'"]);
    master.signal("TERM");
    wait_until_it_waits(&master);
    replica.resume();
    assert_eq!(master.wait_for_exit(), Some(0));
    assert_eq!(replica.call("GET last").as_str(), Some("write"));
    let log = master.log();
    assert!(log.contains("Received SIGTERM scheduling shutdown..."), "{log}");
    assert!(log.contains("1 of 1 replicas are in sync when shutting down."), "{log}");
    assert!(master.files().contains(&"dump.rdb".to_owned()), "saved behind the wait");
}

/// SHUTDOWN ABORT: who waited for the end hears of it, and writes that were held back run.
fn it_is_aborted(peer: Peer) {
    let (mut master, replica) = lagging(peer, &["shutdown-timeout 60"]);
    let mut shutdown = begin_shutdown(&master, "SHUTDOWN");
    let mut writer = master.client();
    writer.send(&[b"SET", b"held", b"1"]).expect("an open connection");
    wait_until("the write to be held back", SHORT, || master.info().number("blocked_clients") >= 2);
    assert_eq!(master.run("SHUTDOWN ABORT"), Value::Simple(b"OK".to_vec()));
    assert_eq!(shutdown.reply().expect("an answer").as_error(), Some(FAILED));
    assert_eq!(writer.reply().expect("an answer"), Value::Simple(b"OK".to_vec()));
    assert_eq!(master.call("SHUTDOWN ABORT").as_error(), Some(&b"ERR No shutdown in progress."[..]));
    assert!(master.log().contains("Shutdown manually aborted."));
    assert!(master.is_alive());
    replica.resume();
}

/// SHUTDOWN NOW waits for nobody.
fn now_does_not_wait(peer: Peer) {
    let (mut master, replica) = lagging(peer, &["shutdown-timeout 60"]);
    master.client().send(&[b"SHUTDOWN", b"NOW"]).expect("an open connection");
    assert_eq!(master.wait_for_exit(), Some(0));
    assert!(!master.log().contains("Waiting for replicas"));
    replica.resume();
}

/// A second SIGINT ends a server that waits, at once and with a failure; after an abort the next one is polite again.
fn a_second_interrupt_does_not_wait(peer: Peer) {
    let (mut master, replica) = lagging(peer, &["shutdown-timeout 60"]);
    master.signal("INT");
    wait_until_it_waits(&master);
    master.run("SHUTDOWN ABORT");
    master.signal("INT");
    wait_until_it_waits(&master);
    assert!(master.is_alive());
    master.signal("INT");
    assert_eq!(master.wait_for_exit(), Some(1));
    replica.resume();
}

/// A server that cannot save does not end, unless it is told to.
fn a_failed_save_keeps_it_alive(peer: Peer) {
    let mut server = Server::start(peer, &["save '3600 1'", "dbfilename taken"]);
    std::fs::create_dir_all(server.data_folder().join("taken/not-empty")).expect("a folder in the server's own");
    server.run("SET k v");
    assert_eq!(server.call("SHUTDOWN").as_error(), Some(FAILED));
    for nth in 2..4 {
        server.signal("INT");
        let failures = || server.log().matches("Error trying to save the DB, can't exit.").count();
        wait_until("the next failure", SHORT, || failures() == nth);
    }
    assert!(server.is_alive(), "each SIGINT was the first of its shutdown");
    server.client().send(&[b"SHUTDOWN", b"FORCE"]).expect("an open connection");
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn a_stopped_replica_is_waited_for_until_the_time_is_up() {
    the_time_is_up(Peer::Valkey80);
    the_time_is_up(Peer::Ours);
}

#[test]
fn a_replica_that_catches_up_ends_the_wait() {
    the_replica_catches_up(Peer::Redis70);
    the_replica_catches_up(Peer::Ours);
}

#[test]
fn an_aborted_shutdown_leaves_nothing_behind() {
    it_is_aborted(Peer::Valkey80);
    it_is_aborted(Peer::Ours);
}

#[test]
fn shutdown_now_leaves_lagging_replicas_behind() {
    now_does_not_wait(Peer::Valkey80);
    now_does_not_wait(Peer::Ours);
}

#[test]
fn a_second_interrupt_ends_the_program() {
    a_second_interrupt_does_not_wait(Peer::Valkey80);
    a_second_interrupt_does_not_wait(Peer::Ours);
}

#[test]
fn a_server_that_cannot_save_stays() {
    a_failed_save_keeps_it_alive(Peer::Valkey80);
    a_failed_save_keeps_it_alive(Peer::Ours);
}

/// Two snapshots at once: SHUTDOWN's, and one that is still being written. The later one must stay.
#[test]
fn a_background_save_does_not_undo_the_last_one() {
    let mut server = Server::start(Peer::Ours, &["save '3600 1'", "enable-debug-command yes"]);
    server.run("DEBUG POPULATE 200000 k 100");
    server.run("BGSAVE");
    server.run("SET last write");
    server.client().send(&[b"SHUTDOWN"]).expect("an open connection");
    assert_eq!(server.wait_for_exit(), Some(0));
    assert_eq!(server.files(), ["dump.rdb"], "nothing half-written is left");
    server.start_again(&[]);
    wait_until("the data set", LONG, || server.info().text("loading") == "0");
    assert_eq!(server.call("GET last").as_str(), Some("write"));
}
