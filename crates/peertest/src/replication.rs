//! What tests ask of a master and its replicas together.

use crate::{Dataset, LONG, Server, wait_for, wait_until};
use std::time::{SystemTime, UNIX_EPOCH};

/// Keys that expire sooner than this are waited for before data sets are compared.
const EXPIRY_MARGIN_MS: i64 = 60_000;

/// Where a server is in its replication stream, whatever its role.
#[track_caller]
pub fn offset(server: &Server) -> i64 {
    server.info().number("master_repl_offset")
}

/// Waits until a replica's link is up and its synchronisation done.
#[track_caller]
pub fn wait_for_link(replica: &Server) {
    wait_until(&format!("the link of {}", replica.peer().name()), LONG, || {
        let info = replica.info();
        info.get("master_link_status") == Some("up") && info.get("master_sync_in_progress") == Some("0")
    });
}

/// Waits until `bytes` more have gone into a server's stream.
#[track_caller]
pub fn wait_for_writes(server: &Server, bytes: i64) {
    let start = offset(server);
    wait_until("writes", LONG, || offset(server) >= start + bytes);
}

/// Waits, after the load has ended, until every replica has all of the master's stream and no key is about to expire.
/// The order of the replicas is that of the chain.
#[track_caller]
pub fn settle(master: &Server, replicas: &[&Server]) {
    let mut client = master.client();
    wait_until("the end of short deadlines", LONG, || {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("now is after 1970").as_millis() as i64;
        Dataset::read(&mut client).expiring_before(now_ms + EXPIRY_MARGIN_MS) == 0
    });
    for replica in replicas {
        let name = replica.peer().name();
        wait_for(&format!("{name} to reach its master's offset"), LONG, || {
            // Asked first: a ping may move the master on between the two questions.
            let reached = offset(replica);
            (reached >= offset(master) && replica.info().text("master_link_status") == "up").then_some(())
        });
    }
}

/// How a replica's data differs from its master's in any key, type, value or deadline; None if it does not.
#[track_caller]
pub fn differences(master: &Server, replica: &Server) -> Option<String> {
    let expected = Dataset::read(&mut master.client());
    assert!(!expected.is_empty(), "an empty master proves nothing");
    let found = Dataset::read(&mut replica.client());
    let names = (format!("master {}", master.peer().name()), format!("replica {}", replica.peer().name()));
    expected.differences(&names.0, &found, &names.1)
}

/// Panics with the list of differences if there are any.
#[track_caller]
pub fn assert_equal(master: &Server, replica: &Server) {
    if let Some(differences) = differences(master, replica) {
        panic!("{differences}");
    }
}
