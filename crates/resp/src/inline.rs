//! Inline requests: words with shell-like quoting, as typed into telnet and written in configuration files.

use crate::args::ArgRange;
use crate::args::ArgsBuf;

/// A quote was not closed, or its end was not followed by a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Splits a line into decoded words, put into `args`. `"…"` knows `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and takes any
/// other escaped byte as itself; `'…'` knows only `\'`. No word at all gives empty `args`.
pub fn split_inline(line: &[u8], args: &mut ArgsBuf) -> Result<(), UnbalancedQuotes> {
    let _ = (line, args, ArgRange { start: 0, len: 0 });
    todo!()
}
