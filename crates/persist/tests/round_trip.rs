//! What is written in any version comes back as it was.

mod common;

use base::{ReplId, UnixMs};
use collections::{Group, Hash, Limits, List, Set, Stream, StreamId, ZSet};
use common::{empty, encoded, lines, load, targets};
use keyspace::{Keyspace, Object, Tracking, UsageClock, Value};
use persist::rdb::{
    Checksum, Contents, EncodeError, Encoder, EncoderOptions, Family, Header, LoadOptions, LoadWatch, ReplicationInfo,
    Sink, Target, dump, encode_snapshot, encode_snapshot_many, load_into, restore,
};
use proptest::prelude::*;

/// A value as it is to be built.
#[derive(Clone, Debug)]
enum Plan {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    Hash(Vec<Vec<u8>>, Vec<Vec<u8>>),
    ZSet(Vec<Vec<u8>>, Vec<f64>),
    Stream(Vec<Vec<u8>>, Vec<u8>),
}

impl Plan {
    fn build(&self) -> Value {
        let limits = Limits::default();
        Value::Object(match self {
            Plan::String(text) => return Value::from_string(text.clone()),
            Plan::List(elements) => {
                let mut list = List::new();
                elements.iter().for_each(|element| list.push_back(element, &limits));
                Object::List(list)
            }
            Plan::Set(members) => {
                let mut set = Set::new();
                for member in members {
                    set.add(member, &limits);
                }
                Object::Set(set)
            }
            Plan::Hash(fields, values) => {
                let mut hash = Hash::new();
                for (field, value) in fields.iter().zip(values.iter().cycle()) {
                    // A long value that is replaced would leave a large encoding behind, which no file tells of.
                    if !hash.contains(field) {
                        hash.set(field, value, &limits);
                    }
                }
                Object::Hash(hash)
            }
            Plan::ZSet(members, scores) => {
                let mut zset = ZSet::new();
                for (member, score) in members.iter().zip(scores.iter().cycle()) {
                    zset.insert(member, *score, &limits);
                }
                Object::ZSet(zset)
            }
            Plan::Stream(values, gaps) => {
                let mut stream = Stream::new();
                for (value, gap) in values.iter().zip(gaps.iter().cycle()) {
                    let entries = stream.entries_mut();
                    let last = entries.last_id;
                    let id = StreamId::new(last.ms + u64::from(*gap) * 99, if *gap == 0 { last.seq + 1 } else { 0 });
                    let name = if gap % 5 == 0 { &value[..value.len().min(9)] } else { b"name" };
                    entries.append(id, [name, value].into_iter(), &limits);
                    if gap % 7 == 0 {
                        entries.delete(id);
                    }
                }
                Object::Stream(stream)
            }
        })
    }
}

/// Text of every form that strings are written in.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-200i64..200).prop_map(|number| number.to_string().into_bytes()),
        any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0usize..400).prop_map(|(byte, len)| vec![byte; len]),
        (0usize..20_000).prop_map(|len| (0..len).map(|i| (i * i / 7) as u8).collect()),
    ]
}

/// A few of any size, or many short ones, on both sides of the limits of compact encodings.
fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![
        prop::collection::vec(text(), 1..12),
        prop::collection::vec("[a-z]{0,3}".prop_map(String::into_bytes), 1..200),
        prop::collection::vec(any::<i16>().prop_map(|number| number.to_string().into_bytes()), 1..700),
    ]
}

/// Without minus zero: a listpack holds it as 0, here as on the peers, so it does not outlive a change of encoding.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    let any_number = any::<f64>().prop_map(|score| if score.is_nan() { f64::INFINITY } else { score + 0.0 });
    prop::collection::vec(prop_oneof![any_number, (-100i32..100).prop_map(f64::from)], 1..20)
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![
        text().prop_map(Plan::String),
        texts().prop_map(Plan::List),
        texts().prop_map(Plan::Set),
        (texts(), texts()).prop_map(|(fields, values)| Plan::Hash(fields, values)),
        (texts(), scores()).prop_map(|(members, scores)| Plan::ZSet(members, scores)),
        (texts(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(values, gaps)| Plan::Stream(values, gaps)),
    ]
}

fn timed_hash(fields: &[Vec<u8>], values: &[Vec<u8>], deadlines: &[Option<i64>]) -> Hash {
    let (limits, mut hash) = (Limits::default(), Hash::new());
    for ((field, value), deadline) in fields.iter().zip(values.iter().cycle()).zip(deadlines.iter().cycle()) {
        if !hash.contains(field) {
            hash.set(field, value, &limits);
            hash.set_deadline(field, deadline.map(UnixMs));
        }
    }
    hash
}

