//! Whatever a master sends, a link neither panics nor hangs: it streams, or it tries again.

use base::{ReplId, Time};
use proptest::prelude::*;
use replication::Link;
use replication::replica::{Input, LinkSettings, Output, Phase, Resume};
use std::time::Duration;

/// Lines that lead deep into the handshake, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let id = "a".repeat(40);
    prop_oneof![
        Just(b"+PONG\r\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"-ERR no\r\n".to_vec()),
        Just(b"-NOMASTERLINK x\r\n".to_vec()),
        Just(b"+CONTINUE\r\n".to_vec()),
        Just(format!("+FULLRESYNC {id} 7\r\n").into_bytes()),
        Just(b"$4\r\nabcd".to_vec()),
        Just(format!("$EOF:{id}\r\nabc").into_bytes()),
        Just(id.into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

/// What happens besides bytes.
#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Closed,
    Loaded,
    LoadFailed,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => piece().prop_map(Step::Bytes),
        1 => Just(Step::Closed),
        1 => Just(Step::Loaded),
        1 => Just(Step::LoadFailed),
        2 => (0u64..70_000).prop_map(Step::Wait),
    ]
}

/// A node that connects when asked, and counts begun and ended transfers.
struct Node {
    link: Link,
    now: Time,
    has_data: bool,
    transfers_open: i32,
    connected: bool,
    connects: usize,
}

impl Node {
    fn new(has_data: bool, seed: u64) -> Node {
        let link = Link::new(LinkSettings::default(), fastrand::Rng::with_seed(seed));
        Node { link, now: Time(0), has_data, transfers_open: 0, connected: false, connects: 0 }
    }

    fn settle(&mut self) {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Connect { .. } => {
                    assert!(!self.connected, "one connection at a time");
                    self.connected = true;
                    self.connects += 1;
                    let resume = self.has_data.then(|| Resume { replid: ReplId::from_entropy([0xaa; 20]), offset: 6 });
                    self.link.handle(self.now, Input::Connected { resume });
                }
                Output::Disconnect => {
                    assert!(self.connected, "only what is open is closed");
                    self.connected = false;
                }
                Output::BeginTransfer { .. } => self.transfers_open += 1,
                Output::Adopt { .. } | Output::AbortTransfer(_) => self.transfers_open -= 1,
                Output::AckDue => self.link.send_ack(1, None),
                Output::TransferBytes(bytes) => assert!(!bytes.is_empty()),
                Output::Send(_) => assert!(self.connected),
                Output::EndTransfer | Output::Continue { .. } | Output::TakeOver(_) | Output::Log(..) => {}
            }
            assert!((0..=1).contains(&self.transfers_open));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Bytes(bytes) if self.connected => {
                let used = self.link.handle_bytes(self.now, &bytes);
                assert!(used <= bytes.len());
                let streams = matches!(self.link.phase(), Phase::Loading | Phase::Streaming);
                assert!(used == bytes.len() || streams, "only stream is left over");
            }
            Step::Closed if self.connected => {
                self.connected = false;
                self.link.handle(self.now, Input::Closed("cut".into()));
            }
            Step::Loaded => self.link.handle(self.now, Input::Loaded),
            Step::LoadFailed => self.link.handle(self.now, Input::LoadFailed("bad".into())),
            Step::Wait(ms) => {
                self.now = self.now + Duration::from_millis(ms);
                self.link.handle_timeout(self.now);
            }
            Step::Bytes(_) | Step::Closed => {}
        }
        self.settle();
    }
}

proptest! {
    #[test]
    fn whatever_a_master_sends_the_link_streams_or_tries_again(
        steps in proptest::collection::vec(step(), 0..40), has_data in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut node = Node::new(has_data, seed);
        node.link.handle(node.now, Input::Follow { host: "m".into(), port: 1 });
        node.settle();
        for step in steps {
            node.take(step);
        }
        // From here on the master is silent and the loader, if it is asked, fails.
        let connects = node.connects;
        for _ in 0..400 {
            if node.link.phase() == Phase::Loading {
                node.take(Step::LoadFailed);
            }
            let at = node.link.poll_timeout().expect("a follower always has a timer");
            let step = Step::Wait(at.since(node.now).as_millis() as u64 + 1);
            node.take(step);
        }
        prop_assert!(node.connects > connects);
    }
}
