//! The format against bytes from a real peer, and the operations against a vector.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn listpack<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Listpack {
    let mut listpack = Listpack::new();
    for element in elements {
        listpack.push_back(element);
    }
    listpack
}

/// HSET of these on valkey 8.0, then DUMP: every integer width at its bounds, and texts that only look like integers.
const INTEGER_EDGES: [&str; 28] = [
    "0",
    "127",
    "128",
    "-1",
    "4095",
    "-4096",
    "4096",
    "-4097",
    "32767",
    "-32768",
    "32768",
    "-32769",
    "8388607",
    "-8388608",
    "8388608",
    "-8388609",
    "2147483647",
    "-2147483648",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "007",
    "-0",
    "",
    "+1",
    " 1",
];
const INTEGER_EDGES_DUMP: &str = "a30000001c0000017f01c08002dfff02cfff02d00002f1001003f1ffef03f1ff7f03f1008003f200800004\
    f2ff7fff04f2ffff7f04f200008004f30000800005f3ffff7fff05f3ffffff7f05f30000008005f4000000800000000009f4ffffff7fffff\
    ffff09f4ffffffffffffff7f09f40000000000000080099339323233333732303336383534373735383038148330303704822d3003800182\
    2b310382203103ff";

#[test]
fn integer_bytes_equal_those_of_a_peer() {
    let bytes = hex(&INTEGER_EDGES_DUMP.replace(' ', ""));
    let ours = listpack(INTEGER_EDGES.map(str::as_bytes));
    assert_eq!(ours.as_bytes(), bytes);
    let read = Listpack::from_bytes(bytes).unwrap();
    assert!(read.iter().map(|e| e.to_vec()).eq(INTEGER_EDGES.map(|text| text.as_bytes().to_vec())));
}

#[test]
fn string_bytes_equal_those_of_a_peer() {
    // Head and back length of strings of these lengths, read off a DUMP of valkey 8.0.
    for (len, head, back) in [
        (63, "bf", "40"),
        (64, "e040", "42"),
        (127, "e07f", "0181"),
        (4095, "efff", "2081"),
        (4096, "f000100000", "2085"),
        (16400, "f010400000", "018095"),
    ] {
        let ours = listpack([&vec![b'x'; len][..]]);
        let bytes = ours.as_bytes();
        let back = hex(back);
        assert_eq!(&bytes[HEADER..HEADER + head.len() / 2], hex(head), "{len}");
        assert_eq!(&bytes[bytes.len() - 1 - back.len()..bytes.len() - 1], back, "{len}");
        assert_eq!(Listpack::from_bytes(bytes.to_vec()), Ok(ours));
    }
}

#[test]
fn every_cut_or_flipped_listpack_is_refused_or_read_whole() {
    let long = vec![b'z'; 300];
    let ours = listpack([&b"abc"[..], b"1", b"-3000", b"70000", &long, b"9223372036854775807", b""]);
    let bytes = ours.as_bytes();
    for cut in 0..bytes.len() {
        assert!(Listpack::from_bytes(bytes[..cut].to_vec()).is_err(), "{cut}");
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut bent = bytes.to_vec();
            bent[place] ^= 1 << bit;
            if let Ok(read) = Listpack::from_bytes(bent) {
                assert_eq!(read.iter().count(), read.len());
                assert_eq!(read.iter().rev().count(), read.len());
            }
        }
    }
}

#[test]
fn the_count_is_kept_unknown_once_it_does_not_fit() {
    let mut ours = listpack(std::iter::repeat_n(&b"1"[..], 65_534));
    assert_eq!((ours.header_count(), ours.len()), (65_534, 65_534));
    ours.push_front(b"2");
    ours.push_back(b"3");
    assert_eq!((ours.header_count(), ours.len()), (COUNT_UNKNOWN, 65_536));
    assert_eq!(ours.get(65_535), Some(Element::Int(3)));
    assert_eq!(ours.get(65_536), None);
    assert_eq!(ours.remove_range(0, 10), 10);
    assert_eq!((ours.header_count(), ours.len()), (COUNT_UNKNOWN, 65_526));
    let read = Listpack::from_bytes(ours.as_bytes().to_vec()).unwrap();
    assert_eq!(read.header_count(), 65_526, "counted anew when it comes in");
}

/// Bytes that a change at an end moved: all of them, if the other end is elsewhere in memory now.
fn moved<S: Store>(ours: &mut ListpackIn<S>, at_front: bool, act: impl FnOnce(&mut ListpackIn<S>)) -> usize {
    let far_end = |ours: &ListpackIn<S>| {
        let addresses = ours.as_bytes().as_ptr_range();
        if at_front { addresses.end } else { addresses.start }
    };
    let before = far_end(ours);
    act(ours);
    if far_end(ours) == before { 0 } else { ours.byte_len() }
}

/// Bytes moved while a listpack grows to 8 KiB; `at_front` says where the next element goes.
fn moved_in_growth<S: Store>(ours: &mut ListpackIn<S>, at_front: impl Fn(usize) -> bool) -> usize {
    let mut sum = 0;
    for number in 0.. {
        if ours.byte_len() >= 8100 {
            break;
        }
        let at_front = at_front(number);
        sum += moved(ours, at_front, |ours| match at_front {
            true => ours.push_front(b"element of a list"),
            false => ours.push_back(b"element of a list"),
        });
    }
    sum
}

