//! What a replica says before the synchronisation, and how it understands the answers. Pure functions: the
//! order in time is `link`'s.

use super::{LinkSettings, Resume};
use crate::framing::MARK_LENGTH;
use crate::master::INSTANCE;
use base::{ReplId, numbers};
use resp::encode;

/// One request of the introduction, so that its answer can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Introduction {
    Auth,
    ListeningPort,
    IpAddress,
    Capabilities,
    Version,
}

impl Introduction {
    /// What the log calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Introduction::Auth => "AUTH",
            Introduction::ListeningPort => "REPLCONF listening-port",
            Introduction::IpAddress => "REPLCONF ip-address",
            Introduction::Capabilities => "REPLCONF capa",
            Introduction::Version => "REPLCONF version",
        }
    }
}

pub(super) fn ping() -> Vec<u8> {
    request(&[b"PING"])
}

/// Everything between PING and PSYNC in one write, and the answers to expect, in order.
pub(super) fn introduce(settings: &LinkSettings, instance: ReplId) -> (Vec<u8>, Vec<Introduction>) {
    let mut out = Vec::new();
    let mut expected = Vec::new();
    if let Some(password) = &settings.password {
        match &settings.user {
            Some(user) => encode::command(&mut out, &[b"AUTH", user, password]),
            None => encode::command(&mut out, &[b"AUTH", password]),
        }
        expected.push(Introduction::Auth);
    }
    let port = settings.listening_port.to_string();
    encode::command(&mut out, &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    expected.push(Introduction::ListeningPort);
    if let Some(address) = &settings.announce_ip {
        encode::command(&mut out, &[b"REPLCONF", b"ip-address", address]);
        expected.push(Introduction::IpAddress);
    }
    let instance = [INSTANCE, instance.as_str().as_bytes()].concat();
    let capabilities = [&b"eof"[..], b"psync2", b"lockstep-history", &instance];
    let capabilities = capabilities.iter().flat_map(|name| [&b"capa"[..], name]);
    let words: Vec<&[u8]> = std::iter::once(&b"REPLCONF"[..]).chain(capabilities).collect();
    encode::command(&mut out, &words);
    expected.push(Introduction::Capabilities);
    encode::command(&mut out, &[b"REPLCONF", b"version", settings.version.as_bytes()]);
    expected.push(Introduction::Version);
    (out, expected)
}

pub(super) fn psync(resume: Option<Resume>, hand_over: bool) -> Vec<u8> {
    match resume {
        Some(Resume { replid, offset }) => {
            let wanted = offset.saturating_add(1).to_string();
            let words: [&[u8]; 4] = [b"PSYNC", replid.as_bytes(), wanted.as_bytes(), b"FAILOVER"];
            request(if hand_over { &words } else { &words[..3] })
        }
        None => request(&[b"PSYNC", b"?", b"-1"]),
    }
}

pub(super) fn sync() -> Vec<u8> {
    request(&[b"SYNC"])
}

pub(super) fn ack(applied: u64, fsynced: Option<u64>) -> Vec<u8> {
    let applied = applied.to_string();
    match fsynced.map(|offset| offset.to_string()) {
        Some(fsynced) => request(&[b"REPLCONF", b"ACK", applied.as_bytes(), b"FACK", fsynced.as_bytes()]),
        None => request(&[b"REPLCONF", b"ACK", applied.as_bytes()]),
    }
}

fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::command(&mut out, args);
    out
}

/// Whether the answer to PING lets the handshake go on: a master that wants AUTH first is fine, and so is one that cannot
/// write to its disk, which needs a replica more than ever.
pub(super) fn ping_is_answered(line: &[u8]) -> bool {
    const GOOD: [&[u8]; 5] = [b"+", b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted", b"-MISCONF"];
    GOOD.iter().any(|good| line.starts_with(good))
}

/// The id under which a master goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewId {
    pub(super) replid: ReplId,
    /// The ids between it and ours, the newest first, and where each ended; empty if the master is none of our kind.
    pub(super) older: Vec<(ReplId, u64)>,
}

/// The answer to PSYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PsyncReply {
    FullResync(Resume),
    Continue(Option<NewId>),
    /// Not now, but the master is well.
    Later,
    /// It does not know PSYNC, or will not do it: SYNC is left.
    Unsupported,
    Unusable,
}

pub(super) fn read_psync_reply(line: &[u8]) -> PsyncReply {
    let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
    match words.next() {
        Some(b"+FULLRESYNC") => {
            match (words.next().and_then(ReplId::parse), words.next().and_then(numbers::parse_offset)) {
                (Some(replid), Some(offset)) => PsyncReply::FullResync(Resume { replid, offset }),
                _ => PsyncReply::Unusable,
            }
        }
        Some(b"+CONTINUE") => match words.next().map(ReplId::parse) {
            None => PsyncReply::Continue(None),
            Some(Some(replid)) => {
                let mut older = Vec::new();
                while let Some(id) = words.next() {
                    match (ReplId::parse(id), words.next().and_then(numbers::parse_offset)) {
                        (Some(id), Some(end)) => older.push((id, end)),
                        _ => return PsyncReply::Unusable,
                    }
                }
                PsyncReply::Continue(Some(NewId { replid, older }))
            }
            Some(None) => PsyncReply::Unusable,
        },
        Some(b"-NOMASTERLINK" | b"-LOADING") => PsyncReply::Later,
        Some(b"-ERR") => PsyncReply::Unsupported,
        _ => PsyncReply::Unusable,
    }
}

