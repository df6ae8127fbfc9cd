//! Deadlines of fields in files and for servers that know none: each server that knows them starts from the others'
//! files, and a replica that could not read them is refused without losing what it has.

use peertest::{Dataset, LONG, Peer, Server, assert_equal, wait_for_link, wait_until};

/// Hashes of both encodings, on a server that just started.
fn fill(server: &Server) {
    for words in [
        "HSET small a 1 b 2 c 3",
        "HEXPIRE small 10000 FIELDS 1 b",
        "HSETEX all EX 10000 FIELDS 2 a 1 b 2",
        "HSET plain a 1",
        "HSET was a 1 b 2",
        "HEXPIRE was 10000 FIELDS 1 a",
        "HPERSIST was FIELDS 1 a",
        "SET beside it",
    ] {
        server.run(words);
    }
    for number in 0..3000 {
        server.run(&format!("HSET large f{number} {number} g{number} v{number}"));
        if number % 3 == 0 {
            server.run(&format!("HPEXPIRE large {} FIELDS 1 g{number}", 10_000_000 + number * 7));
        }
    }
}

/// One server saves, the other starts from that file and holds the same.
fn starts_from_the_file_of(writer: Peer, reader: Peer, directives: &[&str]) {
    let mut writer = Server::start(writer, directives);
    fill(&writer);
    writer.run("SAVE");
    let expected = Dataset::read(&mut writer.client());
    assert_eq!(expected.field_deadlines(), 3 + 1000);
    let mut reader = Server::start(reader, &[]);
    reader.kill();
    writer.kill();
    std::fs::copy(writer.data_folder().join("dump.rdb"), reader.data_folder().join("dump.rdb")).expect("a saved file");
    reader.start_again(&[]);
    let found = Dataset::read(&mut reader.client());
    assert_eq!(expected.differences(writer.peer().name(), &found, reader.peer().name()), None);
}

#[test]
fn redis_80_starts_from_our_file() {
    starts_from_the_file_of(Peer::Ours, Peer::Redis80, &[]);
}

#[test]
fn valkey_91_starts_from_our_file_in_its_format() {
    starts_from_the_file_of(Peer::Ours, Peer::Valkey91, &["rdb-version 80"]);
}

#[test]
fn we_start_from_the_file_of_redis_80() {
    starts_from_the_file_of(Peer::Redis80, Peer::Ours, &[]);
}

#[test]
fn we_start_from_the_file_of_valkey_91() {
    starts_from_the_file_of(Peer::Valkey91, Peer::Ours, &[]);
}

#[test]
fn we_start_from_our_own_file_in_either_format() {
    starts_from_the_file_of(Peer::Ours, Peer::Ours, &[]);
    starts_from_the_file_of(Peer::Ours, Peer::Ours, &["rdb-version 80"]);
}

/// The master says why in its log and to the replica, which keeps its data; it follows once no field has a deadline.
fn is_refused_until_no_field_has_a_deadline(replica: Peer) {
    let master = Server::start(Peer::Ours, &[]);
    master.run("HSET h a 1 b 2");
    master.run("HEXPIRE h 10000 FIELDS 1 a");
    let replica = Server::start(replica, &[]);
    replica.run("SET keep this");
    replica.replicate(master.port());
    let told = "the data set has hashes in which fields have a deadline";
    wait_until("the refusal in the replica's log", LONG, || replica.log().contains(told));
    assert!(master.log().contains(&format!("full synchronisation refused: {told}")));
    assert_eq!(replica.run("GET keep").as_str(), Some("this"), "nothing is lost");
    let refusals = || master.log().matches("full synchronisation refused").count();
    let before = refusals();
    wait_until("another attempt", LONG, || refusals() > before + 1);
    assert!(refusals() < 20, "it asks about once a second, and not in a storm");
    master.run("HPERSIST h FIELDS 1 a");
    wait_for_link(&replica);
    assert_equal(&master, &replica);
}

#[test]
fn redis_70_is_refused_until_no_field_has_a_deadline() {
    is_refused_until_no_field_has_a_deadline(Peer::Redis70);
}

#[test]
fn valkey_80_is_refused_until_no_field_has_a_deadline() {
    is_refused_until_no_field_has_a_deadline(Peer::Valkey80);
}
