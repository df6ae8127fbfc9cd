//! Clients that wait for a key: BLPOP and its like. Each waits in the line of every key it named; when a unit has touched
//! such a key, the commands of those in its line run again, in the order in which they came, each as a unit of its own.
//! A client that waits costs nothing until one of its keys is touched or its time is up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::Time;
use commands::{Awaited, Wait};
use keyspace::{Keyspace, Kind};
use resp::{Args, OwnedArgs};

use crate::client::{Blocked, ConnId, ReplyMode};
use crate::eviction::Room;
use crate::gate::Verdict;
use crate::node::Node;
use crate::table::CommandId;

/// A client that waits.
pub(crate) struct Waiter {
    /// Its place in every line.
    ticket: u64,
    /// The database of its keys.
    db: usize,
    keys: Vec<Vec<u8>>,
    kind: Kind,
    wants_loss: bool,
    /// What is run again.
    args: OwnedArgs,
    until: Option<Time>,
}

/// Everybody in the line of one key, by ticket.
type Line = BTreeMap<u64, ConnId>;

/// All clients that wait for keys.
#[derive(Default)]
pub struct Waiters {
    by_client: HashMap<ConnId, Waiter>,
    /// The lines by database and key.
    lines: HashMap<usize, HashMap<Vec<u8>, Line>>,
    deadlines: BTreeSet<(Time, ConnId)>,
    tickets: u64,
    /// Keys that were touched while somebody stood in their line.
    ready: Vec<(usize, Vec<u8>)>,
    /// How many wait that must hear of a lost key.
    loss_wanted: usize,
    /// Clients whose wait ended: what they sent meanwhile is looked at before the turn ends.
    released: Vec<ConnId>,
}

impl Waiters {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// How many clients wait with a deadline.
    pub fn with_deadline(&self) -> usize {
        self.deadlines.len()
    }

    /// How many keys are waited for, and how many of them by somebody who must hear of their loss.
    pub fn key_counts(&self) -> (usize, usize) {
        let wants_loss = |line: &Line| line.values().any(|conn| self.by_client[conn].wants_loss);
        let lines = || self.lines.values().flat_map(HashMap::values);
        (lines().count(), lines().filter(|line| wants_loss(line)).count())
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// A key was touched: those in its line, if there are any, are served when the unit is over.
    pub fn touch(&mut self, db: usize, key: &[u8]) {
        if self.lines.get(&db).is_some_and(|lines| lines.contains_key(key)) {
            self.ready.push((db, key.to_vec()));
        }
    }

    /// Everything in a database may have changed.
    pub fn touch_database(&mut self, db: usize) {
        let keys = self.lines.get(&db).into_iter().flat_map(HashMap::keys);
        self.ready.extend(keys.map(|key| (db, key.clone())));
    }

    /// What a client has sent meanwhile is to be looked at before the turn ends.
    pub fn resume_later(&mut self, conn: ConnId) {
        self.released.push(conn);
    }

    fn add(&mut self, conn: ConnId, waiter: Waiter) {
        let lines = self.lines.entry(waiter.db).or_default();
        for key in &waiter.keys {
            lines.entry(key.clone()).or_default().insert(waiter.ticket, conn);
        }
        self.deadlines.extend(waiter.until.map(|until| (until, conn)));
        self.loss_wanted += usize::from(waiter.wants_loss);
        self.by_client.insert(conn, waiter);
    }

    /// Takes a client out of all lines.
    pub fn remove(&mut self, conn: ConnId) -> Option<Waiter> {
        let waiter = self.by_client.remove(&conn)?;
        self.loss_wanted -= usize::from(waiter.wants_loss);
        if let Some(until) = waiter.until {
            self.deadlines.remove(&(until, conn));
        }
        let lines = self.lines.get_mut(&waiter.db).expect("a waiter stands in lines of its database");
        for key in &waiter.keys {
            if let Some(line) = lines.get_mut(key) {
                line.remove(&waiter.ticket);
                if line.is_empty() {
                    lines.remove(key);
                }
            }
        }
        if lines.is_empty() {
            self.lines.remove(&waiter.db);
        }
        Some(waiter)
    }

    /// The first in the line of a key with a ticket in this range.
    fn next_in_line(&self, db: usize, key: &[u8], tickets: std::ops::Range<u64>) -> Option<(u64, ConnId)> {
        let line = self.lines.get(&db)?.get(key)?;
        line.range(tickets).next().map(|(ticket, conn)| (*ticket, *conn))
    }
}

impl Node {
    /// Lets a client wait: its command found nothing.
    pub(crate) fn block(&mut self, conn: ConnId, args: &Args<'_>, wait: Wait) {
        let until = wait.timeout.map(|timeout| self.now + timeout);
        let ticket = self.waiters.tickets;
        self.waiters.tickets += 1;
        let args = wait.again.unwrap_or_else(|| args.to_owned_args());
        let Wait { keys, kind, wants_loss, .. } = wait;
        let client = &mut self.clients[conn];
        client.blocked = Some(Blocked::Keys);
        let waiter = Waiter { ticket, db: client.db, keys, kind, wants_loss, args, until };
        self.waiters.add(conn, waiter);
    }

