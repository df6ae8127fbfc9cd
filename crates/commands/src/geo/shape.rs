//! Distances, and what a search covers. The earth is a sphere here, and the order of the operations is part of the
//! contract: distances are stored as scores and must come out equal on all servers.

use super::cell::{Cell, Position, STEPS_MAX};
use crate::context::is;
use crate::error::Error;

/// In metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;
/// Half of the equator on the map that scores form, in metres.
const HALF_EQUATOR: f64 = 20_037_726.37;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// How much a distance may come out of the formula too short, in metres; the worst are a few centimetres, between
/// places on opposite sides of the earth.
const ROUNDING: f64 = 1.0;

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

/// Reads a unit: how many metres it has.
pub(super) fn metres_per_unit(word: &[u8]) -> Result<f64, Error> {
    [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)]
        .into_iter()
        .find_map(|(name, metres)| is(word, name).then_some(metres))
        .ok_or(Error::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// The distance of two places in metres, by the haversine formula.
pub(super) fn distance(from: &Position, to: &Position) -> f64 {
    Origin::new(from).distance(to)
}

/// The distance of two places on one meridian in metres.
fn distance_north(from: f64, to: f64) -> f64 {
    EARTH_RADIUS * (radians(to) - radians(from)).abs()
}

/// Where distances are measured from.
#[derive(Clone, Copy)]
struct Origin {
    position: Position,
    longitude: f64,
    latitude: f64,
    cosine: f64,
}

impl Origin {
    fn new(position: &Position) -> Origin {
        let (longitude, latitude) = (radians(position.longitude), radians(position.latitude));
        Origin { position: *position, longitude, latitude, cosine: latitude.cos() }
    }

    fn distance(&self, to: &Position) -> f64 {
        let east = ((radians(to.longitude) - self.longitude) / 2.0).sin();
        if east == 0.0 {
            return distance_north(self.position.latitude, to.latitude);
        }
        let latitude = radians(to.latitude);
        let north = ((latitude - self.latitude) / 2.0).sin();
        let a = north * north + self.cosine * latitude.cos() * east * east;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }
}

/// What a search covers around its middle, in metres.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// Everything within a radius.
    Circle(f64),
    /// Everything within half a width to the east and west, and half a height to the north and south.
    Box { width: f64, height: f64 },
}

/// A part of the earth.
pub(super) struct Shape {
    origin: Origin,
    extent: Extent,
}

impl Shape {
    pub(super) fn new(middle: &Position, extent: Extent) -> Shape {
        Shape { origin: Origin::new(middle), extent }
    }

    /// The distance of a place from the middle in metres, None if the place is outside.
    pub(super) fn distance_within(&self, place: &Position) -> Option<f64> {
        let middle = &self.origin.position;
        match self.extent {
            Extent::Circle(radius) => {
                // Most of what is outside is too far north or south, and that is cheap to see.
                if distance_north(middle.latitude, place.latitude) > radius + ROUNDING {
                    return None;
                }
                let distance = self.origin.distance(place);
                (distance <= radius).then_some(distance)
            }
            Extent::Box { width, height } => {
                if distance_north(place.latitude, middle.latitude) > height / 2.0 {
                    return None;
                }
                let across = Position { longitude: middle.longitude, latitude: place.latitude };
                if distance(place, &across) > width / 2.0 {
                    return None;
                }
                Some(self.origin.distance(place))
            }
        }
    }

    /// The cells to be searched, in the order in which the peers search them: that is the order of a reply that is not
    /// sorted. The middle one comes first, then its neighbours as far as they are needed.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        const AROUND: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let bounds = self.bounds();
        let mut middle = Cell::at(&self.origin.position, self.steps());
        if middle.steps() > 1 && bounds.exceed_neighbours_of(&middle) {
            middle = Cell::at(&self.origin.position, middle.steps() - 1);
        }
        let area = middle.area();
        // With so few cells as one step gives, neighbours on both sides are the same cell.
        let cut = middle.steps() >= 2;
        let needless = move |(columns, rows): (i32, i32)| {
            cut && (rows < 0 && area.latitude.0 < bounds.south
                || rows > 0 && area.latitude.1 > bounds.north
                || columns < 0 && area.longitude.0 < bounds.west
                || columns > 0 && area.longitude.1 > bounds.east)
        };
        let cells = AROUND.into_iter().filter(move |step| !needless(*step)).map(move |(x, y)| middle.moved(x, y));
        // On a coarse grid the next one can be the same again.
        let mut last = None;
        cells.filter(move |cell| last.replace(*cell) != Some(*cell))
    }

    /// How often the map can be halved so that a cell and its neighbours still cover everything, as the peers estimate
    /// it: sometimes once too often, which [`Shape::cells`] mends.
    fn steps(&self) -> u32 {
        let mut range = match self.extent {
            Extent::Circle(radius) => radius,
            Extent::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
        };
        if range == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1i32;
        while range < HALF_EQUATOR {
            range *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Cells are narrower near the poles.
        let latitude = self.origin.position.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    fn bounds(&self) -> Bounds {
        let Position { longitude, latitude } = self.origin.position;
        let (east, north) = match self.extent {
            Extent::Circle(radius) => (radius, radius),
            Extent::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let rows = degrees(north / EARTH_RADIUS);
        // The side nearer to a pole spans more degrees of longitude.
        let side = if latitude < 0.0 { latitude - rows } else { latitude + rows };
        let columns = degrees(east / EARTH_RADIUS / radians(side).cos());
        Bounds { west: longitude - columns, east: longitude + columns, south: latitude - rows, north: latitude + rows }
    }
}

/// What a shape covers, in degrees, beyond the ends of the map too.
#[derive(Clone, Copy)]
struct Bounds {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Bounds {
    /// Whether a cell and its neighbours do not cover this.
    fn exceed_neighbours_of(&self, cell: &Cell) -> bool {
        cell.moved(0, 1).area().latitude.1 < self.north
            || cell.moved(0, -1).area().latitude.0 > self.south
            || cell.moved(1, 0).area().longitude.1 < self.east
            || cell.moved(-1, 0).area().longitude.0 > self.west
    }
}
