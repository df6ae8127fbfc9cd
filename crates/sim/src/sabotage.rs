//! Bugs put back, to prove that the checkers bite. Nothing in the product is touched: the relay between a replica and
//! its master falsifies what they tell each other so that the pair behaves as if one of them had the bug.

/// One bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// A master lets a replica go on under its second id from behind the end of that id.
    SecondOffsetUnchecked,
    /// A replica keeps a transaction that a lost link left unfinished, and gets its beginning twice.
    UnfinishedMultiKept,
    /// A replica counts the bytes of an unfinished transaction as applied, and asks to go on behind them.
    OffsetInsideMulti,
    /// A promoted master does not say which database its first write is for.
    SelectForgotten,
    /// A master trims its journal too early, and goes on with what it still has.
    JournalTrimmedEarly,
    /// A replica acknowledges more than it has.
    AckTooHigh,
    /// A replica that could go on asks for everything.
    AlwaysAsksForAll,
}

impl Sabotage {
    /// All of them, by name.
    pub const ALL: [(&'static str, Sabotage); 7] = [
        ("second-offset-unchecked", Sabotage::SecondOffsetUnchecked),
        ("unfinished-multi-kept", Sabotage::UnfinishedMultiKept),
        ("offset-inside-multi", Sabotage::OffsetInsideMulti),
        ("select-forgotten", Sabotage::SelectForgotten),
        ("journal-trimmed-early", Sabotage::JournalTrimmedEarly),
        ("ack-too-high", Sabotage::AckTooHigh),
        ("always-asks-for-all", Sabotage::AlwaysAsksForAll),
    ];

    /// Whether it is the replica that has the bug; else its master.
    pub(crate) fn is_of_the_replica(self) -> bool {
        !matches!(self, Sabotage::SecondOffsetUnchecked | Sabotage::SelectForgotten | Sabotage::JournalTrimmedEarly)
    }

    /// The bug of that name.
    pub fn named(name: &str) -> Option<Sabotage> {
        Sabotage::ALL.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
    }
}
