//! Stories about who follows whom: held replicas, handing over, and siblings at different places of one stream.

use sim::Script;

/// Four nodes; 2 does not hear 0 for three seconds and lacks what 1 has.
fn a_sibling_behind() -> Script {
    let mut script = Script::with_settings(4, &[("appendonly", "yes")]);
    script.until_equal();
    script.order(0, "SET common 1");
    script.until_equal();
    script.partition(0, 2, 3_000);
    script.order(0, "SET ahead 1");
    script.run_ms(100);
    assert_eq!((script.get(1, 0, "ahead").as_deref(), script.get(2, 0, "ahead")), (Some("1"), None));
    script
}

#[test]
fn a_replica_below_a_sibling_that_is_a_moment_behind_is_held_until_the_byte_is_there() {
    let mut script = a_sibling_behind();
    script.follow(1, Some(2));
    script.run_ms(1_000);
    assert!(!script.is_streaming(1));
    script.until_equal();
    assert_eq!(script.synchronisations(), (3, 1));
}

#[test]
fn a_promotion_during_the_hold_ends_it_with_everything() {
    let mut script = a_sibling_behind();
    script.follow(1, Some(2));
    script.run_ms(1_000);
    script.follow(2, None);
    script.follow(0, Some(2));
    script.until_equal();
    assert_eq!(script.get(1, 0, "ahead"), None, "the new master never had it");
    assert_eq!(script.synchronisations(), (6, 0), "0, 1 and 3 were ahead of it");
}

// The sibling lost its own master while it held a replica, and sent it a whole data set: its own, which was as far behind
// as before. Anybody who asks a replica without a link to its master is told to come back later.
#[test]
fn a_replica_held_by_a_sibling_that_loses_its_master_is_told_to_come_back() {
    let mut script = a_sibling_behind();
    script.follow(1, Some(2));
    script.run_ms(1_000);
    script.cut(0, 2);
    script.until_equal();
    assert_eq!((script.synchronisations().0, script.get(2, 0, "ahead").as_deref()), (3, Some("1")));
}

#[test]
fn two_replicas_that_follow_each_other_keep_their_data_and_need_no_synchronisation_when_one_is_promoted() {
    let mut script = a_sibling_behind();
    script.follow(1, Some(2));
    script.run_ms(1_000);
    script.kill(0, 100_000);
    script.follow(2, Some(1));
    script.run_ms(10_000);
    assert_eq!((script.get(1, 0, "ahead").as_deref(), script.get(2, 0, "ahead")), (Some("1"), None));
    script.follow(1, None);
    script.order(1, "SET after 1");
    script.run_ms(10_000);
    assert_eq!(script.get(2, 0, "after").as_deref(), Some("1"));
    assert_eq!(script.synchronisations().0, 3);
}

// A replica that was behind when its sibling was promoted took the old id for ended where it itself stood, not where the
// new one began. Who asked it to go on from between the two got a whole data set.
#[test]
fn a_replica_that_goes_on_under_a_new_id_learns_where_the_old_one_ended() {
    let mut script = a_sibling_behind();
    script.kill(0, 100_000);
    script.cut(0, 2);
    script.follow(1, None);
    script.follow(2, Some(1));
    script.follow(3, Some(2));
    script.order(1, "SET after 1");
    script.run_ms(5_000);
    assert_eq!(script.get(3, 0, "after").as_deref(), Some("1"));
    assert_eq!(script.synchronisations().0, 3);
}

// The same over two promotions, of which the replica that was behind saw only the last.
#[test]
fn it_learns_of_all_ids_in_between() {
    let mut script = a_sibling_behind();
    script.kill(0, 100_000);
    script.cut(0, 2);
    script.follow(1, None);
    script.follow(3, Some(1));
    script.order(1, "SET between 1");
    script.run_ms(2_000);
    script.kill(1, 2_000);
    script.follow(3, None);
    script.follow(2, Some(3));
    script.order(3, "SET after 1");
    script.run_ms(1_000);
    script.set_configured(1, Some(2));
    script.run_ms(4_000);
    assert_eq!(script.get(1, 0, "after").as_deref(), Some("1"));
    assert_eq!(script.synchronisations().0, 3);
}

// REPLICAOF in the middle of a FAILOVER was carried out, and the failover never ended: whoever came to follow the server
// was told for ever that it is failing over. The peers refuse it.
#[test]
fn replicaof_is_refused_while_failing_over() {
    let mut script = Script::new(3);
    script.until_equal();
    script.set_stopped(1, true);
    script.set_stopped(2, true);
    script.order(0, "SET a 1");
    assert_eq!(script.ask(0, "FAILOVER"), "+OK\r\n");
    for order in ["REPLICAOF n1 6379", "SLAVEOF n1 6379", "REPLICAOF NO ONE"] {
        assert_eq!(script.ask(0, order), "-ERR REPLICAOF not allowed while failing over.\r\n");
    }
    assert_eq!(script.ask(0, "FAILOVER ABORT"), "+OK\r\n");
    script.set_stopped(1, false);
    script.set_stopped(2, false);
    script.until_equal();
}

#[test]
fn handing_over_and_back_needs_no_synchronisation() {
    for files in ["yes", "no"] {
        let mut script = Script::with_settings(3, &[("appendonly", files)]);
        script.until_equal();
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            script.order(from, "SET key 1");
            script.hand_over(from, to);
            for other in 0..3 {
                if other != to {
                    script.follow(other, Some(to));
                }
            }
            script.order(to, "SET other 1");
            script.until_equal();
        }
        assert_eq!(script.synchronisations().0, 2, "appendonly {files}");
    }
}