type Key = (usize, Vec<u8>, Plan, Option<i64>);

fn keyspace_of(keys: &[Key]) -> Keyspace {
    let mut keyspace = empty();
    for (db, key, plan, expire) in keys {
        keyspace.load(*db, key, plan.build(), expire.map(UnixMs), 0);
    }
    keyspace
}

fn encodings(keyspace: &Keyspace) -> Vec<String> {
    let mut all = Vec::new();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |key, value, _| all.push(format!("{db} {} {}", key.escape_ascii(), value.encoding())));
    }
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_snapshot_comes_back_from_every_version(
        keys in prop::collection::vec((0usize..16, text(), plan(), prop::option::of(1i64..i64::MAX)), 0..20),
        compression in any::<bool>(),
        checksum in any::<bool>(),
    ) {
        let mut keyspace = keyspace_of(&keys);
        let options = EncoderOptions { compression, checksum, ..EncoderOptions::default() };
        let targets = targets();
        let mut encoders: Vec<_> =
            targets.iter().map(|&target| Encoder::new(Vec::new(), EncoderOptions { target, ..options })).collect();
        let results = encode_snapshot_many(&mut keyspace.snapshot(), &Header::default(), &mut encoders);
        for ((encoder, result), target) in encoders.into_iter().zip(results).zip(&targets) {
            let bytes = encoder.into_sink().unwrap();
            let written = result.unwrap();
            let (found, report) = load(&bytes).unwrap();
            prop_assert_eq!(&bytes[..9], &target.magic());
            prop_assert_eq!(lines(&found), lines(&keyspace));
            prop_assert_eq!(encodings(&found), encodings(&keyspace), "{}", target);
            prop_assert_eq!(report.keys_loaded, written.keys);
            prop_assert_eq!(report.checksum, if checksum { Checksum::Verified } else { Checksum::Absent });
        }
    }

    #[test]
    fn deadlines_of_fields_come_back_from_every_version_that_has_them(
        fields in texts(), values in texts(), deadlines in prop::collection::vec(prop::option::of(1i64..1 << 46), 1..20),
        compression in any::<bool>(),
    ) {
        let mut hash = timed_hash(&fields, &values, &deadlines);
        hash.set_deadline(&fields[0], Some(UnixMs(77)));
        let mut keyspace = empty();
        keyspace.load(0, b"timed", Value::Object(Object::Hash(hash.clone())), None, 0);
        prop_assert_eq!(keyspace.snapshot().hashes_with_deadlines(), 1);
        for target in targets() {
            let mut encoder = Encoder::new(Vec::new(), EncoderOptions { target, compression, ..EncoderOptions::default() });
            let result = encode_snapshot(&mut keyspace.snapshot(), &Header::default(), &mut encoder);
            if target.family() == Family::Redis && target.version() < 12 {
                let expected = format!("the hash with deadlines of fields at key 'timed' of database 0 cannot be written as {target}");
                prop_assert_eq!(result.unwrap_err().to_string(), expected);
                continue;
            }
            let (found, _) = load(&encoder.into_sink().unwrap()).unwrap();
            prop_assert_eq!(lines(&found), lines(&keyspace));
            prop_assert_eq!(encodings(&found), encodings(&keyspace));
            prop_assert_eq!(found.hashes_with_deadlines(0), 1);
        }
        let value = Value::Object(Object::Hash(hash.clone()));
        let payload = dump(value.as_ref(), compression);
        let found = restore(&payload, &Limits::default()).unwrap();
        prop_assert_eq!(common::value_shown(found.as_ref()), common::value_shown(value.as_ref()));
        prop_assert_eq!(payload[payload.len() - 10], 12, "the version that has a form for it");

        // Without deadlines it is a plain hash again, whatever its encoding.
        fields.iter().for_each(|field| { hash.set_deadline(field, None); });
        let value = Value::Object(Object::Hash(hash));
        let payload = dump(value.as_ref(), compression);
        prop_assert_eq!(payload[payload.len() - 10], 11);
        let found = restore(&payload, &Limits::default()).unwrap();
        prop_assert_eq!(common::value_shown(found.as_ref()), common::value_shown(value.as_ref()));
    }

    #[test]
    fn a_value_comes_back_from_its_payload(plan in plan(), compression in any::<bool>()) {
        let value = plan.build();
        let payload = dump(value.as_ref(), compression);
        let found = restore(&payload, &Limits::default()).unwrap();
        prop_assert_eq!(common::value_shown(found.as_ref()), common::value_shown(value.as_ref()));
        prop_assert_eq!(found.as_ref().encoding(), value.as_ref().encoding());
        for bit in [0, payload.len() * 4, payload.len() * 8 - 1] {
            let mut bent = payload.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(restore(&bent, &Limits::default()).is_err());
        }
    }
}

