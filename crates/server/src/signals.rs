//! Signals: SIGTERM and SIGINT ask for the end; SIGINT while it is under way ends the program at once, even when the
//! executor is busy. SIGHUP and SIGXFSZ are ignored.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use node::ShutdownSignal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// The exit code after a SIGINT that did not want to wait.
const AT_ONCE: i32 = 1;

/// The signals that the loop waits for: a byte stands in a pipe for each that came.
pub struct Signals {
    terminate: UnixStream,
    interrupt: UnixStream,
    /// The end was asked for: the next SIGINT does not wait for it. Set by the handlers themselves.
    ending: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over.
    pub fn new() -> io::Result<Signals> {
        // A handler that only sets a flag nobody reads: the signal is ignored. SIGXFSZ comes with a write beyond the limit
        // of file sizes; without it that write fails as one to a full disk does.
        for ignored in [SIGHUP, SIGXFSZ] {
            signal_hook::flag::register(ignored, Arc::new(AtomicBool::new(false)))?;
        }
        let ending = Arc::new(AtomicBool::new(false));
        // Handlers run in the order of their registration: the flag that the first looks at is that of signals before.
        signal_hook::flag::register_conditional_shutdown(SIGINT, AT_ONCE, Arc::clone(&ending))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&ending))?;
        signal_hook::flag::register(SIGTERM, Arc::clone(&ending))?;
        Ok(Signals { terminate: pipe_for(SIGTERM)?, interrupt: pipe_for(SIGINT)?, ending })
    }

    /// Has the loop woken by signals.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.terminate, token, Interest::READABLE)?;
        registry.register(&mut self.interrupt, token, Interest::READABLE)
    }

    /// The signals that came.
    pub fn pending(&mut self) -> Vec<ShutdownSignal> {
        let mut came = Vec::new();
        if drain(&mut self.interrupt) > 0 {
            came.push(ShutdownSignal::Interrupt);
        }
        if drain(&mut self.terminate) > 0 {
            came.push(ShutdownSignal::Terminate);
        }
        came
    }

    /// Says whether the server is about to end: if not, a SIGINT asks for it politely again.
    pub fn set_ending(&self, ending: bool) {
        self.ending.store(ending, Ordering::Relaxed);
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
