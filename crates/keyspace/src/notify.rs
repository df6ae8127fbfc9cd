//! Keyspace events: their classes, as the letters of notify-keyspace-events name them, and one event.

/// A set of event classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Class(u16);

/// Each class with its letter, in the order in which a peer prints them.
const LETTERS: [(Class, u8); 13] = [
    (Class::GENERIC, b'g'),
    (Class::STRING, b'$'),
    (Class::LIST, b'l'),
    (Class::SET, b's'),
    (Class::HASH, b'h'),
    (Class::ZSET, b'z'),
    (Class::EXPIRED, b'x'),
    (Class::EVICTED, b'e'),
    (Class::STREAM, b't'),
    (Class::MODULE, b'd'),
    (Class::NEW, b'n'),
    (Class::KEYSPACE, b'K'),
    (Class::KEYEVENT, b'E'),
];

impl Class {
    /// Publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Class = Class(1);
    /// Publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Class = Class(1 << 1);
    /// Commands for any type: DEL, EXPIRE, RENAME.
    pub const GENERIC: Class = Class(1 << 2);
    /// String commands.
    pub const STRING: Class = Class(1 << 3);
    /// List commands.
    pub const LIST: Class = Class(1 << 4);
    /// Set commands.
    pub const SET: Class = Class(1 << 5);
    /// Hash commands.
    pub const HASH: Class = Class(1 << 6);
    /// Sorted set commands.
    pub const ZSET: Class = Class(1 << 7);
    /// A key expired.
    pub const EXPIRED: Class = Class(1 << 8);
    /// A key was evicted.
    pub const EVICTED: Class = Class(1 << 9);
    /// Stream commands.
    pub const STREAM: Class = Class(1 << 10);
    /// A read found no key.
    pub const KEY_MISS: Class = Class(1 << 11);
    /// Module types.
    pub const MODULE: Class = Class(1 << 12);
    /// A key came to be.
    pub const NEW: Class = Class(1 << 13);
    /// What `A` stands for: everything but misses and new keys.
    pub const ALL: Class = Class(
        Class::GENERIC.0
            | Class::STRING.0
            | Class::LIST.0
            | Class::SET.0
            | Class::HASH.0
            | Class::ZSET.0
            | Class::EXPIRED.0
            | Class::EVICTED.0
            | Class::STREAM.0
            | Class::MODULE.0,
    );

    /// Whether all classes of `other` are in this set.
    pub const fn has(self, other: Class) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub const fn with(self, other: Class) -> Class {
        Class(self.0 | other.0)
    }

    /// Whether no class is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads the letters of notify-keyspace-events.
    pub fn parse(letters: &[u8]) -> Option<Class> {
        letters.iter().try_fold(Class::default(), |set, letter| {
            let class = match letter {
                b'A' => Class::ALL,
                b'm' => Class::KEY_MISS,
                _ => LETTERS.iter().find(|(_, l)| l == letter)?.0,
            };
            Some(set.with(class))
        })
    }

    /// The letters, as CONFIG GET shows them.
    pub fn letters(self) -> String {
        let mut text = String::new();
        if self.has(Class::ALL) {
            text.push('A');
        }
        for (class, letter) in LETTERS {
            // A peer leaves `n` out beside `A`, although `A` does not stand for it.
            if self.has(class) && !(self.has(Class::ALL) && Class::ALL.with(Class::NEW).has(class)) {
                text.push(letter as char);
            }
        }
        if self.has(Class::KEY_MISS) {
            text.push('m');
        }
        text
    }
}

/// What happened to a key: the class decides who hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its class.
    pub class: Class,
    /// Its name: `set`, `lpush`, `expired` …
    pub name: &'static str,
}

impl Event {
    /// An event of that class and name.
    pub const fn new(class: Class, name: &'static str) -> Event {
        Event { class, name }
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn letters_read_back_as_a_peer_prints_them() {
        // Read off CONFIG GET after CONFIG SET on a real server.
        for (given, shown) in [("KEA", "AKE"), ("Elg", "glE"), ("g$lshzxetdKE", "AKE"), ("Km", "Km"), ("KEAn", "AKE"), ("KEmn", "nKEm"), ("", "")] {
            assert_eq!(Class::parse(given.as_bytes()).unwrap().letters(), shown);
        }
        assert_eq!(Class::parse(b"q"), None);
    }
}