#[test]
fn pushes_and_pops_at_both_ends_move_little() {
    // The blocks that it grows through, four to a doubling, are together five times as long as the last one.
    let mut ours = DequeListpack::new();
    let front = moved_in_growth(&mut ours, |_| true);
    let both = moved_in_growth(&mut DequeListpack::new(), |number| number % 2 == 0);
    let loaded = moved_in_growth(&mut DequeListpack::from(listpack([&[b'x'; 4000][..]])), |_| true);
    assert!(front < 8 * 8192 && both < 16 * 8192 && loaded < 8 * 8192, "{front} {both} {loaded}");
    let plain = moved_in_growth(&mut Listpack::new(), |_| true);
    assert!(plain > 100 * 8192, "one with room at its end only moves everything each time: {plain}");

    let mut popping = 0;
    while !ours.is_empty() {
        popping += moved(&mut ours, true, |ours| assert_eq!(ours.remove_range(0, 1), 1));
    }
    assert!(popping < 2 * 8192, "{popping}");
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (any::<i64>(), 0u32..63).prop_map(|(value, shift)| (value >> shift).to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..80),
        (50usize..5000).prop_map(|len| vec![b'x'; len]),
    ]
}

type Steps = Vec<(u8, prop::sample::Index, Vec<u8>)>;

/// Does the steps to a listpack and a vector; returns the listpack's bytes, and those it has allocated, after each.
fn against_a_vector<S: Store>(steps: Steps) -> Result<Vec<(Vec<u8>, usize)>, TestCaseError> {
    let (mut ours, mut states) = (ListpackIn::<S>::new(), Vec::new());
    let mut model: Vec<Vec<u8>> = Vec::new();
    for (action, place, value) in steps {
        let index = if model.is_empty() { 0 } else { place.index(model.len()) };
        match action {
            0 => {
                ours.push_back(&value);
                model.push(value);
            }
            1 => {
                ours.push_front(&value);
                model.insert(0, value);
            }
            2 => {
                let at = ours.offset_of(index).unwrap_or(ours.end());
                ours.insert_at(at, canonical(&value));
                model.insert(index, value);
            }
            3 if index < model.len() => {
                ours.replace_at(ours.offset_of(index).unwrap(), canonical(&value));
                model[index] = value;
            }
            4 => {
                let count = (value.len() % 4).min(model.len() - index);
                prop_assert_eq!(ours.remove_range(index, count), count);
                model.drain(index..index + count);
            }
            _ => {
                let tail = ours.split_off(index);
                prop_assert_eq!((ours.len(), tail.len()), (index, model.len() - index));
                ours.append(tail.iter());
            }
        }
        prop_assert_eq!(ours.len(), model.len());
        if let Some(wanted) = model.get(index) {
            prop_assert_eq!(ours.get(index), Some(Element::Bytes(wanted)));
            let found = model.iter().position(|other| other == wanted).unwrap();
            prop_assert_eq!(ours.find(wanted, 1), ours.offset_of(found));
        }
        states.push((ours.as_bytes().to_vec(), ours.memory_bytes()));
    }
    prop_assert!(ours.iter().map(|e| e.to_vec()).eq(model.iter().cloned()));
    prop_assert!(ours.iter().rev().map(|e| e.to_vec()).eq(model.iter().rev().cloned()));
    prop_assert_eq!(ListpackIn::from_bytes(ours.as_bytes().to_vec()), Ok(ours.clone()));
    prop_assert_eq!(ours.clone().memory_bytes(), ours.byte_len());
    Ok(states)
}

proptest! {
    #[test]
    fn behaves_as_a_vector_wherever_its_bytes_are_kept(
        steps in prop::collection::vec((0..6u8, any::<prop::sample::Index>(), element()), 0..60),
    ) {
        prop_assert!(against_a_vector::<Block>(steps.clone())? == against_a_vector::<DequeBlock>(steps)?);
    }

    #[test]
    fn behaves_as_a_deque_in_the_same_bytes_as_one_that_grows_at_its_end(
        runs in prop::collection::vec((0..4u8, 1..80usize, 0..300usize), 0..30), loaded in 0..300usize,
    ) {
        let loaded = listpack(std::iter::repeat_n(&b"loaded"[..], loaded));
        let mut model: VecDeque<Vec<u8>> = loaded.iter().map(|element| element.to_vec()).collect();
        let (mut plain, mut ours) = (loaded.clone(), DequeListpack::from(loaded.clone()));
        for (action, times, len) in runs {
            for time in 0..times {
                let value = [time.to_string().as_bytes(), &vec![b'.'; len]].concat();
                match action {
                    0 => {
                        ours.push_front(&value);
                        plain.push_front(&value);
                        model.push_front(value);
                    }
                    1 => {
                        ours.push_back(&value);
                        plain.push_back(&value);
                        model.push_back(value);
                    }
                    2 => {
                        let removed = usize::from(model.pop_front().is_some());
                        prop_assert_eq!((ours.remove_range(0, 1), plain.remove_range(0, 1)), (removed, removed));
                    }
                    _ => {
                        model.pop_back();
                        ours.remove_range(model.len(), 1);
                        plain.remove_range(model.len(), 1);
                    }
                }
                prop_assert_eq!(ours.as_bytes(), plain.as_bytes());
                prop_assert_eq!(ours.memory_bytes(), plain.memory_bytes());
            }
        }
        prop_assert!(ours.iter().map(|element| element.to_vec()).eq(model));
    }

    #[test]
    fn no_bytes_from_outside_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = ((body.len() + 7) as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[255, 255]);
        bytes.extend_from_slice(&body);
        bytes.push(END);
        if let Ok(read) = Listpack::from_bytes(bytes) {
            prop_assert_eq!(read.iter().count(), read.iter().rev().count());
        }
    }
}
