//! GEOSEARCH, GEORADIUS and their relatives: the members of a sorted set that are near a place, as a reply or stored
//! as another set.

use collections::{Element, Limits, ZSet};
use resp::{Args, Reply};

use crate::collection::reply_element;
use crate::context::{Context, DataFn, DataRow};
use crate::error::Outcome;
use crate::flags::{Categories, Flags};
use crate::keyspec::{Begin, Find, KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::zset::store;

use super::cell::Position;
use super::order::{Direction, sort_first};
use super::query::{Form, Query};
use super::shape::Shape;
use super::{reply_distance, reply_position};

/// Returns the places within a circle or a box.
pub(super) const GEOSEARCH: DataRow = Row {
    name: "geosearch",
    meta: Meta::new("geo", "6.2.0", -7, Flags::READONLY)
        .about("Returns the places within a circle or a box.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 from<FROMMEMBER=member:string | FROMLONLAT=fromlonlat{longitude:double latitude:double}> by<circle{BYRADIUS=radius:double unit<M | KM | FT | MI>} | box{BYBOX=width:double height:double unit<M | KM | FT | MI>}> [order<ASC | DESC>] [count-block{COUNT=count:integer [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]"),
    run: geosearch as DataFn,
    subcommands: &[],
};

const COMPLEXITY: &str = "O(N+log(M)) with N members near the place and M in the set";

fn geosearch(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 1, Form::Search)
}

/// Stores the places within a circle or a box.
pub(super) const GEOSEARCHSTORE: DataRow = Row {
    name: "geosearchstore",
    meta: Meta::new("geo", "6.2.0", -8, Flags::DENYOOM.with(Flags::WRITE))
        .about("Stores the places within a circle or a box.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::OW.with(KeyAccess::UPDATE), 1, 0, 1), KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 2, 0, 1)])
        .usage("destination:key#0 source:key#1 from<FROMMEMBER=member:string | FROMLONLAT=fromlonlat{longitude:double latitude:double}> by<circle{BYRADIUS=radius:double unit<M | KM | FT | MI>} | box{BYBOX=width:double height:double unit<M | KM | FT | MI>}> [order<ASC | DESC>] [count-block{COUNT=count:integer [ANY]}] [STOREDIST]"),
    run: geosearchstore as DataFn,
    subcommands: &[],
};

fn geosearchstore(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 2, Form::SearchStore)
}

/// Returns or stores the places around a position.
pub(super) const GEORADIUS: DataRow = Row {
    name: "georadius",
    meta: Meta::new("geo", "3.2.0", -6, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about("Returns or stores the places around a position.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1), destination("STORE", 6), destination("STOREDIST", 6)])
        .usage("key:key#0 longitude:double latitude:double radius:double unit<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block{COUNT=count:integer [ANY^6.2.0]}] [order<ASC | DESC>] [store<STORE=storekey:key#1'key' | STOREDIST=storedistkey:key#2'key'>]")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    run: georadius as DataFn,
    subcommands: &[],
};

/// The key behind a word, from argument `from` on.
const fn destination(word: &'static str, from: i32) -> KeySpec {
    let find = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec::new(KeyAccess::OW.with(KeyAccess::UPDATE), Begin::Keyword { word, from }, find)
}

fn georadius(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 1, Form::Radius { may_store: true })
}

/// Returns the places around a position.
pub(super) const GEORADIUS_RO: DataRow = Row {
    name: "georadius_ro",
    meta: Meta::new("geo", "3.2.10", -6, Flags::READONLY)
        .about("Returns the places around a position.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 longitude:double latitude:double radius:double unit<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block{COUNT=count:integer [ANY^6.2.0]}] [order<ASC | DESC>]")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    run: georadius_ro as DataFn,
    subcommands: &[],
};

fn georadius_ro(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 1, Form::Radius { may_store: false })
}

