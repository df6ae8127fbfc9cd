//! `cargo xtask bench counts`: processor instructions per request, counted by valgrind. They repeat to a thousandth where
//! times do not, so that a change which costs something shows. Each run adds a line to docs/counts.md.
//!
//! Every kind of request is counted twice from a fresh start, once with twice as many requests: the difference is what
//! they cost, without start and end.

use super::load::Numbers;
use super::servers::{Programs, Server};
use super::{Options, page};
use crate::{Outcome, workspace};
use client::Client;
use std::path::Path;

/// Requests of the shorter run.
const REQUESTS: u64 = 20_000;
/// Names, fields and members are chosen from so many.
const NAMES: u64 = 10_000;
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HEAD: &str = "# Instruction counts\n\nInstructions of the server per request, in user mode, counted by valgrind: one \
connection, values of 64 bytes, 10,000 names, pipelines of P. Every line was written by `cargo xtask bench counts` on a \
checkout of the commit that it names, or with changes on top where it says so.\n";

/// One kind of request.
struct Work {
    name: &'static str,
    pipeline: u64,
    /// What is sent before, to have something to find.
    before: Option<fn(u64) -> Vec<String>>,
    request: fn(u64) -> Vec<String>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn name(kind: &str, random: u64) -> String {
    format!("{kind}:{:012}", random % NAMES)
}

fn set(random: u64) -> Vec<String> {
    words(&["SET", &name("key", random), VALUE])
}

fn get(random: u64) -> Vec<String> {
    words(&["GET", &name("key", random)])
}

fn push(_random: u64) -> Vec<String> {
    words(&["LPUSH", "list", VALUE])
}

fn mset(random: u64) -> Vec<String> {
    let pairs = (0..10).flat_map(|nth| [name("key", random.rotate_left(nth * 6)), VALUE.to_owned()]);
    std::iter::once("MSET".to_owned()).chain(pairs).collect()
}

const WORKS: &[Work] = &[
    Work { name: "SET, P=1", pipeline: 1, before: Some(set), request: set },
    Work { name: "GET, P=1", pipeline: 1, before: Some(set), request: get },
    Work { name: "SET, P=16", pipeline: 16, before: Some(set), request: set },
    Work { name: "GET, P=16", pipeline: 16, before: Some(set), request: get },
    Work {
        name: "INCR, P=16",
        pipeline: 16,
        before: None,
        request: |random| words(&["INCR", &name("number", random)]),
    },
    Work { name: "LPUSH, P=16", pipeline: 16, before: None, request: push },
    Work { name: "RPOP, P=16", pipeline: 16, before: Some(push), request: |_| words(&["RPOP", "list"]) },
    Work {
        name: "SADD, P=16",
        pipeline: 16,
        before: None,
        request: |random| words(&["SADD", "set", &name("element", random)]),
    },
    Work {
        name: "HSET, P=16",
        pipeline: 16,
        before: None,
        request: |random| words(&["HSET", "hash", &name("element", random), VALUE]),
    },
    Work {
        name: "ZADD, P=16",
        pipeline: 16,
        before: None,
        request: |random| words(&["ZADD", "zset", &(random >> 40).to_string(), &name("element", random)]),
    },
    Work { name: "MSET of 10, P=1", pipeline: 1, before: None, request: mset },
    Work {
        name: "LRANGE of 100, P=1",
        pipeline: 1,
        before: Some(push),
        request: |_| words(&["LRANGE", "list", "0", "99"]),
    },
];

/// Counts and adds the line.
pub fn run(options: &Options) -> Outcome<()> {
    let programs = Programs::find(options.program.as_deref())?;
    let mut names = Vec::new();
    let mut counts = Vec::new();
    for work in WORKS.iter().filter(|work| options.only.as_ref().is_none_or(|only| work.name.contains(only))) {
        let short = instructions(&programs, work, REQUESTS)?;
        let long = instructions(&programs, work, 2 * REQUESTS)?;
        let each = long.saturating_sub(short) / REQUESTS;
        println!("{}: {each} instructions", work.name);
        names.push(work.name);
        counts.push(each.to_string());
    }
    if options.only.is_some() {
        return Ok(()); // A part would stand on the page as if it were the whole.
    }
    let head = format!("| commit | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len()));
    let line = format!("| {} | {} |\n", page::commit(), counts.join(" | "));
    add(&workspace::root().join("docs/counts.md"), &head, &line)
}

/// Adds a line to the table; one with other columns begins anew below.
fn add(path: &Path, head: &str, line: &str) -> Outcome<()> {
    let mut text = std::fs::read_to_string(path).unwrap_or_else(|_| HEAD.to_owned());
    if !text.contains(head) {
        text.push('\n');
        text.push_str(head);
    }
    text.push_str(line);
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// How many instructions a server takes from its start to its end with so many requests between.
fn instructions(programs: &Programs, work: &Work, requests: u64) -> Outcome<u64> {
    let server = programs.start_counted()?;
    let mut client = server.connect()?;
    let mut numbers = Numbers(1);
    if let Some(before) = work.before {
        send(&mut client, 2 * REQUESTS, 100, &mut numbers, before)?;
    }
    send(&mut client, requests, work.pipeline, &mut numbers, work.request)?;
    drop(client);
    counted(server)
}

fn send(
    client: &mut Client,
    requests: u64,
    pipeline: u64,
    numbers: &mut Numbers,
    request: fn(u64) -> Vec<String>,
) -> Outcome<()> {
    for _ in 0..requests.div_ceil(pipeline) {
        let mut bytes = Vec::new();
        for _ in 0..pipeline {
            let request = request(numbers.next());
            let request: Vec<&[u8]> = request.iter().map(String::as_bytes).collect();
            resp::encode::command(&mut bytes, &request);
        }
        client.send_raw(&bytes).map_err(|error| error.to_string())?;
        for _ in 0..pipeline {
            if let client::Value::Error(text) = client.reply().map_err(|error| error.to_string())? {
                return Err(String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    Ok(())
}

/// Ends a server that valgrind runs: what it has counted.
fn counted(mut server: Server) -> Outcome<u64> {
    server.stop()?;
    let text = server.read_file("counts")?;
    let summary = text.lines().find_map(|line| line.strip_prefix("summary:"));
    let count = summary.and_then(|summary| summary.trim().parse().ok());
    count.ok_or_else(|| format!("{}: valgrind has written no summary", server.name))
}
