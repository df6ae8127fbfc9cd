//! SINTER, SUNION, SDIFF with their STORE forms, and SINTERCARD.
//!
//! The sets are cloned first, which costs a reference each: so several can be read at once, and a destination that is
//! also a source does no harm.

use collections::{Limits, Set};
use keyspace::{Collection, Ttl, Value};
use resp::Args;

use crate::collection::{DEL_EVENT, int_from, reply_element};
use crate::context::{Context, DataFn, DataRow, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

use smallvec::SmallVec;

use super::event;

/// The sets of a command, in the order of its keys; None for a key that is not there.
type Sources = SmallVec<[Option<Set>; 4]>;

fn sources<'k>(ctx: &mut Context<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Result<Sources, Error> {
    keys.map(|key| Ok(ctx.db.collection::<Set>(key)?.cloned())).collect()
}

/// Stores a result, or deletes the destination if there is none, and replies its size.
fn store(ctx: &mut Context<'_>, destination: &[u8], result: Set, name: &'static str) {
    let len = result.len();
    if len == 0 {
        ctx.db.discard(destination, DEL_EVENT);
    } else {
        ctx.db.set_value(destination, Value::Object(result.into_object()), Ttl::Clear, event(name));
    }
    ctx.reply.int(len as i64);
}

/// Returns the members that several sets have in common.
pub(super) const SINTER: DataRow = Row {
    name: "sinter",
    meta: Meta::new("set", "1.0.0", -2, Flags::READONLY)
        .about(
            "Returns the members that several sets have in common.",
            "O(N*M) with N members in the smallest of M sets",
        )
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["nondeterministic_output_order"]),
    run: sinter as DataFn,
    subcommands: &[],
};
fn sinter(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(1).iter())?;
    let mark = ctx.reply.deferred();
    let mut count = 0;
    for member in intersection(&sources_by_size(&sources)) {
        reply_element(&mut ctx.reply, member);
        count += 1;
    }
    ctx.reply.finish_set(mark, count);
    Ok(())
}

/// Stores the members that several sets have in common.
pub(super) const SINTERSTORE: DataRow = Row {
    name: "sinterstore",
    meta: Meta::new("set", "1.0.0", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about(
            "Stores the members that several sets have in common.",
            "O(N*M) with N members in the smallest of M sets",
        )
        .acl(Categories::SET)
        .keys(&[
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1),
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, -1, 1),
        ])
        .usage("destination:key#0 key:key#1..."),
    run: sinterstore as DataFn,
    subcommands: &[],
};
fn sinterstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(2).iter())?;
    let limits = ctx.db.limits();
    let mut result = Set::new();
    for member in intersection(&sources_by_size(&sources)) {
        member.with_bytes(|member| result.add(member, limits));
    }
    store(ctx, &args[1], result, "sinterstore");
    Ok(())
}

