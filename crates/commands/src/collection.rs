//! What the list, hash, set and sorted-set commands share: elements as replies, argument rules that only they have,
//! random samples and the part of the HSCAN family that does not depend on the type.

use std::collections::BTreeSet;

use collections::Element;
use keyspace::Db;
use keyspace::notify::{Class, Event};
use resp::{Args, Protocol, Reply, encode};

use crate::context::{Context, int, is};
use crate::error::{Error, Outcome};

/// The event of a key that went because it was overwritten with nothing.
pub(crate) const DEL_EVENT: Event = Event::new(Class::GENERIC, "del");

/// The most elements that one command journalled by [`journal_outcome`] names; even, so that pairs stay together.
const OUTCOME_ELEMENTS_MAX: usize = 1024;

/// Journals, in place of the command that runs, what became of it: `word key element…`, in as many commands as it takes.
pub(crate) fn journal_outcome(db: &mut Db<'_>, word: &[u8], key: &[u8], elements: &[Vec<u8>]) {
    db.effects.replicate_nothing();
    if !db.effects.journal_wanted {
        return;
    }
    let index = db.index();
    for batch in elements.chunks(OUTCOME_ELEMENTS_MAX) {
        let mut command = vec![word, key];
        command.extend(batch.iter().map(Vec::as_slice));
        db.effects.replicate_instead(index, &command);
    }
}

/// Journals, in place of the command that runs, the deletion of a key that will be written anew.
pub(crate) fn journal_removal(db: &mut Db<'_>, key: &[u8]) {
    db.effects.replicate_nothing();
    if db.kind(key).is_some() {
        let index = db.index();
        db.effects.replicate_instead(index, &[b"DEL", key]);
    }
}

/// Replies an element as a bulk string.
#[inline]
pub(crate) fn reply_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The header of an array of `n` pairs: nested in RESP3, flat in RESP2. [`reply_pair`] must follow `n` times.
pub(crate) fn reply_pairs(reply: &mut Reply<'_>, n: usize) {
    reply.array(if reply.proto() == Protocol::Resp3 { n } else { 2 * n });
}

/// Begins one pair below [`reply_pairs`]; its two elements must follow.
pub(crate) fn reply_pair(reply: &mut Reply<'_>) {
    if reply.proto() == Protocol::Resp3 {
        reply.array(2);
    }
}

/// Reads an argument as an integer of at least `min`; `message` refuses everything else, text that is no number too.
pub(crate) fn int_from(arg: &[u8], min: i64, message: Error) -> Result<i64, Error> {
    base::numbers::parse_i64(arg).filter(|value| *value >= min).ok_or(message)
}

/// Reads an argument as an integer that can be negated.
pub(crate) fn symmetric_int(arg: &[u8]) -> Result<i64, Error> {
    let value = int(arg)?;
    if value == i64::MIN {
        return Err(Error::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(value)
}

/// Reads the number of keys at `args[at]` and checks that they are there: the keys, and where the options begin.
pub(crate) fn counted_keys<'a>(args: &Args<'a>, at: usize) -> Result<(Args<'a>, usize), Error> {
    let count = int_from(&args[at], 1, Error::text("ERR numkeys should be greater than 0"))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let options_at = (at + 1).saturating_add(count);
    // The first word behind the keys must be there.
    if options_at >= args.len() {
        return Err(Error::Syntax);
    }
    Ok((args.tail(at + 1), options_at))
}

/// Reads the rest of LMPOP and ZMPOP: nothing, or COUNT with a number.
pub(crate) fn pop_count(words: &Args<'_>) -> Result<usize, Error> {
    if words.is_empty() {
        return Ok(1);
    }
    if words.len() < 2 || !is(&words[0], "COUNT") {
        return Err(Error::Syntax);
    }
    // The peers look at the number before they object to what follows.
    let count = int_from(&words[1], 1, Error::text("ERR count should be greater than 0"))?;
    if words.len() > 2 { Err(Error::Syntax) } else { Ok(count as usize) }
}

/// What is compared with many elements: its integer form is read once.
#[derive(Clone, Copy)]
pub(crate) struct Needle<'a> {
    bytes: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Looks for this text.
    pub(crate) fn new(bytes: &'a [u8]) -> Needle<'a> {
        Needle { bytes, int: base::numbers::parse_i64(bytes) }
    }

    /// Whether the element has this text.
    pub(crate) fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(value) => self.int == Some(value),
            Element::Bytes(bytes) => self.bytes == bytes,
        }
    }
}

/// The count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER: how many, and whether one may come twice.
#[derive(Clone, Copy)]
pub(crate) enum Sample {
    /// At most that many, all different.
    Distinct(usize),
    /// Exactly that many, each drawn from all.
    Repeating(usize),
}

