//! The master's side as an operator would describe it: who waits for what, what each replica is sent, who is
//! dropped. Time is simulated; connections are plain numbers.

use base::{ReplId, Time};
use replication::framing::Framing;
use replication::master::{
    Event, PeersOutput as Output, PeersSettings, PsyncOutcome, PsyncRequest, ReplconfOutcome, SnapshotParts,
    StreamView, SyncTarget, Upstream,
};
use replication::{History, Peers, Refusal, Retained};
use std::time::Duration;

/// A master with a stream of 1000 bytes, of which the last 900 are kept.
struct Rig {
    peers: Peers<u32>,
    now: Time,
    history: History,
    retained: Option<Retained>,
    upstream: Upstream,
}

impl Rig {
    fn new(settings: PeersSettings) -> Rig {
        let now = Time(1_000_000_000);
        let mut peers = Peers::new(settings, now);
        peers.handle(now, Event::BacklogActive(true));
        let retained = Some(Retained { first: 100, end: 1000 });
        Rig { peers, now, history: History::new(id(1)), retained, upstream: Upstream::None }
    }

    /// One that follows a master itself.
    fn chained() -> Rig {
        let mut rig = Rig::default();
        rig.follow(Upstream::Up);
        rig
    }

    fn follow(&mut self, upstream: Upstream) {
        self.upstream = upstream;
        self.peers.handle(self.now, Event::UpstreamChanged(upstream));
    }

    fn replconf(&mut self, conn: u32, options: &str) -> ReplconfOutcome {
        let options: Vec<&[u8]> = options.split(' ').map(str::as_bytes).collect();
        self.peers.replconf(self.now, conn, &options)
    }

    fn psync(&mut self, conn: u32, name: &str, wanted: i64) -> PsyncOutcome {
        self.request(conn, PsyncRequest { id: name.as_bytes(), wanted, failover: false, pending_output: false })
    }

    fn request(&mut self, conn: u32, request: PsyncRequest<'_>) -> PsyncOutcome {
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.psync(self.now, conn, request, &view)
    }

    fn sync(&mut self, conn: u32) -> PsyncOutcome {
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.sync(self.now, conn, false, &view)
    }

    fn advance(&mut self, end: u64) {
        self.retained = Some(Retained { first: 100, end });
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.stream_advanced(self.now, &view);
    }

    /// A diskless replica that asks for everything.
    fn joins(&mut self, conn: u32) {
        self.replconf(conn, "listening-port 7001 capa eof capa psync2");
        assert_eq!(self.psync(conn, "?", -1), PsyncOutcome::Waiting);
    }

    /// A replica that continues, and so is online.
    fn continues(&mut self, conn: u32) {
        let outcome = self.psync(conn, id(1).as_str(), 1001);
        assert!(matches!(outcome, PsyncOutcome::Continue { from: 1000, .. }), "{outcome:?}");
        self.outputs();
    }

    fn event(&mut self, event: Event<u32>) {
        self.peers.handle(self.now, event);
    }

    fn started(&mut self, conn: u32) {
        self.event(Event::SyncStarted { conn, offset: 1000, replid: self.history.replid() });
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.peers.handle_timeout(self.now);
    }

    /// Everything but log lines, statistics and newlines.
    fn outputs(&mut self) -> Vec<Output<u32>> {
        let dull = |output: &Output<u32>| match output {
            Output::Log(..) | Output::FullSyncReason(..) => true,
            Output::Send(_, bytes) => bytes == b"\n",
            _ => false,
        };
        std::iter::from_fn(|| self.peers.poll_output()).filter(|output| !dull(output)).collect()
    }

    fn newlines(&mut self) -> usize {
        let all = std::iter::from_fn(|| self.peers.poll_output());
        all.filter(|output| matches!(output, Output::Send(_, bytes) if bytes == b"\n")).count()
    }

    fn state(&self, conn: u32) -> &'static str {
        self.peers.replicas(self.now).iter().find(|replica| replica.conn == conn).expect("it is attached").state
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new(PeersSettings::default())
    }
}

