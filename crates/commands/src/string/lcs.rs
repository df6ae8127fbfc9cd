//! LCS: the longest common subsequence of two strings, its length, or where it lies in both.

use std::borrow::Cow;

use keyspace::ValueRef;
use resp::Args;

use crate::context::{Context, DataFn, DataRow, int, is};
use crate::error::{Error, Outcome};
use crate::flags::{Categories, Flags};
use crate::keyspec::{KeyAccess, KeySpec};
use crate::row::{Meta, Row};

/// Finds the longest common subsequence of two strings.
pub(super) const LCS: DataRow = Row {
    name: "lcs",
    meta: Meta::new("string", "7.0.0", -3, Flags::READONLY)
        .about("Finds the longest common subsequence of two strings.", "O(N*M) with strings of N and M bytes")
        .acl(Categories::STRING)
        .keys(&[KeySpec::range(KeyAccess::RO.with(KeyAccess::ACCESS), 1, 1, 1)])
        .usage("key1:key#0 key2:key#0 [LEN] [IDX] [MINMATCHLEN=min-match-len:integer] [WITHMATCHLEN]"),
    run: lcs as DataFn,
    subcommands: &[],
};

fn lcs(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let a = fetch(ctx, &args[1])?;
    let b = fetch(ctx, &args[2])?;
    let (Some(a), Some(b)) = (a, b) else { return Err(NOT_STRINGS) };
    let options = Options::parse(args)?;
    let lengths = Lengths::compute(&a, &b, ctx.db.settings().string_bytes_max)?;
    if options.len {
        ctx.reply.int(lengths.whole() as i64);
    } else if options.idx {
        reply_matches(ctx, &lengths, &lengths.matches(&a, &b), &options);
    } else {
        let mut common = Vec::with_capacity(lengths.whole());
        for run in lengths.matches(&a, &b).iter().rev() {
            common.extend_from_slice(&a[run.in_a..run.in_a + run.len]);
        }
        ctx.reply.bulk(&common);
    }
    Ok(())
}

const NOT_STRINGS: Error = Error::text("ERR The specified keys must contain string values");

/// The bytes of a key, empty if there is none; the inner None stands for another type.
fn fetch(ctx: &mut Context<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    Ok(match ctx.db.get(key) {
        None => Some(Vec::new()),
        Some(ValueRef::String(value)) => Some(match value.as_bytes() {
            Cow::Borrowed(bytes) => bytes.to_vec(),
            Cow::Owned(bytes) => bytes,
        }),
        Some(_) => None,
    })
}

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: usize,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let word = &args[at];
            if is(word, "LEN") {
                options.len = true;
            } else if is(word, "IDX") {
                options.idx = true;
            } else if is(word, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if is(word, "MINMATCHLEN") && at + 1 < args.len() {
                at += 1;
                options.min_match_len = usize::try_from(int(&args[at])?).unwrap_or(0);
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        if options.len && options.idx {
            return Err(Error::text("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// A stretch that both strings share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    in_a: usize,
    in_b: usize,
    len: usize,
}

/// The table of dynamic programming: the length of the longest common subsequence of every two prefixes.
struct Lengths {
    cells: Vec<u32>,
    a_len: usize,
    b_len: usize,
}

impl Lengths {
    /// Fills the table, unless it would take more than `bytes_max`.
    fn compute(a: &[u8], b: &[u8], bytes_max: u64) -> Result<Lengths, Error> {
        let cells = (a.len() as u128 + 1) * (b.len() as u128 + 1);
        if cells * size_of::<u32>() as u128 > u128::from(bytes_max) {
            return Err(Error::text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
        }
        let mut lengths = Lengths { cells: vec![0; cells as usize], a_len: a.len(), b_len: b.len() };
        let width = b.len() + 1;
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = lengths.cells[i * width..(i + 2) * width].split_at_mut(width);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = if byte == other { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Ok(lengths)
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * (self.b_len + 1) + j]
    }

    fn whole(&self) -> usize {
        self.at(self.a_len, self.b_len) as usize
    }

    /// The shared stretches from the end to the beginning. Of several longest subsequences it takes the one that a peer
    /// takes: where both ways are equally long, one byte less of `b`.
    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (self.a_len, self.b_len);
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                i -= 1;
                j -= 1;
                match runs.last_mut() {
                    Some(run) if run.in_a == i + 1 && run.in_b == j + 1 => {
                        *run = Run { in_a: i, in_b: j, len: run.len + 1 };
                    }
                    _ => runs.push(Run { in_a: i, in_b: j, len: 1 }),
                }
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        runs
    }
}

fn reply_matches(ctx: &mut Context<'_>, lengths: &Lengths, runs: &[Run], options: &Options) {
    let shown = || runs.iter().filter(|run| run.len >= options.min_match_len);
    let reply = &mut ctx.reply;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(shown().count());
    for run in shown() {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for start in [run.in_a, run.in_b] {
            reply.array(2);
            reply.int(start as i64);
            reply.int((start + run.len - 1) as i64);
        }
        if options.with_match_len {
            reply.int(run.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.int(lengths.whole() as i64);
}
