//! HyperLogLogs against facts recorded from a peer, and against their own other form.

use super::*;
use crate::Corrupt;

/// Runs in their text form: `z:1 v:2,3 Z:16380`.
fn sparse_from(runs: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    HyperLogLogMut::create(&mut bytes);
    bytes.truncate(HEADER_BYTES);
    for run in runs.split_whitespace() {
        let (kind, numbers) = run.split_once(':').expect("kind:numbers");
        let numbers: Vec<usize> = numbers.split(',').map(|number| number.parse().expect("a number")).collect();
        match kind {
            "z" => bytes.push(numbers[0] as u8 - 1),
            "Z" => bytes.extend_from_slice(&(0x4000 | (numbers[0] - 1) as u16).to_be_bytes()),
            _ => bytes.push(0x80 | (numbers[0] as u8 - 1) << 2 | (numbers[1] as u8 - 1)),
        }
    }
    bytes
}

fn text_of(bytes: &[u8]) -> String {
    HyperLogLog::open(bytes).and_then(|hll| hll.runs_as_text()).expect("a sparse HyperLogLog")
}

fn element(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

fn with_elements(numbers: std::ops::Range<u64>, sparse_bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut hll = HyperLogLogMut::create(&mut bytes);
    for number in numbers {
        hll.add(&element(number), sparse_bytes_max).expect("sound runs");
    }
    bytes
}

fn registers_of(bytes: &[u8]) -> Vec<u8> {
    let mut registers = Registers::new();
    registers.merge(&HyperLogLog::open(bytes).expect("a HyperLogLog")).expect("sound runs");
    registers.values().to_vec()
}

/// What [`HyperLogLogMut::add`] does once it knows the register.
fn raise(hll: &mut HyperLogLogMut<'_>, index: usize, value: u8, bytes_max: usize) {
    if hll.form == Form::Sparse {
        let raised = sparse::raise(hll.bytes, index, value, bytes_max).expect("sound runs");
        if raised != sparse::Raised::TooLarge {
            return;
        }
        hll.make_dense().expect("sound runs");
    }
    dense::raise(hll.bytes, index, value);
}

#[test]
fn elements_go_to_the_registers_that_a_real_server_puts_them_in() {
    // Read off PFDEBUG DECODE of Valkey 8.0: one element each, a register of 16384 and its value.
    for (text, index, value) in FROM_VALKEY {
        assert_eq!(register_of(text.as_bytes()), (*index, *value), "{text:?}");
    }
}

const FROM_VALKEY: &[(&str, usize, u8)] = &[
    ("", 5938, 2),
    ("a", 12711, 2),
    ("ab", 719, 1),
    ("abc", 9474, 1),
    ("abcd", 11070, 8),
    ("abcde", 3726, 4),
    ("abcdef", 13647, 2),
    ("abcdefg", 5634, 2),
    ("abcdefgh", 1383, 1),
    ("abcdefghi", 6903, 1),
    ("hello world, this is longer", 9459, 1),
    ("65", 15885, 6),
    ("element:1234567", 7205, 1),
];

#[test]
fn runs_are_split_and_joined_as_a_real_server_does() {
    // Read off Valkey 8.0, which got the first text as a value and one element.
    for (before, text, after) in RUNS_FROM_VALKEY {
        let mut bytes = sparse_from(before);
        assert_eq!(text_of(&bytes), *before);
        HyperLogLogMut::open(&mut bytes).expect("it is one").add(text.as_bytes(), 3000).expect("sound runs");
        assert_eq!(text_of(&bytes), *after, "{text} into {before}");
    }
}

const RUNS_FROM_VALKEY: &[(&str, &str, &str)] = &[
    ("Z:495 z:1 Z:15888", "4", "Z:495 v:2,1 Z:15888"),
    ("Z:15579 v:2,1 z:1 v:2,1 Z:802", "6", "Z:15579 v:2,3 Z:802"),
    ("Z:8056 v:2,2 z:1 v:2,1 Z:8324", "22", "Z:8056 v:2,4 Z:8324"),
    ("Z:9086 v:2,3 z:1 v:2,1 Z:7293", "23", "Z:9086 v:2,4 v:2,1 Z:7293"),
    ("Z:11965 v:2,4 z:1 v:2,4 Z:4410", "24", "Z:11965 v:2,4 v:2,1 v:2,4 Z:4410"),
    ("Z:12260 v:2,1 v:2,1 v:2,1 z:1 v:2,1 v:2,1 v:2,1 Z:4117", "26", "Z:12260 v:2,1 v:2,1 v:2,4 v:2,1 Z:4117"),
    ("Z:12631 v:2,2 v:1,4 Z:3747", "35", "Z:12631 v:2,3 v:1,3 Z:3747"),
    ("Z:2141 v:2,2 v:1,4 v:2,2 Z:14235", "50", "Z:2141 v:2,2 v:1,3 v:2,3 Z:14235"),
    ("Z:12354 v:1,3 Z:4027", "55", "Z:12354 v:1,1 v:2,1 v:1,1 Z:4027"),
    ("Z:2535 v:1,4 v:3,1 Z:13844", "63", "Z:2535 v:1,2 v:2,1 v:1,1 v:3,1 Z:13844"),
    ("Z:12953 Z:70 Z:3361", "64", "Z:12953 v:2,1 Z:69 Z:3361"),
    ("Z:6411 Z:70 v:2,1 Z:9902", "68", "Z:6411 Z:69 v:2,2 Z:9902"),
    ("Z:8534 Z:130 Z:7720", "85", "Z:8534 z:64 v:2,1 Z:65 Z:7720"),
    ("Z:8340 Z:131 Z:7913", "87", "Z:8340 Z:65 v:2,1 Z:65 Z:7913"),
    ("Z:11076 z:64 Z:5244", "103", "Z:11076 z:63 v:2,1 Z:5244"),
    ("Z:340 v:2,1 v:3,2 Z:16041", "105", "Z:340 v:2,1 v:3,2 Z:16041"),
    ("Z:2021 v:1,1 v:2,1 v:1,1 v:2,1 v:2,1 v:2,1 v:2,1 Z:14356", "106", "Z:2021 v:1,1 v:2,4 v:2,2 Z:14356"),
    ("Z:14914 v:2,1 v:2,1 v:2,1 v:1,1 v:2,3 v:2,1 Z:1462", "114", "Z:14914 v:2,1 v:2,1 v:2,2 v:2,4 Z:1462"),
    ("Z:16384", "315", "z:12 v:3,1 Z:16371"),
    ("Z:16384", "852", "Z:16379 v:2,1 z:4"),
    ("Z:16384", "1150", "Z:16355 v:1,1 z:28"),
    ("Z:16384", "1448", "Z:16351 v:1,1 z:32"),
];

#[test]
fn counts_are_those_of_a_real_server() {
    for (elements, count) in COUNTS_FROM_VALKEY {
        let bytes = with_elements(0..*elements, 3000);
        assert_eq!(HyperLogLog::open(&bytes).expect("it is one").count(), Ok(*count), "{elements} elements");
    }
}

/// Elements are the 8-byte little-endian numbers from 0 on.
const COUNTS_FROM_VALKEY: &[(u64, u64)] = &[
    (0, 0),
    (1, 1),
    (2, 2),
    (3, 3),
    (5, 5),
    (10, 10),
    (33, 32),
    (100, 99),
    (500, 497),
    (1000, 986),
    (1500, 1489),
    (2000, 1990),
    (5000, 5006),
    (10000, 10070),
    (20000, 20248),
    (30000, 30398),
    (50000, 50434),
    (70000, 70552),
    (100000, 101467),
    (200000, 200726),
    (400000, 395269),
];

#[test]
fn both_forms_hold_the_same_registers() {
    let (mut sparse, mut dense) = (Vec::new(), Vec::new());
    let mut one = HyperLogLogMut::create(&mut sparse);
    let mut other = HyperLogLogMut::create(&mut dense);
    other.make_dense().expect("an empty one is sound");
    for number in 0..4000 {
        let raised = one.add(&element(number), usize::MAX);
        assert_eq!(raised, other.add(&element(number), 0));
    }
    assert_eq!((one.form, other.form), (Form::Sparse, Form::Dense));
    assert_eq!(registers_of(&sparse), registers_of(&dense));
    let [one, other] = [&sparse, &dense].map(|bytes| HyperLogLog::open(bytes).expect("it is one").count());
    assert_eq!(one, other);
    HyperLogLogMut::open(&mut sparse).expect("it is one").make_dense().expect("sound runs");
    assert_eq!(sparse, dense);
}

#[test]
fn merging_in_one_walk_gives_the_bytes_of_raising_one_register_after_the_other() {
    let mut rng = fastrand::Rng::with_seed(3);
    for round in 0..300 {
        let mut target = with_elements(0..rng.u64(0..900), 3000);
        let mut registers = Registers::new();
        registers.merge(&HyperLogLog::open(&target).expect("it is one")).expect("sound runs");
        for _ in 0..rng.usize(1..4) {
            let from = rng.u64(0..2000);
            let source = with_elements(from..from + rng.u64(0..600), 3000);
            registers.merge(&HyperLogLog::open(&source).expect("it is one")).expect("sound runs");
        }
        // Few values in neighbouring registers, so that runs are joined all the time.
        if round % 3 == 0 {
            let start = rng.usize(..REGISTERS - 400);
            for at in start..start + 400 {
                registers.raise(at, rng.u8(0..3));
            }
        }
        let bytes_max = [300, 3000, usize::MAX][round % 3];
        let mut expected = target.clone();
        let mut one_by_one = HyperLogLogMut::open(&mut expected).expect("it is one");
        for (index, value) in registers.raised() {
            raise(&mut one_by_one, index, value, bytes_max);
        }
        HyperLogLogMut::open(&mut target).expect("it is one").raise_to(&registers, bytes_max).expect("sound runs");
        assert!(target == expected, "round {round}");
    }
}

#[test]
fn a_form_is_only_accepted_whole() {
    let sound = with_elements(0..10, 3000);
    assert!(HyperLogLog::open(&sound).is_some());
    assert!(HyperLogLog::open(&sound[..15]).is_none());
    for (at, byte) in [(0, b'h'), (3, b'M'), (4, 0), (4, 2)] {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        assert!(HyperLogLog::open(&bytes).is_none(), "byte {at} is {byte}");
    }
}

#[test]
fn runs_that_do_not_add_up_are_an_error_and_change_nothing() {
    for runs in ["", "Z:16383", "Z:16384 z:1", "z:1 v:1,1 Z:16383", "v:1,4 Z:16379"] {
        let mut bytes = sparse_from(runs);
        let before = bytes.clone();
        let hll = HyperLogLog::open(&bytes).expect("the header is sound");
        assert!(matches!(hll.count(), Err(Corrupt(_))), "{runs}");
        assert!(Registers::new().merge(&hll).is_err(), "{runs}");
        assert!(HyperLogLogMut::open(&mut bytes).expect("the header is sound").make_dense().is_err(), "{runs}");
        assert_eq!(bytes, before);
    }
    // The first of these elements is in the half that is there.
    let mut bytes = sparse_from("Z:8192");
    let before = bytes.clone();
    let mut hll = HyperLogLogMut::open(&mut bytes).expect("the header is sound");
    assert!(hll.add_all([&b"1"[..], b"2"].into_iter(), 3000).is_err());
    assert_eq!(bytes, before);
    let mut cut = with_elements(0..3, 3000);
    cut.pop();
    cut.push(0x40);
    assert!(HyperLogLog::open(&cut).expect("the header is sound").count().is_err());
}

#[test]
fn a_kept_count_holds_until_it_is_forgotten() {
    let mut bytes = Vec::new();
    let mut hll = HyperLogLogMut::create(&mut bytes);
    hll.keep_count(0x0123_4567_89ab);
    assert_eq!(HyperLogLog::open(hll.bytes).expect("it is one").kept_count(), Some(0x0123_4567_89ab));
    hll.forget_count();
    assert_eq!(HyperLogLog::open(hll.bytes).expect("it is one").kept_count(), None);
}
