//! A TCP proxy that stands for the network between a replica and its master: the link can be cut, stalled and
//! restored, and what goes through it is counted.

use crate::server::free_port;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// A proxy in front of one server. The side that connects is the replica, the other the master.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told at every change of the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Nobody gets through, and the acceptor ends if also `closed`.
    cut: bool,
    closed: bool,
    /// How many more bytes may go to the replica; None is any number.
    left_to_replica: Option<u64>,
    to_replica: u64,
    to_master: u64,
    /// Which byte to the replica, counted from the first of all, gets one bit changed.
    flip_at: Option<u64>,
    /// Links made so far; a link older than `alive_from` is dead.
    links: u64,
    alive_from: u64,
    /// Both ends of every link alive.
    sockets: Vec<TcpStream>,
}

#[derive(Clone, Copy)]
enum Direction {
    ToReplica,
    ToMaster,
}

impl Proxy {
    /// A proxy to the server on that loopback port.
    pub fn to(master_port: u16) -> Proxy {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free a moment ago");
        let shared = Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, master_port, &shared)
        });
        Proxy { port, shared, acceptor: Some(acceptor) }
    }

    /// Where the replica connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every link; new ones are closed at once until [`Proxy::restore`].
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        state.cut = true;
        state.alive_from = state.links;
        for socket in state.sockets.drain(..) {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    /// Lets `bytes` more pass to the replica; then the link is silent but open.
    pub fn stall_after(&self, bytes: u64) {
        self.shared.lock().left_to_replica = Some(bytes);
        self.shared.changed.notify_all();
    }

    /// Changes one bit of the byte that is `bytes` from now on the way to the replica.
    pub fn flip_a_bit_at(&self, bytes: u64) {
        let mut state = self.shared.lock();
        state.flip_at = Some(state.to_replica + bytes);
    }

    /// Lets everything through again.
    pub fn restore(&self) {
        let mut state = self.shared.lock();
        state.cut = false;
        state.left_to_replica = None;
        self.shared.changed.notify_all();
    }

    /// Whether a link has reached the end of what [`Proxy::stall_after`] lets pass.
    pub fn is_stalled(&self) -> bool {
        self.shared.lock().left_to_replica == Some(0)
    }

    /// Bytes that went to the replica so far.
    pub fn bytes_to_replica(&self) -> u64 {
        self.shared.lock().to_replica
    }

    /// Bytes that went to the master so far.
    pub fn bytes_to_master(&self) -> u64 {
        self.shared.lock().to_master
    }

    /// How often a link was made.
    pub fn links(&self) -> u64 {
        self.shared.lock().links
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.shared.lock().closed = true;
        // The acceptor waits for a connection: this is one.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the state")
    }

    /// Waits until some of these bytes may pass on a link, takes them from the budget and counts them.
    fn admit(&self, link: u64, direction: Direction, bytes: &mut [u8]) -> Option<usize> {
        let wanted = bytes.len();
        let mut state = self.lock();
        loop {
            if link < state.alive_from {
                return None;
            }
            match (direction, state.left_to_replica) {
                (Direction::ToMaster, _) => {
                    state.to_master += wanted as u64;
                    return Some(wanted);
                }
                (Direction::ToReplica, Some(0)) => {
                    state = self.changed.wait(state).expect("no thread panics while it holds the state");
                }
                (Direction::ToReplica, left) => {
                    let admitted = left.map_or(wanted, |left| wanted.min(left as usize));
                    state.left_to_replica = left.map(|left| left - admitted as u64);
                    if let Some(at) = state.flip_at.and_then(|at| at.checked_sub(state.to_replica))
                        && at < admitted as u64
                    {
                        bytes[at as usize] ^= 1;
                        state.flip_at = None;
                    }
                    state.to_replica += admitted as u64;
                    return Some(admitted);
                }
            }
        }
    }
}

fn accept(listener: &TcpListener, master_port: u16, shared: &Arc<Shared>) {
    for replica in listener.incoming().flatten() {
        if shared.lock().closed {
            return;
        }
        let Ok(master) = TcpStream::connect(("127.0.0.1", master_port)) else { continue };
        let handles = [&replica, &master, &replica, &master].map(|socket| {
            // A reply must not wait for a timer of ours.
            let _ = socket.set_nodelay(true);
            socket.try_clone()
        });
        let [Ok(kept_replica), Ok(kept_master), Ok(from_replica), Ok(from_master)] = handles else { continue };
        let mut state = shared.lock();
        if state.cut {
            continue;
        }
        let link = state.links;
        state.links += 1;
        state.sockets.extend([kept_replica, kept_master]);
        drop(state);
        for (from, to, direction) in
            [(from_master, replica, Direction::ToReplica), (from_replica, master, Direction::ToMaster)]
        {
            let shared = shared.clone();
            std::thread::spawn(move || pump(from, to, link, direction, &shared));
        }
    }
}

/// Carries bytes one way until either end closes or the link is cut.
fn pump(mut from: TcpStream, mut to: TcpStream, link: u64, direction: Direction, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    'link: while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut sent = 0;
        while sent < length {
            let Some(admitted) = shared.admit(link, direction, &mut buffer[sent..length]) else { break 'link };
            if to.write_all(&buffer[sent..sent + admitted]).is_err() {
                break 'link;
            }
            sent += admitted;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SHORT, wait_until};

    /// A server of one connection after the other that sends back what it gets.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let _ = stream.write_all(&buffer[..length]);
                    }
                });
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(("127.0.0.1", proxy.port())).expect("the proxy listens")
    }

    #[test]
    fn bytes_pass_and_are_counted_until_the_link_is_cut() {
        let proxy = Proxy::to(echo());
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").expect("connected");
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).expect("echoed");
        assert_eq!((&reply, proxy.bytes_to_master(), proxy.bytes_to_replica(), proxy.links()), (b"hello", 5, 5, 1));
        proxy.cut();
        assert!(matches!(stream.read(&mut reply), Ok(0) | Err(_)));
        assert!(matches!(connect(&proxy).read(&mut reply), Ok(0) | Err(_)));
        proxy.restore();
        let mut stream = connect(&proxy);
        stream.write_all(b"again").expect("connected");
        stream.read_exact(&mut reply).expect("echoed");
        assert_eq!(&reply, b"again");
    }

    #[test]
    fn one_bit_is_flipped_where_it_was_asked_for() {
        let proxy = Proxy::to(echo());
        proxy.flip_a_bit_at(2);
        let mut stream = connect(&proxy);
        stream.write_all(b"aaaaaa").expect("connected");
        let mut reply = [0; 6];
        stream.read_exact(&mut reply).expect("echoed");
        assert_eq!(&reply, b"aa`aaa");
    }

    #[test]
    fn a_stalled_link_is_silent_until_restored() {
        let proxy = Proxy::to(echo());
        proxy.stall_after(3);
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").expect("connected");
        let mut reply = [0; 3];
        stream.read_exact(&mut reply).expect("the first bytes pass");
        wait_until("the stall", SHORT, || proxy.is_stalled());
        assert_eq!(proxy.bytes_to_replica(), 3);
        proxy.restore();
        let mut rest = [0; 2];
        stream.read_exact(&mut rest).expect("the rest passes");
        assert_eq!(&rest, b"lo");
    }
}
