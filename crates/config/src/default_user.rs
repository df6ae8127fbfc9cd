//! The default user, the only one there is: who gets in, and its line in redis.conf. Other users, and a default user with
//! less than full access, are refused.

use sha2::{Digest, Sha256};

/// The digest of a password: SHA-256.
pub(crate) type PasswordDigest = [u8; 32];

/// How the default user gets in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum DefaultUser {
    /// As `requirepass` says: no `user` line spoke of it, or `requirepass` was changed since.
    #[default]
    Requirepass,
    /// Without a password, whatever `requirepass` says.
    Open,
    /// With a password that has one of these digests.
    Digests(Vec<PasswordDigest>),
}

const FULL_ACCESS_ONLY: &str = "there are no ACL users yet, only the default one, with full access: 'user default on', \
                                'nopass' or passwords, '~* &* +@all'";

impl DefaultUser {
    /// Reads what follows `user`: the name and its rules, which begin from nothing. `channels`: whether a user may use
    /// all channels unless a rule says otherwise.
    pub(crate) fn from_rules(words: &[Vec<u8>], channels: bool) -> Result<DefaultUser, String> {
        let Some((name, rules)) = words.split_first() else {
            return Err("Bad directive or wrong number of arguments".to_owned());
        };
        if name != b"default" {
            return Err(FULL_ACCESS_ONLY.to_owned());
        }
        let mut rights = Rights { on: false, keys: false, channels, commands: false };
        let mut user = DefaultUser::Digests(Vec::new());
        for rule in rules {
            if !rights.allow(rule) && !user.let_in_by(rule) {
                return Err(format!("'{}': {FULL_ACCESS_ONLY}", String::from_utf8_lossy(rule)));
            }
        }
        let nobody = user == DefaultUser::Digests(Vec::new());
        if nobody || rights != (Rights { on: true, keys: true, channels: true, commands: true }) {
            return Err(FULL_ACCESS_ONLY.to_owned());
        }
        Ok(user)
    }

    /// Takes a rule about passwords: false if it is none.
    fn let_in_by(&mut self, rule: &[u8]) -> bool {
        if rule.eq_ignore_ascii_case(b"nopass") {
            *self = DefaultUser::Open;
            return true;
        }
        let digest = match rule {
            [b'>', password @ ..] => Some(digest(password)),
            [b'#', hex @ ..] => parse_hex(hex),
            _ => None,
        };
        let Some(digest) = digest else { return rule.eq_ignore_ascii_case(b"resetpass") && self.forget() };
        match self {
            DefaultUser::Digests(digests) if digests.contains(&digest) => {}
            DefaultUser::Digests(digests) => digests.push(digest),
            // A password behind `nopass` takes it back.
            _ => *self = DefaultUser::Digests(vec![digest]),
        }
        true
    }

    fn forget(&mut self) -> bool {
        *self = DefaultUser::Digests(Vec::new());
        true
    }

    /// What the line of this user says behind `user`, as Redis 7.2 and Valkey 8 write it.
    pub(crate) fn line(&self, requirepass: &[u8]) -> Vec<u8> {
        let digests = match self {
            DefaultUser::Requirepass if requirepass.is_empty() => Vec::new(),
            DefaultUser::Requirepass => vec![digest(requirepass)],
            DefaultUser::Open => Vec::new(),
            DefaultUser::Digests(digests) => digests.clone(),
        };
        let mut line = b"default on ".to_vec();
        if digests.is_empty() {
            line.extend(b"nopass ");
        }
        line.extend(b"sanitize-payload ");
        for digest in digests {
            line.push(b'#');
            line.extend(digest.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
            line.push(b' ');
        }
        line.extend(b"~* &* +@all");
        line
    }

    /// Whether a password is asked for.
    pub(crate) fn needs_password(&self, requirepass: &[u8]) -> bool {
        match self {
            DefaultUser::Requirepass => !requirepass.is_empty(),
            DefaultUser::Open => false,
            DefaultUser::Digests(_) => true,
        }
    }

    /// Whether this password lets in. Digests are compared, so that the time taken tells nothing of where they differ.
    pub(crate) fn accepts(&self, requirepass: &[u8], given: &[u8]) -> bool {
        match self {
            DefaultUser::Requirepass => requirepass.is_empty() || digest(requirepass) == digest(given),
            DefaultUser::Open => true,
            DefaultUser::Digests(digests) => digests.contains(&digest(given)),
        }
    }
}

/// What the rules have allowed so far.
#[derive(PartialEq, Eq)]
struct Rights {
    on: bool,
    keys: bool,
    channels: bool,
    commands: bool,
}

impl Rights {
    /// Takes a rule that gives a full right: false for any other.
    fn allow(&mut self, rule: &[u8]) -> bool {
        match rule.to_ascii_lowercase().as_slice() {
            b"on" => self.on = true,
            b"~*" | b"%rw~*" | b"allkeys" => self.keys = true,
            b"&*" | b"allchannels" => self.channels = true,
            b"+@all" | b"allcommands" => self.commands = true,
            // Payloads are always checked, and there are no rights to single databases.
            b"sanitize-payload" | b"skip-sanitize-payload" | b"alldbs" => {}
            _ => return false,
        }
        true
    }
}

fn digest(password: &[u8]) -> PasswordDigest {
    Sha256::digest(password).into()
}

fn parse_hex(text: &[u8]) -> Option<PasswordDigest> {
    // The peers take lower case only.
    let digit = |byte: u8| (byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    if text.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> Result<DefaultUser, String> {
        DefaultUser::from_rules(&crate::grammar::split_line(rules.as_bytes()).unwrap(), false)
    }

    #[test]
    fn full_access_is_taken_however_it_is_said() {
        for rules in [
            "default on nopass ~* &* +@all",
            "default on nopass sanitize-payload ~* &* +@all",
            "default on nopass allkeys allchannels allcommands",
            "default ON NOPASS %RW~* &* +@ALL",
            "default on >x nopass ~* &* +@all",
        ] {
            assert_eq!(user(rules), Ok(DefaultUser::Open), "{rules}");
        }
        let hashed = "default on #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~* &* +@all";
        for rules in [hashed, "default on nopass >x ~* &* +@all", "default on >y resetpass >x >x ~* &* +@all"] {
            let user = user(rules).unwrap();
            assert!(user.needs_password(b"") && user.accepts(b"", b"x") && !user.accepts(b"y", b"y"), "{rules}");
        }
    }

    #[test]
    fn anything_less_is_refused() {
        for rules in [
            "",
            "bob on nopass ~* &* +@all",
            "Default on nopass ~* &* +@all",
            "default",
            "default on nopass",
            "default nopass ~* &* +@all",
            "default on ~* &* +@all",
            "default on nopass ~* +@all",
            "default on nopass ~k* &* +@all",
            "default on nopass ~* &* +@all -debug",
            "default on nopass ~* &* +@all (+get ~x)",
            "default off nopass ~* &* +@all",
            "default on #12 ~* &* +@all",
        ] {
            assert!(user(rules).is_err(), "{rules}");
        }
    }

    #[test]
    fn the_line_reads_back() {
        for user in [DefaultUser::Open, DefaultUser::Digests(vec![digest(b"x"), digest(b"y")])] {
            let words = crate::grammar::split_line(&user.line(b"z")).unwrap();
            assert_eq!(DefaultUser::from_rules(&words, false), Ok(user));
        }
        assert_eq!(DefaultUser::Requirepass.line(b""), b"default on nopass sanitize-payload ~* &* +@all");
    }
}