/// Returns or stores the places around a member.
pub(super) const GEORADIUSBYMEMBER: DataRow = Row {
    name: "georadiusbymember",
    meta: Meta::new("geo", "3.2.0", -5, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about("Returns or stores the places around a member.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1), destination("STORE", 5), destination("STOREDIST", 5)])
        .usage("key:key#0 member:string radius:double unit<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block{COUNT=count:integer [ANY]}] [order<ASC | DESC>] [store<STORE=storekey:key#1'key' | STOREDIST=storedistkey:key#2'key'>]")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    run: georadiusbymember as DataFn,
    subcommands: &[],
};

fn georadiusbymember(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 1, Form::RadiusByMember { may_store: true })
}

/// Returns the places around a member.
pub(super) const GEORADIUSBYMEMBER_RO: DataRow = Row {
    name: "georadiusbymember_ro",
    meta: Meta::new("geo", "3.2.10", -5, Flags::READONLY)
        .about("Returns the places around a member.", COMPLEXITY)
        .acl(Categories::GEO)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1)])
        .usage("key:key#0 member:string radius:double unit<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block{COUNT=count:integer [ANY]}] [order<ASC | DESC>]")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    run: georadiusbymember_ro as DataFn,
    subcommands: &[],
};

fn georadiusbymember_ro(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(ctx, args, 1, Form::RadiusByMember { may_store: false })
}

/// A member that a search found.
struct Found<'z> {
    member: Element<'z>,
    score: f64,
    position: Position,
    /// From the middle, in metres.
    distance: f64,
}

fn search(ctx: &mut Context<'_>, args: &Args<'_>, key_at: usize, form: Form) -> Outcome {
    let limits = ctx.db.limits().clone();
    let zset = ctx.db.collection::<ZSet>(&args[key_at])?;
    let query = Query::parse(args, form, zset)?;
    let found = match (zset, &query.around) {
        (Some(zset), Some((middle, extent))) => find(zset, &Shape::new(middle, *extent), &query),
        _ => Vec::new(),
    };
    let Some(destination) = query.destination else {
        reply_found(&mut ctx.reply, &found, &query);
        return Ok(());
    };
    let result = to_zset(&found, &query, &limits);
    drop(found);
    store(ctx, destination, result, if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" });
    Ok(())
}

/// Finds the members in a shape, in the order and number asked for.
fn find<'z>(zset: &'z ZSet, shape: &Shape, query: &Query<'_>) -> Vec<Found<'z>> {
    let enough = query.count.filter(|_| query.any).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for cell in shape.cells() {
        let (least, behind) = cell.scores();
        for (member, score) in zset.iter_from(zset.lower_score(least, false)) {
            if score >= behind || found.len() >= enough {
                break;
            }
            let position = Position::of_score(score);
            if let Some(distance) = shape.distance_within(&position) {
                found.push(Found { member, score, position, distance });
            }
        }
    }
    let wanted = query.count.unwrap_or(usize::MAX).min(found.len());
    // Without a direction a count asks for the nearest.
    let direction = query.direction.or((query.count.is_some() && !query.any).then_some(Direction::Ascending));
    match direction {
        Some(direction) => sort_first(&mut found, wanted, direction, |found| found.distance),
        None => found.truncate(wanted),
    }
    found
}

fn reply_found(reply: &mut Reply<'_>, found: &[Found<'_>], query: &Query<'_>) {
    let more = [query.with_distance, query.with_hash, query.with_position].into_iter().filter(|with| *with).count();
    reply.array(found.len());
    for Found { member, score, position, distance } in found {
        if more > 0 {
            reply.array(1 + more);
        }
        reply_element(reply, *member);
        if query.with_distance {
            reply_distance(reply, distance / query.metres_per_unit);
        }
        if query.with_hash {
            reply.int(*score as i64);
        }
        if query.with_position {
            reply_position(reply, position);
        }
    }
}

