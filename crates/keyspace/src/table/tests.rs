//! Tests of the whole table: a model under several snapshots, a walker on another thread, SCAN, random keys, growth.
//! Every object counts its live instances, so that a leak or a double free is seen.

use super::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// By how much less is done under Miri, which takes a thousand times as long.
const SHORTENED: usize = if cfg!(miri) { 100 } else { 1 };

/// An object that knows how many of its kind are alive.
#[derive(Debug)]
struct Counted {
    number: u64,
    alive: Arc<AtomicI64>,
}

impl Counted {
    fn new(number: u64, alive: &Arc<AtomicI64>) -> Counted {
        alive.fetch_add(1, SeqCst);
        Counted { number, alive: Arc::clone(alive) }
    }
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        Counted::new(self.number, &self.alive)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Model {
    Bytes(Vec<u8>),
    Int(i64),
    Object(u64),
}

type Content = HashMap<Vec<u8>, (Model, Option<i64>)>;

fn model_of(payload: Payload<'_, Counted>) -> Model {
    match payload {
        Payload::Bytes(bytes) => Model::Bytes(bytes.to_vec()),
        Payload::Int(number) => Model::Int(number),
        Payload::Object(object) => Model::Object(object.number),
    }
}

impl Value for Counted {}

impl Value for u64 {}

fn content_of(table: &Table<Counted>) -> Content {
    let mut content = Content::new();
    let visit = |entry: EntryRef<'_, Counted>| {
        let before = content.insert(entry.key().to_vec(), (model_of(entry.payload()), entry.expire_ms()));
        assert!(before.is_none(), "a key twice in the table");
    };
    assert_eq!(table.scan(0, usize::MAX, visit), 0);
    content
}

/// A key of a length that varies, some above 255 bytes.
fn key(number: u64) -> Vec<u8> {
    let mut key = format!("key:{number}").into_bytes();
    if number.is_multiple_of(97) {
        key.resize(300, b'.');
    }
    key
}

struct World {
    reclaim: Reclaim<Counted>,
    tables: Vec<Table<Counted>>,
    content: Vec<Content>,
    snapshots: Vec<(TableSnapshots<Counted>, Vec<Content>, Vec<Content>)>,
    alive: Arc<AtomicI64>,
    rng: fastrand::Rng,
}

impl World {
    fn new(seed: u64) -> World {
        let reclaim = Reclaim::new();
        let tables = (0..3).map(|_| Table::new([seed, 2], &reclaim)).collect();
        World {
            reclaim,
            tables,
            content: vec![Content::new(); 3],
            snapshots: Vec::new(),
            alive: Arc::new(AtomicI64::new(0)),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn random_model(&mut self) -> Model {
        match self.rng.u8(..4) {
            0 => Model::Int(self.rng.i64(..)),
            1 => Model::Object(self.rng.u64(..)),
            2 if self.rng.u8(..) == 0 => Model::Bytes(vec![self.rng.u8(..); 66_000]),
            _ => Model::Bytes(vec![self.rng.u8(..); self.rng.usize(..200)]),
        }
    }

    fn new_value<'a>(&self, model: &'a Model) -> NewValue<'a, Counted> {
        match model {
            Model::Bytes(bytes) => NewValue::Bytes(bytes),
            Model::Int(number) => NewValue::Int(*number),
            Model::Object(number) => NewValue::Object(Counted::new(*number, &self.alive)),
        }
    }

    fn random_expire(&mut self) -> Option<i64> {
        self.rng.bool().then(|| self.rng.i64(0..100_000))
    }

    fn upsert(&mut self, db: usize, key: &[u8]) {
        let (model, expire) = (self.random_model(), self.random_expire());
        let value = self.new_value(&model);
        let table = &mut self.tables[db];
        let hash = table.hash(key);
        let is_new = table.upsert(&mut self.reclaim, hash, key, value, expire, 1);
        let before = self.content[db].insert(key.to_vec(), (model, expire));
        assert_eq!(is_new, before.is_none());
    }

