//! What seeds have found about append-only files, each as the shortest story that shows it.

use sim::Script;

fn with_files(nodes: usize, appendfsync: &str) -> Script {
    Script::with_settings(nodes, &[("appendonly", "yes"), ("appendfsync", appendfsync)])
}

// What was written to a file was not synced before the next file began. A machine that died in the second after kept the
// beginning of the new file without the end of the old one, and the next start was refused.
#[test]
fn a_machine_that_dies_just_after_a_new_file_began_starts_again() {
    for waited_ms in (0..60).step_by(3) {
        let mut script = with_files(1, "everysec");
        script.until_appending(0);
        for round in 0..4 {
            script.order(0, &format!("SET a{round} 1"));
            script.order(0, "BGREWRITEAOF");
            script.run_ms(waited_ms);
            script.order(0, "SET b 1");
            script.lose_machine(0, 10);
            script.restart(0);
            script.until_appending(0);
        }
    }
}

// A process that was killed leaves bytes that only the system has. The next one took everything that it had read for
// synced, and never synced it: WAITAOF said so of writes that were gone when the machine died.
#[test]
fn what_a_killed_process_left_behind_is_synced_before_it_counts_as_such() {
    let mut script = with_files(1, "everysec");
    script.until_appending(0);
    for round in 0..20 {
        let key = format!("key{round}");
        assert_eq!(script.ask(0, &format!("SET {key} 1")), "+OK\r\n");
        script.kill(0, 5);
        script.restart(0);
        script.until_appending(0);
        assert_eq!(script.ask(0, "WAITAOF 1 0 1000"), "*2\r\n:1\r\n:0\r\n");
        script.lose_machine(0, 5);
        script.restart(0);
        script.until_appending(0);
        assert_eq!(script.get(0, 0, &key).as_deref(), Some("1"), "round {round}");
    }
}

// A replica that received a data set told its master how far the disk was with its old one, and then how far the new file
// went that no base stood in front of yet: WAITAOF counted a disk that held nothing.
#[test]
fn a_replica_that_has_no_base_yet_has_nothing_on_disk() {
    let mut script = with_files(2, "everysec");
    script.until_equal();
    script.follow(1, None);
    script.order(1, &format!("SET mine {}", "x".repeat(5_000)));
    script.run_ms(3_000); // It is synced, far behind where the master stands.
    script.follow(1, Some(0));
    script.until_streaming(1);
    let mut asked = 0;
    while !script.is_appending(1) {
        assert_eq!(script.ask(0, &format!("SET key{asked} 1")), "+OK\r\n");
        let reply = script.ask(0, "WAITAOF 0 1 2");
        assert!(script.is_appending(1) || reply.ends_with(":0\r\n"), "{reply}");
        asked += 1;
    }
    assert!(asked > 0);
    assert_eq!(script.ask(0, "SET last 1"), "+OK\r\n");
    assert!(script.ask(0, "WAITAOF 1 1 20000").ends_with("\r\n:1\r\n:1\r\n"));
}

// When a replica received a data set, what its old stream had not synced yet was synced once more: up to an offset that the
// new stream had not reached. From then on everything counted as synced.
#[test]
fn what_an_old_stream_had_not_synced_says_nothing_about_the_new_one() {
    let mut script = with_files(2, "everysec");
    script.until_equal();
    script.follow(1, None);
    script.run_ms(3_000);
    script.slow_disk(1, 1_500);
    script.order(1, &format!("SET mine {}", "x".repeat(5_000)));
    script.follow(1, Some(0));
    script.until_appending(1);
    for _ in 0..20 {
        script.order(0, "INCR a");
        script.run_ms(200);
    }
    script.until_equal();
}

#[test]
fn a_process_that_is_killed_in_the_middle_of_a_rewrite_loses_nothing() {
    for waited_ms in (0..60).step_by(2) {
        let mut script = with_files(2, "everysec");
        script.until_equal();
        script.order(0, "SET before 1");
        script.order(0, "BGREWRITEAOF");
        script.run_ms(waited_ms);
        script.ask(0, "SET meanwhile 1");
        script.kill(0, 10);
        script.restart(0);
        script.until_equal();
        for key in ["before", "meanwhile"] {
            assert_eq!(script.get(1, 0, key).as_deref(), Some("1"), "{key} after {waited_ms} ms");
        }
        assert_eq!(script.synchronisations().0, 1, "after {waited_ms} ms");
    }
}

// The file for what comes next was created and empty when the process was killed. The database that the stream had
// selected was forgotten over it, and a replica wrote what came next to database 0.
#[test]
fn a_replica_that_is_killed_between_two_files_goes_on_in_the_streams_database() {
    for waited_ms in (0..40).step_by(2) {
        let mut script = with_files(2, "everysec");
        script.until_equal();
        script.order(0, "SELECT 3");
        script.order(0, "SET before 1");
        script.until_equal();
        script.order(1, "BGREWRITEAOF");
        script.run_ms(waited_ms);
        script.kill(1, 10);
        script.restart(1);
        script.order(0, "SET after 1");
        script.until_equal();
        assert_eq!(script.get(1, 3, "after").as_deref(), Some("1"), "after {waited_ms} ms");
    }
}