fn id(byte: u8) -> ReplId {
    ReplId::from_entropy([byte; 20])
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn conns(output: &Output<u32>) -> Vec<u32> {
    match output {
        Output::StartSync(targets) => targets.iter().map(|target| target.conn).collect(),
        other => panic!("no snapshot but {other:?}"),
    }
}

fn fullresync(conn: u32) -> Output<u32> {
    Output::Send(conn, format!("+FULLRESYNC {} 1000\r\n", id(1)).into_bytes())
}

fn closed(outputs: &[Output<u32>]) -> Vec<u32> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Close { conn, .. } = output { Some(*conn) } else { None })
        .collect()
}

#[test]
fn a_replica_that_continues_is_online_at_once_and_told_the_id_if_it_understands_that() {
    let mut rig = Rig::default();
    rig.replconf(1, "capa psync2");
    let reply = format!("+CONTINUE {}\r\n", id(1)).into_bytes();
    assert_eq!(rig.psync(1, id(1).as_str(), 501), PsyncOutcome::Continue { reply, from: 500 });
    let reply = b"+CONTINUE\r\n".to_vec();
    assert_eq!(rig.psync(2, id(1).as_str(), 1001), PsyncOutcome::Continue { reply, from: 1000 });
    assert_eq!(rig.state(1), "online");
    let stats = rig.peers.stats();
    assert_eq!((stats.full, stats.partial_ok, stats.partial_err), (0, 2, 0));
}

#[test]
fn an_id_from_before_a_promotion_continues_up_to_its_end_and_not_one_past_it() {
    let mut rig = Rig::default();
    rig.history.promote(id(2), 900);
    assert!(matches!(rig.psync(1, id(1).as_str(), 901), PsyncOutcome::Continue { from: 900, .. }));
    assert_eq!(rig.psync(2, id(1).as_str(), 902), PsyncOutcome::Waiting);
    let reasons = std::iter::from_fn(|| rig.peers.poll_output());
    let reason = Output::FullSyncReason(2, Refusal::BeyondSecondId { second_offset: 901 });
    assert!(reasons.into_iter().any(|output| output == reason));
    assert_eq!(rig.peers.stats().partial_err, 1);
}

#[test]
fn asking_for_everything_is_no_failed_partial_synchronisation() {
    let mut rig = Rig::default();
    rig.joins(1);
    let stats = rig.peers.stats();
    assert_eq!((stats.full, stats.partial_err), (1, 0));
    rig.peers.reset_stats();
    assert_eq!(rig.peers.stats().full, 0);
}

#[test]
fn diskless_replicas_that_come_within_the_delay_share_one_snapshot() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(3));
    rig.joins(2);
    rig.wait(Duration::from_millis(1999));
    assert_eq!(rig.outputs(), []);
    rig.wait(Duration::from_millis(1));
    let outputs = rig.outputs();
    assert_eq!(outputs.len(), 1);
    assert_eq!(conns(&outputs[0]), [1, 2]);
}

#[test]
fn replicas_that_ask_in_one_turn_share_a_snapshot_without_any_delay() {
    let mut rig = Rig::new(PeersSettings { diskless: false, ..PeersSettings::default() });
    rig.joins(1);
    rig.joins(2);
    assert_eq!(rig.outputs(), [], "not before the turn's end");
    assert!(rig.peers.poll_timeout().unwrap() <= rig.now);
    rig.wait(Duration::ZERO);
    assert_eq!(conns(&rig.outputs()[0]), [1, 2]);
}

#[test]
fn enough_waiting_replicas_do_not_wait_for_more() {
    let mut rig = Rig::new(PeersSettings { diskless_max_replicas: 2, ..PeersSettings::default() });
    rig.joins(1);
    rig.wait(Duration::ZERO);
    assert_eq!(rig.outputs(), []);
    rig.joins(2);
    rig.wait(Duration::ZERO);
    assert_eq!(conns(&rig.outputs()[0]), [1, 2]);
}

#[test]
fn a_replica_that_comes_during_a_transfer_waits_for_the_next_snapshot() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(5));
    rig.started(1);
    rig.joins(2);
    rig.wait(seconds(20));
    let snapshots = rig.outputs().iter().filter(|output| matches!(output, Output::StartSync(_))).count();
    assert_eq!(snapshots, 1);
    rig.event(Event::TransferDone(1));
    rig.wait(Duration::ZERO);
    assert_eq!(conns(&rig.outputs()[0]), [2]);
}

