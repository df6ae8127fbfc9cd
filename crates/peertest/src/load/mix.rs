//! The commands of the load: every type that exists, deadlines near and far, transactions, several databases. Keys come
//! from small pools, so that they are overwritten, emptied and made anew all the time; a key's prefix tells its type.

use fastrand::Rng;

/// Databases written to.
const DATABASES: &[u32] = &[0, 0, 0, 3, 9];

/// A database that is only filled and flushed.
const DATABASE_FLUSHED: u32 = 5;

/// Keys of each type and database.
const POOL: u32 = 200;

/// Deadlines are either passed soon after the load ends, or far beyond the test: comparing needs no luck then.
const SOON_MS: std::ops::Range<u32> = 20..1500;
const FAR_S: std::ops::Range<u32> = 3600..7200;

/// A command as its words.
pub type Command = Vec<Vec<u8>>;

/// An endless sequence of batches.
pub struct Mix {
    rng: Rng,
    /// Whether fields of hashes are given deadlines.
    field_deadlines: bool,
}

impl Mix {
    /// The same seed gives the same commands.
    pub fn new(seed: u64, field_deadlines: bool) -> Mix {
        Mix { rng: Rng::with_seed(seed), field_deadlines }
    }

    /// The next batch, for one pipeline.
    pub fn batch(&mut self) -> Vec<Command> {
        let rng = &mut self.rng;
        let mut batch = Vec::new();
        if rng.u32(..200) == 0 {
            batch.push(words(&format!("SELECT {DATABASE_FLUSHED}")));
            batch.extend((0..5).map(|_| string(rng)));
            batch.push(words("FLUSHDB"));
            return batch;
        }
        let database = DATABASES[rng.usize(..DATABASES.len())];
        batch.push(words(&format!("SELECT {database}")));
        let transaction = rng.u32(..4) == 0;
        if transaction {
            batch.push(words("MULTI"));
        }
        let field_deadlines = self.field_deadlines;
        batch.extend((0..rng.u32(1..16)).map(|_| {
            let timed = field_deadlines && rng.u32(..5) == 0;
            if timed { timed_hash(rng) } else { command(rng) }
        }));
        if transaction {
            let end = if rng.u32(..10) == 0 { "DISCARD" } else { "EXEC" };
            batch.push(words(end));
        }
        batch
    }
}

fn command(rng: &mut Rng) -> Command {
    match rng.u32(..13) {
        12 => stream(rng),
        0..4 => string(rng),
        4 | 5 => list(rng),
        6 | 7 => hash(rng),
        8 => set(rng),
        9 => sorted_set(rng),
        10 => deadline(rng),
        _ => any_key(rng),
    }
}

