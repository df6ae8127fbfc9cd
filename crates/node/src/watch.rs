//! WATCH: which connections watch which keys, and whether the keys were there when they began.

use std::collections::HashMap;

use keyspace::Keyspace;

use crate::client::ConnId;
use crate::clients::Clients;

/// Who watches what.
#[derive(Default)]
pub struct Watches {
    keys: HashMap<(usize, Vec<u8>), Vec<Watcher>>,
}

/// A connection that watches a key. While its transaction is not broken, the key is there exactly if it was
/// there at WATCH, for any change would have broken it.
struct Watcher {
    conn: ConnId,
    existed: bool,
}

impl Watches {
    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds a watcher: false if it watches the key already.
    pub fn add(&mut self, conn: ConnId, db: usize, key: &[u8], existed: bool) -> bool {
        let watchers = self.keys.entry((db, key.to_vec())).or_default();
        let fresh = watchers.iter().all(|watcher| watcher.conn != conn);
        if fresh {
            watchers.push(Watcher { conn, existed });
        }
        fresh
    }

    /// Takes a watcher off these keys.
    pub fn forget(&mut self, conn: ConnId, watching: &[(usize, Vec<u8>)]) {
        for key in watching {
            if let Some(watchers) = self.keys.get_mut(key) {
                watchers.retain(|watcher| watcher.conn != conn);
                if watchers.is_empty() {
                    self.keys.remove(key);
                }
            }
        }
    }

    /// Whether this connection watches a key that was there and is now past its time.
    pub fn any_expired(
        &self,
        conn: ConnId,
        watching: &[(usize, Vec<u8>)],
        gone: impl Fn(usize, &[u8]) -> bool,
    ) -> bool {
        watching.iter().any(|key| {
            let watchers = self.keys.get(key).map_or(&[][..], Vec::as_slice);
            watchers.iter().any(|watcher| watcher.conn == conn && watcher.existed) && gone(key.0, &key.1)
        })
    }

    /// A key changed: the transactions of its watchers will fail. Not of those for whom it was gone before and is
    /// gone after: an expired key that is only now deleted.
    pub fn touch(&self, db: usize, key: &[u8], keyspace: &Keyspace, clients: &mut Clients) {
        if self.keys.is_empty() {
            return;
        }
        let Some(watchers) = self.keys.get(&(db, key.to_vec())) else { return };
        let exists = keyspace.contains(db, key);
        break_all(watchers, clients, |watcher| watcher.existed || exists);
    }

    /// A database was emptied, or has other contents now: the keys that were or are there count as changed.
    pub fn touch_database(&self, db: usize, keyspace: &Keyspace, clients: &mut Clients) {
        for ((watched_db, key), watchers) in &self.keys {
            if *watched_db == db {
                let exists = keyspace.contains(db, key);
                break_all(watchers, clients, |watcher| watcher.existed || exists);
            }
        }
    }
}

fn break_all(watchers: &[Watcher], clients: &mut Clients, changed: impl Fn(&Watcher) -> bool) {
    for watcher in watchers.iter().filter(|watcher| changed(watcher)) {
        if let Some(client) = clients.get_mut(watcher.conn) {
            client.watch_broken = true;
        }
    }
}
