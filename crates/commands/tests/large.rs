//! Large values are not copied: what was received is what is stored, what a growing string does, and results that share
//! the nodes of a large set.

use std::sync::Arc;

use base::UnixMs;
use commands::{Blocking, Context, GROUPS};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings, Str, ValueRef};
use resp::{
    Args, ArgsBuf, LARGE_ARG_MIN, LargeArg, Outbox, OwnedArgs, ParseLimits, Parsed, Protocol, Reply, RequestParser,
};

const NOW: UnixMs = UnixMs(1_750_000_000_000);
const LENGTH: usize = 4 << 20;

fn keyspace() -> Keyspace {
    Keyspace::new(1, [1, 2], Settings::default())
}

fn run(keyspace: &mut Keyspace, args: &Args<'_>) {
    let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
    let row = GROUPS.iter().flat_map(|group| group.iter()).find(|row| row.name == name).expect("a known command");
    let (mut effects, mut out, mut rng) = (Effects::default(), Outbox::new(), fastrand::Rng::with_seed(1));
    effects.begin_command();
    let db = Db::new(keyspace, 0, &mut effects, NOW, ExpiryMode::Delete);
    let reply = Reply::new(&mut out, Protocol::Resp2);
    let mut context = Context { db, reply, rng: &mut rng, blocking: Blocking::Refused };
    (row.run)(&mut context, args).expect("the command succeeds");
    effects.end_command(0, args.iter());
}

fn line(keyspace: &mut Keyspace, line: &str) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run(keyspace, &OwnedArgs::from_slices(&words).as_args());
}

/// Runs a command with a long argument at its end, received in two pieces: that argument.
fn run_with_large(keyspace: &mut Keyspace, words: &[&str]) -> LargeArg {
    let value = vec![b'v'; LENGTH];
    let mut all: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    all.push(&value);
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, &all);
    let (mut parser, mut args) = (RequestParser::new(), ArgsBuf::new());
    let mut inbox = bytes[..LARGE_ARG_MIN].to_vec();
    assert!(matches!(parser.parse(&inbox, &mut args, &ParseLimits::default()), Ok(Parsed::Incomplete { .. })));
    parser.set_apart(&mut inbox);
    assert_eq!(parser.receive(&bytes[LARGE_ARG_MIN..]), bytes.len() - LARGE_ARG_MIN);
    assert!(matches!(parser.parse(&inbox, &mut args, &ParseLimits::default()), Ok(Parsed::Complete { .. })));
    let request = args.view(&inbox);
    run(keyspace, &request);
    Arc::clone(request.large(words.len()).expect("it stands apart"))
}

/// Where the string of a key is, and what it has room for.
fn place(keyspace: &Keyspace, key: &str) -> (*const u8, usize) {
    let mut found = None;
    keyspace.for_each(0, |name, value, _| {
        if let ValueRef::String(Str::Shared(shared)) = value
            && name == key.as_bytes()
        {
            found = Some((shared.as_slice().as_ptr(), shared.memory_bytes()));
        }
    });
    found.expect("a long string")
}

#[test]
fn every_command_that_sets_a_string_keeps_the_memory_that_the_argument_was_received_in() {
    let commands: [&[&str]; 9] = [
        &["SET", "k"],
        &["SETNX", "n"],
        &["SETEX", "k", "100"],
        &["PSETEX", "k", "100000"],
        &["GETSET", "k"],
        &["MSET", "a", "b", "k"],
        &["MSETNX", "c", "d", "m"],
        &["APPEND", "p"],
        &["SET", "k"],
    ];
    let mut keyspace = keyspace();
    for words in commands {
        let large = run_with_large(&mut keyspace, words);
        let key = if matches!(words[0], "SETEX" | "PSETEX") { words[1] } else { words[words.len() - 1] };
        assert_eq!(place(&keyspace, key).0, large.as_ptr(), "{words:?}");
    }
}

#[test]
fn a_long_string_grows_in_place_and_by_little() {
    let mut keyspace = keyspace();
    run_with_large(&mut keyspace, &["SET", "k"]);
    line(&mut keyspace, "APPEND k x");
    let (grown, room) = place(&keyspace, "k");
    assert!(room < LENGTH + LENGTH / 3, "{room}");
    for _ in 0..1000 {
        line(&mut keyspace, "APPEND k xxxxxxxxxx");
    }
    line(&mut keyspace, &format!("SETRANGE k {} end", LENGTH + 100_000));
    line(&mut keyspace, &format!("SETBIT k {} 1", (LENGTH + 200_000) * 8));
    assert_eq!(place(&keyspace, "k"), (grown, room));
}

