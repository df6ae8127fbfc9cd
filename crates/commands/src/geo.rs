//! Places on earth as members of sorted sets: GEOADD, GEOPOS, GEOHASH and GEODIST here, searches in `search.rs` with
//! their arguments in `query.rs`. `cell.rs` has the grid that scores form, `shape.rs` distances and what a search covers.

mod cell;
mod order;
mod query;
mod search;
mod shape;

use collections::ZSet;
use resp::{Args, Reply};
use smallvec::SmallVec;

use crate::context::{Context, DataFn, DataRow, float, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::zset::add::{Options, add};

use cell::Position;
use shape::{distance, metres_per_unit};

/// The commands of this group.
pub const ROWS: &[DataRow] = &[
    GEOADD,
    GEOPOS,
    GEOHASH,
    GEODIST,
    search::GEOSEARCH,
    search::GEOSEARCHSTORE,
    search::GEORADIUS,
    search::GEORADIUS_RO,
    search::GEORADIUSBYMEMBER,
    search::GEORADIUSBYMEMBER_RO,
];

/// Reads a longitude and a latitude from `args[at]` on.
fn parse_position(args: &Args<'_>, at: usize) -> Result<Position, Error> {
    let position = Position { longitude: float(&args[at])?, latitude: float(&args[at + 1])? };
    if !position.is_on_map() {
        let Position { longitude, latitude } = position;
        return Err(Error::owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")));
    }
    Ok(position)
}

/// Replies a distance with four decimals, a half rounded to the even one: a bulk string in both protocols.
fn reply_distance(reply: &mut Reply<'_>, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000).as_bytes());
}

/// Replies a position as two numbers.
fn reply_position(reply: &mut Reply<'_>, position: &Position) {
    reply.array(2);
    reply.long_double(position.longitude.into());
    reply.long_double(position.latitude.into());
}

/// Adds places to a sorted set, or moves them.
pub(super) const GEOADD: DataRow = Row {
    name: "geoadd",
    meta: Meta::new("geo", "3.2.0", -5, Flags::DENYOOM.with(Flags::WRITE))
        .about("Adds places to a sorted set, or moves them.", "O(log(N)) for each place, N being the set's size")
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RW.with(KeyAccess::UPDATE), 1, 0, 1)])
        .usage("key:key#0 [condition<NX | XX>^6.2.0] [change@CH^6.2.0] data{longitude:double latitude:double member:string}..."),
    run: geoadd as DataFn,
    subcommands: &[],
};

fn geoadd(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut options = Options::default();
    let mut first = 2;
    while let Some(word) = args.get(first) {
        match word {
            _ if is(word, "NX") => options.only_new = true,
            _ if is(word, "XX") => options.only_existing = true,
            _ if is(word, "CH") => options.count_changes = true,
            _ => break,
        }
        first += 1;
    }
    let places = args.tail(first);
    if places.is_empty() || !places.len().is_multiple_of(3) || (options.only_new && options.only_existing) {
        return Err(Error::Syntax);
    }
    let scores = (0..places.len())
        .step_by(3)
        .map(|at| Ok(parse_position(&places, at)?.score()))
        .collect::<Result<SmallVec<[u64; 8]>, Error>>()?;
    let members = places.tail(2);
    let members = members.iter().step_by(3);
    let pairs = scores.iter().map(|score| *score as f64).zip(members.clone());
    let tally = add(ctx, &args[1], &options, pairs)?;
    if tally.changes() > 0 && ctx.db.effects.journal_wanted {
        replicate_as_zadd(ctx, args, first, &scores, members);
    }
    ctx.reply.int(tally.reply(&options));
    Ok(())
}

/// Journals GEOADD as the ZADD that it comes to, in which nothing depends on how a position is made a score.
fn replicate_as_zadd<'m>(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    first: usize,
    scores: &[u64],
    members: impl Iterator<Item = &'m [u8]>,
) {
    let scores: Vec<String> = scores.iter().map(u64::to_string).collect();
    let mut command: Vec<&[u8]> = vec![b"zadd"];
    command.extend(args.iter().take(first).skip(1));
    for (score, member) in scores.iter().zip(members) {
        command.push(score.as_bytes());
        command.push(member);
    }
    let index = ctx.db.index();
    ctx.db.effects.replicate_instead(index, &command);
}

/// Returns the longitudes and latitudes of places.
pub(super) const GEOPOS: DataRow = Row {
    name: "geopos",
    meta: Meta::new("geo", "3.2.0", -2, Flags::READONLY)
        .about("Returns the longitudes and latitudes of places.", "O(1) for each place asked for")
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [member:string...]"),
    run: geopos as DataFn,
    subcommands: &[],
};

fn geopos(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let zset = ctx.db.collection::<ZSet>(&args[1])?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2).iter() {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply_position(&mut ctx.reply, &Position::of_score(score)),
            None => ctx.reply.null_array(),
        }
    }
    Ok(())
}

/// Returns the geohash texts of places.
pub(super) const GEOHASH: DataRow = Row {
    name: "geohash",
    meta: Meta::new("geo", "3.2.0", -2, Flags::READONLY)
        .about("Returns the geohash texts of places.", "O(1) for each place asked for")
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 [member:string...]"),
    run: geohash as DataFn,
    subcommands: &[],
};

fn geohash(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let zset = ctx.db.collection::<ZSet>(&args[1])?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2).iter() {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => ctx.reply.bulk(&Position::of_score(score).geohash()),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// Returns the distance of two places.
pub(super) const GEODIST: DataRow = Row {
    name: "geodist",
    meta: Meta::new("geo", "3.2.0", -4, Flags::READONLY)
        .about("Returns the distance of two places.", "O(1)")
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member1:string member2:string [unit<M | KM | FT | MI>]"),
    run: geodist as DataFn,
    subcommands: &[],
};

fn geodist(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let metres = match args.len() {
        4 => 1.0,
        5 => metres_per_unit(&args[4])?,
        _ => return Err(Error::Syntax),
    };
    let zset = ctx.db.collection::<ZSet>(&args[1])?;
    let position = |member: &[u8]| Some(Position::of_score(zset?.score(member)?));
    match (position(&args[2]), position(&args[3])) {
        (Some(from), Some(to)) => reply_distance(&mut ctx.reply, distance(&from, &to) / metres),
        _ => ctx.reply.null(),
    }
    Ok(())
}
