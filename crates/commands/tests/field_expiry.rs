//! Fields of hashes past their time, where a transcript cannot show them: against a simple model while time passes, with
//! snapshots alive and a replica that follows; what comes from a master; the clients of a replica.

use std::collections::BTreeMap;

use base::UnixMs;
use commands::{Blocking, Context, GROUPS};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings, Snapshot, ValueRef};
use resp::{Outbox, OwnedArgs, Protocol, Reply};

const NOW: UnixMs = UnixMs(1_750_000_000_000);

/// A value and its deadline.
type Field = (String, Option<i64>);
/// Fields by key and name.
type Content = BTreeMap<String, BTreeMap<String, Field>>;

fn words_of(command: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(command);
    text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$'])).map(str::to_owned).collect()
}

/// Runs a command: its reply without line ends, and the commands it journalled.
fn run(keyspace: &mut Keyspace, expiry: ExpiryMode, now: UnixMs, line: &str) -> (String, Vec<Vec<String>>) {
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
    (row.run)(&mut Context { db, reply, rng: &mut rng, blocking: Blocking::Refused }, &args.as_args())
        .expect("the command succeeds");
    effects.end_command(0, words.iter().copied());
    let reply = String::from_utf8_lossy(&out.to_vec()).replace("\r\n", " ").trim_end().to_owned();
    (reply, effects.commands().map(|(_, bytes)| words_of(bytes)).collect())
}

fn note(content: &mut Content, key: &[u8], value: ValueRef<'_>) {
    let ValueRef::Hash(hash) = value else { panic!("only hashes are written here") };
    let text = |element: collections::Element<'_>| String::from_utf8(element.to_vec()).unwrap();
    let fields = hash.entries().map(|entry| (text(entry.field), (text(entry.value), entry.deadline.map(|at| at.0))));
    content.insert(String::from_utf8(key.to_vec()).unwrap(), fields.collect());
}

/// Everything that is stored, past its time or not.
fn stored(keyspace: &Keyspace) -> Content {
    let mut content = Content::new();
    keyspace.for_each(0, |key, value, _| note(&mut content, key, value));
    content
}

/// What a snapshot holds.
fn walked(snapshot: &mut Snapshot) -> Content {
    let mut content = Content::new();
    while snapshot.next_block(|item| note(&mut content, item.key, item.value)) {}
    content
}

/// A model that knows no laziness: what is past its time is not there.
#[derive(Default)]
struct Model(Content);

impl Model {
    fn pass(&mut self, now: i64) {
        for fields in self.0.values_mut() {
            fields.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now));
        }
        self.0.retain(|_, fields| !fields.is_empty());
    }

    fn field(&mut self, key: &str, field: &str) -> Option<&mut Field> {
        self.0.get_mut(key)?.get_mut(field)
    }

    fn set(&mut self, key: &str, field: &str, value: &str, deadline: Option<i64>) {
        self.0.entry(key.to_owned()).or_default().insert(field.to_owned(), (value.to_owned(), deadline));
    }

    /// Takes a command of the test's vocabulary at a moment.
    fn take(&mut self, line: &str, now: i64) {
        let words: Vec<&str> = line.split(' ').collect();
        let key = words[1];
        match words[0] {
            "HSET" => self.set(key, words[2], words[3], None),
            "HSETEX" if words[2] == "KEEPTTL" => {
                let deadline = self.field(key, words[5]).and_then(|field| field.1);
                self.set(key, words[5], words[6], deadline);
            }
            "HSETEX" => self.set(key, words[6], words[7], Some(now + words[3].parse::<i64>().unwrap())),
            "HINCRBY" => {
                let (old, deadline) = self.field(key, words[2]).cloned().unwrap_or(("0".to_owned(), None));
                let sum = old.parse::<i64>().unwrap() + words[3].parse::<i64>().unwrap();
                self.set(key, words[2], &sum.to_string(), deadline);
            }
            "HPEXPIRE" => {
                if let Some(field) = self.field(key, words[5]) {
                    field.1 = Some(now + words[2].parse::<i64>().unwrap());
                }
            }
            "HPERSIST" => {
                if let Some(field) = self.field(key, words[4]) {
                    field.1 = None;
                }
            }
            "HDEL" | "HGETDEL" => {
                let field = if words[0] == "HDEL" { words[2] } else { words[4] };
                self.0.get_mut(key).map(|fields| fields.remove(field));
            }
            "DEL" => drop(self.0.remove(key)),
            "COPY" => {
                if let Some(fields) = self.0.get(key).cloned() {
                    self.0.insert(words[2].to_owned(), fields);
                }
            }
            "HGET" | "HLEN" | "HRANDFIELD" => {}
            other => panic!("{other} is not in the model"),
        }
        self.pass(now);
    }
}

