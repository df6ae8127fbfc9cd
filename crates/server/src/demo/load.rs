//! The demo's load: a few hundred writes a second, of several kinds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use client::Client;

const PAUSE: Duration = Duration::from_millis(10);
const WRITES_PER_PAUSE: u64 = 5;

/// A thread that writes to the master.
pub struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<(), client::Error>>,
}

#[derive(Default)]
struct Shared {
    written: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Begins to write to the server on this port.
    pub fn start(port: u16) -> Load {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut client = Client::connect(&format!("127.0.0.1:{port}"), Duration::from_secs(5))?;
            while !seen.stop.load(Ordering::Relaxed) {
                for _ in 0..WRITES_PER_PAUSE {
                    let n = seen.written.load(Ordering::Relaxed);
                    write(&mut client, n)?;
                    seen.written.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        Load { shared, thread }
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Ends the load: how many writes were acknowledged, or which one failed and why.
    pub fn stop(self) -> Result<u64, String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let written = self.shared.written.load(Ordering::Relaxed);
        let outcome = self.thread.join().expect("the load does not panic");
        outcome
            .map(|()| self.shared.written.load(Ordering::Relaxed))
            .map_err(|error| format!("write {written}: {error}"))
    }
}

/// The n-th write.
fn write(client: &mut Client, n: u64) -> Result<(), client::Error> {
    let number = n.to_string();
    let number = number.as_bytes();
    let key = |kind: &str, kinds: u64| format!("{kind}:{}", n % kinds).into_bytes();
    match n % 5 {
        0 => client.call(&[b"SET", &key("user", 5000), number])?,
        1 => client.call(&[b"INCR", &key("counter", 100)])?,
        2 => client.call(&[b"HSET", &key("session", 500), b"seen", number, b"page", b"/"])?,
        3 => client.call(&[b"ZADD", b"ranking", number, &key("player", 1000)])?,
        _ => client.call(&[b"SET", &key("token", 300), number, b"EX", b"3600"])?,
    };
    Ok(())
}
