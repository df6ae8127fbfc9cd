//! Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT and BITPOS here, BITOP in `operate.rs`, BITFIELD in `field.rs`. Bit 0
//! is the highest bit of the first byte. The loops over bytes stand in `bits.rs`.

mod bits;
mod field;
mod operate;

use keyspace::notify::{Class, Event};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::read::byte_range;

/// The commands of this group.
pub const ROWS: &[DataRow] = &[SETBIT, GETBIT, BITCOUNT, BITPOS, operate::BITOP, field::BITFIELD, field::BITFIELD_RO];

/// What a change of bits notifies.
const SETBIT_EVENT: Event = Event::new(Class::STRING, "setbit");

const BAD_OFFSET: Error = Error::text("ERR bit offset is not an integer or out of range");

/// Reads a bit offset; `#n` stands for the n-th field of `field_bits` bits, if there is such a size.
fn bit_offset(ctx: &Context<'_>, arg: &[u8], field_bits: Option<u32>) -> Result<u64, Error> {
    let (digits, factor) = match (arg, field_bits) {
        ([b'#', digits @ ..], Some(bits)) => (digits, u64::from(bits)),
        _ => (arg, 1),
    };
    let number = base::numbers::parse_i64(digits).and_then(|number| u64::try_from(number).ok()).ok_or(BAD_OFFSET)?;
    let offset = number.checked_mul(factor).ok_or(BAD_OFFSET)?;
    let fits = offset / 8 < ctx.db.settings().string_bytes_max || ctx.db.obeys();
    if fits { Ok(offset) } else { Err(BAD_OFFSET) }
}

/// Sets or clears one bit of a string, which grows if need be; returns the old bit.
pub(super) const SETBIT: DataRow = Row {
    name: "setbit",
    meta: Meta::new("bitmap", "2.2.0", 4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Sets or clears one bit of a string, which grows if need be; returns the old bit.", "O(1)")
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 offset:integer value:integer")
        .edits_string(),
    run: setbit as DataFn,
    subcommands: &[],
};

fn setbit(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let offset = bit_offset(ctx, &args[2], None)?;
    let on = match &args[3] {
        b"0" => false,
        b"1" => true,
        _ => return Err(Error::text("ERR bit is not an integer or out of range")),
    };
    let at = (offset / 8) as usize;
    let mask = 0x80u8 >> (offset % 8);
    let was = ctx.db.edit_string_if(&args[1], SETBIT_EVENT, |bytes| {
        let grows = bytes.len() <= at;
        if grows {
            keyspace::fill_with_zeros(bytes, at + 1);
        }
        let was = bytes[at] & mask != 0;
        if was != on {
            bytes[at] ^= mask;
        }
        (was, grows || was != on)
    })?;
    ctx.reply.int(i64::from(was));
    Ok(())
}

/// Returns one bit of a string.
pub(super) const GETBIT: DataRow = Row {
    name: "getbit",
    meta: Meta::new("bitmap", "2.2.0", 3, Flags::FAST.with(Flags::READONLY))
        .about("Returns one bit of a string.", "O(1)")
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 offset:integer"),
    run: getbit as DataFn,
    subcommands: &[],
};

fn getbit(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let offset = bit_offset(ctx, &args[2], None)?;
    let bit = ctx.db.string(&args[1])?.is_some_and(|value| {
        value
            .with_bytes(|bytes| bytes.get((offset / 8) as usize).is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0))
    });
    ctx.reply.int(i64::from(bit));
    Ok(())
}

/// A range argument of BITCOUNT and BITPOS: from, to, and whether they count bits instead of bytes.
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    /// Reads `[start [end [BYTE | BIT]]]` from argument `at` on.
    fn parse(args: &Args<'_>, at: usize) -> Result<Range, Error> {
        let words = args.tail(at);
        if words.len() > 3 {
            return Err(Error::Syntax);
        }
        let start = words.get(0).map_or(Ok(0), int)?;
        let in_bits = match words.get(2) {
            Some(unit) if is(unit, "BIT") => true,
            Some(unit) if !is(unit, "BYTE") => return Err(Error::Syntax),
            _ => false,
        };
        let end = words.get(1).map_or(Ok(-1), int)?;
        Ok(Range { start, end, in_bits })
    }

    /// What the indexes count in a string of `len` bytes.
    fn units(&self, len: usize) -> usize {
        if self.in_bits { len * 8 } else { len }
    }

    /// The same range with both ends moved into the string. BITPOS looks at its first byte even if the range lies before
    /// it, where the other commands look at nothing.
    fn pulled_in(&self, len: usize) -> Range {
        let least = -(self.units(len) as i64);
        Range { start: self.start.max(least), end: self.end.max(least), in_bits: self.in_bits }
    }

    /// The bits it covers in a string of `len` bytes: the first, and the one behind the last.
    fn bits(&self, len: usize) -> Option<(u64, u64)> {
        let unit = if self.in_bits { 1 } else { 8 };
        let (from, count) = byte_range(self.start, self.end, self.units(len))?;
        Some(((from * unit) as u64, ((from + count) * unit) as u64))
    }
}

/// Counts the bits that are set in a string or a part of it.
pub(super) const BITCOUNT: DataRow = Row {
    name: "bitcount",
    meta: Meta::new("bitmap", "2.6.0", -2, Flags::READONLY)
        .about("Counts the bits that are set in a string or a part of it.", "O(N) with N bytes looked at")
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [range{start:integer end:integer [unit<BYTE | BIT>^7.0.0]}]"),
    run: bitcount as DataFn,
    subcommands: &[],
};

fn bitcount(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    // Redis wants both ends or none, where Valkey takes a start alone.
    if args.len() == 3 {
        return Err(Error::Syntax);
    }
    let range = Range::parse(args, 2)?;
    let count = ctx.db.string(&args[1])?.map_or(0, |value| {
        value.with_bytes(|bytes| match range.bits(bytes.len()) {
            Some((from, to)) => bits::count_ones(bytes, from, to),
            None => 0,
        })
    });
    ctx.reply.int(count as i64);
    Ok(())
}

/// Finds the first bit that is set, or that is clear, in a string or a part of it.
pub(super) const BITPOS: DataRow = Row {
    name: "bitpos",
    meta: Meta::new("bitmap", "2.8.7", -3, Flags::READONLY)
        .about(
            "Finds the first bit that is set, or that is clear, in a string or a part of it.",
            "O(N) with N bytes looked at",
        )
        .acl(Categories::BITMAP)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 bit:integer [range{start:integer [end-unit-block{end:integer [unit<BYTE | BIT>^7.0.0]}]}]"),
    run: bitpos as DataFn,
    subcommands: &[],
};

fn bitpos(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let wanted = match int(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(Error::text("ERR The bit argument must be 1 or 0.")),
    };
    let range = Range::parse(args, 3)?;
    // Without an end, zero bits are taken to follow the string.
    let open_end = args.len() < 5;
    let position = match ctx.db.string(&args[1])? {
        None => (!wanted).then_some(0),
        Some(value) => value.with_bytes(|bytes| {
            let (from, to) = range.pulled_in(bytes.len()).bits(bytes.len())?;
            bits::find(bytes, from, to, wanted).or((!wanted && open_end).then_some(to))
        }),
    };
    ctx.reply.int(position.map_or(-1, |at| at as i64));
    Ok(())
}
