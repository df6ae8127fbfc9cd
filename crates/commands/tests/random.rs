//! Commands that draw at random, and walks over large collections: what a transcript cannot show to the letter. Every
//! reply is held against what the key holds before and after, and against the stream.

use std::collections::BTreeSet;

#[path = "support/server.rs"]
mod server;

use server::Server;

fn members(server: &mut Server, key: &str) -> BTreeSet<String> {
    server.run(&format!("SMEMBERS {key}")).bulks.into_iter().collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("m{i}")).collect()
}

#[test]
fn what_spop_takes_is_what_goes_and_what_is_journalled() {
    // 1024 members per SREM was read off the stream of a real server.
    for (count, batches) in [(1, vec![1]), (1024, vec![1024]), (1030, vec![1024, 6]), (2500, vec![1024, 1024, 452])] {
        let mut server = Server::new();
        server.run(&format!("SADD s {}", numbered(3000).join(" ")));
        let before = members(&mut server, "s");
        let popped = server.run(&format!("SPOP s {count}"));
        let gone: BTreeSet<String> = before.difference(&members(&mut server, "s")).cloned().collect();
        assert_eq!(popped.bulks.len(), count);
        assert_eq!(popped.bulks.into_iter().collect::<BTreeSet<_>>(), gone);
        assert!(popped.journal.iter().all(|command| command[..2] == ["SREM", "s"]));
        assert_eq!(popped.journal.iter().map(|command| command.len() - 2).collect::<Vec<_>>(), batches);
        assert_eq!(popped.journal.into_iter().flat_map(|command| command[2..].to_vec()).collect::<BTreeSet<_>>(), gone);
    }
}

#[test]
fn spop_of_one_member_is_journalled_as_its_removal() {
    let mut server = Server::new();
    server.run("SADD s a b c");
    let popped = server.run("SPOP s");
    assert_eq!(popped.journal, [["SREM", "s", &popped.bulks[0]]]);
    assert!(!members(&mut server, "s").contains(&popped.bulks[0]));
}

#[test]
fn random_samples_are_distinct_or_repeat_as_the_sign_of_the_count_says() {
    for len in [3, 100, 3000] {
        let mut server = Server::new();
        let names = numbered(len);
        server.run(&format!("SADD s {}", names.join(" ")));
        server.run(&format!("HSET h {}", names.iter().map(|n| format!("{n} v{n}")).collect::<Vec<_>>().join(" ")));
        server.run(&format!("ZADD z {}", names.iter().map(|n| format!("1 {n}")).collect::<Vec<_>>().join(" ")));
        let all: BTreeSet<String> = names.into_iter().collect();
        for command in ["SRANDMEMBER s", "HRANDFIELD h", "ZRANDMEMBER z"] {
            for count in [1, 2, len / 4, len / 2, len - 1, len, len + 5] {
                let sample = server.run(&format!("{command} {count}")).bulks;
                let distinct: BTreeSet<String> = sample.iter().cloned().collect();
                assert_eq!((sample.len(), distinct.len()), (count.min(len), count.min(len)), "{command} {count}");
                assert!(distinct.is_subset(&all));
            }
            let sample = server.run(&format!("{command} -{}", 2 * len)).bulks;
            assert_eq!(sample.len(), 2 * len);
            assert!(sample.iter().all(|name| all.contains(name)));
        }
        let pairs = server.run("HRANDFIELD h 2 WITHVALUES").bulks;
        assert!(pairs.chunks(2).all(|pair| pair[1] == format!("v{}", pair[0])), "{pairs:?}");
    }
}

#[test]
fn a_walk_over_a_large_collection_meets_every_element() {
    let mut server = Server::new();
    let names = numbered(5000);
    server.run(&format!("SADD s {}", names.join(" ")));
    server.run(&format!("HSET h {}", names.iter().map(|n| format!("{n} v")).collect::<Vec<_>>().join(" ")));
    server.run(&format!("ZADD z {}", names.iter().map(|n| format!("1 {n}")).collect::<Vec<_>>().join(" ")));
    for (command, options) in [("SSCAN s", ""), ("HSCAN h", " NOVALUES"), ("ZSCAN z", " NOSCORES")] {
        let (mut cursor, mut met, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
        loop {
            let mut part = server.run(&format!("{command} {cursor} COUNT 100{options}")).bulks;
            cursor = part.remove(0);
            met.extend(part);
            calls += 1;
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(met.len(), names.len(), "{command}");
        assert!((10..=500).contains(&calls), "{command} took {calls} calls");
    }
}
