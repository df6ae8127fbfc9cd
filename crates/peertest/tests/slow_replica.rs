//! A replica that falls far behind: it is served from the files that hold the stream, and the master's memory stays what it
//! was. What is on disk is bounded; beyond that, and without any, a replica is cut, and the master says which setting did it.

use peertest::{Client, Info, LONG, Peer, SHORT, Server, assert_equal, offset, wait_for_link, wait_until};

const MB: i64 = 1 << 20;

/// Limits that everything here is far beyond.
const SMALL: [&str; 3] =
    ["repl-backlog-size 1mb", "client-output-buffer-limit replica 8mb 4mb 2", "repl-ping-replica-period 1"];

/// Writes so many megabytes over and over to the same few keys.
fn write(client: &mut Client, megabytes: i64) {
    const VALUE_BYTES: usize = 100 * 1024;
    let mut rng = fastrand::Rng::with_seed(megabytes as u64);
    let bytes: Vec<u8> = (0..2 * VALUE_BYTES).map(|_| rng.u8(..)).collect();
    let keys: Vec<String> = (0..20).map(|key| format!("key:{key}")).collect();
    for round in 0..(megabytes * MB) as usize / VALUE_BYTES / keys.len() + 1 {
        let commands = keys.iter().enumerate().map(|(nth, key)| {
            let from = (round * 777 + nth * 31) % VALUE_BYTES;
            [b"SET".as_slice(), key.as_bytes(), &bytes[from..from + VALUE_BYTES]]
        });
        let commands: Vec<[&[u8]; 3]> = commands.collect();
        let replies = client.pipeline(commands.iter().map(|command| command.as_slice())).expect("the server is up");
        assert!(replies.iter().all(|reply| reply.as_error().is_none()), "{replies:?}");
    }
}

/// A master with few bytes of memory for replicas, and a replica that has what the master has.
fn pair(directives: &[&str], replica: Peer) -> (Server, Server) {
    let master = Server::start(Peer::Ours, &[&SMALL, directives].concat());
    let replica = Server::start(replica, &["repl-timeout 60"]);
    write(&mut master.client(), 1);
    replica.replicate(master.port());
    wait_for_link(&replica);
    wait_until("the replica to be online", SHORT, || master.info().text("slave0").contains("state=online"));
    (master, replica)
}

fn caught_up(master: &Server, replica: &Server) {
    wait_until("the replica to catch up", LONG, || {
        // Asked first: a ping may move the master on between the two questions.
        let reached = replica.try_call("PING").ok().map(|_| offset(replica));
        reached.is_some_and(|reached| reached >= offset(master)) && replica.info().text("master_link_status") == "up"
    });
    assert_equal(master, replica);
}

fn memory_is_bounded(master: &Server) {
    // The data is 2 MB, the backlog 1 MB; the rest is buffers, and what a busy disk has not taken yet.
    wait_until("memory to be let go of", SHORT, || master.info().number("lockstep_backlog_memory_bytes") < 4 * MB);
    let peak = master.info().number("used_memory_peak");
    assert!(peak < 80 * MB, "{peak}");
}

/// What INFO says of replication.
fn replication(info: &Info) -> String {
    let fields = ["lockstep_last_cut_reason", "lockstep_last_full_sync_reason", "lockstep_lag0", "slave0"];
    fields.map(|field| info.get(field).unwrap_or("-")).join("\n")
}

fn doctor(server: &Server) -> String {
    server.run("REPLICATION DOCTOR").as_str().expect("a text").to_owned()
}

/// A replica stands still for far longer than memory reaches, and catches up by itself.
fn a_stopped_replica_catches_up(directives: &[&str], replica: Peer) {
    let (master, replica) = pair(directives, replica);
    replica.pause();
    let mut client = master.client();
    for _ in 0..4 {
        write(&mut client, 50);
        memory_is_bounded(&master);
    }
    let info = master.info();
    assert_eq!(info.number("lockstep_replicas_from_disk"), 1, "{}", replication(&info));
    assert!(info.text("lockstep_lag0").ends_with("source=disk"), "{}", replication(&info));
    replica.resume();
    caught_up(&master, &replica);
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("lockstep_replicas_cut")), (1, 0), "{}", replication(&info));
    assert_eq!(info.number("lockstep_replicas_from_disk"), 0, "it is served from memory again");
    memory_is_bounded(&master);
}

