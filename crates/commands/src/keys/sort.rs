//! SORT and SORT_RO: the elements of a list, set or sorted set in the order of their own values or of other keys' values.
//! The patterns that name other keys stand in `sort/pattern.rs`.

mod pattern;

use std::cmp::Ordering;

use collections::List;
use keyspace::notify::{Class, Event};
use keyspace::{Object, Ttl, Value, ValueRef};
use resp::Args;

use crate::collection::{journal_outcome, journal_removal};
use crate::context::{Context, DataFn, DataRow, float, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{Begin, Find, KeyAccess, KeySpec};
use crate::row::{Meta, Row};
use crate::string::DEL_EVENT;

use pattern::Pattern;

/// Sorts the elements of a list, set or sorted set; returns or stores them.
pub(super) const SORT: DataRow = Row {
    name: "sort",
    meta: Meta::new("generic", "1.0.0", -2, Flags::DENYOOM.with(Flags::MOVABLE_KEYS).with(Flags::WRITE))
        .about("Sorts the elements of a list, set or sorted set; returns or stores them.", "O(N+M*log(M)) with N elements and M of them returned")
        .acl(Categories::DANGEROUS.with(Categories::LIST).with(Categories::SET).with(Categories::SORTEDSET))
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1), KeySpec::new(KeyAccess::RO.with(KeyAccess::ACCESS), Begin::Unknown, Find::Unknown).notes("The patterns of BY and GET name keys by what the sorted key holds."), KeySpec::new(KeyAccess::OW.with(KeyAccess::UPDATE), Begin::Unknown, Find::Unknown).notes("The destination follows STORE, wherever that stands.")])
        .usage("key:key#0 [BY=by-pattern:pattern#1'pattern'] [LIMIT=limit{offset:integer count:integer}] [GET=get-pattern:pattern#1'pattern'+...] [order<ASC | DESC>] [sorting@ALPHA] [STORE=destination:key#2]"),
    run: sort as DataFn,
    subcommands: &[],
};

fn sort(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    run(ctx, args, true)
}

/// Sorts the elements of a list, set or sorted set; stores nothing.
pub(super) const SORT_RO: DataRow = Row {
    name: "sort_ro",
    meta: Meta::new("generic", "7.0.0", -2, Flags::MOVABLE_KEYS.with(Flags::READONLY))
        .about("Sorts the elements of a list, set or sorted set; stores nothing.", "O(N+M*log(M)) with N elements and M of them returned")
        .acl(Categories::DANGEROUS.with(Categories::LIST).with(Categories::SET).with(Categories::SORTEDSET))
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 0, 1), KeySpec::new(KeyAccess::RO.with(KeyAccess::ACCESS), Begin::Unknown, Find::Unknown).notes("The patterns of BY and GET name keys by what the sorted key holds.")])
        .usage("key:key#0 [BY=by-pattern:pattern#1'pattern'] [LIMIT=limit{offset:integer count:integer}] [GET=get-pattern:pattern#1'pattern'+...] [order<ASC | DESC>] [sorting@ALPHA]"),
    run: sort_ro as DataFn,
    subcommands: &[],
};

fn sort_ro(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    run(ctx, args, false)
}