fn command(rng: &mut fastrand::Rng) -> String {
    let number = rng.u32(..6);
    let key = format!("k{number}");
    let field = format!("f{}", rng.u32(..40));
    let (soon, value) = (rng.i64(1..200), rng.i64(-99..99));
    match rng.u32(..16) {
        0..3 => format!("HSET {key} {field} {value}"),
        3 => format!("HSETEX {key} KEEPTTL FIELDS 1 {field} {value}"),
        4 => format!("HSETEX {key} PX {soon} FIELDS 1 {field} {value}"),
        5 => format!("HINCRBY {key} {field} {value}"),
        6..9 => format!("HPEXPIRE {key} {soon} FIELDS 1 {field}"),
        9 => format!("HPERSIST {key} FIELDS 1 {field}"),
        10 => format!("HDEL {key} {field}"),
        11 => format!("HGETDEL {key} FIELDS 1 {field}"),
        12 => format!("COPY {key} k{} REPLACE", (number + rng.u32(1..6)) % 6),
        13 => format!("HGET {key} {field}"),
        14 => format!("HRANDFIELD {key} 3"),
        _ if rng.u32(..5) == 0 => format!("DEL {key}"),
        _ => format!("HLEN {key}"),
    }
}

/// What a client sees of all keys: a hash of which nothing is visible counts as gone.
fn seen(keyspace: &mut Keyspace, now: UnixMs) -> Content {
    let mut content = Content::new();
    for key in 0..6 {
        let key = format!("k{key}");
        let mut effects = Effects::default();
        let mut db = Db::new(keyspace, 0, &mut effects, now, ExpiryMode::Hide);
        let Some(hash) = db.hash(key.as_bytes()).unwrap() else { continue };
        let text = |element: collections::Element<'_>| String::from_utf8(element.to_vec()).unwrap();
        let fields: BTreeMap<String, Field> = hash
            .entries()
            .map(|entry| (text(entry.field), (text(entry.value), entry.deadline.map(|at| at.0))))
            .collect();
        assert_eq!(fields.len(), hash.len());
        if !fields.is_empty() {
            content.insert(key, fields);
        }
    }
    content
}

/// Active expiry, a few fields at a time, as the node drives it: what it journals.
fn expire_some(keyspace: &mut Keyspace, now: UnixMs, hashes: usize) -> Vec<Vec<String>> {
    let mut effects = Effects::default();
    effects.journal_wanted = true;
    for _ in 0..hashes {
        let Some(key) = keyspace.next_due_hash(0, now) else { break };
        let mut db = Db::new(keyspace, 0, &mut effects, now, ExpiryMode::Delete);
        assert!(db.expire_due_fields(&key, 3) > 0);
    }
    effects.commands().map(|(_, bytes)| words_of(bytes)).collect()
}

fn apply(replica: &mut Keyspace, now: UnixMs, commands: Vec<Vec<String>>) {
    for command in commands {
        run(replica, ExpiryMode::Ignore, now, &command.join(" "));
    }
}

