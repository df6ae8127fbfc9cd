//! BITFIELD and BITFIELD_RO: integers of 1 to 64 bits anywhere in a string, read, set and added to.

use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use super::{SETBIT_EVENT, bit_offset};

/// Reads and changes integers of any width inside a string.
pub(super) const BITFIELD: DataRow = Row {
    name: "bitfield",
    meta: Meta::new("bitmap", "3.2.0", -2, Flags::DENYOOM.with(Flags::WRITE))
        .about("Reads and changes integers of any width inside a string.", "O(1) per operation")
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE).with(KeyAccess::VARIABLE_FLAGS), 1, 0, 1).notes("Some operations read, others write.")])
        .usage("key:key#0 [operation<GET=get-block{encoding:string offset:integer} | write{[OVERFLOW=overflow-block<WRAP | SAT | FAIL>] write-operation<SET=set-block{encoding:string offset:integer value:integer} | INCRBY=incrby-block{encoding:string offset:integer increment:integer}>}>...]")
        .edits_string(),
    run: bitfield as DataFn,
    subcommands: &[],
};

fn bitfield(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let operations = parse(ctx, args)?;
    if operations.iter().all(Operation::is_read) {
        return read_all(ctx, &args[1], &operations);
    }
    let results = ctx.db.edit_string_if(&args[1], SETBIT_EVENT, |bytes| run(bytes, &operations))?;
    ctx.reply.array(results.len());
    for result in results {
        match result {
            Some(number) => ctx.reply.int(number),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// Reads integers of any width inside a string.
pub(super) const BITFIELD_RO: DataRow = Row {
    name: "bitfield_ro",
    meta: Meta::new("bitmap", "6.0.0", -2, Flags::FAST.with(Flags::READONLY))
        .about("Reads integers of any width inside a string.", "O(1) per operation")
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [GET=get-block{encoding:string offset:integer}+...]"),
    run: bitfield_ro as DataFn,
    subcommands: &[],
};

fn bitfield_ro(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let operations = parse(ctx, args)?;
    if !operations.iter().all(Operation::is_read) {
        return Err(Error::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_all(ctx, &args[1], &operations)
}

fn read_all(ctx: &mut Context<'_>, key: &[u8], operations: &[Operation]) -> Outcome {
    let read = |bytes: &[u8]| operations.iter().map(|op| op.field.read(bytes)).collect::<Vec<i64>>();
    let numbers = match ctx.db.string(key)? {
        Some(value) => value.with_bytes(read),
        None => read(b""),
    };
    ctx.reply.array(numbers.len());
    numbers.into_iter().for_each(|number| ctx.reply.int(number));
    Ok(())
}

/// Where an integer stands and how it is read.
#[derive(Clone, Copy)]
struct Field {
    signed: bool,
    bits: u32,
    offset: u64,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// What happens to a number that does not fit its field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Operation {
    fn is_read(&self) -> bool {
        matches!(self.action, Action::Get)
    }
}

fn parse(ctx: &Context<'_>, args: &Args<'_>) -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while at < args.len() {
        let word = &args[at];
        let left = args.len() - at - 1;
        if is(word, "OVERFLOW") && left >= 1 {
            overflow = parse_overflow(&args[at + 1])?;
            at += 2;
            continue;
        }
        let taken = match left {
            2.. if is(word, "GET") => 2,
            3.. if is(word, "SET") || is(word, "INCRBY") => 3,
            _ => return Err(Error::Syntax),
        };
        let (signed, bits) = parse_type(&args[at + 1])?;
        let offset = bit_offset(ctx, &args[at + 2], Some(bits))?;
        let action = if taken == 2 {
            Action::Get
        } else if is(word, "SET") {
            Action::Set(int(&args[at + 3])?)
        } else {
            Action::Add(int(&args[at + 3])?)
        };
        operations.push(Operation { field: Field { signed, bits, offset }, action, overflow });
        at += 1 + taken;
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, Error> {
    [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)]
        .into_iter()
        .find_map(|(name, overflow)| is(word, name).then_some(overflow))
        .ok_or(Error::text("ERR Invalid OVERFLOW type specified"))
}

/// Reads `i1` to `i64` and `u1` to `u63`.
fn parse_type(word: &[u8]) -> Result<(bool, u32), Error> {
    const BAD_TYPE: Error =
        Error::text("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    let (signed, digits) = match word {
        [b'i', digits @ ..] => (true, digits),
        [b'u', digits @ ..] => (false, digits),
        _ => return Err(BAD_TYPE),
    };
    let bits = base::numbers::parse_i64(digits).ok_or(BAD_TYPE)?;
    let most = if signed { 64 } else { 63 };
    if (1..=most).contains(&bits) { Ok((signed, bits as u32)) } else { Err(BAD_TYPE) }
}

/// Runs the operations on a string: their results, and whether it changed. It grows to hold all fields written, but
/// not if every write was refused: a growth alone would not reach the replicas.
fn run(bytes: &mut Vec<u8>, operations: &[Operation]) -> (Vec<Option<i64>>, bool) {
    let old_len = bytes.len();
    let needed = operations.iter().filter(|op| !op.is_read()).map(|op| op.field.end_byte()).max().unwrap_or(0);
    if needed > old_len {
        keyspace::fill_with_zeros(bytes, needed);
    }
    let mut changed = false;
    let mut results = Vec::with_capacity(operations.len());
    for Operation { field, action, overflow } in operations {
        let old = field.read(bytes);
        let wanted = match action {
            Action::Get => {
                results.push(Some(old));
                continue;
            }
            // An unsigned field takes a negative number as the large one with the same bits.
            Action::Set(value) if !field.signed => i128::from(*value as u64),
            Action::Set(value) => field.peers_number(*value),
            Action::Add(value) => i128::from(old) + i128::from(*value),
        };
        let Some(new) = field.fit(wanted, *overflow) else {
            results.push(None);
            continue;
        };
        changed |= new != old || needed > old_len;
        field.write(bytes, new);
        results.push(Some(if matches!(action, Action::Set(_)) { old } else { new }));
    }
    if !changed {
        bytes.truncate(old_len);
    }
    (results, changed)
}

impl Field {
    /// The byte behind the last one it touches.
    fn end_byte(&self) -> usize {
        ((self.offset + u64::from(self.bits)).div_ceil(8)) as usize
    }

    /// The number; what lies behind the string counts as zeros.
    fn read(&self, bytes: &[u8]) -> i64 {
        let mut window: u128 = 0;
        let first = (self.offset / 8) as usize;
        for at in first..self.end_byte() {
            window = window << 8 | u128::from(bytes.get(at).copied().unwrap_or(0));
        }
        let raw = (window >> self.bits_after()) as u64;
        let unused = 64 - self.bits;
        if self.signed { (raw << unused) as i64 >> unused } else { (raw << unused >> unused) as i64 }
    }

    /// Writes the number; the string is long enough.
    fn write(&self, bytes: &mut [u8], number: i64) {
        let first = (self.offset / 8) as usize;
        let mask = (u128::MAX >> (128 - self.bits)) << self.bits_after();
        let value = (number as u128) << self.bits_after() & mask;
        for (nth, byte) in bytes[first..self.end_byte()].iter_mut().rev().enumerate() {
            *byte = *byte & !((mask >> (8 * nth)) as u8) | (value >> (8 * nth)) as u8;
        }
    }

    /// Bits between the number and the end of its last byte.
    fn bits_after(&self) -> u32 {
        (self.end_byte() as u64 * 8 - self.offset - u64::from(self.bits)) as u32
    }

    /// What the peers take a number for that is to be set in a signed field: they test it in 64-bit arithmetic, where a
    /// very low one looks too high. BITFIELD is replicated as sent, so all servers must agree.
    fn peers_number(&self, value: i64) -> i128 {
        let max = (1i128 << (self.bits - 1)) - 1;
        let looks_high = self.bits < 64 && i128::from(value) < max - i128::from(i64::MAX);
        // The same lowest bits, for wrapping, and above every maximum.
        if looks_high { i128::from(value) + (1i128 << 64) } else { i128::from(value) }
    }

    /// The number as the field can hold it, None if it is refused.
    fn fit(&self, wanted: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        };
        if (min..=max).contains(&wanted) {
            return Some(wanted as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(wanted.clamp(min, max) as i64),
            Overflow::Wrap => {
                let span = 1i128 << self.bits;
                let low = wanted.rem_euclid(span);
                Some(if low > max { low - span } else { low } as i64)
            }
        }
    }
}