#[test]
fn the_snapshot_is_told_what_each_receiver_can_read() {
    let mut rig = Rig::default();
    rig.replconf(1, "capa eof capa psync2 version 9.1.2");
    rig.psync(1, "?", -1);
    rig.replconf(2, "capa eof capa rdb-channel-repl rdb-filter-only functions");
    rig.psync(2, "?", -1);
    rig.sync(3);
    rig.wait(Duration::ZERO);
    let all = SnapshotParts { data: true, functions: true };
    let plain = SyncTarget { conn: 3, framing: Framing::Sized, version: None, rdb_channel_repl: false, parts: all };
    let targets = vec![
        SyncTarget { conn: 1, framing: Framing::EndMark, version: Some((9, 1, 2)), ..plain.clone() },
        SyncTarget {
            conn: 2,
            framing: Framing::EndMark,
            rdb_channel_repl: true,
            parts: SnapshotParts { data: false, functions: true },
            ..plain.clone()
        },
        plain,
    ];
    assert_eq!(rig.outputs(), [Output::StartSync(targets)]);
}

#[test]
fn a_diskless_replica_gets_the_stream_after_its_first_ack() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(5));
    rig.outputs();
    rig.started(1);
    assert_eq!(rig.outputs(), [fullresync(1)]);
    assert_eq!(rig.state(1), "wait_bgsave");
    rig.event(Event::TransferDone(1));
    assert_eq!((rig.state(1), rig.outputs()), ("online", vec![]));
    assert_eq!(rig.replconf(1, "ack 1000"), ReplconfOutcome::Silent);
    assert_eq!(rig.outputs(), [Output::StartStream { conn: 1, from: 1000 }]);
    rig.replconf(1, "ack 1001");
    assert_eq!(rig.outputs(), [], "once");
}

#[test]
fn a_sized_snapshot_is_followed_by_the_stream_at_once() {
    let mut rig = Rig::new(PeersSettings { diskless: false, ..PeersSettings::default() });
    rig.joins(1);
    rig.wait(Duration::ZERO);
    rig.outputs();
    rig.started(1);
    assert_eq!((rig.outputs(), rig.state(1)), (vec![fullresync(1)], "wait_bgsave"));
    rig.event(Event::BulkStarted(1));
    assert_eq!(rig.state(1), "send_bulk");
    rig.event(Event::TransferDone(1));
    assert_eq!((rig.outputs(), rig.state(1)), (vec![Output::StartStream { conn: 1, from: 1000 }], "online"));
}

#[test]
fn a_legacy_replica_gets_no_fullresync_line_and_owes_no_ack() {
    let mut rig = Rig::default();
    assert_eq!(rig.sync(1), PsyncOutcome::Waiting);
    rig.wait(Duration::ZERO);
    assert_eq!(conns(&rig.outputs()[0]), [1]);
    rig.started(1);
    rig.event(Event::BulkStarted(1));
    rig.event(Event::TransferDone(1));
    assert_eq!(rig.outputs(), [Output::StartStream { conn: 1, from: 1000 }]);
    rig.wait(seconds(3600));
    assert_eq!(closed(&rig.outputs()), [0u32; 0]);
}

#[test]
fn newlines_go_to_those_who_wait_and_never_behind_the_header() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(Duration::from_millis(999));
    assert_eq!(rig.newlines(), 0);
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.newlines(), 1);
    rig.wait(seconds(4));
    rig.newlines();
    rig.started(1);
    rig.wait(seconds(10));
    assert_eq!(rig.newlines(), 0, "with an end mark the header follows at once");

    let mut rig = Rig::new(PeersSettings { diskless: false, ..PeersSettings::default() });
    rig.joins(1);
    rig.wait(Duration::ZERO);
    rig.started(1);
    rig.newlines();
    rig.wait(seconds(1));
    assert_eq!(rig.newlines(), 1, "its length is still being found out");
    rig.event(Event::BulkStarted(1));
    rig.wait(seconds(10));
    assert_eq!(rig.newlines(), 0);
}

