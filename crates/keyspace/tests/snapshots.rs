//! Strings and collections of every size against a simple model, with snapshots alive that must not change: neither by what
//! is written under them nor by what is freed.

use std::collections::BTreeMap;

use base::UnixMs;
use collections::{Hash, List};
use keyspace::notify::{Class, Event};
use keyspace::{Db, Effects, ExpiryMode, Keyspace, Settings, Snapshot, Ttl, Value, ValueRef};
use proptest::prelude::*;

const EVENT: Event = Event::new(Class::STRING, "test");

/// Snapshots alive at once.
const KEPT_MAX: usize = 4;

/// What a key holds: a string, the elements of a list, or the pairs of a hash.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
}

type Keys = BTreeMap<Vec<u8>, Model>;

fn model_of(value: ValueRef<'_>) -> Model {
    match value {
        ValueRef::String(text) => Model::String(text.as_bytes().into_owned()),
        ValueRef::List(list) => Model::List(list.iter().map(|element| element.to_vec()).collect()),
        ValueRef::Hash(hash) => {
            Model::Hash(hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
        }
        _ => panic!("the test writes no other type"),
    }
}

fn read(mut snapshot: Snapshot) -> Keys {
    let mut keys = Keys::new();
    while snapshot.next_block(|item| {
        let earlier = keys.insert(item.key.to_vec(), model_of(item.value));
        assert!(earlier.is_none(), "a key stands in a snapshot once");
    }) {}
    keys
}

/// Short ones stand in the table's entry, long ones outside it, and lists keep long elements in nodes of their own.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        6 => prop::collection::vec(any::<u8>(), 0..80),
        3 => (any::<u8>(), 500..9_000usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 16_000..150_000usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

/// Does one step to both; the same numbers always mean the same step.
fn step(db: &mut Db<'_>, model: &mut Keys, action: u8, place: usize, key: &[u8], value: Vec<u8>) {
    match action {
        0..=2 => {
            db.set_string(key, &value, Ttl::Clear, EVENT);
            model.insert(key.to_vec(), Model::String(value));
        }
        3..=5 => {
            let start = place % 20_000;
            let write = |bytes: &mut Vec<u8>| {
                let end = start + value.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(&value);
            };
            let edited = db.edit_string(key, EVENT, write);
            let entry = model.entry(key.to_vec()).or_insert(Model::String(Vec::new()));
            let Model::String(bytes) = entry else { return assert!(edited.is_err()) };
            assert!(edited.is_ok());
            write(bytes);
        }
        6..=8 => {
            let entry = model.entry(key.to_vec()).or_insert(Model::List(Vec::new()));
            let edit = db.edit_or_new::<List>(key);
            let Model::List(elements) = entry else { return assert!(edit.is_err()) };
            let mut edit = edit.unwrap_or_else(|_| panic!("the model has a list"));
            let (list, limits) = edit.get_mut();
            list.push_back(&value, limits);
            edit.changed(EVENT, 1);
            elements.push(value);
        }
        9..=12 => {
            let field = (place % 300).to_string().into_bytes();
            let entry = model.entry(key.to_vec()).or_insert(Model::Hash(BTreeMap::new()));
            let edit = db.edit_or_new::<Hash>(key);
            let Model::Hash(pairs) = entry else { return assert!(edit.is_err()) };
            let mut edit = edit.unwrap_or_else(|_| panic!("the model has a hash"));
            let (hash, limits) = edit.get_mut();
            hash.set(&field, &value, limits);
            edit.changed(EVENT, 1);
            pairs.insert(field, value);
        }
        13 => {
            // As COPY does: both keys share the value until one is written to.
            let copy: Option<Value> = db.get(key).map(|value| value.to_value());
            if let Some(copy) = copy {
                db.set_value(b"copy", copy, Ttl::Clear, EVENT);
                let same = model[key].clone();
                model.insert(b"copy".to_vec(), same);
            }
        }
        14 => {
            // As RENAME does.
            if let Some((value, deadline)) = db.take(key) {
                db.put_quietly(b"renamed", value, deadline);
                let moved = model.remove(key).expect("the model has what the keyspace has");
                model.insert(b"renamed".to_vec(), moved);
            }
        }
        _ => assert_eq!(db.remove(key, EVENT), model.remove(key).is_some()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_keyspace_behaves_as_a_map_and_snapshots_keep_their_moment(
        steps in prop::collection::vec((0..16u8, any::<u16>(), 0..12u8, bytes()), 0..400),
    ) {
        let mut keyspace = Keyspace::new(1, [1, 2], Settings::default());
        let (mut effects, mut model, mut kept) = (Effects::default(), Keys::new(), Vec::new());
        for (number, (action, place, key, value)) in steps.into_iter().enumerate() {
            let names = [&b"copy"[..], b"renamed", b"k2", b"k3", b"k4", b"k5", b"k6", b"k7", b"k8", b"k9", b"", b"k\0"];
            let key = names[usize::from(key)];
            let mut db = Db::new(&mut keyspace, 0, &mut effects, UnixMs(1_750_000_000_000), ExpiryMode::Delete);
            step(&mut db, &mut model, action, usize::from(place), key, value);
            prop_assert_eq!(db.get(key).map(model_of), model.get(key).cloned());
            if number % 30 == 0 {
                kept.push((keyspace.snapshot(), model.clone()));
            }
            if kept.len() > KEPT_MAX {
                // Not the oldest first: what is freed depends on those on both sides.
                let (snapshot, moment) = kept.swap_remove(usize::from(place) % KEPT_MAX);
                prop_assert!(read(snapshot) == moment);
            }
            keyspace.sweep(64);
            drop(keyspace.take_costly());
            drop(keyspace.take_garbage());
        }
        kept.push((keyspace.snapshot(), model));
        for (snapshot, moment) in kept {
            prop_assert!(read(snapshot) == moment);
        }
    }
}

/// What a snapshot holds of a flushed table was counted without its collections, so that their memory seemed to be data.
#[test]
fn flushed_collections_are_counted_in_slices_as_long_as_a_snapshot_needs_them() {
    let mut keyspace = Keyspace::new(1, [1, 2], Settings::default());
    let mut effects = Effects::default();
    let mut db = Db::new(&mut keyspace, 0, &mut effects, UnixMs(1_750_000_000_000), ExpiryMode::Delete);
    for key in 0..300 {
        let name = key.to_string();
        let Ok(mut edit) = db.edit_or_new::<Hash>(name.as_bytes()) else { panic!("there is no such key") };
        let (hash, limits) = edit.get_mut();
        for field in 0..10 {
            hash.set(field.to_string().as_bytes(), &[b'x'; 1000], limits);
        }
        edit.changed(EVENT, 1);
    }
    let snapshot = keyspace.snapshot();
    Db::new(&mut keyspace, 0, &mut effects, UnixMs(1_750_000_000_000), ExpiryMode::Delete).flush();
    assert!(!keyspace.has_garbage(), "the snapshot needs it");
    assert!(keyspace.dead_bytes() < 100_000);
    let mut slices = 1;
    while keyspace.count_dead(50) {
        slices += 1;
    }
    assert!(slices > 2, "{slices} slices");
    let counted = keyspace.dead_bytes();
    assert!((3_000_000..4_000_000).contains(&counted), "{counted} bytes");
    assert!(!keyspace.count_dead(50), "nothing is counted twice");
    assert_eq!(keyspace.dead_bytes(), counted);
    drop(snapshot);
    assert!(keyspace.has_garbage());
    assert!(keyspace.take_garbage().is_some_and(|garbage| garbage.memory_bytes() == counted));
    assert_eq!(keyspace.dead_bytes(), 0);
}
