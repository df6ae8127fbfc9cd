//! REPLCONF: what a connection says of itself before and while it is a replica. Texts and limits were read off
//! a Valkey 8.0 server.

use super::SnapshotParts;
use base::{ReplId, numbers};

/// Longer announced addresses are refused.
const IP_LENGTH_MAX: usize = 255;

/// What a connection said with REPLCONF so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// The peers keep any 32-bit number, so one that is no port is shown as it came.
    pub(super) listening_port: i32,
    pub(super) announced_ip: Option<Vec<u8>>,
    /// It can read a snapshot that ends with a mark.
    pub(super) eof: bool,
    /// It understands `+CONTINUE <id>`.
    pub(super) psync2: bool,
    /// It understands what stands behind that id: the ids before it.
    pub(super) history: bool,
    /// Which process it is, so that it is known again on another connection.
    pub(super) instance: Option<ReplId>,
    pub(super) rdb_channel_repl: bool,
    pub(super) rdb_only: bool,
    pub(super) parts: SnapshotParts,
    pub(super) version: Option<(u8, u8, u8)>,
}

impl Default for Negotiated {
    fn default() -> Negotiated {
        Negotiated {
            listening_port: 0,
            announced_ip: None,
            eof: false,
            psync2: false,
            history: false,
            instance: None,
            rdb_channel_repl: false,
            rdb_only: false,
            parts: SnapshotParts { data: true, functions: true },
            version: None,
        }
    }
}

/// What stands before the id of a process of ours among the capabilities. Others ignore it.
pub(crate) const INSTANCE: &[u8] = b"lockstep-id=";

/// What a REPLCONF was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Options, all of them good: answer +OK.
    Options,
    /// An acknowledgement: no answer. None: it was not a number.
    Ack { applied: Option<u64>, fsynced: Option<u64> },
    /// A request for one: no answer.
    GetAck,
}

impl Negotiated {
    /// Takes the arguments behind REPLCONF from left to right. What stands before an error (its text without
    /// `-` and line end) stays in force.
    pub(super) fn take(&mut self, options: &[&[u8]]) -> Result<Said, String> {
        if !options.len().is_multiple_of(2) {
            return Err("ERR syntax error".to_owned());
        }
        for (at, pair) in options.chunks_exact(2).enumerate() {
            match &pair[0].to_ascii_lowercase()[..] {
                b"ack" => return Ok(read_ack(&options[2 * at..])),
                b"getack" => return Ok(Said::GetAck),
                name => self.take_option(name, pair)?,
            }
        }
        Ok(Said::Options)
    }

    fn take_option(&mut self, name: &[u8], pair: &[&[u8]]) -> Result<(), String> {
        let value = pair[1];
        match name {
            b"listening-port" => self.listening_port = integer(value)? as i32,
            b"ip-address" if value.len() > IP_LENGTH_MAX => {
                let length = value.len();
                return Err(format!(
                    "ERR REPLCONF ip-address provided by replica instance is too long: {length} bytes"
                ));
            }
            b"ip-address" => self.announced_ip = (!value.is_empty()).then(|| value.to_vec()),
            b"capa" => match &value.to_ascii_lowercase()[..] {
                b"eof" => self.eof = true,
                b"psync2" => self.psync2 = true,
                b"lockstep-history" => self.history = true,
                b"rdb-channel-repl" => self.rdb_channel_repl = true,
                name if name.starts_with(INSTANCE) => self.instance = ReplId::parse(&name[INSTANCE.len()..]),
                // Capabilities we have no use for are the replica's own affair.
                _ => {}
            },
            b"rdb-only" => {
                self.rdb_only = match integer(value)? {
                    0 => false,
                    1 => true,
                    _ => return Err("ERR value is out of range, value must between 0 and 1".to_owned()),
                }
            }
            b"rdb-filter-only" => self.parts = read_parts(value)?,
            b"version" => {
                let version = read_version(value);
                self.version =
                    Some(version.ok_or_else(|| format!("ERR Unrecognized version format: {}", text(value)))?);
            }
            _ => return Err(format!("ERR Unrecognized REPLCONF option: {}", text(pair[0]))),
        }
        Ok(())
    }

    /// Whether the snapshot shall lack something.
    pub(super) fn is_filtered(&self) -> bool {
        self.parts != SnapshotParts { data: true, functions: true }
    }
}

fn read_ack(options: &[&[u8]]) -> Said {
    let fsynced = match options.get(2) {
        Some(name) if name.eq_ignore_ascii_case(b"fack") => options.get(3).and_then(|number| position(number)),
        _ => None,
    };
    Said::Ack { applied: position(options[1]), fsynced }
}

/// An acknowledged position: one that no 64-bit integer holds says nothing.
fn position(text: &[u8]) -> Option<u64> {
    numbers::parse_i64(text).and_then(|number| u64::try_from(number).ok())
}

fn integer(value: &[u8]) -> Result<i64, String> {
    numbers::parse_i64(value).ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}

/// A list of the parts wanted; the only one that can be named is the functions.
fn read_parts(value: &[u8]) -> Result<SnapshotParts, String> {
    let mut words = resp::ArgsBuf::new();
    resp::split_inline(value, &mut words).map_err(|_| "ERR Missing rdb-filter-only values".to_owned())?;
    let mut parts = SnapshotParts { data: false, functions: false };
    for word in words.view(value).iter() {
        if !word.eq_ignore_ascii_case(b"functions") {
            return Err(format!("ERR Unsupported rdb-filter-only option: {}", text(word)));
        }
        parts.functions = true;
    }
    Ok(parts)
}