#[test]
fn requests_that_cannot_be_served_get_the_peers_errors() {
    let refused = |error: &str| PsyncOutcome::Refused(format!("-{error}\r\n").into_bytes());
    let mut rig = Rig::default();
    let request = PsyncRequest { id: b"?", wanted: -1, failover: false, pending_output: true };
    assert_eq!(rig.request(1, request), refused("ERR SYNC and PSYNC are invalid with pending output"));
    rig.replconf(1, "rdb-filter-only functions");
    assert_eq!(rig.psync(1, "?", -1), refused("ERR Filtered replica requires EOF capability"));
    rig.event(Event::FailingOver(true));
    assert_eq!(rig.psync(2, "?", -1), refused("NOMASTERLINK Can't SYNC while failing over"));
    rig.event(Event::FailingOver(false));
    rig.follow(Upstream::Down);
    let no_link = refused("NOMASTERLINK Can't SYNC while not connected with my master");
    assert_eq!(rig.psync(2, id(1).as_str(), 500), no_link);
    assert_eq!(rig.sync(2), no_link);
    assert!(rig.peers.is_empty());
}

#[test]
fn a_failover_request_is_for_replicas_of_the_same_history_only() {
    let mut rig = Rig::default();
    let request =
        |name: &'static str| PsyncRequest { id: name.as_bytes(), wanted: 1001, failover: true, pending_output: false };
    let to_master = b"-ERR PSYNC FAILOVER can't be sent to a master.\r\n".to_vec();
    assert_eq!(rig.request(1, request("x")), PsyncOutcome::Refused(to_master));
    rig.follow(Upstream::Up);
    let of_others = b"-ERR PSYNC FAILOVER replid must match my replid.\r\n".to_vec();
    assert_eq!(rig.request(1, request("x")), PsyncOutcome::Refused(of_others));
    let name = id(1);
    let ours = PsyncRequest { id: name.as_bytes(), wanted: 1001, failover: true, pending_output: false };
    assert_eq!(rig.request(1, ours), PsyncOutcome::PromoteFirst);
    assert!(!rig.peers.is_replica(1));
}

#[test]
fn a_second_psync_on_one_connection_is_ignored() {
    let mut rig = Rig::default();
    rig.joins(1);
    assert_eq!(rig.psync(1, "?", -1), PsyncOutcome::Ignored);
    assert_eq!(rig.sync(1), PsyncOutcome::Ignored);
    assert_eq!(rig.peers.len(), 1);
}

#[test]
fn a_client_that_only_wants_the_snapshot_is_closed_when_it_has_it() {
    let mut rig = Rig::default();
    rig.replconf(1, "capa eof rdb-only 1");
    rig.sync(1);
    rig.wait(seconds(5));
    rig.started(1);
    rig.outputs();
    rig.event(Event::TransferDone(1));
    assert!(matches!(rig.outputs()[..], [Output::Close { conn: 1, after_flush: true, .. }]));
    assert!(rig.peers.is_empty());
}

#[test]
fn a_snapshot_that_cannot_be_taken_is_said_before_the_close() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(5));
    rig.outputs();
    rig.event(Event::TransferFailed(1, "disk full".into()));
    let outputs = rig.outputs();
    assert!(matches!(&outputs[0], Output::Send(1, error) if error.starts_with(b"-ERR BGSAVE failed")));
    assert!(matches!(outputs[1], Output::Close { conn: 1, after_flush: true, .. }));
}

#[test]
fn a_replica_that_could_not_read_the_data_set_is_told_why_and_to_come_back_later() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(5));
    rig.outputs();
    rig.event(Event::SyncRefused(1, "too new".into()));
    let outputs = rig.outputs();
    assert!(matches!(&outputs[0], Output::Send(1, error) if error == b"-NOMASTERLINK Can't SYNC: too new\r\n"));
    assert!(matches!(outputs[1], Output::Close { conn: 1, after_flush: true, .. }));
    assert!(rig.peers.is_empty());
}

