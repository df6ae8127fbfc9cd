//! DUMP, DEBUG OBJECT and RESTORE of large values, which take long to lay out or to read. A thread does it, from a clone of the
//! value, which costs one counted reference, or from the argument; only who asked waits. One job is done at a time, in the order
//! they were asked for, so that many of them take one processor from the executor at most, and their results are in memory one
//! by one. Inside a transaction there is no waiting: it is done at once.
//!
//! ```text
//!   DUMP    ──▶ Output::Payload ──▶ (thread) ──▶ Node::payload_done ──▶ the reply, then what the client sent behind
//!   RESTORE ──▶ Output::Payload ──▶ (thread) ──▶ Node::payload_done ──▶ judged again, and run with the value
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use collections::Limits;
use commands::{Error, LARGE_PAYLOAD_MIN, RestoredValue};
use keyspace::table::{Costly, Payload};
use keyspace::{Object, SharedString, Value, ValueRef};
use persist::rdb;
use resp::{Args, LargeArg};

use crate::client::{Blocked, ConnId};
use crate::node::Node;
use crate::output::{Output, Waste};
use crate::table::CommandId;

/// A value to be laid out, or a payload to be read, beside the executor.
pub struct PayloadJob {
    conn: ConnId,
    task: Task,
}

enum Task {
    LayOut { value: Object, compress: bool, reply: DumpReply },
    Read { payload: LargeArg, limits: Limits },
}

/// What a client gets of a value that is laid out.
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

/// What came of a job.
pub struct PayloadResult {
    conn: ConnId,
    done: Done,
}

enum Done {
    Payload(SharedString),
    Line(String),
    Value(RestoredValue),
    /// What a value could not be laid out for.
    Failed(Error),
}

impl PayloadJob {
    /// Does it; `between` is called now and then.
    pub fn run(self, between: impl FnMut()) -> PayloadResult {
        let done = match self.task {
            Task::LayOut { value, compress, reply } => {
                let value = ValueRef::of(Payload::Object(&value));
                match reply {
                    DumpReply::Payload => {
                        Done::Payload(SharedString::new(rdb::dump_in_pieces(value, compress, between)))
                    }
                    DumpReply::Length { before, behind } => {
                        let length = rdb::dumped_len(value, compress, between);
                        Done::Line(format!("{before}{length}{behind}"))
                    }
                }
            }
            Task::Read { payload, limits } => Done::Value(commands::read_payload(&payload, &limits)),
        };
        PayloadResult { conn: self.conn, done }
    }

    /// What is to be told if it can't be done for the reason that is given then.
    pub fn failed(&self) -> impl FnOnce(String) -> PayloadResult + use<> {
        let (conn, lays_out) = (self.conn, matches!(self.task, Task::LayOut { .. }));
        move |reason| {
            let what = if lays_out { "value can't be laid out" } else { "payload can't be read" };
            let error = Error::owned(format!("ERR The {what}: {reason}"));
            PayloadResult { conn, done: if lays_out { Done::Failed(error) } else { Done::Value(Err(error)) } }
        }
    }
}

/// Who waits for which jobs.
#[derive(Default)]
pub(crate) struct Payloads {
    waiting: VecDeque<PayloadJob>,
    is_under_way: bool,
}

impl Node {
    /// Has a value laid out for a client, which waits for it.
    pub(crate) fn lay_out_beside(&mut self, conn: ConnId, value: Object, reply: DumpReply) {
        let compress = self.config.rdbcompression;
        self.begin_payload_job(conn, Task::LayOut { value, compress, reply });
    }

    /// Whether a client's command waits for its payload to be read: it is judged again when it is.
    pub(crate) fn client_awaits_payload(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) -> bool {
        let Some(at) = self.table.get(id).row.meta().payload_at.map(usize::from) else { return false };
        let client = &self.clients[conn];
        let payload = args.get(at).filter(|payload| payload.len() >= LARGE_PAYLOAD_MIN);
        let Some(payload) = payload.filter(|_| client.restored.is_none() && client.transaction.is_none()) else {
            return false;
        };
        let payload = args.large(at).map_or_else(|| Arc::new(payload.to_vec()), Arc::clone);
        let limits = self.keyspace.settings.limits.clone();
        self.begin_payload_job(conn, Task::Read { payload, limits });
        true
    }

    fn begin_payload_job(&mut self, conn: ConnId, task: Task) {
        self.clients[conn].blocked = Some(Blocked::Payload);
        self.payloads.waiting.push_back(PayloadJob { conn, task });
        self.begin_next_payload_job();
    }

    fn begin_next_payload_job(&mut self) {
        while !self.payloads.is_under_way
            && let Some(job) = self.payloads.waiting.pop_front()
        {
            if self.clients.get(job.conn).is_some() {
                self.payloads.is_under_way = true;
                self.outputs.push_back(Output::Payload(job));
            } else if let Task::LayOut { value, .. } = job.task {
                self.drop_beside(value);
            }
        }
    }

    /// A job is done, or could not be.
    pub fn payload_done(&mut self, result: PayloadResult) {
        let PayloadResult { conn, done } = result;
        self.payloads.is_under_way = false;
        self.begin_next_payload_job();
        let client = self.clients.get_mut(conn);
        match (done, client) {
            (Done::Payload(payload), None) => self.drop_beside(Object::String(payload)),
            (Done::Value(value), None) => self.drop_restored(value),
            (_, None) => {}
            (Done::Value(value), Some(client)) => {
                client.restored = Some(Box::new(value));
                client.blocked = None;
                self.resume_later(conn);
            }
            (done, Some(_)) => {
                match done {
                    Done::Payload(payload) => self.reply(conn).bulk_shared(&payload.to_bytes()),
                    Done::Line(line) => self.reply(conn).simple(&line),
                    Done::Failed(error) => {
                        self.stats.count_error(error.message());
                        self.reply(conn).error(error.message());
                    }
                    Done::Value(_) => unreachable!("above"),
                }
                self.release(conn);
            }
        }
        self.resume_released();
    }

    /// Drops a value that was read from a payload and is not needed.
    pub(crate) fn drop_restored(&mut self, value: RestoredValue) {
        if let Ok(Value::Object(object)) = value {
            self.drop_beside(object);
        }
    }

    /// Drops what may take long to drop.
    fn drop_beside(&mut self, value: Object) {
        let bytes = keyspace::table::Value::memory_bytes(&value);
        self.discard(Waste::Values(Costly { objects: Vec::new(), parts: vec![value], bytes }));
    }
}
