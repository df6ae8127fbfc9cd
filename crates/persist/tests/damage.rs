//! Bytes that were cut, changed or made up: an error every time, never a panic, never memory for what did not arrive.

mod common;

use std::io::{self, Read};

use collections::Limits;
use persist::rdb::{
    Decoder, DecoderOptions, EncoderOptions, Event, Fault, LoadOptions, crc64, dump, load_into, restore,
};
use proptest::prelude::*;

const FILES: [&[u8]; 4] = [
    include_bytes!("fixtures/redis70.rdb"),
    include_bytes!("fixtures/redis80-field-ttl.rdb"),
    include_bytes!("fixtures/valkey91.rdb"),
    include_bytes!("fixtures/redis70-function.rdb"),
];

/// Reads all records; panics only if the decoder does.
fn read_all(bytes: impl Read, verify_checksum: bool) -> Result<(), persist::rdb::DecodeError> {
    let mut decoder = Decoder::new(bytes, DecoderOptions { verify_checksum, ..DecoderOptions::default() });
    while !matches!(decoder.next_event()?, Event::End(_)) {}
    Ok(())
}

/// A file with every type that we write, small enough to be damaged at every bit.
fn small_file() -> Vec<u8> {
    let (mut keyspace, _) = common::load(include_bytes!("fixtures/valkey80.rdb")).unwrap();
    let keys = ["str:int64", "list:small", "set:int32", "set:small", "hash:small", "zset:small", "hash:long"];
    let mut small = common::empty();
    keyspace.for_each(0, |key, value, expire| {
        if keys.iter().any(|wanted| wanted.as_bytes() == key) {
            small.load(0, key, value.to_value(), expire, 0);
        }
    });
    keyspace = small;
    let target = persist::rdb::Target::new(persist::rdb::Family::Redis, 11).unwrap();
    common::encoded(&mut keyspace, EncoderOptions { target, ..EncoderOptions::default() })
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let small = small_file();
    for file in FILES.into_iter().chain([&small[..]]) {
        for cut in (0..file.len()).step_by(1 + file.len() / 1000) {
            assert!(read_all(&file[..cut], true).is_err(), "cut at {cut}");
        }
    }
    assert!(matches!(read_all(&small[..small.len() - 1], true).unwrap_err().fault, Fault::Truncated));
}

#[test]
fn a_file_with_one_wrong_bit_is_refused() {
    let mut bytes = small_file();
    assert!(read_all(&bytes[..], true).is_ok());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read_all(&bytes[..], true).is_err(), "bit {bit}");
        let _ = read_all(&bytes[..], false);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_wrong_checksum_names_both_unless_it_does_not_matter() {
    let mut bytes = small_file();
    *bytes.last_mut().unwrap() ^= 1;
    let error = read_all(&bytes[..], true).unwrap_err();
    assert!(error.to_string().starts_with("wrong checksum: the file says "));
    assert!(read_all(&bytes[..], false).is_ok());
}

#[test]
fn a_stated_length_reserves_nothing_that_did_not_arrive() {
    // Strings of 2^35 bytes: as they are, compressed, and as a count of members.
    for record in [
        &b"\x00\x81\x00\x00\x00\x08\x00\x00\x00\x00abc"[..],
        b"\x00\x01k\xC3\x02\x81\x00\x00\x00\x08\x00\x00\x00\x00\x00a",
        b"\x00\x01k\xC3\x81\x00\x00\x00\x08\x00\x00\x00\x00\x02\x00a",
        b"\x02\x01k\x81\x00\x00\x00\x08\x00\x00\x00\x00\x01a",
        b"\x05\x01k\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01a\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x00\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    ] {
        assert!(read_all(&[b"REDIS0009", record].concat()[..], true).is_err());
    }
}

#[test]
fn a_source_that_fails_or_trickles_is_told_from_a_bad_file() {
    struct Trickle<'a>(&'a [u8], bool);
    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = out.len().min(7);
            if self.0.is_empty() { Err(io::Error::other("unplugged")) } else { self.0.read(&mut out[..piece]) }
        }
    }
    let file = FILES[0];
    assert!(read_all(Trickle(file, false), true).is_ok());
    let error = read_all(Trickle(&file[..5000], false), true).unwrap_err();
    assert!(matches!(&error.fault, Fault::Io(_)));
    assert!(error.to_string().starts_with("cannot read: unplugged (at byte "));
}

#[test]
fn what_follows_the_file_is_given_back() {
    let bytes = [FILES[0], b"*1\r\n$4\r\nPING\r\n"].concat();
    let mut keyspace = common::empty();
    let report = load_into(&mut keyspace, &bytes[..], &LoadOptions::default(), &mut ()).unwrap();
    assert_eq!(report.rest, b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(report.bytes, FILES[0].len() as u64);
}

/// A payload with its footer made right.
fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}

#[test]
fn a_payload_is_refused_with_the_peers_words() {
    let refused = |payload: &[u8]| restore(payload, &Limits::default()).map(drop).unwrap_err().to_string();
    let footer = "DUMP payload version or checksum are wrong";
    let good = sealed(b"\x00\x05hello", 11);
    assert!(restore(&good, &Limits::default()).is_ok());
    assert!(
        restore(&sealed(b"\x00\x05hello and more", 11), &Limits::default()).is_ok(),
        "the peers do not look behind"
    );
    for cut in 0..good.len() {
        assert_eq!(refused(&good[..cut]), footer);
    }
    for version in [13, 79, 81, u16::MAX] {
        assert_eq!(refused(&sealed(b"\x00\x05hello", version)), footer);
    }
    for version in [6, 12, 80] {
        assert!(restore(&sealed(b"\x00\x05hello", version), &Limits::default()).is_ok());
    }
    for body in [&b""[..], b"\x00\x06hello", b"\x02\x00", b"\xFF", b"\x02\x02\x01a\x01a", b"\x17\x00"] {
        assert_eq!(refused(&sealed(body, 80)), "Bad data format");
    }
    assert_eq!(refused(&sealed(b"\x18\x01", 80)), "Bad data format", "a type that only the other family has");
}

#[test]
fn a_damaged_payload_with_a_right_checksum_never_panics() {
    let (mut keyspace, _) = common::load(FILES[0]).unwrap();
    let (timed, _) = common::load(include_bytes!("fixtures/redis80-field-ttl.rdb")).unwrap();
    timed.for_each(0, |key, value, _| assert!(keyspace.load(0, key, value.to_value(), None, 0)));
    keyspace.for_each(0, |_, value, _| {
        let payload = dump(value, true);
        let mut body = payload[..payload.len() - 10].to_vec();
        for bit in 0..body.len().min(400) * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            if let Ok(value) = restore(&sealed(&body, 12), &Limits::default()) {
                let _ = common::value_shown(value.as_ref());
            }
            body[bit / 8] ^= 1 << (bit % 8);
        }
    });
}

proptest! {
    #[test]
    fn made_up_bytes_never_panic(type_number in 0u8..26, body in prop::collection::vec(any::<u8>(), 0..80)) {
        let record = [b"VALKEY080", &[type_number, 1, b'k'][..], &body].concat();
        let _ = read_all(&record[..], true);
        let record = [b"REDIS0012", &[type_number, 1, b'k'][..], &body].concat();
        let _ = read_all(&record[..], true);
        let _ = restore(&sealed(&[&[type_number], &body[..]].concat(), 11), &Limits::default());
    }
}
