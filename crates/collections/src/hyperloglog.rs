//! HyperLogLog: how many different elements were added, estimated from 16384 registers, kept in a string whose bytes
//! are those of Redis and Valkey. Owns that format and the estimate; knows nothing of keys or commands.
//!
//! ```text
//! 0   "HYLL"
//! 4   form: 0 dense, 1 sparse
//! 5   3 bytes that nobody reads
//! 8   the last count, little-endian; its highest bit says that it no longer holds
//! 16  the registers: `dense.rs`, `sparse.rs`
//! ```
//!
//! Reading goes through [`HyperLogLog`], changing through [`HyperLogLogMut`], counting several together through
//! [`Registers`]. The estimate stands in `estimate.rs`, the hash function in `murmur.rs`.

mod dense;
mod estimate;
mod murmur;
mod registers;
mod sparse;
#[cfg(test)]
mod tests;

pub use registers::Registers;

use crate::Corrupt;
use dense::DENSE_BYTES;

/// Number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;

/// The lowest bits of an element's hash choose its register.
const INDEX_BITS: u32 = 14;

const HEADER_BYTES: usize = 16;
const FORM_AT: usize = 4;
const COUNT_AT: usize = 8;
/// Where the bit stands that says the kept count no longer holds.
const STALE_AT: usize = 15;
const STALE_BIT: u8 = 0x80;

/// How the registers are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// 6 bits for each.
    Dense,
    /// Runs of equal registers.
    Sparse,
}

impl Form {
    /// The name that PFDEBUG ENCODING replies.
    pub fn name(self) -> &'static str {
        match self {
            Form::Dense => "dense",
            Form::Sparse => "sparse",
        }
    }
}

/// The form of a string, None if it is no HyperLogLog. Whether the runs of a sparse one add up is not looked at.
fn form_of(bytes: &[u8]) -> Option<Form> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(b"HYLL") {
        return None;
    }
    match bytes[FORM_AT] {
        0 if bytes.len() == DENSE_BYTES => Some(Form::Dense),
        1 => Some(Form::Sparse),
        _ => None,
    }
}

/// A HyperLogLog being read.
#[derive(Clone, Copy)]
pub struct HyperLogLog<'a> {
    bytes: &'a [u8],
    form: Form,
}

impl<'a> HyperLogLog<'a> {
    /// Opens a string, None if it is no HyperLogLog.
    pub fn open(bytes: &'a [u8]) -> Option<HyperLogLog<'a>> {
        Some(HyperLogLog { bytes, form: form_of(bytes)? })
    }

    /// How the registers are written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The count kept in the header, if it still holds.
    pub fn kept_count(&self) -> Option<u64> {
        let count = &self.bytes[COUNT_AT..HEADER_BYTES];
        (self.bytes[STALE_AT] & STALE_BIT == 0)
            .then(|| u64::from_le_bytes(count.try_into().expect("the header has 8 bytes of it")))
    }

    /// The estimate, worked out from the registers.
    pub fn count(&self) -> Result<u64, Corrupt> {
        Ok(estimate::count(&match self.form {
            Form::Dense => dense::histogram(self.bytes),
            Form::Sparse => sparse::histogram(self.bytes)?,
        }))
    }

    /// Whether adding these elements is known to change nothing. Says so of the dense form only: looking a register up
    /// in the sparse form is most of the work of changing it.
    pub fn surely_has<'e>(&self, mut elements: impl Iterator<Item = &'e [u8]>) -> bool {
        self.form == Form::Dense
            && elements.all(|element| {
                let (index, value) = register_of(element);
                dense::get(self.bytes, index) >= value
            })
    }

    /// The runs of the sparse form as text: `z:7 v:2,1 Z:16376`, as PFDEBUG DECODE replies. None for the dense form.
    pub fn runs_as_text(&self) -> Option<String> {
        (self.form == Form::Sparse).then(|| sparse::as_text(self.bytes))
    }
}

/// A HyperLogLog being changed.
pub struct HyperLogLogMut<'a> {
    bytes: &'a mut Vec<u8>,
    form: Form,
}

impl<'a> HyperLogLogMut<'a> {
    /// Writes an empty HyperLogLog into `bytes`: sparse, and with a count of 0 that holds.
    pub fn create(bytes: &'a mut Vec<u8>) -> HyperLogLogMut<'a> {
        bytes.clear();
        bytes.extend_from_slice(b"HYLL\x01");
        bytes.resize(HEADER_BYTES, 0);
        sparse::write_empty(bytes);
        HyperLogLogMut { bytes, form: Form::Sparse }
    }

    /// Opens a string, None if it is no HyperLogLog.
    pub fn open(bytes: &'a mut Vec<u8>) -> Option<HyperLogLogMut<'a>> {
        let form = form_of(bytes)?;
        Some(HyperLogLogMut { bytes, form })
    }

    /// Adds an element: whether a register changed. A sparse form that would grow past `sparse_bytes_max` (the header
    /// included) becomes dense. An error leaves everything as it was.
    pub fn add(&mut self, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Corrupt> {
        let (index, value) = register_of(element);
        if self.form == Form::Sparse {
            match sparse::raise(self.bytes, index, value, sparse_bytes_max)? {
                sparse::Raised::No => return Ok(false),
                sparse::Raised::Yes => return Ok(true),
                sparse::Raised::TooLarge => self.make_dense()?,
            }
        }
        Ok(dense::raise(self.bytes, index, value))
    }

    /// Adds elements: how many of them changed a register. An error leaves everything as it was.
    pub fn add_all<'e>(
        &mut self,
        mut elements: impl ExactSizeIterator<Item = &'e [u8]>,
        sparse_bytes_max: usize,
    ) -> Result<u64, Corrupt> {
        // Only runs that do not add up give an error, and one that comes after a change must take it back.
        let backup = (elements.len() > 1 && self.form == Form::Sparse).then(|| self.bytes.clone());
        let added = elements.try_fold(0, |added, element| Ok(added + u64::from(self.add(element, sparse_bytes_max)?)));
        if let (Err(_), Some(backup)) = (&added, backup) {
            *self.bytes = backup;
            self.form = Form::Sparse;
        }
        added
    }

    /// Raises every register to that of `registers`, which these were merged into before.
    pub fn raise_to(&mut self, registers: &Registers, sparse_bytes_max: usize) -> Result<(), Corrupt> {
        if self.form == Form::Sparse {
            let mut walk = sparse::Walk::default();
            for (index, value) in registers.raised() {
                if walk.raise(self.bytes, index, value, sparse_bytes_max)? == sparse::Raised::TooLarge {
                    self.make_dense()?;
                    break;
                }
            }
        }
        if self.form == Form::Dense {
            dense::pack(self.bytes, registers.values());
        }
        Ok(())
    }

    /// Writes the registers in the dense form, unless they are: an error leaves everything as it was.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        if self.form == Form::Sparse {
            *self.bytes = sparse::to_dense(self.bytes)?;
            self.bytes[FORM_AT] = 0;
            self.form = Form::Dense;
        }
        Ok(())
    }

    /// Keeps a count in the header.
    pub fn keep_count(&mut self, count: u64) {
        self.bytes[COUNT_AT..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }

    /// Says that the kept count no longer holds.
    pub fn forget_count(&mut self) {
        self.bytes[STALE_AT] |= STALE_BIT;
    }
}

/// The register that an element goes to, and the value it raises it to: 1 more than the zeros at the low end of the
/// rest of its hash, which count as ended behind its 50 bits.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash(element);
    let rest = hash >> INDEX_BITS | 1 << (u64::BITS - INDEX_BITS);
    (hash as usize & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}
