//! Requests from a client: arbitrary bytes, in one piece and cut into pieces, give the same requests and the same error,
//! and memory stays in proportion to what has arrived.
//!
//! The first byte of the input chooses the limits, the second how the rest is cut.

#![no_main]

use fuzz::memory;
use libfuzzer_sys::fuzz_target;
use resp::{ArgsBuf, ParseLimits, Parsed, ProtocolError, RequestParser};

/// What was found: each request's arguments, then why it ended.
type Found = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

fuzz_target!(|data: &[u8]| {
    let [choice, cut, input @ ..] = data else { return };
    let limits = ParseLimits {
        bulk_max: if choice & 1 == 0 { ParseLimits::default().bulk_max } else { 100 },
        unauthenticated: choice & 2 != 0,
    };
    // A range of 16 bytes for an argument of at least 6, twice that while the list grows, and what is found.
    let bytes_max = 64 * 1024 + input.len() * 40;
    let whole = memory::within(bytes_max, || parse(&[input.len()], input, &limits));
    let sizes = match cut {
        0 => [1, 1, 1],
        cut => [usize::from(cut & 7), usize::from(cut >> 3 & 7), usize::from(cut >> 6) * 1000].map(|size| size.max(1)),
    };
    // Cutting a large input to bytes takes a while and shows nothing new.
    if input.len() / sizes.iter().sum::<usize>() < 5000 {
        let pieces = memory::within(bytes_max * 2, || parse(&sizes, input, &limits));
        assert_eq!(whole, pieces, "in one piece and in pieces");
    }
});

/// Feeds the input to a parser as a connection does, in pieces of these sizes over and over.
fn parse(sizes: &[usize], input: &[u8], limits: &ParseLimits) -> Found {
    let mut parser = RequestParser::new();
    let mut args = ArgsBuf::new();
    let mut requests = Vec::new();
    let (mut from, mut arrived) = (0, 0);
    for size in sizes.iter().cycle() {
        arrived = input.len().min(arrived + size);
        loop {
            let pending = &input[from..arrived];
            match parser.parse(pending, &mut args, limits) {
                Ok(Parsed::Complete { consumed }) => {
                    assert!(consumed > 0 && consumed <= pending.len());
                    requests.push(args.view(pending).iter().map(<[u8]>::to_vec).collect());
                    from += consumed;
                }
                Ok(Parsed::Empty { consumed }) => {
                    assert!(consumed > 0 && consumed <= pending.len());
                    from += consumed;
                }
                Ok(Parsed::Incomplete { want }) => {
                    assert!(want.is_none_or(|want| want > pending.len()), "waits for what is there");
                    break;
                }
                Err(error) => {
                    assert!(error.text().starts_with(b"ERR Protocol error: "));
                    return (requests, Some(error));
                }
            }
        }
        if arrived == input.len() {
            return (requests, None);
        }
    }
    unreachable!("the sizes are never at an end")
}
