//! Which encoding a value has, fresh and after DEBUG RELOAD, is what Valkey 8.0 makes of it.

use peertest::{Client, Peer, Server, Value};

fn run(client: &mut Client, words: &[Vec<u8>]) -> Value {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    client.command(&words).expect("the server is up")
}

/// A command out of words and further arguments.
fn command(line: &str, further: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    let words = line.split(' ').map(str::to_owned).chain(further);
    words.map(String::into_bytes).collect()
}

/// Ways to build values, each under a key of its own: its name and its commands.
fn values() -> Vec<(String, Vec<Vec<Vec<u8>>>)> {
    let mut values = Vec::new();
    let mut add = |name: &str, commands: Vec<Vec<Vec<u8>>>| values.push((name.to_owned(), commands));
    let (long, too_long) = ("x".repeat(64), "x".repeat(65));
    for (name, value) in [("int", "12345"), ("embstr", "text"), ("raw", &too_long), ("leading-zero", "007")] {
        add(name, vec![command(&format!("SET {name} {value}"), [])]);
    }
    add("appended-int", vec![command("SET appended-int 1", []), command("APPEND appended-int 2", [])]);
    add("huge-int", vec![command("SET huge-int 9223372036854775807", [])]);
    for count in [1, 127, 128, 129, 511, 512, 513, 600] {
        let numbers = move || (0..count).map(|i| i.to_string());
        let texts = move || (0..count).map(|i| format!("m{i}"));
        let pairs = move || (0..count).flat_map(|i| [i.to_string(), format!("m{i}")]);
        let mut each = |what: &str, verb: &str, further: Vec<String>, extra: &[&str]| {
            let key = format!("{what}-{count}");
            let mut commands = vec![command(&format!("{verb} {key}"), further)];
            commands.extend(extra.iter().map(|line| command(&line.replace("KEY", &key), [])));
            add(&key, commands);
        };
        each("set-of-numbers", "SADD", numbers().collect(), &[]);
        each("set-of-texts", "SADD", texts().collect(), &[]);
        each("set-of-both", "SADD", numbers().chain(["m".into()]).collect(), &[]);
        each("set-of-numbers-again", "SADD", ["m".into()].into_iter().chain(numbers()).collect(), &["SREM KEY m"]);
        each("set-long", "SADD", texts().chain([long.clone()]).collect(), &[]);
        each("set-too-long", "SADD", texts().chain([too_long.clone()]).collect(), &[]);
        let shrink = format!("SREM KEY {too_long}");
        each("set-short-again", "SADD", texts().chain([too_long.clone()]).collect(), &[&shrink]);
        each(
            "set-of-large-numbers",
            "SADD",
            (0..count).map(|i| (1_i64 << 40 << (i % 20)).wrapping_add(i).to_string()).collect(),
            &[],
        );
        each("hash", "HSET", pairs().collect(), &[]);
        each("hash-long", "HSET", pairs().chain(["f".into(), long.clone()]).collect(), &[]);
        each("hash-too-long", "HSET", pairs().chain(["f".into(), too_long.clone()]).collect(), &[]);
        each("hash-short-again", "HSET", pairs().chain(["f".into(), too_long.clone()]).collect(), &["HDEL KEY f"]);
        each("hash-overwritten", "HSET", pairs().chain(["f".into(), too_long.clone()]).collect(), &["HSET KEY f v"]);
        each("zset", "ZADD", pairs().collect(), &[]);
        each("zset-long", "ZADD", pairs().chain(["1.5".into(), long.clone()]).collect(), &[]);
        each("zset-too-long", "ZADD", pairs().chain(["1.5".into(), too_long.clone()]).collect(), &[]);
        let shrink = format!("ZREM KEY {too_long}");
        each("zset-short-again", "ZADD", pairs().chain(["1.5".into(), too_long.clone()]).collect(), &[&shrink]);
        each("list", "RPUSH", texts().collect(), &[]);
        each("list-of-long", "RPUSH", (0..count).map(|i| format!("{i:0>60}")).collect(), &[]);
        each("list-short-again", "RPUSH", texts().chain(["y".repeat(9000)]).collect(), &["RPOP KEY"]);
        each("list-shrunk", "RPUSH", (0..count).map(|i| format!("{i:0>60}")).collect(), &["LTRIM KEY 0 3"]);
    }
    let halves = |verb: &str, key: &str, count: usize| {
        (0..count / 2).map(|i| command(&format!("{verb} {key} {i}"), [])).collect::<Vec<_>>()
    };
    for count in [256, 1100] {
        let key = format!("set-shrunk-{count}");
        let full = command(&format!("SADD {key}"), (0..count).map(|i| i.to_string()));
        add(&key, [vec![full], halves("SREM", &key, count * 2 - 10)].concat());
        let key = format!("hash-shrunk-{count}");
        let full = command(&format!("HSET {key}"), (0..count).flat_map(|i| [i.to_string(), "v".into()]));
        add(&key, [vec![full], halves("HDEL", &key, count * 2 - 10)].concat());
        let key = format!("zset-shrunk-{count}");
        let full = command(&format!("ZADD {key}"), (0..count).flat_map(|i| ["1".into(), i.to_string()]));
        add(&key, [vec![full], halves("ZREM", &key, count * 2 - 10)].concat());
    }
    add("hyperloglog", vec![command("PFADD hyperloglog a b c", [])]);
    values
}