    fn remove(&mut self, db: usize, key: &[u8]) {
        let table = &mut self.tables[db];
        let hash = table.hash(key);
        assert_eq!(table.remove(&mut self.reclaim, hash, key), self.content[db].remove(key).is_some());
    }

    /// MOVE: takes from one table and puts into the next.
    fn relocate(&mut self, db: usize, key: &[u8]) {
        let hash = self.tables[db].hash(key);
        let taken = self.tables[db].take(&mut self.reclaim, hash, key);
        let before = self.content[db].remove(key);
        assert_eq!(taken.is_some(), before.is_some());
        let (Some(taken), Some(before)) = (taken, before) else { return };
        assert_eq!(taken.expire_ms, before.1);
        let value = match &taken.value {
            OwnedValue::Bytes(bytes) => NewValue::Bytes(bytes),
            OwnedValue::Int(number) => NewValue::Int(*number),
            OwnedValue::Object(object) => NewValue::Object(object.clone()),
        };
        let other = (db + 1) % self.tables.len();
        let hash = self.tables[other].hash(key);
        self.tables[other].upsert(&mut self.reclaim, hash, key, value, taken.expire_ms, taken.lru);
        self.content[other].insert(key.to_vec(), before);
    }

    fn edit(&mut self, db: usize, key: &[u8]) {
        let kind = self.rng.u8(..5);
        let (model, expire) = (self.random_model(), self.random_expire());
        let (len, byte, number) = (self.rng.usize(..300), self.rng.u8(..), self.rng.u64(..));
        let value = self.new_value(&model);
        let table = &mut self.tables[db];
        let hash = table.hash(key);
        let Some(mut entry) = table.edit(&mut self.reclaim, hash, key) else {
            assert!(!self.content[db].contains_key(key));
            return;
        };
        let expected = self.content[db].get_mut(key).expect("as in the table");
        match (kind, &mut expected.0) {
            (0, _) => {
                entry.set_expire(expire);
                expected.1 = expire;
            }
            (1, _) => {
                entry.set_value(value);
                expected.0 = model;
            }
            (2, Model::Bytes(bytes)) => {
                entry.resize_bytes(len).expect("bytes");
                bytes.resize(len, 0);
            }
            (_, Model::Bytes(bytes)) => {
                entry.bytes_mut().expect("bytes").fill(byte);
                bytes.fill(byte);
            }
            (_, Model::Object(object)) => {
                entry.object_mut().expect("object").number = number;
                *object = number;
            }
            (_, Model::Int(_)) => entry.as_ref().set_lru(9),
        }
    }

    /// Reads, changes and removes through one guard, which must know its place all the time.
    fn edit_found(&mut self, db: usize, key: &[u8]) {
        let (kind, number) = (self.rng.u8(..4), self.rng.u64(..));
        let table = &mut self.tables[db];
        let hash = table.hash(key);
        let Ok(mut found) = table.find_mut(hash, key) else {
            assert!(!self.content[db].contains_key(key));
            return;
        };
        let expected = self.content[db].get_mut(key).expect("as in the table");
        assert_eq!((model_of(found.as_ref().payload()), found.as_ref().expire_ms()), *expected);
        for step in 0..3 {
            let Some(object) = found.object_mut(&mut self.reclaim) else { break };
            object.number = number ^ step;
            expected.0 = Model::Object(number ^ step);
            assert_eq!(model_of(found.as_ref().payload()), expected.0);
        }
        match kind {
            0 => {
                found.set_int(&mut self.reclaim, number as i64);
                expected.0 = Model::Int(number as i64);
            }
            1 => {
                found.remove(&mut self.reclaim);
                self.content[db].remove(key);
            }
            _ => {}
        }
    }