/// Three numbers of at most a byte each, nothing around them.
fn read_version(value: &[u8]) -> Option<(u8, u8, u8)> {
    let part = |digits: &[u8]| -> Option<u8> {
        let good = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        good.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
    };
    let mut parts = value.split(|&b| b == b'.');
    let version = (part(parts.next()?)?, part(parts.next()?)?, part(parts.next()?)?);
    parts.next().is_none().then_some(version)
}

/// A peer's word inside an error: line ends become spaces, as an error is one line.
fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(options: &[&str]) -> (Negotiated, Result<Said, String>) {
        let mut negotiated = Negotiated::default();
        let options: Vec<&[u8]> = options.iter().map(|option| option.as_bytes()).collect();
        let said = negotiated.take(&options);
        (negotiated, said)
    }

    #[test]
    fn every_option_is_remembered() {
        let options = [
            ["LISTENING-PORT", "7001"],
            ["ip-address", "10.0.0.9"],
            ["capa", "EOF"],
            ["capa", "psync2"],
            ["capa", "lockstep-history"],
            ["capa", "Lockstep-id=CDcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"],
            ["capa", "rdb-channel-repl"],
            ["capa", "never-heard-of"],
            ["rdb-only", "1"],
            ["rdb-filter-only", "functions"],
            ["version", "9.1.2"],
        ];
        let (negotiated, said) = take(options.as_flattened());
        assert_eq!(said, Ok(Said::Options));
        let expected = Negotiated {
            listening_port: 7001,
            announced_ip: Some(b"10.0.0.9".to_vec()),
            eof: true,
            psync2: true,
            history: true,
            instance: Some(ReplId::from_entropy([0xcd; 20])),
            rdb_channel_repl: true,
            rdb_only: true,
            parts: SnapshotParts { data: false, functions: true },
            version: Some((9, 1, 2)),
        };
        assert_eq!(negotiated, expected);
    }

    #[test]
    fn errors_are_the_peers_to_the_letter() {
        let long = "x".repeat(256);
        let too_long = "REPLCONF ip-address provided by replica instance is too long: 256 bytes";
        for (options, error) in [
            (&["foo", "1"][..], "Unrecognized REPLCONF option: foo"),
            (&["a\r\nb", "1"], "Unrecognized REPLCONF option: a  b"),
            (&["rdb-channel", "1"], "Unrecognized REPLCONF option: rdb-channel"),
            (&["listening-port"], "syntax error"),
            (&["capa", "eof", "x"], "syntax error"),
            (&["listening-port", "abc"], "value is not an integer or out of range"),
            (&["ip-address", &long], too_long),
            (&["rdb-only", "2"], "value is out of range, value must between 0 and 1"),
            (&["rdb-only", "x"], "value is not an integer or out of range"),
            (&["rdb-filter-only", "bogus"], "Unsupported rdb-filter-only option: bogus"),
            (&["rdb-filter-only", "\"x"], "Missing rdb-filter-only values"),
            (&["version", "1.2"], "Unrecognized version format: 1.2"),
        ] {
            assert_eq!(take(options).1, Err(format!("ERR {error}")), "{options:?}");
        }
    }

    #[test]
    fn what_stands_before_an_error_stays_in_force() {
        let (negotiated, said) = take(&["capa", "eof", "foo", "x"]);
        assert!(negotiated.eof && said.is_err());
    }

    #[test]
    fn versions_are_three_small_numbers() {
        for (good, version) in [("9.1.2", (9, 1, 2)), ("01.2.3", (1, 2, 3)), ("1.255.255", (1, 255, 255))] {
            assert_eq!(read_version(good.as_bytes()), Some(version));
        }
        for bad in ["", "1", "1.2", "1.2.3.4", "1.256.1", "-1.2.3", "+1.2.3", "1.2.3 ", "1. 2.3", "abc", "0001.2.3"] {
            assert_eq!(read_version(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn an_empty_filter_wants_nothing_at_all() {
        let (negotiated, _) = take(&["rdb-filter-only", ""]);
        assert_eq!(negotiated.parts, SnapshotParts { data: false, functions: false });
        assert!(negotiated.is_filtered());
    }

    #[test]
    fn acknowledgements_end_the_options_and_bad_numbers_acknowledge_nothing() {
        assert_eq!(take(&["ACK", "7"]).1, Ok(Said::Ack { applied: Some(7), fsynced: None }));
        assert_eq!(take(&["ack", "7", "FACK", "5"]).1, Ok(Said::Ack { applied: Some(7), fsynced: Some(5) }));
        assert_eq!(take(&["ack", "x", "fack", "y"]).1, Ok(Said::Ack { applied: None, fsynced: None }));
        let beyond = "9223372036854775808";
        assert_eq!(take(&["ack", beyond, "fack", beyond]).1, Ok(Said::Ack { applied: None, fsynced: None }));
        assert_eq!(take(&["getack", "*", "foo", "x"]).1, Ok(Said::GetAck));
    }
}
