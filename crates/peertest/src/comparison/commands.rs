//! Every data command, with the arguments it can have, in the notation of `template.rs`; the number is its weight.
//!
//! What a line may not do: be random in what it stores, or let a key expire while commands are on their way. So streams
//! get explicit ids, what was drawn at random is deleted, and deadlines are far away or passed. Nor may it ask for what is
//! undefined (ranges by name over members of different scores) or differs on purpose (docs/compatibility.md). Nor lower
//! `stream-node-max-bytes` while there are streams: XADD of the peers then damages their memory (valkey-io/valkey#4705).

use super::template;
use super::wire::Command;
use super::words::Words;

type Line = (u32, &'static str);

const STRINGS: &[Line] = &[
    (8, "SET {t} {v}"),
    (5, "SET {n} {num}"),
    (3, "! SET {t} {v} [(NX|XX)] [GET] [(EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|KEEPTTL)]"),
    (
        1,
        "! SET {t} {v} (NX XX|EX 0|PX -5|EX x|EX 9223372036854775807|PX 9223372036854775807|EX {ttl} KEEPTTL|NX GET|nope)",
    ),
    (1, "! SET {t} {v} (EXAT 1|PXAT {past}) ; GET {=}"),
    (2, "(SETNX {t} {v}|GETSET {t} {v}|GETDEL {t})"),
    (1, "! (SETEX {t} {ttl} {v}|PSETEX {t} {pttl} {v}|SETEX {t} 0 {v}|PSETEX {t} -1 {v}|SETEX {t} x {v})"),
    (2, "! GETEX {t} [(EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|PERSIST|EX 0|EX x|PERSIST EX {ttl})]"),
    (8, "GET {t}"),
    (3, "GET {n}"),
    (3, "(MGET {t+}|MGET {any+}|MSET {tv+}|MSETNX {tv+}|MSET {t})"),
    (4, "(STRLEN {t}|APPEND {t} {v}|APPEND {n} {num}|STRLEN {n})"),
    (3, "(GETRANGE {t} {wide} {wide}|SUBSTR {t} {i} {i}|GETRANGE {t} {nasty} {i})"),
    (2, "! (SETRANGE {t} {c} {v}|SETRANGE {t} {bit} {m}|SETRANGE {t} {nasty} x|SETRANGE {t} 600000000 {m})"),
    (8, "(INCR {n}|DECR {n}|INCRBY {n} {int}|DECRBY {n} {int}|INCRBYFLOAT {n} {f}|INCRBYFLOAT {n} {num})"),
    (1, "(INCRBY {t} {nasty}|INCRBYFLOAT {n} {nasty}|DECRBY {n} {nasty}|INCR {t})"),
    (1, "SET (lcs1|lcs2|lcs3) {m}"),
    (1, "LCS (lcs1|lcs2) (lcs2|lcs3) [LEN] [IDX] [MINMATCHLEN {c}] [WITHMATCHLEN]"),
];

const BITS: &[Line] = &[
    (4, "! SETBIT {b} {bit} {01}"),
    (1, "! (SETBIT {b} {nasty} 1|SETBIT {b} {bit} {nasty}|GETBIT {b} {nasty})"),
    (2, "(GETBIT {b} {bit}|GETBIT {t} {bit})"),
    (3, "BITCOUNT {b} [{i} {i} [(BYTE|BIT)]]"),
    (3, "BITPOS {b} {01} [{i} [{i} [(BYTE|BIT)]]]"),
    (2, "BITOP (AND|OR|XOR|NOT) {b} {b} [{b} {t}]"),
    (
        4,
        "! BITFIELD {b} (GET {field} {offset}|SET {field} {offset} {int}|INCRBY {field} {offset} {int}|OVERFLOW (WRAP|SAT) INCRBY {field} {offset} {int} INCRBY {field} {offset} {int})",
    ),
    (2, "! SETBIT {b} 6100 0 ; BITFIELD {=} OVERFLOW FAIL INCRBY {field} {offset} {int} SET {field} {offset} {int}"),
    (1, "! BITFIELD {b} (GET u64 0|GET i65 0|GET x 1|SET u8 {nasty} 1|OVERFLOW nope|GET u8|INCRBY u8 0 {nasty})"),
    (1, "! BITFIELD_RO {b} (GET {field} {offset}|SET u8 0 1)"),
    (3, "(PFADD {p} {m+}|PFADD {p} {m300}|PFCOUNT {p}|PFCOUNT {p} {p}|PFMERGE {p} {p+}|PFADD {p}|PFCOUNT {t})"),
    (1, "STRLEN {p}"),
];

const LISTS: &[Line] = &[
    (8, "(LPUSH|RPUSH) {l} {m+}"),
    (1, "(LPUSH {l} {v}|RPUSH {l} {m300}|LPUSHX {l} {m+}|RPUSHX {l} {m+})"),
    (5, "(LPOP|RPOP) {l} [{c}]"),
    (3, "(LLEN {l}|LINDEX {l} {i}|LINDEX {l} {wide}|LINDEX {l} {nasty})"),
    (4, "LRANGE {l} ({i} {i}|{wide} {wide}|0 -1|{nasty} {i})"),
    (3, "(LSET {l} {i} {m}|LSET {l} {i} {v}|LINSERT {l} (BEFORE|AFTER) {m} {m})"),
    (3, "LREM {l} {i} {m}"),
    (2, "LTRIM {l} {i} {i}"),
    (3, "LPOS {l} {m} [RANK {i}] [COUNT {c}] [MAXLEN {c}]"),
    (3, "(LMOVE {l} {l} (LEFT|RIGHT) (LEFT|RIGHT)|RPOPLPUSH {l} {l})"),
    (2, "LMPOP {nk:l} (LEFT|RIGHT) [COUNT {c1}]"),
    (
        1,
        "! (BLPOP {l} {l} 0.01|BRPOP {l} 0.01|BLMOVE {l} {l} (LEFT|RIGHT) (LEFT|RIGHT) 0.01|BRPOPLPUSH {l} {l} 0.01|BLMPOP 0.01 2 {l} {l} LEFT COUNT {c1})",
    ),
    (1, "! (BLPOP {l} -1|BLPOP {l} x|BLMPOP -1 1 {l} LEFT|BRPOPLPUSH {l} {l} nan|BLMOVE {l} {l} UP LEFT 0.01)"),
];

const HASHES: &[Line] = &[
    (8, "(HSET|HMSET) {h} {mv+}"),
    (1, "HSET {h} {mv100}"),
    (2, "HSETNX {h} {mv}"),
    (6, "(HGET {h} {m}|HMGET {h} {m+}|HSTRLEN {h} {m}|HEXISTS {h} {m}|HLEN {h})"),
    (4, "(HGETALL|HKEYS|HVALS) {h}"),
    (5, "HDEL {h} {m+}"),
    (4, "(HINCRBY {h} {m} {int}|HINCRBYFLOAT {h} {m} {f}|HINCRBY {h} {m} {nasty}|HINCRBYFLOAT {h} {m} {num})"),
    (2, "! HRANDFIELD {h} [({i} [WITHVALUES]|1000000 [WITHVALUES]|-9223372036854775808|x)]"),
    (1, "! HSCAN {h} 0 [MATCH {glob}] COUNT 1000000"),
];

const SETS: &[Line] = &[
    (8, "SADD {s} {m+}"),
    (3, "SADD {s} {c+}"),
    (1, "SADD {s} {m300}"),
    (5, "(SREM {s} {m+}|SMOVE {s} {s} {m})"),
    (5, "(SCARD {s}|SISMEMBER {s} {m}|SMISMEMBER {s} {m+}|SMEMBERS {s})"),
    (5, "(SUNION|SINTER|SDIFF) {s+}"),
    (3, "(SUNIONSTORE|SINTERSTORE|SDIFFSTORE) {s} {s+}"),
    (2, "SINTERCARD {nk:s} [LIMIT {c}]"),
    (1, "! SPOP {s} (1000000|0|-1|x)"),
    (1, "! SPOP {s} [{c}] ; DEL {=}"),
    (2, "! SRANDMEMBER {s} [({i}|1000000|x|-9223372036854775808)]"),
    (1, "! SSCAN {s} 0 [MATCH {glob}] COUNT 1000000"),
];

const SORTED_SETS: &[Line] = &[
    (8, "ZADD {z} {sm+}"),
    (1, "(ZADD {z} {sm200}|ZADD {z} {0m+})"),
    (4, "ZADD {z} [(NX|XX|GT|LT|XX GT|XX LT|NX GT)] [CH] [INCR] {sm+}"),
    (2, "ZADD {z} [(NX|XX|GT|LT)] INCR {sm}"),
    (3, "(ZINCRBY {z} {sm}|ZADD {z} {nasty} {m}|ZINCRBY {z} {nasty} {m})"),
    (4, "(ZREM {z} {m+}|ZCARD {z}|ZSCORE {z} {m}|ZMSCORE {z} {m+})"),
    (3, "(ZRANK|ZREVRANK) {z} {m} [[[WITHSCORE]]]"),
    (3, "ZRANGE {z} ({i} {i}|{wide} {wide}) [REV] [WITHSCORES]"),
    (2, "ZRANGE {z} {min} {max} BYSCORE [REV] [LIMIT {c} {i}] [WITHSCORES]"),
    (3, "! ZADD {y} {0m+}"),
    (2, "! ZRANGE {y} {lex} {lex} BYLEX [REV] [LIMIT {c} {i}]"),
    (
        1,
        "! (ZREM {y} {m+}|ZREMRANGEBYLEX {y} {lex} {lex}|ZRANGESTORE {y} {y} {lex} {lex} BYLEX|DEL {y}|ZRANGE {y} {nasty} {lex} BYLEX)",
    ),
    (2, "ZRANGESTORE {z} {z} ({i} {i}|{min} {max} BYSCORE [REV] [LIMIT {c} {i}])"),
    (3, "(ZRANGEBYSCORE|ZREVRANGEBYSCORE) {z} {min} {max} [WITHSCORES] [LIMIT {c} {i}]"),
    (2, "! (ZRANGEBYLEX|ZREVRANGEBYLEX) {y} {lex} {lex} [LIMIT {c} {i}]"),
    (3, "(ZCOUNT {z} {min} {max}|ZREVRANGE {z} {i} {i} [WITHSCORES])"),
    (1, "! ZLEXCOUNT {y} {lex} {lex}"),
    (1, "(ZREMRANGEBYRANK {z} {i} {i}|ZREMRANGEBYSCORE {z} {min} {max})"),
    (3, "(ZPOPMIN|ZPOPMAX) {z} [{c}]"),
    (1, "ZMPOP {nk:z} (MIN|MAX) [COUNT {c1}]"),
    (3, "(ZUNION|ZINTER) {nk:z} [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]"),
    (1, "(ZUNION|ZINTER) 2 {z} {s} [WEIGHTS {f} {c}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]"),
    (1, "ZDIFF {nk:z} [WITHSCORES]"),
    (2, "(ZUNIONSTORE|ZINTERSTORE) {z} {nk:z} [AGGREGATE (SUM|MIN|MAX)]"),
    (1, "(ZUNIONSTORE|ZINTERSTORE) {z} 2 {z} {s} [WEIGHTS {f} {c}] [AGGREGATE (SUM|MIN|MAX)]"),
    (1, "(ZDIFFSTORE {z} {nk:z}|ZINTERCARD {nk:z} [LIMIT {c}])"),
    (1, "! ZRANDMEMBER {z} [({i} [WITHSCORES]|1000000 [WITHSCORES]|x)]"),
    (1, "! ZSCAN {z} 0 [MATCH {glob}] COUNT 1000000"),
    (1, "! (BZPOPMIN {z} {z} 0.01|BZPOPMAX {z} 0.01|BZMPOP 0.01 2 {z} {z} MIN COUNT {c1}|BZPOPMIN {z} x)"),
];

const STREAMS: &[Line] = &[
    (
        10,
        "! XADD {x} [NOMKSTREAM] [((MAXLEN|MAXLEN ~|MAXLEN =) {wide}|MINID [~] {id})] ({newid}|{newms}-*|{newid}) {mv}",
    ),
    (3, "! XADD {x} {newid} {mv+}"),
    (1, "! XADD {x} (0-0|{id}|x|-1-1|1-x|5-|18446744073709551615-18446744073709551616|{newid}) {mv} [{m}]"),
    (1, "! XADD xfuture MAXLEN 10 9000000000000-1 {mv} ; XADD xfuture [NOMKSTREAM] [MAXLEN 20] * {mv}"),
    (3, "(XLEN {x}|XDEL {x} {id+}|XTRIM {x} MAXLEN [(~|=)] {c}|XTRIM {x} MINID [(~|=)] {id} [LIMIT {c}])"),
    (6, "(XRANGE {x} {idx} {idx}|XREVRANGE {x} {idx} {idx}) [COUNT {c}]"),
    (3, "! XREAD [COUNT {c}] STREAMS {x} {x} {id} (0|{id}|$)"),
    (
        1,
        "! (XREAD BLOCK 10 STREAMS {x} ($|{id})|XREAD STREAMS {x}|XREAD COUNT x STREAMS {x} 0|XREAD BLOCK -1 STREAMS {x} 0)",
    ),
    (4, "XGROUP CREATE {x} {group} ($|0|{id}) [MKSTREAM] [ENTRIESREAD {c}]"),
    (1, "(XGROUP SETID {x} {group} ($|0|{id}) [ENTRIESREAD {c}]|XGROUP CREATECONSUMER {x} {group} {consumer})"),
    (
        1,
        "(XGROUP DELCONSUMER {x} {group} {consumer}|XGROUP DELCONSUMER {x} {group} {consumer}|XGROUP DESTROY {x} {group})",
    ),
    (8, "! XREADGROUP GROUP {group} {consumer} [COUNT {c}] [NOACK] STREAMS {x} (>|>|>|0|{id})"),
    (
        1,
        "! (XREADGROUP GROUP {group} {consumer} BLOCK 10 STREAMS {x} >|XREADGROUP GROUP {group} STREAMS {x} >|XREADGROUP GROUP {group} {consumer} STREAMS {x} $)",
    ),
    (3, "XACK {x} {group} {id+}"),
    (2, "! XPENDING {x} {group} [[IDLE (0|100000000)] {idx} {idx} {c} [{consumer}]]"),
    (
        2,
        "! XCLAIM {x} {group} {consumer} (0|100000000) {id+} [(IDLE {pttl}|TIME {past})] [RETRYCOUNT {c}] [FORCE] [JUSTID] [LASTID {id}]",
    ),
    (1, "! XCLAIM {x} {group} {consumer} (x|0) (x|{id}) (IDLE x|TIME -1|RETRYCOUNT -1|nope)"),
    (2, "! XAUTOCLAIM {x} {group} {consumer} (0|100000000) ({id}|0|-|x) [COUNT {c}] [JUSTID]"),
    (2, "(XINFO STREAM {x}|XINFO GROUPS {x}|XINFO CONSUMERS {x} {group}|XINFO STREAM {x} FULL [COUNT {c}])"),
    (1, "! XSETID {x} {newid} [ENTRIESADDED {wide}] [MAXDELETEDID {id}]"),
];

const PLACES: &[Line] = &[
    (3, "GEOADD {g} [(NX|XX)] [CH] {place+}"),
    (1, "(GEOADD {g} {nasty} 3 m|GEOADD {g} 181 3 m|ZREM {g} place1 place2)"),
    (
        1,
        "(GEOPOS {g} place1 place2 place3|GEOHASH {g} place1 place4 none|GEODIST {g} place1 place2 [{unit}]|ZSCORE {g} place1)",
    ),
    (
        2,
        "GEOSEARCH {g} (FROMMEMBER place3|FROMLONLAT {lonlat}) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}) (ASC|DESC) [COUNT {c1}] [WITHCOORD] [WITHDIST] [WITHHASH]",
    ),
    (
        1,
        "GEOSEARCH {g} (FROMMEMBER place3|FROMLONLAT {lonlat}) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}) [COUNT {c1} [ANY]] [WITHDIST]",
    ),
    (1, "GEOSEARCHSTORE {g} {g} FROMLONLAT {lonlat} BYRADIUS {radius} {unit} [ASC COUNT {c1}] [STOREDIST]"),
    (
        1,
        "(GEORADIUS {g} {lonlat} {radius} {unit}|GEORADIUSBYMEMBER {g} place5 {radius} {unit}) [WITHDIST] [ASC] [COUNT {c1}]",
    ),
    (1, "GEORADIUS {g} {lonlat} {radius} {unit} (STORE {g}|STOREDIST {g})"),
];

const KEYS: &[Line] = &[
    (6, "(DEL|UNLINK) {any} [{any} {any}]"),
    (4, "(EXISTS|TOUCH) {any+}"),
    (4, "TYPE {any}"),
    (5, "OBJECT ENCODING {any}"),
    (1, "(OBJECT REFCOUNT {s}|OBJECT IDLETIME {any}|OBJECT FREQ {any}|OBJECT nope {any})"),
    (
        4,
        "! (EXPIRE {any} {ttl}|PEXPIRE {any} {pttl}|EXPIREAT {any} {at}|PEXPIREAT {any} {pat}) [(NX|XX|GT|LT|NX XX|GT LT|nope)]",
    ),
    (
        1,
        "! (EXPIRE {any} (0|-1|x|9223372036854775807|-9223372036854775808|1.5)|PEXPIREAT {any} {past}|EXPIREAT {any} (9223372036854775807|-5|1)|PEXPIRE {any} (9223372036854775807|-9223372036854775808))",
    ),
    (4, "(TTL|PTTL|EXPIRETIME|PEXPIRETIME) {any}"),
    (1, "PERSIST {any}"),
    (2, "(RENAME|RENAMENX) {any} {any}"),
    (3, "COPY {any} {any} [DB {db}] [REPLACE]"),
    (1, "MOVE {any} {db}"),
    (2, "SELECT {db}"),
    (1, "(SWAPDB {db} {db}|SELECT {nasty}|MOVE {any} {nasty}|DBSIZE|RANDOMKEY)"),
    (1, "(KEYS {glob}|DBSIZE|ECHO {v}|PING [{m}])"),
    (1, "! SCAN 0 [MATCH {glob}] [TYPE (string|hash|zset|list|set|stream)] COUNT 1000000"),
    (1, "! DUMP {any}"),
    (1, "! (RESTORE {any} (0|-1|x) {v}|RESTORE {any} 0 nope REPLACE|SCAN (x|1x) COUNT 10|SCAN 0 COUNT (0|x))"),
    (2, "SORT ({l}|{s}|{y}) [LIMIT {c} {i}] [(ASC|DESC)] ALPHA"),
    (2, "(SORT {l}|SORT {s}|SORT {y}|SORT_RO {l}) [BY n:*] [LIMIT {c} {i}] [GET #] [GET t:*] [(ASC|DESC)]"),
    (1, "SORT {l} [BY h:*->1] [LIMIT {c} {i}] [GET # GET h:*->a1] [(ASC|DESC)] STORE {l}"),
    (1, "! SORT ({l}|{y}) BY nosort [GET #]"),
    (
        1,
        "! COMMAND GETKEYS (GET {any}|MSET {tv+}|ZUNION {nk:z}|SORT {l} STORE {l}|XREAD STREAMS {x} 0|ZADD {z} {sm}|GEORADIUS {g} 1 2 3 m STORE {g})",
    ),
    (
        1,
        "! CONFIG SET (hash-max-listpack-entries {c}|hash-max-listpack-entries 128|hash-max-listpack-value 30|hash-max-listpack-value 64|set-max-intset-entries {c}|set-max-intset-entries 512)",
    ),
    (
        1,
        "! CONFIG SET (zset-max-listpack-entries {c}|zset-max-listpack-entries 128|zset-max-listpack-value 20|zset-max-listpack-value 64|list-max-listpack-size (-1|-2|{c1}|128))",
    ),
    (1, "! CONFIG SET (stream-node-max-entries ({c}|100)|list-compress-depth (0|1))"),
];

/// Lines that may stand in a transaction or alone, by group and weight of the group.
const GROUPS: &[(u32, &[Line])] = &[
    (16, STRINGS),
    (8, BITS),
    (12, LISTS),
    (12, HASHES),
    (12, SETS),
    (14, SORTED_SETS),
    (14, STREAMS),
    (4, PLACES),
    (14, KEYS),
];

/// What lets keys expire before the next batch.
const EXPIRING: &[Line] =
    &[(1, "PEXPIRE {any} 3"), (1, "SET {t} {v} PX 3"), (1, "PSETEX {t} 2 {v}"), (1, "GETEX {t} PX 4")];

/// Commands to send at once, and whether keys of theirs must be over before the next.
pub struct Batch {
    pub commands: Vec<Command>,
    pub expires: bool,
}

/// The next batch of about `size` commands.
pub fn batch(words: &mut Words, size: usize) -> Batch {
    let mut commands = Vec::new();
    while commands.len() < size {
        match words.rng.u32(..400) {
            0..8 => transaction(words, &mut commands),
            8 => commands.push(vec![b"HELLO".to_vec(), vec![b'2' + words.rng.u8(..2)]]),
            9 => commands.push(vec![b"FLUSHDB".to_vec()]),
            10 if words.rng.u32(..8) == 0 => flush(words, &mut commands),
            _ => line(words, &mut commands),
        }
    }
    let expires = words.rng.u32(..40) == 0;
    if expires {
        for _ in 0..words.rng.u32(1..6) {
            let (_, line) = pick(words, EXPIRING);
            commands.extend(template::expand(words, line));
        }
    }
    Batch { commands, expires }
}

/// Empties all databases, and at times makes the nodes of streams small or large from then on.
fn flush(words: &mut Words, commands: &mut Vec<Command>) {
    commands.push(vec![b"FLUSHALL".to_vec()]);
    if words.rng.bool() {
        commands.extend(template::expand(words, "CONFIG SET stream-node-max-bytes (100|4096)"));
    }
}

fn transaction(words: &mut Words, commands: &mut Vec<Command>) {
    if words.rng.bool() {
        let watched = template::expand(words, "WATCH {any} {any}");
        commands.extend(watched);
        if words.rng.bool() {
            line(words, commands);
        }
    }
    commands.push(vec![b"MULTI".to_vec()]);
    (0..words.rng.u32(..7)).for_each(|_| line(words, commands));
    let end = ["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD"][words.rng.usize(..5)];
    commands.push(vec![end.into()]);
}

/// One line of one group, at times damaged.
fn line(words: &mut Words, commands: &mut Vec<Command>) {
    let total: u32 = GROUPS.iter().map(|(weight, _)| weight).sum();
    let mut at = words.rng.u32(..total);
    let group = GROUPS.iter().find(|(weight, _)| {
        let found = at < *weight;
        at = at.wrapping_sub(*weight);
        found
    });
    let (_, line) = pick(words, group.expect("the weights add up").1);
    match line.strip_prefix("! ") {
        Some(line) => commands.extend(template::expand(words, line)),
        None => {
            let mut expanded = template::expand(words, line);
            if words.rng.u32(..30) == 0 {
                words.damage(&mut expanded[0]);
            }
            commands.extend(expanded);
        }
    }
}

fn pick(words: &mut Words, lines: &'static [Line]) -> Line {
    let total: u32 = lines.iter().map(|(weight, _)| weight).sum();
    let mut at = words.rng.u32(..total);
    for line in lines {
        if at < line.0 {
            return *line;
        }
        at -= line.0;
    }
    unreachable!("the weights add up");
}