// Until the first base is complete nobody waits for the disk. A sync that was already slow when that ended let everything
// go on as before: the replica got what no file had yet.
#[test]
fn replicas_wait_for_the_disk_as_soon_as_there_is_a_base_however_slow_a_sync_is() {
    let mut script = Script::new(2);
    script.until_equal();
    script.slow_disk(0, 8_000);
    script.order(0, "CONFIG SET appendonly yes");
    let mut waited_ms = 0;
    while !script.is_appending(0) {
        script.order(0, "INCR a");
        script.run_ms(100);
        waited_ms += 100;
    }
    assert!(waited_ms > 2_000, "the base was there after {waited_ms} ms: the sync was not slow yet");
    for _ in 0..10 {
        script.order(0, "INCR b");
        script.run_ms(20);
    }
}

// A master whose disk was full when it saved answered the PING of a replica with MISCONF, and so was left alone with its
// data for as long as nobody wrote: the replica took that for a refusal.
#[test]
fn a_master_that_cannot_save_is_followed_all_the_same() {
    let mut script = Script::with_settings(2, &[("save", "1000 1000")]);
    script.until_equal();
    script.fill_disk(0);
    script.order(0, "SET a 1");
    script.order(0, "BGSAVE");
    script.run_ms(1_000);
    assert!(script.ask(0, "SET b 1").starts_with("-MISCONF"));
    script.cut(0, 1);
    script.run_ms(3_000);
    script.until_equal();
}

#[test]
fn a_replica_that_is_ahead_of_a_machine_that_died_gets_everything_anew() {
    let mut script = with_files(2, "everysec");
    script.until_equal();
    script.order(0, "SET kept 1");
    assert_eq!(script.ask(0, "WAITAOF 1 1 20000"), "*2\r\n:1\r\n:1\r\n");
    script.order(0, "SET gone 1");
    script.until_equal();
    script.lose_machine(0, 10);
    script.restart(0);
    script.until_appending(0);
    assert_eq!(script.get(0, 0, "gone"), None);
    script.order(0, "SET after 1");
    script.until_equal();
    assert_eq!((script.get(1, 0, "after").as_deref(), script.get(1, 0, "gone")), (Some("1"), None));
    assert_eq!(script.synchronisations().0, 2);
}

// A replica had received a data set, and the manifest that names the first base of it was on its way to the disk, when
// the replica was promoted. From then on it wrote to a file that no manifest named: a restart found nothing of it.
#[test]
fn a_new_id_while_the_first_base_is_published_begins_a_file_that_the_manifest_names() {
    for waited_ms in (0..40).step_by(4) {
        let mut script = with_files(2, "everysec");
        script.until_streaming(1);
        script.until_publishing(1);
        script.run_ms(waited_ms);
        script.follow(1, None);
        script.until_appending(1);
        assert_eq!(script.ask(1, "SET acked 1"), "+OK\r\n");
        assert_eq!(script.ask(1, "WAITAOF 1 0 20000"), "*2\r\n:1\r\n:0\r\n");
        script.kill(1, 10);
        script.set_configured(1, None);
        script.restart(1);
        script.until_appending(1);
        assert_eq!(script.get(1, 0, "acked").as_deref(), Some("1"), "after {waited_ms} ms");
    }
}

/// A server with a key in memory alone, whose first base takes its time.
fn without_a_base_yet() -> Script {
    let mut script = Script::new(1);
    script.slow_disk(0, 5_000);
    script.order(0, "CONFIG SET appendonly yes");
    assert_eq!(script.ask(0, "SET acked 1"), "+OK\r\n");
    assert!(!script.is_appending(0));
    script
}

// SHUTDOWN before the first base was complete ended the server without a word, and what clients had been told was
// written was on no disk. The peers refuse it, NOSAVE or not.
#[test]
fn a_shutdown_is_refused_until_the_first_base_is_complete() {
    let mut script = without_a_base_yet();
    for order in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE NOW"] {
        assert_eq!(script.ask(0, order), "-ERR Errors trying to SHUTDOWN. Check logs.\r\n", "{order}");
    }
    script.until_appending(0);
    script.order(0, "SHUTDOWN");
    script.until_ended(0);
    script.restart(0);
    script.until_appending(0);
    assert_eq!(script.get(0, 0, "acked").as_deref(), Some("1"));
}

#[test]
fn a_shutdown_by_force_does_not_wait_for_the_first_base() {
    let mut script = without_a_base_yet();
    script.order(0, "SHUTDOWN FORCE");
    script.until_ended(0);
}

// A failed sync leaves nothing that is written to until there is a new base: SHUTDOWN took that for having no file.
#[test]
fn a_shutdown_is_refused_after_a_failed_sync_until_there_is_a_new_base() {
    let mut script = with_files(1, "everysec");
    script.until_appending(0);
    assert_eq!(script.ask(0, "SET acked 1"), "+OK\r\n");
    script.slow_disk(0, 2_000);
    script.fail_next_sync(0);
    script.order(0, "SET another 1");
    script.until_distrusting(0);
    assert_eq!(script.ask(0, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    script.until_appending(0);
    script.order(0, "SHUTDOWN");
    script.until_ended(0);
}