/// The line before a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Sized(u64),
    EndMark([u8; MARK_LENGTH]),
    Unusable,
}

pub(super) fn read_header(line: &[u8]) -> Header {
    if let Some(mark) = line.strip_prefix(b"$EOF:") {
        return mark.try_into().map_or(Header::Unusable, Header::EndMark);
    }
    match line.strip_prefix(b"$").and_then(numbers::parse_u64) {
        Some(length) => Header::Sized(length),
        None => Header::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_introduction_is_what_real_replicas_send() {
        let settings = LinkSettings {
            user: Some(b"bob".to_vec()),
            password: Some(b"pw".to_vec()),
            announce_ip: Some(b"10.0.0.9".to_vec()),
            listening_port: 7001,
            ..LinkSettings::default()
        };
        let (bytes, expected) = introduce(&settings, ReplId::from_entropy([0xab; 20]));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$2\r\npw\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7001\r\n"));
        assert!(text.contains(&format!("lockstep-id={}\r\n", "ab".repeat(20))));
        assert!(text.contains("*9\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n"));
        assert!(text.ends_with("$7\r\nversion\r\n$5\r\n9.1.2\r\n"));
        assert_eq!(expected.len(), 5);
    }

    #[test]
    fn without_a_password_nobody_authenticates_even_if_a_user_is_named() {
        let settings = LinkSettings { user: Some(b"bob".to_vec()), ..LinkSettings::default() };
        let (bytes, expected) = introduce(&settings, ReplId::from_entropy([0xab; 20]));
        assert!(!bytes.windows(4).any(|w| w == b"AUTH"));
        assert_eq!(expected, [Introduction::ListeningPort, Introduction::Capabilities, Introduction::Version]);
    }

    #[test]
    fn psync_asks_for_the_byte_after_the_last_one() {
        let replid = ReplId::from_entropy([1; 20]);
        let text = String::from_utf8(psync(Some(Resume { replid, offset: 41 }), false)).unwrap();
        assert!(text.ends_with("$2\r\n42\r\n"), "{text}");
        assert_eq!(psync(None, false), b"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
    }

    #[test]
    fn psync_replies_are_told_apart() {
        let replid = ReplId::from_entropy([0xab; 20]);
        let full = PsyncReply::FullResync(Resume { replid, offset: 7 });
        assert_eq!(read_psync_reply(format!("+FULLRESYNC {replid} 7").as_bytes()), full);
        assert_eq!(read_psync_reply(b"+CONTINUE"), PsyncReply::Continue(None));
        assert_eq!(read_psync_reply(b"+CONTINUE "), PsyncReply::Continue(None));
        let continues = |older: Vec<(ReplId, u64)>| PsyncReply::Continue(Some(NewId { replid, older }));
        assert_eq!(read_psync_reply(format!("+CONTINUE {replid}").as_bytes()), continues(Vec::new()));
        let told = format!("+CONTINUE {replid} {replid} 9 {replid} 7");
        assert_eq!(read_psync_reply(told.as_bytes()), continues(vec![(replid, 9), (replid, 7)]));
        assert_eq!(read_psync_reply(format!("+CONTINUE {replid} {replid}").as_bytes()), PsyncReply::Unusable);
        let later = PsyncReply::Later;
        assert_eq!(read_psync_reply(b"-NOMASTERLINK Can't SYNC while not connected with my master"), later);
        assert_eq!(read_psync_reply(b"-LOADING Redis is loading the dataset in memory"), later);
        assert_eq!(read_psync_reply(b"-ERR unknown command 'PSYNC'"), PsyncReply::Unsupported);
        for unusable in [
            "+FULLRESYNC",
            "+FULLRESYNC x 7",
            "+FULLRESYNC ? -1",
            "+FULLRESYNC 0123456789012345678901234567890123456789 -1",
            "+FULLRESYNC 0123456789012345678901234567890123456789 9223372036854775807",
            "+FULLRESYNC 0123456789012345678901234567890123456789 18446744073709551615",
            "+CONTINUE x",
            "+CONTINUED",
            "+OK",
            "-NOPERM",
            ":1",
            "$5",
        ] {
            assert_eq!(read_psync_reply(unusable.as_bytes()), PsyncReply::Unusable, "{unusable}");
        }
    }

    #[test]
    fn headers_are_read_strictly() {
        assert_eq!(read_header(b"$0"), Header::Sized(0));
        assert_eq!(read_header(b"$1099511627776"), Header::Sized(1 << 40));
        assert_eq!(read_header(format!("$EOF:{}", "x".repeat(40)).as_bytes()), Header::EndMark([b'x'; 40]));
        for bad in ["$", "$-1", "$01", "$EOF:", "$EOF:abc", "*3", "+OK", "$99999999999999999999999"] {
            assert_eq!(read_header(bad.as_bytes()), Header::Unusable, "{bad}");
        }
    }

    #[test]
    fn an_ack_names_what_is_on_disk_only_if_told() {
        assert_eq!(ack(5, None), b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n5\r\n");
        assert!(ack(5, Some(3)).ends_with(b"$4\r\nFACK\r\n$1\r\n3\r\n"));
    }
}
