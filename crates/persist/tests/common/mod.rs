//! What the tests share: a keyspace as text, in the layout of `fixtures/record.py`, and the shortest way to write one.
#![allow(dead_code, reason = "each test file uses its part")]

use base::UnixMs;
use collections::{Stream, StreamId};
use keyspace::{Keyspace, Settings, ValueRef};
use persist::rdb::{
    DecodeError, Encoder, EncoderOptions, Family, Header, LoadOptions, LoadReport, Target, encode_snapshot, load_into,
};

pub fn empty() -> Keyspace {
    Keyspace::new(16, [1, 2], Settings::default())
}

pub fn load(bytes: &[u8]) -> Result<(Keyspace, LoadReport), DecodeError> {
    let mut keyspace = empty();
    let report = load_into(&mut keyspace, bytes, &LoadOptions::default(), &mut ())?;
    Ok((keyspace, report))
}

/// Every version that we write.
pub fn targets() -> Vec<Target> {
    let redis = (9..=12).map(|version| Target::new(Family::Redis, version).unwrap());
    redis.chain(Target::new(Family::Valkey, 80)).collect()
}

pub fn encoded(keyspace: &mut Keyspace, options: EncoderOptions) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), options);
    let header = Header { server_version: "7.2.4".into(), created_s: 1_700_000_000, ..Header::default() };
    let written = encode_snapshot(&mut keyspace.snapshot(), &header, &mut encoder).unwrap();
    let bytes = encoder.into_sink().unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    bytes
}

/// One line per key: database, key, type, deadline, value; sorted.
pub fn lines(keyspace: &Keyspace) -> Vec<String> {
    let mut lines = Vec::new();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |key, value, expire| {
            let expire = expire.map_or(-1, |UnixMs(at)| at);
            lines.push(format!("{db} {} {} {expire} {}", shown(key), value.kind().name(), value_shown(value)));
        });
    }
    lines.sort();
    lines
}

pub fn value_shown(value: ValueRef<'_>) -> String {
    let mut elements = match value {
        ValueRef::String(string) => return string.with_bytes(shown),
        ValueRef::List(list) => {
            return list.iter().map(|element| element.with_bytes(shown)).collect::<Vec<_>>().join(" ");
        }
        ValueRef::Set(set) => set.iter().map(|member| member.with_bytes(shown)).collect::<Vec<_>>(),
        ValueRef::Hash(hash) => {
            let until = |at: Option<UnixMs>| at.map_or(String::new(), |at| format!("@{}", at.0));
            hash.entries()
                .map(|entry| {
                    entry.field.with_bytes(shown) + "=" + &entry.value.with_bytes(shown) + &until(entry.deadline)
                })
                .collect()
        }
        ValueRef::ZSet(zset) => {
            zset.iter().map(|(member, score)| format!("{}={}", member.with_bytes(shown), score_shown(score))).collect()
        }
        ValueRef::Stream(stream) => return stream_shown(stream),
    };
    elements.sort();
    elements.join(" ")
}

/// Entries, then groups with what is pending and their consumers. Without what older types do not carry.
pub fn stream_shown(stream: &Stream) -> String {
    let entries = stream.entries();
    let mut words = vec![format!("{} last {}", entries.len(), entries.last_id)];
    for entry in entries.range(StreamId::MIN, StreamId::MAX) {
        let fields = entry.fields().map(|(name, value)| name.with_bytes(shown) + "=" + &value.with_bytes(shown));
        words.push(format!("{} {}", entry.id, fields.collect::<Vec<_>>().join(",")));
    }
    for (name, group) in stream.groups() {
        words.push(format!("group {} at {}", shown(name), group.last_id));
        words.extend(group.pending_from(StreamId::MIN).map(|(id, pending)| {
            format!("{id} {} {} {}", shown(pending.consumer()), pending.delivered_ms, pending.deliveries)
        }));
        words.extend(group.consumers().map(|(name, consumer)| {
            format!("consumer {} {} {}", shown(name), consumer.seen_ms, consumer.pending_len())
        }));
    }
    words.join(" ")
}

pub fn score_shown(score: f64) -> String {
    let mut text = Vec::new();
    base::numbers::write_f64(&mut text, score);
    String::from_utf8(text).unwrap()
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 100 {
        let fnv = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        return format!("{}#{:016x}", bytes.len(), bytes.iter().fold(0xCBF2_9CE4_8422_2325, fnv));
    }
    let escaped = |&byte: &u8| match byte {
        b'\\' | 0..33 | 127.. => format!("\\x{byte:02x}"),
        _ => char::from(byte).to_string(),
    };
    if bytes.is_empty() { "\\e".to_owned() } else { bytes.iter().map(escaped).collect() }
}