fn run(ctx: &mut Context<'_>, args: &Args<'_>, may_store: bool) -> Outcome {
    let options = Options::parse(args, may_store)?;
    let source = load(ctx, &args[1], &options)?;
    let Ordered { elements, has_ties } = order(ctx, source, &options)?;
    let rows = elements.len() * options.gets.len().max(1);
    match options.store {
        None => {
            ctx.reply.array(rows);
            each_result(ctx, &elements, &options, |ctx, result| match result {
                Some(bytes) => ctx.reply.bulk(bytes),
                None => ctx.reply.null(),
            });
        }
        Some(target) => {
            store(ctx, target, &elements, &options, has_ties);
            ctx.reply.int(rows as i64);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Options<'a> {
    descending: bool,
    alpha: bool,
    /// First element and how many; negative counts mean all.
    limit: Option<(i64, i64)>,
    by: Option<Pattern<'a>>,
    /// A BY without a star was given: the elements stay as they stand.
    unsorted: bool,
    gets: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>, may_store: bool) -> Result<Options<'a>, Error> {
        let mut options = Options::default();
        let mut at = 2;
        while at < args.len() {
            let (word, next) = (args.at(at), args.get(at + 1));
            match next {
                _ if is(word, "ASC") => options.descending = false,
                _ if is(word, "DESC") => options.descending = true,
                _ if is(word, "ALPHA") => options.alpha = true,
                Some(start) if is(word, "LIMIT") && at + 2 < args.len() => {
                    options.limit = Some((int(start)?, int(&args[at + 2])?));
                    at += 2;
                }
                Some(target) if is(word, "STORE") && may_store => {
                    options.store = Some(target);
                    at += 1;
                }
                Some(text) if is(word, "BY") => {
                    let pattern = Pattern::new(text);
                    options.unsorted |= !pattern.has_star();
                    options.by = pattern.has_star().then_some(pattern);
                    at += 1;
                }
                Some(text) if is(word, "GET") => {
                    options.gets.push(Pattern::new(text));
                    at += 1;
                }
                _ => return Err(Error::Syntax),
            }
            at += 1;
        }
        Ok(options)
    }

    /// The part of `len` elements that LIMIT leaves: from, to (not included).
    fn window(&self, len: usize) -> (usize, usize) {
        let Some((start, count)) = self.limit else { return (0, len) };
        let from = usize::try_from(start.max(0)).unwrap_or(len).min(len);
        let to = usize::try_from(count).map_or(len, |count| from.saturating_add(count).min(len));
        (from, to)
    }
}

/// What is to be sorted, as it stands in the collection.
struct Source {
    elements: Vec<Vec<u8>>,
    /// They are in their final order and already cut to what LIMIT leaves.
    ready: bool,
    /// A set that is not to be sorted, but stored: its order must be the same on replicas.
    by_bytes: bool,
}

fn load(ctx: &mut Context<'_>, key: &[u8], options: &Options<'_>) -> Result<Source, Error> {
    let cut = |len: usize| if options.unsorted { options.window(len) } else { (0, len) };
    let mut ready = options.unsorted;
    let mut by_bytes = false;
    let elements = match ctx.db.get(key) {
        None => Vec::new(),
        Some(ValueRef::List(list)) => {
            let (from, to) = cut(list.len());
            if options.unsorted && options.descending {
                list.iter_back().skip(from).take(to - from).map(|element| element.to_vec()).collect()
            } else {
                list.iter_from(from).take(to - from).map(|element| element.to_vec()).collect()
            }
        }
        Some(ValueRef::Set(set)) => {
            by_bytes = options.unsorted && options.store.is_some();
            ready = false;
            set.iter().map(|element| element.to_vec()).collect()
        }
        Some(ValueRef::ZSet(zset)) => {
            let (from, to) = cut(zset.len());
            if from == to {
                Vec::new()
            } else if options.unsorted && options.descending {
                let last = zset.len() - 1 - from;
                zset.iter_back_from(last).take(to - from).map(|(member, _)| member.to_vec()).collect()
            } else {
                zset.iter_from(from).take(to - from).map(|(member, _)| member.to_vec()).collect()
            }
        }
        Some(_) => return Err(Error::WrongType),
    };
    Ok(Source { elements, ready, by_bytes })
}

/// What was sorted, or needed no sorting.
struct Ordered {
    elements: Vec<Vec<u8>>,
    /// Some elements are equal to the sort and yet different: another kind of server may order them otherwise.
    has_ties: bool,
}

/// Sorts as asked for, and cuts to what LIMIT leaves.
fn order(ctx: &mut Context<'_>, source: Source, options: &Options<'_>) -> Result<Ordered, Error> {
    let Source { mut elements, ready, by_bytes } = source;
    let mut has_ties = false;
    if ready {
        return Ok(Ordered { elements, has_ties });
    }
    let turn = |order: Ordering| if options.descending { order.reverse() } else { order };
    if by_bytes {
        elements.sort_by(|a, b| turn(a.cmp(b)));
    } else if !options.unsorted {
        elements = match &options.by {
            Some(by) if options.alpha => {
                (elements, has_ties) = by_text_of_keys(ctx, elements, by, turn);
                elements
            }
            None if options.alpha => {
                elements.sort_by(|a, b| turn(a.cmp(b)));
                elements
            }
            _ => by_number(ctx, elements, options)?,
        };
    }
    let (from, to) = options.window(elements.len());
    elements.truncate(to);
    elements.drain(..from);
    Ok(Ordered { elements, has_ties })
}

