//! A resynchronisation is partial whenever the rules allow it: a replica that has a history asks to go on in it, and a
//! master that holds what is asked for under a fitting id lets it go on. And only then.

use super::Verdict;
use crate::machine::{Answered, Expected, Machine};

/// Looks at a master's answer.
pub(super) fn answer(index: usize, answered: &Answered) -> Verdict {
    let partial = answered.answer.starts_with(b"+CONTINUE");
    let right = match answered.expected {
        Expected::Partial => partial,
        Expected::NotPartial => !partial,
        Expected::Either => true,
    };
    if right {
        return Ok(());
    }
    let (asked, answer) = (&answered.asked, answered.answer.trim_ascii().escape_ascii());
    Err(format!("n{index} answered {asked:?} with '{answer}', {:?} was right", answered.expected))
}

/// Looks at a replica's question.
pub(super) fn question(machine: &mut Machine) -> Verdict {
    let Some(link) = &mut machine.link else { return Ok(()) };
    match link.relay.question.take() {
        Some((asked, facts)) if facts.kept => {
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