impl Sample {
    /// Reads `count` and, in `args[3]`, the word that asks for pairs: whether it is there.
    pub(crate) fn parse(args: &Args<'_>, pair_word: &str) -> Result<(Sample, bool), Error> {
        let count = symmetric_int(&args[2])?;
        let pairs = match args.len() {
            3 => false,
            4 if is(&args[3], pair_word) => true,
            _ => return Err(Error::Syntax),
        };
        // A reply of pairs has twice as many elements, and that number must fit too.
        if pairs && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
            return Err(Error::text("ERR value is out of range"));
        }
        Ok((Sample::of(count), pairs))
    }

    /// A negative count allows repetitions.
    pub(crate) fn of(count: i64) -> Sample {
        let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count < 0 { Sample::Repeating(size) } else { Sample::Distinct(size) }
    }

    /// How many will be drawn from `len`.
    pub(crate) fn size(self, len: usize) -> usize {
        match self {
            Sample::Distinct(count) => count.min(len),
            Sample::Repeating(count) => count,
        }
    }

    /// Replies a sample of a collection of `len` > 0 elements, given as a walk over all and as access by position: as
    /// an array, of pairs if `pairs`. Refuses if that would be more than may wait for the client.
    pub(crate) fn reply<T>(
        self,
        reply: &mut Reply<'_>,
        rng: &mut fastrand::Rng,
        (len, pairs): (usize, bool),
        all: impl Iterator<Item = T>,
        nth: impl Fn(usize) -> Option<T>,
        mut each: impl FnMut(&mut Reply<'_>, T),
    ) -> Outcome {
        let size = self.size(len);
        // Only repetitions can be more than the collection holds, and nobody should have to wait for their refusal.
        let bounded = size <= len;
        if !bounded && size.saturating_mul(ELEMENT_BYTES_MIN) > reply.room() {
            return Err(REPLY_TOO_LARGE);
        }
        if reply.is_silent() {
            return Ok(());
        }
        let mark = reply.mark();
        if pairs {
            reply_pairs(reply, size);
        } else {
            reply.array(size);
        }
        if matches!(self, Sample::Distinct(_)) {
            self.draw(rng, len, all, nth, |item| each(reply, item));
            return Ok(());
        }
        for _ in 0..size {
            each(reply, nth(rng.usize(..len)).expect("positions are below the length"));
            if !bounded && reply.room() == 0 {
                reply.take_back(mark);
                return Err(REPLY_TOO_LARGE);
            }
        }
        Ok(())
    }

    /// Draws elements that are all different: a sample of more than a third in one walk, a smaller one by drawing
    /// positions until enough are different.
    fn draw<T>(
        self,
        rng: &mut fastrand::Rng,
        len: usize,
        all: impl Iterator<Item = T>,
        nth: impl Fn(usize) -> Option<T>,
        mut each: impl FnMut(T),
    ) {
        let count = self.size(len);
        if count < len / 3 {
            let mut drawn = BTreeSet::new();
            while drawn.len() < count {
                let position = rng.usize(..len);
                if drawn.insert(position) {
                    each(nth(position).expect("positions are below the length"));
                }
            }
            return;
        }
        let mut wanted = count;
        for (position, item) in all.enumerate().take(len) {
            if rng.usize(..len - position) < wanted {
                wanted -= 1;
                each(item);
            }
        }
    }
}

/// The least that an element takes in a reply.
const ELEMENT_BYTES_MIN: usize = b"$0\r\n\r\n".len();

const REPLY_TOO_LARGE: Error =
    Error::text("ERR so many repetitions are more than may wait for this client; ask for fewer at a time");

/// The arguments of HSCAN, SSCAN and ZSCAN behind the cursor.
pub(crate) struct ElementScan<'a> {
    pattern: Option<&'a [u8]>,
    /// How many elements to look at in one call, about.
    pub(crate) count: usize,
    /// Replies names only: NOVALUES, NOSCORES.
    pub(crate) names_only: bool,
    bulks: Vec<u8>,
    len: usize,
}

/// How many elements one call looks at if COUNT does not say.
const SCAN_COUNT_DEFAULT: usize = 10;

