//! DEBUG RELOAD: through the file and back.

use commands::{Error, Outcome, is};
use keyspace::Keyspace;
use resp::Args;

use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;

/// What RELOAD was asked for.
#[derive(Clone, Copy)]
struct Options {
    save: bool,
    flush: bool,
    merge: bool,
}

pub(super) fn reload(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let mut options = Options { save: true, flush: true, merge: false };
    for word in args.tail(2).iter() {
        if is(word, "MERGE") {
            options.merge = true;
        } else if is(word, "NOFLUSH") {
            options.flush = false;
        } else if is(word, "NOSAVE") {
            options.save = false;
        } else {
            return Err(Error::text("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."));
        }
    }
    if node.data_is_incomplete() {
        return Err(Error::text("LOADING Redis is loading the dataset in memory"));
    }
    if options.save && !node.save_for_reload() {
        // The cause is in the log, as with SAVE.
        return Err(Error::text("ERR"));
    }
    let empty = node.keyspace.fresh(node.keyspace.seed());
    let loaded = node.host.load_now(empty, node.unix).map_err(|reason| {
        node.log(LogLevel::Warning, &format!("DEBUG RELOAD: {reason}"));
        Error::text("ERR Error trying to load the RDB dump, check server logs.")
    })?;
    if options.flush {
        take_over(node, loaded);
    } else {
        merge(node, &loaded, options.merge)?;
    }
    // What the stream says is no longer the whole of it.
    node.restart_aof();
    node.log(LogLevel::Warning, "DB reloaded by DEBUG RELOAD");
    node.reply(conn).ok();
    Ok(())
}

/// Replaces the data. Keys that were past their time do not come back from the file, and replicas must be told.
fn take_over(node: &mut Node, loaded: Keyspace) {
    let before = node.keyspace.replace_data(loaded);
    for db in 0..before.count() {
        before.for_each(db, |key, _, deadline| {
            let expired = deadline.is_some_and(|at| at <= node.unix);
            if expired && !node.keyspace.contains(db, key) {
                node.effects.push(db, [&b"DEL"[..], key].into_iter());
            }
        });
        node.effects.touch_database(db);
    }
}

/// Adds the file's keys to those that are there.
fn merge(node: &mut Node, loaded: &Keyspace, replace: bool) -> Outcome {
    let mut in_both = None;
    for db in 0..loaded.count() {
        loaded.for_each(db, |key, _, _| {
            if node.keyspace.contains(db, key) {
                in_both.get_or_insert_with(|| key.to_vec());
            }
        });
    }
    if let Some(key) = in_both
        && !replace
    {
        let mut text = b"ERR the file has a key that is there already, and MERGE was not given: ".to_vec();
        text.extend_from_slice(&key);
        return Err(Error::Bytes(text));
    }
    let word = node.keyspace.clock.new_word();
    for db in 0..loaded.count() {
        loaded.for_each(db, |key, value, deadline| {
            node.keyspace.load(db, key, value.to_value(), deadline, word);
        });
        node.effects.touch_database(db);
    }
    Ok(())
}
