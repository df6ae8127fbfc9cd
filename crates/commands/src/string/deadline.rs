//! Deadlines as arguments give them: seconds or milliseconds, from now or since the epoch. Shared by SET, GETEX, EXPIRE,
//! RESTORE and their relatives.

use base::UnixMs;
use keyspace::{Db, ExpiryMode};

use crate::error::Error;

/// How a number stands for a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    /// Counted in seconds rather than milliseconds.
    pub(crate) seconds: bool,
    /// Since the epoch rather than from now.
    pub(crate) absolute: bool,
}

impl Clock {
    /// `EX`, EXPIRE.
    pub(crate) const SECONDS: Clock = Clock { seconds: true, absolute: false };
    /// `PX`, PEXPIRE.
    pub(crate) const MILLIS: Clock = Clock { seconds: false, absolute: false };
    /// `EXAT`, EXPIREAT.
    pub(crate) const AT_SECONDS: Clock = Clock { seconds: true, absolute: true };
    /// `PXAT`, PEXPIREAT.
    pub(crate) const AT_MILLIS: Clock = Clock { seconds: false, absolute: true };

    /// The clock of an option of SET or GETEX.
    pub(crate) fn of_option(word: &[u8]) -> Option<Clock> {
        [("EX", Clock::SECONDS), ("PX", Clock::MILLIS), ("EXAT", Clock::AT_SECONDS), ("PXAT", Clock::AT_MILLIS)]
            .into_iter()
            .find_map(|(name, clock)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(clock))
    }

    /// The moment that `amount` stands for, None if it does not fit.
    pub(crate) fn moment(self, amount: i64, now: UnixMs) -> Option<UnixMs> {
        let millis = if self.seconds { amount.checked_mul(1000)? } else { amount };
        let moment = if self.absolute { millis } else { millis.checked_add(now.0)? };
        Some(UnixMs(moment))
    }

    /// The moment that a positive argument stands for; `command` is named in the refusal.
    pub(crate) fn positive_moment(self, arg: &[u8], now: UnixMs, command: &str) -> Result<UnixMs, Error> {
        let amount = crate::context::int(arg)?;
        if amount <= 0 {
            return Err(invalid(command));
        }
        self.moment(amount, now).ok_or_else(|| invalid(command))
    }
}

/// The refusal of a deadline.
pub(crate) fn invalid(command: &str) -> Error {
    Error::owned(format!("ERR invalid expire time in '{command}' command"))
}

/// Whether a deadline has passed so that the key is deleted at once. Not for commands from the master and not in replay:
/// there the key stays until its DEL comes.
pub(crate) fn is_past(db: &Db<'_>, deadline: UnixMs) -> bool {
    db.expiry != ExpiryMode::Ignore && deadline <= db.now
}

/// Journals the deletion of a key whose new deadline has passed already, in place of the command.
pub(crate) fn replicate_deletion(db: &mut Db<'_>, key: &[u8]) {
    let word: &[u8] = if db.settings().lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
    let index = db.index();
    db.effects.replicate_instead(index, &[word, key]);
}
