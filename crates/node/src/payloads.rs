//! DUMP, DEBUG OBJECT and RESTORE of large values, which take long to lay out or to read. A thread does it, from a clone of the
//! value, which costs one counted reference, or from the argument; only who asked waits. One job is done at a time, in the order
//! they were asked for, so that many of them take one processor from the executor at most. A client that waits is not read
//! beyond what it may keep, so that payloads in a pipeline do not pile up. Inside a transaction there is no waiting: it is done at
//! once.
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

use crate::blocking::kind_of;
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
    /// Does it; `between` is called behind pieces of the payload.
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
            Task::Read { payload, limits } => Done::Value(commands::read_payload(&payload, &limits, between)),
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

impl Payloads {
    /// Whether a job is being done.
    pub(crate) fn are_under_way(&self) -> bool {
        self.is_under_way
    }
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
        let exists = |key: &[u8]| kind_of(&self.keyspace, client.db, key, self.unix).is_some();
        if !commands::reads_payload(args, exists) {
            return false;
        }
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
        if !self.payloads.is_under_way
            && let Some(job) = self.payloads.waiting.pop_front()
        {
            self.payloads.is_under_way = true;
            self.outputs.push_back(Output::Payload(job));
        }
    }

    /// A client is gone: what waits for its turn is not done.
    pub(crate) fn forget_payload_jobs(&mut self, conn: ConnId) {
        if self.payloads.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.payloads.waiting);
        let (gone, waiting) = waiting.into_iter().partition::<VecDeque<PayloadJob>, _>(|job| job.conn == conn);
        self.payloads.waiting = waiting;
        for job in gone {
            if let Task::LayOut { value, .. } = job.task {
                // As a rule it is in use, so that this is only a reference.
                self.drop_beside(value, 0);
            }
        }
    }

    /// A job is done, or could not be.
    pub fn payload_done(&mut self, result: PayloadResult) {
        let PayloadResult { conn, done } = result;
        self.payloads.is_under_way = false;
        self.begin_next_payload_job();
        // What the thread has told of its memory may have been counted before.
        self.measure_memory();
        let client = self.clients.get_mut(conn);
        match (done, client) {
            (Done::Payload(payload), None) => {
                let bytes = payload.memory_bytes();
                self.drop_beside(Object::String(payload), bytes);
            }
            (Done::Value(value), None) => self.drop_restored(value),
            (_, None) => {}
            (Done::Value(value), Some(client)) => {
                client.restored = Some(Box::new(value));
                client.blocked = None;
                client.active_at = self.now;
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
            let bytes = keyspace::table::Value::memory_bytes(&object);
            self.drop_beside(object, bytes);
        }
    }

    /// Drops what may take long to drop, and gives so many bytes back.
    fn drop_beside(&mut self, value: Object, bytes: usize) {
        self.discard(Waste::Values(Costly { objects: Vec::new(), parts: vec![value], bytes }));
    }
}
