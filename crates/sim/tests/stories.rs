//! What seeds have found, each as the shortest story that shows it.

use sim::Script;

// A replica that came back with +CONTINUE got no place in the stream: it stayed connected, got nothing, and left after
// repl-timeout, for ever.
#[test]
fn a_replica_gets_the_stream_again_after_a_cut_link() {
    let mut script = Script::new(2);
    script.until_equal();
    script.order(0, "SET before 1");
    script.until_equal();
    script.cut(0, 1);
    script.order(0, "SET after 1");
    script.run_ms(3_000);
    assert_eq!(script.get(1, 0, "after").as_deref(), Some("1"));
    assert_eq!(script.synchronisations(), (1, 1));
}

// The loading thread had all bytes when REPLICAOF NO ONE gave the transfer up; its data set came late, was adopted all the
// same, and what the new master had written was gone.
#[test]
fn a_data_set_that_was_given_up_while_it_was_built_is_not_adopted() {
    for waited_ms in 0..20 {
        let mut script = Script::new(3);
        script.until_equal();
        script.order(0, "SET old 1");
        script.until_equal();
        script.order(2, "REPLICAOF NO ONE");
        script.follow(2, None);
        script.follow(2, Some(0));
        script.until_building(2);
        script.run_ms(waited_ms);
        script.follow(2, None);
        script.order(2, "SET mine 1");
        script.run_ms(2_000);
        assert_eq!(script.get(2, 0, "mine").as_deref(), Some("1"), "after {waited_ms} ms");
    }
}

// Half a transaction stayed in the apply buffer when the master closed the link. Its successor had another history, and
// the stream after its snapshot was glued behind that half.
#[test]
fn half_a_transaction_of_a_lost_link_does_not_come_before_another_masters_stream() {
    let mut script = Script::new(2);
    script.until_equal();
    script.order(0, "SET before 1");
    script.until_equal();
    script.cut(0, 1); // What follows a partial synchronisation is looked at command by command.
    script.order(0, "SET between 1");
    script.until_equal();
    for command in ["MULTI", "SET a 1", "SET b 1", "EXEC"] {
        script.order(0, command);
    }
    script.until_inside_unit(1);
    script.cut(0, 1);
    script.kill(0, 5);
    script.restart(0);
    script.order(0, "SET c 1");
    script.until_building(1);
    script.order(0, "SET d 1");
    script.until_equal();
    assert_eq!((script.get(1, 0, "a"), script.get(1, 0, "d").as_deref()), (None, Some("1")));
}

// The file named the database that the stream had selected; following the master right after loading forgot it, and the
// stream went on in database 0.
#[test]
fn a_replica_that_restarts_from_its_file_goes_on_in_the_streams_database() {
    let mut script = Script::new(2);
    script.until_equal();
    script.order(0, "SELECT 3");
    script.order(0, "SET a 1");
    script.until_equal();
    script.order(1, "BGSAVE");
    script.run_ms(500);
    script.kill(1, 50);
    script.restart(1);
    script.order(0, "SET b 1");
    script.run_ms(5_000);
    script.until_equal();
    assert_eq!((script.get(1, 3, "b").as_deref(), script.get(1, 0, "b")), (Some("1"), None));
    assert_eq!(script.synchronisations(), (1, 1));
}

// What a replica had not sent when its master's connection broke went out first on the next one: acknowledgements, or an
// old PSYNC, in front of the handshake.
#[test]
fn what_was_not_sent_on_a_lost_link_is_not_sent_on_the_next() {
    let mut script = Script::with_window(2, 50);
    script.until_equal();
    script.set_stopped(0, true);
    script.run_ms(8_000); // The acknowledgements fill the connection, then the replica's own buffer.
    script.cut(0, 1);
    script.run_ms(10);
    script.set_stopped(0, false);
    script.order(0, "SET after 1");
    script.run_ms(500);
    assert_eq!(script.get(1, 0, "after").as_deref(), Some("1"));
    assert_eq!(script.synchronisations(), (1, 1));
}
