//! A resynchronisation is partial whenever the rules allow it: a replica that has a history asks to go on in it, and a
//! master that holds what is asked for under a fitting id lets it go on. And only then.
//!
//! What a fitting id is the checker knows better than the nodes: it saw every id begin. A master that forgot an id of its
//! own stream and so sends a whole data set violates this too, as does one that gave up holding a replica while the
//! byte that it waits for could still come.

use std::collections::BTreeMap;
use std::time::Duration;

use base::ReplId;
use node::StreamFacts;

use super::Verdict;
use crate::env::Env;
use crate::machine::{Answered, Expected, Machine, Question};

/// Which stream each id went on from.
#[derive(Default)]
pub(super) struct Resync {
    /// The id before, and the offset at which the new one took over; None: the stream began with it.
    parents: BTreeMap<ReplId, Option<(ReplId, u64)>>,
}

impl Resync {
    /// Takes note of a node's id. Whoever is seen first with an id is who made it.
    pub fn note(&mut self, facts: &StreamFacts) {
        if facts.kept {
            // Several ids may have come in one turn.
            let mut newer = facts.replid;
            for (older, end) in &facts.older {
                self.parents.entry(newer).or_insert(Some((*older, *end)));
                newer = *older;
            }
            self.parents.entry(newer).or_insert(None);
        }
    }

    /// Looks at a master's answer.
    pub fn answer(&self, machine: &Machine, answered: &Answered, env: &mut Env) -> Verdict {
        let Answered { question, answer } = answered;
        let partial = answer.starts_with(b"+CONTINUE");
        let full = answer.starts_with(b"+FULLRESYNC");
        let right = match question.expected {
            Expected::Partial => partial,
            Expected::NotPartial => !partial,
            Expected::Either => true,
        };
        let shown = answer.trim_ascii().escape_ascii();
        let (index, asked) = (machine.index, &question.asked);
        if !right {
            return Err(format!("n{index} answered {asked:?} with '{shown}', {:?} was right", question.expected));
        }
        if question.expected == Expected::Either {
            env.figures.holds += 1;
        }
        if full && asked.replid.is_some() {
            env.figures.full_syncs_of_old += 1;
        }
        if full && question.expected == Expected::Either && self.could_wait_on(machine, question, env) {
            return Err(format!("n{index} answered {asked:?} with '{shown}', but the byte could still come"));
        }
        if full && question.expected == Expected::NotPartial && self.is_a_place_of(question) {
            return Err(format!("n{index} answered {asked:?} with '{shown}', but it is a place of its own stream"));
        }
        Ok(())
    }

    /// Whether nothing has happened yet that ends the wait for a byte.
    fn could_wait_on(&self, machine: &Machine, question: &Question, env: &Env) -> bool {
        let Some(facts) = machine.facts() else { return false };
        let before = &question.facts;
        let same = (&facts.master, facts.link_up, facts.replid) == (&before.master, before.link_up, before.replid);
        let timeout = Duration::from_secs(env.plan.config.repl_timeout);
        same && env.now().since(question.at) < timeout
    }

    /// Whether the master's stream has the byte that was asked for, under whatever id its writer knew it.
    fn is_a_place_of(&self, question: &Question) -> bool {
        let (asked, facts) = (&question.asked, &question.facts);
        let Some(from) = u64::try_from(asked.wanted).ok().and_then(|wanted| wanted.checked_sub(1)) else {
            return false;
        };
        // Where a data set was received knows no id but its own.
        if !facts.kept || asked.failover || from <= facts.first {
            return false;
        }
        let (mut replid, mut end) = (facts.replid, facts.end);
        loop {
            if Some(replid) == asked.replid {
                return from <= end;
            }
            match self.parents.get(&replid) {
                Some(Some((parent, fork))) => (replid, end) = (*parent, end.min(*fork)),
                _ => return false,
            }
        }
    }
}

/// Looks at a replica's question.
pub(super) fn question(machine: &mut Machine) -> Verdict {
    let Some(link) = &mut machine.link else { return Ok(()) };
    match link.relay.question.take() {
        // A stream that began meanwhile, with an append-only file, has nothing yet to go on from.
        Some((asked, facts)) if facts.kept && (facts.first < facts.end || asked.replid.is_some()) => {
            let right = asked.replid == Some(facts.replid) && u64::try_from(asked.wanted) == Ok(facts.end + 1);
            if right {
                return Ok(());
            }
            let (replid, end) = (facts.replid, facts.end);
            Err(format!("n{} could go on from {replid}:{end} and asked {asked:?}", machine.index))
        }
        _ => Ok(()),
    }
}
