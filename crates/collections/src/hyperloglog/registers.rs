//! The registers of several HyperLogLogs together: for each the highest value.

use super::dense::{self, Values};
use super::{Form, HyperLogLog, REGISTERS, estimate, sparse};
use crate::Corrupt;

/// A value for each register.
pub struct Registers {
    values: Box<Values>,
    /// All values are 0.
    untouched: bool,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers::new()
    }
}

impl Registers {
    /// All 0.
    pub fn new() -> Registers {
        Registers { values: Box::new([0; REGISTERS]), untouched: true }
    }

    /// Raises every register to at least that of `other`. After an error some are raised.
    pub fn merge(&mut self, other: &HyperLogLog<'_>) -> Result<(), Corrupt> {
        let untouched = std::mem::replace(&mut self.untouched, false);
        match other.form {
            Form::Dense if untouched => dense::unpack(other.bytes, &mut self.values),
            Form::Dense => {
                let mut values = [0; REGISTERS];
                dense::unpack(other.bytes, &mut values);
                self.values.iter_mut().zip(values).for_each(|(mine, other)| *mine = other.max(*mine));
            }
            Form::Sparse => {
                return sparse::for_each_value(other.bytes, |run, value| {
                    self.values[run].iter_mut().for_each(|mine| *mine = value.max(*mine));
                });
            }
        }
        Ok(())
    }

    /// The estimate of all elements together.
    pub fn count(&self) -> u64 {
        estimate::count(&dense::histogram_of(&self.values))
    }

    /// All values in order.
    pub fn values(&self) -> &[u8; REGISTERS] {
        &self.values
    }

    /// The registers that are not 0, in order.
    pub(super) fn raised(&self) -> impl Iterator<Item = (usize, u8)> {
        self.values.iter().copied().enumerate().filter(|(_, value)| *value > 0)
    }

    /// Raises one register.
    #[cfg(test)]
    pub(super) fn raise(&mut self, index: usize, value: u8) {
        self.untouched = false;
        self.values[index] = value.max(self.values[index]);
    }
}
