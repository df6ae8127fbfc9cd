//! Where encoded bytes go, and the buffer in front of it that also sums them.

use std::convert::Infallible;

use super::checksum::Crc64;
use super::lzf::Compressor;

/// Takes encoded bytes: a file, a socket, a vector.
pub trait Sink {
    /// Why it could not take them.
    type Error;

    /// Takes all of these bytes, at most [`PIECE_BYTES_MAX`] at a time.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = Infallible;
    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    type Error = S::Error;
    fn write(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).write(bytes)
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    type Error = S::Error;
    fn write(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).write(bytes)
    }
}

/// The most bytes that a sink is given at once.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Collects small writes; passes large ones on in pieces without a copy.
pub(super) struct Output<S> {
    sink: S,
    buffer: Vec<u8>,
    sum: Option<Crc64>,
    passed_on: u64,
    /// Kept between strings, for its table.
    pub(super) compressor: Option<Compressor>,
    /// Where strings are compressed.
    pub(super) scratch: Vec<u8>,
}

impl<S: Sink> Output<S> {
    pub(super) fn new(sink: S, checksum: bool) -> Output<S> {
        let sum = checksum.then(Crc64::new);
        Output { sink, buffer: Vec::new(), sum, passed_on: 0, compressor: None, scratch: Vec::new() }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        if self.buffer.len() + bytes.len() <= PIECE_BYTES_MAX {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        if bytes.len() < PIECE_BYTES_MAX {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        bytes.chunks(PIECE_BYTES_MAX).try_for_each(|piece| self.pass_on(piece))
    }

    /// Puts a byte and what follows it, which is short.
    #[inline]
    pub(super) fn put_behind(&mut self, byte: u8, bytes: &[u8]) -> Result<(), S::Error> {
        if self.buffer.len() + 1 + bytes.len() > PIECE_BYTES_MAX {
            self.flush()?;
        }
        self.buffer.push(byte);
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_byte(&mut self, byte: u8) -> Result<(), S::Error> {
        self.put(&[byte])
    }

    /// Bytes put so far.
    pub(super) fn written(&self) -> u64 {
        self.passed_on + self.buffer.len() as u64
    }

    /// The checksum of all bytes put so far; 0 when none is kept.
    pub(super) fn checksum(&mut self) -> Result<u64, S::Error> {
        self.flush()?;
        Ok(self.sum.as_ref().map_or(0, Crc64::value))
    }

    pub(super) fn flush(&mut self) -> Result<(), S::Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.pass_on(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    /// The sink, everything put having been passed on.
    pub(super) fn into_sink(mut self) -> Result<S, S::Error> {
        self.flush()?;
        Ok(self.sink)
    }

    fn pass_on(&mut self, piece: &[u8]) -> Result<(), S::Error> {
        self.sink.write(piece)?;
        if let Some(sum) = &mut self.sum {
            sum.update(piece);
        }
        self.passed_on += piece.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::crc64;

    /// Remembers the size of every piece.
    #[derive(Default)]
    struct Pieces(Vec<u8>, Vec<usize>);

    impl Sink for Pieces {
        type Error = Infallible;
        fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.1.push(bytes.len());
            self.0.write(bytes)
        }
    }

    #[test]
    fn small_writes_are_gathered_and_large_ones_cut() {
        let mut output = Output::new(Pieces::default(), true);
        let large = vec![7u8; 2 * PIECE_BYTES_MAX + 5];
        for bytes in [&b"abc"[..], b"", b"def", &large, b"tail"] {
            output.put(bytes).unwrap();
        }
        assert_eq!(output.written(), large.len() as u64 + 10);
        let expected = [b"abcdef", &large[..], b"tail"].concat();
        assert_eq!(output.checksum().unwrap(), crc64(&expected));
        let Pieces(bytes, sizes) = output.into_sink().unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(sizes, [6, PIECE_BYTES_MAX, PIECE_BYTES_MAX, 5, 4]);
    }
}