fn to_zset(found: &[Found<'_>], query: &Query<'_>, limits: &Limits) -> ZSet {
    let mut result = ZSet::new();
    result.prepare(found.len(), limits);
    for Found { member, score, distance, .. } in found {
        let score = if query.store_distance { distance / query.metres_per_unit } else { *score };
        member.with_bytes(|member| result.insert(member, score, limits));
    }
    result
}

#[cfg(test)]
mod tests {
    use resp::OwnedArgs;

    use super::super::shape::Extent;
    use super::*;

    /// The distance through the earth, made one along its surface: another formula than the one under test.
    fn simple_distance(from: &Position, to: &Position) -> f64 {
        const RADIUS: f64 = 6_372_797.560856;
        let point = |position: &Position| {
            let (east, north) = (position.longitude.to_radians(), position.latitude.to_radians());
            [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
        };
        let chord = point(from).iter().zip(point(to)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        2.0 * RADIUS * (chord / 2.0).asin()
    }

    /// How far a place is inside (or, if negative, outside) of an extent, in metres.
    fn depth(middle: &Position, extent: &Extent, place: &Position) -> f64 {
        match extent {
            Extent::Circle(radius) => radius - simple_distance(middle, place),
            Extent::Box { width, height } => {
                let across = Position { longitude: middle.longitude, latitude: place.latitude };
                let north = height / 2.0 - simple_distance(middle, &across);
                north.min(width / 2.0 - simple_distance(place, &across))
            }
        }
    }

    fn query(text: &str) -> Query<'static> {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let args = OwnedArgs::from_slices(&words);
        let query =
            Query::parse(&args.as_args(), Form::Search, None).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        Query { destination: None, ..query }
    }

    fn places(rng: &mut fastrand::Rng, count: usize) -> ZSet {
        let mut zset = ZSet::new();
        for nth in 0..count {
            let position = Position { longitude: rng.f64() * 120.0 - 60.0, latitude: rng.f64() * 120.0 - 60.0 };
            zset.insert(format!("m{nth}").as_bytes(), position.score() as f64, &Limits::default());
        }
        zset
    }

    /// A search that keeps away from the poles and the date line.
    fn random_search(rng: &mut fastrand::Rng) -> String {
        let (longitude, latitude) = (rng.f64() * 80.0 - 40.0, rng.f64() * 80.0 - 40.0);
        let mut metres = || 10f64.powf(1.0 + rng.f64() * 5.4);
        let (one, other) = (metres(), metres());
        let by = if rng.bool() { format!("BYRADIUS {one} m") } else { format!("BYBOX {one} {other} m") };
        format!("GEOSEARCH k FROMLONLAT {longitude} {latitude} {by}")
    }

    fn names(found: &[Found<'_>]) -> Vec<Vec<u8>> {
        found.iter().map(|found| found.member.to_vec()).collect()
    }

    #[test]
    fn a_search_finds_what_looking_at_every_member_finds() {
        let mut rng = fastrand::Rng::with_seed(5);
        for round in 0..60 {
            let zset = places(&mut rng, [100, 3000][round % 2]);
            for _ in 0..20 {
                let text = random_search(&mut rng);
                let query = query(&text);
                let (middle, extent) = query.around.expect("both are named");
                let found = names(&find(&zset, &Shape::new(&middle, extent), &query));
                for (member, score) in zset.iter() {
                    let depth = depth(&middle, &extent, &Position::of_score(score));
                    if depth.abs() > 0.01 {
                        assert_eq!(found.contains(&member.to_vec()), depth > 0.0, "{text}: {member:?} by {depth}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_count_takes_the_nearest_and_any_takes_what_comes_first() {
        let mut rng = fastrand::Rng::with_seed(6);
        let zset = places(&mut rng, 3000);
        for _ in 0..100 {
            let text = random_search(&mut rng);
            let run = |options: &str| {
                let query = query(&format!("{text}{options}"));
                let (middle, extent) = query.around.expect("both are named");
                find(&zset, &Shape::new(&middle, extent), &query)
            };
            let (unsorted, sorted) = (run(""), run(" ASC"));
            assert!(sorted.is_sorted_by(|a, b| a.distance <= b.distance));
            assert!(run(" DESC").is_sorted_by(|a, b| a.distance >= b.distance));
            for count in [1, 2, 10, 100] {
                // No two random places are equally far away.
                assert_eq!(names(&run(&format!(" COUNT {count}"))), names(&sorted[..count.min(sorted.len())]));
                let any = run(&format!(" COUNT {count} ANY"));
                assert_eq!(names(&any), names(&unsorted[..count.min(unsorted.len())]));
            }
        }
    }
}
