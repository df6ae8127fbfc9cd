//! The master's side once replicas get the stream: what they acknowledge, who is pinged and waited for, and what becomes of
//! those that come from another history. Time is simulated; connections are plain numbers.

mod support;

use replication::Retained;
use replication::framing::Framing;
use replication::master::{Event, PeersOutput as Output, PeersSettings, PsyncOutcome, ReplconfOutcome, Upstream};
use std::time::Duration;

use support::*;

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

// Who waited for replicas was told of two where one had come back before its old connection was noticed to be gone.
#[test]
fn a_replica_that_is_back_on_another_connection_counts_once() {
    let mut rig = Rig::default();
    let named = |id: &str| format!("capa psync2 capa lockstep-id={id}");
    rig.replconf(1, &named(id(7).as_str()));
    rig.continues(1);
    // Another one, and two that do not say who they are.
    rig.replconf(2, &named(id(8).as_str()));
    rig.continues(2);
    rig.continues(3);
    rig.continues(4);
    rig.replconf(5, &named(&id(7).as_str().to_uppercase()));
    assert!(matches!(rig.psync(5, id(1).as_str(), 1001), PsyncOutcome::Continue { .. }));
    assert_eq!(closed(&rig.outputs()), [1]);
    for conn in 2..=5 {
        rig.replconf(conn, "ack 1000");
    }
    assert_eq!(rig.peers.acked_at_least(1000), 4);
}
