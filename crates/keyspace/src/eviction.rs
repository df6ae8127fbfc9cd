//! Which key goes when memory is short. A few random keys of each database are looked at, and the best of all that were
//! ever seen wait in a small pool, so that many small looks come close to the one that would be right. What a choice costs
//! does not depend on how many keys there are.

use crate::keyspace::Keyspace;
use crate::table::EntryRef;
use crate::value::Object;

/// How many keys wait in the pool.
const POOL_MAX: usize = 16;

/// What a policy chooses by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// By use, as the keyspace's clock keeps it: last use or frequency.
    Use,
    /// By chance.
    Random,
    /// The nearest deadline first.
    Deadline,
}

/// Among which keys, and how, a policy chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Only among keys with a deadline.
    pub volatile: bool,
    /// By what.
    pub order: Order,
    /// `maxmemory-samples`: how many keys of each database are looked at.
    pub samples: usize,
}

/// A key that may go next.
struct Candidate {
    score: u64,
    db: usize,
    key: Vec<u8>,
    /// Its word when it was seen: another one tells that it was used since.
    word: u32,
}

/// Chooses keys for eviction, one at a time.
#[derive(Default)]
pub struct Evictor {
    /// The best last.
    pool: Vec<Candidate>,
    /// Where a choice by chance begins.
    next_db: usize,
}

impl Evictor {
    /// Forgets what was seen: the policy has changed.
    pub fn clear(&mut self) {
        self.pool.clear();
    }

    /// The database and name of the key that goes next; None if there is none that may go.
    pub fn choose(&mut self, keyspace: &Keyspace, rule: Rule, rng: &mut fastrand::Rng) -> Option<(usize, Vec<u8>)> {
        match rule.order {
            Order::Use => self.least_used(keyspace, rule, rng),
            Order::Random => self.any(keyspace, rule, rng),
            Order::Deadline => nearest(keyspace),
        }
    }

    fn least_used(&mut self, keyspace: &Keyspace, rule: Rule, rng: &mut fastrand::Rng) -> Option<(usize, Vec<u8>)> {
        for (db, table) in keyspace.tables.iter().enumerate() {
            let visit = |entry: EntryRef<'_, Object>| self.offer(keyspace, db, entry);
            if rule.volatile {
                table.sample_volatile(rule.samples, rng, visit);
            } else {
                table.sample(rule.samples, rng, visit);
            }
        }
        while let Some(candidate) = self.pool.pop() {
            let table = &keyspace.tables[candidate.db];
            let found = table.find(table.hash(&candidate.key), &candidate.key);
            let still_fits = |entry: EntryRef<'_, Object>| {
                entry.lru() == candidate.word && (!rule.volatile || entry.expire_ms().is_some())
            };
            if found.is_some_and(still_fits) {
                return Some((candidate.db, candidate.key));
            }
        }
        // All that was offered now was worse than what has just turned out not to fit.
        let (db, key) = self.any(keyspace, rule, rng)?;
        Some((db, key))
    }

    /// Takes a key into the pool if it is better than the worst there, or there is room.
    fn offer(&mut self, keyspace: &Keyspace, db: usize, entry: EntryRef<'_, Object>) {
        let word = entry.lru();
        let score = keyspace.clock.score(word);
        let full = self.pool.len() >= POOL_MAX;
        if full && score <= self.pool[0].score {
            return;
        }
        let known = |seen: &Candidate| seen.word == word && seen.db == db && seen.key == entry.key();
        if self.pool.iter().any(known) {
            return;
        }
        let mut key = if full { self.pool.remove(0).key } else { Vec::new() };
        key.clear();
        key.extend_from_slice(entry.key());
        let place = self.pool.partition_point(|seen| seen.score < score);
        self.pool.insert(place, Candidate { score, db, key, word });
    }

    /// A random key of the next database that has one.
    fn any(&mut self, keyspace: &Keyspace, rule: Rule, rng: &mut fastrand::Rng) -> Option<(usize, Vec<u8>)> {
        let count = keyspace.count();
        for step in 0..count {
            let db = (self.next_db + step) % count;
            let table = &keyspace.tables[db];
            let found = if rule.volatile { table.random_volatile(rng) } else { table.random(rng) };
            if let Some(entry) = found {
                self.next_db = (db + 1) % count;
                return Some((db, entry.key().to_vec()));
            }
        }
        None
    }
}

