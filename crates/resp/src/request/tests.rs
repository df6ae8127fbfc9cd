//! Requests whole, in pieces, wrong and random.

use super::*;
use crate::large::LARGE_ARG_MIN;
use proptest::prelude::*;

/// What a connection's bytes amount to: the requests, and the error that ended it.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    requests: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    /// Bytes of an unfinished request.
    rest: usize,
}

/// Feeds `bytes` up to each of `cuts`, then to the end, through one parser and one buffer.
fn feed(bytes: &[u8], cuts: &[usize], limits: &ParseLimits) -> Outcome {
    let mut parser = RequestParser::new();
    let mut args = ArgsBuf::new();
    let mut outcome = Outcome::default();
    let mut from = 0;
    for &to in cuts.iter().chain([&bytes.len()]) {
        loop {
            match parser.parse(&bytes[from..to], &mut args, limits) {
                Ok(Parsed::Complete { consumed }) => {
                    let request = args.view(&bytes[from..from + consumed]);
                    outcome.requests.push(request.iter().map(<[u8]>::to_vec).collect());
                    from += consumed;
                }
                Ok(Parsed::Empty { consumed }) => from += consumed,
                Ok(Parsed::Incomplete { want }) => {
                    assert!(want.is_none_or(|want| want > to - from));
                    break;
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    outcome.rest = bytes.len() - from;
    outcome
}

fn whole(bytes: &[u8]) -> Outcome {
    feed(bytes, &[], &ParseLimits::default())
}

fn requests(bytes: &[u8]) -> Vec<Vec<String>> {
    let outcome = whole(bytes);
    assert_eq!((outcome.error, outcome.rest), (None, 0));
    let text = |arg: Vec<u8>| String::from_utf8(arg).unwrap();
    outcome.requests.into_iter().map(|request| request.into_iter().map(text).collect()).collect()
}

const MIXED: &[u8] =
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nab\r\n*1\r\n$4cd\r\nPING\r\n\r\n*0\r\n*-1\r\n*2\r\n$4\r\nECHO\r\n\
    $0\r\n\r\nSET \"a b\" 'c\\'d'\n  \r\n*1\r\n$4\r\nQUIT\r\n";

#[test]
fn requests_of_both_kinds_follow_each_other() {
    let expected: [&[&str]; 5] =
        [&["SET", "k", "ab\r\n*1\r\n$4cd"], &["PING"], &["ECHO", ""], &["SET", "a b", "c'd"], &["QUIT"]];
    assert_eq!(requests(MIXED), expected);
}

#[test]
fn the_bytes_behind_a_carriage_return_and_an_argument_are_not_looked_at() {
    assert_eq!(requests(b"*2\rX$4\rYECHO__$1\r\nx\r\n"), [["ECHO", "x"]]);
}

#[test]
fn cutting_the_bytes_anywhere_changes_nothing() {
    for bytes in
        [MIXED, b"*2\r\n$4\r\nECHO\r\n$x\r\n", b"ECHO \"a\r\n", b"*1\r\n$4\r\nPING\r\n*1\r\nPING\r\n", b"*+1\r\n"]
    {
        let expected = whole(bytes);
        for cut in 0..bytes.len() {
            assert_eq!(feed(bytes, &[cut], &ParseLimits::default()), expected, "cut at {cut}");
        }
        let every: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(feed(bytes, &every, &ParseLimits::default()), expected, "byte by byte");
    }
}

#[test]
fn a_large_argument_says_how_many_bytes_it_wants() {
    let mut parser = RequestParser::new();
    let mut args = ArgsBuf::new();
    let header = b"*2\r\n$3\r\nGET\r\n$1000\r\n";
    let parsed = parser.parse(header, &mut args, &ParseLimits::default());
    assert_eq!(parsed, Ok(Parsed::Incomplete { want: Some(header.len() + 1002) }));
    assert!(parser.is_mid_request());
}

/// The error text for `bytes`, "" if they are a part of a request or a whole one.
fn refusal(bytes: &[u8], limits: &ParseLimits) -> String {
    let error = feed(bytes, &[], limits).error;
    error.map_or(String::new(), |error| String::from_utf8_lossy(&error.text()).replace("ERR Protocol error: ", ""))
}

#[test]
fn refusals_are_worded_as_real_servers_word_them() {
    // Read off Redis 7.0.15 and Valkey 8.0, which agree.
    let line = |start: &str, fill: usize| [start.as_bytes(), &vec![b'1'; fill]].concat();
    for (bytes, text) in [
        (&b"*abc\r\n"[..], "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*1\n$4\nPING\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*2147483647\r\n", ""),
        (b"*-5\r\n", ""),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$04\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$536870912\r\n", ""),
        (b"*1\r\nxyz\r\n", "expected '$', got 'x'"),
        (b"*1\r\n:4\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"ECHO \"a\r\n", "unbalanced quotes in request"),
        (&line("*", 65_535), ""),
        (&line("*", 65_536), "too big mbulk count string"),
        (&line("*1\r\n$", 65_535), ""),
        (&line("*1\r\n$", 65_536), "too big bulk count string"),
        (&line("x", 65_535), ""),
        (&line("x", 65_536), "too big inline request"),
    ] {
        let shown = bytes[..bytes.len().min(30)].escape_ascii();
        assert_eq!(refusal(bytes, &ParseLimits::default()), text, "{shown}");
    }
}

#[test]
fn a_line_above_the_limit_is_taken_if_its_end_is_there() {
    let long = "x".repeat(66_000);
    let line = format!("ECHO {long}\r\n");
    assert_eq!(requests(line.as_bytes()), [["ECHO", &long]]);
    let limits = ParseLimits::default();
    assert_eq!(feed(line.as_bytes(), &[65_536], &limits), whole(line.as_bytes()));
    assert_eq!(feed(line.as_bytes(), &[65_537], &limits).error, Some(ProtocolError::TooBigInlineRequest));
}

#[test]
fn a_client_that_is_not_authenticated_may_send_little() {
    let limits = ParseLimits { unauthenticated: true, ..ParseLimits::default() };
    assert_eq!(refusal(b"*11\r\n", &limits), "unauthenticated multibulk length");
    assert_eq!(refusal(b"*10\r\n$4\r\n", &limits), "");
    assert_eq!(refusal(b"*1\r\n$16385\r\n", &limits), "unauthenticated bulk length");
    assert_eq!(refusal(b"*1\r\n$16384\r\n", &limits), "");
    assert_eq!(refusal(b"*1\r\n$-1\r\n", &limits), "invalid bulk length");
    assert_eq!(refusal(b"*1\r\n$536870913\r\n", &limits), "invalid bulk length");
}

#[test]
fn one_buffer_serves_several_half_received_requests() {
    let mut args = ArgsBuf::new();
    let limits = ParseLimits::default();
    let (mut a, mut b) = (RequestParser::new(), RequestParser::new());
    assert!(matches!(a.parse(b"*2\r\n$1\r\na\r\n$1\r\n", &mut args, &limits), Ok(Parsed::Incomplete { .. })));
    assert!(matches!(b.parse(b"*2\r\n$1\r\nb\r\n", &mut args, &limits), Ok(Parsed::Incomplete { .. })));
    let request = b"*2\r\n$1\r\na\r\n$1\r\nA\r\n";
    assert_eq!(a.parse(request, &mut args, &limits), Ok(Parsed::Complete { consumed: request.len() }));
    assert_eq!(args.view(request).iter().collect::<Vec<_>>(), [b"a", b"A"]);
    let request = b"*2\r\n$1\r\nb\r\n$1\r\nB\r\n";
    assert_eq!(b.parse(request, &mut args, &limits), Ok(Parsed::Complete { consumed: request.len() }));
    assert_eq!(args.view(request).iter().collect::<Vec<_>>(), [b"b", b"B"]);
}

/// Bytes that come near to being requests.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "*2\r\n", "*1\r\n", "$4\r\n", "$0\r\n", "PING\r\n", "\r\n", "\"a\\x4", "' '", "*-1", "\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_never_matter(
        bytes in near_requests(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        unauthenticated in any::<bool>(),
    ) {
        let limits = ParseLimits { bulk_max: 1000, unauthenticated };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(feed(&bytes, &cuts, &limits), feed(&bytes, &[], &limits));
    }

    #[test]
    fn what_is_encoded_is_parsed_back(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12)) {
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        crate::OwnedArgs::from_slices(&slices).encode_into(&mut bytes);
        prop_assert_eq!(whole(&bytes), Outcome { requests: vec![args], ..Outcome::default() });
    }
}

/// Feeds `bytes` in the pieces that `cuts` makes, as a connection does: what is not parsed yet stays in an inbox, long
/// arguments are set apart. Every request is taken back once before it counts.
fn feed_apart(bytes: &[u8], cuts: &[usize]) -> (Vec<Vec<Vec<u8>>>, usize) {
    let (mut parser, mut args, mut inbox) = (RequestParser::new(), ArgsBuf::new(), Vec::new());
    let (mut requests, mut apart, mut from) = (Vec::new(), 0, 0);
    for &to in cuts.iter().chain([&bytes.len()]) {
        let piece = &bytes[from..to];
        from = to;
        let received = parser.receive(piece);
        if parser.is_receiving() {
            assert_eq!(received, piece.len());
            continue;
        }
        inbox.extend_from_slice(&piece[received..]);
        while let Parsed::Complete { consumed } = parser.parse(&inbox, &mut args, &ParseLimits::default()).unwrap() {
            if args.has_large() {
                parser.take_back(&mut args, consumed);
                assert!(!args.has_large() && parser.bytes_and_memory().0 > 0);
                let again = parser.parse(&inbox, &mut args, &ParseLimits::default()).unwrap();
                assert_eq!(again, Parsed::Complete { consumed });
            }
            let request = args.view(&inbox);
            apart += (0..request.len()).filter(|at| request.large(*at).is_some()).count();
            assert_eq!(
                request.to_owned_args().as_args().iter().collect::<Vec<_>>(),
                request.iter().collect::<Vec<_>>()
            );
            requests.push(request.iter().map(<[u8]>::to_vec).collect());
            inbox.drain(..consumed);
            assert_eq!(parser.bytes_and_memory(), (0, 0));
        }
        parser.set_apart(&mut inbox);
    }
    assert!(inbox.is_empty());
    (requests, apart)
}

#[test]
fn long_arguments_that_arrive_in_pieces_are_set_apart_and_the_requests_are_the_same() {
    let long = |byte: u8, more: usize| vec![byte; LARGE_ARG_MIN + more];
    let requests: Vec<Vec<Vec<u8>>> = vec![
        vec![b"PING".to_vec()],
        vec![b"SET".to_vec(), b"k".to_vec(), long(b'v', 0)],
        vec![b"MSET".to_vec(), b"a".to_vec(), long(b'x', 7), b"b".to_vec(), long(b'\r', 1), b"c".to_vec(), Vec::new()],
        vec![b"GET".to_vec(), long(b'k', 99)],
        vec![b"SET".to_vec(), b"k".to_vec(), long(b's', 0)[1..].to_vec()],
        vec![b"PING".to_vec()],
    ];
    let mut bytes = Vec::new();
    for request in &requests {
        crate::encode::command(&mut bytes, &request.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    assert_eq!(feed_apart(&bytes, &[]), (requests.clone(), 0));
    let mut rng = fastrand::Rng::with_seed(3);
    let mut most = 0;
    for step in [1, 2, 3, 1000, 60_000, 70_000, 200_000] {
        let mut cuts: Vec<usize> = (1..bytes.len()).step_by(step).collect();
        if step > 3 {
            cuts.iter_mut().for_each(|cut| *cut = (*cut + rng.usize(..step)).min(bytes.len()));
        }
        let (seen, apart) = feed_apart(&bytes, &cuts);
        assert!(seen == requests, "in pieces of {step}");
        most = most.max(apart);
    }
    assert_eq!(most, 4);
}

#[test]
fn the_memory_of_a_long_argument_is_the_one_it_was_received_in() {
    let (mut parser, mut args) = (RequestParser::new(), ArgsBuf::new());
    let mut inbox = format!("*2\r\n$4\r\nECHO\r\n${}\r\nbegin", 3 * LARGE_ARG_MIN).into_bytes();
    let parsed = parser.parse(&inbox, &mut args, &ParseLimits::default());
    assert!(matches!(parsed, Ok(Parsed::Incomplete { .. })));
    parser.set_apart(&mut inbox);
    assert_eq!(parser.bytes_and_memory(), (5, 3 * LARGE_ARG_MIN));
    assert!(inbox.ends_with(b"\r\n") && inbox.len() < 40);
    assert_eq!(parser.receive(&vec![b'x'; 3 * LARGE_ARG_MIN]), 3 * LARGE_ARG_MIN - 5 + 2);
    let Ok(Parsed::Complete { consumed }) = parser.parse(&inbox, &mut args, &ParseLimits::default()) else { panic!() };
    let request = args.view(&inbox[..consumed]);
    let large = request.large(1).unwrap();
    assert_eq!((large.len(), large.capacity()), (3 * LARGE_ARG_MIN, 3 * LARGE_ARG_MIN));
    assert_eq!(request.at(1).as_ptr(), large.as_ptr());
    assert!(std::sync::Arc::ptr_eq(large, request.to_owned_args().as_args().large(1).unwrap()));
}