#[test]
fn a_replica_lost_in_the_middle_of_a_transfer_makes_room_for_the_next_when_nobody_works_for_it_any_more() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.wait(seconds(5));
    rig.started(1);
    rig.joins(2);
    rig.wait(seconds(5));
    rig.outputs();
    rig.event(Event::Closed(1));
    rig.wait(seconds(5));
    assert!(!rig.outputs().iter().any(|output| matches!(output, Output::StartSync(_))));
    rig.event(Event::TransferFailed(1, "it is gone".to_owned()));
    rig.wait(Duration::ZERO);
    assert_eq!(conns(&rig.outputs()[0]), [2]);
}

#[test]
fn a_transfer_that_stands_still_is_ended_and_one_that_moves_is_not() {
    let mut rig = Rig::default();
    rig.joins(1);
    rig.joins(2);
    rig.wait(seconds(5));
    rig.started(1);
    rig.started(2);
    for _ in 0..11 {
        rig.wait(seconds(6));
        rig.event(Event::TransferProgress(1));
    }
    assert_eq!(closed(&rig.outputs()), [2]);
}

#[test]
fn a_silent_replica_is_dropped_and_newlines_count_as_a_voice() {
    let mut rig = Rig::default();
    rig.continues(1);
    rig.continues(2);
    for _ in 0..59 {
        rig.wait(seconds(1));
        rig.event(Event::Newline(1));
    }
    assert_eq!(closed(&rig.outputs()), [0u32; 0]);
    rig.wait(seconds(1));
    assert_eq!(closed(&rig.outputs()), [2]);
}

#[test]
fn acknowledgements_only_move_forward_and_strangers_have_none() {
    let mut rig = Rig::default();
    rig.continues(1);
    rig.replconf(1, "ack 1010 fack 1005");
    rig.replconf(1, "ack 1000 fack 1000");
    rig.replconf(1, "ack x");
    assert_eq!(rig.replconf(9, "ack 5000"), ReplconfOutcome::Silent);
    assert_eq!((rig.peers.acked_at_least(1010), rig.peers.acked_at_least(1011)), (1, 0));
    assert_eq!((rig.peers.fsynced_at_least(1005), rig.peers.fsynced_at_least(1006)), (1, 0));
}

// A write made before the first replica came is at offset 0. The replica was online as soon as its snapshot was sent,
// long before it was loaded, and its initial 0 counted as an acknowledgement: WAIT promised what was not true.
#[test]
fn a_replica_that_has_not_acknowledged_yet_does_not_count_for_writes_from_before_the_stream() {
    let mut rig = Rig::default();
    rig.continues(1);
    assert_eq!((rig.peers.acked_at_least(0), rig.peers.fsynced_at_least(0)), (0, 0));
    rig.replconf(1, "ack 1000 fack 1000");
    assert_eq!((rig.peers.acked_at_least(0), rig.peers.fsynced_at_least(0)), (1, 1));
}

// After a synchronisation at offset 0 a replica acknowledges 0 until something is written: WAIT waited out its time.
#[test]
fn a_replica_that_acknowledged_offset_zero_has_all_there_was_before_the_stream() {
    let mut rig = Rig::default();
    rig.continues(1);
    rig.replconf(1, "ack 0");
    assert_eq!((rig.peers.acked_at_least(0), rig.peers.acked_at_least(1)), (1, 0));
}

#[test]
fn any_number_of_waiters_in_one_turn_ask_for_one_ack() {
    let mut rig = Rig::default();
    rig.peers.request_acks();
    assert!(!rig.peers.take_acks_wanted(), "nobody could answer");
    rig.continues(1);
    rig.peers.request_acks();
    rig.peers.request_acks();
    assert_eq!([rig.peers.take_acks_wanted(), rig.peers.take_acks_wanted()], [true, false]);
    rig.peers.request_acks();
    assert!(rig.peers.take_acks_wanted());
}

