//! Random commands over few keys of all types in a few databases, so that they meet each other often.

/// The databases that clients use. The last two may be flushed and swapped.
pub(crate) const DATABASES: usize = 4;

/// Keys of each database.
const KEYS: usize = 16;

/// One command as words.
pub(crate) type Words = Vec<Vec<u8>>;

/// A command that writes, mostly.
pub(crate) fn random_command(rng: &mut fastrand::Rng, value_bytes_max: usize) -> Words {
    let mut random = Random { rng, value_bytes_max };
    match random.rng.u8(..9) {
        0 | 1 => random.string(),
        2 => random.list(),
        3 => random.set(),
        4 => random.hash(),
        5 => random.zset(),
        6 => random.stream(),
        7 => random.expiry(),
        _ => random.key_space(),
    }
}

/// A command that flushes or swaps: only fit for the last two databases.
pub(crate) fn random_upheaval(rng: &mut fastrand::Rng) -> Words {
    match rng.u8(..3) {
        0 => words(&["FLUSHDB"]),
        1 => words(&["FLUSHDB", "ASYNC"]),
        _ => words(&["SWAPDB", "2", "3"]),
    }
}

/// Words as a command.
pub(crate) fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

struct Random<'a> {
    rng: &'a mut fastrand::Rng,
    value_bytes_max: usize,
}

