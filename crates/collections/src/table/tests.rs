//! The table against a map, with clones kept alive, and the promises of its cursor.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

type Model = HashMap<Vec<u8>, Vec<u8>>;

fn same(table: &Table, model: &Model) -> bool {
    let read: Model = table.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    read == *model && table.len() == model.len() && table.iter().count() == model.len()
}

fn filled(count: usize) -> Table {
    let mut table = Table::new();
    for number in 0..count {
        assert!(table.set(format!("key:{number}").as_bytes(), &number.to_le_bytes()));
    }
    table
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..400u32).prop_map(|number| number.to_string().into_bytes()),
        1 => (0..4u8, 480..1100usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn behaves_as_a_map_and_clones_stay_as_they_were(
        steps in prop::collection::vec((0..16u8, text(), text()), 0..900), removing in 1..12u8,
    ) {
        let (mut table, mut model) = (Table::new(), Model::new());
        let mut kept = Vec::new();
        for (number, (action, key, value)) in steps.into_iter().enumerate() {
            if action <= removing && number > 300 {
                prop_assert_eq!(table.remove(&key), model.remove(&key).is_some());
            } else {
                prop_assert_eq!(table.set(&key, &value), model.insert(key.clone(), value).is_none());
            }
            prop_assert_eq!(table.get(&key), model.get(&key).map(Vec::as_slice));
            if number % 97 == 0 {
                kept.push((table.clone(), model.clone()));
            }
        }
        prop_assert!(same(&table, &model));
        for (table, model) in &kept {
            prop_assert!(same(table, model));
        }
        for (index, pair) in table.iter().enumerate() {
            prop_assert_eq!(table.nth(index), Some(pair));
        }
        prop_assert_eq!(table.nth(table.len()), None);
        let keys: Vec<Vec<u8>> = model.keys().cloned().collect();
        for key in keys {
            prop_assert!(table.remove(&key) && !table.remove(&key));
        }
        let emptied = matches!(&*table.root, Child::Leaf { count: 0, .. });
        prop_assert!(emptied);
    }
}

/// A table of these entries, made at once.
fn built(entries: &[(Vec<u8>, Vec<u8>)]) -> Table {
    let mut builder = TableBuilder::new();
    entries.iter().for_each(|(key, value)| builder.push(key, value));
    builder.finish().expect("keys that all differ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn one_that_is_built_at_once_is_as_one_that_grew(
        model in prop::collection::hash_map(text(), text(), 0..900), later in prop::collection::vec((text(), text()), 0..300),
    ) {
        let entries: Vec<(Vec<u8>, Vec<u8>)> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let (mut table, mut grown, mut model) = (built(&entries), Table::new(), model);
        prop_assert!(entries.iter().all(|(key, value)| grown.set(key, value)));
        prop_assert!(same(&table, &model) && same(&grown, &model));
        for cursor in (0..1 << 53).step_by(1 << 43) {
            prop_assert_eq!(table.scan(cursor, 1, |_, _| {}), grown.scan(cursor, 1, |_, _| {}));
        }
        prop_assert!(table.memory_bytes() <= grown.memory_bytes());
        for (key, value) in later {
            prop_assert_eq!(table.set(&key, &value), model.insert(key, value).is_none());
        }
        prop_assert!(same(&table, &model));
        for key in model.keys() {
            prop_assert_eq!(table.get(key), model.get(key).map(Vec::as_slice));
            prop_assert!(table.remove(key));
        }
        prop_assert_eq!(table.len(), 0);
    }
}

/// Entries `from..to` of a table whose every value is so long.
fn numbered(range: std::ops::Range<u32>, value_len: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    range.map(|number| (number.to_string().into_bytes(), vec![number as u8; value_len])).collect()
}

#[test]
fn what_is_divided_on_its_way_is_built_and_changed_as_any_other() {
    // Far more bytes than stay in one vector, in short entries and in ones that fill leaves early.
    for (count, value_len) in [(200_000, 5), (20_000, 300), (2000, 3000), (3, 600_000)] {
        let entries = numbered(0..count, value_len);
        let mut table = built(&entries);
        let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        let estimate = table.memory_bytes();
        assert!((bytes..bytes * 2 + count as usize * 50).contains(&estimate), "{estimate} of {bytes}");
        let mut model: HashMap<Vec<u8>, Vec<u8>> = entries.iter().cloned().collect();
        assert!(same(&table, &model));
        for (key, value) in numbered(count / 2..count * 2, 7) {
            assert_eq!(table.set(&key, &value), model.insert(key, value).is_none());
        }
        for (key, _) in numbered(0..count, 0).into_iter().step_by(3) {
            assert_eq!(table.remove(&key), model.remove(&key).is_some());
        }
        assert!(same(&table, &model));
        for key in model.keys() {
            assert!(table.remove(key));
        }
        assert!(matches!(&*table.root, Child::Leaf { count: 0, .. }));
    }
}

#[test]
fn a_key_that_comes_twice_is_found() {
    for (count, value_len, room) in [
        (2, 1, usize::MAX),
        (100, 1, usize::MAX),
        (100_000, 20, usize::MAX),
        (90, 4000, 100_000),
        (100_000, 20, 2 << 20),
    ] {
        for twice in [0, count / 2, count - 1] {
            let mut builder = TableBuilder::with_room(room);
            let push = |builder: &mut TableBuilder, (key, value): &(Vec<u8>, Vec<u8>)| builder.push(key, value);
            numbered(0..count, value_len).iter().for_each(|entry| push(&mut builder, entry));
            numbered(twice..twice + 1, 1).iter().for_each(|entry| push(&mut builder, entry));
            assert!(builder.finish().is_none(), "{twice} of {count}");
        }
    }
}

