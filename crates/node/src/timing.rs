//! How long commands take. Whatever may take long, and whatever comes alone, is timed by itself. The brief commands of a
//! pipeline or transaction, and those that several clients have sent in one turn, share the time of a few of them evenly,
//! because reading the clock for each would cost up to a fifth of what they do; the slow log names them together. Who sets
//! `slowlog-log-slower-than` so low that single brief commands matter pays for their times.

use std::time::Duration;

use base::{Time, UnixMs};
use commands::Flags;
use resp::Args;

use crate::client::ConnId;
use crate::node::Node;
use crate::table::CommandId;

/// So many brief commands share a reading of the clock at most.
const SHARING_MAX: u32 = 32;

/// With a threshold of the slow log below this, in microseconds, every command is timed by itself.
const ALONE_BELOW_USEC: i64 = 1000;

/// The brief commands that ran since the clock was read.
#[derive(Default)]
pub(crate) struct Timing {
    /// Brief commands share now.
    sharing: bool,
    /// They do so for the whole turn, which has requests of several connections.
    whole_turn: bool,
    /// In order; a command that ran several times in a row stands here once, with how often.
    ran: Vec<(CommandId, u32)>,
    /// How many that are.
    count: u32,
    /// When the first of them began.
    since: Time,
}

impl Node {
    /// Brief commands share their time from here on, or no longer: the next command stands in a pipeline or transaction,
    /// or it does not.
    #[inline]
    pub(crate) fn share_time(&mut self, share: bool) {
        let share = share || self.timing.whole_turn;
        if share != self.timing.sharing {
            self.change_sharing(share);
        }
    }

    /// Brief commands share their time until this is called again with false, also where each stands alone in its input.
    pub(crate) fn share_turn(&mut self, share: bool) {
        self.timing.whole_turn = share;
        self.share_time(share);
    }

    fn change_sharing(&mut self, share: bool) {
        let each_alone = (0..ALONE_BELOW_USEC).contains(&self.config.slowlog_log_slower_than);
        if share && !each_alone {
            self.timing.since = self.host.now();
            self.timing.sharing = true;
        } else if !share {
            self.settle_time();
            self.timing.sharing = false;
        }
    }

    /// Gives the brief commands that ran since the clock was read their time.
    pub(crate) fn settle_time(&mut self) {
        if !self.timing.ran.is_empty() {
            let now = self.host.now();
            self.share_out(now);
            self.go_on(now);
        }
    }

    /// Whether brief commands share their time now.
    pub(crate) fn is_sharing_time(&self) -> bool {
        self.timing.sharing
    }

    /// Before a command: the time, unless it will share.
    #[inline]
    pub(crate) fn clock_before(&mut self, id: CommandId) -> Option<Time> {
        if self.timing.sharing && self.table.get(id).is_brief {
            return None;
        }
        let now = self.host.now();
        self.settle_until(now);
        self.timing.since = now;
        Some(now)
    }

    /// After a command.
    #[inline]
    pub(crate) fn clock_after(&mut self, conn: ConnId, id: CommandId, started: Option<Time>, args: &Args<'_>) {
        let Some(started) = started else {
            match self.timing.ran.last_mut() {
                Some((same, times)) if *same == id => *times += 1,
                _ => self.timing.ran.push((id, 1)),
            }
            self.timing.count += 1;
            if self.timing.count == SHARING_MAX {
                self.settle_time();
            }
            return;
        };
        let now = self.host.now();
        self.settle_until(now);
        self.timing.since = now;
        self.count_time(conn, id, now.since(started), args);
        self.go_on(now);
    }

    /// What comes next in this turn sees the time of a reading of the clock: after a slow command, deadlines of the turn's
    /// beginning would be over. Inside a transaction time stands still, as with the peers.
    #[inline]
    fn go_on(&mut self, now: Time) {
        let passed = now.since(self.now).as_millis() as u64;
        if passed > 0 && !self.in_exec {
            self.begin_turn(self.now + Duration::from_millis(passed), UnixMs(self.unix.0 + passed as i64));
        }
    }

    /// Counts the time of a command that was timed by itself.
    pub(crate) fn count_time(&mut self, conn: ConnId, id: CommandId, took: Duration, args: &Args<'_>) {
        let Node { table, clients, slowlog, config, unix, .. } = self;
        table.stats_mut(id).nanos += took.as_nanos() as u64;
        let command = table.get(id);
        let flags = command.row.meta().flags;
        if !flags.has(Flags::SKIP_SLOWLOG) {
            slowlog.add(config, *unix, took, (&command.full_name, args), clients.get(conn));
        }
        if !self.in_exec {
            self.stats.commands_usec += took.as_micros() as u64;
        }
        self.latency.count(&self.config, id, took, 1);
        self.latency.add(&self.config, self.unix, event(flags.has(Flags::FAST)), took);
    }

    #[inline]
    fn settle_until(&mut self, now: Time) {
        if !self.timing.ran.is_empty() {
            self.share_out(now);
        }
    }

    /// Shares the time up to now out over the brief commands that ran since the clock was read.
    fn share_out(&mut self, now: Time) {
        let mut ran = std::mem::take(&mut self.timing.ran);
        let took = now.since(self.timing.since);
        let each = took / std::mem::take(&mut self.timing.count);
        for (id, times) in &ran {
            self.table.stats_mut(*id).nanos += (each * *times).as_nanos() as u64;
            self.latency.count(&self.config, *id, each, u64::from(*times));
        }
        if !self.in_exec {
            self.stats.commands_usec += took.as_micros() as u64;
        }
        let fast = ran.iter().all(|(id, _)| self.table.get(*id).row.meta().flags.has(Flags::FAST));
        self.latency.add(&self.config, self.unix, event(fast), took);
        let Node { table, slowlog, config, unix, .. } = self;
        slowlog.add_shared(config, *unix, took, || {
            let name = |id: &CommandId| table.get(*id).full_name.clone().into_bytes();
            ran.iter().flat_map(|(id, times)| std::iter::repeat_n(name(id), *times as usize)).collect()
        });
        ran.clear();
        self.timing.ran = ran;
        self.timing.since = now;
    }
}

/// What the latency monitor calls it.
fn event(fast: bool) -> &'static str {
    if fast { "fast-command" } else { "command" }
}
