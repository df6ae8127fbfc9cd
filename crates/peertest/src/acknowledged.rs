//! A writer that remembers what was acknowledged: what a server said yes to must be there afterwards, whatever happened
//! to the server in between.

use client::{Client, Value};
use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const KEYS: u64 = 50;
const TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_micros(500);
const PAUSE_AWAY: Duration = Duration::from_millis(10);

/// A running writer of rising numbers, one command at a time.
pub struct Acknowledged {
    stop: Sender<()>,
    thread: Option<JoinHandle<Written>>,
}

/// What it wrote.
#[derive(Debug, Default)]
pub struct Written {
    /// For each key the last number that was acknowledged, and the last that was sent.
    numbers: BTreeMap<String, (u64, u64)>,
}

impl Acknowledged {
    /// Starts writing to the server at `address`, which may go away and come back.
    pub fn start(address: &str) -> Acknowledged {
        Acknowledged::start_named(address, "acknowledged")
    }

    /// The same beside other writers: its keys begin with this name.
    pub fn start_named(address: &str, name: &str) -> Acknowledged {
        let (stop, stopped) = channel();
        let (address, name) = (address.to_owned(), name.to_owned());
        let thread = std::thread::spawn(move || {
            let mut written = Written::default();
            let mut connection = None;
            let mut number = 0;
            loop {
                number += 1;
                let went = write(&address, &name, &mut connection, number, &mut written);
                let pause = if went { PAUSE } else { PAUSE_AWAY };
                if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return written;
                }
            }
        });
        Acknowledged { stop, thread: Some(thread) }
    }

    /// Ends the writing.
    pub fn stop(mut self) -> Written {
        let _ = self.stop.send(());
        self.thread.take().expect("only stopping takes it").join().expect("the writer does not panic")
    }
}

fn write(address: &str, name: &str, connection: &mut Option<Client>, number: u64, written: &mut Written) -> bool {
    let Some(mut client) = connection.take().or_else(|| Client::connect(address, TIMEOUT).ok()) else { return false };
    let key = format!("{name}:{}", number % KEYS);
    let entry = written.numbers.entry(key.clone()).or_default();
    entry.1 = number;
    let reply = client.call(&[b"SET", key.as_bytes(), number.to_string().as_bytes()]);
    let ok = matches!(reply, Ok(Value::Simple(_)));
    if ok {
        entry.0 = number;
    }
    // An error reply (LOADING) leaves the connection as it is.
    if reply.is_ok() {
        *connection = Some(client);
    }
    ok
}

impl Written {
    /// How many numbers were acknowledged at least.
    pub fn len(&self) -> usize {
        self.numbers.values().filter(|(acknowledged, _)| *acknowledged > 0).count()
    }

    /// Whether nothing was acknowledged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Panics if the server lacks something that was acknowledged.
    #[track_caller]
    pub fn assert_kept(&self, client: &mut Client) {
        assert!(!self.is_empty(), "nothing was acknowledged, which proves nothing");
        for (key, (acknowledged, sent)) in &self.numbers {
            let value = client.call(&[b"GET", key.as_bytes()]).expect("the server is up");
            let number = value.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            let kept = (*acknowledged..=*sent).contains(&number);
            assert!(kept, "{key} is {number}, but {acknowledged} was acknowledged ({sent} sent last)");
        }
    }
}
