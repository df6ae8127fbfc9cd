//! The same seeded random commands to our server, to Redis 7.0, which every reply is compared with, and to Valkey 8.0, a
//! descendant of 7.2, which says of what differs whether 7.2 changed it. Afterwards everything they hold is compared, again
//! after a reload and a restart, and on replicas.
//!
//! `commands.rs` has the commands, `words.rs` their arguments, `rules.rs` what may differ, `tally.rs` the outcome.

mod commands;
mod rules;
mod tally;
mod template;
mod wire;
mod words;

use crate::{Dataset, Peer, Server, settle, wait_for_link};
use client::Value;
use rules::Rule;
use std::collections::{BTreeSet, VecDeque};
pub use tally::{Kind, Tally};
use tally::{SET_OVER, Verdict};
use wire::{Command, RawReply, Wire};
use words::Words;

/// Ours, the one compared with, and the judge.
const SERVERS: [Peer; 3] = [Peer::Ours, Peer::Redis70, Peer::Valkey80];
const OURS: usize = 0;
const REDIS: usize = 1;
const JUDGE: usize = 2;

/// Low enough for dense HyperLogLogs, and the same everywhere: a replica that runs the same commands has the same bytes.
const SPARSE: &str = "hll-sparse-max-bytes 300";

/// Commands sent at once.
const BATCH: usize = 120;

/// Databases that commands write to.
const DATABASES: u32 = 4;

/// Deadlines set by the same command on two servers may be so far apart.
const APART_MS: i64 = 5_000;

/// Commands remembered for the story of a difference.
const HISTORY_MAX: usize = 20_000;

/// Longest part of a reply or an argument that is shown.
const SHOWN_MAX: usize = 300;

/// A comparison under way.
pub struct Comparison {
    servers: Vec<Server>,
    wires: Vec<Wire>,
    /// Replicas, each with the index of its master.
    replicas: Vec<(usize, Server)>,
    words: Words,
    tally: Tally,
    transaction: Transaction,
    history: VecDeque<Command>,
}

/// What WATCH and MULTI have begun.
#[derive(Default)]
struct Transaction {
    watched: Vec<Vec<u8>>,
    /// Whether one of them has been SET since with a deadline that is over.
    set_over: bool,
    /// Commands since MULTI.
    queued: Option<Vec<Command>>,
}

/// What a difference may have made unequal.
#[derive(Default)]
struct Tainted {
    keys: BTreeSet<Vec<u8>>,
    /// A transaction, or what changes whole databases, differed.
    all: bool,
}

impl Comparison {
    /// Starts the servers and replicas of each kind.
    pub fn start(seed: u64) -> Comparison {
        let servers: Vec<Server> =
            SERVERS.iter().map(|&peer| Server::start(peer, &["enable-debug-command yes", SPARSE])).collect();
        let follow = [(OURS, Peer::Ours), (OURS, Peer::Redis70), (REDIS, Peer::Ours)];
        let replicas = follow.map(|(master, peer)| {
            let replica = Server::start(peer, &[SPARSE]);
            replica.replicate(servers[master].port());
            wait_for_link(&replica);
            (master, replica)
        });
        let wires = servers.iter().map(|server| Wire::connect(server.peer().name(), &server.address())).collect();
        Comparison {
            servers,
            wires,
            replicas: replicas.into(),
            words: Words::new(seed),
            tally: Tally::default(),
            transaction: Transaction::default(),
            history: VecDeque::new(),
        }
    }

    /// Sends about so many commands and compares every reply.
    pub fn run(&mut self, commands: usize) {
        let goal = self.tally.total() + commands;
        while self.tally.total() < goal {
            let batch = commands::batch(&mut self.words, BATCH);
            self.send(&batch.commands);
            if batch.expires {
                crate::wait::pass(std::time::Duration::from_millis(20));
                // Whoever walks over all keys deletes those that are over.
                self.send(&[["SCAN", "0", "COUNT", "1000000"].map(|word| word.as_bytes().to_vec()).to_vec()]);
            }
            match self.words.rng.u32(..300) {
                0..40 => self.restore(),
                40..80 => self.walk(),
                80 => self.reload(),
                _ => {}
            }
        }
    }

