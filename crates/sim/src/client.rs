//! A client: it writes random commands to a node that it takes for the master, or reads from any. What it checks
//! itself are the replies that promise something: WAIT, and the two halves of a transaction.

use std::collections::VecDeque;
use std::time::Duration;

use base::Time;
use resp::{ReplyLimits, ReplyParser, Value};

use crate::env::Env;
use crate::network::Party;
use crate::queue::Event;
use crate::workload::{DATABASES, Words, random_command, random_upheaval, words};

/// How long a client waits for replies.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a reply is awaited for.
enum Awaited {
    /// It only has to come.
    Any,
    /// Whether the marker was written.
    Marker {
        /// The marker.
        marker: u32,
        /// When it was sent.
        since: Time,
    },
    /// How many replicas have it.
    Wait {
        /// The marker before it.
        marker: u32,
        /// When it was sent.
        since: Time,
    },
    /// Whose disks have it.
    WaitDisks {
        /// The marker before it.
        marker: u32,
        /// When it was sent.
        since: Time,
    },
    /// Both halves of a transaction.
    Halves,
}

/// What a client saw that the invariants must hear of.
pub(crate) enum Claim {
    /// The master said that the marker is written.
    Written {
        /// The marker.
        marker: u32,
        /// Who said it.
        by: usize,
        /// When it was sent.
        since: Time,
    },
    /// The master said that so many replicas have it.
    Replicated {
        /// The marker.
        marker: u32,
        /// Who said it.
        by: usize,
        /// How many.
        replicas: usize,
        /// When that was asked.
        since: Time,
    },
    /// The master said whose disks have the marker.
    OnDisk {
        /// The marker.
        marker: u32,
        /// Who said it.
        by: usize,
        /// Its own disk.
        local: bool,
        /// How many replicas' disks.
        replicas: usize,
        /// When that was asked.
        since: Time,
    },
    /// A reader saw the halves of a transaction.
    Halves {
        /// Who showed them.
        by: usize,
        /// What was shown.
        reply: Value,
    },
}

/// One client.
pub(crate) struct Client {
    index: usize,
    writes: bool,
    target: usize,
    key: Option<u64>,
    connected: bool,
    outbox: Vec<u8>,
    awaited: VecDeque<Awaited>,
    parser: ReplyParser,
    sent_at: Time,
    /// Numbers the turns of this client, so that an old plan is not carried out.
    plan_at: Option<Time>,
    markers: u32,
    written: Option<u32>,
    refused: bool,
    /// It is told to end.
    pub quiet: bool,
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(index: usize, writes: bool) -> Client {
        Client {
            index,
            writes,
            target: 0,
            key: None,
            connected: false,
            outbox: Vec::new(),
            awaited: VecDeque::new(),
            parser: ReplyParser::new(ReplyLimits::default()),
            sent_at: Time(0),
            plan_at: None,
            markers: 0,
            written: None,
            refused: false,
            quiet: false,
        }
    }

    /// Plans the next step.
    pub fn plan(&mut self, span: Duration, env: &mut Env) {
        let at = env.now() + span;
        self.plan_at = Some(at);
        env.queue.at(at, Event::Client(self.index));
    }

    /// Does what is planned. `masters` are the nodes that are meant to be masters.
    pub fn act(&mut self, masters: &[usize], env: &mut Env) {
        if self.plan_at != Some(env.now()) {
            return;
        }
        self.plan_at = None;
        if self.quiet {
            return self.hang_up(env);
        }
        if self.key.is_none() {
            let any = env.rng.usize(..env.plan.nodes);
            self.target = match masters.len() {
                count if count > 0 && self.writes && env.rng.u8(..10) > 0 => masters[env.rng.usize(..count)],
                _ => any,
            };
            self.key = Some(env.connect(Party::Client(self.index), self.target));
            self.plan(PATIENCE, env);
            return;
        }
        if !self.connected || !self.awaited.is_empty() {
            // Nothing for too long: somebody else may answer.
            self.hang_up(env);
            return self.plan_soon(env);
        }
        if self.refused || env.rng.u8(..50) == 0 {
            self.hang_up(env);
            return self.plan_soon(env);
        }
        if self.writes {
            self.send_writes(env)
        } else {
            self.send_reads(env)
        }
        self.flush(env);
        self.plan(PATIENCE, env);
    }

    fn plan_soon(&mut self, env: &mut Env) {
        let span = env.span_ms(0, env.plan.think_ms);
        self.plan(span, env);
    }

    /// The attempt to connect is answered.
    pub fn connected(&mut self, key: u64, connected: bool, env: &mut Env) {
        if self.key == Some(key) {
            self.connected = connected;
            if !connected {
                self.hang_up(env);
            }
            self.plan_soon(env);
        }
    }

    fn hang_up(&mut self, env: &mut Env) {
        if let Some(key) = self.key.take() {
            env.close((key, 0));
        }
        self.connected = false;
        self.refused = false;
        self.written = None;
        self.outbox.clear();
        self.awaited.clear();
        self.parser = ReplyParser::new(ReplyLimits::default());
    }

