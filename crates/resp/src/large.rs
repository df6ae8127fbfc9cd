//! A long argument that is still arriving, in memory of its own: when it is complete it can become a value without a copy,
//! and the rest of its request stays short.

use crate::request::LINE_END;
use std::sync::Arc;

/// From this length on (64 KiB) an argument that has not arrived in one piece is received on its own.
pub const LARGE_ARG_MIN: usize = 64 * 1024;

/// A long argument. Whoever keeps it shares it with the request.
pub type LargeArg = Arc<Vec<u8>>;

/// One that is not complete.
#[derive(Debug)]
pub(crate) struct Arriving {
    bytes: Vec<u8>,
    /// Its length.
    len: usize,
    /// Bytes of the line end that were taken; they are not looked at.
    end_taken: usize,
}

impl Arriving {
    /// Of this length, nothing of it here. Takes the memory at once, as the peers do: it must not be moved as it grows.
    pub(crate) fn new(len: usize) -> Arriving {
        Arriving { bytes: Vec::with_capacity(base::size_class(len)), len, end_taken: 0 }
    }

    /// Takes what belongs to it: how many bytes.
    pub(crate) fn take(&mut self, input: &[u8]) -> usize {
        let taken = input.len().min(self.len - self.bytes.len());
        self.bytes.extend_from_slice(&input[..taken]);
        if self.bytes.len() < self.len {
            return taken;
        }
        let end = (input.len() - taken).min(LINE_END.len() - self.end_taken);
        self.end_taken += end;
        taken + end
    }

    /// Where the bytes that it lacks go, in memory that is there for them, and how many these are.
    pub(crate) fn rest(&mut self) -> (&mut Vec<u8>, usize) {
        let lacks = self.len - self.bytes.len();
        (&mut self.bytes, lacks)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.end_taken == LINE_END.len()
    }

    pub(crate) fn into_large(self) -> LargeArg {
        Arc::new(self.bytes)
    }

    /// Bytes here so far, and memory held.
    pub(crate) fn bytes_and_memory(&self) -> (usize, usize) {
        (self.bytes.len(), self.bytes.capacity())
    }
}
