//! maxmemory: which keys go, who hears of it, and when nothing goes. The host of these tests counts what the
//! data set takes, dead or alive, and a mebibyte for the rest.

mod support;

use support::session::Session;

/// What the host counts for all but the data set.
const BASE_BYTES: u64 = 1 << 20;

fn field(session: &mut Session, name: &str) -> u64 {
    let info = session.send('i', &["INFO everything"]).concat();
    let value = info.split(&format!("{name}:")).nth(1).unwrap_or_else(|| panic!("INFO has no {name}"));
    value.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

fn keys(session: &mut Session) -> u64 {
    let reply = session.send('i', &["DBSIZE"]).concat();
    reply.rsplit(':').next().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no number: {reply}"))
}

/// Sets `count` keys of 1000 bytes each; what `words` come behind each SET. The replies that were no `+OK`.
fn fill(session: &mut Session, from: usize, count: usize, words: &str) -> usize {
    let value = "x".repeat(1000);
    let lines: Vec<String> = (from..from + count).map(|at| format!("SET k{at} {value}{words}")).collect();
    let replies = lines.iter().map(|line| session.send('a', &[line]).concat());
    replies.filter(|reply| reply != "a: +OK").count()
}

fn limited(policy: &str, kilobytes: u64) -> Session {
    let mut session = Session::new();
    let limit = format!("CONFIG SET maxmemory {}", BASE_BYTES + kilobytes * 1024);
    session.send('a', &[&format!("CONFIG SET maxmemory-policy {policy}"), &limit]);
    session
}

#[test]
fn every_policy_keeps_memory_below_the_limit_and_lets_writes_in() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut session = limited(policy, 200);
        assert_eq!(fill(&mut session, 0, 1000, " EX 1000"), 0, "{policy}");
        let keys = keys(&mut session);
        // One that was just set may stand above the limit.
        assert!((150..=201).contains(&keys), "{policy} holds {keys}");
        assert_eq!(field(&mut session, "evicted_keys"), 1000 - keys, "{policy}");
    }
}

#[test]
fn without_anything_to_evict_writes_are_refused_and_reads_are_not() {
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        let mut session = limited(policy, 100);
        assert!(fill(&mut session, 0, 200, "") > 90, "{policy}");
        let oom = "-OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(session.send('a', &["SET k v"]), [format!("a: {oom}")]);
        assert_eq!(session.send('a', &["APPEND k0 v", "DBSIZE"])[0].split(' ').next(), Some("a:"));
        let queued = session.send('a', &["MULTI", "GET none", "DEL none", "EXEC"]).concat();
        assert_eq!(queued, "a: +OK +QUEUED +QUEUED *2 $-1 :0", "{policy}: what needs no memory is queued and run");
        let refused = session.send('a', &["MULTI", "GET none", "SET k v", "EXEC"]).concat();
        assert!(refused.contains("+QUEUED -OOM") && refused.contains("-EXECABORT"), "{policy}: {refused}");
        assert_eq!(field(&mut session, "evicted_keys"), 0);
        session.send('a', &["FLUSHALL"]);
        assert_eq!(session.send('a', &["SET k v"]), ["a: +OK"], "{policy}");
    }
}

#[test]
fn keys_without_a_deadline_stay_under_a_volatile_policy() {
    let mut session = limited("volatile-lru", 200);
    fill(&mut session, 0, 50, "");
    assert_eq!(fill(&mut session, 1000, 500, " EX 1000"), 0);
    let lines: Vec<String> = (0..50).map(|at| format!("EXISTS k{at}")).collect();
    assert!(lines.iter().all(|line| session.send('a', &[line]) == ["a: :1"]));
}

#[test]
fn replicas_subscribers_and_watchers_hear_of_an_eviction() {
    for (lazy, word) in [("no", "DEL"), ("yes", "UNLINK")] {
        let mut session = Session::new();
        session.add_replica();
        session.send('a', &[&format!("CONFIG SET lazyfree-lazy-eviction {lazy} notify-keyspace-events Ee")]);
        session.send('s', &["SUBSCRIBE __keyevent@0__:evicted"]);
        session.send('a', &["SET k v"]);
        session.send('w', &["WATCH k", "MULTI"]);
        session.taken();
        let told = session.send('a', &["CONFIG SET maxmemory-policy allkeys-random maxmemory 1"]).concat();
        let deletion = format!("{word} k");
        assert!(told.contains("__:evicted $1 k"), "{told}");
        assert!(told.replace("$3 ", "").replace("$6 ", "").replace("$1 ", "").contains(&deletion), "{told}");
        session.send('a', &["CONFIG SET maxmemory 0"]);
        assert_eq!(session.send('w', &["EXEC"]), ["w: *-1"]);
    }
}

