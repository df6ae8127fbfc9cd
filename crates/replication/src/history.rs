//! Which ids name the bytes we hold, and so which PSYNC may go on without a snapshot. Owns the two
//! replication ids and where the second one ends; the bytes themselves are the journal's.

use base::ReplId;
use std::fmt;

/// The part of the stream that can still be sent, as offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retained {
    /// The oldest offset a reader may start from.
    pub first: u64,
    /// The stream's end: the number of bytes it has had in all.
    pub end: u64,
}

/// Why a PSYNC needs a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It asked with `?`: the replica has nothing to continue.
    AskedForFull,
    /// Its id names no history of ours.
    UnknownId,
    /// Its id is an older one of ours, but it wants bytes from after our histories parted.
    BeyondSecondId {
        /// The last byte (counted from 1) that may be asked for under it.
        second_offset: u64,
    },
    /// There is no backlog.
    NoBacklog,
    /// It wants bytes that are no longer kept.
    TooOld(Retained),
    /// It wants bytes that do not exist yet.
    TooNew(Retained),
    /// It wanted bytes that our own master was to send, and they did not come.
    NeverCame,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::AskedForFull => f.write_str("it asked for everything"),
            Refusal::UnknownId => f.write_str("its replication id is not one of ours"),
            Refusal::BeyondSecondId { second_offset } => {
                write!(f, "under that older id nothing after byte {second_offset} is ours")
            }
            Refusal::NoBacklog => f.write_str("there is no backlog"),
            Refusal::TooOld(kept) => write!(f, "the backlog begins only at byte {}", kept.first + 1),
            Refusal::TooNew(kept) => write!(f, "our stream ends at byte {}", kept.end),
            Refusal::NeverCame => f.write_str("the bytes it wants did not come from our master"),
        }
    }
}

/// How many older ids are kept.
const OLDER_MAX: usize = 32;

/// The current id, and those before it together with where they ended. Real servers know one older id, which INFO shows
/// as `master_replid2`; we go on under any of them.
///
/// Invariant: for one id and offset there are never two different bytes. So an id that stops naming what we
/// write either becomes the second one, closed at that offset, or is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    replid: ReplId,
    /// The older ids, the newest first, and the stream's end when each stopped naming what is written.
    older: Vec<(ReplId, u64)>,
}

impl History {
    /// A history that begins now, or whose past nobody may continue.
    pub fn new(replid: ReplId) -> History {
        History { replid, older: Vec::new() }
    }

    /// After a restart from a file that names `saved` at `offset`, as a replica: its master's history goes on. `older`
    /// is what the files know of ids before it.
    pub fn restored_as_replica(saved: ReplId, offset: u64, older: &[(ReplId, u64)]) -> History {
        let mut history = History::new(saved);
        // What was lost with the end of a file is no longer named by anything.
        let known = older.iter().filter(|(id, _)| *id != saved).map(|(id, end)| (*id, (*end).min(offset)));
        history.older = known.take(OLDER_MAX).collect();
        history
    }

    /// After a restart from such a file, as a master: what is written from here on bears a fresh id.
    pub fn restored_as_master(fresh: ReplId, saved: ReplId, offset: u64, older: &[(ReplId, u64)]) -> History {
        let mut history = History::restored_as_replica(saved, offset, older);
        history.continue_with_new_id(fresh, offset);
        history
    }

    /// The current id.
    pub fn replid(&self) -> ReplId {
        self.replid
    }

    /// The second id; all zeros if there is none.
    pub fn replid2(&self) -> ReplId {
        self.older.first().map_or(ReplId::NONE, |(id, _)| *id)
    }

    /// The older ids, the newest first, and the stream's end when each stopped naming what is written.
    pub fn older(&self) -> &[(ReplId, u64)] {
        &self.older
    }

    /// INFO's second_repl_offset: -1 if there is no second id.
    pub fn second_offset(&self) -> i64 {
        self.older.first().map_or(-1, |(_, end)| i64::try_from(end + 1).unwrap_or(i64::MAX))
    }

