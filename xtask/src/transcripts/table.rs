//! The commands and their options as our server documents them: COMMAND for what they touch, COMMAND DOCS for their
//! arguments.

use crate::Outcome;
use client::{Client, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const REPLY_MAX: Duration = Duration::from_secs(10);

/// ACL categories of commands that work on values of one type.
const TYPES: &[&str] =
    &["@string", "@list", "@set", "@hash", "@sortedset", "@stream", "@bitmap", "@hyperloglog", "@geo"];

/// A command or subcommand.
pub struct Known {
    /// `get`, `config|get`.
    pub name: String,
    /// The words of its options.
    pub tokens: Vec<String>,
    /// It takes numbers or options, which can be wrong in themselves.
    pub judges_arguments: bool,
    /// It works on values of a type.
    pub has_type: bool,
}

/// Asks the server on that port.
pub fn read(port: u16) -> Outcome<Vec<Known>> {
    let failed = |error: client::Error| format!("our server: {error}");
    let mut client = Client::connect(&format!("127.0.0.1:{port}"), REPLY_MAX).map_err(failed)?;
    let infos = client.command(&[b"COMMAND"]).map_err(failed)?;
    let mut typed = BTreeMap::new();
    infos.as_slice().unwrap_or_default().iter().for_each(|info| read_info(info, &mut typed));
    let docs = client.command(&[b"COMMAND", b"DOCS"]).map_err(failed)?;
    let mut known = Vec::new();
    read_docs(&docs, &typed, &mut known);
    if known.is_empty() { Err("our server documents no commands".to_owned()) } else { Ok(known) }
}

/// The command that these words call, and its arguments.
pub fn resolve<'a, 'b>(known: &'a [Known], words: &'b [String]) -> Option<(&'a Known, &'b [String])> {
    let name = words.first()?.to_ascii_lowercase();
    let find = |name: &str| known.iter().find(|known| known.name == name);
    if let Some(sub) = words.get(1)
        && let Some(found) = find(&format!("{name}|{}", sub.to_ascii_lowercase()))
    {
        return Some((found, &words[2..]));
    }
    Some((find(&name)?, &words[1..]))
}

/// Notes whether a command has keys that must be of a type, and the same of its subcommands.
fn read_info(info: &Value, typed: &mut BTreeMap<String, bool>) {
    const NAME: usize = 0;
    const CATEGORIES: usize = 6;
    const KEYS: usize = 8;
    const SUBCOMMANDS: usize = 9;
    let fields = info.as_slice().unwrap_or_default();
    let items = |index: usize| fields.get(index).and_then(Value::as_slice).unwrap_or_default();
    let name = fields.get(NAME).and_then(Value::as_str).unwrap_or_default();
    let of_a_type = items(CATEGORIES).iter().filter_map(Value::as_str).any(|category| TYPES.contains(&category));
    typed.insert(name.to_owned(), of_a_type && !items(KEYS).is_empty());
    items(SUBCOMMANDS).iter().for_each(|sub| read_info(sub, typed));
}

fn read_docs(docs: &Value, typed: &BTreeMap<String, bool>, known: &mut Vec<Known>) {
    for (name, doc) in pairs(docs) {
        if let Some(subcommands) = field(doc, "subcommands") {
            read_docs(subcommands, typed, known);
            continue;
        }
        let mut tokens = BTreeSet::new();
        let mut numbers = false;
        field(doc, "arguments").into_iter().for_each(|arguments| read_arguments(arguments, &mut tokens, &mut numbers));
        let judges_arguments = numbers || !tokens.is_empty();
        let has_type = typed.get(name).copied().unwrap_or(false);
        known.push(Known { name: name.to_owned(), tokens: tokens.into_iter().collect(), judges_arguments, has_type });
    }
}

fn read_arguments(arguments: &Value, tokens: &mut BTreeSet<String>, numbers: &mut bool) {
    for argument in arguments.as_slice().unwrap_or_default() {
        let token = field(argument, "token").and_then(Value::as_str).unwrap_or_default();
        if !token.is_empty() {
            tokens.insert(token.to_owned());
        }
        let kind = field(argument, "type").and_then(Value::as_str).unwrap_or_default();
        *numbers |= ["integer", "double", "unix-time"].contains(&kind);
        field(argument, "arguments").into_iter().for_each(|inner| read_arguments(inner, tokens, numbers));
    }
}

fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    pairs(map).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A map as RESP2 writes it: keys and values in turn.
fn pairs(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    map.as_slice().unwrap_or_default().chunks_exact(2).map(|pair| (pair[0].as_str().unwrap_or_default(), &pair[1]))
}
