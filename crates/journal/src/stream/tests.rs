//! The journal against a plain vector, and its promises about memory.

use super::*;
use proptest::prelude::*;

/// Bytes that tell their own offset.
fn pattern(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn read_all(journal: &Journal, at: Offset, bytes_max: usize) -> Option<Vec<u8>> {
    journal.read(at, bytes_max).map(|chunks| chunks.flatten().copied().collect())
}

#[test]
fn an_empty_journal_starts_and_ends_at_its_offset() {
    let mut journal = Journal::new(Offset(500));
    assert_eq!((journal.first(), journal.end(), journal.is_empty()), (Offset(500), Offset(500), true));
    assert_eq!(read_all(&journal, Offset(500), 10), Some(vec![]));
    assert_eq!(journal.read_shared(Offset(500), 10), Some(vec![]));
    assert!(journal.read(Offset(499), 10).is_none() && journal.read(Offset(501), 10).is_none());
}

#[test]
fn the_backlog_is_kept_without_readers_and_little_more() {
    let mut journal = Journal::new(Offset(0));
    journal.set_backlog_size(100_000);
    for i in 0..1000 {
        journal.append(&pattern(i * 1000, 1000));
        journal.trim(None);
    }
    assert_eq!(journal.end(), Offset(1_000_000));
    assert!((100_000..=100_000 + BLOCK_BYTES_MAX as u64).contains(&journal.len()), "{}", journal.len());
    assert!(journal.memory_bytes() < 200_000);
    assert_eq!(journal.copy_range(Offset(950_000), Offset(950_100)), Some(pattern(950_000, 100)));
    assert_eq!(journal.copy_range(Offset(0), Offset(10)), None);
}

#[test]
fn a_slow_reader_keeps_what_it_still_wants() {
    let mut journal = Journal::new(Offset(0));
    journal.set_backlog_size(0);
    assert_eq!(journal.backlog_size(), BACKLOG_BYTES_MIN);
    journal.append(&pattern(0, 1_000_000));
    journal.trim(Some(Offset(300_000)));
    assert!(journal.first() <= Offset(300_000) && journal.first() > Offset(200_000));
    journal.trim(Some(journal.end()));
    assert!(journal.len() >= BACKLOG_BYTES_MIN && journal.len() < 100_000);
}

#[test]
fn a_large_counted_value_is_neither_copied_in_nor_out() {
    let value = Bytes::from(pattern(6, 1_000_000));
    let mut journal = Journal::new(Offset(0));
    journal.append(&pattern(0, 6));
    journal.append_shared(value.clone());
    journal.append(&pattern(1_000_006, 2));
    let pieces: Vec<&[u8]> = journal.read(Offset(3), usize::MAX).unwrap().collect();
    assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [3, 1_000_000, 2]);
    assert_eq!(pieces[1].as_ptr(), value.as_ptr());
    let shared = journal.read_shared(Offset(7), 10).unwrap();
    assert_eq!((shared[0].as_ptr(), shared.len()), (value[1..].as_ptr(), 1));
}

#[test]
fn shared_pieces_survive_what_happens_to_the_journal() {
    let mut journal = Journal::new(Offset(0));
    journal.append(&pattern(0, 100_000));
    let pieces = journal.read_shared(Offset(10), usize::MAX).unwrap();
    journal.append(&pattern(100_000, 300_000));
    journal.restart(Offset(7));
    assert_eq!((journal.first(), journal.end()), (Offset(7), Offset(7)));
    assert_eq!(pieces.concat(), pattern(10, 99_990));
}

#[test]
fn a_close_follower_leaves_no_trail_of_tiny_blocks() {
    let mut journal = Journal::new(Offset(0));
    let mut at = Offset(0);
    for i in 0..10_000 {
        journal.append(&pattern(i * 50, 50));
        at = at + journal.read_shared(at, usize::MAX).unwrap().iter().map(|piece| piece.len() as u64).sum::<u64>();
    }
    assert_eq!(at, journal.end());
    assert!(journal.blocks.len() < 10, "{}", journal.blocks.len());
}

#[test]
fn marks_follow_the_stream() {
    let mut journal = Journal::new(Offset(0));
    journal.append(b"12345");
    journal.mark(UnixMs(1000));
    journal.append(b"67890");
    journal.mark(UnixMs(2000));
    assert_eq!(journal.time_at(Offset(5)), Some(UnixMs(2000)));
    assert_eq!(journal.time_at(Offset(10)), None);
    journal.restart(Offset(0));
    assert_eq!(journal.time_at(Offset(5)), None);
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    AppendShared(usize),
    Trim(Option<prop::sample::Index>),
    Read(prop::sample::Index, usize),
    ReadShared(prop::sample::Index, usize),
    Backlog(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..40_000).prop_map(Step::Append),
        4 => (0usize..200).prop_map(Step::Append),
        2 => (0usize..50_000).prop_map(Step::AppendShared),
        2 => any::<Option<prop::sample::Index>>().prop_map(Step::Trim),
        4 => (any::<prop::sample::Index>(), 0usize..100_000).prop_map(|(at, max)| Step::Read(at, max)),
        4 => (any::<prop::sample::Index>(), 0usize..100_000).prop_map(|(at, max)| Step::ReadShared(at, max)),
        1 => (0u64..200_000).prop_map(Step::Backlog),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_holds_the_end_of_everything_appended(start in 0u64..1_000_000, steps in steps()) {
        let mut journal = Journal::new(Offset(start));
        let mut end = start;
        // Pieces handed out earlier, with their offsets: they must never change.
        let mut lent: Vec<(u64, Vec<Bytes>)> = Vec::new();
        for step in steps {
            let len = journal.len();
            let pick = |at: prop::sample::Index| journal.first() + at.index(len as usize + 1) as u64;
            match step {
                Step::Append(n) => { journal.append(&pattern(end, n)); end += n as u64; }
                Step::AppendShared(n) => { journal.append_shared(Bytes::from(pattern(end, n))); end += n as u64; }
                Step::Backlog(bytes) => journal.set_backlog_size(bytes),
                Step::Trim(reader) => {
                    let wanted = reader.map(pick);
                    let before = journal.first();
                    journal.trim(wanted);
                    prop_assert!(wanted.is_none_or(|wanted| journal.first() <= wanted));
                    prop_assert!(journal.first() >= before);
                    prop_assert!(journal.len() >= journal.backlog_size().min(len));
                }
                Step::Read(at, max) => {
                    let at = pick(at);
                    let bytes = read_all(&journal, at, max).unwrap();
                    prop_assert!(bytes == pattern(at.0, max.min((end - at.0) as usize)));
                    prop_assert!(journal.read(at, max).unwrap().all(|piece| !piece.is_empty()));
                }
                Step::ReadShared(at, max) => {
                    let at = pick(at);
                    let pieces = journal.read_shared(at, max).unwrap();
                    prop_assert!(pieces.concat() == pattern(at.0, max.min((end - at.0) as usize)));
                    lent.push((at.0, pieces));
                }
            }
            prop_assert_eq!(journal.end(), Offset(end));
        }
        for (at, pieces) in lent {
            let bytes = pieces.concat();
            prop_assert!(bytes == pattern(at, bytes.len()));
        }
    }
}
