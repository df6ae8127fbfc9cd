//! Each peer as our replica and as our master, under a mixed load: a full synchronisation, then five cut links, each
//! of which must come back by a partial one; in the end every key is compared. One pair without us proves that the
//! harness itself asks nothing that real servers do not do.

use peertest::{Dataset, Load, Peer, Proxy, Server, assert_equal, fill, settle, wait_for_link, wait_for_writes};

const CUTS: i64 = 5;

/// What goes into the stream while the link is cut: enough to matter, little enough for any backlog.
const BYTES_WHILE_CUT: i64 = 20_000;

/// What the full synchronisation carries beside the load's keys.
const KEYS_BEFORE: usize = 20_000;

fn replicates_under_load(master: Peer, replica: Peer, directives: &[&str], seed: u64) {
    let master = Server::start(master, directives);
    fill(&mut master.client(), "before", KEYS_BEFORE, 100);
    let field_deadlines = master.peer().knows_field_deadlines() && replica.knows_field_deadlines();
    let load = match field_deadlines {
        true => Load::start_with_field_deadlines(&master.address(), seed),
        false => Load::start(&master.address(), seed),
    };
    wait_for_writes(&master, 0);
    let proxy = Proxy::to(master.port());
    let replica = Server::start(replica, &[]);
    replica.replicate(proxy.port());
    wait_for_link(&replica);
    assert_eq!(master.info().number("sync_full"), 1, "one full synchronisation has happened");

    for round in 1..=CUTS {
        wait_for_writes(&master, BYTES_WHILE_CUT);
        proxy.cut();
        wait_for_writes(&master, BYTES_WHILE_CUT);
        proxy.restore();
        peertest::wait_until("the partial resynchronisation", peertest::LONG, || {
            let info = master.info();
            assert_eq!(info.number("sync_full"), 1, "cut {round} was answered by a full synchronisation");
            info.number("sync_partial_ok") == round
        });
        wait_for_link(&replica);
        wait_for_writes(&replica, BYTES_WHILE_CUT);
    }

    let report = load.stop();
    report.assert_clean();
    assert_eq!(report.disconnects, 0, "the master stayed");
    settle(&master, &[&replica]);
    assert_equal(&master, &replica);
    if field_deadlines {
        let timed = Dataset::read(&mut replica.client()).field_deadlines();
        assert!(timed > 100, "only {timed} fields expire: that proves little");
    }
    let info = master.info();
    assert_eq!((info.number("sync_full"), info.number("sync_partial_ok")), (1, CUTS));
}

/// Masters send a snapshot either way; the peers' default is over the socket.
const FROM_A_FILE: &[&str] = &["repl-diskless-sync no"];
const OVER_THE_SOCKET: &[&str] = &["repl-diskless-sync yes"];

#[test]
fn valkey_80_follows_redis_70_which_proves_the_harness() {
    replicates_under_load(Peer::Redis70, Peer::Valkey80, FROM_A_FILE, 1);
}

#[test]
fn redis_70_follows_us() {
    replicates_under_load(Peer::Ours, Peer::Redis70, OVER_THE_SOCKET, 2);
}

#[test]
fn redis_80_follows_us() {
    replicates_under_load(Peer::Ours, Peer::Redis80, OVER_THE_SOCKET, 3);
}

#[test]
fn valkey_80_follows_us() {
    replicates_under_load(Peer::Ours, Peer::Valkey80, FROM_A_FILE, 4);
}

#[test]
fn valkey_91_follows_us() {
    replicates_under_load(Peer::Ours, Peer::Valkey91, FROM_A_FILE, 5);
}

#[test]
fn we_follow_redis_70() {
    replicates_under_load(Peer::Redis70, Peer::Ours, FROM_A_FILE, 6);
}

#[test]
fn we_follow_redis_80() {
    replicates_under_load(Peer::Redis80, Peer::Ours, OVER_THE_SOCKET, 7);
}

#[test]
fn we_follow_valkey_80() {
    replicates_under_load(Peer::Valkey80, Peer::Ours, OVER_THE_SOCKET, 8);
}

#[test]
fn we_follow_valkey_91() {
    replicates_under_load(Peer::Valkey91, Peer::Ours, OVER_THE_SOCKET, 9);
}

#[test]
fn we_follow_ourselves() {
    replicates_under_load(Peer::Ours, Peer::Ours, OVER_THE_SOCKET, 10);
}