#[test]
fn with_the_append_only_file_a_stopped_replica_of_ours_catches_up() {
    a_stopped_replica_catches_up(&["appendonly yes"], Peer::Ours);
}

#[test]
fn with_the_append_only_file_a_stopped_redis_catches_up() {
    a_stopped_replica_catches_up(&["appendonly yes"], Peer::Redis70);
}

#[test]
fn with_every_write_synced_a_stopped_valkey_catches_up() {
    a_stopped_replica_catches_up(&["appendonly yes", "appendfsync always"], Peer::Valkey80);
}

#[test]
fn without_the_append_only_file_the_stream_goes_to_disk_if_that_is_allowed() {
    a_stopped_replica_catches_up(&["repl-backlog-disk-size 1gb"], Peer::Ours);
}

#[test]
fn without_the_append_only_file_a_valkey_is_served_from_disk_as_well() {
    a_stopped_replica_catches_up(&["repl-backlog-disk-size 1gb"], Peer::Valkey80);
}

/// The same, and its connection is gone when it wakes: it asks for an offset that is long out of memory.
fn a_replica_that_was_cut_off_goes_on_from_the_files(directives: &[&str], replica: Peer) {
    let (master, replica) = pair(directives, replica);
    replica.pause();
    master.run("CLIENT KILL TYPE replica");
    write(&mut master.client(), 200);
    memory_is_bounded(&master);
    replica.resume();
    caught_up(&master, &replica);
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("sync_partial_ok")), (1, 1), "{}", replication(&info));
}

#[test]
fn with_the_append_only_file_a_replica_of_ours_comes_back_to_the_files() {
    a_replica_that_was_cut_off_goes_on_from_the_files(&["appendonly yes"], Peer::Ours);
}

#[test]
fn with_the_append_only_file_a_valkey_comes_back_to_the_files() {
    a_replica_that_was_cut_off_goes_on_from_the_files(&["appendonly yes"], Peer::Valkey80);
}

#[test]
fn without_the_append_only_file_a_redis_comes_back_to_the_files() {
    a_replica_that_was_cut_off_goes_on_from_the_files(&["repl-backlog-disk-size 1gb"], Peer::Redis70);
}

fn rewrite(master: &Server) {
    master.run("BGREWRITEAOF");
    wait_until("the rewrite", LONG, || {
        let info = master.info();
        assert_eq!(info.text("aof_last_bgrewrite_status"), "ok");
        info.number("aof_rewrite_in_progress") == 0 && info.number("aof_rewrite_scheduled") == 0
    });
}

#[test]
fn a_rewrite_while_a_replica_is_far_behind_takes_nothing_from_it() {
    let (master, replica) = pair(&["appendonly yes"], Peer::Redis70);
    replica.pause();
    let mut client = master.client();
    for _ in 0..3 {
        write(&mut client, 20);
        rewrite(&master);
    }
    write(&mut client, 20);
    let info = master.info();
    assert!(info.number("lockstep_backlog_disk_spare_bytes") >= 60 * MB, "{}", replication(&info));
    replica.resume();
    caught_up(&master, &replica);
    assert_eq!(master.info().number("sync_full"), 1);
}

#[test]
fn after_a_kill_replicas_go_on_from_files_that_a_rewrite_left_over() {
    let (mut master, replica) = pair(&["appendonly yes"], Peer::Valkey80);
    replica.pause();
    write(&mut master.client(), 20);
    rewrite(&master);
    write(&mut master.client(), 20);
    rewrite(&master);
    master.kill();
    master.start_again(&[]);
    assert!(master.info().number("lockstep_backlog_disk_histlen") >= 40 * MB);
    write(&mut master.client(), 20);
    replica.resume();
    caught_up(&master, &replica);
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("sync_partial_ok")), (0, 1), "{}", replication(&info));
}

