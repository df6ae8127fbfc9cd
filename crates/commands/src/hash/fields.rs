//! What the commands on deadlines of fields share: `FIELDS numfields field …`, moments, and the effects that travel.

use base::UnixMs;
use keyspace::{Db, ExpiryMode};
use resp::Args;

use crate::context::{int, is};
use crate::error::Error;
use crate::string::deadline::{Clock, invalid};

/// The latest deadline that a client can set, as with Redis: a master's stream may bring later ones.
const DEADLINE_MS_MAX: i64 = (1 << 46) - 1;

/// How the commands refuse another number of fields than they say.
pub(super) const BAD_COUNT: Error = Error::text("ERR Number of fields must be a positive integer");

/// Reads `FIELDS numfields field …` at `at`, to the end: the fields. `bad_count` refuses what is no count.
pub(super) fn fields<'a>(args: &Args<'a>, at: usize, bad_count: Error) -> Result<Args<'a>, Error> {
    if !args.get(at).is_some_and(|word| is(word, "FIELDS")) {
        return Err(Error::text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let Some(count) = args.get(at + 1) else { return Err(wrong_arity(args)) };
    let count = base::numbers::parse_i64(count).filter(|count| *count > 0).ok_or(bad_count)?;
    let fields = args.tail(at + 2);
    if fields.len() as i64 != count {
        return Err(Error::text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// The refusal of too few or too many arguments.
pub(super) fn wrong_arity(args: &Args<'_>) -> Error {
    let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
    Error::owned(format!("ERR wrong number of arguments for '{name}' command"))
}

/// Reads the moment that an argument stands for; `command` is named in refusals.
pub(super) fn moment(db: &Db<'_>, clock: Clock, arg: &[u8], command: &str) -> Result<UnixMs, Error> {
    let amount = int(arg)?;
    if amount < 0 && db.expiry != ExpiryMode::Ignore {
        return Err(Error::text("ERR invalid expire time, must be >= 0"));
    }
    let moment = clock.moment(amount, db.now).ok_or_else(|| invalid(command))?;
    if moment.0 > DEADLINE_MS_MAX && db.expiry != ExpiryMode::Ignore {
        return Err(invalid(command));
    }
    Ok(moment)
}

/// Journals a deletion for each of these fields, in place of the command.
pub(super) fn replicate_deletions(db: &mut Db<'_>, key: &[u8], fields: &[&[u8]]) {
    let index = db.index();
    db.effects.replicate_nothing();
    for field in fields {
        db.effects.replicate_instead(index, &[b"HDEL", key, field]);
    }
}

/// Journals `head … FIELDS numfields field …` in place of the command. `width` words of `rest` make one field.
pub(super) fn replicate_fields<'f>(
    db: &mut Db<'_>,
    head: &[&'f [u8]],
    rest: impl IntoIterator<Item = &'f [u8]>,
    width: usize,
) {
    db.effects.replicate_nothing();
    if !db.effects.journal_wanted {
        return;
    }
    let rest: Vec<&[u8]> = rest.into_iter().collect();
    let mut digits = itoa::Buffer::new();
    let count = digits.format(rest.len() / width).as_bytes();
    let words: Vec<&[u8]> = head.iter().copied().chain([&b"FIELDS"[..], count]).chain(rest).collect();
    let index = db.index();
    db.effects.replicate_instead(index, &words);
}
