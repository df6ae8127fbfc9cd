//! Which version of the format to write, so that the receiver can read it.

use std::fmt;

use keyspace::Snapshot;

use super::types;

/// Whose numbering a version belongs to: the magic at the start of a file tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// `REDIS0009` and the like; Valkey before 9 writes it too.
    Redis,
    /// `VALKEY080`.
    Valkey,
}

/// The lowest version that we read: the first with a checksum.
pub(super) const REDIS_READ_MIN: u16 = 5;
/// The lowest version that we write: what Redis 5 and 6 read.
pub(super) const REDIS_WRITE_MIN: u16 = 9;
/// The version of Redis 7.4 to 8.4.
pub(super) const REDIS_MAX: u16 = 12;
/// The version that brought deadlines of fields.
const REDIS_FIELD_DEADLINES: u16 = 12;
/// The version of Valkey 9.0 and 9.1.
pub(super) const VALKEY_VERSION: u16 = 80;

/// A version of the format that we can write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    family: Family,
    version: u16,
}

/// What a data set holds beside values of the plain types, because it decides who can read it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Contents {
    /// Function libraries.
    pub functions: bool,
    /// Hashes in which a field has a deadline.
    pub field_deadlines: bool,
    /// Streams: below version 11 they lose counters of their past and of their consumers.
    pub streams: bool,
}

impl Contents {
    /// What a snapshot holds; function libraries are not part of it.
    pub fn of(snapshot: &Snapshot) -> Contents {
        Contents {
            functions: false,
            field_deadlines: snapshot.hashes_with_deadlines() > 0,
            streams: snapshot.may_hold_streams,
        }
    }
}

/// What a replica said about itself before PSYNC.
#[derive(Clone, Copy, Default, Debug)]
pub struct Announced<'a> {
    /// `REPLCONF version x.y.z`: only Valkey says it.
    pub version: Option<&'a [u8]>,
    /// `REPLCONF capa rdb-channel-repl`: only Redis 8 and later say it.
    pub capa_rdb_channel_repl: bool,
    /// What a replica that says neither is taken to read because the settings say so.
    pub assumed: Option<Target>,
}

/// Why a data set can't be sent to a replica: the data has no form that it reads, as far as we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// What it reads at most, if it said so.
    announced: Option<Target>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the data set has hashes in which fields have a deadline, which only REDIS0012 and VALKEY080 can carry"
        )?;
        match self.announced {
            Some(target) => write!(f, "; the replica reads {target} at most"),
            None => f.write_str("; the replica does not say that it reads either (for Redis 7.4, set rdb-version 12)"),
        }
    }
}

impl Target {
    /// The lowest version that we write.
    pub const LOWEST: Target = Target { family: Family::Redis, version: REDIS_WRITE_MIN };

    /// A version that we can write: REDIS 9 to 12, VALKEY 80.
    pub fn new(family: Family, version: u16) -> Option<Target> {
        let known = match family {
            Family::Redis => (REDIS_WRITE_MIN..=REDIS_MAX).contains(&version),
            Family::Valkey => version == VALKEY_VERSION,
        };
        known.then_some(Target { family, version })
    }

    /// The version with this number, which belongs to one family only.
    pub fn of_number(version: u16) -> Option<Target> {
        Target::new(Family::Redis, version).or_else(|| Target::new(Family::Valkey, version))
    }

    /// For a file on disk: the lowest version that carries the data, but not below the configured one.
    pub fn for_disk(contents: Contents, minimum: Target) -> Target {
        let plain = required(Contents { streams: false, ..contents });
        let streams = if contents.streams { STREAMS_ON_DISK } else { REDIS_WRITE_MIN };
        match minimum.family {
            Family::Redis => minimum.at_least(plain.max(streams)),
            Family::Valkey => minimum,
        }
    }