    fn snapshot(&mut self) {
        let tables: Vec<&Table<Counted>> = self.tables.iter().collect();
        let snapshot = self.reclaim.snapshot(&tables);
        for (db, table) in tables.iter().enumerate() {
            assert_eq!((snapshot.len(db), snapshot.expires_len(db)), (table.len(), table.expires_len()));
        }
        let seen = vec![Content::new(); self.tables.len()];
        self.snapshots.push((snapshot, self.content.clone(), seen));
    }

    fn walk(&mut self, at: usize, blocks: usize) {
        let (snapshot, expected, seen) = &mut self.snapshots[at];
        for _ in 0..blocks {
            let goes_on = snapshot.next_block(|db, entry| {
                let found = (model_of(entry.payload()), entry.expire_ms());
                let expected = expected[db].get(entry.key());
                assert_eq!(expected, Some(&found), "of {:?}", entry.key());
                assert!(seen[db].insert(entry.key().to_vec(), found).is_none(), "twice in a snapshot");
            });
            if !goes_on {
                assert_eq!(seen, expected, "a snapshot is exactly the state at its time");
                self.snapshots.swap_remove(at);
                return;
            }
        }
    }

    fn flush(&mut self, db: usize) {
        let empty = Table::new([self.rng.u64(..), 2], &self.reclaim);
        let old = std::mem::replace(&mut self.tables[db], empty);
        self.content[db].clear();
        match self.rng.u8(..3) {
            0 => drop(old),
            _ => old.retire(&mut self.reclaim),
        }
        if self.rng.bool() {
            self.reclaim.count_dead(self.rng.usize(..100));
            drop(self.reclaim.take_garbage());
        }
    }

    fn check(&self) {
        for (table, content) in self.tables.iter().zip(&self.content) {
            assert_eq!(table.len(), content.len());
            assert_eq!(table.expires_len(), content.values().filter(|value| value.1.is_some()).count());
            assert_eq!(table.next_deadline_ms(), content.values().filter_map(|value| value.1).min());
            assert_eq!(&content_of(table), content);
            let mut entries = 0;
            table.scan(0, usize::MAX, |entry| entries += entry.entry_bytes());
            assert_eq!(table.memory().entries, entries);
        }
    }

    fn step(&mut self, keys: u64, removing: bool) {
        let db = self.rng.usize(..3);
        let name = key(self.rng.u64(..keys));
        match self.rng.u32(..1000) {
            0..3 if self.snapshots.len() < 4 => self.snapshot(),
            3..150 if !self.snapshots.is_empty() => {
                let at = self.rng.usize(..self.snapshots.len());
                let blocks = self.rng.usize(..4);
                self.walk(at, blocks);
            }
            150 if !self.snapshots.is_empty() => {
                let at = self.rng.usize(..self.snapshots.len());
                self.snapshots.swap_remove(at);
            }
            151 => {
                self.tables.swap(0, 1);
                self.content.swap(0, 1);
            }
            152 if self.rng.u8(..8) == 0 => self.flush(db),
            153..160 => drop(self.reclaim.sweep(50)),
            160..300 => self.edit(db, &name),
            300..400 => self.edit_found(db, &name),
            400..440 => self.relocate(db, &name),
            440..700 if removing => self.remove(db, &name),
            440..550 => self.remove(db, &name),
            _ if removing => self.remove(db, &name),
            _ => self.upsert(db, &name),
        }
    }
}

fn run_model(seed: u64, keys: u64, steps: usize) {
    let mut world = World::new(seed);
    for round in 0..6 {
        for _ in 0..steps / SHORTENED {
            world.step(keys, round % 3 == 2);
        }
        world.check();
    }
    while !world.snapshots.is_empty() {
        world.walk(0, usize::MAX);
    }
    let World { mut reclaim, tables, alive, .. } = world;
    while reclaim.sweep(1000) {}
    reclaim.sweep(1000);
    assert_eq!(reclaim.retired_bytes(), 0, "nothing is kept when no snapshot lives");
    drop(tables);
    assert_eq!(alive.load(SeqCst), 0, "every object was dropped exactly once");
}

