//! The way to an element of a large collection, in steps that wait for nothing: see [`crate::table`] for what they are.

use crate::table::TableApproach;

/// The way to one element: memory that a search for it will read becomes known step by step.
pub struct Approach<'a>(TableApproach<'a>);

impl<'a> Approach<'a> {
    pub(crate) fn new(way: TableApproach<'a>) -> Approach<'a> {
        Approach(way)
    }

    /// Goes one step on: calls `fetch` with addresses that the next step, or the search itself, will read. True if that was
    /// not the last step.
    #[inline]
    pub fn step(&mut self, fetch: impl FnMut(*const u8)) -> bool {
        self.0.step(fetch)
    }
}
