//! Whether a listpack from outside is a block of a stream.

use super::id::StreamId;
use crate::{Corrupt, Element, Listpack, ListpackIter};

const CUT: Corrupt = Corrupt("stream block cut short");

/// Checks a block, trusting nothing: how many entries it has that are not deleted. Their ids must ascend from the
/// block's on; deleted ones may have any, as XSETID can go back below one that was the last.
pub(super) fn live_entries(id: StreamId, listpack: &Listpack) -> Result<usize, Corrupt> {
    let mut elements = listpack.iter();
    let (live, dead) = (count(&mut elements)?, count(&mut elements)?);
    let names = count(&mut elements)?;
    skip(&mut elements, names)?;
    if number(&mut elements)? != 0 {
        return Err(Corrupt("stream block without end of its names"));
    }
    let (mut live_found, mut dead_found, mut last) = (0, 0, None);
    while elements.offset() < listpack.end() {
        let flags = number(&mut elements)?;
        if !(0..4).contains(&flags) {
            return Err(Corrupt("unknown flags of a stream entry"));
        }
        let (ms, seq) = (number(&mut elements)?, number(&mut elements)?);
        let stated = if flags & 2 != 0 {
            skip(&mut elements, names)?;
            names + 3
        } else {
            let own = count(&mut elements)?;
            skip(&mut elements, own.saturating_mul(2))?;
            2 * own + 4
        };
        if number(&mut elements)? != stated as i64 {
            return Err(Corrupt("stream entry with a wrong count of elements"));
        }
        if flags & 1 != 0 {
            dead_found += 1;
            continue;
        }
        live_found += 1;
        let own = StreamId { ms: id.ms.wrapping_add(ms as u64), seq: id.seq.wrapping_add(seq as u64) };
        if own < id || last.is_some_and(|last| own <= last) {
            return Err(Corrupt("stream ids out of order"));
        }
        last = Some(own);
    }
    if (live, dead) != (live_found, dead_found) {
        return Err(Corrupt("stream block with a wrong count of entries"));
    }
    Ok(live)
}

fn number(elements: &mut ListpackIter<'_>) -> Result<i64, Corrupt> {
    elements.next().as_ref().and_then(Element::as_i64).ok_or(CUT)
}

fn count(elements: &mut ListpackIter<'_>) -> Result<usize, Corrupt> {
    usize::try_from(number(elements)?).map_err(|_| Corrupt("negative count in a stream block"))
}

/// Passes over so many elements, which must be there: so a count that was skipped is no larger than the listpack.
fn skip(elements: &mut ListpackIter<'_>, count: usize) -> Result<(), Corrupt> {
    for _ in 0..count {
        elements.next().ok_or(CUT)?;
    }
    Ok(())
}
