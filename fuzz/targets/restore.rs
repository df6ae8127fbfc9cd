//! RESTORE's payloads: arbitrary bytes as they are, and with a right footer put behind them. What is accepted is used,
//! dumped and restored: nothing may differ.

#![no_main]

use collections::Limits;
use fuzz::{content, exercise, memory};
use keyspace::Value;
use libfuzzer_sys::fuzz_target;
use persist::rdb::{RestoreError, crc64, dump, restore};

/// As for files: see `rdb_decoder.rs`.
const BYTES_PER_BYTE_MAX: usize = 1024;
const BYTES_MAX: usize = 16 << 20;

fuzz_target!(|data: &[u8]| {
    // Small thresholds too, so that short payloads reach the large encodings.
    let small = Limits { set_max_listpack_entries: 2, set_max_intset_entries: 2, ..Limits::default() };
    let small =
        Limits { hash_max_listpack_entries: 2, zset_max_listpack_entries: 2, list_max_listpack_size: 2, ..small };
    for limits in [Limits::default(), small] {
        check(data, &limits);
        for version in [12u16, 80] {
            check(&sealed(data, version), &limits);
        }
    }
});

fn check(payload: &[u8], limits: &Limits) {
    let work = || restore(payload, limits);
    match memory::within(BYTES_MAX + payload.len() * BYTES_PER_BYTE_MAX, work) {
        Ok(value) => round_trip(&value, limits),
        Err(error @ RestoreError::VersionOrChecksum) => {
            assert_eq!(error.to_string(), "DUMP payload version or checksum are wrong");
        }
        Err(error) => assert!(error.to_string().starts_with("Bad data format")),
    }
}

fn round_trip(value: &Value, limits: &Limits) {
    exercise::value(value.as_ref(), limits);
    for compression in [true, false] {
        let again = restore(&dump(value.as_ref(), compression), limits).expect("we wrote it");
        assert_eq!(value.as_ref().kind(), again.as_ref().kind());
        assert_eq!(value.as_ref().encoding(), again.as_ref().encoding());
        assert_eq!(content::of_value(value.as_ref()), content::of_value(again.as_ref()));
    }
}

/// The bytes with the footer that belongs to them.
fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}
