//! Who started the server and wants to hear how it is doing: systemd gets datagrams, upstart sees the process stop.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use config::{Config, Supervised};

/// Who watches over the server.
pub enum Supervisor {
    /// Nobody.
    None,
    /// systemd, at the other end of this socket.
    Systemd(UnixDatagram, SocketAddr),
    /// upstart, which waits for the process to stop itself once.
    Upstart,
}

impl Supervisor {
    /// Finds the supervisor that the settings ask for, by what it left in the environment; the second value says why
    /// one that was asked for is not there.
    pub fn find(config: &Config) -> (Supervisor, Option<&'static str>) {
        let upstart = std::env::var_os("UPSTART_JOB").is_some();
        let notify = std::env::var_os("NOTIFY_SOCKET").is_some();
        match config.supervised {
            Supervised::No => (Supervisor::None, None),
            Supervised::Auto if upstart => (Supervisor::Upstart, None),
            Supervised::Auto if !notify => (Supervisor::None, None),
            Supervised::Auto | Supervised::Systemd => match systemd() {
                Ok(found) => (found, None),
                Err(reason) => (Supervisor::None, Some(reason)),
            },
            Supervised::Upstart if upstart => (Supervisor::Upstart, None),
            Supervised::Upstart => {
                (Supervisor::None, Some("upstart supervision requested, but UPSTART_JOB not found!"))
            }
        }
    }

    /// What INFO says of it.
    pub fn name(&self) -> &'static str {
        match self {
            Supervisor::None => "no",
            Supervisor::Systemd(..) => "systemd",
            Supervisor::Upstart => "upstart",
        }
    }

    /// Passes news on: lines of `NAME=value`. A supervisor that does not listen is no reason to stop.
    pub fn notify(&self, lines: &str) {
        match self {
            Supervisor::None => {}
            Supervisor::Systemd(socket, address) => drop(socket.send_to_addr(lines.as_bytes(), address)),
            // It lets us go on when it has seen that we stand still.
            Supervisor::Upstart if lines == "READY=1\n" => {
                drop(signal_hook::low_level::raise(signal_hook::consts::SIGSTOP));
            }
            Supervisor::Upstart => {}
        }
    }
}

fn systemd() -> Result<Supervisor, &'static str> {
    let name = std::env::var("NOTIFY_SOCKET").map_err(|_| "systemd supervision error: NOTIFY_SOCKET not found!")?;
    let address = match name.strip_prefix('@') {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(&name),
    };
    let opened = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        // A full socket must not hold the server up.
        socket.set_nonblocking(true)?;
        Ok(Supervisor::Systemd(socket, address))
    });
    opened.map_err(|_| "systemd supervision error: the name in NOTIFY_SOCKET is no socket's")
}
