//! What our server says of its commands beside what Valkey 8.0 says: COMMAND, the structure of COMMAND DOCS, and which
//! subcommands HELP names. The texts are our own.

use peertest::{Client, Peer, Server, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Facts of one command by what they are about.
type Facts = BTreeMap<String, String>;

/// Where we follow Redis 7.2 and Valkey 8.0 does not: command, fact, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("bitcount", "arguments", "an end without a unit is a block of its own in Valkey"),
    ("client|kill", "arguments", "PRIMARY and MAXAGE are of later versions than 7.2"),
    ("multi", "flags", "Valkey marks it as refused in MULTI before it runs"),
    ("shutdown", "arguments", "Valkey groups ABORT against the others"),
    ("watch", "flags", "Valkey marks it as refused in MULTI before it runs"),
];

/// Commands with HELP.
const CONTAINERS: [&str; 11] =
    ["CLIENT", "COMMAND", "CONFIG", "DEBUG", "LATENCY", "MEMORY", "OBJECT", "PUBSUB", "SLOWLOG", "XGROUP", "XINFO"];

#[test]
fn commands_are_described_as_valkey_80_describes_them() {
    let ours = facts(&mut Server::start(Peer::Ours, &[]).client());
    let theirs = facts(&mut Server::start(Peer::Valkey80, &[]).client());
    let mut report = String::new();
    let mut compared = 0;
    // CLUSTER is refused, and described as by Redis 7.2: Valkey 8.0 changed it.
    for (name, ours) in ours.iter().filter(|(name, _)| !name.starts_with("cluster|")) {
        let Some(theirs) = theirs.get(name) else { continue };
        compared += 1;
        let about: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for about in about {
            let excepted = EXCEPTIONS.iter().any(|(command, fact, _)| command == name && fact == about);
            if (ours.get(about) != theirs.get(about)) != excepted {
                let (ours, theirs) = (ours.get(about), theirs.get(about));
                report.push_str(&format!("{name} {about}\n  ours   {ours:?}\n  theirs {theirs:?}\n"));
            }
        }
    }
    assert!(compared > 250, "only {compared} commands are on both sides");
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn help_names_the_subcommands_that_there_are_as_valkey_80_names_them() {
    let (ours, theirs) = (Server::start(Peer::Ours, ENABLED), Server::start(Peer::Valkey80, ENABLED));
    for container in CONTAINERS {
        let known = usages(&theirs, container);
        let foreign: Vec<_> = usages(&ours, container).into_iter().filter(|usage| !known.contains(usage)).collect();
        assert!(foreign.is_empty(), "{container} HELP: {foreign:?}, where Valkey has {known:?}");
    }
}

const ENABLED: &[&str] = &["enable-debug-command yes"];

/// The lines of HELP that are not indented.
fn usages(server: &Server, container: &str) -> BTreeSet<String> {
    let reply = server.call(&format!("{container} HELP"));
    let lines = reply.as_slice().unwrap_or_else(|| panic!("{container} HELP: {reply:?}"));
    let lines = lines.iter().filter_map(Value::as_str).filter(|line| !line.starts_with(' '));
    lines.map(str::to_owned).collect()
}

fn facts(client: &mut Client) -> BTreeMap<String, Facts> {
    let mut facts = BTreeMap::new();
    let commands = client.line("COMMAND").expect("a running server");
    elements(&commands).iter().for_each(|command| read_command(command, &mut facts));
    let docs = client.line("COMMAND DOCS").expect("a running server");
    read_docs(&docs, &mut facts);
    facts
}

/// One element of COMMAND's reply.
fn read_command(command: &Value, facts: &mut BTreeMap<String, Facts>) {
    const ABOUT: [&str; 9] =
        ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications"];
    let fields = elements(command);
    let name = fields[0].as_str().expect("a name").to_owned();
    let of_command = facts.entry(name).or_default();
    for (about, field) in ABOUT.iter().zip(fields) {
        of_command.insert((*about).to_owned(), format!("{:?}", plain(field)));
    }
    elements(&fields[ABOUT.len()]).iter().for_each(|subcommand| read_command(subcommand, facts));
}

/// COMMAND DOCS: all but the texts.
fn read_docs(docs: &Value, facts: &mut BTreeMap<String, Facts>) {
    for pair in elements(docs).chunks_exact(2) {
        let name = pair[0].as_str().expect("a name").to_owned();
        for field in elements(&pair[1]).chunks_exact(2) {
            let about = field[0].as_str().expect("a field").to_owned();
            let fact = match about.as_str() {
                "subcommands" => {
                    read_docs(&field[1], facts);
                    continue;
                }
                "summary" | "complexity" => "a text".to_owned(),
                "history" => continue,
                _ => format!("{:?}", plain(&field[1])),
            };
            facts.entry(name.clone()).or_default().insert(about, fact);
        }
    }
}

/// The same without what has no order or is a text: lists of words are sorted, as are the fields of maps that RESP2 writes
/// as arrays; notes are left out.
fn plain(value: &Value) -> Value {
    let Some(items) = value.as_slice() else { return value.clone() };
    let is_map =
        items.len() % 2 == 0 && items.chunks_exact(2).any(|pair| pair[0].as_str() == Some("name") || is_spec(pair));
    let mut items: Vec<Value> = items.iter().map(plain).collect();
    if is_map {
        let mut pairs: Vec<Vec<Value>> = items.chunks_exact(2).map(<[Value]>::to_vec).collect();
        pairs.retain(|pair| pair[0].as_str() != Some("notes"));
        pairs.sort_by_key(|pair| format!("{pair:?}"));
        items = pairs.concat();
    } else if items.iter().all(|item| matches!(item, Value::Simple(_) | Value::Bulk(_))) {
        items.sort_by_key(|item| format!("{item:?}"));
    }
    Value::Array(items)
}

/// Whether this is a field of a key specification.
fn is_spec(pair: &[Value]) -> bool {
    pair[0].as_str() == Some("begin_search")
}

fn elements(value: &Value) -> &[Value] {
    value.as_slice().unwrap_or_else(|| panic!("{value:?} is no array"))
}
