//! The bytes being read: buffered, counted and summed, with the primitives of the format on top.

use std::io::{self, Read};
use std::ops::Range;

use crate::rdb::checksum::Crc64;
use crate::rdb::error::Fault;
use crate::rdb::length::{FORM_INT8, FORM_INT16, FORM_INT32, FORM_LZF, MARK_32, MARK_64};
use crate::rdb::lzf;

/// Longer strings are refused. No server writes them; what is read is bounded by the source anyway.
const STRING_BYTES_MAX: u64 = 1 << 36;
/// The first allocation for a string from outside, whatever its stated length.
const FIRST_BYTES_MAX: u64 = 1 << 20;

/// Buffered bytes from outside.
pub(in crate::rdb) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What has been consumed of the buffer, and what of that is in the checksum.
    at: usize,
    summed: usize,
    /// Bytes consumed before those of the buffer.
    before: u64,
    sum: Option<Crc64>,
    compressed: Vec<u8>,
    text: Text,
    /// The text that was read last, unless it stands in the buffer.
    scratch: Vec<u8>,
    capacity: usize,
}

/// Where the text is that was read last.
enum Text {
    Buffered(Range<usize>),
    Scratch,
}

/// A length, or the form of a string that stands in its place.
enum Length {
    Plain(u64),
    Form(u8),
}

impl<R: Read> Source<R> {
    pub(in crate::rdb) fn new(reader: R, capacity: usize, checksum: bool) -> Source<R> {
        let sum = checksum.then(Crc64::new);
        Source {
            reader,
            buffer: Vec::new(),
            at: 0,
            summed: 0,
            before: 0,
            sum,
            compressed: Vec::new(),
            text: Text::Scratch,
            scratch: Vec::new(),
            capacity,
        }
    }

    /// Bytes consumed.
    pub(in crate::rdb) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The checksum of everything consumed, if one is kept.
    pub(in crate::rdb) fn checksum(&mut self) -> Option<u64> {
        self.sum_up();
        self.sum.as_ref().map(Crc64::value)
    }

    /// What was read from the reader but not consumed, and the reader.
    pub(in crate::rdb) fn into_parts(mut self) -> (Vec<u8>, R) {
        self.buffer.drain(..self.at);
        (self.buffer, self.reader)
    }

    pub(in crate::rdb) fn byte(&mut self) -> Result<u8, Fault> {
        if self.at == self.buffer.len() {
            self.refill()?;
        }
        let byte = self.buffer[self.at];
        self.at += 1;
        Ok(byte)
    }

