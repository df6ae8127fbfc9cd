//! Encodings that no server at hand still writes, laid out by hand from the published layouts.

mod common;

use common::{lines, load};
use persist::rdb::{Checksum, Fault, LoadOptions, LoadWatch, crc64, load_into};

/// A file of version 6 with these records between the magic and the end.
fn file(records: &[u8]) -> Vec<u8> {
    let mut bytes = [b"REDIS0006", records, b"\xFF"].concat();
    bytes.extend_from_slice(&crc64(&bytes).to_le_bytes());
    bytes
}

/// The lines of a file with one key `k` of this type.
fn one(type_number: u8, value: &[u8]) -> Result<String, Fault> {
    let bytes = file(&[&[type_number, 1, b'k'], value].concat());
    let (keyspace, report) = load(&bytes).map_err(|error| error.fault)?;
    assert_eq!((report.keys_loaded + report.empty_keys_skipped, report.checksum), (1, Checksum::Verified));
    Ok(lines(&keyspace).concat())
}

fn text(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 64);
    [&[bytes.len() as u8], bytes].concat()
}

/// A ziplist of entries without their back lengths, as a string.
fn ziplist(bodies: &[&[u8]]) -> Vec<u8> {
    let (mut entries, mut before) = (Vec::new(), 0u8);
    for body in bodies {
        entries.push(before);
        entries.extend_from_slice(body);
        before = body.len() as u8 + 1;
    }
    let total = entries.len() as u32 + 11;
    let tail = total - 1 - u32::from(before);
    let header = [&total.to_le_bytes()[..], &tail.to_le_bytes(), &(bodies.len() as u16).to_le_bytes()].concat();
    text(&[&header[..], &entries, b"\xFF"].concat())
}

#[test]
fn plain_collections_are_read() {
    assert_eq!(one(1, b"\x03\x01a\xC0\x05\x00").unwrap(), "0 k list -1 a 5 \\e");
    assert_eq!(one(2, b"\x02\x01a\xC1\x00\x10").unwrap(), "0 k set -1 4096 a");
    assert_eq!(one(4, b"\x02\x01f\x01v\x01g\xC0\xFF").unwrap(), "0 k hash -1 f=v g=-1");
}

#[test]
fn scores_as_text_are_read_and_one_that_is_no_number_is_refused() {
    let read = one(3, b"\x04\x01a\x031.5\x01b\xFE\x01c\xFF\x01d\x05-2e10");
    assert_eq!(read.unwrap(), "0 k zset -1 a=1.5 b=inf c=-inf d=-20000000000");
    for score in [&b"\xFD"[..], b"\x03nan", b"\x00", b"\x031x5", b"\x02 1"] {
        assert!(matches!(one(3, &[b"\x01\x01a", score].concat()), Err(Fault::Corrupt("a score is not a number"))));
    }
    let nan = [b"\x01\x01a", &f64::NAN.to_le_bytes()[..]].concat();
    assert!(matches!(one(5, &nan), Err(Fault::Corrupt("a score is not a number"))));
    assert_eq!(one(5, &[b"\x01\x01a", &(-0.5f64).to_le_bytes()[..]].concat()).unwrap(), "0 k zset -1 a=-0.5");
}

#[test]
fn ziplists_and_zipmaps_are_read() {
    assert_eq!(one(9, &text(b"\x02\x03foo\x03\x00bar\x01k\x02\x03vv???\xFF")).unwrap(), "0 k hash -1 foo=bar k=vv");
    let list = ziplist(&[b"\x02hi", b"\xF1", b"\xFE\xFF", b"\xC0\x00\x80"]);
    assert_eq!(one(10, &list).unwrap(), "0 k list -1 hi 0 -1 -32768");
    assert_eq!(one(14, &[b"\x02", &list[..], &ziplist(&[b"\x01z"])].concat()).unwrap(), "0 k list -1 hi 0 -1 -32768 z");
    let pairs = ziplist(&[b"\x01a", b"\xF3", b"\xFE\x64", b"\x03-.5"]);
    assert_eq!(one(12, &pairs).unwrap(), "0 k zset -1 100=-0.5 a=2");
    assert_eq!(one(13, &pairs).unwrap(), "0 k hash -1 100=-.5 a=2");
}