#[test]
fn more_than_is_set_aside_finds_its_place() {
    for (count, value_len, room) in [(90, 4000, 100_000), (100_000, 20, 2 << 20)] {
        let entries = numbered(0..count, value_len);
        let mut builder = TableBuilder::with_room(room);
        entries.iter().for_each(|(key, value)| builder.push(key, value));
        let table = builder.finish().expect("keys that all differ");
        assert!(same(&table, &entries.into_iter().collect()));
    }
}

#[test]
fn keys_whose_hashes_collide_can_be_built_at_once() {
    let keys = crate::hashing::colliding_texts().take(500);
    let keys = keys.chain((0..2000u32).map(|number| number.to_string().into_bytes()));
    let entries: Vec<(Vec<u8>, Vec<u8>)> = keys.map(|key| (key, b"v".to_vec())).collect();
    let table = built(&entries);
    assert!(same(&table, &entries.iter().cloned().collect()));
    assert!(entries.iter().all(|(key, _)| table.contains(key)));
}

#[test]
fn what_is_not_retained_is_gone_and_clones_keep_it() {
    for modulus in [1, 2, 3, 10, 100, 100_000] {
        for keep in [true, false] {
            let mut table = filled(10_000);
            table.set(b"large", &[7; 5000]);
            let whole = table.clone();
            let stays = |key: &[u8]| (key.iter().map(|byte| usize::from(*byte)).sum::<usize>() % modulus == 0) == keep;
            let mut asked = Vec::new();
            table.retain(|key, _| {
                asked.push(key.to_vec());
                stays(key)
            });
            assert!(asked.iter().map(Vec::as_slice).eq(whole.iter().map(|(key, _)| key)));
            let all: Model = whole.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            assert!(same(&whole, &all) && all.len() == 10_001);
            let mut rest = all;
            rest.retain(|key, _| stays(key));
            assert!(same(&table, &rest));
            // It is as good as any other table: entries come, go, and are found.
            for number in 0..10_000 {
                table.set(format!("key:{number}").as_bytes(), b"again");
            }
            let keys: Vec<Vec<u8>> = table.iter().map(|(key, _)| key.to_vec()).collect();
            assert!(keys.iter().all(|key| table.remove(key)));
            assert!(matches!(&*table.root, Child::Leaf { count: 0, .. }));
        }
    }
}

#[test]
fn a_scan_returns_what_stays_while_the_table_grows_and_shrinks() {
    let mut table = filled(5000);
    for number in 0..1000 {
        table.set(format!("stays:{number}").as_bytes(), b"");
    }
    let (mut seen, mut cursor, mut round) = (HashSet::new(), 0, 0);
    loop {
        cursor = table.scan(cursor, 10, |key, _| {
            seen.insert(key.to_vec());
        });
        if cursor == 0 {
            break;
        }
        assert!(cursor < 1 << 53);
        for number in 0..40 {
            match round / 60 % 2 {
                0 => table.remove(format!("key:{}", (round * 40 + number) % 5000).as_bytes()),
                _ => table.set(format!("new:{round}:{number}").as_bytes(), b"v"),
            };
        }
        round += 1;
    }
    assert!((0..1000).all(|number| seen.contains(format!("stays:{number}").as_bytes())));
    assert_eq!(table.scan(u64::MAX, 10, |_, _| panic!("no such place")), 0);
}

#[test]
fn an_undisturbed_scan_returns_everything_once() {
    let table = filled(3000);
    for count in [0, 1, 100, usize::MAX] {
        let (mut emitted, mut cursor) = (0, 0);
        loop {
            cursor = table.scan(cursor, count, |_, _| emitted += 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(emitted, 3000);
    }
}

#[test]
fn keys_whose_hashes_collide_are_all_kept() {
    let mut leaf = Leaf::default();
    for number in 0..500u32 {
        assert!(leaf.find(7, &number.to_le_bytes()).is_none());
        leaf.insert(7, &number.to_le_bytes(), b"v", None);
    }
    assert_eq!(leaf.len(), 500);
    assert!((0..500u32).all(|number| leaf.find(7, &number.to_le_bytes()).is_some()));
}

#[test]
fn small_entries_take_little_more_than_their_bytes() {
    let table = filled(100_000);
    let payload = table.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let overhead = (table.memory_bytes() - payload) / table.len();
    assert!(overhead < 20, "{overhead} bytes of overhead per entry");
}

#[test]
fn a_table_handle_is_one_word() {
    assert_eq!(size_of::<Table>(), 8);
}

#[test]
fn keys_of_one_hash_may_take_more_than_a_leaf_can_address_inline() {
    let mut table = Table::new();
    let value = [b'v'; 1000];
    let keys: Vec<Vec<u8>> = crate::hashing::colliding_texts().take(5_000).collect();
    for key in &keys {
        assert!(table.set(key, &value));
    }
    assert!(table.set(b"another", b"1"));
    assert_eq!(table.len(), keys.len() + 1);
    for key in keys.iter().step_by(97) {
        assert_eq!(table.get(key), Some(&value[..]));
        assert!(!table.set(key, b"short"));
        assert_eq!(table.get(key), Some(&b"short"[..]));
        assert!(table.remove(key));
        assert_eq!(table.get(key), None);
    }
    let (mut cursor, mut emitted) = (0, 0);
    loop {
        cursor = table.scan(cursor, 10, |_, _| emitted += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(emitted, table.len());
}
