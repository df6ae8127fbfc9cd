//! The bit sets of a command row: its flags as COMMAND INFO names them, and its ACL categories.

/// What a command does and where it may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(u32);

/// The ACL categories of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Categories(u32);

/// Declares the bits of a set together with their names, in the order in which a peer lists them.
macro_rules! bits {
    ($set:ident { $($(#[$doc:meta])* $name:ident = $bit:literal $text:literal,)* }) => {
        impl $set {
            /// The empty set.
            pub const NONE: $set = $set(0);
            $($(#[$doc])* pub const $name: $set = $set(1 << $bit);)*

            const NAMES: &'static [($set, &'static str)] = &[$(($set::$name, $text)),*];

            /// Both sets together.
            pub const fn with(self, other: $set) -> $set {
                $set(self.0 | other.0)
            }

            /// Whether all bits of `other` are in this set.
            pub const fn has(self, other: $set) -> bool {
                self.0 & other.0 == other.0
            }

            /// This set less what is in `other`.
            pub const fn without(self, other: $set) -> $set {
                $set(self.0 & !other.0)
            }

            /// The names of the bits that are set, in the order in which a peer lists them.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                $set::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
            }

            /// The bit of that name.
            pub fn by_name(name: &str) -> Option<$set> {
                $set::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(bit, _)| *bit)
            }

            /// All names.
            pub fn all_names() -> impl Iterator<Item = &'static str> {
                $set::NAMES.iter().map(|(_, name)| *name)
            }
        }
    };
}

bits!(Flags {
    /// May change the data set.
    WRITE = 0 "write",
    /// Reads keys and changes nothing.
    READONLY = 1 "readonly",
    /// Refused above maxmemory.
    DENYOOM = 2 "denyoom",
    /// For operators.
    ADMIN = 4 "admin",
    /// Publish or subscribe.
    PUBSUB = 5 "pubsub",
    /// Not inside scripts.
    NOSCRIPT = 6 "noscript",
    /// May block the client.
    BLOCKING = 7 "blocking",
    /// Allowed while the data set is loading.
    LOADING = 8 "loading",
    /// Allowed on a replica with stale data.
    STALE = 9 "stale",
    /// Not shown by MONITOR.
    SKIP_MONITOR = 10 "skip_monitor",
    /// Not in the slow log.
    SKIP_SLOWLOG = 11 "skip_slowlog",
    /// Allowed on a slot that is being imported.
    ASKING = 12 "asking",
    /// Takes constant or logarithmic time.
    FAST = 13 "fast",
    /// Needs no authentication.
    NO_AUTH = 14 "no_auth",
    /// Not a write, but may propagate.
    MAY_REPLICATE = 15 "may_replicate",
    /// May be called without keys although it has key positions.
    NO_MANDATORY_KEYS = 3 "no_mandatory_keys",
    /// Refused while the data set loads in the background.
    NO_ASYNC_LOADING = 16 "no_async_loading",
    /// Refused inside MULTI.
    NO_MULTI = 17 "no_multi",
    /// Key positions depend on the arguments.
    MOVABLE_KEYS = 18 "movablekeys",
    /// Allowed while a script is busy.
    ALLOW_BUSY = 19 "allow_busy",
});

bits!(Categories {
    /// Keys of any type.
    KEYSPACE = 0 "keyspace",
    /// Reads the data set.
    READ = 1 "read",
    /// Changes the data set.
    WRITE = 2 "write",
    /// Sets.
    SET = 3 "set",
    /// Sorted sets.
    SORTEDSET = 4 "sortedset",
    /// Lists.
    LIST = 5 "list",
    /// Hashes.
    HASH = 6 "hash",
    /// Strings.
    STRING = 7 "string",
    /// Bitmaps.
    BITMAP = 8 "bitmap",
    /// HyperLogLogs.
    HYPERLOGLOG = 9 "hyperloglog",
    /// Geospatial indexes.
    GEO = 10 "geo",
    /// Streams.
    STREAM = 11 "stream",
    /// Publish and subscribe.
    PUBSUB = 12 "pubsub",
    /// For operators.
    ADMIN = 13 "admin",
    /// Takes constant or logarithmic time.
    FAST = 14 "fast",
    /// Not fast.
    SLOW = 15 "slow",
    /// May block the client.
    BLOCKING = 16 "blocking",
    /// Can hurt: needs thought before a client is given it.
    DANGEROUS = 17 "dangerous",
    /// The connection itself.
    CONNECTION = 18 "connection",
    /// Transactions.
    TRANSACTION = 19 "transaction",
    /// Scripts and functions.
    SCRIPTING = 20 "scripting",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_lead_to_each_other() {
        let both = Flags::WRITE.with(Flags::FAST);
        assert_eq!(both.names().collect::<Vec<_>>(), ["write", "fast"]);
        assert_eq!(Flags::by_name("FAST"), Some(Flags::FAST));
        assert_eq!(Categories::by_name("sortedset"), Some(Categories::SORTEDSET));
        assert_eq!(Categories::by_name("nothing"), None);
    }
}