impl Random<'_> {
    fn key(&mut self, kind: &str) -> String {
        // Now and then a key of another type, for the errors.
        let kind = if self.rng.u8(..30) == 0 { "s" } else { kind };
        format!("{kind}{}", self.rng.usize(..KEYS))
    }

    fn value(&mut self) -> String {
        if self.rng.bool() {
            return self.rng.i32(-100..100).to_string();
        }
        let length = self.rng.usize(..=self.value_bytes_max);
        std::iter::repeat_with(|| self.rng.alphanumeric()).take(length).collect()
    }

    fn member(&mut self) -> String {
        if self.rng.bool() { self.rng.u8(..20).to_string() } else { format!("m{}", self.rng.u8(..20)) }
    }

    fn number(&mut self) -> String {
        self.rng.i32(-20..20).to_string()
    }

    fn string(&mut self) -> Words {
        let key = self.key("s");
        let (value, number, ttl) = (self.value(), self.number(), self.rng.u32(1..3000).to_string());
        match self.rng.u8(..14) {
            0..=2 => words(&["SET", &key, &value]),
            3 => words(&["SET", &key, &value, "PX", &ttl]),
            4 => words(&["SET", &key, &value, "KEEPTTL", "GET"]),
            5 => words(&["APPEND", &key, &value]),
            6 => words(&["INCRBY", &key, &number]),
            7 => words(&["INCRBYFLOAT", &key, &format!("{number}.37")]),
            8 => words(&["SETRANGE", &key, "5", &value]),
            9 => words(&["GETDEL", &key]),
            10 => words(&["GETEX", &key, "PX", &ttl]),
            11 => words(&["SETBIT", &key, "77", "1"]),
            12 => words(&["MSET", &key, &value, &self.key("s"), &number]),
            _ => words(&["GETSET", &key, &value]),
        }
    }

    fn list(&mut self) -> Words {
        let key = self.key("l");
        let (value, other) = (self.value(), self.key("l"));
        match self.rng.u8(..9) {
            0 | 1 => words(&["RPUSH", &key, &value, &self.member()]),
            2 => words(&["LPUSH", &key, &value]),
            3 => words(&["LPOP", &key]),
            4 => words(&["RPOP", &key, "2"]),
            5 => words(&["LMOVE", &key, &other, "LEFT", "RIGHT"]),
            6 => words(&["LTRIM", &key, "0", "12"]),
            7 => words(&["LREM", &key, "0", &self.member()]),
            _ => words(&["LSET", &key, "0", &value]),
        }
    }

    fn set(&mut self) -> Words {
        let (key, other) = (self.key("e"), self.key("e"));
        match self.rng.u8(..7) {
            0..=2 => words(&["SADD", &key, &self.member(), &self.member(), &self.member()]),
            3 => words(&["SREM", &key, &self.member()]),
            4 => words(&["SPOP", &key]),
            5 => words(&["SPOP", &key, "3"]),
            _ => words(&["SUNIONSTORE", &key, &key, &other]),
        }
    }

    fn hash(&mut self) -> Words {
        let key = self.key("h");
        let (field, ttl) = (self.member(), self.rng.u32(1..3000).to_string());
        match self.rng.u8(..9) {
            0 | 1 => words(&["HSET", &key, &field, &self.value(), &self.member(), &self.number()]),
            2 => words(&["HDEL", &key, &field]),
            3 => words(&["HINCRBYFLOAT", &key, &field, "1.25"]),
            4 => words(&["HSETNX", &key, &field, &self.value()]),
            5 => words(&["HPEXPIRE", &key, &ttl, "FIELDS", "2", &field, &self.member()]),
            6 => words(&["HSETEX", &key, "PX", &ttl, "FIELDS", "1", &field, &self.value()]),
            7 => words(&["HPERSIST", &key, "FIELDS", "1", &field]),
            _ => words(&["HGETEX", &key, "PX", &ttl, "FIELDS", "1", &field]),
        }
    }

    fn zset(&mut self) -> Words {
        let (key, other) = (self.key("z"), self.key("z"));
        match self.rng.u8(..7) {
            0 | 1 => words(&["ZADD", &key, &self.number(), &self.member(), &self.number(), &self.member()]),
            2 => words(&["ZINCRBY", &key, "0.1", &self.member()]),
            3 => words(&["ZPOPMIN", &key, "2"]),
            4 => words(&["ZREM", &key, &self.member()]),
            5 => words(&["ZUNIONSTORE", &key, "2", &key, &other]),
            _ => words(&["ZREMRANGEBYRANK", &key, "0", "0"]),
        }
    }

    fn stream(&mut self) -> Words {
        let key = self.key("x");
        let (group, consumer) = (["g", "h"][self.rng.usize(..2)], ["a", "b", "c"][self.rng.usize(..3)]);
        let (value, length) = (self.value(), self.rng.u8(..20).to_string());
        match self.rng.u8(..12) {
            0..=2 => words(&["XADD", &key, "*", "field", &value]),
            3 => words(&["XADD", &key, "MAXLEN", "~", &length, "*", &self.member(), &value]),
            4 => words(&["XTRIM", &key, "MAXLEN", &length]),
            5 => words(&["XGROUP", "CREATE", &key, group, "0", "MKSTREAM"]),
            6 | 7 => words(&["XREADGROUP", "GROUP", group, consumer, "COUNT", "3", "STREAMS", &key, ">"]),
            8 => words(&["XAUTOCLAIM", &key, group, consumer, "0", "0", "COUNT", "2"]),
            9 => words(&["XREADGROUP", "GROUP", group, consumer, "NOACK", "STREAMS", &key, ">"]),
            10 => words(&["XGROUP", "DELCONSUMER", &key, group, consumer]),
            _ => words(&["XGROUP", "SETID", &key, group, "$"]),
        }
    }

    fn expiry(&mut self) -> Words {
        let kind = ["s", "l", "e", "h", "z", "x"][self.rng.usize(..6)];
        let key = self.key(kind);
        match self.rng.u8(..6) {
            0 | 1 => words(&["PEXPIRE", &key, &self.rng.u32(1..4000).to_string()]),
            2 => words(&["EXPIRE", &key, "3"]),
            3 => words(&["PERSIST", &key]),
            4 => words(&["PEXPIRE", &key, "-1"]),
            _ => words(&["SET", &key, "1", "PX", "20"]),
        }
    }

    fn key_space(&mut self) -> Words {
        let kind = ["s", "l", "e", "h", "z", "x"][self.rng.usize(..6)];
        let (key, other) = (self.key(kind), self.key(kind));
        match self.rng.u8(..7) {
            0 => words(&["DEL", &key, &other]),
            1 => words(&["UNLINK", &key]),
            2 => words(&["RENAME", &key, &other]),
            3 => words(&["COPY", &key, &other, "REPLACE"]),
            4 => words(&["MOVE", &key, &self.rng.usize(..DATABASES).to_string()]),
            5 => words(&["SORT", &key, "ALPHA", "STORE", "l0"]),
            _ => words(&["GET", &key]),
        }
    }
}