    /// For a replica: the richest version that what it announced promises it can read; without an announcement the
    /// lowest that carries the data, where what streams remember of their past counts only up to the version that the
    /// settings say: Redis 5 and 6 know nothing of it. Fails if it can't be expected to read what carries deadlines of fields: real servers
    /// drop their data before they find out.
    pub fn for_replica(announced: Announced<'_>, contents: Contents) -> Result<Target, Unreadable> {
        let known = match announced.version.and_then(Target::of_valkey_version) {
            None if announced.version.is_none() && announced.capa_rdb_channel_repl => {
                Some(Target { family: Family::Redis, version: REDIS_MAX })
            }
            known => known,
        };
        let plain = required(Contents { streams: false, ..contents });
        let assumed = announced.assumed.map_or(plain, |assumed| required(contents).min(assumed.version));
        let lowest = Target::LOWEST.at_least(plain.max(assumed));
        let readable = known.or(announced.assumed).is_some_and(Target::has_field_deadlines);
        if contents.field_deadlines && !readable {
            return Err(Unreadable { announced: known });
        }
        Ok(known.unwrap_or(lowest))
    }

    /// The family.
    pub fn family(self) -> Family {
        self.family
    }

    /// The number within the family.
    pub fn version(self) -> u16 {
        self.version
    }

    /// The nine bytes that open a file.
    pub fn magic(self) -> [u8; 9] {
        let text = match self.family {
            Family::Redis => format!("REDIS{:04}", self.version),
            Family::Valkey => format!("VALKEY{:03}", self.version),
        };
        text.as_bytes().try_into().expect("both forms have nine bytes")
    }

    /// Whether the types 16 to 18 exist: listpacks of hashes and sorted sets, lists of listpacks.
    pub(super) fn has_listpacks(self) -> bool {
        self.family == Family::Valkey || self.version >= 10
    }

    /// Whether function libraries can be written.
    pub(super) fn has_functions(self) -> bool {
        self.family == Family::Valkey || self.version >= 10
    }

    /// Whether type 20 exists: a set as a listpack.
    pub(super) fn has_set_listpacks(self) -> bool {
        self.family == Family::Valkey || self.version >= 11
    }

    /// Whether hashes with deadlines of fields can be written.
    pub(super) fn has_field_deadlines(self) -> bool {
        self.family == Family::Valkey || self.version >= REDIS_FIELD_DEADLINES
    }

    /// The type of a stream: 15, with counters of its past 19, with the activity of consumers 21.
    pub(super) fn stream_type(self) -> u8 {
        match (self.family, self.version) {
            (Family::Redis, ..10) => types::STREAM,
            (Family::Redis, 10) => types::STREAM_2,
            _ => types::STREAM_3,
        }
    }

    /// The same, or the first that has a form for every encoding of Redis 7.2: a set keeps its listpack.
    pub fn with_encodings(self) -> Target {
        if self.has_set_listpacks() { self } else { self.at_least(11) }
    }

    fn at_least(self, version: u16) -> Target {
        Target { family: self.family, version: self.version.max(version) }
    }

    /// Valkey's table: 7.2 and 8.x read what Redis 7.2 writes, 9.0 and later also their own format. Newer ones than
    /// those we know read it as well, since a server reads what its ancestors wrote.
    fn of_valkey_version(text: &[u8]) -> Option<Target> {
        let text = std::str::from_utf8(text).ok()?;
        let mut numbers = text.split('.').map(|part| part.parse::<u16>().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        match (major, minor) {
            (9.., _) => Some(Target { family: Family::Valkey, version: VALKEY_VERSION }),
            (8, _) | (7, 2..) => Some(Target { family: Family::Redis, version: 11 }),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.magic()).expect("ASCII"))
    }
}

/// What consumers remember beyond this version stands in a field of its own (`activity.rs`).
const STREAMS_ON_DISK: u16 = 10;