/// The key with the nearest deadline: the index of deadlines knows it.
fn nearest(keyspace: &Keyspace) -> Option<(usize, Vec<u8>)> {
    let deadline = |(_, table): &(usize, &crate::table::Table<Object>)| table.next_deadline_ms().unwrap_or(i64::MAX);
    let (db, table) = keyspace.tables.iter().enumerate().min_by_key(deadline)?;
    Some((db, table.next_due(i64::MAX)?.key().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Tracking, UsageClock, Value};
    use base::UnixMs;

    const NOW: UnixMs = UnixMs(1_750_000_000_000);

    /// Keys `k0`… of database 0, each used a second after the one before; the odd ones have a deadline, later ones first.
    fn keyspace(keys: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(3, [1, 2], Settings::default());
        keyspace.clock = UsageClock::new(Tracking::LastUse, NOW);
        for at in 0..keys {
            let word = keyspace.clock.word_of(Some((keys - at) as u64), None);
            let deadline = (at % 2 == 1).then(|| UnixMs(NOW.0 + 1_000_000 - at as i64));
            keyspace.load(0, format!("k{at}").as_bytes(), Value::Int(1), deadline, word);
        }
        keyspace
    }

    fn evict(keyspace: &mut Keyspace, rule: Rule, count: usize) -> Vec<usize> {
        let (mut evictor, mut rng) = (Evictor::default(), fastrand::Rng::with_seed(3));
        let mut gone = Vec::new();
        for _ in 0..count {
            let Some((db, key)) = evictor.choose(keyspace, rule, &mut rng) else { break };
            let hash = keyspace.table(db).hash(&key);
            assert!(keyspace.remove(db, hash, &key));
            gone.push(String::from_utf8_lossy(&key[1..]).parse().unwrap());
        }
        gone
    }

    #[test]
    fn old_keys_go_and_young_ones_stay() {
        for volatile in [false, true] {
            let mut keyspace = keyspace(10_000);
            let rule = Rule { volatile, order: Order::Use, samples: 5 };
            let gone = evict(&mut keyspace, rule, 2000);
            // Without choice half of these would be of the younger half.
            let oldest = if volatile { 4000 } else { 2000 };
            let right = gone.iter().filter(|at| **at < oldest).count();
            let young = gone.iter().filter(|at| **at >= 5000 + oldest / 2).count();
            assert!(right > 1200 && young < 20, "{volatile}: {right} right, {young} young");
            assert!(!volatile || gone.iter().all(|at| at % 2 == 1));
        }
    }

    #[test]
    fn the_nearest_deadline_goes_first_exactly() {
        let mut keyspace = keyspace(100);
        let gone = evict(&mut keyspace, Rule { volatile: true, order: Order::Deadline, samples: 5 }, 200);
        assert_eq!(gone, (0..100).rev().filter(|at| at % 2 == 1).collect::<Vec<_>>());
    }

    #[test]
    fn chance_takes_all_that_may_go_in_all_databases() {
        let mut keyspace = keyspace(50);
        keyspace.load(2, b"k100", Value::Int(1), None, 0);
        let gone = evict(&mut keyspace, Rule { volatile: true, order: Order::Random, samples: 5 }, 100);
        assert_eq!(gone.len(), 25);
        let gone = evict(&mut keyspace, Rule { volatile: false, order: Order::Random, samples: 5 }, 100);
        assert_eq!((gone.len(), gone[..2].contains(&100)), (26, true));
    }

    #[test]
    fn a_key_that_was_used_after_it_was_seen_stays() {
        let mut keyspace = keyspace(12);
        let rule = Rule { volatile: false, order: Order::Use, samples: 12 };
        let (mut evictor, mut rng) = (Evictor::default(), fastrand::Rng::with_seed(3));
        assert_eq!(evictor.choose(&keyspace, rule, &mut rng), Some((0, b"k0".to_vec())));
        for name in [b"k1", b"k2"] {
            let table = keyspace.table(0);
            table.find(table.hash(name), name).unwrap().set_lru(keyspace.clock.new_word());
        }
        let hash = keyspace.table(0).hash(b"k0");
        keyspace.remove(0, hash, b"k0");
        assert_eq!(evictor.choose(&keyspace, rule, &mut rng), Some((0, b"k3".to_vec())));
    }
}