#[test]
fn a_real_redis_loads_the_folder_in_which_files_are_kept_for_replicas() {
    let mut master = Server::start(Peer::Ours, &["appendonly yes"]);
    write(&mut master.client(), 5);
    rewrite(&master);
    write(&mut master.client(), 2);
    let folder = master.data_folder().join("appendonlydir");
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(&folder).expect("the folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert!(names().iter().any(|name| name.ends_with(".spare.aof")), "{:?}", names());
    let mut redis = Server::start(Peer::Redis70, &[]);
    redis.terminate();
    master.terminate();
    std::fs::create_dir_all(redis.data_folder().join("appendonlydir")).expect("a folder");
    for name in names() {
        let to = redis.data_folder().join("appendonlydir").join(&name);
        std::fs::copy(folder.join(&name), to).expect("a copy");
    }
    redis.start_again(&["appendonly yes"]);
    wait_until("the data", SHORT, || redis.info().number("loading") == 0);
    master.start_again(&[]);
    assert_equal(&master, &redis);
    // Turned off, the files go.
    master.run("CONFIG SET repl-backlog-disk-size 0");
    wait_until("the files to go", SHORT, || names().iter().all(|name| !name.ends_with(".spare.aof")));
}

/// The replica is cut, needs everything, and the master says why.
fn a_replica_is_cut(directives: &[&str], replica: Peer, setting: &str, during: impl Fn(&Server)) {
    let (master, replica) = pair(directives, replica);
    replica.pause();
    during(&master);
    wait_until("the cut", LONG, || master.info().number("lockstep_replicas_cut") == 1);
    memory_is_bounded(&master);
    let info = master.info();
    assert_eq!(info.text("lockstep_last_cut_setting"), setting, "{}", replication(&info));
    assert!(info.text("lockstep_last_cut_replica").starts_with("127.0.0.1:"), "{}", replication(&info));
    assert!(info.number("lockstep_last_cut_time") > 1_700_000_000);
    let logged = |line: &str| line.contains("Closing the connection of replica 127.0.0.1:") && line.contains(setting);
    assert!(master.log().lines().any(logged), "{}", master.log());
    let text = doctor(&master);
    assert!(text.contains("was cut") && text.contains(&format!("larger {setting}")), "{text}");
    replica.resume();
    wait_until("a second full synchronisation", LONG, || master.info().number("sync_full") == 2);
    wait_for_link(&replica);
    caught_up(&master, &replica);
}

#[test]
fn without_any_disk_a_replica_is_cut_by_its_output_limit_as_with_the_peers() {
    let during = |master: &Server| write(&mut master.client(), 60);
    let directives = ["repl-backlog-disk-size 0"];
    a_replica_is_cut(&directives, Peer::Ours, "client-output-buffer-limit", during);
    // Without the append-only file that is the default.
    a_replica_is_cut(&[], Peer::Redis70, "client-output-buffer-limit", during);
}

#[test]
fn turned_off_the_append_only_file_serves_nobody() {
    let during = |master: &Server| write(&mut master.client(), 60);
    let directives = ["appendonly yes", "repl-backlog-disk-size 0"];
    a_replica_is_cut(&directives, Peer::Ours, "client-output-buffer-limit", during);
}

#[test]
fn a_replica_further_behind_than_the_disk_may_hold_is_cut() {
    let during = |master: &Server| write(&mut master.client(), 60);
    a_replica_is_cut(&["repl-backlog-disk-size 10mb"], Peer::Valkey80, "repl-backlog-disk-size", during);
}

#[test]
fn a_rewrite_keeps_as_much_as_is_allowed_and_cuts_who_needs_more() {
    let during = |master: &Server| {
        write(&mut master.client(), 60);
        assert_eq!(master.info().number("lockstep_replicas_cut"), 0, "what the file needs anyway is no expense");
        rewrite(master);
        let spare = master.info().number("lockstep_backlog_disk_spare_bytes");
        assert_eq!(spare, 10 * MB, "the end of the file is kept");
    };
    let directives = ["appendonly yes", "repl-backlog-disk-size 10mb", "auto-aof-rewrite-percentage 0"];
    a_replica_is_cut(&directives, Peer::Ours, "repl-backlog-disk-size", during);
}

#[test]
fn a_replica_comes_back_to_the_kept_end_of_a_file() {
    let directives = ["appendonly yes", "repl-backlog-disk-size 20mb", "auto-aof-rewrite-percentage 0"];
    let (master, replica) = pair(&directives, Peer::Ours);
    write(&mut master.client(), 40);
    caught_up(&master, &replica);
    replica.pause();
    write(&mut master.client(), 10);
    rewrite(&master);
    assert_eq!(master.info().number("lockstep_backlog_disk_spare_bytes"), 20 * MB);
    replica.resume();
    caught_up(&master, &replica);
    assert_eq!(master.info().number("sync_full"), 1);
}

#[test]
fn a_file_that_is_gone_is_said_and_promised_to_nobody_again() {
    let (master, replica) = pair(&["appendonly yes"], Peer::Valkey80);
    replica.pause();
    write(&mut master.client(), 40);
    rewrite(&master);
    let folder = master.data_folder().join("appendonlydir");
    for entry in std::fs::read_dir(&folder).expect("the folder").flatten() {
        if entry.file_name().to_string_lossy().ends_with(".spare.aof") {
            std::fs::remove_file(entry.path()).expect("it is there");
        }
    }
    replica.resume();
    wait_until("the cut", LONG, || master.info().number("lockstep_replicas_cut") == 1);
    let reason = master.info().text("lockstep_last_cut_reason").to_owned();
    assert!(reason.contains("could not be read: No such file"), "{reason}");
    caught_up(&master, &replica);
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("lockstep_replicas_cut")), (2, 1), "{}", replication(&info));
}