/// The lowest Redis version that can carry this.
pub fn required(contents: Contents) -> u16 {
    match contents {
        Contents { field_deadlines: true, .. } => REDIS_FIELD_DEADLINES,
        Contents { streams: true, .. } => 11,
        Contents { functions: true, .. } => 10,
        _ => REDIS_WRITE_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(version: Option<&str>, capa_rdb_channel_repl: bool, functions: bool) -> String {
        let announced = Announced { version: version.map(str::as_bytes), capa_rdb_channel_repl, assumed: None };
        let contents = Contents { functions, ..Contents::default() };
        Target::for_replica(announced, contents).expect("all read this").to_string()
    }

    #[test]
    fn deadlines_of_fields_go_only_to_those_who_are_known_to_read_them() {
        let contents = Contents { field_deadlines: true, ..Contents::default() };
        let target = |version: Option<&str>, capa_rdb_channel_repl, assumed: Option<u16>| {
            let assumed = assumed.and_then(|version| Target::new(Family::Redis, version));
            let announced = Announced { version: version.map(str::as_bytes), capa_rdb_channel_repl, assumed };
            Target::for_replica(announced, contents).map(|target| target.to_string())
        };
        assert_eq!(target(Some("9.1.2"), false, None), Ok("VALKEY080".to_owned()));
        assert_eq!(target(None, true, None), Ok("REDIS0012".to_owned()));
        assert_eq!(target(None, false, Some(12)), Ok("REDIS0012".to_owned()));
        let refused = |version, assumed| target(version, false, assumed).expect_err("it can't read it").to_string();
        assert!(refused(Some("8.0.1"), Some(12)).contains("reads REDIS0011 at most"));
        assert!(refused(Some("7.2.4"), None).contains("reads REDIS0011 at most"));
        assert!(refused(None, None).contains("does not say"));
        assert!(refused(None, Some(11)).contains("does not say"));
        let disk = |minimum| Target::for_disk(contents, minimum).to_string();
        assert_eq!(disk(Target::LOWEST), "REDIS0012");
        assert_eq!(disk(Target::new(Family::Valkey, 80).unwrap()), "VALKEY080");
    }

    #[test]
    fn a_replica_gets_what_it_said_it_can_read() {
        assert_eq!(replica(None, false, false), "REDIS0009");
        assert_eq!(replica(None, false, true), "REDIS0010");
        assert_eq!(replica(None, true, false), "REDIS0012");
        for old in ["7.2.4", "7.2.11", "8.0.1", "8.1.0"] {
            assert_eq!(replica(Some(old), false, false), "REDIS0011", "{old}");
        }
        for new in ["9.0.0", "9.1.2", "9.2.0", "255.255.255"] {
            assert_eq!(replica(Some(new), false, true), "VALKEY080", "{new}");
        }
        for odd in ["", "x", "9", "7.1.0", "-9.1.2", "\u{fe}"] {
            assert_eq!(replica(Some(odd), false, true), "REDIS0010", "{odd}");
        }
    }

    #[test]
    fn streams_alone_raise_the_version_only_for_those_who_are_said_to_read_it() {
        for (assumed, expected) in [(None, 9), (Some(9), 9), (Some(10), 10), (Some(12), 11)] {
            let assumed = assumed.and_then(|version| Target::new(Family::Redis, version));
            let announced = Announced { assumed, ..Announced::default() };
            let contents = Contents { streams: true, ..Contents::default() };
            assert_eq!(Target::for_replica(announced, contents).map(Target::version), Ok(expected));
        }
    }

    #[test]
    fn a_file_gets_the_lowest_version_that_carries_it_unless_told() {
        let disk =
            |functions, minimum| Target::for_disk(Contents { functions, ..Contents::default() }, minimum).to_string();
        assert_eq!(disk(false, Target::LOWEST), "REDIS0009");
        assert_eq!(disk(true, Target::LOWEST), "REDIS0010");
        assert_eq!(disk(true, Target::new(Family::Redis, 12).unwrap()), "REDIS0012");
        assert_eq!(disk(true, Target::new(Family::Valkey, 80).unwrap()), "VALKEY080");
        let streams = Contents { streams: true, ..Contents::default() };
        assert_eq!(Target::for_disk(streams, Target::LOWEST).to_string(), "REDIS0010");
        for (family, version) in [(Family::Redis, 8), (Family::Redis, 13), (Family::Redis, 80), (Family::Valkey, 81)] {
            assert_eq!(Target::new(family, version), None);
        }
    }
}
