//! Streams, in the three types that there are; `docs/rdb.md` has the layout.

use collections::{Group, Stream, StreamId};

use super::value::{put_blob, put_length, put_string};
use crate::rdb::length::LengthBytes;
use crate::rdb::sink::{Output, Sink};
use crate::rdb::target::Target;
use crate::rdb::types;

/// Writes a stream in the form that this version has.
pub(in crate::rdb) fn put_stream<S: Sink>(
    output: &mut Output<S>,
    stream: &Stream,
    target: Target,
    compression: bool,
) -> Result<(), S::Error> {
    let entries = stream.entries();
    put_length(output, entries.block_count())?;
    for (id, listpack) in entries.blocks() {
        put_blob(output, &id.to_be_bytes(), compression)?;
        put_blob(output, listpack.as_bytes(), compression)?;
    }
    put_length(output, entries.len())?;
    put_id(output, entries.last_id)?;
    if target.stream_type() >= types::STREAM_2 {
        put_id(output, entries.first_id())?;
        put_id(output, entries.max_deleted_id)?;
        put_number(output, entries.entries_added)?;
    }
    put_length(output, stream.groups_len())?;
    for (name, group) in stream.groups() {
        put_string(output, name, compression)?;
        put_group(output, group, target, compression)?;
    }
    Ok(())
}

fn put_group<S: Sink>(
    output: &mut Output<S>,
    group: &Group,
    target: Target,
    compression: bool,
) -> Result<(), S::Error> {
    put_id(output, group.last_id)?;
    if target.stream_type() >= types::STREAM_2 {
        put_number(output, group.entries_read as u64)?;
    }
    put_length(output, group.pending_len())?;
    for (id, pending) in group.pending_from(StreamId::MIN) {
        output.put(&id.to_be_bytes())?;
        output.put(&pending.delivered_ms.to_le_bytes())?;
        put_number(output, pending.deliveries)?;
    }
    put_length(output, group.consumers_len())?;
    for (name, consumer) in group.consumers() {
        put_string(output, name, compression)?;
        output.put(&consumer.seen_ms.to_le_bytes())?;
        if target.stream_type() >= types::STREAM_3 {
            output.put(&consumer.active_ms.to_le_bytes())?;
        }
        put_length(output, consumer.pending_len())?;
        consumer.pending_from(StreamId::MIN).try_for_each(|id| output.put(&id.to_be_bytes()))?;
    }
    Ok(())
}

fn put_id<S: Sink>(output: &mut Output<S>, id: StreamId) -> Result<(), S::Error> {
    put_number(output, id.ms)?;
    put_number(output, id.seq)
}

fn put_number<S: Sink>(output: &mut Output<S>, number: u64) -> Result<(), S::Error> {
    output.put(LengthBytes::of(number).as_slice())
}