#[test]
fn what_is_kept_goes_in_time_unless_a_connected_replica_needs_it() {
    let (master, replica) = pair(&["repl-backlog-disk-size 1gb", "repl-backlog-seconds 1"], Peer::Ours);
    replica.pause();
    write(&mut master.client(), 30);
    wait_until("a write to be older than a second", SHORT, || {
        let info = master.info();
        info.text("slave0").rsplit_once("lag=").is_some_and(|(_, lag)| lag.parse::<u64>().is_ok_and(|lag| lag >= 3))
    });
    assert!(master.info().number("lockstep_backlog_disk_spare_bytes") >= 20 * MB);
    replica.resume();
    caught_up(&master, &replica);
    wait_until("the files to go", SHORT, || master.info().number("lockstep_backlog_disk_spare_bytes") < 2 * MB);
    assert_eq!(master.info().number("sync_full"), 1);
}

fn a_command_above_the_limit_passes(directives: &[&str], replica: Peer) {
    let (master, replica) = pair(directives, replica);
    let value = vec![b'x'; 30 * MB as usize];
    let mut client = master.client();
    for _ in 0..3 {
        client.call(&[b"SET", b"large", &value]).expect("the server is up");
        caught_up(&master, &replica);
    }
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("lockstep_replicas_cut")), (1, 0), "{}", replication(&info));
}

#[test]
fn a_single_command_above_the_limit_passes() {
    a_command_above_the_limit_passes(&["repl-backlog-disk-size 0"], Peer::Ours);
    a_command_above_the_limit_passes(&["repl-backlog-disk-size 0"], Peer::Valkey80);
    a_command_above_the_limit_passes(&["appendonly yes"], Peer::Redis70);
    a_command_above_the_limit_passes(&["repl-backlog-disk-size 1gb"], Peer::Ours);
}

/// Served from disk in the middle of a chain: the second has the file, the third is slow.
#[test]
fn a_replica_serves_its_own_replicas_from_disk() {
    let top = Server::start(Peer::Valkey80, &[]);
    let (middle, last) = pair(&["appendonly yes"], Peer::Ours);
    write(&mut top.client(), 1);
    middle.replicate(top.port());
    wait_for_link(&middle);
    wait_for_link(&last);
    caught_up(&top, &last);
    let full = middle.info().number("sync_full");
    last.pause();
    write(&mut top.client(), 60);
    caught_up(&top, &middle);
    memory_is_bounded(&middle);
    last.resume();
    caught_up(&top, &last);
    assert_eq!(middle.info().number("sync_full"), full);
}
