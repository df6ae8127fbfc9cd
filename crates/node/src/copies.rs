//! Changes that begin with a copy of a large string, because a snapshot, a reply or another key needs it as it is. Made on
//! the executor, the copy would hold everybody up; a thread makes it, and only who wants the change waits.
//!
//! ```text
//!   a change of such a string ──▶ Output::CopyString ──▶ (thread) ──▶ Node::string_copied ──▶ judged again
//! ```

use keyspace::table::Costly;
use keyspace::{COSTLY_STRING_MIN, Object, SharedString};
use resp::Args;

use crate::client::{Blocked, ConnId};
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::{Output, Waste};
use crate::table::CommandId;

/// What is copied at a time: a quarter of a millisecond at most.
const PIECE_BYTES: usize = 256 * 1024;

/// A string to be copied beside the executor.
pub struct StringCopy {
    db: usize,
    key: Vec<u8>,
    string: SharedString,
}

/// It, and the copy.
pub struct CopiedString {
    wanted: StringCopy,
    copy: SharedString,
}

impl StringCopy {
    /// Makes the copy, which takes as long as so many bytes take to be read and written; `between` is called behind each
    /// piece of it.
    pub fn make(self, between: impl FnMut()) -> CopiedString {
        let copy = self.string.copied_in_pieces(PIECE_BYTES, between);
        CopiedString { wanted: self, copy }
    }
}

/// Who waits for which copies.
#[derive(Default)]
pub(crate) struct Copies {
    under_way: Vec<UnderWay>,
    /// No thread could be started: the executor copies from now on.
    refused: bool,
}

impl Copies {
    /// Whether a copy is being made.
    pub(crate) fn are_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }
}

struct UnderWay {
    db: usize,
    key: Vec<u8>,
    /// Those whose commands are judged again afterwards. The link to the master, if it waits, is not among them.
    clients: Vec<ConnId>,
}

impl Node {
    /// Whether a client's command, or one that its EXEC will run, waits for a copy: it is judged again when that is there.
    pub(crate) fn client_awaits_copy(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) -> bool {
        let client = &self.clients[conn];
        let wanted = match &client.transaction {
            None => self.string_to_copy(client.db, id, args),
            Some(transaction) if self.table.get(id).full_name == "exec" => {
                let mut queued = transaction.queued.iter();
                queued.find_map(|(id, args)| self.string_to_copy(client.db, *id, &args.as_args()))
            }
            Some(_) => None,
        };
        let Some(wanted) = wanted else { return false };
        let at = self.begin_copy(wanted);
        self.copies.under_way[at].clients.push(conn);
        self.clients[conn].blocked = Some(Blocked::Copy);
        true
    }

    /// Whether a command of the master, or one that its EXEC will run, waits for a copy.
    pub(crate) fn link_awaits_copy<'a>(
        &mut self,
        db: usize,
        mut requests: impl Iterator<Item = (Option<CommandId>, Args<'a>)>,
    ) -> bool {
        let wanted = requests.find_map(|(id, args)| self.string_to_copy(db, id?, &args));
        wanted.map(|wanted| self.begin_copy(wanted)).is_some()
    }

    /// What a command would have to copy before it changes a string.
    fn string_to_copy(&self, db: usize, id: CommandId, args: &Args<'_>) -> Option<StringCopy> {
        if !self.table.get(id).row.meta().edits_string || self.copies.refused {
            return None;
        }
        let key = args.get(1)?;
        let string = self.keyspace.string_copied_by_change(db, key, COSTLY_STRING_MIN)?;
        Some(StringCopy { db, key: key.to_vec(), string })
    }

    /// Has it made, unless it is under way already: its place among those.
    fn begin_copy(&mut self, wanted: StringCopy) -> usize {
        let under_way = &mut self.copies.under_way;
        if let Some(at) = under_way.iter().position(|copy| copy.db == wanted.db && copy.key == wanted.key) {
            return at;
        }
        under_way.push(UnderWay { db: wanted.db, key: wanted.key.clone(), clients: Vec::new() });
        self.outputs.push_back(Output::CopyString(wanted));
        self.copies.under_way.len() - 1
    }

    /// A copy is there. Where the string has been replaced meanwhile it is of no use.
    pub fn string_copied(&mut self, copied: CopiedString) {
        let CopiedString { wanted: StringCopy { db, key, string }, copy } = copied;
        let at = self.copies.under_way.iter().position(|copy| copy.db == db && copy.key == key);
        let spare = self.keyspace.put_copy(db, &key, string, copy);
        let bytes = spare.memory_bytes();
        let parts = vec![Object::String(spare)];
        self.discard(Waste::Values(Costly { objects: Vec::new(), parts, bytes }));
        if let Some(at) = at {
            let waited = self.copies.under_way.swap_remove(at);
            self.end_copy(waited);
        }
        self.resume_released();
    }

    /// No thread could be started that copies: it is done on the executor from now on.
    pub fn string_copies_failed(&mut self, reason: &str) {
        self.log(LogLevel::Warning, &format!("Large strings are copied while everybody waits: {reason}"));
        self.copies.refused = true;
        for waited in std::mem::take(&mut self.copies.under_way) {
            self.end_copy(waited);
        }
        self.resume_released();
    }

    fn end_copy(&mut self, waited: UnderWay) {
        for conn in waited.clients {
            if let Some(client) = self.clients.get_mut(conn) {
                client.blocked = None;
                self.resume_later(conn);
            }
        }
        self.go_on_applying();
    }
}
