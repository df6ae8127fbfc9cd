//! Positions as scores of a sorted set, and the cells of the grid that such scores form.
//!
//! The map is halved again and again, in both directions alike: after 26 steps there are 2^26 columns and rows, and the
//! bits of a column's and a row's number by turns, the column's first, are the 52 bits of a score. So the members of a
//! cell of fewer steps have neighbouring scores. The map ends at ±180° and ±85.05112878°, where it is square.

/// The highest longitude, in degrees.
pub(super) const LONGITUDE_MAX: f64 = 180.0;
/// The highest latitude of the map, in degrees.
pub(super) const LATITUDE_MAX: f64 = 85.05112878;
/// How often the map is halved for a score.
pub(super) const STEPS_MAX: u32 = 26;

/// A place on earth, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Position {
    /// Whether it is on the map.
    pub(super) fn is_on_map(&self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The score as an integer. Those at the upper ends of the map have more than 52 bits.
    pub(super) fn score(&self) -> u64 {
        Cell::at(self, STEPS_MAX).bits()
    }

    /// What a score stands for: the middle of its cell. Any score stands for some place on the map.
    pub(super) fn of_score(score: f64) -> Position {
        let bits = integer_of(score);
        let area = Cell { column: compress(bits >> 1), row: compress(bits), steps: STEPS_MAX }.area();
        let middle = |range: (f64, f64), max: f64| ((range.0 + range.1) / 2.0).clamp(-max, max);
        Position { longitude: middle(area.longitude, LONGITUDE_MAX), latitude: middle(area.latitude, LATITUDE_MAX) }
    }

    /// The standard geohash text, whose map goes up to the poles, in the 11 letters of the peers: the last would need
    /// more bits than there are and is always 0.
    pub(super) fn geohash(&self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        const POLE: f64 = 90.0;
        let bits = Cell::on_map(self, STEPS_MAX, POLE).bits();
        std::array::from_fn(|nth| match nth {
            10 => LETTERS[0],
            _ => LETTERS[(bits >> (47 - 5 * nth)) as usize & 0x1f],
        })
    }
}

/// A score's integer, as the processors that the peers mostly run on convert it.
fn integer_of(score: f64) -> u64 {
    const TOP: f64 = 9_223_372_036_854_775_808.0;
    const NOT_AN_INTEGER: u64 = 1 << 63;
    if score < TOP {
        return if score >= -TOP { score as i64 as u64 } else { NOT_AN_INTEGER };
    }
    let rest = score - TOP;
    if rest < TOP { rest as u64 ^ NOT_AN_INTEGER } else { 0 }
}

/// The least and the greatest in both directions, in degrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) longitude: (f64, f64),
    pub(super) latitude: (f64, f64),
}

/// A cell of the grid. A column or row behind the last is possible: positions at the upper ends of the map are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    column: u32,
    row: u32,
    steps: u32,
}

impl Cell {
    /// The cell of a position that is on the map.
    pub(super) fn at(position: &Position, steps: u32) -> Cell {
        Cell::on_map(position, steps, LATITUDE_MAX)
    }

    fn on_map(position: &Position, steps: u32, latitude_max: f64) -> Cell {
        let count = (1u64 << steps) as f64;
        let number = |value: f64, max: f64| ((value + max) / (max + max) * count) as u32;
        Cell { column: number(position.longitude, LONGITUDE_MAX), row: number(position.latitude, latitude_max), steps }
    }

    /// How often the map is halved for cells of this size.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// The cell so many columns to the east and rows to the north; the map continues at its other end.
    pub(super) fn moved(&self, columns: i32, rows: i32) -> Cell {
        let last = ((1u64 << self.steps) - 1) as u32;
        let shift = |number: u32, by: i32| if by == 0 { number } else { number.wrapping_add_signed(by) & last };
        Cell { column: shift(self.column, columns), row: shift(self.row, rows), steps: self.steps }
    }

    /// What the cell covers.
    pub(super) fn area(&self) -> Area {
        let count = (1u64 << self.steps) as f64;
        let range = |number: u32, max: f64| {
            let edge = |number: u32| -max + f64::from(number) / count * (max + max);
            (edge(number), edge(number.wrapping_add(1)))
        };
        Area { longitude: range(self.column, LONGITUDE_MAX), latitude: range(self.row, LATITUDE_MAX) }
    }

    /// The scores of its members: the least, and the one behind the greatest.
    pub(super) fn scores(&self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }

    fn bits(&self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }
}

/// The masks of bits in groups of 16, 8, 4, 2 and 1, each followed by as many zeros.
const GROUPS: [u64; 5] =
    [0x0000_ffff_0000_ffff, 0x00ff_00ff_00ff_00ff, 0x0f0f_0f0f_0f0f_0f0f, 0x3333_3333_3333_3333, 0x5555_5555_5555_5555];

/// Moves every bit to twice its place.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (nth, mask) in GROUPS.iter().enumerate() {
        bits = (bits | bits << (16 >> nth)) & mask;
    }
    bits
}

/// What [`spread`] undoes; bits at odd places are dropped.
fn compress(bits: u64) -> u32 {
    let mut bits = bits & GROUPS[4];
    for (nth, mask) in GROUPS[..4].iter().rev().enumerate() {
        bits = (bits | bits >> (1 << nth)) & mask;
    }
    (bits | bits >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_bits_is_undone_by_compressing_them() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..1000 {
            let (low, high) = (rng.u32(..), rng.u32(..));
            let both = spread(low) | spread(high) << 1;
            assert_eq!((compress(both), compress(both >> 1)), (low, high));
        }
    }

    #[test]
    fn a_position_comes_back_from_its_score_within_its_cell() {
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..1000 {
            let longitude = (rng.f64() * 2.0 - 1.0) * LONGITUDE_MAX;
            let latitude = (rng.f64() * 2.0 - 1.0) * LATITUDE_MAX;
            let back = Position::of_score(Position { longitude, latitude }.score() as f64);
            assert!((back.longitude - longitude).abs() <= 180.0 / f64::from(1 << STEPS_MAX));
            assert!((back.latitude - latitude).abs() <= 90.0 / f64::from(1 << STEPS_MAX));
            assert_eq!(back.score(), Position::of_score(back.score() as f64).score());
        }
    }

    #[test]
    fn the_map_continues_at_its_other_end() {
        let corner = Cell { column: 7, row: 0, steps: 3 };
        assert_eq!(corner.moved(1, -1), Cell { column: 0, row: 7, steps: 3 });
        assert_eq!(corner.moved(1, -1).moved(-1, 1), corner);
        // Behind the last column, where the positions at 180° are.
        let behind = Cell { column: 8, row: 3, steps: 3 };
        assert_eq!((behind.moved(0, 1).column, behind.moved(-1, 0).column, behind.moved(1, 0).column), (8, 7, 1));
    }

    #[test]
    fn the_members_of_a_cell_are_those_with_its_scores() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..1000 {
            let position = Position { longitude: rng.f64() * 360.0 - 180.0, latitude: rng.f64() * 170.0 - 85.0 };
            let cell = Cell::at(&position, rng.u32(1..=STEPS_MAX));
            let (least, behind) = cell.scores();
            let score = position.score() as f64;
            assert!(least <= score && score < behind);
        }
    }
}
