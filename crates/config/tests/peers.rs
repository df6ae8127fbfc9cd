//! Every directive that CONFIG GET * lists on real servers is known here, and has their default. The lists under
//! `peers/` were taken from Redis 7.0.15 and 8.0.6 and Valkey 8.0.1 and 9.1.2, started with `--save ""`.

use std::collections::HashMap;

use config::Config;

/// Where our default is another than that of the peer we report to be, and why.
const DIFFERENT: [(&str, &str); 3] = [
    ("save", "the lists were taken with saving turned off"),
    ("repl-backlog-size", "Valkey 8 raised it to 10 MB; ours is that of Redis 7.2"),
    ("syslog-ident", "Valkey names itself"),
];

fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")))
}

#[test]
fn every_directive_of_every_peer_is_known() {
    let config = Config::default();
    for (peer, text) in [
        ("redis 7.0", include_str!("peers/redis70.txt")),
        ("redis 8.0", include_str!("peers/redis80.txt")),
        ("valkey 8.0", include_str!("peers/valkey80.txt")),
        ("valkey 9.1", include_str!("peers/valkey91.txt")),
    ] {
        for (name, _) in lines(text) {
            assert_eq!(config.get(&[name.as_bytes()]).len(), 1, "{name} of {peer}");
        }
    }
}

#[test]
fn defaults_are_those_of_one_of_the_two_peers_around_the_version_we_report() {
    let config = Config::default();
    let older: HashMap<&str, &str> = lines(include_str!("peers/redis70.txt")).collect();
    let newer: HashMap<&str, &str> = lines(include_str!("peers/valkey80.txt")).collect();
    for name in older.keys().chain(newer.keys()).filter(|name| DIFFERENT.iter().all(|(other, _)| other != *name)) {
        let ours = String::from_utf8(config.get(&[name.as_bytes()])[0].1.clone()).unwrap();
        let theirs = [older.get(name), newer.get(name)];
        assert!(theirs.contains(&Some(&ours.as_str())), "{name}: ours {ours:?}, theirs {theirs:?}");
    }
}
