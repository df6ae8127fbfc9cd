//! DUMP and DEBUG OBJECT of large values, which take long to lay out. A thread does it from a clone, which costs one counted
//! reference; only who asked waits. One value is laid out at a time, as they were asked for, so that many of them take one
//! processor from the executor at most and their payloads are in memory one by one.
//!
//! ```text
//!   DUMP ──▶ Output::DumpValue ──▶ (thread) ──▶ Node::value_dumped ──▶ the reply, then what the client sent behind
//! ```

use std::collections::VecDeque;

use commands::Error;
use keyspace::table::{Costly, Payload};
use keyspace::{Object, SharedString, ValueRef};
use persist::rdb;

use crate::client::{Blocked, ConnId};
use crate::node::Node;
use crate::output::{Output, Waste};

/// A value to be laid out beside the executor.
pub struct ValueDump {
    conn: ConnId,
    value: Object,
    compress: bool,
    reply: DumpReply,
}

/// What the client gets.
pub(crate) enum DumpReply {
    /// The payload.
    Payload,
    /// A line with the length of what stands in it for the value.
    Length {
        /// What is in front of the length.
        before: String,
        /// What is behind it.
        behind: String,
    },
}

/// What the client gets of a value that was laid out, or why it was not.
pub struct DumpedValue {
    conn: ConnId,
    result: Result<Dumped, Error>,
}

enum Dumped {
    Payload(SharedString),
    Line(String),
}

impl ValueDump {
    /// The client that asked for it.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Lays the value out and drops it; `between` is called behind each piece of it.
    pub fn make(self, between: impl FnMut()) -> DumpedValue {
        let value = ValueRef::of(Payload::Object(&self.value));
        let dumped = match self.reply {
            DumpReply::Payload => {
                Dumped::Payload(SharedString::new(rdb::dump_in_pieces(value, self.compress, between)))
            }
            DumpReply::Length { before, behind } => {
                let length = rdb::dumped_len(value, self.compress, between);
                Dumped::Line(format!("{before}{length}{behind}"))
            }
        };
        DumpedValue { conn: self.conn, result: Ok(dumped) }
    }
}

impl DumpedValue {
    /// It could not be laid out for this reason.
    pub fn failed(conn: ConnId, reason: String) -> DumpedValue {
        DumpedValue { conn, result: Err(Error::owned(format!("ERR The value can't be laid out: {reason}"))) }
    }
}

/// Who waits for which values.
#[derive(Default)]
pub(crate) struct Dumps {
    waiting: VecDeque<ValueDump>,
    is_under_way: bool,
}

impl Node {
    /// Has a value laid out for a client, which waits for it.
    pub(crate) fn dump_beside(&mut self, conn: ConnId, value: Object, reply: DumpReply) {
        self.clients[conn].blocked = Some(Blocked::Dump);
        let compress = self.config.rdbcompression;
        self.dumps.waiting.push_back(ValueDump { conn, value, compress, reply });
        self.begin_next_dump();
    }

    fn begin_next_dump(&mut self) {
        while !self.dumps.is_under_way
            && let Some(wanted) = self.dumps.waiting.pop_front()
        {
            if self.clients.get(wanted.conn).is_some() {
                self.dumps.is_under_way = true;
                self.outputs.push_back(Output::DumpValue(wanted));
            } else {
                self.drop_beside(wanted.value);
            }
        }
    }

    /// A value is laid out, or could not be.
    pub fn value_dumped(&mut self, dumped: DumpedValue) {
        let DumpedValue { conn, result } = dumped;
        self.dumps.is_under_way = false;
        self.begin_next_dump();
        match result {
            Ok(Dumped::Payload(payload)) if self.clients.get(conn).is_none() => {
                self.drop_beside(Object::String(payload));
            }
            _ if self.clients.get(conn).is_none() => {}
            Ok(Dumped::Payload(payload)) => self.reply(conn).bulk_shared(&payload.to_bytes()),
            Ok(Dumped::Line(line)) => self.reply(conn).simple(&line),
            Err(error) => {
                self.stats.count_error(error.message());
                self.reply(conn).error(error.message());
            }
        }
        self.release(conn);
        self.resume_released();
    }

    /// Drops what may take long to drop.
    fn drop_beside(&mut self, value: Object) {
        let bytes = keyspace::table::Value::memory_bytes(&value);
        self.discard(Waste::Values(Costly { objects: Vec::new(), parts: vec![value], bytes }));
    }
}
