//! What the loop waits for, and how: sockets of clients and of the master through io_uring where the system has it, else
//! through epoll; listeners, signals and other threads always through epoll, on which the ring then waits.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::ring::{Change, Ring, Wanted};
use crate::sockets::Connection;

/// How many events epoll tells at once.
const EVENTS_MAX: usize = 1024;

/// Under which token the ring watches epoll: no source has it.
const EPOLL: usize = 999;

/// What has come to be so with a source since it was told last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Which.
    pub token: Token,
    /// There may be something to read.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// Nothing comes behind what is there to be read.
    pub ended: bool,
}

/// All that the loop waits for.
pub struct Poller {
    poll: Poll,
    events: Events,
    ring: Option<Ring>,
    changes: Vec<Change>,
}

impl Poller {
    /// One with a ring, or with epoll alone.
    pub fn new(ring: Option<Ring>) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let mut poller = Poller { poll, events: Events::with_capacity(EVENTS_MAX), ring, changes: Vec::new() };
        if let Some(ring) = &mut poller.ring {
            ring.watch(EPOLL, poller.poll.as_raw_fd())?;
        }
        Ok(poller)
    }

    /// Where sources other than connections are registered.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Tells of this connection from now on.
    pub fn watch(&mut self, connection: &mut Connection, token: Token) -> io::Result<()> {
        match &mut self.ring {
            Some(ring) => ring.watch(token.0, connection.as_raw_fd()),
            None => self.poll.registry().register(connection.source(), token, Interest::READABLE | Interest::WRITABLE),
        }
    }

    /// Tells of it no more. To be called before it is closed.
    pub fn unwatch(&mut self, connection: &mut Connection, token: Token) {
        let gone = match &mut self.ring {
            Some(ring) => ring.unwatch(token.0),
            None => self.poll.registry().deregister(connection.source()),
        };
        drop(gone); // Closing the descriptor takes it off epoll in any case; a ring that fails ends the loop.
    }

    /// Waits until something is ready, `timeout` at most, and puts that into `ready` in place of what stood there. With
    /// `gather` it waits for so many sources, where they are ready within that time; else for one.
    pub fn wait(&mut self, timeout: Duration, gather: Option<Wanted>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let Some(ring) = &mut self.ring else { return self.poll_epoll(timeout, ready) };
        ring.wait(timeout, gather)?;
        ring.take_changes(&mut self.changes);
        let mut others = false;
        for change in &self.changes {
            match change.token {
                EPOLL => others = true,
                _ => ready.push(Ready::from(*change)),
            }
        }
        if others { self.poll_epoll(Duration::ZERO, ready) } else { Ok(()) }
    }

    fn poll_epoll(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        ready.extend(self.events.iter().map(Ready::from));
        Ok(())
    }

    /// The ring, where there is one: it waits for several sources, and sends to several sockets at once.
    pub fn ring(&mut self) -> Option<&mut Ring> {
        self.ring.as_mut()
    }
}

impl From<&Event> for Ready {
    fn from(event: &Event) -> Ready {
        Ready {
            token: event.token(),
            readable: event.is_readable(),
            writable: event.is_writable(),
            ended: event.is_read_closed() || event.is_error(),
        }
    }
}

impl From<Change> for Ready {
    fn from(change: Change) -> Ready {
        let has = |bits: i32| change.bits & bits as u32 != 0;
        Ready {
            token: Token(change.token),
            readable: has(libc::EPOLLIN | libc::EPOLLPRI),
            writable: has(libc::EPOLLOUT),
            ended: has(libc::EPOLLHUP | libc::EPOLLRDHUP | libc::EPOLLERR),
        }
    }
}