/// Reads a cursor as the peers do, with the C library's reader of unsigned numbers: it skips leading blanks, takes signs
/// and zeros, and ends at a NUL. Only a plain negative number is refused.
pub(crate) fn scan_cursor(arg: &[u8]) -> Result<u64, Error> {
    const BAD_CURSOR: Error = Error::text("ERR invalid cursor");
    if base::numbers::parse_i64(arg).is_some_and(|number| number < 0) {
        return Err(BAD_CURSOR);
    }
    let text = arg.split(|&byte| byte == 0).next().unwrap_or_default();
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or(BAD_CURSOR)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// The reply of a scan over a key that is not there.
pub(crate) fn reply_empty_scan(ctx: &mut Context<'_>) -> Outcome {
    ctx.reply.array(2);
    ctx.reply.bulk(b"0");
    ctx.reply.array(0);
    Ok(())
}

impl<'a> ElementScan<'a> {
    /// Reads the options. `command` is the upper-case name: NOVALUES is for HSCAN, NOSCORES for ZSCAN.
    pub(crate) fn parse(args: &Args<'a>, command: &str) -> Result<ElementScan<'a>, Error> {
        let mut scan =
            ElementScan { pattern: None, count: SCAN_COUNT_DEFAULT, names_only: false, bulks: Vec::new(), len: 0 };
        let mut at = 3;
        while at < args.len() {
            let (word, value) = (args.at(at), args.get(at + 1));
            match value {
                Some(value) if is(word, "COUNT") => {
                    let count = int(value)?;
                    if count < 1 {
                        return Err(Error::Syntax);
                    }
                    scan.count = usize::try_from(count).unwrap_or(usize::MAX);
                    at += 1;
                }
                Some(value) if is(word, "MATCH") => {
                    scan.pattern = (value != b"*").then_some(value);
                    at += 1;
                }
                _ if is(word, "NOVALUES") && command != "HSCAN" => {
                    return Err(Error::text("ERR NOVALUES option can only be used in HSCAN"));
                }
                _ if is(word, "NOSCORES") && command != "ZSCAN" => {
                    return Err(Error::text("ERR NOSCORES option can only be used in ZSCAN"));
                }
                _ if is(word, "NOVALUES") || is(word, "NOSCORES") => scan.names_only = true,
                _ => return Err(Error::Syntax),
            }
            at += 1;
        }
        Ok(scan)
    }

    /// Takes an element's name in: whether it matches, and so its value must follow unless names are all that is asked.
    pub(crate) fn take(&mut self, name: Element<'_>) -> bool {
        name.with_bytes(|name| {
            let matches = self.pattern.is_none_or(|pattern| base::glob_match(pattern, name, false));
            if matches {
                self.push(name);
            }
            matches && !self.names_only
        })
    }

    /// Adds the value of the element taken last.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        encode::bulk(&mut self.bulks, bytes);
        self.len += 1;
    }

    /// Replies what was collected, and where to go on.
    pub(crate) fn reply(self, reply: &mut Reply<'_>, cursor: u64) {
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        reply.array(self.len);
        reply.raw(&self.bulks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sample: Sample, len: usize) -> Vec<usize> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut out = Vec::new();
        sample.draw(&mut rng, len, 0..len, |at| (at < len).then_some(at), |item| out.push(item));
        out
    }

    /// What a sample of ten elements of a thousand bytes replies behind a reply that waits already.
    fn replied(count: i64, bytes_max: usize) -> Result<usize, Error> {
        let mut out = resp::Outbox::new();
        out.extend(b"+OK\r\n");
        let mut reply = Reply::new(&mut out, Protocol::Resp2);
        reply.set_bytes_max(bytes_max);
        let mut rng = fastrand::Rng::with_seed(7);
        let element = [b'x'; 1000];
        let each = |reply: &mut Reply<'_>, _| reply.bulk(&element);
        let outcome = Sample::of(count).reply(&mut reply, &mut rng, (10, false), 0..10, Some, each);
        assert!(outcome.is_ok() || out.to_vec() == b"+OK\r\n", "a refused reply leaves nothing behind");
        outcome.map(|()| out.len())
    }

    #[test]
    fn a_distinct_sample_has_its_size_and_no_element_twice() {
        for (count, len) in [(0, 10), (1, 10), (3, 100), (60, 100), (99, 100), (100, 100), (500, 100)] {
            let mut sample = drawn(Sample::Distinct(count), len);
            assert_eq!(sample.len(), count.min(len));
            sample.sort_unstable();
            sample.dedup();
            assert_eq!(sample.len(), count.min(len));
        }
    }

    #[test]
    fn repetitions_are_refused_when_they_are_more_than_may_wait() {
        assert_eq!(replied(-100, 1 << 20), Ok(5 + 6 + 100 * 1009));
        assert_eq!(replied(-2000, 1 << 20), Err(REPLY_TOO_LARGE));
        assert_eq!(replied(-i64::MAX, 1 << 20), Err(REPLY_TOO_LARGE));
        assert_eq!(replied(-i64::MAX, usize::MAX), Err(REPLY_TOO_LARGE));
        // What the collection holds may be asked for, whatever it comes to: the client's limit decides then.
        assert_eq!(replied(10, 100), Ok(5 + 5 + 10 * 1009));
    }
}
