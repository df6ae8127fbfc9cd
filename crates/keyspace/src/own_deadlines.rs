//! Keys to which clients of a writable replica gave a deadline. The master does not know of it and will delete none of
//! them, so that the replica has to. An entry says when to look at a key; the table says what holds then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::UnixMs;

use crate::keyspace::Keyspace;

/// The keys of all databases.
#[derive(Default)]
pub(crate) struct OwnDeadlines {
    databases: Vec<Database>,
    /// Of flushed databases, to be freed in slices.
    dead: Vec<Database>,
    /// Where the next look at keys that are not due begins.
    checked: (usize, Option<Arc<[u8]>>),
}

/// The keys of one database, by name and by when to look at them.
#[derive(Default)]
struct Database {
    by_key: BTreeMap<Arc<[u8]>, UnixMs>,
    by_deadline: BTreeSet<(UnixMs, Arc<[u8]>)>,
}

impl Database {
    fn set(&mut self, key: Arc<[u8]>, deadline: UnixMs) {
        if let Some(before) = self.by_key.insert(Arc::clone(&key), deadline) {
            self.by_deadline.remove(&(before, Arc::clone(&key)));
        }
        self.by_deadline.insert((deadline, key));
    }

    fn remove(&mut self, key: &Arc<[u8]>) {
        if let Some(deadline) = self.by_key.remove(key) {
            self.by_deadline.remove(&(deadline, Arc::clone(key)));
        }
    }
}

impl OwnDeadlines {
    /// A client gave a key a deadline.
    pub fn note(&mut self, db: usize, key: &[u8], deadline: UnixMs) {
        self.database(db).set(key.into(), deadline);
    }

    /// Two databases were swapped.
    pub fn swap(&mut self, a: usize, b: usize) {
        if !self.databases.is_empty() {
            self.database(a.max(b));
            self.databases.swap(a, b);
        }
    }

    /// A database was flushed.
    pub fn flush(&mut self, db: usize) {
        if let Some(database) = self.databases.get_mut(db).filter(|database| !database.by_key.is_empty()) {
            self.dead.push(std::mem::take(database));
        }
    }

    fn flush_all(&mut self) {
        (0..self.databases.len()).for_each(|db| self.flush(db));
    }

    fn len(&self) -> usize {
        self.databases.iter().map(|database| database.by_key.len()).sum()
    }

    fn database(&mut self, db: usize) -> &mut Database {
        if self.databases.len() <= db {
            self.databases.resize_with(db + 1, Database::default);
        }
        &mut self.databases[db]
    }

    /// Frees up to so many entries of flushed databases.
    fn free(&mut self, mut count: usize) {
        while let Some(database) = self.dead.last_mut() {
            while count > 0 && database.by_key.pop_first().is_some() {
                database.by_deadline.pop_first();
                count -= 1;
            }
            if count == 0 {
                return;
            }
            self.dead.pop();
        }
    }

    /// The key whose turn it is to be looked at, in the order of databases and names, round and round.
    fn next_to_check(&mut self) -> Option<(usize, Arc<[u8]>)> {
        let (db, after) = std::mem::take(&mut self.checked);
        let behind = (after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded), std::ops::Bound::Unbounded);
        let here = self.databases.get(db).and_then(|here| here.by_key.range(behind).next()).map(|(key, _)| (db, key));
        let first = |(db, database): (usize, &Database)| Some((db, Arc::clone(database.by_key.first_key_value()?.0)));
        let next = here.map(|(db, key)| (db, Arc::clone(key)));
        let next = next.or_else(|| self.databases.iter().enumerate().skip(db + 1).find_map(first));
        if let Some((db, key)) = &next {
            self.checked = (*db, Some(Arc::clone(key)));
        }
        next
    }
}

impl Keyspace {
    /// Keys to which clients of a writable replica gave a deadline, as far as they are remembered.
    pub fn own_deadlines_len(&self) -> usize {
        self.own_deadlines.len()
    }

    /// A key of a database whose deadline a client of a writable replica set, and which has passed. Each key looked at
    /// costs one of the budget; a key that is given is forgotten.
    pub fn take_own_due(&mut self, db: usize, now: UnixMs, budget: &mut usize) -> Option<Vec<u8>> {
        while *budget > 0 {
            let (at, key) = self.own_deadlines.databases.get(db)?.by_deadline.first()?;
            if *at > now {
                return None;
            }
            let key = Arc::clone(key);
            *budget -= 1;
            let deadline = self.deadline(db, &key);
            let database = self.own_deadlines.database(db);
            match deadline {
                // Whoever gave it another one, it is still a key that only we delete.
                Some(later) if later > now => database.set(key, later),
                Some(_) => {
                    database.remove(&key);
                    return Some(key.to_vec());
                }
                None => database.remove(&key),
            }
        }
        None
    }