#[test]
fn the_facts_in_the_header_come_back() {
    let id = ReplId::from_entropy([0xab; 20]);
    let replication = ReplicationInfo { stream_db: 3, id, offset: 123_456_789_012 };
    for (replication, aof_base) in [(Some(replication), true), (None, false)] {
        let header = Header {
            server_version: "7.2.4".into(),
            created_s: 1_700_000_000,
            used_memory: 1 << 33,
            replication,
            aof_base,
            functions: Vec::new(),
        };
        let mut encoder = Encoder::new(Vec::new(), EncoderOptions::default());
        encode_snapshot(&mut empty().snapshot(), &header, &mut encoder).unwrap();
        let info = load(&encoder.into_sink().unwrap()).unwrap().1.info;
        assert_eq!(info.server_version.as_deref(), Some("7.2.4"));
        assert_eq!((info.created_s, info.used_memory), (Some(1_700_000_000), Some(1 << 33)));
        assert_eq!((info.replication, info.aof_base), (replication, aof_base));
    }
}

// INFO shows it while the file is being loaded.
#[test]
fn the_memory_that_the_writer_used_is_told_before_the_first_key() {
    #[derive(Default)]
    struct Seen(Vec<u64>);
    impl LoadWatch for Seen {
        fn progress(&mut self, _bytes: u64, keys: u64) {
            assert!(keys == 0 || self.0 == [77], "told late");
        }

        fn used_memory(&mut self, bytes: u64) {
            self.0.push(bytes);
        }
    }
    let mut keyspace = keyspace_of(&[(0, b"key".to_vec(), Plan::String(b"value".to_vec()), None)]);
    let mut encoder = Encoder::new(Vec::new(), EncoderOptions::default());
    encode_snapshot(&mut keyspace.snapshot(), &Header { used_memory: 77, ..Header::default() }, &mut encoder).unwrap();
    let options = LoadOptions { progress_bytes: 1, ..LoadOptions::default() };
    let mut seen = Seen::default();
    load_into(&mut empty(), &encoder.into_sink().unwrap()[..], &options, &mut seen).unwrap();
    assert_eq!(seen.0, [77]);
}

#[test]
fn function_libraries_come_back_from_versions_that_have_them() {
    let contents = Contents { functions: true, ..Contents::default() };
    let target = Target::for_disk(contents, Target::LOWEST);
    let functions = vec![b"#!lua name=a\n".to_vec(), b"#!lua name=b\n".repeat(20)];
    let header = Header { functions: functions.clone(), ..Header::default() };
    let mut encoder = Encoder::new(Vec::new(), EncoderOptions { target, ..EncoderOptions::default() });
    encode_snapshot(&mut empty().snapshot(), &header, &mut encoder).unwrap();
    let bytes = encoder.into_sink().unwrap();
    assert!(bytes.starts_with(b"REDIS0010"));
    let options = LoadOptions { take_functions: true, ..LoadOptions::default() };
    assert_eq!(load_into(&mut empty(), &bytes[..], &options, &mut ()).unwrap().functions, functions);

    let mut encoder = Encoder::new(Vec::new(), EncoderOptions::default());
    let error = encode_snapshot(&mut empty().snapshot(), &header, &mut encoder).unwrap_err();
    assert_eq!(error.to_string(), "a function library cannot be written as REDIS0009");
}

#[test]
fn an_empty_snapshot_is_header_and_end() {
    let bytes = encoded(&mut empty(), EncoderOptions { checksum: false, ..EncoderOptions::default() });
    assert!(bytes.starts_with(b"REDIS0009\xFA\x09redis-ver\x057.2.4\xFA\x0Aredis-bits\xC0\x40\xFA\x05ctime\xC2"));
    assert!(bytes.ends_with(b"\xFA\x08aof-base\xC0\x00\xFF\0\0\0\0\0\0\0\0"));
}

