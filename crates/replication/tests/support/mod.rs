//! A master with simulated time, to which tests give replicas.

#![allow(dead_code, reason = "each test file uses some of it")]

use base::{ReplId, Time};
use replication::master::{
    Event, PeersOutput as Output, PeersSettings, PsyncOutcome, PsyncRequest, ReplconfOutcome, StreamView, Upstream,
};
use replication::{History, Peers, Retained};
use std::time::Duration;

/// A master with a stream of 1000 bytes, of which the last 900 are kept.
pub struct Rig {
    pub peers: Peers<u32>,
    pub now: Time,
    pub history: History,
    pub retained: Option<Retained>,
    pub upstream: Upstream,
}

impl Rig {
    pub fn new(settings: PeersSettings) -> Rig {
        let now = Time(1_000_000_000);
        let mut peers = Peers::new(settings, now);
        peers.handle(now, Event::BacklogActive(true));
        let retained = Some(Retained { first: 100, end: 1000 });
        Rig { peers, now, history: History::new(id(1)), retained, upstream: Upstream::None }
    }

    /// One that follows a master itself.
    pub fn chained() -> Rig {
        let mut rig = Rig::default();
        rig.follow(Upstream::Up);
        rig
    }

    pub fn follow(&mut self, upstream: Upstream) {
        self.upstream = upstream;
        self.peers.handle(self.now, Event::UpstreamChanged(upstream));
    }

    pub fn replconf(&mut self, conn: u32, options: &str) -> ReplconfOutcome {
        let options: Vec<&[u8]> = options.split(' ').map(str::as_bytes).collect();
        self.peers.replconf(self.now, conn, &options)
    }

    pub fn psync(&mut self, conn: u32, name: &str, wanted: i64) -> PsyncOutcome {
        self.request(conn, PsyncRequest { id: name.as_bytes(), wanted, failover: false, pending_output: false })
    }

    pub fn request(&mut self, conn: u32, request: PsyncRequest<'_>) -> PsyncOutcome {
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.psync(self.now, conn, request, &view)
    }

    pub fn sync(&mut self, conn: u32) -> PsyncOutcome {
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.sync(self.now, conn, false, &view)
    }

    pub fn advance(&mut self, end: u64) {
        self.retained = Some(Retained { first: 100, end });
        let view = StreamView { history: &self.history, retained: self.retained, upstream: self.upstream };
        self.peers.stream_advanced(self.now, &view);
    }

    /// A diskless replica that asks for everything.
    pub fn joins(&mut self, conn: u32) {
        self.replconf(conn, "listening-port 7001 capa eof capa psync2");
        assert_eq!(self.psync(conn, "?", -1), PsyncOutcome::Waiting);
    }

    /// A replica that continues, and so is online.
    pub fn continues(&mut self, conn: u32) {
        let outcome = self.psync(conn, id(1).as_str(), 1001);
        assert!(matches!(outcome, PsyncOutcome::Continue { from: 1000, .. }), "{outcome:?}");
        self.outputs();
    }

    pub fn event(&mut self, event: Event<u32>) {
        self.peers.handle(self.now, event);
    }

    pub fn started(&mut self, conn: u32) {
        self.event(Event::SyncStarted { conn, offset: 1000, replid: self.history.replid() });
    }

    pub fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.peers.handle_timeout(self.now);
    }

    /// Everything but log lines, statistics and newlines.
    pub fn outputs(&mut self) -> Vec<Output<u32>> {
        let dull = |output: &Output<u32>| match output {
            Output::Log(..) | Output::FullSyncReason(..) => true,
            Output::Send(_, bytes) => bytes == b"\n",
            _ => false,
        };
        std::iter::from_fn(|| self.peers.poll_output()).filter(|output| !dull(output)).collect()
    }

    pub fn newlines(&mut self) -> usize {
        let all = std::iter::from_fn(|| self.peers.poll_output());
        all.filter(|output| matches!(output, Output::Send(_, bytes) if bytes == b"\n")).count()
    }

    pub fn state(&self, conn: u32) -> &'static str {
        self.peers.replicas(self.now).iter().find(|replica| replica.conn == conn).expect("it is attached").state
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new(PeersSettings::default())
    }
}

pub fn id(byte: u8) -> ReplId {
    ReplId::from_entropy([byte; 20])
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn conns(output: &Output<u32>) -> Vec<u32> {
    match output {
        Output::StartSync(targets) => targets.iter().map(|target| target.conn).collect(),
        other => panic!("no snapshot but {other:?}"),
    }
}

pub fn fullresync(conn: u32) -> Output<u32> {
    Output::Send(conn, format!("+FULLRESYNC {} 1000\r\n", id(1)).into_bytes())
}

pub fn closed(outputs: &[Output<u32>]) -> Vec<u32> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Close { conn, .. } = output { Some(*conn) } else { None })
        .collect()
}
