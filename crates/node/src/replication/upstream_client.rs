//! The link to the master as a client: what CLIENT LIST shows of it and CLIENT KILL closes. It is one while it carries the
//! stream.

use base::Time;
use replication::replica::Phase;

use crate::client::{Client, ConnId, Kind, PeerInfo};
use crate::node::Node;
use crate::table::CommandId;

/// What is known of the link as of a client.
#[derive(Default)]
pub(crate) struct UpstreamClient {
    /// Both ends of the connection, as far as the program has told.
    peer: Option<PeerInfo>,
    /// Since it carries the stream: its id and when that began.
    streaming: Option<(u64, Time)>,
    /// The last command of the stream.
    pub last_command: Option<CommandId>,
    /// Commands of the stream.
    pub commands: u64,
    /// Bytes received on this connection.
    pub bytes_in: u64,
    /// Bytes sent on it.
    pub bytes_out: u64,
}

impl Node {
    /// The connection to the master stands, between these ends. The program may leave this out.
    pub fn set_link_ends(&mut self, peer: PeerInfo) {
        self.replication.upstream_client = UpstreamClient { peer: Some(peer), ..UpstreamClient::default() };
    }

    /// The link carries the stream from now on, or no longer.
    pub(super) fn note_link_phase(&mut self) {
        let streams = self.replication.link.phase() == Phase::Streaming;
        let client = &mut self.replication.upstream_client;
        if !streams {
            client.streaming = None;
        } else if client.streaming.is_none() {
            client.streaming = Some((self.clients.fresh_id(), self.now));
        }
    }

    /// Whether the link is a client now.
    pub(crate) fn has_upstream_client(&self) -> bool {
        self.replication.upstream_client.streaming.is_some()
    }

    /// The link as a client, while it carries the stream.
    pub(crate) fn upstream_client(&self) -> Option<Client> {
        let upstream = &self.replication.upstream_client;
        let (id, since) = upstream.streaming?;
        let (host, port) = self.replication.link.master()?;
        let peer = upstream.peer.clone().unwrap_or_else(|| PeerInfo {
            addr: format!("{host}:{port}"),
            laddr: String::new(),
            ip: host.to_owned(),
            fd: -1,
            unix: false,
            local: false,
            certificate: None,
        });
        let silent_for = u64::try_from(self.replication.link.figures(self.now).last_io_seconds).unwrap_or(0);
        let mut client = Client::new(ConnId { id, ..ConnId::LINK }, peer, true, since);
        client.kind = Kind::Master;
        client.active_at = Time(self.now.0.saturating_sub(silent_for * 1_000_000));
        client.db = self.replication.apply.db;
        client.last_command = upstream.last_command;
        client.commands = upstream.commands;
        client.bytes_in = upstream.bytes_in;
        client.bytes_out = upstream.bytes_out;
        Some(client)
    }

    /// Closes the link to the master: it is made anew.
    pub(crate) fn kill_link(&mut self) {
        self.outputs.push_back(crate::output::Output::CloseLink);
        self.link_closed("closed by CLIENT KILL".to_owned());
    }
}
