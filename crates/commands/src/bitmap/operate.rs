//! BITOP: the bitwise combination of several strings, stored under another key.

use keyspace::{Object, SharedString, Ttl, Value, ValueRef};
use resp::Args;

use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::{DEL_EVENT, SET_EVENT};

/// Combines the bits of several strings and stores the result.
pub(super) const BITOP: DataRow = Row {
    name: "bitop",
    meta: Meta::new("bitmap", "2.6.0", -4, Flags::DENYOOM.with(Flags::WRITE))
        .about("Combines the bits of several strings and stores the result.", "O(N) with N bytes in all strings")
        .acl(Categories::BITMAP)
        .keys(&[
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 2, 0, 1),
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 3, -1, 1),
        ])
        .usage("operation<AND | OR | XOR | NOT> destkey:key#0 key:key#1..."),
    run: bitop as DataFn,
    subcommands: &[],
};

fn bitop(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let operation = Operation::parse(&args[1])?;
    let sources = args.tail(3);
    if operation == Operation::Not && sources.len() != 1 {
        return Err(Error::text("ERR BITOP NOT must be called with a single source key."));
    }
    let mut length = 0;
    for key in sources.iter() {
        length = length.max(ctx.db.string(key)?.map_or(0, |value| value.len()));
    }
    let target = &args[2];
    if length == 0 {
        ctx.db.discard(target, DEL_EVENT);
    } else {
        let mut result = Vec::with_capacity(length);
        for (nth, key) in sources.iter().enumerate() {
            let Some(ValueRef::String(value)) = ctx.db.peek(key) else {
                combine(&mut result, b"", operation, nth, length);
                continue;
            };
            value.with_bytes(|bytes| combine(&mut result, bytes, operation, nth, length));
        }
        let value = Value::Object(Object::String(SharedString::new(result)));
        ctx.db.set_value(target, value, Ttl::Clear, SET_EVENT);
    }
    ctx.reply.int(length as i64);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(word: &[u8]) -> Result<Operation, Error> {
        [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)]
            .into_iter()
            .find_map(|(name, operation)| is(word, name).then_some(operation))
            .ok_or(Error::Syntax)
    }
}

/// Combines the `nth` source into the result of `length` bytes; a source that is shorter counts as filled with zeros.
fn combine(result: &mut Vec<u8>, source: &[u8], operation: Operation, nth: usize, length: usize) {
    if nth == 0 {
        result.extend_from_slice(source);
        result.resize(length, 0);
        if operation == Operation::Not {
            result.iter_mut().for_each(|byte| *byte = !*byte);
        }
        return;
    }
    let (common, beyond) = result.split_at_mut(source.len());
    let pairs = common.iter_mut().zip(source);
    match operation {
        Operation::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            beyond.fill(0);
        }
        Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        Operation::Not => unreachable!("NOT takes one source"),
    }
}