#[test]
fn deadlines_of_fields_as_candidates_of_redis_7_4_wrote_them_are_read() {
    // Read back from a real Redis 8.0 after a RESTORE of the same bytes.
    let count = b"\x02\x80\x00\x00\x10\x00\x01a\x011\x00\x01b\x012";
    assert_eq!(one(22, count).unwrap(), "0 k hash -1 a=1@4096 b=2");
    let listpack = b"\x17\x17\0\0\0\x06\0\x81a\x02\x01\x01\xF1\x00\x10\x03\x81b\x02\x02\x01\0\x01\xFF";
    assert_eq!(one(23, listpack).unwrap(), "0 k hash -1 a=1@4096 b=2");
    // The forms that were released have the earliest deadline in front.
    assert_eq!(one(25, &[&4096u64.to_le_bytes()[..], listpack].concat()).unwrap(), "0 k hash -1 a=1@4096 b=2");
    let relative = [&4096u64.to_le_bytes()[..], b"\x03\x01\x01a\x011\x00\x01b\x012\x0B\x01c\x013"].concat();
    assert_eq!(one(24, &relative).unwrap(), "0 k hash -1 a=1@4096 b=2 c=3@4106");
    let late = [&i64::MAX.to_le_bytes()[..], b"\x01\x03\x01a\x011"].concat();
    assert!(matches!(one(24, &late), Err(Fault::Corrupt("the deadline of a field is too late"))));
    assert!(matches!(one(24, &[&[0; 8], &b"\x02\x01\x01a\x011\x01\x01a\x011"[..]].concat()), Err(Fault::Corrupt(_))));
}

#[test]
fn an_element_that_stands_twice_or_alone_is_refused() {
    let twice = ziplist(&[b"\x01a", b"\xF1", b"\x01a", b"\xF2"]);
    let odd = ziplist(&[b"\x01a", b"\xF1", b"\x01b"]);
    for (type_number, value) in [
        (2, &b"\x02\x01a\x01a"[..]),
        (2, b"\x02\x011\xC0\x01"),
        (4, b"\x02\x01a\x01v\x01a\x01w"),
        (3, b"\x02\x01a\x011\x01a\x012"),
        (9, &text(b"\x02\x01a\x01\x00b\x01a\x01\x00c\xFF")),
        (12, &twice),
        (13, &twice),
        (12, &odd),
        (13, &odd),
        // A listpack of a, 1, a, 1.
        (16, b"\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x01\x01\xFF"),
        (17, b"\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x01\x01\xFF"),
        (20, b"\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x01\x01\xFF"),
        // An intset of 5, 5.
        (11, b"\x0C\x02\x00\x00\x00\x02\x00\x00\x00\x05\x00\x05\x00"),
    ] {
        assert!(matches!(one(type_number, value), Err(Fault::Corrupt(_))), "type {type_number}");
    }
}

#[test]
fn collections_without_elements_are_left_out_and_counted() {
    let empty_listpack = b"\x07\x07\x00\x00\x00\x00\x00\xFF";
    for (type_number, value) in [
        (1, &b"\x00"[..]),
        (2, b"\x00"),
        (3, b"\x00"),
        (4, b"\x00"),
        (5, b"\x00"),
        (9, b"\x02\x00\xFF"),
        (10, &ziplist(&[])),
        (11, b"\x08\x02\x00\x00\x00\x00\x00\x00\x00"),
        (12, &ziplist(&[])),
        (13, &ziplist(&[])),
        (14, b"\x00"),
        (14, &[b"\x01", &ziplist(&[])[..]].concat()),
        (16, empty_listpack),
        (17, empty_listpack),
        (18, b"\x00"),
        (18, &[b"\x01\x02", &empty_listpack[..]].concat()),
        (20, empty_listpack),
    ] {
        assert_eq!(one(type_number, value).unwrap(), "", "type {type_number}");
    }
}

#[test]
fn both_kinds_of_deadline_are_read_and_slot_info_is_passed_over() {
    let records = [
        &b"\xFE\x02\xFD\x00\x00\x00\x10\x00\x01a\x01v"[..],
        b"\xFC\x01\x00\x00\x00\x01\x00\x00\x00\x00\x01b\x01v",
        b"\xF4\x01\x40\x50\x80\x00\x00\x00\x05\x00\x01c\x01v",
    ]
    .concat();
    let (keyspace, _) = load(&file(&records)).unwrap();
    assert_eq!(lines(&keyspace), ["2 a string 268435456000 v", "2 b string 4294967297 v", "2 c string -1 v"]);
}

