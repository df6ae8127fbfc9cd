//! Files and transfers: arbitrary bytes as they are, and behind a magic and without the checksum, so that the records
//! are reached. What is accepted is used, written in three versions of the format and read again: nothing may differ.

#![no_main]

use fuzz::{content, exercise, memory};
use keyspace::{Keyspace, Settings};
use libfuzzer_sys::fuzz_target;
use persist::rdb::{
    Contents, Encoder, EncoderOptions, Family, Header, LoadOptions, Target, encode_snapshot, load_into,
};

/// Compressed strings grow up to 88-fold, and short members become entries of a table.
const BYTES_PER_BYTE_MAX: usize = 1024;
/// First allocations for strings, and the reader's buffers.
const BYTES_MAX: usize = 16 << 20;

fuzz_target!(|data: &[u8]| {
    load(data, true);
    for magic in [&b"REDIS0012"[..], b"VALKEY080"] {
        load(&[magic, data].concat(), false);
    }
    load(data, false);
});

fn load(bytes: &[u8], verify_checksum: bool) {
    let mut keyspace = empty();
    let options = LoadOptions { verify_checksum, ..LoadOptions::default() };
    let result = memory::within(BYTES_MAX + bytes.len() * BYTES_PER_BYTE_MAX, || {
        load_into(&mut keyspace, bytes, &options, &mut ())
    });
    if let Err(error) = result {
        assert!(!error.to_string().is_empty() && error.position <= bytes.len() as u64);
        return;
    }
    let limits = keyspace.settings.limits.clone();
    for db in 0..keyspace.count() {
        keyspace.for_each(db, |_, value, _| exercise::value(value, &limits));
    }
    let before = content::of_keyspace(&keyspace);
    for (family, version) in [(Family::Redis, 9), (Family::Redis, 12), (Family::Valkey, 80)] {
        let mut again = empty();
        let written = encode(&mut keyspace, Target::new(family, version).expect("a version that we write"));
        let report = load_into(&mut again, &written[..], &LoadOptions::default(), &mut ()).expect("we wrote it");
        assert_eq!(report.bytes, written.len() as u64);
        assert_eq!(content::of_keyspace(&again), before);
    }
}

fn empty() -> Keyspace {
    Keyspace::new(16, [1, 2], Settings::default())
}

/// Writes it as a file on disk of at least this version.
fn encode(keyspace: &mut Keyspace, minimum: Target) -> Vec<u8> {
    let mut snapshot = keyspace.snapshot();
    let target = Target::for_disk(Contents::of(&snapshot), minimum);
    let mut encoder = Encoder::new(Vec::new(), EncoderOptions { target, ..EncoderOptions::default() });
    encode_snapshot(&mut snapshot, &Header::default(), &mut encoder).expect("a vector takes all");
    let Ok(bytes) = encoder.into_sink();
    bytes
}
