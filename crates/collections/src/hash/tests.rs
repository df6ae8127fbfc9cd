//! The hash against a map, with clones kept alive, where it converts, and what it refuses.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

type Model = HashMap<Vec<u8>, Vec<u8>>;

fn content(hash: &Hash) -> Model {
    hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (-60..60i64).prop_map(|number| number.to_string().into_bytes()),
        1 => (0..3u8, 10..70usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (0..3u8, 900..5_000usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

proptest! {
    #[test]
    fn behaves_as_a_map_and_clones_stay_as_they_were(
        steps in prop::collection::vec((0..3u8, text(), text()), 0..300), entries in 0..80usize, value in 1..80usize,
    ) {
        let limits = Limits {
            hash_max_listpack_entries: entries, hash_max_listpack_value: value, ..Limits::default()
        };
        let (mut hash, mut model, mut kept) = (Hash::new(), Model::new(), Vec::new());
        for (number, (action, field, value)) in steps.into_iter().enumerate() {
            if action == 0 {
                prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            } else {
                prop_assert_eq!(hash.set(&field, &value, &limits), model.insert(field.clone(), value).is_none());
            }
            prop_assert_eq!(hash.get(&field).map(|e| e.to_vec()), model.get(&field).cloned());
            prop_assert_eq!(hash.contains(&field), model.contains_key(&field));
            prop_assert_eq!(hash.len(), model.len());
            if number % 40 == 0 {
                kept.push((hash.clone(), model.clone()));
            }
        }
        prop_assert!(hash.as_listpack().is_none() || hash.len() <= entries);
        prop_assert_eq!(content(&hash), model);
        for (hash, model) in kept {
            prop_assert_eq!(content(&hash), model);
        }
        let mut scanned = 0;
        let mut cursor = hash.scan(0, 5, |_| scanned += 1);
        while cursor != 0 {
            cursor = hash.scan(cursor, 5, |_| scanned += 1);
        }
        prop_assert_eq!(scanned, hash.len());
        prop_assert!((0..hash.len()).all(|index| hash.nth(index) == hash.iter().nth(index)));
    }
}

type TimedModel = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn timed_content(hash: &Hash) -> TimedModel {
    let entry = |entry: HashEntry<'_>| (entry.field.to_vec(), (entry.value.to_vec(), entry.deadline.map(|at| at.0)));
    hash.entries().map(entry).collect()
}

/// What the model says is visible at a moment.
fn live_content(model: &TimedModel, now: i64) -> Model {
    let live = model.iter().filter(|(_, (_, deadline))| deadline.is_none_or(|at| at > now));
    live.map(|(field, (value, _))| (field.clone(), value.clone())).collect()
}

fn agrees(hash: &Hash, model: &TimedModel, now: i64) {
    assert_eq!(timed_content(hash), *model);
    let deadlines: Vec<i64> = model.values().filter_map(|(_, deadline)| *deadline).collect();
    assert_eq!(hash.next_deadline().map(|at| at.0), deadlines.iter().min().copied());
    let due = deadlines.iter().filter(|at| **at <= now).count();
    assert_eq!(hash.due_count(UnixMs(now)), due);
    let named = hash.due_fields(UnixMs(now), 5);
    assert_eq!(named.len(), due.min(5));
    assert!(named.is_sorted_by_key(|field| model[field].1), "the earliest first");
    let live = hash.at(UnixMs(now));
    let visible = live_content(model, now);
    assert_eq!(live.len(), visible.len());
    let seen: Model = live.entries().map(|entry| (entry.field.to_vec(), entry.value.to_vec())).collect();
    assert_eq!(seen, visible);
    assert!((0..live.len()).all(|at| live.nth(at) == live.entries().nth(at)));
    let mut rng = fastrand::Rng::with_seed(now as u64);
    let drawn = live.random(&mut rng).map(|entry| entry.field.to_vec());
    assert_eq!(drawn.is_some(), !visible.is_empty());
    assert!(drawn.is_none_or(|field| visible.contains_key(&field)));
}

#[derive(Clone, Debug)]
enum Step {
    Set,
    SetKeeping,
    Remove,
    Expire(Option<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Set),
        2 => Just(Step::SetKeeping),
        2 => Just(Step::Remove),
        4 => (1..60i64).prop_map(|at| Step::Expire(Some(at))),
        1 => Just(Step::Expire(None)),
    ]
}

proptest! {
    #[test]
    fn deadlines_follow_their_fields_in_every_form_and_clones_keep_theirs(
        steps in prop::collection::vec((step(), text(), text()), 0..300), entries in 0..80usize, value in 1..80usize,
        now in 0..60i64,
    ) {
        let limits = Limits {
            hash_max_listpack_entries: entries, hash_max_listpack_value: value, ..Limits::default()
        };
        let (mut hash, mut model, mut kept) = (Hash::new(), TimedModel::new(), Vec::new());
        for (number, (step, field, value)) in steps.into_iter().enumerate() {
            match step {
                Step::Set => {
                    let new = model.insert(field.clone(), (value.clone(), None)).is_none();
                    prop_assert_eq!(hash.set(&field, &value, &limits), new);
                }
                Step::SetKeeping => {
                    let deadline = model.get(&field).and_then(|(_, deadline)| *deadline);
                    let new = model.insert(field.clone(), (value.clone(), deadline)).is_none();
                    prop_assert_eq!(hash.set_value(&field, &value, &limits), new);
                }
                Step::Remove => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                Step::Expire(deadline) => {
                    let found = model.get_mut(&field).map(|entry| entry.1 = deadline).is_some();
                    prop_assert_eq!(hash.set_deadline(&field, deadline.map(UnixMs)), found);
                }
            }
            let expected = model.get(&field).map(|(_, deadline)| deadline.map(UnixMs));
            prop_assert_eq!(hash.deadline(&field), expected);
            if number % 40 == 0 {
                kept.push((hash.clone(), model.clone()));
            }
        }
        kept.push((hash, model));
        for (hash, model) in kept {
            agrees(&hash, &model, now);
            if let Some(listpack) = hash.as_timed_listpack().filter(|_| hash.next_deadline().is_some()) {
                let read = Hash::from_timed_listpack(listpack.clone(), &limits).unwrap();
                prop_assert_eq!(read.as_timed_listpack(), Some(listpack));
            }
        }
    }
}

#[test]
fn triples_stand_in_the_order_of_redis() {
    // HGETALL on redis 8.0 after the same commands.
    let limits = Limits::default();
    let order =
        |hash: &Hash| hash.iter().map(|(field, _)| String::from_utf8(field.to_vec()).unwrap()).collect::<String>();
    let mut hash = Hash::new();
    for field in "abcd".bytes() {
        hash.set(&[field], b"1", &limits);
    }
    assert_eq!(hash.encoding(), "listpack");
    for (field, deadline, expected) in
        [("c", Some(100), "cabd"), ("d", Some(50), "dcab"), ("a", Some(200), "dcab"), ("c", None, "dabc")]
    {
        hash.set_deadline(field.as_bytes(), deadline.map(UnixMs));
        assert_eq!(order(&hash), expected);
    }
    hash.set(b"d", b"2", &limits);
    assert_eq!(order(&hash), "abcd");
    hash.set_value(b"a", b"2", &limits);
    hash.set_deadline(b"c", Some(UnixMs(200)));
    assert_eq!(order(&hash), "cabd", "of two with one deadline the later written stands first");
    assert_eq!(hash.encoding(), "listpackex");
}

#[test]
fn a_hash_without_deadlines_is_no_larger_than_before() {
    assert_eq!(size_of::<Hash>(), 24);
    let mut hash = Hash::new();
    for number in 0..10_000u32 {
        hash.set(&number.to_le_bytes(), b"value", &Limits::default());
    }
    let before = hash.memory_bytes();
    hash.set_deadline(&7u32.to_le_bytes(), Some(UnixMs(1)));
    hash.set_deadline(&7u32.to_le_bytes(), None);
    assert!(matches!(hash.0, Repr::Table(_)), "the index goes with the last deadline");
    assert!(hash.memory_bytes() <= before + 64);
}

#[test]
fn triples_from_outside_must_be_triples_and_are_put_in_order() {
    let listpack = |texts: &[&str]| {
        let mut listpack = Listpack::new();
        texts.iter().for_each(|text| listpack.push_back(text.as_bytes()));
        Hash::from_timed_listpack(listpack, &Limits::default())
    };
    assert!(listpack(&["a", "1"]).is_err());
    assert!(listpack(&["a", "1", "x"]).is_err());
    assert!(listpack(&["a", "1", "-5"]).is_err());
    assert!(listpack(&["a", "1", "5", "a", "2", "6"]).is_err());
    let hash = listpack(&["a", "1", "0", "b", "2", "9", "c", "3", "4"]).unwrap();
    assert_eq!(hash.next_deadline(), Some(UnixMs(4)));
    assert_eq!(timed_content(&hash).len(), 3);
}

#[test]
fn converts_where_a_peer_does() {
    // OBJECT ENCODING on valkey 8.0 at its default limits.
    let limits = Limits::default();
    let mut hash = Hash::new();
    for number in 0..512 {
        hash.set(number.to_string().as_bytes(), b"v", &limits);
    }
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"512", b"v", &limits);
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::new();
    hash.set(b"f", &[b'x'; 64], &limits);
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"f", &[b'x'; 65], &limits);
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::new();
    hash.prepare(600, &limits);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_listpack_from_outside_must_hold_distinct_fields_with_values() {
    let listpack = |texts: &[&str]| {
        let mut listpack = Listpack::new();
        texts.iter().for_each(|text| listpack.push_back(text.as_bytes()));
        Hash::from_listpack(listpack, &Limits::default())
    };
    assert!(listpack(&["a", "1", "b"]).is_err());
    assert!(listpack(&["a", "1", "a", "2"]).is_err());
    assert_eq!(listpack(&["a", "1", "b", "2"]).map(|hash| hash.len()), Ok(2));
}

#[test]
fn a_random_pair_is_any_pair() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut hash = Hash::new();
    assert!(hash.random(&mut rng).is_none());
    for number in 0..1000 {
        hash.set(number.to_string().as_bytes(), b"v", &Limits::default());
    }
    let mut seen = HashMap::new();
    for _ in 0..20_000 {
        *seen.entry(hash.random(&mut rng).unwrap().0.to_vec()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 1000);
    assert!(seen.values().all(|&times| (3..50).contains(&times)));
}