#[test]
fn a_master_drops_what_is_past_its_time_and_says_so() {
    #[derive(Default)]
    struct Seen(Vec<(usize, Vec<u8>)>);
    impl LoadWatch for Seen {
        fn expired(&mut self, db: usize, key: &[u8]) {
            self.0.push((db, key.to_vec()));
        }
    }
    let deadline =
        |at: u64, key: &str| [b"\xFC", &at.to_le_bytes()[..], b"\x00", &text(key.as_bytes()), b"\x01v"].concat();
    let bytes =
        file(&[b"\xFE\x01", &deadline(999, "gone")[..], &deadline(1000, "now"), b"\x00\x03ttl\x04none"].concat());
    let options = LoadOptions { now: base::UnixMs(1000), drop_expired: true, ..LoadOptions::default() };
    let (mut keyspace, mut seen) = (common::empty(), Seen::default());
    let report = load_into(&mut keyspace, &bytes[..], &options, &mut seen).unwrap();
    assert_eq!(seen.0, [(1, b"gone".to_vec())]);
    assert_eq!((report.keys_loaded, report.keys_expired), (2, 1));
    let (keyspace, report) = load(&bytes).unwrap();
    assert_eq!((keyspace.len(1), report.keys_expired), (3, 0), "a replica keeps it");
}

#[test]
fn versions_and_records_that_are_not_read_are_refused_by_name() {
    let refused = |bytes: &[u8]| load(bytes).map(drop).unwrap_err().to_string();
    let with_magic = |magic: &[u8]| [magic, b"\xFF\0\0\0\0\0\0\0\0"].concat();
    for good in [&b"REDIS0005"[..], b"REDIS0012", b"VALKEY080"] {
        assert!(load(&with_magic(good)).is_ok());
    }
    for (bad, said) in [
        (&b"REDIS0004"[..], "RDB version 4 of Redis is not supported, only 5 to 12"),
        (b"REDIS0013", "RDB version 13 of Redis is not supported, only 5 to 12"),
        (b"REDIS0080", "RDB version 80 of Redis is not supported, only 5 to 12"),
        (b"VALKEY081", "RDB version 81 of Valkey is not supported, only 80"),
        (b"VALKEY011", "RDB version 11 of Valkey is not supported, only 80"),
        (b"REDIS00x9", "not an RDB file: it starts with 'REDIS00x9'"),
        (b"*1\r\n$4\r\np", "not an RDB file: it starts with '*1\\r\\n$4\\r\\np'"),
    ] {
        assert_eq!(refused(&with_magic(bad)), format!("{said} (at byte 9)"));
    }
    // The id of a type named "bf-test-X".
    let name = b"bf-test-X".iter().fold(0u64, |id, c| {
        let set = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        id << 6 | set.iter().position(|x| x == c).unwrap() as u64
    });
    let module = file(&[b"\xF7\x81", &(name << 10 | 3).to_be_bytes()[..]].concat());
    assert_eq!(refused(&module), "data of the module type 'bf-test-X': not supported (at byte 19)");
    assert!(refused(&file(b"\x07\x01m")).starts_with("the type 'module value' (number 7) is not supported (at byte "));
    assert!(refused(&file(b"\x08\x01m")).starts_with("unknown type 8 (at byte 10"));
    assert!(refused(&file(b"\xF6\x01x")).starts_with("functions as a release candidate of Redis 7.0 wrote them"));
    assert!(refused(&file(b"\xF3\x01x")).starts_with("unknown type 243"));
    assert!(refused(b"VALKEY080\xF3").starts_with("a slot migration that was under way: not supported"));
    assert!(refused(b"VALKEY080\x17\x01k").starts_with("unknown type 23"), "Redis has a type 23, Valkey has not");
    assert!(refused(&file(b"\xFE\x10")).starts_with("database 16 does not exist here, there are 16"));
    assert!(refused(&file(b"\x00\x01k\x01a\x00\x01k\x01b")).starts_with("the key stands twice in the file (at byte"));
}
