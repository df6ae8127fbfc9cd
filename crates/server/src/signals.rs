//! Signals: SIGTERM and SIGINT end the server, a second SIGINT at once; SIGHUP is ignored.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Save if that is due, and end.
    Shutdown,
    /// End at once, with exit code 1.
    ShutdownAtOnce,
}

/// The signals that the loop waits for: a byte stands in a pipe for each that came.
pub struct Signals {
    terminate: UnixStream,
    interrupt: UnixStream,
    interrupts: usize,
}

impl Signals {
    /// Takes the signals over.
    pub fn new() -> io::Result<Signals> {
        // A handler that only sets a flag nobody reads: the signal is ignored.
        signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        Ok(Signals { terminate: pipe_for(SIGTERM)?, interrupt: pipe_for(SIGINT)?, interrupts: 0 })
    }

    /// Has the loop woken by signals.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.terminate, token, Interest::READABLE)?;
        registry.register(&mut self.interrupt, token, Interest::READABLE)
    }

    /// The signals that came.
    pub fn pending(&mut self) -> Vec<Signal> {
        let mut wishes = Vec::new();
        let before = self.interrupts;
        self.interrupts += drain(&mut self.interrupt);
        if self.interrupts > 1 {
            wishes.push(Signal::ShutdownAtOnce);
        } else if self.interrupts > before || drain(&mut self.terminate) > 0 {
            wishes.push(Signal::Shutdown);
        }
        wishes
    }
}

fn pipe_for(signal: i32) -> io::Result<UnixStream> {
    let (read, write) = StdUnixStream::pair()?;
    read.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal, write)?;
    Ok(UnixStream::from_std(read))
}

/// Empties a pipe: how many bytes stood in it.
fn drain(pipe: &mut UnixStream) -> usize {
    let mut buffer = [0; 64];
    let mut count = 0;
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        count += read;
    }
    count
}