#[test]
fn what_is_seen_is_what_a_simple_model_holds_and_replicas_and_snapshots_agree() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut settings = Settings::default();
        // A third of the runs stay small, a third begin so and convert.
        settings.limits.hash_max_listpack_entries = [100, 12, 0][seed as usize % 3];
        let mut keyspace = Keyspace::new(1, [seed, 2], settings.clone());
        let mut replica = Keyspace::new(1, [3, seed], settings);
        let (mut model, mut now, mut snapshots) = (Model::default(), NOW, Vec::new());
        for step in 0..600 {
            now.0 += rng.i64(0..8);
            model.pass(now.0);
            let line = command(&mut rng);
            // A hash of which only expired fields are left is still a key, and would be copied.
            if line.starts_with("COPY") && !model.0.contains_key(&line[5..7]) {
                continue;
            }
            let (_, journal) = run(&mut keyspace, ExpiryMode::Delete, now, &line);
            model.take(&line, now.0);
            apply(&mut replica, now, journal);
            assert_eq!(seen(&mut keyspace, now), model.0, "seed {seed} step {step}: {line}");
            if step % 7 == 0 {
                let journal = expire_some(&mut keyspace, now, rng.usize(..3));
                apply(&mut replica, now, journal);
            }
            let all = stored(&keyspace);
            assert_eq!(stored(&replica), all, "seed {seed} step {step}: {line}");
            let timed = all.values().filter(|fields| fields.values().any(|field| field.1.is_some())).count();
            assert_eq!(keyspace.hashes_with_deadlines(0), timed);
            if step % 50 == 0 {
                snapshots.push((keyspace.snapshot(), all));
            }
            if snapshots.len() > 3 {
                let (mut snapshot, expected) = snapshots.remove(rng.usize(..snapshots.len()));
                assert_eq!(walked(&mut snapshot), expected);
            }
        }
        now.0 += 1000;
        model.pass(now.0);
        while keyspace.next_due_hash(0, now).is_some() {
            apply(&mut replica, now, expire_some(&mut keyspace, now, 1));
        }
        assert_eq!(stored(&keyspace), model.0, "in the end nothing is left but what lives");
        assert_eq!(stored(&replica), model.0);
        for (mut snapshot, expected) in snapshots {
            assert_eq!(walked(&mut snapshot), expected);
        }
    }
}

fn keyspace_with(lines: &[&str]) -> Keyspace {
    let mut keyspace = Keyspace::new(1, [1, 2], Settings::default());
    for line in lines {
        run(&mut keyspace, ExpiryMode::Delete, NOW, line);
    }
    keyspace
}

const LATER: UnixMs = UnixMs(NOW.0 + 20);

#[test]
fn a_command_from_the_master_finds_a_field_past_its_time() {
    let mut keyspace = keyspace_with(&["HSET h a 5 b 1", "HPEXPIRE h 10 FIELDS 2 a b"]);
    let run = |keyspace: &mut Keyspace, line: &str| run(keyspace, ExpiryMode::Ignore, LATER, line).0;
    assert_eq!(run(&mut keyspace, "HINCRBY h a 1"), ":6");
    assert_eq!(run(&mut keyspace, "HPERSIST h FIELDS 1 a"), "*1 :1");
    assert_eq!(run(&mut keyspace, "HSETEX h FNX FIELDS 1 b 9"), ":0");
    assert_eq!(run(&mut keyspace, "HGETEX h PXAT 1000 FIELDS 1 b"), "*1 $1 1");
    assert_eq!(run(&mut keyspace, "HPEXPIREAT h 1000 FIELDS 1 b"), "*1 :1", "a past deadline deletes nothing");
    assert_eq!(run(&mut keyspace, "HSETEX h PXAT 1000 FIELDS 1 c 1"), ":1");
    // Valkey knows later deadlines than a client can set here.
    assert_eq!(run(&mut keyspace, "HPEXPIREAT h 9223372036854775807 FIELDS 1 a"), "*1 :1");
    assert_eq!(run(&mut keyspace, "HLEN h"), ":3");
    assert_eq!(seen_on_a_master(&mut keyspace, "HGETALL h"), "*2 $1 a $1 6");
}

/// As a client of a master sees it.
fn seen_on_a_master(keyspace: &mut Keyspace, line: &str) -> String {
    run(keyspace, ExpiryMode::Delete, LATER, line).0
}