#[test]
fn a_top_level_master_pings_its_replicas_and_nobody_else_does() {
    let mut rig = Rig::default();
    rig.wait(seconds(100));
    assert_eq!(rig.outputs(), [], "without replicas nothing is counted");
    rig.continues(1);
    rig.wait(seconds(9));
    assert_eq!(rig.outputs(), []);
    for _ in 0..3 {
        rig.wait(seconds(1));
        rig.replconf(1, "ack 1000");
        assert_eq!(rig.outputs(), [Output::FeedPing]);
        rig.wait(seconds(9));
    }
    rig.event(Event::FailingOver(true));
    rig.wait(seconds(20));
    assert_eq!(rig.outputs(), []);
    rig.event(Event::FailingOver(false));
    rig.follow(Upstream::Up);
    rig.wait(seconds(20));
    assert_eq!(rig.outputs(), []);
}

#[test]
fn good_replicas_are_those_that_spoke_within_the_allowed_lag() {
    let mut rig = Rig::new(PeersSettings { min_replicas_to_write: 2, ..PeersSettings::default() });
    assert!(!rig.peers.has_enough_good_replicas(rig.now));
    rig.continues(1);
    rig.continues(2);
    rig.joins(3);
    assert!(rig.peers.has_enough_good_replicas(rig.now));
    rig.wait(Duration::from_millis(10_999));
    assert_eq!(rig.peers.good_replicas(rig.now), 2);
    rig.replconf(2, "ack 1000");
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.peers.good_replicas(rig.now), 1);
    assert!(!rig.peers.has_enough_good_replicas(rig.now));
    let unlimited =
        PeersSettings { min_replicas_to_write: 2, min_replicas_max_lag: Duration::ZERO, ..PeersSettings::default() };
    rig.peers.set_settings(unlimited);
    assert!(rig.peers.has_enough_good_replicas(rig.now));
}

#[test]
fn info_shows_address_state_offset_and_lag_in_order_of_arrival() {
    let mut rig = Rig::default();
    rig.replconf(7, "listening-port 7007 ip-address 10.0.0.7");
    rig.continues(7);
    rig.joins(3);
    rig.replconf(7, "ack 1000");
    rig.wait(seconds(4));
    let replicas = rig.peers.replicas(rig.now);
    let shown: Vec<_> =
        replicas.iter().map(|r| (r.conn, r.port, r.state, r.acked, r.lag_seconds, r.start_offset)).collect();
    assert_eq!(shown, [(7, 7007, "online", 1000, 4, Some(1000)), (3, 7001, "wait_bgsave", 0, 0, None)]);
    assert_eq!(replicas[0].announced_ip.as_deref(), Some(&b"10.0.0.7"[..]));
}

#[test]
fn the_first_replica_makes_a_master_create_its_backlog() {
    let mut rig = Rig { retained: None, ..Rig::default() };
    rig.event(Event::BacklogActive(false));
    rig.joins(1);
    assert_eq!(rig.outputs(), [Output::CreateBacklog]);
    rig.retained = Some(Retained { first: 1000, end: 1000 });
    rig.joins(2);
    assert_eq!(rig.outputs(), []);
}

#[test]
fn a_backlog_nobody_needed_for_its_ttl_is_freed_once_and_by_a_top_level_master_only() {
    let mut rig = Rig::default();
    rig.continues(1);
    rig.wait(seconds(30));
    rig.event(Event::Closed(1));
    rig.outputs();
    rig.wait(seconds(3599));
    assert_eq!(rig.outputs(), []);
    rig.wait(seconds(1));
    assert_eq!(rig.outputs(), [Output::FreeBacklog]);
    rig.wait(seconds(7200));
    assert_eq!((rig.outputs(), rig.peers.poll_timeout()), (vec![], None));

    let mut replica = Rig::chained();
    replica.wait(seconds(7200));
    assert_eq!(replica.outputs(), []);
    replica.follow(Upstream::None);
    replica.wait(seconds(3599));
    assert_eq!(replica.outputs(), [], "its time begins with the promotion");
    replica.wait(seconds(1));
    assert_eq!(replica.outputs(), [Output::FreeBacklog]);

    let mut kept = Rig::new(PeersSettings { backlog_ttl: Duration::ZERO, ..PeersSettings::default() });
    kept.wait(seconds(1_000_000));
    assert_eq!(kept.outputs(), []);
}

