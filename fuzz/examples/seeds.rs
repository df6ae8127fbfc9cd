//! Makes the seeds of `rdb_decoder` and `restore` anew, after the fixtures of `crates/persist/tests` have changed:
//! `cargo run --example seeds` in `fuzz/`. One small file a value, as DUMP's body and as a record; the types that no
//! server at hand writes any more are laid out here by hand.

use std::fs;
use std::path::Path;

use keyspace::{Keyspace, Settings};
use persist::rdb::{LoadOptions, dump, load_into};

/// Larger values slow the search down.
const SEED_BYTES_MAX: usize = 600;
const FOOTER_BYTES: usize = 10;

/// Type and body of values in old encodings.
const OLD: &[(&str, &[u8])] = &[
    ("list", b"\x01\x03\x01a\xC0\x05\x00"),
    ("set", b"\x02\x02\x01a\xC1\x00\x10"),
    ("zset-text", b"\x03\x04\x01a\x031.5\x01b\xFE\x01c\xFF\x01d\x05-2e10"),
    ("hash", b"\x04\x02\x01f\x01v\x01g\xC0\xFF"),
    ("zipmap", b"\x09\x12\x02\x03foo\x03\x00bar\x01k\x02\x03vv???\xFF"),
    ("list-ziplist", b"\x0A\x13\x13\0\0\0\x0E\0\0\0\x03\0\0\x02hi\x04\xF1\x02\xFE\xFF\xFF"),
    ("set-intset", b"\x0B\x0C\x02\0\0\0\x02\0\0\0\x01\0\x02\0"),
    ("zset-ziplist", b"\x0C\x10\x10\0\0\0\x0D\0\0\0\x02\0\0\x01a\x03\xF3\xFF"),
    ("hash-timed-early", b"\x16\x02\x80\x00\x00\x10\x00\x01a\x011\x00\x01b\x012"),
    ("hash-timed-valkey", b"\x16\x02\x01a\x011\0\x10\0\0\0\0\0\0\x01b\x012\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
    (
        "hash-timed-listpack-early",
        b"\x17\x17\x17\0\0\0\x06\0\x81a\x02\x01\x01\xF1\x00\x10\x03\x81b\x02\x02\x01\0\x01\xFF",
    ),
    ("hash-timed", b"\x18\0\x10\0\0\0\0\0\0\x03\x01\x01a\x011\x00\x01b\x012\x0B\x01c\x013"),
    (
        "hash-timed-listpack",
        b"\x19\0\x10\0\0\0\0\0\0\x17\x17\0\0\0\x06\0\x81a\x02\x01\x01\xF1\x00\x10\x03\x81b\x02\x02\x01\0\x01\xFF",
    ),
    ("hash-ziplist", b"\x0D\x10\x10\0\0\0\x0D\0\0\0\x02\0\0\x01a\x03\xF3\xFF"),
    ("quicklist", b"\x0E\x01\x13\x13\0\0\0\x0E\0\0\0\x03\0\0\x02hi\x04\xF1\x02\xFE\xFF\xFF"),
    (
        "stream",
        b"\x0F\x01\x10\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01\
          \x1C\x1C\0\0\0\x0A\0\x01\x01\0\x01\x01\x01\x81a\x02\0\x01\x02\x01\0\x01\0\x01\x01\x01\x04\x01\xFF\
          \x01\x05\x01\x01\x01g\x05\x01\
          \x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x02\
          \x01\x01c\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01",
    ),
    ("lzf", b"\x00\xC3\x09\x13\x02abc\x40\x02\xE0\x03\x00"),
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, body) in OLD {
        write(root, &format!("old-{name}"), body);
    }
    for name in ["valkey80", "valkey80-stream"] {
        let fixture = root.join(format!("../crates/persist/tests/fixtures/{name}.rdb"));
        write_values(root, &fs::read(fixture).expect("a fixture"));
    }
}

fn write_values(root: &Path, file: &[u8]) {
    let mut keyspace = Keyspace::new(16, [1, 2], Settings::default());
    load_into(&mut keyspace, file, &LoadOptions::default(), &mut ()).expect("a whole file");
    keyspace.for_each(0, |key, value, _| {
        let payload = dump(value, true);
        let body = &payload[..payload.len() - FOOTER_BYTES];
        if body.len() <= SEED_BYTES_MAX {
            let name = String::from_utf8_lossy(key).replace(|char: char| !char.is_ascii_alphanumeric(), "-");
            write(root, &name, body);
        }
    });
}

fn write(root: &Path, name: &str, body: &[u8]) {
    fs::write(root.join("seeds/restore").join(name), body).expect("a folder that can be written");
    let (type_number, value) = body.split_first().expect("a type byte");
    // A database, a deadline, the key, the end without a checksum.
    let record = [b"\xFE\x01\xFC\0\0\0\0\0\x01\0\0", &[*type_number, 1, b'k'][..], value, &[0xFF], &[0; 8]].concat();
    fs::write(root.join("seeds/rdb_decoder").join(name), record).expect("a folder that can be written");
}