    fn send(&mut self, words: &Words, awaited: Awaited) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        resp::encode::command(&mut self.outbox, &words);
        self.awaited.push_back(awaited);
    }

    fn send_writes(&mut self, env: &mut Env) {
        let size = env.plan.value_bytes_max;
        for _ in 0..env.rng.usize(1..=6) {
            match env.rng.u8(..20) {
                0 => {
                    let db = env.rng.usize(..DATABASES);
                    self.send(&words(&["SELECT", &db.to_string()]), Awaited::Any);
                }
                1..=3 => self.send_transaction(env),
                4 | 5 => self.send_marker(env),
                6 if env.rng.u8(..4) == 0 => {
                    self.send(&words(&["SELECT", &(DATABASES - 1).to_string()]), Awaited::Any);
                    self.send(&random_upheaval(&mut env.rng), Awaited::Any);
                }
                _ => self.send(&random_command(&mut env.rng, size), Awaited::Any),
            }
        }
    }

    /// Two keys that are always written together; in half of the groups they stand in two databases.
    fn send_transaction(&mut self, env: &mut Env) {
        let (group, value) = (env.rng.u8(..6), env.rng.u32(..).to_string());
        let (a, b) = (format!("tx:{group}:a"), format!("tx:{group}:b"));
        self.send(&words(&["MULTI"]), Awaited::Any);
        self.send(&words(&["SELECT", "0"]), Awaited::Any);
        self.send(&words(&["SET", &a, &value]), Awaited::Any);
        for _ in 0..env.rng.u8(..3) {
            self.send(&random_command(&mut env.rng, env.plan.value_bytes_max), Awaited::Any);
        }
        if group >= 3 {
            self.send(&words(&["SELECT", "1"]), Awaited::Any);
        }
        self.send(&words(&["SET", &b, &value]), Awaited::Any);
        self.send(&words(&["EXEC"]), Awaited::Any);
    }

    /// A key that is written once and stays, and maybe a WAIT for it.
    fn send_marker(&mut self, env: &mut Env) {
        self.markers += 1;
        let marker = (self.index as u32) << 20 | self.markers;
        self.send(&words(&["SELECT", "0"]), Awaited::Any);
        self.send(&words(&["SET", &marker_key(marker), "1"]), Awaited::Marker { marker, since: env.now() });
        let replicas = env.rng.usize(1..env.plan.nodes).to_string();
        let timeout = env.rng.u32(1..2000).to_string();
        match env.rng.u8(..4) {
            0 | 1 => self.send(&words(&["WAIT", &replicas, &timeout]), Awaited::Wait { marker, since: env.now() }),
            2 => {
                let local = if env.rng.bool() { "1" } else { "0" };
                let question = words(&["WAITAOF", local, &replicas, &timeout]);
                self.send(&question, Awaited::WaitDisks { marker, since: env.now() });
            }
            _ => {}
        }
    }

    fn send_reads(&mut self, env: &mut Env) {
        let group = env.rng.u8(..3);
        let (a, b) = (format!("tx:{group}:a"), format!("tx:{group}:b"));
        self.send(&words(&["MGET", &a, &b]), Awaited::Halves);
        self.send(&words(&["SCAN", "0", "COUNT", "100"]), Awaited::Any);
    }

    fn flush(&mut self, env: &mut Env) {
        let Some(key) = self.key else { return };
        self.sent_at = env.now();
        while !self.outbox.is_empty() {
            match env.write((key, 0), &self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.hang_up(env);
                    return self.plan_soon(env);
                }
            }
        }
    }

    /// Something arrived: what the replies claim.
    pub fn arrived(&mut self, key: u64, env: &mut Env) -> Vec<Claim> {
        let mut claims = Vec::new();
        if self.key != Some(key) || !self.connected {
            return claims;
        }
        loop {
            match env.read((key, 0), usize::MAX) {
                Ok(bytes) if !bytes.is_empty() => self.take_replies(&bytes, &mut claims, env),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                _ => {
                    self.hang_up(env);
                    self.plan_soon(env);
                    return claims;
                }
            }
        }
        self.flush(env);
        if self.key.is_some() && self.awaited.is_empty() && self.plan_at.is_some() && self.outbox.is_empty() {
            self.plan_soon(env);
        }
        claims
    }

    fn take_replies(&mut self, mut bytes: &[u8], claims: &mut Vec<Claim>, env: &mut Env) {
        while let Ok(Some(reply)) = self.parser.parse(&mut bytes) {
            env.figures.replies += 1;
            let by = self.target;
            self.refused |= self.writes && reply.as_error().is_some_and(|text| text.starts_with(b"READONLY"));
            match self.awaited.pop_front() {
                None | Some(Awaited::Any) => {}
                Some(Awaited::Marker { marker, since }) => {
                    let written = reply == Value::Simple(b"OK".to_vec());
                    self.written = written.then_some(marker);
                    if written {
                        claims.push(Claim::Written { marker, by, since });
                    }
                }
                Some(Awaited::Wait { marker, since }) => {
                    let replicas = reply.as_int().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                    if self.written == Some(marker) && replicas > 0 {
                        claims.push(Claim::Replicated { marker, by, replicas, since });
                    }
                }
                Some(Awaited::WaitDisks { marker, since }) => {
                    let count = |at: usize| reply.as_slice().and_then(|counts| counts.get(at)?.as_int()).unwrap_or(0);
                    let (local, replicas) = (count(0) > 0, usize::try_from(count(1)).unwrap_or(0));
                    if self.written == Some(marker) && (local || replicas > 0) {
                        claims.push(Claim::OnDisk { marker, by, local, replicas, since });
                    }
                }
                Some(Awaited::Halves) => claims.push(Claim::Halves { by, reply }),
            }
        }
    }
}

/// The key of a marker; it stands in database 0.
pub(crate) fn marker_key(marker: u32) -> String {
    format!("ack:{marker}")
}
