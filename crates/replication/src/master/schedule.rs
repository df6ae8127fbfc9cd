//! When the replicas that wait get their snapshot. Pure.

use super::PeersSettings;
use crate::framing::Framing;
use base::Time;

/// One waiting replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) framing: Framing,
    pub(super) since: Time,
}

/// When a snapshot for all of `waiters` is due; a past time means now. None: nobody waits, or `under_way`
/// snapshots are enough.
pub(super) fn snapshot_due(
    waiters: impl Iterator<Item = Waiter>,
    under_way: usize,
    settings: &PeersSettings,
) -> Option<Time> {
    if under_way >= settings.syncs_max.max(1) {
        return None;
    }
    let (mut count, mut due) = (0, None::<Time>);
    for waiter in waiters {
        count += 1;
        // The delay lets replicas share one transfer over the network; a sized one gains nothing by it.
        let at = match waiter.framing {
            Framing::Sized => waiter.since,
            Framing::EndMark => waiter.since + settings.diskless_delay,
        };
        due = Some(due.map_or(at, |due| due.min(at)));
    }
    let enough = settings.diskless_max_replicas > 0 && count >= settings.diskless_max_replicas;
    if enough { Some(Time::default()) } else { due }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DELAY: Duration = Duration::from_secs(5);

    fn due(waiters: &[(Framing, u64)], under_way: usize, settings: &PeersSettings) -> Option<Time> {
        let waiters = waiters.iter().map(|&(framing, since)| Waiter { framing, since: Time(since) });
        snapshot_due(waiters, under_way, settings)
    }

    #[test]
    fn the_first_diskless_replica_waits_for_others_and_a_sized_one_does_not() {
        let settings = PeersSettings::default();
        assert_eq!(due(&[], 0, &settings), None);
        assert_eq!(due(&[(Framing::EndMark, 7), (Framing::EndMark, 3)], 0, &settings), Some(Time(3) + DELAY));
        assert_eq!(due(&[(Framing::EndMark, 3), (Framing::Sized, 7)], 0, &settings), Some(Time(7)));
    }

    #[test]
    fn enough_waiting_replicas_end_the_delay() {
        let settings = PeersSettings { diskless_max_replicas: 2, ..PeersSettings::default() };
        assert_eq!(due(&[(Framing::EndMark, 7)], 0, &settings), Some(Time(7) + DELAY));
        assert_eq!(due(&[(Framing::EndMark, 7), (Framing::EndMark, 8)], 0, &settings), Some(Time(0)));
    }

    #[test]
    fn a_snapshot_under_way_is_waited_for() {
        let settings = PeersSettings::default();
        assert_eq!(due(&[(Framing::Sized, 7)], 1, &settings), None);
        let two = PeersSettings { syncs_max: 2, ..settings };
        assert_eq!(due(&[(Framing::Sized, 7)], 1, &two), Some(Time(7)));
    }
}
