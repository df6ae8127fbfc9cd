//! What the other clients notice: a connection of its own that sends PING every 200 µs and remembers the longest answer.

use crate::Outcome;
use crate::bench::servers::Server;
use client::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PING_EVERY: Duration = Duration::from_micros(200);
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// A thread that sends PING.
pub struct Probe {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Answers so far.
    answers: AtomicU64,
    longest_ns: AtomicU64,
}

impl Probe {
    /// Begins to ask this server.
    pub fn start(server: &Server) -> Outcome<Probe> {
        let shared = Arc::new(Shared::default());
        let (mut client, seen) = (server.connect()?, Arc::clone(&shared));
        client.set_timeout(None).map_err(|error| error.to_string())?;
        let thread = std::thread::spawn(move || ping(&mut client, &seen));
        Ok(Probe { shared, thread: Some(thread) })
    }

    /// Forgets the longest answer.
    pub fn begin(&self) {
        self.shared.longest_ns.store(0, Relaxed);
    }

    /// The longest answer since [`Probe::begin`]; one that is being waited for included.
    pub fn longest(&self) -> Outcome<Duration> {
        let answers = self.shared.answers.load(Relaxed);
        while self.shared.answers.load(Relaxed) < answers + 2 {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err("the connection of the probe is gone".to_owned());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(Duration::from_nanos(self.shared.longest_ns.load(Relaxed)))
    }
}

fn ping(client: &mut Client, shared: &Shared) {
    while !shared.stop.load(Relaxed) {
        let began = Instant::now();
        if client.command(&[b"PING"]).is_err() {
            return;
        }
        shared.longest_ns.fetch_max(began.elapsed().as_nanos() as u64, Relaxed);
        shared.answers.fetch_add(1, Relaxed);
        std::thread::sleep(PING_EVERY.saturating_sub(began.elapsed()));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell but what is in `shared`.
            let _ = thread.join();
        }
    }
}