    /// What was found so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Compares everything held, then again after a reload, after a restart of ours, and on the replicas. What differs is
    /// returned, a text each.
    pub fn finish(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for index in [OURS, REDIS, JUDGE] {
            self.wires[index].call(&[b"HELLO", b"2"]);
        }
        found.extend(self.compare_data("at the end"));
        found.extend(self.compare_encodings());
        for (master, replica) in &self.replicas {
            let master = &self.servers[*master];
            settle(master, &[replica]);
            found.extend(crate::differences(master, replica).map(|text| format!("on a replica: {text}")));
        }
        self.reload();
        found.extend(self.compare_data("after DEBUG RELOAD"));
        self.servers[OURS].run("SAVE");
        self.servers[OURS].terminate();
        self.servers[OURS].start_again(&[]);
        found.extend(self.compare_data("after a restart"));
        found
    }

    fn send(&mut self, batch: &[Command]) {
        self.wires.iter_mut().for_each(|wire| wire.send(batch));
        let mut tainted = Tainted::default();
        for command in batch {
            let replies: Vec<RawReply> = self.wires.iter_mut().map(Wire::reply).collect();
            self.remember(command);
            self.take(command, &replies, &mut tainted);
        }
        self.forget(&tainted);
    }

    fn remember(&mut self, command: &Command) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(command.clone());
    }

    /// Compares the replies to one command. The keys of a command whose replies differ are `tainted`.
    fn take(&mut self, command: &Command, replies: &[RawReply], tainted: &mut Tainted) {
        let [ours, redis, judge] = replies else { unreachable!("there are three servers") };
        let name = String::from_utf8_lossy(&command[0]).to_uppercase();
        let (done, refused) = self.tally.commands.entry(name.clone()).or_default();
        *(if ours.value.as_error().is_some() { refused } else { done }) += 1;
        let Transaction { watched, set_over, queued } = self.transaction(&name, command, ours);
        let parts = queued.unwrap_or_default();
        let all = parts.iter().flat_map(keys).chain(keys(command)).map(<[u8]>::to_vec);
        let touched: BTreeSet<Vec<u8>> = all.chain(watched).collect();
        if tainted.all || tainted.keys.intersection(&touched).next().is_some() {
            self.tally.skipped += 1;
            tainted.keys.extend(touched);
            return;
        }
        let mut verdict = if ours.bytes == redis.bytes {
            Verdict::Equal
        } else {
            verdict_of_parts(command, &parts, [&ours.value, &redis.value, &judge.value])
        };
        let refused = matches!(redis.value, Value::Null | Value::NullArray);
        if let Verdict::Newer(kind) = &mut verdict
            && set_over
            && refused
        {
            kind.push_str(SET_OVER);
        }
        let judge_differs = judge.bytes != ours.bytes
            && !matches!(
                verdict_of_parts(command, &parts, [&judge.value, &ours.value, &ours.value]),
                Verdict::Equal | Verdict::Normalised(_)
            );
        let replies_of_parts = ours.value.as_slice().unwrap_or_default();
        let half_done = rules::is_half_done(command, &ours.value)
            || parts.iter().zip(replies_of_parts).any(|(part, reply)| rules::is_half_done(part, reply));
        if half_done || judge_differs || matches!(verdict, Verdict::Newer(_) | Verdict::Different(_)) {
            tainted.keys.extend(touched.clone());
            let queued = self.transaction.queued.is_some() || !parts.is_empty();
            tainted.all |= queued || matches!(&name[..], "EXEC" | "SELECT" | "SWAPDB" | "MOVE" | "FLUSHDB");
        }
        let history = &self.history;
        self.tally.count(verdict, || story(history, command, &touched, replies));
    }

    /// Follows transactions; returns the one that has ended with this command.
    fn transaction(&mut self, name: &str, command: &Command, reply: &RawReply) -> Transaction {
        let open = &mut self.transaction;
        match (name, &reply.value) {
            ("WATCH", Value::Simple(text)) if text == b"OK" => open.watched.extend_from_slice(&command[1..]),
            ("MULTI", Value::Simple(_)) => open.queued = Some(Vec::new()),
            ("EXEC" | "DISCARD", _) if command.len() == 1 => return std::mem::take(open),
            (_, Value::Simple(text)) if text == b"QUEUED" => {
                open.queued.as_mut().expect("MULTI came before").push(command.clone());
            }
            ("SET", _) => open.set_over |= rules::is_set_over(command) && open.watched.contains(&command[1]),
            _ => {}
        }
        Transaction::default()
    }

    /// Removes what servers may hold different values of.
    fn forget(&mut self, tainted: &Tainted) {
        let mut commands = Vec::new();
        if tainted.all {
            commands.push(vec![b"FLUSHALL".to_vec()]);
        } else if !tainted.keys.is_empty() {
            for database in 1..DATABASES {
                commands.push(vec![b"SELECT".to_vec(), database.to_string().into_bytes()]);
                commands.push([b"DEL".to_vec()].into_iter().chain(tainted.keys.iter().cloned()).collect());
            }
        } else {
            return;
        }
        commands.push(vec![b"SELECT".to_vec(), b"0".to_vec()]);
        commands.push([b"DEL".to_vec()].into_iter().chain(tainted.keys.iter().cloned()).collect());
        self.wires.iter_mut().for_each(|wire| wire.send(&commands));
        for command in &commands {
            self.wires.iter_mut().for_each(|wire| drop(wire.reply()));
            self.remember(command);
        }
    }

    /// A payload of Redis 7.0 is restored on all servers; one of ours and of the judge's on each other.
    fn restore(&mut self) {
        let mut command = Vec::new();
        self.words.draw("any", &mut command);
        let key = command.remove(0);
        let payloads: Vec<_> = self.wires.iter_mut().map(|wire| wire.call(&[b"DUMP", &key]).value).collect();
        for (from, to) in [(OURS, JUDGE), (JUDGE, OURS)] {
            let (Some(payload), Some(_)) = (payloads[from].as_bytes(), payloads[to].as_bytes()) else { continue };
            // The digest tells whether there is a deadline.
            let timed = self.wires[to].call(&[b"PTTL", &key]).value.as_int().is_some_and(|left| left >= 0);
            let ttl: &[u8] = if timed { b"1000000000" } else { b"0" };
            let reply = self.wires[to].call(&[b"RESTORE", b"restored", ttl, payload, b"REPLACE"]);
            let digests = self.wires[to].call(&[b"DEBUG", b"DIGEST-VALUE", &key, b"restored"]).value;
            let mut scores = |key: &[u8]| self.wires[to].call(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]).value;
            let (before, after) = (scores(&key), scores(b"restored"));
            self.wires[to].call(&[b"DEL", b"restored"]);
            let unsigned = rules::without_signs_of_zero;
            let same = digests.as_slice().is_some_and(|pair| pair[0] == pair[1])
                || before.as_error().is_none() && unsigned(&before) == unsigned(&after);
            let verdict = if same {
                Verdict::Equal
            } else {
                Verdict::Different(format!("a payload restored on {}", SERVERS[to].name()))
            };
            let story = || format!("{}: {}", key.escape_ascii(), shown(&reply.bytes));
            self.tally.count(verdict, story);
        }
        if let Some(payload) = payloads[REDIS].as_bytes() {
            self.words.draw("any", &mut command);
            let restore =
                [b"RESTORE".to_vec(), command.remove(0), b"0".to_vec(), payload.to_vec(), b"REPLACE".to_vec()];
            self.send(&[restore.to_vec()]);
        }
    }

    /// Walks a collection or a database step by step on each server: all must come upon the same elements.
    fn walk(&mut self) {
        let (name, pool): (&[u8], _) =
            [(&b"SCAN"[..], "any"), (b"SSCAN", "s"), (b"HSCAN", "h"), (b"ZSCAN", "z")][self.words.rng.usize(..4)];
        let mut key = Vec::new();
        self.words.draw(pool, &mut key);
        let count = self.words.rng.u32(1..50).to_string();
        let width = if matches!(name, b"HSCAN" | b"ZSCAN") { 2 } else { 1 };
        let mut walks = Vec::new();
        for wire in &mut self.wires {
            let mut met = BTreeSet::new();
            let mut cursor = b"0".to_vec();
            loop {
                let head: Vec<&[u8]> = if name == b"SCAN" { vec![name] } else { vec![name, &key[0]] };
                let words = [&head[..], &[&cursor, b"COUNT", count.as_bytes()]].concat();
                let reply = wire.call(&words).value;
                let Some([next, elements]) = reply.as_slice() else { break };
                let plain = rules::with_plain_numbers(elements);
                let elements = plain.as_slice().unwrap_or_default();
                met.extend(elements.chunks(width).map(|element| format!("{element:?}")));
                cursor = next.as_bytes().unwrap_or(b"0").to_vec();
                if cursor == b"0" {
                    break;
                }
            }
            walks.push(met);
        }
        let name = String::from_utf8_lossy(name);
        let verdict = if walks[OURS] == walks[REDIS] {
            Verdict::Normalised("a walk with a cursor meets the same elements")
        } else {
            Verdict::Different(format!("a walk with {name}"))
        };
        let story = || {
            let only = |a: usize, b: usize| walks[a].difference(&walks[b]).take(5).cloned().collect::<Vec<_>>();
            let (mine, theirs) = (only(OURS, REDIS), only(REDIS, OURS));
            format!("{:?}: only ours {mine:?}, only redis70 {theirs:?}", key[0].escape_ascii().to_string())
        };
        self.tally.count(verdict, story);
    }

    fn reload(&mut self) {
        for wire in &mut self.wires {
            let reply = wire.call(&[b"DEBUG", b"RELOAD"]);
            assert!(reply.value.as_error().is_none(), "DEBUG RELOAD: {:?}", reply.value);
        }
    }

    /// How the data of ours differs from that of Redis 7.0.
    fn compare_data(&self, when: &str) -> Option<String> {
        let ours = Dataset::read(&mut self.servers[OURS].client());
        let theirs = Dataset::read(&mut self.servers[REDIS].client());
        assert!(!ours.is_empty(), "empty servers prove nothing");
        let differences = ours.differences_within(APART_MS, "lockstep", &theirs, "redis70");
        differences.map(|text| format!("{when}: {text}"))
    }

    /// Which keys have an encoding that neither the judge nor Redis 7.0 has.
    fn compare_encodings(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for database in 0..DATABASES {
            let database = database.to_string();
            self.wires.iter_mut().for_each(|wire| drop(wire.call(&[b"SELECT", database.as_bytes()])));
            let keys = self.wires[OURS].call(&[b"KEYS", b"*"]).value;
            for key in keys.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes) {
                let ask = |wire: &mut Wire| wire.call(&[b"OBJECT", b"ENCODING", key]).value;
                let encodings: Vec<_> = self.wires.iter_mut().map(ask).collect();
                let known = rules::reason_of_encoding(&encodings[OURS], &encodings[JUDGE]).is_some();
                if !encodings[1..].contains(&encodings[OURS]) && !known {
                    let key = key.escape_ascii();
                    found.push(format!("encoding of {key} in database {database}: {encodings:?}"));
                }
            }
        }
        found
    }
}