    pub(in crate::rdb) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        if let Some(array) = self.buffer[self.at..].first_chunk::<N>() {
            self.at += N;
            return Ok(*array);
        }
        let mut array = [0; N];
        for place in &mut array {
            *place = self.byte()?;
        }
        Ok(array)
    }

    /// A length or a count.
    pub(in crate::rdb) fn length(&mut self) -> Result<u64, Fault> {
        match self.length_or_form()? {
            Length::Plain(length) => Ok(length),
            Length::Form(_) => Err(Fault::Corrupt("the form of a string stands where a length must")),
        }
    }

    /// A string in any of its forms; replaces what is in `out`.
    pub(in crate::rdb) fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let length = self.length_or_form()?;
        self.string_of(length, out)
    }

    /// A string whose length or form has been read.
    fn string_of(&mut self, length: Length, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        let number = match length {
            Length::Plain(length) => return self.raw(length, out),
            Length::Form(FORM_INT8) => i64::from(self.array::<1>()?[0] as i8),
            Length::Form(FORM_INT16) => i64::from(i16::from_le_bytes(self.array()?)),
            Length::Form(FORM_INT32) => i64::from(i32::from_le_bytes(self.array()?)),
            Length::Form(FORM_LZF) => return self.compressed(out),
            Length::Form(_) => return Err(Fault::Corrupt("unknown form of a string")),
        };
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        Ok(())
    }

    /// A string in any of its forms.
    pub(in crate::rdb) fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        self.string_into(&mut out)?;
        Ok(out)
    }

    /// A string in any of its forms, that can be read until the next one is without being copied: by [`Source::text`], if
    /// it is shorter than `long_min`; else it is returned.
    pub(in crate::rdb) fn read_text(&mut self, long_min: usize) -> Result<Option<Vec<u8>>, Fault> {
        let length = self.length_or_form()?;
        if let Length::Plain(length) = length
            && let Ok(length) = usize::try_from(length)
            && length < long_min
            && length <= self.buffer.len() - self.at
        {
            self.text = Text::Buffered(self.at..self.at + length);
            self.at += length;
            return Ok(None);
        }
        let mut text = std::mem::take(&mut self.scratch);
        self.string_of(length, &mut text)?;
        if text.len() >= long_min {
            // It has room for itself, or for little more than that.
            text.shrink_to_fit();
            return Ok(Some(text));
        }
        (self.scratch, self.text) = (text, Text::Scratch);
        Ok(None)
    }

    /// The text that was read last.
    pub(in crate::rdb) fn text(&self) -> &[u8] {
        match &self.text {
            Text::Buffered(range) => &self.buffer[range.clone()],
            Text::Scratch => &self.scratch,
        }
    }

    fn compressed(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let compressed_len = self.length()?;
        let len = self.length()?;
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        self.raw(compressed_len, &mut compressed)?;
        let len = usize::try_from(len).map_err(|_| Fault::TooLong(len))?;
        lzf::decompress(&compressed, len, out)?;
        compressed.shrink_to(FIRST_BYTES_MAX as usize);
        self.compressed = compressed;
        Ok(())
    }

    fn length_or_form(&mut self) -> Result<Length, Fault> {
        let first = self.byte()?;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(u64::from(first)),
            (1, _) => Length::Plain(u64::from(u16::from_be_bytes([first & 0x3F, self.byte()?]))),
            (3, _) => Length::Form(first & 0x3F),
            (_, MARK_32) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, MARK_64) => Length::Plain(u64::from_be_bytes(self.array()?)),
            _ => return Err(Fault::Corrupt("unknown form of a length")),
        })
    }

    /// Appends `length` bytes to `out`, which grows no faster than bytes arrive.
    fn raw(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        if length > STRING_BYTES_MAX {
            return Err(Fault::TooLong(length));
        }
        out.reserve_exact(length.min(FIRST_BYTES_MAX) as usize);
        let mut left = length;
        loop {
            let ready = self.buffer.len() - self.at;
            let piece = usize::try_from(left).map_or(ready, |left| left.min(ready));
            out.extend_from_slice(&self.buffer[self.at..self.at + piece]);
            self.at += piece;
            left -= piece as u64;
            if left == 0 {
                return Ok(());
            }
            if left >= self.capacity as u64 {
                return self.direct(left, out);
            }
            self.refill()?;
        }
    }

    /// Appends `length` bytes past the buffer, which is empty.
    fn direct(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.retire_buffer();
        let start = out.len();
        let read = self.reader.by_ref().take(length).read_to_end(out);
        self.before += (out.len() - start) as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(&out[start..]);
        }
        match read {
            Ok(read) if read as u64 == length => Ok(()),
            Ok(_) => Err(Fault::Truncated),
            Err(error) => Err(Fault::Io(error)),
        }
    }

    /// Reads at least one byte into the buffer, all of which has been consumed.
    fn refill(&mut self) -> Result<(), Fault> {
        self.retire_buffer();
        self.buffer.resize(self.capacity, 0);
        let result = loop {
            match self.reader.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(*result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(Fault::Truncated),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Io(error)),
        }
    }

    fn retire_buffer(&mut self) {
        self.sum_up();
        self.before += self.at as u64;
        self.buffer.clear();
        (self.at, self.summed) = (0, 0);
    }

    fn sum_up(&mut self) {
        if let Some(sum) = &mut self.sum {
            sum.update(&self.buffer[self.summed..self.at]);
        }
        self.summed = self.at;
    }
}
