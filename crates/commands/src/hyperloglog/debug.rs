//! PFDEBUG and PFSELFTEST.

use collections::hyperloglog::{Form, HyperLogLog, HyperLogLogMut, REGISTERS, Registers};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::{change_quietly, corrupt, look};

/// Shows how a HyperLogLog is kept, or makes it dense.
pub(super) const PFDEBUG: DataRow = Row {
    name: "pfdebug",
    meta: Meta::new("hyperloglog", "2.8.9", 3, Flags::ADMIN.with(Flags::DENYOOM).with(Flags::WRITE))
        .about("Shows how a HyperLogLog is kept, or makes it dense.", "O(1)")
        .acl(Categories::HYPERLOGLOG)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("subcommand:string key:key#0"),
    run: pfdebug as DataFn,
    subcommands: &[],
};

fn pfdebug(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (word, key) = (&args[1], &args[2]);
    let value = ctx.db.peek(key).ok_or(Error::text("ERR The specified key does not exist"))?;
    let (form, text) = look(value, |hll| (hll.form(), is(word, "DECODE").then(|| hll.runs_as_text()).flatten()))?;
    if is(word, "ENCODING") {
        ctx.reply.simple(form.name());
    } else if is(word, "DECODE") {
        let text = text.ok_or(Error::text("ERR HLL encoding is not sparse"))?;
        ctx.reply.bulk(text.as_bytes());
    } else if is(word, "TODENSE") {
        let converted = make_dense(ctx, key, form)?;
        ctx.reply.int(i64::from(converted));
    } else if is(word, "GETREG") {
        make_dense(ctx, key, form)?;
        let mut registers = Registers::new();
        let value = ctx.db.peek(key).expect("the key was found above");
        look(value, |hll| registers.merge(&hll))?.map_err(corrupt)?;
        ctx.reply.array(REGISTERS);
        registers.values().iter().for_each(|value| ctx.reply.int(i64::from(*value)));
    } else {
        let mut text = b"ERR Unknown PFDEBUG subcommand '".to_vec();
        text.extend_from_slice(word);
        text.push(b'\'');
        return Err(Error::Bytes(text));
    }
    Ok(())
}

/// Makes a HyperLogLog dense: whether it was not.
fn make_dense(ctx: &mut Context<'_>, key: &[u8], form: Form) -> Result<bool, Error> {
    if form == Form::Dense {
        return Ok(false);
    }
    // Found out beforehand, since what is refused must not be a change.
    let value = ctx.db.peek(key).expect("the caller found the key");
    look(value, |hll| Registers::new().merge(&hll))?.map_err(corrupt)?;
    change_quietly(ctx, key, |mut hll| hll.make_dense().expect("all registers are there"));
    Ok(true)
}

/// Tests the estimates and that both forms agree.
pub(super) const PFSELFTEST: DataRow = Row {
    name: "pfselftest",
    meta: Meta::new("hyperloglog", "2.8.9", 1, Flags::ADMIN)
        .about("Tests the estimates and that both forms agree.", "O(1), some milliseconds")
        .acl(Categories::HYPERLOGLOG),
    run: pfselftest as DataFn,
    subcommands: &[],
};

/// The most elements that the test adds.
const ELEMENTS_MAX: u64 = 50_000;
/// Six times the standard error of 16384 registers.
const ERROR_MAX: f64 = 6.0 * 1.04 / 128.0;

fn pfselftest(ctx: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let bytes_max = ctx.db.limits().hll_sparse_max_bytes;
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    HyperLogLogMut::create(&mut packed);
    HyperLogLogMut::create(&mut plain);
    let mut check_at = 1;
    for added in 1..=ELEMENTS_MAX {
        let element = ctx.rng.u64(..).to_le_bytes();
        let [one, other] = [(&mut packed, bytes_max), (&mut plain, 0)].map(|(bytes, bytes_max)| {
            HyperLogLogMut::open(bytes).and_then(|mut hll| hll.add(&element, bytes_max).ok())
        });
        if one.is_none() || one != other {
            return Err(Error::owned(format!("TESTFAILED sparse!=dense: {one:?} {other:?} after {added} elements")));
        }
        if added == check_at {
            check_at *= 10;
            check(&packed, &plain, added)?;
        }
    }
    ctx.reply.ok();
    Ok(())
}

/// Holds the counts of two equal HyperLogLogs against the truth.
fn check(packed: &[u8], plain: &[u8], added: u64) -> Outcome {
    let [one, other] = [packed, plain].map(|bytes| HyperLogLog::open(bytes).and_then(|hll| hll.count().ok()));
    // Two of a few elements can fall into one register.
    let allowed = (added as f64 * ERROR_MAX).ceil() as u64;
    match one {
        Some(count) if one == other && count.abs_diff(added) <= allowed => Ok(()),
        _ => Err(Error::owned(format!("TESTFAILED {added} elements were counted as {one:?} and {other:?}"))),
    }
}