#[test]
fn idle_time_and_frequency_come_back_into_the_entry() {
    let at = |seconds: i64| UnixMs(1_000_000_000 + seconds * 1000);
    let idle = |seconds| UsageClock::new(Tracking::LastUse, at(seconds));
    let counts = UsageClock::new(Tracking::Frequency { log_factor: 10, decay_minutes: 1 }, at(0));
    let read_back = |word: u32, write: Option<UsageClock>, read: UsageClock| {
        let mut keyspace = empty();
        keyspace.load(0, b"k", Value::Int(1), None, word);
        let bytes = encoded(&mut keyspace, EncoderOptions { usage: write, ..EncoderOptions::default() });
        let mut found = empty();
        found.clock = read;
        load_into(&mut found, &bytes[..], &LoadOptions::default(), &mut ()).unwrap();
        let mut lru = 0;
        while found.snapshot().next_block(|item| lru = item.lru) && lru == 0 {}
        lru
    };
    let word = idle(0).new_word();
    assert_eq!(idle(5000).idle_seconds(read_back(word, Some(idle(300)), idle(5000))), 300);
    assert_eq!(read_back(word, None, idle(5000)), idle(5000).new_word());
    let word = counts.word_of(None, Some(200));
    assert_eq!(counts.frequency(read_back(word, Some(counts), counts)), 200);
    assert_eq!(counts.frequency(read_back(word, None, counts)), 5);
    assert_eq!(read_back(word, Some(counts), idle(5000)), idle(5000).new_word());
}

#[test]
fn a_receiver_that_fails_does_not_stop_the_others() {
    /// Takes so many bytes.
    struct Limited(Vec<u8>, usize);
    impl Sink for Limited {
        type Error = &'static str;
        fn write(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
            self.0.extend_from_slice(bytes);
            if self.0.len() > self.1 { Err("gone") } else { Ok(()) }
        }
    }
    let long = |db| {
        (db, b"key".to_vec(), Plan::String((0..200_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect()), None)
    };
    let mut keyspace = keyspace_of(&[long(0), long(1), long(2)]);
    let options = EncoderOptions { compression: false, ..EncoderOptions::default() };
    let mut encoders: Vec<_> =
        [usize::MAX, 100_000, 300_000].map(|max| Encoder::new(Limited(Vec::new(), max), options)).into();
    let results = encode_snapshot_many(&mut keyspace.snapshot(), &Header::default(), &mut encoders);
    assert_eq!(results[0].as_ref().map(|written| written.keys), Ok(3));
    assert_eq!((&results[1], &results[2]), (&Err(EncodeError::Sink("gone")), &Err(EncodeError::Sink("gone"))));
    let whole = encoders.swap_remove(0).into_sink().map_err(|_| "gone").unwrap();
    assert_eq!(lines(&load(&whole.0).unwrap().0), lines(&keyspace));
}

#[test]
fn progress_is_reported_while_a_file_is_read() {
    #[derive(Default)]
    struct Seen(Vec<(u64, u64)>);
    impl LoadWatch for Seen {
        fn progress(&mut self, bytes: u64, keys: u64) {
            self.0.push((bytes, keys));
        }
    }
    let keys: Vec<Key> = (0..1000)
        .map(|i| (0, format!("key {i}").into_bytes(), Plan::String(i.to_string().into_bytes()), None))
        .collect();
    let bytes =
        encoded(&mut keyspace_of(&keys), EncoderOptions { target: Target::LOWEST, ..EncoderOptions::default() });
    let (mut keyspace, mut seen) = (empty(), Seen::default());
    let options = LoadOptions { progress_bytes: 1000, ..LoadOptions::default() };
    load_into(&mut keyspace, &bytes[..], &options, &mut seen).unwrap();
    assert!(seen.0.len() >= bytes.len() / 1100 && seen.0.is_sorted(), "{:?}", seen.0);
}

/// As a Valkey 8.0 writes it whose count ran over its end; XGROUP SETID, which tells replicas, takes nothing below -1.
#[test]
fn a_count_of_entries_read_that_cannot_be_is_read_as_unknown() {
    for (written, read) in [(i64::MIN, -1), (-2, -1), (-1, -1), (0, 0), (i64::MAX, i64::MAX)] {
        let mut stream = Stream::new();
        stream.add_group(b"g", Group::new(StreamId::MIN, written));
        let mut keyspace = empty();
        keyspace.load(0, b"s", Value::Object(Object::Stream(stream)), None, 0);
        let target = Target::new(Family::Redis, 11).unwrap();
        let (loaded, _) = load(&encoded(&mut keyspace, EncoderOptions { target, ..Default::default() })).unwrap();
        loaded.for_each(0, |_, value, _| {
            let keyspace::ValueRef::Stream(stream) = value else { panic!("a stream was written") };
            assert_eq!(stream.group(b"g").unwrap().entries_read, read);
        });
    }
}
