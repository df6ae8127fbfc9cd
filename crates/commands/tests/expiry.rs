//! Keys past their time, where a transcript cannot show them: what comes from a master, and the clients of a replica.

use base::UnixMs;
use commands::{Context, GROUPS};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings, UsageClock};
use resp::{Outbox, OwnedArgs, Protocol, Reply};

const NOW: UnixMs = UnixMs(1_750_000_000_000);

const LATER: UnixMs = UnixMs(NOW.0 + 50_000);

/// The word of a key that was used at that moment.
fn word_of(moment: UnixMs) -> u32 {
    UsageClock::default().at(moment).new_word()
}

/// Runs a command line; its reply, and the number of commands it journalled.
fn run(keyspace: &mut Keyspace, expiry: ExpiryMode, now: UnixMs, line: &str) -> (String, usize) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let args = OwnedArgs::from_slices(&words);
    let name = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let row = GROUPS.iter().flat_map(|group| group.iter()).find(|row| row.name == name).expect("a known command");
    let mut effects = Effects::default();
    effects.journal_wanted = true;
    effects.begin_command();
    let mut out = Outbox::new();
    let db = Db::new(keyspace, 0, &mut effects, now, expiry);
    let reply = Reply::new(&mut out, Protocol::Resp2);
    let mut rng = fastrand::Rng::with_seed(1);
    (row.run)(&mut Context { db, reply, rng: &mut rng, blocking: commands::Blocking::Refused }, &args.as_args())
        .expect("the command succeeds");
    effects.end_command(0, words.iter().copied());
    (String::from_utf8_lossy(&out.to_vec()).replace("\r\n", " ").trim_end().to_owned(), effects.commands().len())
}

fn keyspace_with(line: &str) -> Keyspace {
    let mut keyspace = Keyspace::new(1, [1, 2], Settings::default());
    run(&mut keyspace, ExpiryMode::Delete, NOW, line);
    keyspace
}

#[test]
fn a_command_from_the_master_finds_a_key_past_its_time() {
    let mut keyspace = keyspace_with("SET k 5 PX 10");
    let later = UnixMs(NOW.0 + 20);
    assert_eq!(run(&mut keyspace, ExpiryMode::Ignore, later, "INCR k").0, ":6");
    assert_eq!(run(&mut keyspace, ExpiryMode::Ignore, later, "PERSIST k").0, ":1");
    assert_eq!(run(&mut keyspace, ExpiryMode::Delete, later, "GET k").0, "$1 6");
}

#[test]
fn a_deadline_in_the_past_from_the_master_deletes_nothing() {
    let mut keyspace = keyspace_with("SET k v");
    for line in ["PEXPIREAT k 1000", "SET k w PXAT 1000", "GETEX k PXAT 1000"] {
        run(&mut keyspace, ExpiryMode::Ignore, NOW, line);
        assert!(keyspace.contains(0, b"k"), "{line}");
    }
    assert_eq!(run(&mut keyspace, ExpiryMode::Delete, NOW, "GET k").0, "$-1");
}

#[test]
fn a_client_of_a_replica_does_not_see_a_key_past_its_time_and_deletes_nothing() {
    let mut keyspace = keyspace_with("SET k v PX 10");
    let later = UnixMs(NOW.0 + 20);
    for (line, reply) in
        [("GET k", "$-1"), ("EXISTS k", ":0"), ("KEYS *", "*0"), ("SCAN 0", "*2 $1 0 *0"), ("TTL k", ":-2")]
    {
        assert_eq!(run(&mut keyspace, ExpiryMode::Hide, later, line), (reply.to_owned(), 0), "{line}");
    }
    assert!(keyspace.contains(0, b"k"));
}

