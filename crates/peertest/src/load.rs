//! A writer in a thread of its own: the mix of `load/mix.rs`, batch after batch, until it is stopped. A server that
//! goes away is waited for, so that tests may kill it.

mod mix;

use client::{Client, Value};
use mix::Mix;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two batches, so that a load on two cores leaves the servers room.
const PAUSE: Duration = Duration::from_millis(2);

/// Between two attempts to reach a server that is away.
const PAUSE_AWAY: Duration = Duration::from_millis(20);

const TIMEOUT: Duration = Duration::from_secs(10);

/// Errors that the mix runs into by its nature: keys come and go.
const ERRORS_EXPECTED: &[&str] = &[
    "ERR no such key",
    "ERR index out of range",
    "ERR source and destination objects are the same",
    "ERR The ID specified in XADD is equal or smaller",
    "BUSYGROUP",
    "NOGROUP",
];

/// A running writer.
pub struct Load {
    stop: Sender<()>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<LoadReport>>,
}

/// What a writer saw.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// Commands that got a reply.
    pub commands: u64,
    /// Error replies that a healthy server does not give, with their number.
    pub errors: BTreeMap<String, u64>,
    /// How often the connection was lost.
    pub disconnects: u64,
}

impl LoadReport {
    /// Panics if the server refused anything that it should not have.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.errors.is_empty(), "the load was answered by errors: {:?}", self.errors);
    }
}

impl Load {
    /// Starts writing to the server at `address`; the same seed gives the same commands.
    pub fn start(address: &str, seed: u64) -> Load {
        Load::start_mix(address, Mix::new(seed, false))
    }

    /// The same with deadlines of fields, for servers that all know them.
    pub fn start_with_field_deadlines(address: &str, seed: u64) -> Load {
        Load::start_mix(address, Mix::new(seed, true))
    }

    fn start_mix(address: &str, mut mix: Mix) -> Load {
        let (stop, stopped) = channel();
        let written = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn({
            let address = address.to_owned();
            let written = written.clone();
            move || {
                let mut report = LoadReport::default();
                let mut client = None;
                loop {
                    let pause =
                        if write_batch(&address, &mut client, &mut mix, &mut report) { PAUSE } else { PAUSE_AWAY };
                    written.store(report.commands, Ordering::Relaxed);
                    if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                        return report;
                    }
                }
            }
        });
        Load { stop, written, thread: Some(thread) }
    }

    /// Commands that got a reply so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends the writing.
    pub fn stop(mut self) -> LoadReport {
        // If the thread has ended by a panic, joining it tells.
        let _ = self.stop.send(());
        let thread = self.thread.take().expect("only stopping takes it");
        thread.join().expect("the writer does not panic")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes one batch; false if the server is away.
fn write_batch(address: &str, connection: &mut Option<Client>, mix: &mut Mix, report: &mut LoadReport) -> bool {
    let mut client = match connection.take() {
        Some(client) => client,
        None => match Client::connect(address, TIMEOUT) {
            Ok(client) => client,
            Err(_) => return false,
        },
    };
    let batch = mix.batch();
    let commands: Vec<Vec<&[u8]>> = batch.iter().map(|command| command.iter().map(Vec::as_slice).collect()).collect();
    match client.pipeline(commands.iter().map(Vec::as_slice)) {
        Ok(replies) => {
            report.commands += replies.len() as u64;
            replies.iter().for_each(|reply| note_errors(reply, report));
            *connection = Some(client);
            true
        }
        Err(_) => {
            report.disconnects += 1;
            false
        }
    }
}

fn note_errors(reply: &Value, report: &mut LoadReport) {
    if let Some(text) = reply.as_error() {
        let text = String::from_utf8_lossy(text).into_owned();
        if !ERRORS_EXPECTED.iter().any(|expected| text.starts_with(expected)) {
            *report.errors.entry(text).or_default() += 1;
        }
    }
    // Replies of a transaction.
    reply.as_slice().unwrap_or_default().iter().for_each(|reply| note_errors(reply, report));
}

/// Sets `count` string keys `prefix:0`, `prefix:1` … of `length` bytes that do not compress.
#[track_caller]
pub fn fill(client: &mut Client, prefix: &str, count: usize, length: usize) {
    const BATCH: usize = 500;
    let mut rng = fastrand::Rng::with_seed(count as u64);
    for first in (0..count).step_by(BATCH) {
        let mut pairs = Vec::new();
        for index in first..count.min(first + BATCH) {
            let value: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
            pairs.push((format!("{prefix}:{index}").into_bytes(), value));
        }
        let commands: Vec<[&[u8]; 3]> = pairs.iter().map(|(key, value)| [b"SET".as_slice(), key, value]).collect();
        let replies = client.pipeline(commands.iter().map(|command| command.as_slice())).expect("the server is up");
        let refused = replies.iter().find(|reply| reply.as_error().is_some());
        assert!(refused.is_none(), "filling was refused: {refused:?}");
    }
}
