//! The registers of several HyperLogLogs together: for each the highest value.

use super::dense::{self, Tally};
use super::{Form, HyperLogLog, REGISTERS, estimate, sparse};
use crate::Corrupt;

/// A value for each register.
pub struct Registers(pub(super) Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Registers {
        Registers::new()
    }
}

impl Registers {
    /// All 0.
    pub fn new() -> Registers {
        Registers(Box::new([0; REGISTERS]))
    }

    /// Raises every register to at least that of `other`. After an error some are raised.
    pub fn merge(&mut self, other: &HyperLogLog<'_>) -> Result<(), Corrupt> {
        if other.form == Form::Dense {
            self.merge_dense(other.bytes);
            return Ok(());
        }
        sparse::for_each_value(other.bytes, |run, value| {
            self.0[run].iter_mut().for_each(|register| *register = value.max(*register));
        })
    }

    fn merge_dense(&mut self, bytes: &[u8]) {
        let (mine, _) = self.0.as_chunks_mut::<8>();
        let mut mine = mine.iter_mut();
        dense::for_each_eight(bytes, |eight| {
            let Some(block) = mine.next() else { return };
            *block = dense::higher(u64::from_le_bytes(*block), eight).to_le_bytes();
        });
    }

    /// The estimate of all elements together.
    pub fn count(&self) -> u64 {
        let mut tally = Tally::default();
        self.0.as_chunks::<8>().0.iter().for_each(|eight| tally.add(u64::from_le_bytes(*eight)));
        estimate::count(&tally.sum())
    }

    /// All values in order.
    pub fn values(&self) -> &[u8; REGISTERS] {
        &self.0
    }

    /// The registers that are not 0, in order.
    pub(super) fn raised(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().copied().enumerate().filter(|(_, value)| *value > 0)
    }
}
