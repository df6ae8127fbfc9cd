//! Which arguments of a request are keys, and what is done with each: from the key specifications of the row, and for
//! the few commands whose keys depend on more than positions, from a finder of their own. COMMAND GETKEYS shows
//! it; ACL and cluster routing will read it.

use commands::{Begin, Find, Flags, KeyAccess, Meta, is};
use resp::Args;

/// A key in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundKey {
    /// Which argument it is.
    pub at: usize,
    /// What the command does with it.
    pub access: KeyAccess,
}

/// Why no keys were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoKeys {
    /// The command has none.
    NotACommandWithKeys,
    /// The request does not say how many, or says it wrongly.
    BadArguments,
}

const READ: KeyAccess = KeyAccess::RO.with(KeyAccess::ACCESS);
const OVERWRITE: KeyAccess = KeyAccess::OW.with(KeyAccess::UPDATE);
const CHANGE: KeyAccess = KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::UPDATE);
const MOVE_AWAY: KeyAccess = KeyAccess::RW.with(KeyAccess::ACCESS).with(KeyAccess::DELETE);

/// Finds the keys of a request whose number of arguments fits the command.
pub(crate) fn keys_of(full_name: &str, meta: &Meta, args: &Args<'_>) -> Result<Vec<FoundKey>, NoKeys> {
    if !has_keys(meta) {
        return Err(NoKeys::NotACommandWithKeys);
    }
    let found = match full_name {
        "sort" => sort(args),
        "sort_ro" => vec![FoundKey { at: 1, access: READ }],
        "migrate" => migrate(args),
        "set" => set(args),
        "bitfield" => bitfield(args),
        _ => by_specification(meta, args).unwrap_or_default(),
    };
    if found.is_empty() && !meta.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(NoKeys::BadArguments);
    }
    Ok(found)
}

/// Whether the command takes keys at all.
pub(crate) fn has_keys(meta: &Meta) -> bool {
    meta.keys.iter().any(|spec| !spec.access.has(KeyAccess::NOT_KEY))
}

/// None: some specification does not fit the request.
fn by_specification(meta: &Meta, args: &Args<'_>) -> Option<Vec<FoundKey>> {
    let mut found = Vec::new();
    for spec in meta.keys.iter().filter(|spec| !spec.access.has(KeyAccess::NOT_KEY)) {
        let before = found.len();
        let fits = spec.positions(args, &mut |at| found.push(FoundKey { at, access: spec.access }));
        let none_counted = matches!(spec.find, Find::Count { .. }) && found.len() == before;
        if !fits || (none_counted && !meta.flags.has(Flags::NO_MANDATORY_KEYS)) {
            return None;
        }
    }
    Some(found)
}

/// The last STORE counts, as it does when the command runs.
fn sort(args: &Args<'_>) -> Vec<FoundKey> {
    let mut found = vec![FoundKey { at: 1, access: READ }];
    let mut at = 2;
    while at < args.len() {
        let word = &args[at];
        if is(word, "LIMIT") {
            at += 2;
        } else if is(word, "GET") || is(word, "BY") {
            at += 1;
        } else if is(word, "STORE") && at + 1 < args.len() {
            found.truncate(1);
            found.push(FoundKey { at: at + 1, access: OVERWRITE });
            at += 1;
        }
        at += 1;
    }
    found
}

/// One key at its place, or an empty one there and the keys behind KEYS.
fn migrate(args: &Args<'_>) -> Vec<FoundKey> {
    let one = vec![FoundKey { at: 3, access: MOVE_AWAY }];
    let mut at = 6;
    while at < args.len() {
        let word = &args[at];
        if is(word, "KEYS") {
            let several = args[3].is_empty() && at + 1 < args.len();
            let keys = (at + 1..args.len()).map(|at| FoundKey { at, access: MOVE_AWAY });
            return if several { keys.collect() } else { one };
        }
        at += match word {
            word if is(word, "AUTH") => 2,
            word if is(word, "AUTH2") => 3,
            _ => 1,
        };
    }
    one
}

/// GET makes a read of what else is an overwrite.
fn set(args: &Args<'_>) -> Vec<FoundKey> {
    let reads = args.tail(3).iter().any(|word| is(word, "GET"));
    vec![FoundKey { at: 1, access: if reads { CHANGE } else { OVERWRITE } }]
}

/// Only GETs, and OVERFLOWs between them, leave the key alone.
fn bitfield(args: &Args<'_>) -> Vec<FoundKey> {
    let mut at = 2;
    let mut only_reads = true;
    while at < args.len() && only_reads {
        let left = args.len() - at - 1;
        if is(&args[at], "GET") && left >= 2 {
            at += 3;
        } else if is(&args[at], "OVERFLOW") && left >= 1 {
            at += 2;
        } else {
            only_reads = false;
        }
    }
    vec![FoundKey { at: 1, access: if only_reads { READ } else { CHANGE } }]
}

/// First key, last key and step, as clients older than key specifications expect them: the one span of arguments
/// that the specifications by position cover, zeros where there is none.
pub(crate) fn legacy_span(meta: &Meta) -> (i32, i32, i32) {
    let mut span: Option<(i32, i32, i32)> = None;
    for spec in meta.keys {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else { continue };
        let last = if last < 0 { last } else { first + last };
        span = match span {
            None => Some((first, last, step)),
            Some((before, end, 1)) if step == 1 && end + 1 == first => Some((before, last, 1)),
            Some(span) => Some(span),
        };
    }
    span.unwrap_or((0, 0, 0))
}