/// Sorts by the bytes of the BY keys; a missing one comes first. True: there are ties.
fn by_text_of_keys(
    ctx: &mut Context<'_>,
    elements: Vec<Vec<u8>>,
    by: &Pattern<'_>,
    turn: impl Fn(Ordering) -> Ordering,
) -> (Vec<Vec<u8>>, bool) {
    let mut weighed: Vec<(Option<Vec<u8>>, Vec<u8>)> =
        elements.into_iter().map(|element| (by.fetch(&mut ctx.db, &element), element)).collect();
    weighed.sort_by(|(a, _), (b, _)| turn(a.cmp(b)));
    let has_ties = weighed.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    (weighed.into_iter().map(|(_, element)| element).collect(), has_ties)
}

/// Sorts by numbers, those of the BY keys if there are any; a missing one counts as 0, equals go by the element's bytes.
fn by_number(ctx: &mut Context<'_>, elements: Vec<Vec<u8>>, options: &Options<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let turn = |order: Ordering| if options.descending { order.reverse() } else { order };
    let mut failed = false;
    // All keys are read, even behind a weight that is no number.
    let mut weighed: Vec<(f64, Vec<u8>)> = Vec::with_capacity(elements.len());
    for element in elements {
        let weight = match &options.by {
            None => parse_weight(&element),
            Some(by) => by.fetch(&mut ctx.db, &element).map_or(Some(0.0), |text| parse_weight(&text)),
        };
        failed |= weight.is_none();
        weighed.push((weight.unwrap_or(0.0), element));
    }
    if failed {
        return Err(Error::text("ERR One or more scores can't be converted into double"));
    }
    weighed.sort_by(|(a, x), (b, y)| turn(a.partial_cmp(b).expect("NaN is refused").then_with(|| x.cmp(y))));
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

/// Reads a weight as the C library reads a string: it ends at a zero byte, space before it passes, and nothing at all
/// is 0. A number that the library calls out of range is refused, and those next to zero are among them.
fn parse_weight(text: &[u8]) -> Option<f64> {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let digits = text.iter().position(|byte| !is_c_space(*byte)).map_or(&text[..0], |at| &text[at..]);
    float(digits).ok().filter(|weight| !weight.is_subnormal())
}

fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Calls `each` with every result in order: the elements, or what the GET patterns make of each.
fn each_result(
    ctx: &mut Context<'_>,
    elements: &[Vec<u8>],
    options: &Options<'_>,
    mut each: impl FnMut(&mut Context<'_>, Option<&[u8]>),
) {
    for element in elements {
        if options.gets.is_empty() {
            each(ctx, Some(element));
        }
        for get in &options.gets {
            let fetched = get.fetch(&mut ctx.db, element);
            each(ctx, fetched.as_deref());
        }
    }
}

/// Stores the results as a list; without any, the target is deleted. With ties the stream gets the list, not the sort.
fn store(ctx: &mut Context<'_>, target: &[u8], elements: &[Vec<u8>], options: &Options<'_>, has_ties: bool) {
    if has_ties {
        journal_removal(&mut ctx.db, target);
    }
    if elements.is_empty() {
        ctx.db.discard(target, DEL_EVENT);
        return;
    }
    let mut list = List::new();
    each_result(ctx, elements, options, |ctx, result| list.push_back(result.unwrap_or_default(), ctx.db.limits()));
    if has_ties && ctx.db.effects.journal_wanted {
        let results: Vec<Vec<u8>> = list.iter().map(|element| element.to_vec()).collect();
        journal_outcome(&mut ctx.db, b"RPUSH", target, &results);
    }
    let value = Value::Object(Object::List(list));
    ctx.db.set_value(target, value, Ttl::Clear, Event::new(Class::LIST, "sortstore"));
}