#[test]
fn a_write_to_a_writable_replica_begins_anew_where_a_key_is_past_its_time() {
    for (line, reply) in [
        ("APPEND k x", ":1"),
        ("SETRANGE k 0 x", ":1"),
        ("INCR k", ":1"),
        ("SETBIT k 7 1", ":0"),
        ("SET k x NX", "+OK"),
        ("SET k x KEEPTTL", "+OK"),
    ] {
        let mut keyspace = keyspace_with("SET k 41 PX 10");
        let later = UnixMs(NOW.0 + 20);
        assert_eq!(run(&mut keyspace, ExpiryMode::Hide, later, line).0, reply, "{line}");
        assert_eq!(run(&mut keyspace, ExpiryMode::Hide, later, "STRLEN k").0, ":1", "{line}");
        assert_eq!(run(&mut keyspace, ExpiryMode::Hide, later, "TTL k").0, ":-1", "{line}");
    }
}

#[test]
fn a_destination_past_its_time_that_nothing_is_stored_in_goes_as_the_command_says() {
    for line in [
        "BITOP AND k none",
        "SORT none STORE k",
        "ZUNIONSTORE k 1 none",
        "SINTERSTORE k none",
        "GEOSEARCHSTORE k none FROMLONLAT 0 0 BYRADIUS 1 m",
        "GEORADIUS none 0 0 1 m STORE k",
    ] {
        for expiry in [ExpiryMode::Delete, ExpiryMode::Ignore] {
            let mut keyspace = keyspace_with("SET k v PX 10");
            // One command in the stream: itself, and no DEL of the key before it.
            assert_eq!(run(&mut keyspace, expiry, UnixMs(NOW.0 + 20), line), (":0".to_owned(), 1), "{line}");
            assert!(!keyspace.contains(0, b"k"), "{line}");
        }
    }
}

#[test]
fn a_replica_takes_strings_that_are_too_long_for_itself() {
    let mut keyspace = keyspace_with("SET k v");
    keyspace.settings.string_bytes_max = 10;
    for (line, reply) in [
        ("APPEND k 0123456789", ":11"),
        ("SETRANGE k 20 x", ":21"),
        ("SETBIT k 240 1", ":0"),
        ("BITFIELD k SET u8 400 1", "*1 :0"),
    ] {
        assert_eq!(run(&mut keyspace, ExpiryMode::Ignore, NOW, line).0, reply, "{line}");
    }
}

#[test]
fn a_change_renews_the_idle_time_as_a_read_does() {
    for (make, change) in [
        ("RPUSH k a", "RPUSH k b"),
        ("HSET k f v", "HDEL k g"),
        ("SADD k a", "SREM k b"),
        ("ZADD k 1 a", "ZADD k 1 a"),
        ("SET k abc", "APPEND k d"),
        ("SET k abc", "SETBIT k 1 1"),
        ("SET k abc", "EXPIRE k 1000"),
        ("SET k abc", "PERSIST k"),
        ("SET k abc", "EXPIRE k 1000 XX"),
        ("SET k abc", "SETNX k d"),
        ("SET k abc", "SET k d NX"),
    ] {
        let mut keyspace = keyspace_with(make);
        keyspace.clock = keyspace.clock.at(LATER);
        run(&mut keyspace, ExpiryMode::Delete, NOW, change);
        let mut effects = Effects::default();
        let mut db = Db::new(&mut keyspace, 0, &mut effects, NOW, ExpiryMode::Delete);
        assert_eq!(db.entry(b"k").expect("the key stays").lru(), word_of(LATER), "{change}");
    }
}

#[test]
fn looking_at_a_key_counts_as_a_hit_and_leaves_its_idle_time() {
    let mut keyspace = keyspace_with("SET k v");
    keyspace.clock = keyspace.clock.at(LATER);
    for (hits, line) in (1..).zip(["EXISTS k", "TYPE k", "TTL k", "PTTL k", "EXPIRETIME k", "PEXPIRETIME k"]) {
        run(&mut keyspace, ExpiryMode::Delete, NOW, line);
        assert_eq!((keyspace.stats.hits, keyspace.stats.misses), (hits, 0), "{line}");
    }
    run(&mut keyspace, ExpiryMode::Delete, NOW, "EXISTS other");
    assert_eq!(keyspace.stats.misses, 1);
    let mut effects = Effects::default();
    let mut db = Db::new(&mut keyspace, 0, &mut effects, NOW, ExpiryMode::Delete);
    assert_eq!(db.entry(b"k").expect("the key stays").lru(), 0);
}
