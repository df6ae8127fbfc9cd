//! The master's side as an operator would describe it: who waits for what, what each replica is sent, who is
//! dropped. Time is simulated; connections are plain numbers.

mod support;

use replication::Refusal;
use replication::framing::Framing;
use replication::master::{
    Event, PeersOutput as Output, PeersSettings, PsyncOutcome, PsyncRequest, ReplconfOutcome, SnapshotParts,
    SyncTarget, Upstream,
};
use std::time::Duration;

use support::*;

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
