//! Streams, in the three types that there are; `docs/rdb.md` has the layout.

use std::io::Read;

use collections::{ENTRIES_READ_UNKNOWN, Entries, Group, GroupBuilder, Listpack, Stream, StreamId};

use super::source::Source;
use crate::rdb::error::Fault;
use crate::rdb::types;

/// Reads a stream of one of the three types.
pub(super) fn stream<R: Read>(source: &mut Source<R>, type_number: u8) -> Result<Stream, Fault> {
    let mut stream = Stream::new();
    let entries = stream.entries_mut();
    for _ in 0..source.length()? {
        let id = source.string()?;
        let id = id.try_into().map_err(|_| Fault::Corrupt("the id of a stream block has not 16 bytes"))?;
        entries.append_block(StreamId::from_be_bytes(id), Listpack::from_bytes(source.string()?)?)?;
    }
    past(source, type_number, entries)?;
    for _ in 0..source.length()? {
        let name = source.string()?;
        let group = group(source, type_number, stream.entries())?;
        if !stream.add_group(&name, group) {
            return Err(Fault::Corrupt("a group stands twice in a stream"));
        }
    }
    Ok(stream)
}

/// Reads what the stream remembers beside its entries.
fn past<R: Read>(source: &mut Source<R>, type_number: u8, entries: &mut Entries) -> Result<(), Fault> {
    let length = source.length()?;
    if length != entries.len() as u64 {
        return Err(Fault::Corrupt("a stream has more or fewer entries than it says"));
    }
    entries.last_id = id(source)?;
    if entries.last().is_some_and(|last| last.id > entries.last_id) {
        return Err(Fault::Corrupt("a stream has an entry above its last id"));
    }
    entries.entries_added = length;
    if type_number >= types::STREAM_2 {
        // The first id follows from the entries.
        id(source)?;
        entries.max_deleted_id = id(source)?;
        entries.entries_added = source.length()?;
    }
    Ok(())
}

fn group<R: Read>(source: &mut Source<R>, type_number: u8, entries: &Entries) -> Result<Group, Fault> {
    let last_id = id(source)?;
    let entries_read = if type_number >= types::STREAM_2 {
        // A peer whose count ran over its end writes one below -1, which no command takes.
        (source.length()? as i64).max(ENTRIES_READ_UNKNOWN)
    } else {
        entries.entries_read_at(last_id)
    };
    let mut builder = GroupBuilder::new(last_id, entries_read);
    for _ in 0..source.length()? {
        let id = StreamId::from_be_bytes(source.array()?);
        builder.pending(id, i64::from_le_bytes(source.array()?), source.length()?)?;
    }
    for _ in 0..source.length()? {
        let name = source.string()?;
        let seen_ms = i64::from_le_bytes(source.array()?);
        let active_ms = if type_number >= types::STREAM_3 { i64::from_le_bytes(source.array()?) } else { seen_ms };
        let count = source.length()?;
        let ids = (0..count).map(|_| Ok::<_, Fault>(StreamId::from_be_bytes(source.array()?)));
        builder.consumer(&name, seen_ms, active_ms, ids)?;
    }
    Ok(builder.finish()?)
}

fn id<R: Read>(source: &mut Source<R>) -> Result<StreamId, Fault> {
    Ok(StreamId::new(source.length()?, source.length()?))
}