/// The words of a command that may be keys.
fn keys(command: &Command) -> impl Iterator<Item = &[u8]> {
    command.iter().skip(1).map(Vec::as_slice).filter(|word| words::is_key(word))
}

/// Compares replies of ours, Redis 7.0 and the judge; those to an EXEC part by part.
fn verdict_of_parts(command: &Command, parts: &[Command], values: [&Value; 3]) -> Verdict {
    let slices = values.map(|value| value.as_slice().filter(|items| !parts.is_empty() && items.len() == parts.len()));
    let [Some(ours), Some(redis), Some(judge)] = slices else { return verdict(command, values) };
    let mut worst = Verdict::Equal;
    for (index, part) in parts.iter().enumerate() {
        match verdict(part, [&ours[index], &redis[index], &judge[index]]) {
            Verdict::Equal => {}
            found @ Verdict::Different(_) => return found,
            found @ Verdict::Newer(_) => worst = found,
            found @ Verdict::Normalised(_) if worst == Verdict::Equal => worst = found,
            Verdict::Normalised(_) => {}
        }
    }
    worst
}

fn verdict(command: &Command, [ours, redis, judge]: [&Value; 3]) -> Verdict {
    let rule = Rule::of(command);
    if ours == redis {
        return Verdict::Equal;
    }
    if rule.agree(ours, redis) {
        return Verdict::Normalised(rule.reason());
    }
    let as_judge = rule.agree(ours, judge);
    if as_judge && matches!(rule, Rule::Encoding | Rule::Dump) {
        return Verdict::Normalised(rule.reason());
    }
    if rule == Rule::Encoding
        && let Some(reason) = rules::reason_of_encoding(ours, judge)
    {
        return Verdict::Normalised(reason);
    }
    let (plain, unsigned) = (rules::with_plain_numbers, rules::without_signs_of_zero);
    if rules::has_numbers(command)
        && rule.agree(&unsigned(ours), &unsigned(judge))
        && rule.agree(&plain(ours), &plain(redis))
    {
        return Verdict::Normalised("7.2 writes numbers as short as they can be; a zero in a small set has no sign");
    }
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    let name = if name.ends_with('Q') { "an unknown command" } else { &name };
    let kind = format!("{name}: {} instead of {}", outline(ours), outline(redis));
    if as_judge { Verdict::Newer(kind) } else { Verdict::Different(kind) }
}

