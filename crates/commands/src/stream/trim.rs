//! The options of XADD and XTRIM, and what of a trim is journalled.

use collections::{Entries, Limits, StreamId, Trim};
use keyspace::{Db, ExpiryMode};
use resp::Args;

use crate::context::{int, is};
use crate::error::Error;

use super::id::{self, IdText, NewId};

/// Entries that an approximate trim without LIMIT removes at most: those of this many blocks, within these bounds.
const BLOCKS_TRIMMED_MAX: usize = 100;
const TRIMMED_MAX_BY_DEFAULT: u64 = 10_000;
const TRIMMED_MAX: u64 = 1_000_000;

/// How to trim.
#[derive(Clone, Copy)]
pub(super) struct Trimming {
    pub(super) trim: Trim,
    pub(super) approximate: bool,
    /// The most that goes; 0 is no limit.
    removed_max: u64,
    /// The argument that says how far.
    at: usize,
}

impl Trimming {
    /// Trims: how many entries went.
    pub(super) fn apply(&self, entries: &mut Entries) -> usize {
        entries.trim(self.trim, self.approximate, self.removed_max)
    }

    /// Makes the words of an approximate trim say what it left, so that a replica trims to the same.
    pub(super) fn rewrite<'a>(&self, entries: &Entries, words: &mut [&'a [u8]], text: &'a mut IdText) {
        if !self.approximate {
            return;
        }
        *text = match self.trim {
            Trim::Length(_) => IdText::of_number(entries.len() as u64),
            Trim::From(_) => IdText::new(entries.first_block_id().unwrap_or(StreamId::MAX)),
        };
        words[self.at - 1] = b"=";
        words[self.at] = text.as_bytes();
    }
}

/// What stands before the fields of XADD, or behind the key of XTRIM.
pub(super) struct Options {
    pub(super) no_mkstream: bool,
    pub(super) trimming: Option<Trimming>,
    /// The id of XADD.
    pub(super) id: NewId,
    /// Which argument that is.
    pub(super) id_at: usize,
}

impl Options {
    /// Reads the options of XADD, or of XTRIM.
    pub(super) fn parse(args: &Args<'_>, is_add: bool, db: &Db<'_>) -> Result<Options, Error> {
        let mut options = Options { no_mkstream: false, trimming: None, id: NewId::Now, id_at: 0 };
        let mut limit = None;
        let mut at = 2;
        while at < args.len() {
            let word = args.at(at);
            let next = args.get(at + 1);
            if is_add && word == b"*" {
                options.id_at = at;
                break;
            } else if next.is_some() && (is(word, "MAXLEN") || is(word, "MINID")) {
                at = options.parse_strategy(args, at)?;
            } else if let Some(next) = next.filter(|_| is(word, "LIMIT")) {
                let number = u64::try_from(int(next)?);
                limit = Some(number.map_err(|_| Error::text("ERR The LIMIT argument must be >= 0."))?);
                at += 1;
            } else if is_add && is(word, "NOMKSTREAM") {
                options.no_mkstream = true;
            } else if is_add {
                options.id = NewId::parse(word)?;
                options.id_at = at;
                break;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        options.check(limit, is_add, db)?;
        Ok(options)
    }

    /// Reads MAXLEN or MINID with what belongs to it: the last argument of that.
    fn parse_strategy(&mut self, args: &Args<'_>, mut at: usize) -> Result<usize, Error> {
        if self.trimming.is_some() {
            return Err(Error::text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible"));
        }
        let is_length = is(&args[at], "MAXLEN");
        let sign = if at + 2 < args.len() { args.at(at + 1) } else { b"" };
        at += if sign == b"~" || sign == b"=" { 2 } else { 1 };
        let trim = if is_length {
            let length = usize::try_from(int(&args[at])?);
            Trim::Length(length.map_err(|_| Error::text("ERR The MAXLEN argument must be >= 0."))?)
        } else {
            Trim::From(id::exact(&args[at])?)
        };
        self.trimming = Some(Trimming { trim, approximate: sign == b"~", removed_max: 0, at });
        Ok(at)
    }

    fn check(&mut self, limit: Option<u64>, is_add: bool, db: &Db<'_>) -> Result<(), Error> {
        if self.trimming.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(Error::text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"));
        }
        if self.trimming.is_none() && !is_add {
            return Err(Error::text("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        // A master says exactly what is to be left, and leaves a LIMIT in that did its work already.
        if db.expiry == ExpiryMode::Ignore {
            return Ok(());
        }
        let approximate = self.trimming.is_some_and(|trimming| trimming.approximate);
        if limit.is_some() && !approximate {
            return Err(Error::text("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        if let Some(trimming) = self.trimming.as_mut().filter(|_| approximate) {
            trimming.removed_max = limit.unwrap_or_else(|| default_limit(db.limits()));
        }
        Ok(())
    }
}

fn default_limit(limits: &Limits) -> u64 {
    match limits.stream_node_max_entries.saturating_mul(BLOCKS_TRIMMED_MAX) as u64 {
        0 => TRIMMED_MAX_BY_DEFAULT,
        limit => limit.min(TRIMMED_MAX),
    }
}
