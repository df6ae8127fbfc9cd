//! Under which names a stream may be continued.

use crate::offset::Offset;
use base::ReplId;

/// The ids a server's stream is known by. How they change (promotion, full sync, a new id from upstream) is
/// `replication`'s business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The id of what is written now: `master_replid`.
    pub replid1: ReplId,
    /// The id before the last promotion or change of id, [`ReplId::NONE`] if there was none: `master_replid2`.
    pub replid2: ReplId,
    /// Where the history under `replid2` ended: bytes up to here are the same under both ids.
    /// `second_repl_offset` shows it as the next byte wanted, and -1 for None.
    pub replid2_end: Option<Offset>,
}

impl History {
    /// A history that has only ever had one id.
    pub fn new(replid1: ReplId) -> History {
        History { replid1, replid2: ReplId::NONE, replid2_end: None }
    }

    /// `second_repl_offset` as INFO shows it.
    pub fn second_offset(&self) -> i64 {
        self.replid2_end.map_or(-1, Offset::wanted)
    }

    /// Whether `PSYNC replid wanted` can be answered from a stream that holds `first..end`, and if so from which
    /// offset. The id must be the present one, or the former one and the wanted byte no further than the
    /// first written under the present id; and the byte must be held or be the very next.
    pub fn continues(&self, replid: ReplId, wanted: i64, first: Offset, end: Offset) -> Option<Offset> {
        let named = replid == self.replid1 || (replid == self.replid2 && wanted <= self.second_offset());
        let at = Offset::from_wanted(wanted)?;
        (named && first <= at && at <= end).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ReplId {
        ReplId::from_entropy([byte; 20])
    }

    #[test]
    fn a_replica_of_the_same_history_continues_at_any_byte_held_or_the_next() {
        let history = History::new(id(1));
        let continues = |replid, wanted| history.continues(replid, wanted, Offset(100), Offset(200));
        assert_eq!(continues(id(1), 100), None, "dropped already");
        assert_eq!(continues(id(1), 101), Some(Offset(100)));
        assert_eq!(continues(id(1), 201), Some(Offset(200)));
        assert_eq!(continues(id(1), 202), None, "not written yet");
        assert_eq!(continues(id(2), 150), None, "another history");
    }

    #[test]
    fn the_former_id_continues_up_to_the_first_byte_written_under_the_new_one() {
        let history = History { replid1: id(2), replid2: id(1), replid2_end: Some(Offset(150)) };
        let continues = |wanted| history.continues(id(1), wanted, Offset(100), Offset(200));
        assert_eq!(history.second_offset(), 151);
        assert_eq!(continues(151), Some(Offset(150)));
        assert_eq!(continues(152), None);
    }

    #[test]
    fn forty_zeros_and_nonsense_offsets_continue_nothing() {
        let history = History::new(id(1));
        assert_eq!(history.second_offset(), -1);
        for wanted in [i64::MIN, -1, 0, 1] {
            assert_eq!(history.continues(ReplId::NONE, wanted, Offset(0), Offset(10)), None);
        }
        assert_eq!(history.continues(id(1), i64::MIN, Offset(0), Offset(10)), None);
        assert_eq!(history.continues(id(1), 0, Offset(0), Offset(10)), None);
    }
}
