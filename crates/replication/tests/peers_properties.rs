//! Whatever replicas and the node do, in whatever order, the master's side does not panic, every replica is
//! given a snapshot or the stream once, and nobody waits without a timer.

use base::{ReplId, Time};
use proptest::prelude::*;
use replication::master::{Event, PeersOutput, PeersSettings, PsyncRequest, StreamView, Upstream};
use replication::{History, Peers, Retained};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Replconf(u8, &'static str),
    Psync(u8, i64),
    Sync(u8),
    Event(u8, u8),
    Upstream(u8),
    Advance(u64),
    Wait(u64),
    AskForAcks,
}

const OPTIONS: [&str; 8] = [
    "capa eof capa psync2",
    "ack 7",
    "ack 2000 fack 3",
    "getack *",
    "rdb-only 1",
    "rdb-filter-only functions",
    "version 9.1.2",
    "what",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..4, 0..OPTIONS.len()).prop_map(|(conn, at)| Step::Replconf(conn, OPTIONS[at])),
        3 => (0u8..4, -2i64..2000).prop_map(|(conn, wanted)| Step::Psync(conn, wanted)),
        1 => (0u8..4).prop_map(Step::Sync),
        6 => (0u8..4, any::<u8>()).prop_map(|(conn, kind)| Step::Event(conn, kind)),
        1 => any::<u8>().prop_map(Step::Upstream),
        1 => (0u64..300).prop_map(Step::Advance),
        4 => (0u64..70_000).prop_map(Step::Wait),
        1 => Just(Step::AskForAcks),
    ]
}

struct World {
    peers: Peers<u8>,
    now: Time,
    end: u64,
    upstream: Upstream,
    history: History,
    streaming: BTreeSet<u8>,
}

impl World {
    fn take(&mut self, step: Step) {
        let now = self.now;
        let view = StreamView {
            history: &self.history,
            retained: Some(Retained { first: 100, end: self.end }),
            upstream: self.upstream,
        };
        match step {
            Step::Replconf(conn, options) => {
                let options: Vec<&[u8]> = options.split(' ').map(str::as_bytes).collect();
                self.peers.replconf(now, conn, &options);
            }
            Step::Psync(conn, wanted) => {
                let replid = self.history.replid();
                let request = PsyncRequest {
                    id: if wanted < 0 { b"?" } else { replid.as_bytes() },
                    wanted,
                    failover: false,
                    pending_output: false,
                };
                self.peers.psync(now, conn, request, &view);
            }
            Step::Sync(conn) => {
                self.peers.sync(now, conn, false, &view);
            }
            Step::Event(conn, kind) => {
                let event = event(conn, kind, &self.history);
                if matches!(event, Event::Closed(_)) {
                    self.streaming.remove(&conn);
                }
                self.peers.handle(now, event);
            }
            Step::Upstream(kind) => {
                self.upstream = [Upstream::None, Upstream::Up, Upstream::Down][usize::from(kind % 3)];
                self.peers.handle(now, Event::UpstreamChanged(self.upstream));
            }
            Step::Advance(by) => {
                self.end += by;
                let view = StreamView { retained: Some(Retained { first: 100, end: self.end }), ..view };
                self.peers.stream_advanced(now, &view);
            }
            Step::Wait(ms) => {
                self.now = now + Duration::from_millis(ms);
                self.peers.handle_timeout(self.now);
            }
            Step::AskForAcks => self.peers.request_acks(),
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.peers.poll_output() {
            match output {
                PeersOutput::StartStream { conn, .. } => {
                    assert!(self.peers.is_replica(conn));
                    assert!(self.streaming.insert(conn), "the stream starts once");
                }
                PeersOutput::Close { conn, .. } => {
                    self.streaming.remove(&conn);
                    assert!(!self.peers.is_replica(conn));
                }
                PeersOutput::StartSync(targets) => assert!(!targets.is_empty()),
                PeersOutput::FeedPing => assert_eq!(self.upstream, Upstream::None),
                _ => {}
            }
        }
    }
}

fn event(conn: u8, kind: u8, history: &History) -> Event<u8> {
    match kind % 9 {
        0 => Event::Closed(conn),
        1 | 2 => Event::SyncStarted { conn, offset: 1000, replid: history.replid() },
        3 => Event::BulkStarted(conn),
        4 => Event::TransferProgress(conn),
        5 | 6 => Event::TransferDone(conn),
        7 => Event::TransferFailed(conn, "no".into()),
        _ => Event::Newline(conn),
    }
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_masters_side(
        steps in proptest::collection::vec(step(), 0..120), syncs_max in 0usize..3, diskless in any::<bool>(),
    ) {
        let settings = PeersSettings { syncs_max, diskless, ..PeersSettings::default() };
        let mut world = World {
            peers: Peers::new(settings, Time(0)),
            now: Time(0),
            end: 1000,
            upstream: Upstream::None,
            history: History::new(ReplId::from_entropy([1; 20])),
            streaming: BTreeSet::new(),
        };
        for step in steps {
            world.take(step);
        }
        // Nobody speaks any more, and the node finishes nothing that it began: those who wait only for the
        // clock get on.
        for _ in 0..10 {
            world.take(Step::Wait(70_000));
        }
        prop_assert!(!world.peers.holds_requests());
    }
}