/// Settings under which all values are built again.
const SETTINGS: [&[&str]; 3] = [
    &[],
    &["set-max-intset-entries 64", "set-max-listpack-entries 100", "list-max-listpack-size 128"],
    &["hash-max-listpack-entries 10", "zset-max-listpack-entries 10", "set-max-listpack-value 4"],
];

/// The encodings of all values: fresh, reloaded, reloaded under other settings, and restored from a dump.
fn encodings(peer: Peer, settings: &[&str]) -> Vec<(String, [String; 4])> {
    let directives: Vec<&str> = settings.iter().copied().chain(["enable-debug-command yes"]).collect();
    let server = Server::start(peer, &directives);
    let mut client = server.client();
    let values = values();
    for (_, commands) in &values {
        commands.iter().for_each(|words| assert!(run(&mut client, words).as_error().is_none(), "{}", peer.name()));
    }
    let restored = |name: &str| format!("restored:{name}");
    for (name, _) in &values {
        let Value::Bulk(dump) = run(&mut client, &command(&format!("DUMP {name}"), [])) else { panic!("{name}") };
        let mut words = command(&format!("RESTORE {} 0", restored(name)), []);
        words.push(dump);
        assert!(run(&mut client, &words).as_error().is_none(), "{name}");
    }
    let look = |client: &mut Client, name: &str| {
        let reply = run(client, &command(&format!("OBJECT ENCODING {name}"), []));
        reply.as_str().unwrap_or_else(|| panic!("{}: {name}: {reply:?}", peer.name())).to_owned()
    };
    let all = |client: &mut Client| values.iter().map(|(name, _)| look(client, name)).collect::<Vec<_>>();
    let fresh = all(&mut client);
    let dumped: Vec<String> = values.iter().map(|(name, _)| look(&mut client, &restored(name))).collect();
    server.run("DEBUG RELOAD");
    let reloaded = all(&mut client);
    server
        .run("CONFIG SET hash-max-listpack-entries 1000 zset-max-listpack-entries 1000 set-max-listpack-entries 1000");
    server.run("DEBUG RELOAD");
    let wider = all(&mut client);
    let names = values.into_iter().map(|(name, _)| name);
    names.zip(fresh.into_iter().zip(reloaded).zip(wider).zip(dumped).map(|(((a, b), c), d)| [a, b, c, d])).collect()
}

// A set of numbers in a listpack came back as an intset, because files had no form for the former.
#[test]
fn encodings_are_those_of_the_peer_fresh_and_reloaded() {
    let mut different = String::new();
    for settings in SETTINGS {
        let theirs = encodings(Peer::Valkey80, settings);
        let ours = encodings(Peer::Ours, settings);
        for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours) {
            different.push_str(&format!("{settings:?} {name}: {theirs:?}, ours {ours:?}\n"));
        }
    }
    assert!(different.is_empty(), "\nfresh, reloaded, reloaded with wide limits, restored:\n{different}");
}