#[test]
fn snapshots_yield_the_state_at_their_time_whatever_happens_meanwhile() {
    for seed in 0..12 {
        run_model(seed, 400, 2_000);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn snapshots_stay_exact_while_large_tables_grow_and_shrink() {
    for seed in 100..103 {
        run_model(seed, 30_000, 60_000);
    }
}

#[test]
fn everything_is_freed_when_the_keyspace_goes_before_its_snapshots() {
    for seed in 200..210 {
        let mut world = World::new(seed);
        for _ in 0..3_000 / SHORTENED {
            world.step(500, false);
        }
        world.snapshot();
        for _ in 0..500 / SHORTENED {
            world.step(500, true);
        }
        world.snapshot();
        let World { reclaim, tables, alive, mut snapshots, mut rng, .. } = world;
        if rng.bool() {
            drop(reclaim);
            drop(tables);
        } else {
            drop(tables);
            drop(reclaim);
        }
        for (mut snapshot, expected, mut seen) in snapshots.drain(..) {
            snapshot.walk(|db, entry| {
                seen[db].insert(entry.key().to_vec(), (model_of(entry.payload()), entry.expire_ms()));
            });
            assert_eq!(seen, expected);
        }
        assert_eq!(alive.load(SeqCst), 0);
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_walker_on_another_thread_sees_its_moment_while_the_executor_writes() {
    let mut world = World::new(42);
    let keys = 20_000 / SHORTENED as u64;
    for number in 0..keys {
        world.upsert(number as usize % 3, &key(number));
    }
    for _ in 0..6 {
        let tables: Vec<&Table<Counted>> = world.tables.iter().collect();
        let mut walkers = Vec::new();
        for slow in [false, true] {
            let mut snapshot = world.reclaim.snapshot(&tables);
            let expected = world.content.clone();
            walkers.push(std::thread::spawn(move || {
                let mut seen = vec![Content::new(); 3];
                while snapshot.next_block(|db, entry| {
                    seen[db].insert(entry.key().to_vec(), (model_of(entry.payload()), entry.expire_ms()));
                }) {
                    if slow {
                        std::thread::yield_now();
                    }
                }
                assert!(seen == expected, "a snapshot is exactly the state at its time");
            }));
        }
        let mut steps = 0;
        while steps < 20_000 / SHORTENED || walkers.iter().any(|walker| !walker.is_finished()) {
            let (db, name) = (world.rng.usize(..3), key(world.rng.u64(..keys)));
            match world.rng.u8(..10) {
                0..2 => world.remove(db, &name),
                2..4 => world.edit(db, &name),
                4 => world.relocate(db, &name),
                _ => world.upsert(db, &name),
            }
            if steps == 10_000 / SHORTENED {
                world.flush(1);
            }
            steps += 1;
        }
        walkers.into_iter().for_each(|walker| walker.join().expect("the walker's checks hold"));
        world.check();
    }
    let World { mut reclaim, tables, alive, .. } = world;
    while reclaim.sweep(1000) {}
    drop((reclaim, tables));
    assert_eq!(alive.load(SeqCst), 0);
}

fn filled(numbers: std::ops::Range<u64>) -> (Reclaim<u64>, Table<u64>) {
    let mut reclaim = Reclaim::new();
    let mut table = Table::new([3, 4], &reclaim);
    for number in numbers {
        let hash = table.hash(&key(number));
        table.upsert(&mut reclaim, hash, &key(number), NewValue::Int(number as i64), None, 0);
    }
    (reclaim, table)
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn scan_returns_every_element_present_throughout_while_the_table_grows_and_shrinks() {
    for grows in [true, false] {
        let (mut reclaim, mut table) = filled(0..20_000);
        let mut rng = fastrand::Rng::with_seed(5);
        let mut seen = HashSet::new();
        let (mut cursor, mut calls) = (0, 0);
        loop {
            cursor = table.scan(cursor, 10, |entry| {
                seen.insert(entry.key().to_vec());
            });
            calls += 1;
            if cursor == 0 {
                break;
            }
            for _ in 0..200 {
                // Keys below 1000 stay throughout.
                let number = if grows { rng.u64(20_000..90_000) } else { rng.u64(1000..20_000) };
                let hash = table.hash(&key(number));
                if grows {
                    table.upsert(&mut reclaim, hash, &key(number), NewValue::Int(1), None, 0);
                } else {
                    table.remove(&mut reclaim, hash, &key(number));
                }
            }
        }
        assert!(calls > 20);
        assert!((0..1000).all(|number| seen.contains(&key(number))));
    }
}

#[test]
fn a_scan_cursor_out_of_range_ends_the_scan() {
    let (_reclaim, table) = filled(0..1000);
    assert_eq!(table.scan(u64::MAX, 10, |_| panic!("nothing to visit")), 0);
    assert_eq!(table.scan(1 << 48, 10, |_| panic!("nothing to visit")), 0);
    table.scan((1 << 48) - 1, 10, |_| {});
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn an_emptied_table_gives_its_nodes_back() {
    let (mut reclaim, mut table) = filled(0..100_000);
    let full = table.memory();
    assert!(full.nodes < 100_000 * 16, "{full:?}");
    for number in 0..100_000 {
        let hash = table.hash(&key(number));
        assert!(table.remove(&mut reclaim, hash, &key(number)));
    }
    let empty = table.memory();
    assert_eq!((table.len(), empty.entries), (0, 0));
    assert!(empty.nodes < 300, "{empty:?}");
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn random_keys_come_about_equally_often() {
    let (_reclaim, table) = filled(0..500);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..500_000 {
        let entry = table.random(&mut rng).expect("not empty");
        *counts.entry(entry.key().to_vec()).or_default() += 1;
    }
    assert_eq!(counts.len(), 500);
    assert!(counts.values().all(|count| (700..1400).contains(count)), "{:?}", counts.values());
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_random_key_is_found_in_a_sparse_table() {
    let (mut reclaim, mut table) = filled(0..50_000);
    let mut rng = fastrand::Rng::with_seed(1);
    assert!(table.random_volatile(&mut rng).is_none());
    for number in 1..50_000 {
        let hash = table.hash(&key(number));
        table.remove(&mut reclaim, hash, &key(number));
        if number > 49_900 {
            assert!(table.random(&mut rng).is_some());
        }
    }
    assert_eq!(table.random(&mut rng).expect("one is left").key(), key(0));
}

#[test]
fn deadlines_come_due_in_order() {
    let mut reclaim = Reclaim::new();
    let mut table: Table<u64> = Table::new([3, 4], &reclaim);
    for number in 0..1000u64 {
        let hash = table.hash(&key(number));
        table.upsert(&mut reclaim, hash, &key(number), NewValue::Int(0), Some(1000 - number as i64), 0);
    }
    assert!(table.next_due(0).is_none());
    for deadline in 1..=1000 {
        let due = table.next_due(1000).expect("not all are gone");
        assert_eq!((due.expire_ms(), due.key()), (Some(deadline), &key(1000 - deadline as u64)[..]));
        let name = due.key().to_vec();
        assert!(table.remove(&mut reclaim, table.hash(&name), &name));
    }
    assert_eq!(table.next_deadline_ms(), None);
}

#[test]
fn keys_of_one_hash_make_a_long_block_not_a_deep_table() {
    let mut reclaim = Reclaim::new();
    let mut table: Table<u64> = Table::new([3, 4], &reclaim);
    let hash = table.hash(b"flood");
    for number in 0..2000u64 {
        assert!(table.upsert(&mut reclaim, hash, &key(number), NewValue::Int(number as i64), None, 0));
    }
    assert!(table.memory().nodes < 200_000, "{:?}", table.memory());
    for number in 0..2000u64 {
        let _ = table.find(hash, &key(number));
    }
}

#[test]
#[should_panic = "another Reclaim"]
fn a_write_with_the_wrong_reclaim_is_refused() {
    let (_reclaim, mut table) = filled(0..10);
    let hash = table.hash(b"a");
    table.remove(&mut Reclaim::new(), hash, b"a");
}

#[test]
fn tables_and_snapshots_may_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<Table<u64>>();
    is_send::<Reclaim<u64>>();
    is_send::<TableSnapshots<u64>>();
    is_send::<Garbage<u64>>();
}

/// An object that takes long to drop.
#[derive(Clone)]
struct Slow(#[expect(dead_code, reason = "held")] Arc<()>);

impl Value for Slow {
    fn is_costly(&self) -> bool {
        true
    }
}

#[test]
fn a_costly_object_leaves_its_entry_and_is_handed_out_to_be_dropped() {
    let mut reclaim = Reclaim::new();
    let mut table = Table::new([1, 2], &reclaim);
    let object = Arc::new(());
    let put = |table: &mut Table<Slow>, reclaim: &mut Reclaim<Slow>| {
        let hash = table.hash(b"key");
        table.upsert(reclaim, hash, b"key", NewValue::Object(Slow(Arc::clone(&object))), None, 0);
        hash
    };
    let hash = put(&mut table, &mut reclaim);
    table.remove(&mut reclaim, hash, b"key");
    assert_eq!(Arc::strong_count(&object), 2, "removed");
    assert_eq!(reclaim.take_costly().objects.len(), 1);
    put(&mut table, &mut reclaim);
    table.upsert(&mut reclaim, hash, b"key", NewValue::Int(1), None, 0);
    assert_eq!(reclaim.take_costly().objects.len(), 1, "overwritten");
    put(&mut table, &mut reclaim);
    let snapshot = reclaim.snapshot(&[&table]);
    table.remove(&mut reclaim, hash, b"key");
    assert_eq!(reclaim.take_costly().objects.len(), 0, "the snapshot needs it");
    drop(snapshot);
    while reclaim.sweep(100) {}
    assert_eq!(reclaim.take_costly().objects.len(), 1, "swept");
    assert_eq!(Arc::strong_count(&object), 1);
}

/// An object that is dropped in two pieces.
#[derive(Clone)]
struct Halves(#[expect(dead_code, reason = "held")] Arc<()>);

impl Value for Halves {
    fn is_costly(&self) -> bool {
        true
    }

    fn drop_in_pieces(self, between: &mut impl FnMut()) {
        between();
        drop(self);
        between();
    }
}

#[test]
fn a_table_is_dropped_in_pieces_unless_a_snapshot_needs_it() {
    const COUNT: u32 = 2000;
    let object = Arc::new(());
    for (is_flushed, is_needed) in [(true, false), (false, false), (false, true)] {
        let mut reclaim = Reclaim::new();
        let mut table = Table::new([1, 2], &reclaim);
        for number in 0..COUNT {
            let key = number.to_le_bytes();
            let value = if number % 2 == 0 { NewValue::Object(Halves(Arc::clone(&object))) } else { NewValue::Int(1) };
            table.upsert(&mut reclaim, table.hash(&key), &key, value, None, 0);
        }
        let mut calls = 0;
        let snapshot = is_needed.then(|| reclaim.snapshot(&[&table]));
        if is_flushed {
            table.retire(&mut reclaim);
            reclaim.take_garbage().expect("nobody needs it").drop_in_pieces(&mut || calls += 1);
        } else {
            table.drop_in_pieces(&mut || calls += 1);
        }
        if is_needed {
            assert_eq!((calls, Arc::strong_count(&object)), (0, 1 + COUNT as usize / 2));
            drop(snapshot);
            reclaim.take_garbage().expect("nobody needs it any more").drop_in_pieces(&mut || calls += 1);
        }
        assert_eq!(Arc::strong_count(&object), 1);
        assert!((COUNT + 2..COUNT + 10).contains(&calls), "{calls}");
    }
}