/// Returns how many members several sets have in common.
pub(super) const SINTERCARD: DataRow = Row {
    name: "sintercard",
    meta: Meta::new("set", "7.0.0", -3, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about(
            "Returns how many members several sets have in common.",
            "O(N*M) with N members in the smallest of M sets",
        )
        .acl(Categories::SET)
        .keys(&[KeySpec::counted(KeyAccess::RO.with(KeyAccess::ACCESS), 1)])
        .usage("numkeys:integer key:key#0... [LIMIT=limit:integer]"),
    run: sintercard as DataFn,
    subcommands: &[],
};
fn sintercard(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let count = int_from(&args[1], 1, Error::text("ERR numkeys should be greater than 0"))? as u64;
    if count > (args.len() - 2) as u64 {
        return Err(Error::text("ERR Number of keys can't be greater than number of args"));
    }
    let count = count as usize;
    let mut limit = 0;
    for at in (2 + count..args.len()).step_by(2) {
        match args.get(at + 1) {
            Some(value) if is(&args[at], "LIMIT") => {
                limit = int_from(value, 0, Error::text("ERR LIMIT can't be negative"))? as usize;
            }
            _ => return Err(Error::Syntax),
        }
    }
    let sources = sources(ctx, args.tail(2).iter().take(count))?;
    let most = if limit == 0 { usize::MAX } else { limit };
    let common = match sources_by_size(&sources)[..] {
        [only] => only.len().min(most),
        ref sets => intersection(sets).take(most).count(),
    };
    ctx.reply.int(common as i64);
    Ok(())
}

/// The sets from the smallest to the largest; of several that are known to be equal and stand side by side then, only one.
/// Empty if one of them is not there, for then nothing is in all.
fn sources_by_size(sources: &Sources) -> SmallVec<[&Set; 4]> {
    let mut sets: SmallVec<[&Set; 4]> = sources.iter().flatten().collect();
    if sets.len() < sources.len() {
        sets.clear();
    }
    sets.sort_by_key(|set| set.len());
    sets.dedup_by(|set, before| set.is_clone_of(before));
    sets
}

/// The members of the first set that are in all others.
fn intersection<'s>(sets: &'s [&'s Set]) -> impl Iterator<Item = collections::Element<'s>> {
    let (first, others) = sets.split_first().map_or((None, sets), |(first, others)| (Some(first), others));
    let members = first.into_iter().flat_map(|set| set.iter());
    members.filter(|member| member.with_bytes(|member| others.iter().all(|set| set.contains(member))))
}

/// Returns the members of all of several sets.
pub(super) const SUNION: DataRow = Row {
    name: "sunion",
    meta: Meta::new("set", "1.0.0", -2, Flags::READONLY)
        .about("Returns the members of all of several sets.", "O(N) with N members in all sets")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["nondeterministic_output_order"]),
    run: sunion as DataFn,
    subcommands: &[],
};
fn sunion(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(1).iter())?;
    let mark = ctx.reply.deferred();
    let mut count = 0;
    if sources.len() <= UNION_LOOKUPS_MAX {
        for (at, set) in sources.iter().enumerate() {
            let earlier = || sources[..at].iter().flatten();
            for member in set.iter().flat_map(Set::iter) {
                if !member.with_bytes(|member| earlier().any(|set| set.contains(member))) {
                    reply_element(&mut ctx.reply, member);
                    count += 1;
                }
            }
        }
    } else {
        let result = union(&sources, ctx.db.limits());
        result.iter().for_each(|member| reply_element(&mut ctx.reply, member));
        count = result.len();
    }
    ctx.reply.finish_set(mark, count);
    Ok(())
}

/// Up to this many sets, looking a member up in all earlier ones costs less than building the union.
const UNION_LOOKUPS_MAX: usize = 4;

/// Stores the members of all of several sets.
pub(super) const SUNIONSTORE: DataRow = Row {
    name: "sunionstore",
    meta: Meta::new("set", "1.0.0", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores the members of all of several sets.", "O(N) with N members in all sets")
        .acl(Categories::SET)
        .keys(&[
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1),
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, -1, 1),
        ])
        .usage("destination:key#0 key:key#1..."),
    run: sunionstore as DataFn,
    subcommands: &[],
};
fn sunionstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(2).iter())?;
    let result = union(&sources, ctx.db.limits());
    store(ctx, &args[1], result, "sunionstore");
    Ok(())
}

fn union(sources: &Sources, limits: &Limits) -> Set {
    // A large set is shared instead of built anew: only what the others have beside it is work.
    let largest = sources.iter().flatten().max_by_key(|set| set.len());
    let mut result = largest.filter(|set| is_as_if_built(set, limits)).cloned().unwrap_or_default();
    for set in sources.iter().flatten() {
        if set.is_clone_of(&result) {
            continue;
        }
        for member in set.iter() {
            member.with_bytes(|member| result.add(member, limits));
        }
    }
    result
}

/// Whether a set has the form that its members would have if they were put into a new one: a compact form may have been left
/// for good, a large set has no other.
fn is_as_if_built(set: &Set, limits: &Limits) -> bool {
    let compact_max = limits.set_max_intset_entries.max(limits.set_max_listpack_entries);
    set.encoding() == "hashtable" && set.len() > compact_max
}

