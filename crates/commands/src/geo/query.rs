//! The arguments of the searches: the GEOSEARCH commands name everything, the GEORADIUS commands begin with a middle
//! and a radius. They are refused in the order in which the peers refuse them.

use collections::ZSet;
use resp::Args;

use super::cell::Position;
use super::order::Direction;
use super::parse_position;
use super::shape::{Extent, metres_per_unit};
use crate::context::{float, int, is};
use crate::error::Error;

/// Which of the commands is asking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE: a destination comes first, and distances may be stored as scores.
    SearchStore,
    /// GEORADIUS: around a longitude and latitude.
    Radius { may_store: bool },
    /// GEORADIUSBYMEMBER: around a member.
    RadiusByMember { may_store: bool },
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    fn names_destination(self) -> bool {
        matches!(self, Form::Radius { may_store: true } | Form::RadiusByMember { may_store: true })
    }
}

/// A search as it was asked for.
pub(super) struct Query<'a> {
    /// The middle and what is covered around it. None if the middle is a member of a key that is not there.
    pub(super) around: Option<(Position, Extent)>,
    /// How many metres a unit of distances has.
    pub(super) metres_per_unit: f64,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    /// At most so many results.
    pub(super) count: Option<usize>,
    /// The first results found will do, nearest or not.
    pub(super) any: bool,
    pub(super) direction: Option<Direction>,
    /// The key that the result is stored under.
    pub(super) destination: Option<&'a [u8]>,
    /// The stored scores are distances.
    pub(super) store_distance: bool,
}

/// What is read of a middle and an extent until both are there.
#[derive(Default)]
struct Around {
    middle: Option<Middle>,
    extent: Option<Extent>,
    /// Metres per unit of the extent.
    unit: f64,
}

enum Middle {
    Position(Position),
    Member(Position),
    /// A member of a key that is not there.
    Nowhere,
}

