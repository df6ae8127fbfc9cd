//! Files that real servers wrote, against what those servers said they hold. `fixtures/record.py` recorded both.

mod common;

use common::{encoded, lines, load};
use keyspace::{Keyspace, ValueRef};
use persist::rdb::{Checksum, Decoder, DecoderOptions, EncoderOptions, Event, Family, Fault, LoadOptions, load_into};

const REDIS70: &[u8] = include_bytes!("fixtures/redis70.rdb");
const REDIS80: &[u8] = include_bytes!("fixtures/redis80.rdb");
const VALKEY80: &[u8] = include_bytes!("fixtures/valkey80.rdb");
const VALKEY91: &[u8] = include_bytes!("fixtures/valkey91.rdb");
const REDIS70_STREAM: &[u8] = include_bytes!("fixtures/redis70-stream.rdb");
const VALKEY80_STREAM: &[u8] = include_bytes!("fixtures/valkey80-stream.rdb");
const VALKEY91_STREAM: &[u8] = include_bytes!("fixtures/valkey91-stream.rdb");
const REDIS70_FUNCTION: &[u8] = include_bytes!("fixtures/redis70-function.rdb");

/// The recorded lines, with scores laid out as ours whatever the peer's digits.
fn recorded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if words[2] == "zset" {
                for word in &mut words[4..] {
                    let (member, score) = word.rsplit_once('=').unwrap();
                    *word = format!("{member}={}", common::score_shown(score.parse().unwrap()));
                }
                words[4..].sort();
            }
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_value_of_a_peers_file_is_read_as_the_peer_holds_it() {
    for (file, text, version) in [
        (REDIS70, include_str!("fixtures/redis70.txt"), "7.0.15"),
        (REDIS80, include_str!("fixtures/redis80.txt"), "8.0.6"),
        (VALKEY80, include_str!("fixtures/valkey80.txt"), "8.0.1"),
        (VALKEY91, include_str!("fixtures/valkey91.txt"), "9.1.2"),
        (REDIS70_STREAM, include_str!("fixtures/redis70-stream.txt"), "7.0.15"),
        (VALKEY80_STREAM, include_str!("fixtures/valkey80-stream.txt"), "8.0.1"),
        (VALKEY91_STREAM, include_str!("fixtures/valkey91-stream.txt"), "9.1.2"),
    ] {
        let (keyspace, report) = load(file).unwrap();
        assert_eq!(report.info.server_version.as_deref(), Some(version));
        let (found, expected) = (lines(&keyspace), recorded(text));
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{version}");
        }
        assert_eq!(found.len(), expected.len());
        assert_eq!(report.keys_loaded, expected.len() as u64);
        assert_eq!(report.checksum, Checksum::Verified);
        assert_eq!(report.bytes, file.len() as u64);
        assert!(report.info.created_s.is_some() && report.info.used_memory.is_some() && !report.info.aof_base);
    }
}

#[test]
fn what_a_peer_wrote_survives_being_written_by_us() {
    for file in [REDIS70, REDIS80, VALKEY80, VALKEY91, REDIS70_STREAM, VALKEY80_STREAM, VALKEY91_STREAM] {
        let (mut keyspace, _) = load(file).unwrap();
        for target in common::targets() {
            let bytes = encoded(&mut keyspace, EncoderOptions { target, ..EncoderOptions::default() });
            assert_eq!(lines(&load(&bytes).unwrap().0), lines(&keyspace), "{target}");
        }
    }
}

#[test]
fn a_streams_past_is_read_and_written_where_the_type_carries_it() {
    let past = |keyspace: &Keyspace| {
        let mut found = None;
        keyspace.for_each(0, |key, value, _| {
            if let (b"many", ValueRef::Stream(stream)) = (key, value) {
                let entries = stream.entries();
                let read: Vec<i64> = stream.groups().map(|(_, group)| group.entries_read).collect();
                let active = stream.groups().flat_map(|(_, group)| group.consumers());
                let never_active = active.filter(|(_, consumer)| consumer.active_ms == -1).count();
                found = Some((entries.entries_added, entries.max_deleted_id.to_string(), read, never_active));
            }
        });
        found.expect("the fixtures hold this stream")
    };
    for (file, never_active) in [(REDIS70_STREAM, 0), (VALKEY80_STREAM, 1), (VALKEY91_STREAM, 1)] {
        let (mut keyspace, _) = load(file).unwrap();
        let expected = (57, "57000-0".to_owned(), vec![20, -1, -1], never_active);
        assert_eq!(past(&keyspace), expected);
        for target in common::targets() {
            let bytes = encoded(&mut keyspace, EncoderOptions { target, ..EncoderOptions::default() });
            let read = past(&load(&bytes).unwrap().0);
            match (target.family(), target.version()) {
                // No counters: what is there counts as all there ever was.
                (Family::Redis, 9) => assert_eq!(read, (46, "0-0".to_owned(), vec![-1, 46, -1], never_active)),
                _ => assert_eq!(read, expected, "{target}"),
            }
        }
    }
}