    /// Whether a replica that names `id` and wants byte `wanted` (counted from 1) can go on from what is
    /// retained (None: no backlog). Yes: the offset to send from.
    pub fn continues(&self, id: &[u8], wanted: i64, retained: Option<Retained>) -> Result<u64, Refusal> {
        if id == b"?" {
            return Err(Refusal::AskedForFull);
        }
        let named = ReplId::parse(id).ok_or(Refusal::UnknownId)?;
        if named != self.replid {
            let older = self.older.iter().find(|(id, _)| *id == named);
            let (_, end) = older.ok_or(Refusal::UnknownId)?;
            if u64::try_from(wanted).is_ok_and(|wanted| wanted > end + 1) {
                return Err(Refusal::BeyondSecondId { second_offset: end + 1 });
            }
        }
        let retained = retained.ok_or(Refusal::NoBacklog)?;
        let from = u64::try_from(wanted).ok().and_then(|w| w.checked_sub(1)).ok_or(Refusal::TooOld(retained))?;
        match from {
            _ if from < retained.first => Err(Refusal::TooOld(retained)),
            _ if from > retained.end => Err(Refusal::TooNew(retained)),
            _ => Ok(from),
        }
    }

    /// REPLICAOF NO ONE at `offset`: replicas of the old master may go on up to here.
    pub fn promote(&mut self, fresh: ReplId, offset: u64) {
        self.continue_with_new_id(fresh, offset);
    }

    /// Another id names what follows `offset`, where we are.
    pub fn continue_with_new_id(&mut self, new: ReplId, offset: u64) {
        // What an older id names behind us, our own stream will not have.
        self.older.iter_mut().for_each(|(_, end)| *end = (*end).min(offset));
        self.older.retain(|(id, _)| *id != new);
        self.older.insert(0, (self.replid, offset));
        self.older.truncate(OLDER_MAX);
        self.replid = new;
    }

    /// The master goes on under another id (`+CONTINUE <id>`) when we are at `offset`. `told` is what a master of our
    /// kind says besides: its older ids from the newest to ours, and where each ended. They may end behind us: what they
    /// name there is on its way.
    pub fn continue_as_told(&mut self, new: ReplId, offset: u64, told: &[(ReplId, u64)]) {
        let ours = self.replid;
        self.continue_with_new_id(new, offset);
        let falling = told.windows(2).all(|pair| pair[0].1 >= pair[1].1);
        let fits = falling && told.last().is_some_and(|(id, end)| *id == ours && *end >= offset);
        if fits {
            self.older.remove(0);
            self.older.retain(|(id, _)| told.iter().all(|(named, _)| named != id));
            self.older.splice(0..0, told.iter().copied().filter(|(id, _)| *id != new));
            self.older.truncate(OLDER_MAX);
        }
    }

    /// The ids between the present one and that one, the newest first, and where each ended; empty if it is the present
    /// one or unknown.
    pub fn since(&self, id: &[u8]) -> &[(ReplId, u64)] {
        let at = ReplId::parse(id).and_then(|named| self.older.iter().position(|(id, _)| *id == named));
        at.map_or(&[], |at| &self.older[..=at])
    }

    /// A full resynchronisation replaced the data: only the master's id names it.
    pub fn adopt(&mut self, replid: ReplId) {
        *self = History::new(replid);
    }

