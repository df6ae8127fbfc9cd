//! The program's connection to the master that the server follows: opened to an address or a name, read as far as what
//! came can be taken, and written. What is said on it is the node's.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};

use super::{LINK, Shell};
use crate::jobs::{self, LoadJob, Report};
use crate::sockets::{Connection, connect};

/// The connection to the master.
pub(super) struct Link {
    pub(super) connection: Option<Connection>,
    pub(super) connected: bool,
    /// Tells the answer to an old attempt from that to the present one.
    pub(super) attempt: u64,
    /// This attempt has reached the master.
    pub(super) reached: bool,
    /// Which of the addresses of the master's name this attempt takes: the next after one that was not reached.
    pub(super) turn: usize,
    pub(super) may_have_more: bool,
    /// As of a [`super::Socket`].
    pub(super) ended: bool,
}

impl Shell {
    pub(super) fn connect_master(&mut self, host: String, port: u16) {
        self.close_link();
        let before = self.link.as_ref();
        let attempt = before.map_or(0, |link| link.attempt) + 1;
        let turn = before.map_or(0, |link| link.turn.wrapping_add(usize::from(!link.reached)));
        self.link = Some(Link {
            connection: None,
            connected: false,
            attempt,
            reached: false,
            turn,
            may_have_more: false,
            ended: false,
        });
        match host.parse().map(|ip| SocketAddr::new(ip, port)) {
            Ok(address) => self.open_link(address),
            Err(_) => {
                let reporter = self.reporter.clone();
                let resolve = move || reporter.send(Report::Resolved { attempt, address: resolve(&host, port, turn) });
                let failed = |reason| Report::Resolved { attempt, address: Err(reason) };
                jobs::beside_or_report("resolve", &self.reporter, resolve, failed);
            }
        }
    }

    pub(super) fn open_link(&mut self, address: SocketAddr) {
        let source = String::from_utf8_lossy(&self.node.config().bind_source_addr).parse().ok();
        let opened = connect(address, source).and_then(|mut connection| {
            self.poller.watch(&mut connection, LINK)?;
            Ok(connection)
        });
        match (opened, &mut self.link) {
            (Ok(connection), Some(link)) => link.connection = Some(connection),
            (Err(error), _) => self.node.link_failed(error.to_string()),
            (Ok(_), None) => {}
        }
    }

    pub(super) fn close_link(&mut self) {
        if let Some(link) = &mut self.link {
            link.may_have_more = false;
            link.connected = false;
            if let Some(mut connection) = link.connection.take() {
                self.poller.unwatch(&mut connection, LINK);
            }
        }
    }

    pub(super) fn link_ready(&mut self, writable: bool, readable: bool) {
        let Some(link) = &mut self.link else { return };
        let Some(connection) = &link.connection else { return };
        if !link.connected {
            match connection.take_error() {
                Ok(None) if connection.is_connected() => {
                    link.connected = true;
                    link.reached = true;
                    if let Some(ends) = connection.ends() {
                        self.node.set_link_ends(ends);
                    }
                    self.node.link_connected();
                }
                Ok(None) => return,
                Ok(Some(error)) | Err(error) => {
                    self.close_link();
                    self.node.link_failed(error.to_string());
                    return;
                }
            }
        }
        if readable {
            self.read_link();
        }
        if writable {
            self.write_link();
        }
    }

    pub(super) fn read_link(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.may_have_more = false;
        if !link.connected {
            return;
        }
        let load_is_full = self.load.as_ref().is_some_and(LoadJob::is_full);
        if load_is_full || !self.node.link_may_read() {
            return; // Read again when the loading thread has caught up: it wakes the loop.
        }
        let Some(connection) = &mut link.connection else { return };
        let mut buffer = std::mem::take(&mut self.link_buffer);
        match connection.read(&mut buffer) {
            Ok(0) => {
                self.close_link();
                self.node.link_closed("the master closed the connection".to_owned());
            }
            Ok(count) => {
                link.may_have_more = link.ended || count == buffer.len();
                self.node.link_input(&buffer[..count]);
                // What was read may be for the loading thread: it gets it before more is read.
                self.carry_out();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => link.may_have_more = true,
            Err(error) => {
                self.close_link();
                self.node.link_closed(error.to_string());
            }
        }
        self.link_buffer = buffer;
    }

    /// The link was left alone while what came from it was more than could be taken.
    pub(super) fn go_on_reading_link(&mut self) {
        if let Some(link) = &mut self.link {
            link.may_have_more = true;
        }
    }

    pub(super) fn write_link(&mut self) {
        let Shell { link, node, .. } = self;
        let Some(Link { connection: Some(connection), connected: true, .. }) = link else { return };
        let outcome = node.write_link(&mut |bytes| connection.write_vectored(&[io::IoSlice::new(bytes)]));
        if let Err(error) = outcome {
            self.close_link();
            self.node.link_closed(error.to_string());
        }
    }
}

/// One of the addresses of a name: another with each turn.
fn resolve(host: &str, port: u16, turn: usize) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs().map_err(|error| error.to_string())?;
    let addresses: Vec<SocketAddr> = found.collect();
    let nth = turn.checked_rem(addresses.len()).ok_or_else(|| "no address found".to_owned())?;
    Ok(addresses[nth])
}
