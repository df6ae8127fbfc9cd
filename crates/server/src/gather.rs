//! When the loop waits for several sockets to be ready instead of one. A turn costs much that does not depend on how many
//! requests it serves: the way into the kernel and back, and code and data that come back into the caches. Where the executor is
//! busy and many clients ask, a short wait makes turns fewer and larger; where it has time, nobody waits for others. Nor where
//! clients send pipelines: a turn has enough to do then.

use std::time::Duration;

use base::Time;

use crate::ring::Wanted;

/// So long it is observed before it is decided.
const WINDOW: Duration = Duration::from_millis(8);

/// More than so many sources are not waited for: a turn looks at no more connections together.
const COUNT_MAX: u32 = 32;

/// Gathering goes on while so many come together in a turn.
const WORTH: u32 = 3;

/// So many commands for each source are pipelines. What a transaction runs counts, and what a master sends: such a turn has
/// enough to do as well.
const PIPELINED: u64 = 4;

/// Observes turns, and decides.
pub struct Gather {
    is_on: bool,
    /// When the present window began, and its number.
    window_from: Time,
    window: u32,
    /// Within it: spent in turns, how many there were, how many sources they served, and how many commands ran.
    busy: Duration,
    turns: u32,
    served: u32,
    commands: u64,
    /// Connections that have sent within this window, and within the one before.
    heard: u32,
    heard_before: u32,
}

impl Gather {
    /// One that has seen nothing yet.
    pub fn new(now: Time) -> Gather {
        Gather {
            is_on: false,
            window_from: now,
            window: 1,
            busy: Duration::ZERO,
            turns: 0,
            served: 0,
            commands: 0,
            heard: 0,
            heard_before: 0,
        }
    }

    /// A connection has sent something; `heard_in` is its own, 0 at first: in which window it did so last.
    #[inline]
    pub fn note_sender(&mut self, heard_in: &mut u32) {
        if *heard_in != self.window {
            *heard_in = self.window;
            self.heard += 1;
        }
    }

    /// A turn took from `woken` to `asleep` and ran so many commands; the wait behind it, until `now`, found so many sources
    /// ready.
    #[inline]
    pub fn note_turn(&mut self, woken: Time, asleep: Time, now: Time, commands: u64, ready: usize) {
        // A single long turn is no load.
        self.busy += asleep.since(woken).min(WINDOW / 4);
        self.turns += 1;
        self.served += ready as u32;
        self.commands += commands;
        let passed = now.since(self.window_from);
        if passed > WINDOW {
            // Once on, how busy the loop is says nothing, since it waits on purpose: it must be worth it.
            let is_worth_it =
                if self.is_on { self.served >= WORTH * self.turns } else { self.busy * 2 > passed && self.turns > 4 };
            self.is_on = is_worth_it && self.commands < PIPELINED * u64::from(self.served);
            let window = self.window.wrapping_add(1).max(1);
            *self = Gather { is_on: self.is_on, window, heard_before: self.heard, ..Gather::new(now) };
        }
    }

    /// What the next wait is to gather within `span`; zero: nothing. Half of those that send: the others may be waiting for
    /// something else.
    pub fn wanted(&self, span: Duration) -> Option<Wanted> {
        let count = (self.heard_before / 2).min(COUNT_MAX);
        (self.is_on && count > 1 && !span.is_zero()).then_some(Wanted { count, span })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::Time;

    use super::{COUNT_MAX, Gather, PIPELINED};
    use crate::ring::Wanted;

    const SPAN: Duration = Duration::from_micros(50);

    /// Turns of so many microseconds, with waits of so many that find `ready` of the clients in their order.
    fn run(gather: &mut Gather, from: Time, clients: usize, turns: [u64; 3]) -> Time {
        run_pipelines(gather, from, clients, turns, 1)
    }

    /// The same, where each client sends so many commands at once.
    fn run_pipelines(
        gather: &mut Gather,
        from: Time,
        clients: usize,
        [busy, idle, ready]: [u64; 3],
        commands: u64,
    ) -> Time {
        let mut heard_in = vec![0; clients];
        let (mut now, mut next) = (from, 0);
        for _ in 0..4000 {
            for _ in 0..ready {
                gather.note_sender(&mut heard_in[next % clients]);
                next += 1;
            }
            let asleep = now + Duration::from_micros(busy);
            let woken = asleep + Duration::from_micros(idle);
            gather.note_turn(now, asleep, woken, commands * ready, ready as usize);
            now = woken;
        }
        now
    }

    fn wanted_of(clients: usize, turns: [u64; 3]) -> Option<Wanted> {
        let start = Time::default();
        let mut gather = Gather::new(start);
        run(&mut gather, start, clients, turns);
        gather.wanted(SPAN)
    }

    #[test]
    fn a_busy_executor_waits_for_half_of_those_that_send() {
        assert_eq!(wanted_of(20, [80, 20, 10]), Some(Wanted { count: 10, span: SPAN }));
        assert_eq!(wanted_of(200, [80, 20, 10]).map(|wanted| wanted.count), Some(COUNT_MAX));
    }

    #[test]
    fn nobody_waits_for_others_while_there_is_time() {
        assert_eq!(wanted_of(20, [2, 8, 1]), None);
    }

    #[test]
    fn few_clients_are_not_waited_for() {
        assert_eq!(wanted_of(3, [90, 10, 3]), None);
    }

    #[test]
    fn pipelines_are_not_waited_for() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        let now = run_pipelines(&mut gather, start, 20, [80, 20, 5], PIPELINED);
        assert_eq!(gather.wanted(SPAN), None);
        let now = run_pipelines(&mut gather, now, 20, [80, 20, 5], PIPELINED - 1);
        assert!(gather.wanted(SPAN).is_some());
        run_pipelines(&mut gather, now, 20, [80, 20, 5], 4);
        assert_eq!(gather.wanted(SPAN), None);
    }

    #[test]
    fn one_long_turn_is_no_load() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        let now = run(&mut gather, start, 20, [2, 8, 1]);
        let asleep = now + Duration::from_millis(100);
        gather.note_turn(now, asleep, asleep, 20, 20);
        assert_eq!(gather.wanted(SPAN), None);
    }

    #[test]
    fn gathering_goes_on_while_enough_come_together_and_ends_with_the_load() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        let now = run(&mut gather, start, 20, [80, 20, 8]);
        // The waits that gather take most of the time then.
        let now = run(&mut gather, now, 20, [40, 100, 6]);
        assert!(gather.wanted(SPAN).is_some());
        run(&mut gather, now, 20, [20, 100, 2]);
        assert_eq!(gather.wanted(SPAN), None);
    }

    #[test]
    fn a_span_of_nothing_turns_it_off() {
        let start = Time::default();
        let mut gather = Gather::new(start);
        run(&mut gather, start, 20, [80, 20, 10]);
        assert_eq!(gather.wanted(Duration::ZERO), None);
    }
}