    /// Nobody may continue: the backlog was created or freed, so that bytes were not counted or are not kept, or what is
    /// here is not what they say.
    pub fn rotate(&mut self, fresh: ReplId) {
        *self = History::new(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Option<Retained> = Some(Retained { first: 100, end: 200 });

    fn id(byte: u8) -> ReplId {
        ReplId::from_entropy([byte; 20])
    }

    #[test]
    fn a_replica_continues_from_the_first_kept_byte_to_just_behind_the_last() {
        let history = History::new(id(1));
        let mine = id(1);
        let mine = mine.as_bytes();
        assert_eq!(history.continues(mine, 101, KEPT), Ok(100));
        assert_eq!(history.continues(mine, 201, KEPT), Ok(200));
        let kept = KEPT.unwrap();
        assert_eq!(history.continues(mine, 100, KEPT), Err(Refusal::TooOld(kept)));
        assert_eq!(history.continues(mine, 202, KEPT), Err(Refusal::TooNew(kept)));
        for absurd in [0, -1, i64::MIN] {
            assert_eq!(history.continues(mine, absurd, KEPT), Err(Refusal::TooOld(kept)));
        }
        assert_eq!(history.continues(mine, i64::MAX, KEPT), Err(Refusal::TooNew(kept)));
        assert_eq!(history.continues(mine, 101, None), Err(Refusal::NoBacklog));
    }

    #[test]
    fn ids_compare_in_either_case_and_a_question_mark_never_matches() {
        let history = History::new(id(0xab));
        assert_eq!(history.continues("AB".repeat(20).as_bytes(), 150, KEPT), Ok(149));
        assert_eq!(history.continues(b"?", -1, KEPT), Err(Refusal::AskedForFull));
        assert_eq!(history.continues(b"123", 150, KEPT), Err(Refusal::UnknownId));
        assert_eq!(history.continues(id(2).as_bytes(), 150, KEPT), Err(Refusal::UnknownId));
    }

    #[test]
    fn the_zeros_of_an_absent_second_id_match_nothing() {
        let history = History::new(id(1));
        assert_eq!((history.replid2(), history.second_offset()), (ReplId::NONE, -1));
        assert_eq!(history.continues(ReplId::NONE.as_bytes(), 150, KEPT), Err(Refusal::UnknownId));
    }

    #[test]
    fn after_a_promotion_the_old_id_continues_at_exactly_its_end_and_not_one_past_it() {
        let mut history = History::new(id(1));
        history.promote(id(2), 150);
        assert_eq!((history.replid(), history.replid2(), history.second_offset()), (id(2), id(1), 151));
        assert_eq!(history.continues(id(1).as_bytes(), 151, KEPT), Ok(150));
        let beyond = Err(Refusal::BeyondSecondId { second_offset: 151 });
        assert_eq!(history.continues(id(1).as_bytes(), 152, KEPT), beyond);
        assert_eq!(history.continues(id(2).as_bytes(), 152, KEPT), Ok(151));
    }

    #[test]
    fn every_older_id_continues_up_to_its_own_end() {
        let mut history = History::new(id(1));
        history.promote(id(2), 120);
        history.continue_with_new_id(id(3), 150);
        assert_eq!((history.replid2(), history.second_offset()), (id(2), 151));
        assert_eq!(history.continues(id(1).as_bytes(), 121, KEPT), Ok(120));
        let beyond = Err(Refusal::BeyondSecondId { second_offset: 121 });
        assert_eq!(history.continues(id(1).as_bytes(), 122, KEPT), beyond);
        assert_eq!(history.continues(id(2).as_bytes(), 151, KEPT), Ok(150));
        for byte in 4..40 {
            history.promote(id(byte), 160);
        }
        assert_eq!(history.older().len(), OLDER_MAX);
        assert_eq!(history.continues(id(1).as_bytes(), 110, KEPT), Err(Refusal::UnknownId));
    }

    #[test]
    fn a_replica_that_is_behind_knows_the_ends_that_its_master_told_until_it_goes_its_own_way() {
        let mut master = History::new(id(1));
        master.promote(id(2), 150);
        master.promote(id(3), 180);
        assert_eq!(master.since(id(1).as_bytes()), [(id(2), 180), (id(1), 150)]);
        assert_eq!((master.since(id(3).as_bytes()), master.since(b"?")), (&[][..], &[][..]));
        let mut replica = History::new(id(1));
        replica.continue_as_told(id(3), 120, master.since(id(1).as_bytes()));
        assert_eq!((replica.replid(), replica.older()), (master.replid(), master.older()));
        let behind = Retained { first: 100, end: 120 };
        assert_eq!(
            replica.continues(id(2).as_bytes(), 171, Some(behind)),
            Err(Refusal::TooNew(behind)),
            "it will come"
        );
        replica.promote(id(4), 130);
        assert_eq!(replica.older(), [(id(3), 130), (id(2), 130), (id(1), 130)]);
    }

    #[test]
    fn what_a_master_tells_that_cannot_be_is_not_believed() {
        for told in [&[(id(1), 90)][..], &[(id(2), 300)], &[(id(2), 100), (id(1), 150)], &[]] {
            let mut replica = History::new(id(1));
            replica.continue_as_told(id(3), 120, told);
            assert_eq!(replica.older(), [(id(1), 120)], "{told:?}");
        }
    }

    #[test]
    fn a_freed_backlog_and_a_full_synchronisation_leave_nothing_to_continue() {
        let mut history = History::new(id(1));
        history.promote(id(2), 150);
        let mut freed = history.clone();
        freed.rotate(id(3));
        history.adopt(id(3));
        assert_eq!(freed, history);
        for old in [id(1), id(2)] {
            assert_eq!(freed.continues(old.as_bytes(), 140, KEPT), Err(Refusal::UnknownId));
        }
    }

    #[test]
    fn a_restarted_master_lets_replicas_of_its_last_life_continue_and_a_replica_keeps_its_masters_id() {
        let older = [(id(8), 100), (id(9), 999)];
        let master = History::restored_as_master(id(2), id(1), 150, &older);
        assert_eq!((master.replid(), master.replid2(), master.second_offset()), (id(2), id(1), 151));
        assert_eq!(master.older(), [(id(1), 150), (id(8), 100), (id(9), 150)], "nothing names what was lost");
        let replica = History::restored_as_replica(id(1), 150, &[]);
        assert_eq!(replica, History::new(id(1)));
    }
}
