//! Full synchronisations that are interrupted in the middle of the transfer: the old data set stays and is served or
//! refused as `replica-serve-stale-data` says, the next attempt succeeds, and no partial file is loaded or left behind.
//! Each interruption runs between us and us, a peer and us, us and a peer.

use peertest::{LONG, Peer, Proxy, Server, assert_equal, fill, wait_for_link, wait_until};

/// 30 MB that do not compress: more than all socket buffers on the way take.
const NEW_KEYS: usize = 3_000;
const NEW_KEY_BYTES: usize = 10_000;

/// Where the transfer is interrupted.
const STALL_AFTER: u64 = 5_000_000;

/// A transfer that has stalled half-way, onto a replica that holds older data of its own.
struct Transfer {
    master: Server,
    proxy: Proxy,
    replica: Server,
    serves_stale_data: bool,
}

impl Transfer {
    fn begin(master: Peer, replica: Peer, serves_stale_data: bool) -> Transfer {
        let master = Server::start(master, &[]);
        fill(&mut master.client(), "new", NEW_KEYS, NEW_KEY_BYTES);
        master.run("SAVE");
        let serve = if serves_stale_data { "replica-serve-stale-data yes" } else { "replica-serve-stale-data no" };
        let replica = Server::start(replica, &[serve, "repl-timeout 4"]);
        fill(&mut replica.client(), "old", 100, 10);
        replica.run("SAVE");
        let proxy = Proxy::to(master.port());
        proxy.stall_after(STALL_AFTER);
        replica.replicate(proxy.port());
        let transfer = Transfer { master, proxy, replica, serves_stale_data };
        wait_until("the middle of the transfer", LONG, || transfer.proxy.is_stalled());
        wait_until("the replica to be in it", LONG, || transfer.sync_in_progress());
        transfer.assert_old_data_stands();
        transfer
    }

    fn sync_in_progress(&self) -> bool {
        self.replica.info().get("master_sync_in_progress") == Some("1")
    }

    /// Between attempts and in the midst of one.
    fn assert_old_data_stands(&self) {
        let value = self.replica.call("GET old:7");
        if self.serves_stale_data {
            assert_eq!(value.as_bytes().map(<[u8]>::len), Some(10), "the old data is served");
        } else {
            let refused = value.as_error().is_some_and(|text| text.starts_with(b"MASTERDOWN "));
            assert!(refused, "without a link stale data is refused, not answered by {value:?}");
        }
    }

    fn wait_until_the_attempt_is_given_up(&self) {
        wait_until("the replica to give the attempt up", LONG, || !self.sync_in_progress());
        self.assert_old_data_stands();
    }

    /// The end of every story.
    fn assert_the_next_attempt_succeeds(&self) {
        self.proxy.restore();
        wait_for_link(&self.replica);
        assert_equal(&self.master, &self.replica);
        assert!(self.replica.run("GET old:7").is_null(), "the old data is gone once the new is whole");
        assert_no_partial_file(&self.replica);
        assert_no_partial_file(&self.master);
    }
}

/// Peers leave temporary files when they are killed; we do not.
fn assert_no_partial_file(server: &Server) {
    if server.peer() == Peer::Ours {
        let files = server.files();
        assert!(files.iter().all(|name| name == "dump.rdb"), "files are left behind: {files:?}");
    }
}

fn the_link_is_cut(master: Peer, replica: Peer) {
    let transfer = Transfer::begin(master, replica, true);
    transfer.proxy.cut();
    transfer.wait_until_the_attempt_is_given_up();
    transfer.assert_the_next_attempt_succeeds();
}

fn the_replica_is_killed(master: Peer, replica: Peer) {
    let mut transfer = Transfer::begin(master, replica, false);
    transfer.replica.kill();
    transfer.replica.start_again(&[]);
    let old = transfer.replica.run("DBSIZE").as_int();
    assert_eq!(old, Some(100), "it starts with its own snapshot, not with half of another's");
    assert_no_partial_file(&transfer.replica);
    transfer.proxy.restore();
    transfer.replica.replicate(transfer.proxy.port());
    transfer.assert_the_next_attempt_succeeds();
}

fn the_master_is_killed(master: Peer, replica: Peer) {
    let mut transfer = Transfer::begin(master, replica, false);
    transfer.master.kill();
    transfer.wait_until_the_attempt_is_given_up();
    assert_no_partial_file(&transfer.master);
    transfer.master.start_again(&[]);
    transfer.assert_the_next_attempt_succeeds();
}

fn the_master_is_stopped(master: Peer, replica: Peer) {
    let transfer = Transfer::begin(master, replica, true);
    transfer.master.pause();
    // What is already on its way arrives; the rest never does, on a link that stays open.
    transfer.proxy.restore();
    transfer.wait_until_the_attempt_is_given_up();
    transfer.master.resume();
    transfer.assert_the_next_attempt_succeeds();
}

#[test]
fn the_link_is_cut_between_us_and_us() {
    the_link_is_cut(Peer::Ours, Peer::Ours);
}

#[test]
fn the_link_is_cut_between_valkey_91_and_us() {
    the_link_is_cut(Peer::Valkey91, Peer::Ours);
}

#[test]
fn the_link_is_cut_between_us_and_redis_80() {
    the_link_is_cut(Peer::Ours, Peer::Redis80);
}

#[test]
fn our_replica_of_us_is_killed() {
    the_replica_is_killed(Peer::Ours, Peer::Ours);
}

#[test]
fn our_replica_of_redis_70_is_killed() {
    the_replica_is_killed(Peer::Redis70, Peer::Ours);
}

#[test]
fn a_valkey_80_replica_of_us_is_killed() {
    the_replica_is_killed(Peer::Ours, Peer::Valkey80);
}

#[test]
fn our_master_of_us_is_killed() {
    the_master_is_killed(Peer::Ours, Peer::Ours);
}

#[test]
fn our_valkey_80_master_is_killed() {
    the_master_is_killed(Peer::Valkey80, Peer::Ours);
}

#[test]
fn our_master_of_redis_70_is_killed() {
    the_master_is_killed(Peer::Ours, Peer::Redis70);
}

#[test]
fn our_master_of_us_is_stopped() {
    the_master_is_stopped(Peer::Ours, Peer::Ours);
}

#[test]
fn our_redis_80_master_is_stopped() {
    the_master_is_stopped(Peer::Redis80, Peer::Ours);
}

#[test]
fn our_master_of_valkey_91_is_stopped() {
    the_master_is_stopped(Peer::Ours, Peer::Valkey91);
}
