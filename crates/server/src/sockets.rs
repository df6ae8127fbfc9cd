//! The sockets: addresses to listen on, and the two kinds of connection as one.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::files::path_of;
use config::Config;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use node::PeerInfo;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::reason;

/// One address that is listened on.
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A socket file.
    Unix(UnixListener),
}

impl Listener {
    /// The next waiting connection.
    pub fn accept(&self) -> io::Result<(Connection, PeerInfo)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nodelay(true)?;
                let info = ends(&stream, peer)?;
                Ok((Connection::Tcp(stream), info))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let path =
                    listener.local_addr()?.as_pathname().map_or(String::new(), |path| path.display().to_string());
                let addr = format!("{path}:0");
                let fd = stream.as_raw_fd();
                let info = PeerInfo {
                    addr: addr.clone(),
                    laddr: addr,
                    ip: path,
                    fd,
                    unix: true,
                    local: true,
                    certificate: None,
                };
                Ok((Connection::Unix(stream), info))
            }
        }
    }

    /// The source to register.
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener) => listener,
        }
    }
}

/// One connection of either kind.
pub enum Connection {
    /// Over TCP.
    Tcp(TcpStream),
    /// Through a socket file.
    Unix(UnixStream),
}

impl Connection {
    /// The source to register.
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Connection::Tcp(stream) => stream,
            Connection::Unix(stream) => stream,
        }
    }

    /// Its descriptor.
    pub fn as_raw_fd(&self) -> i32 {
        match self {
            Connection::Tcp(stream) => stream.as_raw_fd(),
            Connection::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Ends the connection, also for a thread that holds a second handle.
    pub fn shut_down(&self) {
        let done = match self {
            Connection::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Connection::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
        drop(done); // The peer may have closed it before.
    }

    /// Reads what is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Tcp(stream) => stream.read(buffer),
            Connection::Unix(stream) => stream.read(buffer),
        }
    }

    /// Writes what fits. One piece goes by the shorter way through the system: it is no file with a list of buffers.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, slices) {
            (Connection::Tcp(stream), [piece]) => stream.write(piece),
            (Connection::Unix(stream), [piece]) => stream.write(piece),
            (Connection::Tcp(stream), _) => stream.write_vectored(slices),
            (Connection::Unix(stream), _) => stream.write_vectored(slices),
        }
    }

    /// A second handle on the same connection, for a thread that writes to it.
    pub fn second_handle(&self) -> io::Result<Connection> {
        match self {
            Connection::Tcp(stream) => {
                let copy = SockRef::from(stream).try_clone()?;
                Ok(Connection::Tcp(TcpStream::from_std(copy.into())))
            }
            Connection::Unix(stream) => {
                let copy = SockRef::from(stream).try_clone()?;
                Ok(Connection::Unix(UnixStream::from_std(std::os::fd::OwnedFd::from(copy).into())))
            }
        }
    }

    /// Sets the keep-alive of a client connection; 0: none.
    pub fn set_keepalive(&self, seconds: u64) -> io::Result<()> {
        let Connection::Tcp(stream) = self else { return Ok(()) };
        if seconds == 0 {
            return Ok(());
        }
        let interval = Duration::from_secs((seconds / 3).max(1));
        let keepalive =
            TcpKeepalive::new().with_time(Duration::from_secs(seconds)).with_interval(interval).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }

    /// What went wrong with a connection attempt, if anything.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Connection::Tcp(stream) => stream.take_error(),
            Connection::Unix(stream) => stream.take_error(),
        }
    }

    /// Both ends of a connection that was made from here.
    pub fn ends(&self) -> Option<PeerInfo> {
        match self {
            Connection::Tcp(stream) => ends(stream, stream.peer_addr().ok()?).ok(),
            Connection::Unix(_) => None,
        }
    }

    /// Whether an attempt to connect has succeeded.
    pub fn is_connected(&self) -> bool {
        match self {
            Connection::Tcp(stream) => stream.peer_addr().is_ok(),
            Connection::Unix(stream) => stream.peer_addr().is_ok(),
        }
    }
}

/// Both ends of a TCP connection.
fn ends(stream: &TcpStream, peer: SocketAddr) -> io::Result<PeerInfo> {
    Ok(PeerInfo {
        addr: peer.to_string(),
        laddr: stream.local_addr()?.to_string(),
        ip: peer.ip().to_string(),
        fd: stream.as_raw_fd(),
        unix: false,
        local: peer.ip().to_canonical().is_loopback(),
        certificate: None,
    })
}

/// Opens everything that the settings say to listen on. An address with a `-` in front may be missing.
pub fn listen(config: &Config) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    if config.port != 0 {
        listeners.extend(listen_tcp(config)?);
    }
    if !config.unixsocket.is_empty() {
        listeners.push(listen_unix(config)?);
    }
    Ok(listeners)
}

/// Opens the TCP port on each address that is there: maybe on none, if all may be missing.
pub fn listen_tcp(config: &Config) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    for text in &config.bind {
        let optional = text.starts_with('-');
        let text = text.trim_start_matches('-');
        let addresses = match text {
            "*" => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            "::*" => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            _ => resolve(text, config.port)?,
        };
        for ip in addresses {
            match listen_on(SocketAddr::new(ip, config.port), config) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if optional && is_missing_address(&error) => {}
                Err(error) => {
                    return Err(format!(
                        "Could not create server TCP listening socket {text}:{}: {}",
                        config.port,
                        reason(&error)
                    ));
                }
            }
        }
    }
    Ok(listeners)
}

fn resolve(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    use std::net::ToSocketAddrs;
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("Could not resolve the bind address {host}: {error}"))?;
    Ok(found.map(|address| address.ip()).collect())
}

fn is_missing_address(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT | libc::EPFNOSUPPORT)
    )
}

fn listen_on(address: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if config.socket_mark_id != 0 {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("socket-mark-id can't be set: {error}"));
        socket.set_mark(config.socket_mark_id).map_err(failed)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(config.tcp_backlog as i32)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn listen_unix(config: &Config) -> Result<Listener, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = path_of(&config.unixsocket);
    let failed = |error: io::Error| format!("Failed opening Unix socket {}: {}", path.display(), reason(&error));
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    if config.unixsocketperm != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.unixsocketperm)).map_err(failed)?;
    }
    Ok(Listener::Unix(listener))
}

/// Begins to connect to a master.
pub fn connect(address: SocketAddr, bind_source: Option<IpAddr>) -> io::Result<Connection> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(ip) = bind_source {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    Ok(Connection::Tcp(TcpStream::from_std(socket.into())))
}