fn words(line: &str) -> Command {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// A key of the type that the prefix stands for.
fn key(rng: &mut Rng, prefix: char) -> String {
    format!("{prefix}:{}", rng.u32(..POOL))
}

/// A word that may be a number, text or, now and then, long.
fn value(rng: &mut Rng) -> String {
    match rng.u32(..10) {
        0..4 => rng.i32(-1000..100_000).to_string(),
        9 => "long".repeat(rng.usize(20..200)),
        _ => format!("v{:x}", rng.u64(..)),
    }
}

/// Bytes of every kind behind the words of a line.
fn with_bytes(line: &str, rng: &mut Rng) -> Command {
    let mut command = words(line);
    let length = rng.usize(..100);
    command.push((0..length).map(|_| rng.u8(..)).collect());
    command
}

fn string(rng: &mut Rng) -> Command {
    let k = key(rng, 's');
    let n = key(rng, 'n');
    let v = value(rng);
    let number = rng.i32(-500..500);
    match rng.u32(..14) {
        0 => with_bytes(&format!("SET {k}"), rng),
        1 => words(&format!("SET {k} {v} PX {}", rng.u32(SOON_MS))),
        2 => words(&format!("SET {k} {v} EX {}", rng.u32(FAR_S))),
        3 => words(&format!("SET {k} {v} KEEPTTL")),
        4 => words(&format!("SET {k} {v} XX GET")),
        5 => words(&format!("SETNX {k} {v}")),
        6 => words(&format!("INCRBY {n} {number}")),
        7 => words(&format!("INCRBYFLOAT {n}f {number}.25")),
        8 => words(&format!("APPEND {k} {v}")),
        9 => words(&format!("SETRANGE {k} {} {v}", rng.u32(..64))),
        10 => words(&format!("SETBIT {k} {} {}", rng.u32(..512), rng.u32(..2))),
        11 => words(&format!("MSET {k} {v} {} {v}", key(rng, 's'))),
        12 => words(&format!("GETEX {k} PX {}", rng.u32(SOON_MS))),
        _ => words(&format!("GETDEL {k}")),
    }
}

fn list(rng: &mut Rng) -> Command {
    let k = key(rng, 'l');
    let v = value(rng);
    match rng.u32(..12) {
        0..3 => words(&format!("RPUSH {k} {v} {} {}", value(rng), value(rng))),
        3 => words(&format!("LPUSH {k} {v}")),
        4 => with_bytes(&format!("RPUSHX {k}"), rng),
        5 => words(&format!("LPOP {k} {}", rng.u32(1..4))),
        6 => words(&format!("RPOP {k}")),
        7 => words(&format!("LTRIM {k} 0 {}", rng.u32(100..200))),
        8 => words(&format!("LSET {k} {} {v}", rng.u32(..8))),
        9 => words(&format!("LINSERT {k} BEFORE {} {v}", value(rng))),
        10 => words(&format!("LREM {k} 0 {}", value(rng))),
        _ => words(&format!("LMOVE {k} {} LEFT RIGHT", key(rng, 'l'))),
    }
}

fn hash(rng: &mut Rng) -> Command {
    let k = key(rng, 'h');
    let field = rng.u32(..300);
    match rng.u32(..8) {
        0..4 => words(&format!("HSET {k} f{field} {} g{} {}", value(rng), rng.u32(..50), value(rng))),
        4 => words(&format!("HINCRBY {k} n{field} {}", rng.i32(-9..9))),
        5 => words(&format!("HINCRBYFLOAT {k} d{field} 0.5")),
        6 => words(&format!("HSETNX {k} f{field} {}", value(rng))),
        _ => words(&format!("HDEL {k} f{field} n{field} g1")),
    }
}

/// Deadlines of fields: of the small hashes that `hash` writes, and of a few large ones.
fn timed_hash(rng: &mut Rng) -> Command {
    let k = if rng.u32(..4) == 0 { format!("h:large{}", rng.u32(..3)) } else { key(rng, 'h') };
    let (f, g) = (format!("f{}", rng.u32(..300)), format!("g{}", rng.u32(..2000)));
    let (soon, far, v) = (rng.u32(SOON_MS), rng.u32(FAR_S), value(rng));
    match rng.u32(..20) {
        0 | 1 => words(&format!("HSETEX {k} PX {soon} FIELDS 2 {f} {v} {g} {v}")),
        2 | 3 => words(&format!("HSETEX {k} EX {far} FIELDS 2 {f} {v} {g} {v}")),
        4 => words(&format!("HSETEX {k} KEEPTTL FIELDS 1 {f} {v}")),
        5 => words(&format!("HSETEX {k} FXX EX {far} FIELDS 1 {f} {v}")),
        6 => words(&format!("HSETEX {k} FNX PX {soon} FIELDS 1 {g} {v}")),
        7 | 8 => words(&format!("HPEXPIRE {k} {soon} FIELDS 2 {f} {g}")),
        9 => words(&format!("HEXPIRE {k} {far} FIELDS 2 {f} {g}")),
        10 => words(&format!("HEXPIRE {k} {far} GT FIELDS 1 {f}")),
        11 => words(&format!("HEXPIRE {k} {far} NX FIELDS 2 {f} {g}")),
        // Long past: the fields go at once.
        12 => words(&format!("HPEXPIREAT {k} 1 FIELDS 2 {f} {g}")),
        13 => words(&format!("HPERSIST {k} FIELDS 2 {f} {g}")),
        14 => words(&format!("HGETEX {k} PX {soon} FIELDS 2 {f} {g}")),
        15 => words(&format!("HGETEX {k} PERSIST FIELDS 1 {f}")),
        16 => words(&format!("HGETDEL {k} FIELDS 1 {f}")),
        17 => words(&format!("HPEXPIRE {k} {far}000 FIELDS 2 n{f} d{f}")),
        18 => words(&format!("HINCRBY {k} n{f} {}", rng.i32(-9..9))),
        _ => words(&format!("HINCRBYFLOAT {k} d{f} 0.5")),
    }
}

fn set(rng: &mut Rng) -> Command {
    let k = key(rng, 'e');
    match rng.u32(..10) {
        0..3 => words(&format!("SADD {k} {} {} {}", rng.u32(..999), rng.u32(..999), rng.u32(..999))),
        3 | 4 => words(&format!("SADD {k} {} {}", value(rng), value(rng))),
        5 => words(&format!("SREM {k} {}", rng.u32(..999))),
        6 => words(&format!("SPOP {k}")),
        7 => words(&format!("SPOP {k} {}", rng.u32(1..5))),
        8 => words(&format!("SMOVE {k} {} {}", key(rng, 'e'), rng.u32(..999))),
        _ => words(&format!("SUNIONSTORE {k} {} {}", key(rng, 'e'), key(rng, 'e'))),
    }
}

fn sorted_set(rng: &mut Rng) -> Command {
    let k = key(rng, 'z');
    let score = rng.i32(-1000..1000);
    let member = rng.u32(..300);
    match rng.u32(..9) {
        0..4 => words(&format!("ZADD {k} {score}.5 m{member} {score} {}", value(rng))),
        4 => words(&format!("ZINCRBY {k} 0.1 m{member}")),
        5 => words(&format!("ZREM {k} m{member}")),
        6 => words(&format!("ZPOPMIN {k}")),
        7 => words(&format!("ZREMRANGEBYRANK {k} 150 -1")),
        _ => words(&format!("ZUNIONSTORE {k} 2 {} {} WEIGHTS 1 0.5", key(rng, 'z'), key(rng, 'z'))),
    }
}

/// Half of the streams have small ids, so that entries are claimed, acknowledged and deleted by name too.
fn stream(rng: &mut Rng) -> Command {
    let (k, timed) = (key(rng, 'x'), key(rng, 'y'));
    let consumer = ["ada", "bob", "eve"][rng.usize(..3)];
    let ids = format!("{}-0 {}-1", rng.u32(1..200), rng.u32(1..200));
    match rng.u32(..14) {
        0..3 => words(&format!("XADD {k} {}-* name {} n {}", rng.u32(1..200), value(rng), rng.u32(..9))),
        3 => words(&format!("XADD {timed} * f{} {}", rng.u32(..4), value(rng))),
        4 => words(&format!("XADD {timed} MAXLEN ~ {} * field {}", rng.u32(50..150), value(rng))),
        5 => words(&format!("XGROUP CREATE {k} group 0 MKSTREAM")),
        6 => words(&format!("XTRIM {timed} MAXLEN {}", rng.u32(50..100))),
        7 => words(&format!("XREADGROUP GROUP group {consumer} COUNT {} STREAMS {k} >", rng.u32(1..9))),
        8 => words(&format!("XREADGROUP GROUP group {consumer} NOACK COUNT 2 STREAMS {k} >")),
        9 => words(&format!("XACK {k} group {ids}")),
        10 => words(&format!("XDEL {k} {ids}")),
        11 => words(&format!("XAUTOCLAIM {k} group {consumer} 0 0 COUNT 3")),
        12 => words(&format!("XCLAIM {k} group {consumer} 0 {ids} FORCE JUSTID")),
        _ => words(&format!("XTRIM {k} MINID ~ {}", rng.u32(1..200))),
    }
}

fn deadline(rng: &mut Rng) -> Command {
    let k = typed_key(rng);
    match rng.u32(..6) {
        0 | 1 => words(&format!("PEXPIRE {k} {}", rng.u32(SOON_MS))),
        2 => words(&format!("EXPIRE {k} {}", rng.u32(FAR_S))),
        3 => words(&format!("EXPIRE {k} {} GT", rng.u32(FAR_S))),
        4 => words(&format!("PERSIST {k}")),
        // Long past: the key goes at once.
        _ => words(&format!("PEXPIREAT {k} 1")),
    }
}

fn any_key(rng: &mut Rng) -> Command {
    let prefix = ['s', 'l', 'h', 'e', 'z', 'x', 'y'][rng.usize(..7)];
    let (from, to) = (key(rng, prefix), key(rng, prefix));
    match rng.u32(..6) {
        0 => words(&format!("DEL {from} {to}")),
        1 => words(&format!("UNLINK {from}")),
        2 => words(&format!("RENAME {from} {to}")),
        3 => words(&format!("RENAMENX {from} {to}")),
        4 => words(&format!("COPY {from} {to} REPLACE")),
        _ => words(&format!("MOVE {from} {}", DATABASES[rng.usize(..DATABASES.len())])),
    }
}

fn typed_key(rng: &mut Rng) -> String {
    let prefix = ['s', 's', 'l', 'h', 'e', 'z', 'x', 'y'][rng.usize(..8)];
    key(rng, prefix)
}