/// What tells one kind of reply from another.
fn outline(value: &Value) -> String {
    match value {
        Value::Error(text) => {
            let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_ascii_digit()).take(70).collect();
            format!("\"{}\"", text.escape_debug())
        }
        Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Int(_) => "a number".to_owned(),
        Value::Bulk(_) => "a string".to_owned(),
        Value::Null | Value::NullArray => "null".to_owned(),
        Value::Array(_) | Value::Set(_) | Value::Map(_) => "elements".to_owned(),
        _ => "a value".to_owned(),
    }
}

/// A difference with the last commands that had to do with its keys.
fn story(history: &VecDeque<Command>, command: &Command, keys: &BTreeSet<Vec<u8>>, replies: &[RawReply]) -> String {
    let concerns = |earlier: &&Command| {
        earlier.iter().skip(1).any(|word| keys.contains(word)) || matches!(&earlier[0][..], b"SWAPDB")
    };
    let mut lines: Vec<String> = history.iter().rev().skip(1).filter(concerns).take(12).map(line).collect();
    lines.reverse();
    lines.push(format!("> {}", line(command)));
    for (peer, reply) in SERVERS.iter().zip(replies) {
        lines.push(format!("{:>9}: {}", peer.name(), shown(&reply.bytes)));
    }
    lines.join("\n")
}

fn line(command: &Command) -> String {
    let words: Vec<_> = command.iter().map(|word| format!("\"{}\"", shown(word))).collect();
    shown(words.join(" ").as_bytes()).replace("\\\\", "\\").replace("\\\"", "\"")
}

fn shown(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN_MAX { "…" } else { "" };
    format!("{}{more}", bytes[..bytes.len().min(SHOWN_MAX)].escape_ascii())
}