#[test]
fn a_lower_limit_evicts_at_once_and_what_a_turn_has_no_time_for_goes_on() {
    let mut session = Session::new();
    fill(&mut session, 0, 300, "");
    // Each look at the clock takes longer than one turn may.
    session.set_tick(std::time::Duration::from_millis(2));
    let limit = BASE_BYTES + 100 * 1024;
    session.send('a', &[&format!("CONFIG SET maxmemory-policy allkeys-lru maxmemory {limit}")]);
    let first = field(&mut session, "evicted_keys");
    assert!((1..100).contains(&first), "{first} in the first turns");
    assert!(field(&mut session, "current_eviction_exceeded_time") > 0);
    for _ in 0..30 {
        session.act(&support::script::Action::Sleep(1));
    }
    assert!(field(&mut session, "evicted_keys") >= 200);
    assert_eq!(field(&mut session, "current_eviction_exceeded_time"), 0);
}

#[test]
fn nothing_is_evicted_while_writes_are_paused() {
    let mut session = Session::new();
    fill(&mut session, 0, 300, "");
    session
        .send('a', &["CONFIG SET maxmemory-policy allkeys-lru", "CLIENT PAUSE 1000 WRITE", "CONFIG SET maxmemory 1"]);
    assert_eq!((field(&mut session, "evicted_keys"), keys(&mut session)), (0, 300));
    session.send('a', &["CLIENT UNPAUSE", "PING"]);
    assert_eq!(field(&mut session, "evicted_keys"), 300);
}

#[test]
fn a_replica_evicts_only_if_it_is_told_to() {
    let mut session = Session::new();
    session.follow_master();
    let mut stream = Vec::new();
    for at in 0..100 {
        resp::encode::command(&mut stream, &[b"SET", format!("k{at}").as_bytes(), &[b'x'; 1000]]);
    }
    let limit = format!("CONFIG SET maxmemory-policy allkeys-lru maxmemory {}", BASE_BYTES + 50 * 1024);
    session.send('a', &[&limit]);
    session.master_sends(&stream);
    assert_eq!((field(&mut session, "evicted_keys"), keys(&mut session)), (0, 100));
    session.send('a', &["CONFIG SET replica-ignore-maxmemory no", "PING"]);
    assert!(field(&mut session, "evicted_keys") > 40);
    session.master_sends(&stream);
    assert!(keys(&mut session) <= 51);
}

#[test]
fn a_snapshot_that_is_written_is_no_reason_to_evict_all() {
    let mut session = limited("allkeys-lru", 300);
    fill(&mut session, 0, 250, "");
    session.hold_saves();
    session.send('a', &["BGSAVE"]);
    // The snapshot holds what is overwritten and evicted, so that neither makes room.
    fill(&mut session, 0, 250, " EX 1000");
    fill(&mut session, 500, 100, "");
    let keys = keys(&mut session);
    assert!(keys > 200, "{keys} are left");
    assert!(field(&mut session, "mem_not_counted_for_evict") > 250_000);
    session.finish_saves();
}

#[test]
fn large_values_that_go_count_as_gone_before_they_are_freed() {
    let mut session = Session::new();
    let fields: String = (0..600).map(|number| format!(" f{number} v")).collect();
    for at in 0..20 {
        session.send('a', &[&format!("HSET h{at}{fields}")]);
    }
    let used = field(&mut session, "used_memory");
    session.send('a', &[&format!("CONFIG SET maxmemory-policy allkeys-random maxmemory {}", used / 2)]);
    session.send('a', &["PING"]);
    assert!(field(&mut session, "evicted_keys") <= 20);
}

#[test]
fn slow_evictions_are_latency_events() {
    let mut session = Session::new();
    fill(&mut session, 0, 20, "");
    session.set_tick(std::time::Duration::from_millis(2));
    session.send('a', &["CONFIG SET latency-monitor-threshold 1 maxmemory-policy allkeys-lru maxmemory 1"]);
    let latest = session.send('a', &["LATENCY LATEST"]).concat();
    assert!(latest.contains("eviction-del") && latest.contains("eviction-cycle"), "{latest}");
}

