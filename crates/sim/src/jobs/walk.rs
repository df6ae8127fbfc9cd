//! A walk over a snapshot that can be interrupted between any two blocks, encoding for several receivers at once.
//! `persist::rdb::encode_snapshot_many` is the same in one piece; only its order of calls is repeated here.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use node::{REDIS_VERSION, SaveJob, SnapshotFacts};
use persist::rdb::{Contents, EncodeError, Encoder, EncoderOptions, Header, ReplicationInfo, Sink, Target};

/// Where the bytes of one receiver are picked up between slices.
#[derive(Clone, Default)]
pub(crate) struct Basket(Rc<RefCell<Vec<u8>>>);

impl Basket {
    /// What has come since the last time.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

impl Sink for Basket {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }
}

/// A walk under way.
pub(crate) struct SnapshotWalk {
    job: Option<SaveJob>,
    sizes: Vec<(usize, usize, usize)>,
    encoders: Vec<Encoder<Basket>>,
    baskets: Vec<Basket>,
    selected: Option<usize>,
    failure: Option<String>,
}

impl SnapshotWalk {
    /// A walk that writes each of these versions; None: the one for files.
    pub fn new(job: SaveJob, targets: Option<Vec<Target>>) -> SnapshotWalk {
        let targets = targets.unwrap_or_else(|| vec![Target::for_disk(Contents::of(&job.snapshot), Target::LOWEST)]);
        let baskets: Vec<Basket> = targets.iter().map(|_| Basket::default()).collect();
        let encoder = |(target, basket): (&Target, &Basket)| {
            let facts = &job.facts;
            let options = EncoderOptions {
                target: *target,
                compression: facts.compress,
                checksum: facts.checksum,
                usage: facts.usage,
            };
            Encoder::new(basket.clone(), options)
        };
        let encoders = targets.iter().zip(&baskets).map(encoder).collect();
        let sizes = job.snapshot.databases().collect();
        let mut walk = SnapshotWalk { sizes, encoders, baskets, selected: None, failure: None, job: None };
        let header = header(&job.facts);
        walk.each(|encoder| encoder.begin(&header));
        walk.job = Some(job);
        walk
    }

    /// Walks so many blocks: whether there are more.
    pub fn step(&mut self, blocks: usize) -> bool {
        let Some(mut job) = self.job.take() else { return false };
        for _ in 0..blocks {
            let more = job.snapshot.next_block(|item| {
                if self.selected != Some(item.db) {
                    self.selected = Some(item.db);
                    let size = self.sizes.iter().find(|(db, ..)| *db == item.db).copied();
                    let (_, keys, expires) = size.unwrap_or_default();
                    self.each(|encoder| encoder.select_db(item.db, keys, expires));
                }
                self.each(|encoder| encoder.key(&item));
            });
            if !more {
                self.each(|encoder| encoder.finish().map(drop));
                return false;
            }
        }
        self.job = Some(job);
        true
    }

    /// What has come for a receiver since the last time.
    pub fn take(&self, receiver: usize) -> Vec<u8> {
        self.baskets[receiver].take()
    }

    /// Why the values cannot be written.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// All at once, for the only receiver.
    pub fn finish_into_vec(mut self) -> Result<Vec<u8>, String> {
        while self.step(usize::MAX) {}
        match self.failure.take() {
            Some(reason) => Err(reason),
            None => Ok(self.take(0)),
        }
    }

    fn each(&mut self, mut write: impl FnMut(&mut Encoder<Basket>) -> Result<(), EncodeError<Infallible>>) {
        for encoder in &mut self.encoders {
            if let Err(error) = write(encoder) {
                self.failure.get_or_insert(error.to_string());
            }
        }
    }
}

fn header(facts: &SnapshotFacts) -> Header {
    Header {
        server_version: REDIS_VERSION.to_owned(),
        created_s: facts.taken_at.seconds(),
        used_memory: facts.used_memory,
        replication: facts.history.map(|position| ReplicationInfo {
            stream_db: position.stream_db.unwrap_or(0) as i64,
            id: position.replid,
            offset: position.offset,
        }),
        ..Header::default()
    }
}
