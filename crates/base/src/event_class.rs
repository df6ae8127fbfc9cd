//! The classes of keyspace events, as the letters of notify-keyspace-events name them.

/// A set of event classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventClass(u16);

/// Each class with its letter, in the order in which a peer prints them.
const LETTERS: [(EventClass, u8); 13] = [
    (EventClass::GENERIC, b'g'),
    (EventClass::STRING, b'$'),
    (EventClass::LIST, b'l'),
    (EventClass::SET, b's'),
    (EventClass::HASH, b'h'),
    (EventClass::ZSET, b'z'),
    (EventClass::EXPIRED, b'x'),
    (EventClass::EVICTED, b'e'),
    (EventClass::STREAM, b't'),
    (EventClass::MODULE, b'd'),
    (EventClass::NEW, b'n'),
    (EventClass::KEYSPACE, b'K'),
    (EventClass::KEYEVENT, b'E'),
];

impl EventClass {
    /// Publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: EventClass = EventClass(1);
    /// Publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: EventClass = EventClass(1 << 1);
    /// Commands for any type: DEL, EXPIRE, RENAME.
    pub const GENERIC: EventClass = EventClass(1 << 2);
    /// String commands.
    pub const STRING: EventClass = EventClass(1 << 3);
    /// List commands.
    pub const LIST: EventClass = EventClass(1 << 4);
    /// Set commands.
    pub const SET: EventClass = EventClass(1 << 5);
    /// Hash commands.
    pub const HASH: EventClass = EventClass(1 << 6);
    /// Sorted set commands.
    pub const ZSET: EventClass = EventClass(1 << 7);
    /// A key expired.
    pub const EXPIRED: EventClass = EventClass(1 << 8);
    /// A key was evicted.
    pub const EVICTED: EventClass = EventClass(1 << 9);
    /// Stream commands.
    pub const STREAM: EventClass = EventClass(1 << 10);
    /// A read found no key.
    pub const KEY_MISS: EventClass = EventClass(1 << 11);
    /// Module types.
    pub const MODULE: EventClass = EventClass(1 << 12);
    /// A key came to be.
    pub const NEW: EventClass = EventClass(1 << 13);
    /// What `A` stands for: everything but misses and new keys.
    pub const ALL: EventClass = EventClass(
        EventClass::GENERIC.0
            | EventClass::STRING.0
            | EventClass::LIST.0
            | EventClass::SET.0
            | EventClass::HASH.0
            | EventClass::ZSET.0
            | EventClass::EXPIRED.0
            | EventClass::EVICTED.0
            | EventClass::STREAM.0
            | EventClass::MODULE.0,
    );

    /// Whether all classes of `other` are in this set.
    pub const fn has(self, other: EventClass) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub const fn with(self, other: EventClass) -> EventClass {
        EventClass(self.0 | other.0)
    }

    /// Whether no class is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads the letters of notify-keyspace-events.
    pub fn parse(letters: &[u8]) -> Option<EventClass> {
        letters.iter().try_fold(EventClass::default(), |set, letter| {
            let class = match letter {
                b'A' => EventClass::ALL,
                b'm' => EventClass::KEY_MISS,
                _ => LETTERS.iter().find(|(_, l)| l == letter)?.0,
            };
            Some(set.with(class))
        })
    }

    /// The letters, as CONFIG GET shows them.
    pub fn letters(self) -> String {
        let mut text = String::new();
        if self.has(EventClass::ALL) {
            text.push('A');
        }
        for (class, letter) in LETTERS {
            // A peer leaves `n` out beside `A`, although `A` does not stand for it.
            if self.has(class) && !(self.has(EventClass::ALL) && EventClass::ALL.with(EventClass::NEW).has(class)) {
                text.push(letter as char);
            }
        }
        if self.has(EventClass::KEY_MISS) {
            text.push('m');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::EventClass;

    #[test]
    fn letters_read_back_as_a_peer_prints_them() {
        // Read off CONFIG GET after CONFIG SET on a real server.
        for (given, shown) in [
            ("KEA", "AKE"),
            ("Elg", "glE"),
            ("g$lshzxetdKE", "AKE"),
            ("Km", "Km"),
            ("KEAn", "AKE"),
            ("KEmn", "nKEm"),
            ("", ""),
        ] {
            assert_eq!(EventClass::parse(given.as_bytes()).unwrap().letters(), shown);
        }
        assert_eq!(EventClass::parse(b"q"), None);
    }
}