#[test]
fn a_copy_of_a_long_string_is_changed_without_another_copy() {
    let mut keyspace = keyspace();
    line(&mut keyspace, "SETRANGE k 999999 x");
    line(&mut keyspace, "COPY k c");
    let (original, copy) = (place(&keyspace, "k").0, place(&keyspace, "c").0);
    line(&mut keyspace, "SETBIT k 7 1");
    line(&mut keyspace, "SETBIT c 7 1");
    assert_eq!((place(&keyspace, "k").0, place(&keyspace, "c").0), (original, copy));
}

// The first change of either copies it, which the program has done on the side.
#[test]
fn a_copy_of_a_large_string_shares_it() {
    let mut keyspace = keyspace();
    let large = run_with_large(&mut keyspace, &["SET", "k"]);
    line(&mut keyspace, "COPY k c");
    assert_eq!((place(&keyspace, "k").0, place(&keyspace, "c").0), (large.as_ptr(), large.as_ptr()));
    assert!(keyspace.string_copied_by_change(0, b"k", LENGTH - 1).is_some());
    assert!(keyspace.string_copied_by_change(0, b"k", LENGTH).is_none(), "it has no more bytes than that");
}

/// The members of a set in order, and its encoding.
fn members(keyspace: &Keyspace, key: &str) -> (Vec<Vec<u8>>, &'static str) {
    let set = set(keyspace, key);
    let mut members: Vec<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
    members.sort();
    (members, set.encoding())
}

fn set(keyspace: &Keyspace, key: &str) -> collections::Set {
    match keyspace.value(0, keyspace.hash(0, key.as_bytes()), key.as_bytes()) {
        Some(ValueRef::Set(set)) => set.clone(),
        _ => panic!("a set"),
    }
}

fn sorted(numbers: impl Iterator<Item = u32>, others: &[&str]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = numbers.map(|number| format!("m{number}").into_bytes()).collect();
    all.extend(others.iter().map(|other| other.as_bytes().to_vec()));
    all.sort();
    all
}

#[test]
fn what_is_stored_of_a_large_set_shares_its_nodes() {
    let mut keyspace = keyspace();
    let all: Vec<String> = (0..2000).map(|number| format!("m{number}")).collect();
    line(&mut keyspace, &format!("SADD k {}", all.join(" ")));
    line(&mut keyspace, "SADD few m1 m2 new");
    for same in ["SUNIONSTORE d k", "SUNIONSTORE d none k k", "SDIFFSTORE d k", "SDIFFSTORE d k none"] {
        line(&mut keyspace, same);
        assert!(set(&keyspace, "d").is_clone_of(&set(&keyspace, "k")), "{same}");
    }
    line(&mut keyspace, "SUNIONSTORE d few k");
    assert_eq!(members(&keyspace, "d"), (sorted(0..2000, &["new"]), "hashtable"));
    line(&mut keyspace, "SDIFFSTORE e k few");
    assert_eq!(
        members(&keyspace, "e"),
        (sorted((0..2000).filter(|number| ![1, 2].contains(number)), &[]), "hashtable")
    );
    // The first set once more among several: nothing is left.
    line(&mut keyspace, "SDIFFSTORE none k k few few few few");
    assert!(!keyspace.contains(0, b"none"));
    // A destination that is a source, and the source after writes to what shares it.
    line(&mut keyspace, "SUNIONSTORE few few k");
    line(&mut keyspace, "SREM few m7");
    line(&mut keyspace, "SADD d other");
    assert_eq!(members(&keyspace, "k"), (sorted(0..2000, &[]), "hashtable"));
    line(&mut keyspace, "SDIFFSTORE k k d");
    assert!(!keyspace.contains(0, b"k"));
}

#[test]
fn what_is_stored_of_a_set_that_shrank_takes_its_compact_form() {
    let mut keyspace = keyspace();
    let all: Vec<String> = (0..2000).map(|number| format!("m{number}")).collect();
    line(&mut keyspace, &format!("SADD k {}", all.join(" ")));
    line(&mut keyspace, &format!("SREM k {}", all[100..].join(" ")));
    assert_eq!(members(&keyspace, "k").1, "hashtable");
    for stored in ["SUNIONSTORE d k", "SDIFFSTORE d k"] {
        line(&mut keyspace, stored);
        assert_eq!(members(&keyspace, "d"), (sorted(0..100, &[]), "listpack"), "{stored}");
    }
}