#[test]
fn a_client_of_a_replica_does_not_see_a_field_past_its_time_and_deletes_nothing() {
    let mut keyspace =
        keyspace_with(&["HSET h a 5 b 1", "HPEXPIRE h 10 FIELDS 1 a", "HSET g a 1", "HPEXPIRE g 10 FIELDS 1 a"]);
    for (line, reply) in [
        ("HGET h a", "$-1"),
        ("HMGET h a b", "*2 $-1 $1 1"),
        ("HGETALL h", "*2 $1 b $1 1"),
        ("HKEYS h", "*1 $1 b"),
        ("HVALS h", "*1 $1 1"),
        ("HEXISTS h a", ":0"),
        ("HSTRLEN h a", ":0"),
        ("HSCAN h 0", "*2 $1 0 *2 $1 b $1 1"),
        ("HRANDFIELD h", "$1 b"),
        ("HRANDFIELD h 5", "*1 $1 b"),
        ("HRANDFIELD h -2 WITHVALUES", "*4 $1 b $1 1 $1 b $1 1"),
        ("HTTL h FIELDS 2 a b", "*2 :-2 :-1"),
        // As with Redis 8: what is not yet deleted counts.
        ("HLEN h", ":2"),
        ("EXISTS g", ":1"),
        ("HRANDFIELD g", "$-1"),
        ("HRANDFIELD g -3", "*0"),
        ("HGETALL g", "*0"),
    ] {
        assert_eq!(run(&mut keyspace, ExpiryMode::Hide, LATER, line), (reply.to_owned(), vec![]), "{line}");
    }
    assert_eq!(stored(&keyspace)["h"].len(), 2);
}

#[test]
fn no_write_finds_or_revives_a_field_past_its_time() {
    // Valkey 9 replies this; Redis 8 finds the field until it is deleted, and HEXPIRE brings it back.
    for (line, reply, left) in [
        ("HSET h a 1", ":1", 2),
        ("HSETNX h a 1", ":1", 2),
        ("HINCRBY h a 1", ":1", 2),
        ("HINCRBYFLOAT h a 1", "$1 1", 2),
        ("HDEL h a", ":0", 1),
        ("HGETDEL h FIELDS 1 a", "*1 $-1", 1),
        ("HGETEX h PX 100 FIELDS 1 a", "*1 $-1", 1),
        ("HPEXPIRE h 100 FIELDS 1 a", "*1 :-2", 1),
        ("HPEXPIRE h 0 FIELDS 1 a", "*1 :-2", 1),
        ("HPERSIST h FIELDS 1 a", "*1 :-2", 1),
        ("HSETEX h FXX FIELDS 1 a 1", ":0", 1),
        ("HSETEX h FNX FIELDS 1 a 1", ":1", 2),
        ("HSETEX h KEEPTTL FIELDS 1 a 1", ":1", 2),
    ] {
        for expiry in [ExpiryMode::Delete, ExpiryMode::Hide] {
            let mut keyspace = keyspace_with(&["HSET h a 41 b 1", "HPEXPIRE h 10 FIELDS 1 a"]);
            let (got, journal) = run(&mut keyspace, expiry, LATER, line);
            assert_eq!(got, reply, "{line}");
            assert_eq!(journal[0], ["HDEL", "h", "a"], "{line}");
            let fields = &stored(&keyspace)["h"];
            assert_eq!(fields.len(), left, "{line}");
            assert!(fields.values().all(|field| field.1.is_none()), "{line}");
        }
    }
}

#[test]
fn what_older_replicas_know_too_travels_so() {
    let mut keyspace = keyspace_with(&["HSET h a 1", "HSET t a 1 b 1", "HPEXPIRE t 1000 FIELDS 1 a"]);
    for (line, journal) in [
        ("HSETEX h FIELDS 1 a 2", "HSET h a 2"),
        ("HSETEX h FXX KEEPTTL FIELDS 1 a 2", "HSET h a 2"),
        ("HINCRBYFLOAT h a 1", "HSET h a 3"),
        ("HSETEX t FXX KEEPTTL FIELDS 1 a 2", "HSETEX t KEEPTTL FIELDS 1 a 2"),
        ("HINCRBYFLOAT t a 1", "HSETEX t KEEPTTL FIELDS 1 a 3"),
        ("HINCRBYFLOAT t b 1", "HSET t b 2"),
        ("HSETEX t FXX PXAT 1750000009999 FIELDS 1 a 2", "HSETEX t PXAT 1750000009999 FIELDS 1 a 2"),
    ] {
        let (_, commands) = run(&mut keyspace, ExpiryMode::Delete, NOW, line);
        assert_eq!(commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>(), [journal], "{line}");
    }
}