#[test]
fn when_the_id_changes_every_replica_must_come_back() {
    let mut rig = Rig::chained();
    rig.continues(1);
    rig.joins(2);
    rig.psync(3, id(1).as_str(), 1500);
    rig.outputs();
    rig.event(Event::DropAll("the replication id changed"));
    assert_eq!(closed(&rig.outputs()), [1, 2, 3]);
    assert!(rig.peers.is_empty() && !rig.peers.holds_requests());
}

#[test]
fn a_sibling_that_is_a_moment_behind_answers_when_it_has_the_byte() {
    let mut rig = Rig::chained();
    rig.replconf(1, "capa psync2");
    assert_eq!(rig.psync(1, id(1).as_str(), 1500), PsyncOutcome::Waiting);
    assert!(rig.peers.holds_requests());
    rig.wait(seconds(1));
    assert_eq!(rig.newlines(), 1);
    rig.advance(1498);
    assert_eq!(rig.outputs(), []);
    rig.advance(1600);
    let reply = Output::Send(1, format!("+CONTINUE {}\r\n", id(1)).into_bytes());
    assert_eq!(rig.outputs(), [reply, Output::StartStream { conn: 1, from: 1499 }]);
    assert_eq!((rig.state(1), rig.peers.stats().partial_ok), ("online", 1));
}

#[test]
fn a_top_level_master_never_waits_for_a_byte_it_would_write_differently() {
    let mut rig = Rig::default();
    rig.psync(1, id(1).as_str(), 1002);
    assert!(!rig.peers.holds_requests());
    assert_eq!(rig.peers.stats().partial_err, 1);
}

#[test]
fn holding_ends_in_a_full_synchronisation_when_the_byte_cannot_come_any_more() {
    type Change = fn(&mut Rig);
    let changes: [Change; 3] = [
        |rig| rig.follow(Upstream::None),
        |rig| rig.wait(seconds(60)),
        |rig| {
            rig.history.continue_with_new_id(id(2), 1000);
            rig.advance(2000);
        },
    ];
    for change in changes {
        let mut rig = Rig::chained();
        rig.psync(1, id(1).as_str(), 1500);
        change(&mut rig);
        assert!(!rig.peers.holds_requests());
        let stats = rig.peers.stats();
        assert_eq!((stats.full, stats.partial_err), (1, 1));
        rig.wait(Duration::ZERO);
        assert_eq!(conns(&rig.outputs()[0]), [1]);
    }
}

#[test]
fn who_is_held_is_told_to_come_back_when_our_own_master_is_gone() {
    let mut rig = Rig::chained();
    rig.psync(1, id(1).as_str(), 1500);
    rig.outputs();
    rig.follow(Upstream::Down);
    let outputs = rig.outputs();
    assert!(matches!(&outputs[0], Output::Send(1, line) if line.starts_with(b"-NOMASTERLINK ")), "{outputs:?}");
    assert_eq!(closed(&outputs), [1]);
    assert_eq!(rig.peers.stats().full, 0);
}

#[test]
fn a_replica_of_our_kind_is_told_which_ids_lie_between() {
    for (capabilities, told) in [("capa psync2", ""), ("capa psync2 capa lockstep-history", " 1000")] {
        let mut rig = Rig::chained();
        rig.history.continue_with_new_id(id(2), 1000);
        rig.replconf(1, capabilities);
        let between = if told.is_empty() { String::new() } else { format!(" {}{told}", id(1)) };
        let PsyncOutcome::Continue { reply, .. } = rig.psync(1, id(1).as_str(), 1001) else { panic!("it continues") };
        assert_eq!(String::from_utf8_lossy(&reply), format!("+CONTINUE {}{between}\r\n", id(2)));
    }
}

#[test]
fn what_a_connection_said_is_forgotten_when_it_closes() {
    let mut rig = Rig::default();
    rig.replconf(1, "capa eof");
    rig.event(Event::Closed(1));
    rig.psync(1, "?", -1);
    rig.wait(Duration::ZERO);
    assert!(matches!(&rig.outputs()[..], [Output::StartSync(targets)] if targets[0].framing == Framing::Sized));
}