#[test]
fn idle_time_and_frequency_are_shown_under_the_policies_that_keep_them() {
    let mut session = Session::new();
    session.send('a', &["SET k v"]);
    session.act(&support::script::Action::Sleep(7000));
    assert_eq!(session.send('a', &["OBJECT IDLETIME k"]), ["a: :7"]);
    assert!(session.send('a', &["OBJECT FREQ k"]).concat().contains("-ERR An LFU maxmemory policy is not selected"));
    session.send('a', &["CONFIG SET maxmemory-policy allkeys-lfu", "SET k v", "SET other v"]);
    assert_eq!(session.send('a', &["OBJECT FREQ other", "GET other", "OBJECT FREQ other"]), ["a: :5 $1 v :6"]);
    assert!(session.send('a', &["OBJECT IDLETIME k"]).concat().contains("-ERR An LFU maxmemory policy is selected"));
    assert_eq!(
        session.send('a', &["SET other w", "OBJECT FREQ other", "OBJECT FREQ none"])[0].len(),
        "a: +OK :6 $-1".len()
    );
    session.act(&support::script::Action::Sleep(60_000 * 10));
    assert_eq!(session.send('a', &["OBJECT FREQ other"]), ["a: :0"]);
}

#[test]
fn a_client_that_cannot_take_the_news_of_evictions_is_closed_before_its_command() {
    let mut session = Session::new();
    session.send('a', &["CONFIG SET notify-keyspace-events Ee client-output-buffer-limit", "PING"]);
    fill(&mut session, 0, 300, "");
    session.send('s', &["HELLO 3", "SUBSCRIBE __keyevent@0__:evicted"]);
    session.stall('s');
    let mut limit = Vec::new();
    resp::encode::command(&mut limit, &[b"CONFIG", b"SET", b"client-output-buffer-limit", b"pubsub 2000 0 0"]);
    session.act(&support::script::Action::Send('a', limit));
    session.taken();
    // The eviction of many keys is told before the command runs, and the teller finds that nobody listens.
    session.send_together(&[('a', &["CONFIG SET maxmemory-policy allkeys-lru maxmemory 1"]), ('s', &["PING"])]);
    assert!(session.taken().is_empty());
    assert_eq!(session.send('a', &["PING"]), ["a: +PONG"]);
}

/// A table that was flushed stays as long as a snapshot needs it, and nobody can hurry that: under a policy that finds
/// nothing to evict, writes went on as if it were about to be freed, without any limit.
#[test]
fn a_flushed_table_that_a_snapshot_needs_is_no_room_to_come() {
    let mut session = limited("volatile-lru", 100);
    fill(&mut session, 0, 50, "");
    session.hold_saves();
    session.send('a', &["BGSAVE", "FLUSHALL"]);
    session.set_uncounted(50_000);
    assert!(fill(&mut session, 1000, 400, "") > 200, "the limit holds for new keys");
    let written = keys(&mut session);
    assert!((80..=110).contains(&written), "{written} keys of 1000 bytes below a limit of 100 kB");
    session.finish_saves();
}

/// The memory of flushed collections that a snapshot still needs was counted as data, so that new keys were evicted for it.
#[test]
fn flushed_collections_that_a_snapshot_needs_are_no_reason_to_evict() {
    let mut session = limited("allkeys-lru", 300);
    let fields: String = (0..10).map(|number| format!(" f{number} {}", "v".repeat(1000))).collect();
    for at in 0..25 {
        session.send('a', &[&format!("HSET h{at}{fields}")]);
    }
    assert_eq!(field(&mut session, "evicted_keys"), 0);
    session.hold_saves();
    session.send('a', &["BGSAVE", "FLUSHALL"]);
    session.set_uncounted(250_000);
    assert_eq!(fill(&mut session, 0, 250, ""), 0);
    assert_eq!(keys(&mut session), 250, "all that was written has room");
    let not_counted = field(&mut session, "mem_not_counted_for_evict");
    assert!((250_000..350_000).contains(&not_counted), "{not_counted} bytes are held by the snapshot");
    fill(&mut session, 1000, 250, "");
    let held = keys(&mut session);
    assert!((200..=400).contains(&held), "{held} keys of 1000 bytes below a limit of 300 kB");
    session.finish_saves();
}
