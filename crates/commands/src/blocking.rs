//! What commands ask for that can't be answered at once. BLPOP and its like run as any command does, and if there is nothing
//! for them yet they leave a [`Wait`]: whoever runs commands for clients runs them again when a key has changed. DUMP of a
//! large value leaves that value, to be laid out beside the executor. RESTORE of a large payload is run when that was read there.

use std::time::Duration;

use base::UnixMs;
use keyspace::{Object, Value};
use resp::OwnedArgs;

use crate::context::Context;
use crate::error::{Error, Outcome};

/// Whether the running command may wait, and whether it asks to.
#[derive(Default)]
pub enum Blocking {
    /// It must answer at once: inside a transaction or a script, and in a master's stream.
    #[default]
    Refused,
    /// It may wait.
    Allowed,
    /// It was not answered and waits for this.
    Asked(Awaited),
    /// What it waited for before it was run at all: its payload is read.
    Restored(Box<RestoredValue>),
}

/// The value that a payload holds, or what is replied if it holds none.
pub type RestoredValue = Result<Value, Error>;

/// What a command waits for that was not answered.
pub enum Awaited {
    /// A key that can serve it.
    Key(Box<Wait>),
    /// The payload that DUMP replies of this value.
    Dump(Object),
}

/// To lay out a value of this many bytes, or to read a payload of as many, takes half a millisecond or more. It is done beside
/// the executor.
pub const LARGE_PAYLOAD_MIN: usize = 256 * 1024;

/// What a command waits for.
pub struct Wait {
    /// For how long; None: for ever.
    pub timeout: Option<Duration>,
    /// Which keys can serve it.
    pub keys: Vec<Vec<u8>>,
    /// The type that such a key must have.
    pub kind: keyspace::Kind,
    /// It is to be answered as well if a key is gone or has another type: a consumer group needs its stream.
    pub wants_loss: bool,
    /// What is run in place of the command as it was sent: XREAD's `$` means the moment it came.
    pub again: Option<OwnedArgs>,
}

impl Context<'_> {
    /// Ends a command that finds nothing: it waits, or `refused` answers if it may not.
    pub(crate) fn wait_or(&mut self, wait: Wait, refused: impl FnOnce(&mut resp::Reply<'_>)) -> Outcome {
        match self.blocking {
            Blocking::Refused => refused(&mut self.reply),
            Blocking::Allowed | Blocking::Asked(_) | Blocking::Restored(_) => {
                self.blocking = Blocking::Asked(Awaited::Key(Box::new(wait)));
            }
        }
        Ok(())
    }
}

/// Reads a timeout in seconds, fractions and zero (for ever) included. Parts of a millisecond count as a whole one.
pub(crate) fn timeout_seconds(arg: &[u8], now: UnixMs) -> Result<Option<Duration>, Error> {
    let seconds = base::numbers::parse_f64(arg).ok_or(NOT_FLOAT)?;
    let millis = (seconds * 1000.0).ceil();
    if millis >= i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    timeout(millis as i64, now)
}

/// Reads a timeout in whole milliseconds; zero: for ever.
pub(crate) fn timeout_millis(arg: &[u8], now: UnixMs) -> Result<Option<Duration>, Error> {
    timeout(base::numbers::parse_i64(arg).ok_or(NOT_INTEGER)?, now)
}

fn timeout(millis: i64, now: UnixMs) -> Result<Option<Duration>, Error> {
    let span = u64::try_from(millis).map_err(|_| NEGATIVE)?;
    now.0.checked_add(millis).ok_or(OUT_OF_RANGE)?;
    Ok((span > 0).then(|| Duration::from_millis(span)))
}

const NOT_FLOAT: Error = Error::text("ERR timeout is not a float or out of range");
const NOT_INTEGER: Error = Error::text("ERR timeout is not an integer or out of range");
const OUT_OF_RANGE: Error = Error::text("ERR timeout is out of range");
const NEGATIVE: Error = Error::text("ERR timeout is negative");

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts from Valkey 8.0.
    #[test]
    fn timeouts_are_read_as_the_peers_read_them() {
        let now = UnixMs(1_750_000_000_000);
        let seconds = |text: &str| timeout_seconds(text.as_bytes(), now);
        assert_eq!(seconds("0"), Ok(None));
        assert_eq!(seconds("-0.0001"), Ok(None));
        assert_eq!(seconds("0.0001"), Ok(Some(Duration::from_millis(1))));
        assert_eq!(seconds("0x0.1p-3"), Ok(Some(Duration::from_millis(8))));
        assert_eq!(seconds("-1"), Err(NEGATIVE));
        assert_eq!(seconds("-inf"), Err(NEGATIVE));
        for text in ["inf", "1e30", "9223372036854775"] {
            assert_eq!(seconds(text), Err(OUT_OF_RANGE), "{text}");
        }
        for text in ["nan", "abc", ""] {
            assert_eq!(seconds(text), Err(NOT_FLOAT), "{text}");
        }
        assert_eq!(timeout_millis(b"1.5", now), Err(NOT_INTEGER));
        assert_eq!(timeout_millis(b"-1", now), Err(NEGATIVE));
        assert_eq!(timeout_millis(b"9223372036854775807", now), Err(OUT_OF_RANGE));
    }
}