/// Returns the members of a set that are in none of several others.
pub(super) const SDIFF: DataRow = Row {
    name: "sdiff",
    meta: Meta::new("set", "1.0.0", -2, Flags::READONLY)
        .about("Returns the members of a set that are in none of several others.", "O(N) with N members in all sets")
        .acl(Categories::SET)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, -1, 1)])
        .usage("key:key#0...")
        .tips(&["nondeterministic_output_order"]),
    run: sdiff as DataFn,
    subcommands: &[],
};
fn sdiff(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(1).iter())?;
    let mark = ctx.reply.deferred();
    let mut count = 0;
    each_of_difference(&sources, take_out(&sources), |member| {
        reply_element(&mut ctx.reply, member);
        count += 1;
    });
    ctx.reply.finish_set(mark, count);
    Ok(())
}

/// Stores the members of a set that are in none of several others.
pub(super) const SDIFFSTORE: DataRow = Row {
    name: "sdiffstore",
    meta: Meta::new("set", "1.0.0", -3, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores the members of a set that are in none of several others.", "O(N) with N members in all sets")
        .acl(Categories::SET)
        .keys(&[
            KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1),
            KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, -1, 1),
        ])
        .usage("destination:key#0 key:key#1..."),
    run: sdiffstore as DataFn,
    subcommands: &[],
};
fn sdiffstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sources = sources(ctx, args.tail(2).iter())?;
    let limits = ctx.db.limits();
    let result = if !repeats_first(&sources) && keeps_form(&sources) {
        taken_out_of_new(&sources, limits)
    } else {
        difference(&sources, limits)
    };
    store(ctx, &args[1], result, "sdiffstore");
    Ok(())
}

/// Whether the peers store a difference in the form that the first set would have in a new key: they put all of it in and take
/// the others' members out where that looks like less work to them.
fn keeps_form(sources: &Sources) -> bool {
    let sizes = sources.iter().flatten().map(Set::len);
    let first = sources.first().and_then(Option::as_ref).map_or(0, Set::len);
    first.saturating_mul(sizes.clone().count()) / 2 > sizes.sum()
}

/// The members of the first set in a new one, without those of the others.
fn taken_out_of_new(sources: &Sources, limits: &Limits) -> Set {
    let first = sources.first().and_then(Option::as_ref);
    let mut result = union(&SmallVec::from_iter([first.cloned()]), limits);
    for member in sources[1..].iter().flatten().flat_map(Set::iter) {
        member.with_bytes(|member| result.remove(member));
    }
    result
}

/// The members of the first set that are in no other, in the form that they have in a new set.
fn difference(sources: &Sources, limits: &Limits) -> Set {
    let rest = take_out(sources);
    if let Some(rest) = rest.as_ref().filter(|rest| is_as_if_built(rest, limits)) {
        return rest.clone();
    }
    let mut result = Set::new();
    each_of_difference(sources, rest, |member| {
        member.with_bytes(|member| result.add(member, limits));
    });
    result
}

/// Whether another set is the first one once more, so that nothing is left of it.
fn repeats_first(sources: &Sources) -> bool {
    let Some((Some(first), others)) = sources.split_first() else { return false };
    others.iter().flatten().any(|set| set.is_clone_of(first))
}

/// A copy of the first set without the members of the others, where these are so few that this costs less than to look each
/// member up.
fn take_out(sources: &Sources) -> Option<Set> {
    if repeats_first(sources) {
        return Some(Set::new());
    }
    let (Some(first), others) = sources.split_first()? else { return None };
    let others: SmallVec<[&Set; 4]> = others.iter().flatten().collect();
    let lookups = first.len().saturating_mul(others.len());
    let removals: usize = others.iter().map(|set| set.len()).sum();
    if !others.is_empty() && lookups <= removals.saturating_mul(2) {
        return None;
    }
    let mut rest = first.clone();
    for member in others.iter().flat_map(|set| set.iter()) {
        member.with_bytes(|member| rest.remove(member));
    }
    Some(rest)
}

/// Calls `each` with the members of the first set that are in no other, which may be known already.
fn each_of_difference(sources: &Sources, known: Option<Set>, each: impl FnMut(collections::Element<'_>)) {
    if let Some(known) = known {
        return known.iter().for_each(each);
    }
    let Some((Some(first), others)) = sources.split_first() else { return };
    let others: SmallVec<[&Set; 4]> = others.iter().flatten().collect();
    let in_none =
        |member: &collections::Element<'_>| member.with_bytes(|member| !others.iter().any(|set| set.contains(member)));
    first.iter().filter(in_none).for_each(each);
}