    /// Serves those who wait for keys that the last unit touched; what they do may make further keys ready. While
    /// writes are paused it all waits.
    pub(crate) fn serve_waiters(&mut self) {
        while !self.waiters.ready.is_empty() && !self.pause.holds_writes(self.now) {
            for (db, key) in std::mem::take(&mut self.waiters.ready) {
                self.serve_line(db, &key);
            }
        }
    }

    fn serve_line(&mut self, db: usize, key: &[u8]) {
        let end = self.waiters.tickets;
        let mut from = 0;
        while let Some((ticket, conn)) = self.waiters.next_in_line(db, key, from..end) {
            from = ticket + 1;
            let kind = kind_of(&self.keyspace, db, key, self.unix);
            if kind.is_none() && self.waiters.loss_wanted == 0 {
                return;
            }
            let waiter = &self.waiters.by_client[&conn];
            if kind == Some(waiter.kind) || waiter.wants_loss {
                self.run_again(conn);
            }
        }
    }

    /// Runs the command of a waiting client again. Without success it waits on, at the same place in its lines.
    fn run_again(&mut self, conn: ConnId) {
        let mut waiter = self.waiters.remove(conn).expect("it stands in a line");
        self.clients[conn].blocked = None;
        let args = waiter.args.as_args();
        // There was room for it when it came.
        match self.judge(conn, &args, self.table.find_present(&args), Room::Enough) {
            Verdict::Run(id) => {
                if let Some(wait) = self.run_again_as(conn, id, &waiter.args.as_args()) {
                    if let Some(again) = wait.again {
                        waiter.args = again;
                    }
                    if let Some(client) = self.clients.get_mut(conn) {
                        client.blocked = Some(Blocked::Keys);
                        self.waiters.add(conn, waiter);
                    }
                    return;
                }
            }
            Verdict::Refuse(error, id) => self.refuse(conn, &error, id),
            Verdict::Queue(_) | Verdict::HoldBack | Verdict::AwaitBeside | Verdict::Cut => {
                unreachable!(
                    "a waiting client is in no transaction or pause, and its command edits no string and has no payload"
                )
            }
        }
        self.release(conn);
    }

    fn run_again_as(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) -> Option<Box<Wait>> {
        self.begin_unit();
        self.clients[conn].executing = true;
        self.call(conn, id, args);
        let awaited = self.awaited.take();
        self.end_unit(conn);
        match awaited? {
            Awaited::Key(wait) => Some(wait),
            Awaited::Dump(_) => unreachable!("DUMP waits for no key"),
        }
    }

    /// A wait ended and the client has its reply.
    pub(crate) fn release(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        client.blocked = None;
        client.active_at = self.now;
        if client.reply_mode == ReplyMode::Skip {
            client.reply_mode = ReplyMode::On;
        }
        self.waiters.resume_later(conn);
        self.clients.mark_dirty(conn);
        self.check_output_limit(conn);
    }

    /// Ends one wait for keys without success.
    pub(crate) fn end_key_wait(&mut self, conn: ConnId, error: Option<&[u8]>) {
        if self.waiters.remove(conn).is_none() {
            return;
        }
        match error {
            Some(error) => self.reply(conn).error(error),
            None => self.reply(conn).null_array(),
        }
        self.release(conn);
    }

    /// Ends the waits whose time is up.
    pub(crate) fn finish_key_waits(&mut self) {
        while let Some((until, conn)) = self.waiters.deadlines.first().copied()
            && until <= self.now
        {
            self.end_key_wait(conn, None);
        }
    }

    /// Has what a client sent while it waited looked at before the turn ends.
    pub(crate) fn resume_later(&mut self, conn: ConnId) {
        self.waiters.released.push(conn);
    }

    /// Looks at what the clients sent whose waits have ended.
    pub(crate) fn resume_released(&mut self) {
        while !self.waiters.released.is_empty() {
            for conn in std::mem::take(&mut self.waiters.released) {
                self.resume(conn);
            }
        }
    }
}

/// The type of a key that is there and not past its time.
pub(crate) fn kind_of(keyspace: &Keyspace, db: usize, key: &[u8], now: base::UnixMs) -> Option<Kind> {
    if keyspace.is_gone(db, key, now) { None } else { keyspace.kind(db, key) }
}
