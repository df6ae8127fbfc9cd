//! What the servers are given to do: the keys, random overwrites at a fixed rate, and a probe that takes the time of
//! single writes.

use crate::Outcome;
use crate::bench::servers::Server;
use client::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of each value.
pub const VALUE_BYTES: usize = 64;
/// Keys set by one round trip while filling.
const FILL_BATCH: u64 = 1000;
/// How often overwrites are sent, a small batch each time.
const OVERWRITE_EVERY: Duration = Duration::from_millis(1);
/// How often a write is timed.
const PROBE_EVERY: Duration = Duration::from_millis(1);

/// Pseudo-random numbers: the same for every server. (splitmix64)
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn value(&mut self) -> String {
        (0..VALUE_BYTES / 16).map(|_| format!("{:016x}", self.next())).collect()
    }
}

/// A SET of key number `key`.
fn put_set(out: &mut Vec<u8>, key: u64, numbers: &mut Numbers) {
    let value = numbers.value();
    out.extend_from_slice(
        format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${VALUE_BYTES}\r\n{value}\r\n").as_bytes(),
    );
}

/// Sends `count` SETs at once and waits for their replies.
fn set_many(client: &mut Client, count: u64, numbers: &mut Numbers, key: impl Fn(u64, u64) -> u64) -> Outcome<()> {
    let mut bytes = Vec::with_capacity(count as usize * (VALUE_BYTES + 50));
    for place in 0..count {
        let random = numbers.next();
        put_set(&mut bytes, key(place, random), numbers);
    }
    client.send_raw(&bytes).map_err(|error| error.to_string())?;
    for _ in 0..count {
        match client.reply().map_err(|error| error.to_string())? {
            client::Value::Error(text) => return Err(format!("SET: {}", String::from_utf8_lossy(&text))),
            _ => continue,
        }
    }
    Ok(())
}

/// Sets keys 0 to `keys`.
pub fn fill(server: &Server, keys: u64) -> Outcome<()> {
    let mut client = server.connect()?;
    let mut numbers = Numbers(1);
    for first in (0..keys).step_by(FILL_BATCH as usize) {
        set_many(&mut client, FILL_BATCH.min(keys - first), &mut numbers, |place, _| first + place)?;
    }
    Ok(())
}

/// Overwrites and a probe, until stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    overwriter: JoinHandle<Outcome<()>>,
    probe: JoinHandle<Outcome<Vec<(Instant, Duration)>>>,
}

impl Load {
    /// Begins to overwrite `rate` random ones of `keys` keys a second.
    pub fn start(server: &Server, keys: u64, rate: u64) -> Outcome<Load> {
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let (mut client, until, count) = (server.connect()?, Arc::clone(&stop), Arc::clone(&written));
        let overwriter = std::thread::spawn(move || overwrite(&mut client, keys, rate, &until, &count));
        let (mut client, until) = (server.connect()?, Arc::clone(&stop));
        let probe = std::thread::spawn(move || probe(&mut client, keys, &until));
        Ok(Load { stop, written, overwriter, probe })
    }

    /// Overwrites so far.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Ends both: when the probe's writes were due, and how long they took.
    pub fn stop(self) -> Outcome<Vec<(Instant, Duration)>> {
        self.stop.store(true, Relaxed);
        self.overwriter.join().map_err(|_| "the overwriting thread panicked")??;
        self.probe.join().map_err(|_| "the probing thread panicked")?
    }
}

fn overwrite(client: &mut Client, keys: u64, rate: u64, stop: &AtomicBool, written: &AtomicU64) -> Outcome<()> {
    let mut numbers = Numbers(2);
    let started = Instant::now();
    while !stop.load(Relaxed) {
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        let count = due.saturating_sub(written.load(Relaxed)).min(FILL_BATCH);
        set_many(client, count, &mut numbers, |_, random| random % keys)?;
        written.fetch_add(count, Relaxed);
        std::thread::sleep(OVERWRITE_EVERY);
    }
    Ok(())
}

/// A write that could not be sent in time because the one before took so long counts from when it was due.
fn probe(client: &mut Client, keys: u64, stop: &AtomicBool) -> Outcome<Vec<(Instant, Duration)>> {
    let mut numbers = Numbers(3);
    let mut timed = Vec::new();
    let mut due = Instant::now();
    let mut free = due;
    while !stop.load(Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let from = if free > due { due } else { Instant::now() };
        set_many(client, 1, &mut numbers, |_, random| random % keys)?;
        free = Instant::now();
        timed.push((from, free - from));
        due += PROBE_EVERY;
    }
    Ok(timed)
}