    /// Forgets keys that have no deadline any more, among so many that are looked at in turn, and frees what was flushed.
    pub fn check_own_deadlines(&mut self, count: usize) {
        self.own_deadlines.free(count);
        for _ in 0..count.min(self.own_deadlines.len()) {
            let Some((db, key)) = self.own_deadlines.next_to_check() else { return };
            if self.deadline(db, &key).is_none() {
                self.own_deadlines.database(db).remove(&key);
            }
        }
    }

    /// All keys with a deadline are deleted in time again: the server is a master.
    pub fn forget_own_deadlines(&mut self) {
        self.own_deadlines.flush_all();
    }

    fn deadline(&self, db: usize, key: &[u8]) -> Option<UnixMs> {
        let table = self.table(db);
        table.find(table.hash(key), key)?.expire_ms().map(UnixMs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, Effects, ExpiryMode, Settings, Ttl, notify};

    const SET: notify::Event = notify::Event::new(notify::Class::STRING, "set");

    struct Replica {
        keyspace: Keyspace,
        effects: Effects,
    }

    impl Replica {
        fn new() -> Replica {
            Replica { keyspace: Keyspace::new(4, [1, 2], Settings::default()), effects: Effects::default() }
        }

        fn db(&mut self, index: usize, expiry: ExpiryMode) -> Db<'_> {
            Db::new(&mut self.keyspace, index, &mut self.effects, UnixMs(0), expiry)
        }

        fn client_sets(&mut self, db: usize, key: &str, deadline: i64) {
            let ttl = Ttl::At(UnixMs(deadline));
            self.db(db, ExpiryMode::Hide).set_string(key.as_bytes(), b"v", ttl, SET);
        }

        fn due(&mut self, db: usize, now: i64) -> Vec<String> {
            let mut budget = 100;
            let take = || self.keyspace.take_own_due(db, UnixMs(now), &mut budget);
            std::iter::from_fn(take).map(|key| String::from_utf8(key).unwrap()).collect()
        }
    }

    #[test]
    fn what_clients_of_a_replica_set_is_due_in_order_and_what_others_set_is_not() {
        let mut replica = Replica::new();
        replica.client_sets(0, "b", 200);
        replica.client_sets(0, "a", 100);
        replica.client_sets(2, "c", 100);
        for mode in [ExpiryMode::Delete, ExpiryMode::Ignore] {
            replica.db(0, mode).set_string(b"master's", b"v", Ttl::At(UnixMs(50)), SET);
        }
        assert_eq!(replica.keyspace.own_deadlines_len(), 3);
        assert!(replica.due(0, 99).is_empty());
        assert_eq!(replica.due(0, 500), ["a", "b"]);
        assert_eq!(replica.due(2, 500), ["c"]);
        assert_eq!(replica.keyspace.own_deadlines_len(), 0);
    }

    #[test]
    fn the_table_says_when_a_key_is_due_however_it_got_there() {
        let mut replica = Replica::new();
        for key in ["later", "never", "gone", "sooner"] {
            replica.client_sets(0, key, 100);
        }
        let mut master = replica.db(0, ExpiryMode::Ignore);
        master.set_expire_at(b"later", Some(UnixMs(300)));
        master.set_expire_at(b"never", None);
        master.remove(b"gone", SET);
        replica.client_sets(0, "sooner", 20);
        assert_eq!(replica.due(0, 50), ["sooner"]);
        assert!(replica.due(0, 200).is_empty());
        assert_eq!(replica.keyspace.own_deadlines_len(), 1);
        assert_eq!(replica.due(0, 300), ["later"]);
    }

    #[test]
    fn databases_keep_their_keys_when_they_are_swapped_and_lose_them_when_they_are_flushed() {
        let mut replica = Replica::new();
        replica.client_sets(0, "a", 100);
        replica.client_sets(1, "b", 100);
        replica.db(0, ExpiryMode::Hide).swap(0, 3);
        assert!(replica.due(0, 500).is_empty());
        assert_eq!(replica.due(3, 500), ["a"]);
        replica.db(1, ExpiryMode::Ignore).flush();
        assert_eq!(replica.keyspace.own_deadlines_len(), 0);
        assert!(replica.due(1, 500).is_empty());
    }

    #[test]
    fn keys_without_a_deadline_are_forgotten_in_turn_and_the_others_are_not() {
        let mut replica = Replica::new();
        for at in 0..100 {
            replica.client_sets(at % 3, &format!("k{at}"), 1000);
        }
        for at in (0..100).step_by(2) {
            replica.db(at % 3, ExpiryMode::Hide).remove(format!("k{at}").as_bytes(), SET);
        }
        replica.keyspace.check_own_deadlines(10);
        assert!(replica.keyspace.own_deadlines_len() < 100);
        (0..10).for_each(|_| replica.keyspace.check_own_deadlines(10));
        assert_eq!(replica.keyspace.own_deadlines_len(), 50);
        replica.keyspace.forget_own_deadlines();
        (0..10).for_each(|_| replica.keyspace.check_own_deadlines(10));
        assert_eq!((replica.keyspace.own_deadlines_len(), replica.keyspace.own_deadlines.dead.len()), (0, 0));
    }
}