#[test]
fn keys_carry_what_the_eviction_policy_needs() {
    let count = |file: &[u8]| {
        let mut decoder = Decoder::new(file, DecoderOptions::default());
        let (mut keys, mut idle, mut frequency) = (0, 0, 0);
        loop {
            match decoder.next_event().unwrap() {
                Event::Key(key) => {
                    keys += 1;
                    idle += u32::from(key.idle_s.is_some());
                    frequency += u32::from(key.frequency.is_some());
                }
                Event::End(_) => return (keys, idle, frequency),
                _ => {}
            }
        }
    };
    assert_eq!(count(REDIS70), (26, 26, 0));
    assert_eq!(count(VALKEY80), (26, 0, 26));
    assert_eq!(count(REDIS80), (26, 0, 0));
}

#[test]
fn the_records_come_in_order_and_the_end_stays() {
    let mut decoder = Decoder::new(REDIS70, DecoderOptions::default());
    assert!(matches!(decoder.next_event(), Ok(Event::Magic(Family::Redis, 10))));
    for field in ["redis-ver", "redis-bits", "ctime", "used-mem", "aof-base"] {
        assert!(matches!(decoder.next_event(), Ok(Event::Aux(found, _)) if found == field.as_bytes()), "{field}");
    }
    assert!(matches!(decoder.next_event(), Ok(Event::SelectDb(0))));
    assert!(matches!(decoder.next_event(), Ok(Event::ResizeDb { keys: 24, expires: 2 })));
    while !matches!(decoder.next_event().unwrap(), Event::End(_)) {}
    assert!(matches!(decoder.next_event(), Ok(Event::End(Checksum::Verified))));
}

#[test]
fn a_file_without_checksum_is_taken_and_said_to_be_one() {
    let (keyspace, report) = load(include_bytes!("fixtures/redis70-nosum.rdb")).unwrap();
    assert_eq!((lines(&keyspace), report.checksum), (vec!["0 a string -1 b".to_owned()], Checksum::Absent));
}

#[test]
fn deadlines_of_fields_are_read_from_either_family() {
    for file in
        [&include_bytes!("fixtures/redis80-field-ttl.rdb")[..], include_bytes!("fixtures/valkey91-field-ttl.rdb")]
    {
        let (keyspace, _) = load(file).unwrap();
        assert_eq!(lines(&keyspace), ["0 profile hash -1 name=ada@4102444800123"]);
    }
}

#[test]
fn types_that_are_not_built_are_refused_by_name_and_key() {
    let error = load(b"REDIS0009\xFE\x00\x07\x06module\x00").map(drop).unwrap_err();
    assert!(matches!(error.fault, Fault::UnsupportedType(7, "module value")));
    assert_eq!((error.key.as_deref(), error.db), (Some(&b"module"[..]), Some(0)));
    let text = error.to_string();
    assert!(text.starts_with("the type 'module value' (number 7)") && text.contains("key 'module'"), "{text}");
}

#[test]
fn a_function_library_is_handed_over_or_refused_but_never_dropped() {
    let error = load(REDIS70_FUNCTION).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("a function library: not supported (at byte "));
    let options = LoadOptions { take_functions: true, ..LoadOptions::default() };
    let report = load_into(&mut common::empty(), REDIS70_FUNCTION, &options, &mut ()).unwrap();
    assert!(report.functions[0].starts_with(b"#!lua name=fixture\n"));
    assert_eq!((report.functions.len(), report.keys_loaded), (1, 1));
}
