//! Fields as numbers: HINCRBY on 64-bit integers, HINCRBYFLOAT on long doubles. Both keep the field's deadline.

use base::numbers::LongDouble;
use collections::Hash;
use keyspace::Access;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::event;

/// Adds to the integer in a field of a hash; a missing field counts as 0.
pub(super) const HINCRBY: DataRow = Row {
    name: "hincrby",
    meta: Meta::new("hash", "2.0.0", 4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds to the integer in a field of a hash; a missing field counts as 0.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 field:string increment:integer"),
    run: hincrby as DataFn,
    subcommands: &[],
};
fn hincrby(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let increment = int(&args[3])?;
    ctx.db.expire_fields(&args[1], [&args[2]], Access::Write);
    let mut edit = ctx.db.edit_or_new::<Hash>(&args[1])?;
    match integer_sum(edit.get(), &args[2], increment) {
        Ok(sum) => {
            let mut digits = itoa::Buffer::new();
            let (hash, limits) = edit.get_mut();
            hash.set_value(&args[2], digits.format(sum).as_bytes(), limits);
            edit.changed(event("hincrby"), 1);
            ctx.reply.int(sum);
            Ok(())
        }
        Err(error) => {
            edit.unchanged();
            Err(error)
        }
    }
}

fn integer_sum(hash: &Hash, field: &[u8], increment: i64) -> Result<i64, Error> {
    let old = match hash.get(field) {
        Some(value) => value.as_i64().ok_or(Error::text("ERR hash value is not an integer"))?,
        None => 0,
    };
    old.checked_add(increment).ok_or(Error::text("ERR increment or decrement would overflow"))
}

/// Adds to the floating point number in a field of a hash; a missing field counts as 0.
pub(super) const HINCRBYFLOAT: DataRow = Row {
    name: "hincrbyfloat",
    meta: Meta::new("hash", "2.6.0", 4, Flags::DENYOOM.with(Flags::FAST).with(Flags::WRITE))
        .about("Adds to the floating point number in a field of a hash; a missing field counts as 0.", "O(1)")
        .acl(Categories::HASH)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 field:string increment:double"),
    run: hincrbyfloat as DataFn,
    subcommands: &[],
};
fn hincrbyfloat(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let increment = LongDouble::parse(&args[3]).ok_or(Error::NotFloat)?;
    if !increment.is_finite() {
        // A number too large is refused as no number at all; only a written-out infinity is called one.
        let is_word = args[3].iter().any(|byte| byte.eq_ignore_ascii_case(&b'n'));
        return Err(if is_word { Error::text("ERR value is NaN or Infinity") } else { Error::NotFloat });
    }
    let (key, field) = (&args[1], &args[2]);
    ctx.db.expire_fields(key, [field], Access::Write);
    let mut edit = ctx.db.edit_or_new::<Hash>(key)?;
    let text = match float_sum(edit.get(), field, increment) {
        Ok(text) => text,
        Err(error) => {
            edit.unchanged();
            return Err(error);
        }
    };
    let (hash, limits) = edit.get_mut();
    hash.set_value(field, &text, limits);
    let is_timed = hash.deadline(field).flatten().is_some();
    edit.changed(event("hincrbyfloat"), 1);
    ctx.reply.bulk(&text);
    // What is computed may differ in the last digit elsewhere, so replicas and files get the result. HSET would clear a
    // deadline, and an older replica, which knows no deadlines, does not know the other command either.
    let index = ctx.db.index();
    if is_timed {
        ctx.db.effects.replicate_instead(index, &[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, &text]);
    } else {
        ctx.db.effects.replicate_instead(index, &[b"HSET", key, field, &text]);
    }
    Ok(())
}

fn float_sum(hash: &Hash, field: &[u8], increment: LongDouble) -> Result<Vec<u8>, Error> {
    let sum = match hash.get(field) {
        Some(value) => {
            let old = value.with_bytes(LongDouble::parse).ok_or(Error::text("ERR hash value is not a float"))?;
            old.add(increment)
        }
        None => increment,
    };
    if !sum.is_finite() {
        return Err(Error::text("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::with_capacity(40);
    sum.write(&mut text);
    Ok(text)
}
