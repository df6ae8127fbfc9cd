//! HSETEX as far as it does without field expiry: Redis 8 writes it into its stream in place of HINCRBYFLOAT, so
//! following one needs it. A deadline for fields is refused: nothing here could keep it.

use collections::Hash;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;

/// Sets fields of a hash if all of them exist, or none.
pub(super) const HSETEX: DataRow = Row {
    name: "hsetex",
    meta: Meta::new("hash", "8.0.0", -6, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Sets fields of a hash, on condition that all of them exist or none does.", "O(N) with N fields")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage(
            "key:key#0 [condition<FNX | FXX>] [expiration<EX=seconds:integer | PX=milliseconds:integer | \
             EXAT=unix-time-seconds:unix-time | PXAT=unix-time-milliseconds:unix-time | KEEPTTL>] \
             FIELDS=fields{numfields:integer data{field:string value:string}...}",
        ),
    run: hsetex as DataFn,
    subcommands: &[],
};

/// Which fields must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    AllExist,
    NoneExists,
}

fn hsetex(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (condition, pairs_at) = parse(args)?;
    let pairs = args.tail(pairs_at);
    let fields = || pairs.iter().step_by(2);
    let mut edit = ctx.db.edit_or_new::<Hash>(&args[1])?;
    let fits = match condition {
        Condition::None => true,
        Condition::AllExist => fields().all(|field| edit.get().contains(field)),
        Condition::NoneExists => !fields().any(|field| edit.get().contains(field)),
    };
    if !fits {
        edit.unchanged();
        ctx.reply.int(0);
        return Ok(());
    }
    let (hash, limits) = edit.get_mut();
    hash.prepare(pairs.len() / 2, limits);
    for (field, value) in fields().zip(pairs.iter().skip(1).step_by(2)) {
        hash.set(field, value, limits);
    }
    edit.changed(event("hset"), (pairs.len() / 2) as u64);
    // Older replicas know no HSETEX, and without a deadline HSET says the same.
    let command: Vec<&[u8]> = [&b"HSET"[..], args.at(1)].into_iter().chain(pairs.iter()).collect();
    let db = ctx.db.index();
    ctx.db.effects.replicate_instead(db, &command);
    ctx.reply.int(1);
    Ok(())
}

/// Reads the options: the condition, and where the pairs begin.
fn parse(args: &Args<'_>) -> Result<(Condition, usize), Error> {
    let mut condition = Condition::None;
    let mut keep_ttl = false;
    let mut at = 2;
    loop {
        let word = args.get(at).ok_or(WRONG_COUNT)?;
        if is(word, "FIELDS") {
            break;
        }
        let deadline = ["EX", "PX", "EXAT", "PXAT"].iter().any(|option| is(word, option));
        if is(word, "FNX") || is(word, "FXX") {
            if condition != Condition::None {
                return Err(Error::text("ERR Only one of FXX or FNX arguments can be specified"));
            }
            condition = if is(word, "FXX") { Condition::AllExist } else { Condition::NoneExists };
        } else if is(word, "KEEPTTL") || deadline {
            if keep_ttl {
                return Err(Error::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"));
            }
            if deadline {
                return Err(Error::text("ERR hash fields with a time to live are not supported by this server yet"));
            }
            keep_ttl = true;
        } else {
            return Err(Error::Bytes([b"ERR unknown argument: ", word].concat()));
        }
        at += 1;
    }
    let count = args.get(at + 1).and_then(base::numbers::parse_i64).filter(|count| *count > 0);
    let count = count.ok_or(Error::text("ERR invalid number of fields"))?;
    let given = args.len() - (at + 2);
    if given as i64 != count.saturating_mul(2) {
        return Err(WRONG_COUNT);
    }
    Ok((condition, at + 2))
}

const WRONG_COUNT: Error = Error::text("ERR wrong number of arguments for 'hsetex' command");

#[cfg(test)]
mod tests {
    use resp::OwnedArgs;

    use super::*;

    /// Refusals read off a real Redis 8.0.
    #[test]
    fn requests_that_do_not_fit_are_refused_as_redis_8_does() {
        for (request, refusal) in [
            ("hsetex h FIELDS 0 a 1", "ERR invalid number of fields"),
            ("hsetex h FIELDS x a 1", "ERR invalid number of fields"),
            ("hsetex h FIELDS 2 a 1", "ERR wrong number of arguments for 'hsetex' command"),
            ("hsetex h FIELDS 1 a 1 b 2", "ERR wrong number of arguments for 'hsetex' command"),
            ("hsetex h foo FIELDS 1 a 1", "ERR unknown argument: foo"),
            ("hsetex h a 1 b 2", "ERR unknown argument: a"),
            ("hsetex h FNX FXX FIELDS 1 a 1", "ERR Only one of FXX or FNX arguments can be specified"),
            (
                "hsetex h KEEPTTL EX 10 FIELDS 1 a 1",
                "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            ),
        ] {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let request = OwnedArgs::from_slices(&words);
            let error = parse(&request.as_args()).err().expect("it is refused");
            assert_eq!(String::from_utf8_lossy(error.message()), refusal);
        }
    }
}