impl<'a> Query<'a> {
    /// Reads the arguments of a command; the key is looked up already.
    pub(super) fn parse(args: &Args<'a>, form: Form, zset: Option<&ZSet>) -> Result<Query<'a>, Error> {
        let mut query = Query {
            around: None,
            metres_per_unit: 1.0,
            with_distance: false,
            with_hash: false,
            with_position: false,
            count: None,
            any: false,
            direction: None,
            destination: (form == Form::SearchStore).then(|| args.at(1)),
            store_distance: false,
        };
        let mut around = Around { unit: 1.0, ..Around::default() };
        let options_at = match form {
            Form::Search => 2,
            Form::SearchStore => 3,
            Form::Radius { .. } => {
                around.middle = Some(Middle::Position(parse_position(args, 2)?));
                around.read_circle(args, 4)?;
                6
            }
            Form::RadiusByMember { .. } => {
                around.middle = Some(Middle::of_member(zset, &args[2])?);
                // What follows is not looked at if the key is not there.
                if zset.is_some() {
                    around.read_circle(args, 3)?;
                }
                5
            }
        };
        query.read_options(&args.tail(options_at), form, zset, &mut around)?;
        query.check(form, &around)?;
        query.around = match (around.middle, around.extent) {
            (Some(Middle::Position(position) | Middle::Member(position)), Some(extent)) => Some((position, extent)),
            _ => None,
        };
        query.metres_per_unit = around.unit;
        Ok(query)
    }

    fn read_options(
        &mut self,
        words: &Args<'a>,
        form: Form,
        zset: Option<&ZSet>,
        around: &mut Around,
    ) -> Result<(), Error> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let values = words.len() - at - 1;
            at += 1 + match word {
                _ if is(word, "WITHDIST") => set(&mut self.with_distance),
                _ if is(word, "WITHHASH") => set(&mut self.with_hash),
                _ if is(word, "WITHCOORD") => set(&mut self.with_position),
                _ if is(word, "ANY") => set(&mut self.any),
                _ if is(word, "ASC") => {
                    self.direction = Some(Direction::Ascending);
                    0
                }
                _ if is(word, "DESC") => {
                    self.direction = Some(Direction::Descending);
                    0
                }
                _ if is(word, "COUNT") && values >= 1 => {
                    self.count = Some(parse_count(&words[at + 1])?);
                    1
                }
                _ if form.names_destination() && values >= 1 && (is(word, "STORE") || is(word, "STOREDIST")) => {
                    self.destination = Some(words.at(at + 1));
                    self.store_distance = is(word, "STOREDIST");
                    1
                }
                _ if form == Form::SearchStore && is(word, "STOREDIST") => set(&mut self.store_distance),
                _ if form.is_search() => around.read(word, words, at, values, zset)?,
                _ => return Err(Error::Syntax),
            };
        }
        Ok(())
    }

    /// What can only be refused once everything is read.
    fn check(&self, form: Form, around: &Around) -> Result<(), Error> {
        let with_more = self.with_distance || self.with_hash || self.with_position;
        let name = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "GEOSEARCH" };
        if self.destination.is_some() && with_more {
            let what = if form == Form::SearchStore { name } else { "STORE option in GEORADIUS" };
            return Err(Error::owned(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if form.is_search() && around.middle.is_none() {
            return Err(Error::owned(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if form.is_search() && around.extent.is_none() {
            return Err(Error::owned(format!("ERR exactly one of BYRADIUS and BYBOX can be specified for {name}")));
        }
        if self.any && self.count.is_none() {
            return Err(Error::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}

/// Turns an option on that has no value.
fn set(option: &mut bool) -> usize {
    *option = true;
    0
}

fn parse_count(arg: &[u8]) -> Result<usize, Error> {
    match usize::try_from(int(arg)?) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::text("ERR COUNT must be > 0")),
    }
}

impl Around {
    /// Reads an option of the GEOSEARCH commands that says where; returns how many values it took. A second one of the
    /// same kind replaces the first, one of the other kind is refused.
    fn read(
        &mut self,
        word: &[u8],
        words: &Args<'_>,
        at: usize,
        values: usize,
        zset: Option<&ZSet>,
    ) -> Result<usize, Error> {
        let by_position = matches!(self.middle, Some(Middle::Position(_)));
        let by_member = self.middle.is_some() && !by_position;
        let by_circle = matches!(self.extent, Some(Extent::Circle(_)));
        let by_box = self.extent.is_some() && !by_circle;
        match values {
            1.. if is(word, "FROMMEMBER") && !by_position => {
                self.middle = Some(Middle::of_member(zset, &words[at + 1])?);
                Ok(1)
            }
            2.. if is(word, "FROMLONLAT") && !by_member => {
                self.middle = Some(Middle::Position(parse_position(words, at + 1)?));
                Ok(2)
            }
            2.. if is(word, "BYRADIUS") && !by_box => {
                self.read_circle(words, at + 1)?;
                Ok(2)
            }
            3.. if is(word, "BYBOX") && !by_circle => {
                self.read_box(words, at + 1)?;
                Ok(3)
            }
            _ => Err(Error::Syntax),
        }
    }

    /// Reads a radius and its unit.
    fn read_circle(&mut self, args: &Args<'_>, at: usize) -> Result<(), Error> {
        let radius = float(&args[at]).or(Err(Error::text("ERR need numeric radius")))?;
        if radius < 0.0 {
            return Err(Error::text("ERR radius cannot be negative"));
        }
        self.unit = metres_per_unit(&args[at + 1])?;
        self.extent = Some(Extent::Circle(radius * self.unit));
        Ok(())
    }

    /// Reads a width, a height and their unit.
    fn read_box(&mut self, args: &Args<'_>, at: usize) -> Result<(), Error> {
        let width = float(&args[at]).or(Err(Error::text("ERR need numeric width")))?;
        let height = float(&args[at + 1]).or(Err(Error::text("ERR need numeric height")))?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::text("ERR height or width cannot be negative"));
        }
        self.unit = metres_per_unit(&args[at + 2])?;
        self.extent = Some(Extent::Box { width: width * self.unit, height: height * self.unit });
        Ok(())
    }
}

impl Middle {
    fn of_member(zset: Option<&ZSet>, member: &[u8]) -> Result<Middle, Error> {
        let Some(zset) = zset else { return Ok(Middle::Nowhere) };
        let score = zset.score(member).ok_or(Error::text("ERR could not decode requested zset member"))?;
        Ok(Middle::Member(Position::of_score(score)))
    }
}
