//! Uses a value that came from outside in every way that commands use it: what was let in must bear all of it, not only
//! being read once. Works on a clone, so that the value shares its nodes, as it does under a snapshot.

use collections::{Hash, LexBound, Limits, List, Set, Stream, StreamId, Trim, ZSet};
use keyspace::ValueRef;

/// Larger collections are only read: taking elements out one by one must stay fast enough for a fuzzer.
const EDITED_LEN_MAX: usize = 2000;

/// Uses a value.
pub fn value(value: ValueRef<'_>, limits: &Limits) {
    match value {
        ValueRef::String(string) => {
            assert_eq!(string.len(), string.as_bytes().len());
        }
        ValueRef::List(list) => use_list(list, limits),
        ValueRef::Set(set) => use_set(set, limits),
        ValueRef::Hash(hash) => use_hash(hash, limits),
        ValueRef::ZSet(zset) => use_zset(zset, limits),
        ValueRef::Stream(stream) => use_stream(stream, limits),
    }
}

fn use_list(list: &List, limits: &Limits) {
    let elements: Vec<_> = list.iter().map(|element| element.to_vec()).collect();
    assert!(!elements.is_empty() && elements.len() == list.len());
    assert!(list.iter_back().map(|element| element.to_vec()).eq(elements.iter().rev().cloned()));
    if elements.len() > EDITED_LEN_MAX {
        return;
    }
    let mut model = elements.clone();
    let mut edited = list.clone();
    let middle = model.len() / 2;
    assert_eq!(edited.get(middle).map(|element| element.to_vec()), Some(model[middle].clone()));
    assert!(edited.set(middle, b"-129", limits) && edited.insert(middle, b"inserted", limits));
    model[middle] = b"-129".to_vec();
    model.insert(middle, b"inserted".to_vec());
    edited.push_front(b"7", limits);
    edited.push_back(&[b'x'; 300], limits);
    model.insert(0, b"7".to_vec());
    model.push(vec![b'x'; 300]);
    let first = elements[0].clone();
    let removed = edited.remove_matching(&first, 0, false, limits);
    let before = model.len();
    model.retain(|element| *element != first);
    assert_eq!(removed, before - model.len());
    assert_eq!(edited.remove_range(model.len() / 3, 2, limits), model.drain(model.len() / 3..).take(2).count());
}

fn use_set(set: &Set, limits: &Limits) {
    let members: Vec<_> = set.iter().map(|member| member.to_vec()).collect();
    assert!(!members.is_empty() && members.len() == set.len());
    let mut scanned = 0;
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 10, |_| scanned += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned, members.len(), "a walk of a set that nobody changes");
    if members.len() > EDITED_LEN_MAX {
        return;
    }
    let mut edited = set.clone();
    for member in &members {
        assert!(edited.contains(member) && !edited.add(member, limits));
    }
    let is_new = !members.iter().any(|member| member == b"not a number");
    assert_eq!(edited.add(b"not a number", limits), is_new);
    for member in &members {
        assert!(edited.remove(member) && !edited.contains(member));
    }
    assert_eq!((edited.len(), set.len()), (usize::from(is_new), members.len()));
}

fn use_hash(hash: &Hash, limits: &Limits) {
    let pairs: Vec<_> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
    assert!(!pairs.is_empty() && pairs.len() == hash.len());
    if pairs.len() > EDITED_LEN_MAX {
        return;
    }
    assert_eq!(hash.next_deadline(), hash.entries().filter_map(|entry| entry.deadline).min());
    let mut edited = hash.clone();
    for (at, (field, _)) in pairs.iter().enumerate() {
        assert!(edited.set_deadline(field, Some(base::UnixMs(at as i64 + 1))));
    }
    assert_eq!(edited.due_count(base::UnixMs(i64::MAX)), pairs.len());
    assert_eq!(edited.next_deadline(), Some(base::UnixMs(1)));
    for (field, value) in &pairs {
        assert_eq!(edited.get(field).map(|found| found.to_vec()).as_ref(), Some(value));
        assert!(!edited.set(field, b"another, and longer than before", limits));
    }
    for (field, value) in &pairs {
        assert!(edited.remove(field) && !edited.contains(field));
        assert_eq!(hash.get(field).map(|found| found.to_vec()).as_ref(), Some(value));
    }
    assert!(edited.is_empty());
}

fn use_zset(zset: &ZSet, limits: &Limits) {
    let pairs: Vec<_> = zset.iter().map(|(member, score)| (member.to_vec(), score)).collect();
    assert!(!pairs.is_empty() && pairs.len() == zset.len());
    for pair in pairs.windows(2) {
        let [(a_member, a_score), (b_member, b_score)] = pair else { unreachable!("windows of two") };
        assert!(a_score < b_score || (a_score == b_score && a_member < b_member), "out of order");
    }
    assert_eq!(zset.upper_lex(LexBound::Max), pairs.len());
    if pairs.len() > EDITED_LEN_MAX {
        return;
    }
    for (rank, (member, score)) in pairs.iter().enumerate() {
        assert_eq!((zset.rank(member), zset.score(member)), (Some(rank), Some(*score)));
        assert!(zset.lower_score(*score, false) <= rank && rank < zset.upper_score(*score, false));
    }
    let mut edited = zset.clone();
    for (member, score) in &pairs {
        assert_eq!(edited.insert(member, score + 1.5, limits), Some(*score));
    }
    for (member, score) in &pairs {
        assert_eq!(edited.remove(member), Some(score + 1.5));
        assert_eq!(zset.score(member), Some(*score));
    }
    assert!(edited.is_empty());
}

fn use_stream(stream: &Stream, limits: &Limits) {
    let entries = stream.entries();
    let ids: Vec<StreamId> = entries.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
    assert!(ids.len() == entries.len() && ids.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    assert!(entries.range_back(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).eq(ids.iter().rev().copied()));
    assert!(ids.last().is_none_or(|last| *last <= entries.last_id));
    if ids.len() > EDITED_LEN_MAX {
        return;
    }
    for (name, group) in stream.groups() {
        let owned: usize = group.consumers().map(|(_, consumer)| consumer.pending_len()).sum();
        assert_eq!(owned, group.pending_len());
        let pending: Vec<StreamId> = group.pending_from(StreamId::MIN).map(|(id, _)| id).take(EDITED_LEN_MAX).collect();
        let mut edited = stream.clone();
        edited.edit_group(name, |group, _| {
            group.add_consumer(b"another", 1);
            for (at, id) in pending.iter().enumerate() {
                if at % 2 == 0 {
                    group.assign(*id, b"another", 1, 1);
                }
                assert!(group.acknowledge(*id).is_some() && group.pending(*id).is_none());
            }
        });
    }
    let mut edited = stream.clone();
    if let Some(id) = entries.last_id.next() {
        edited.entries_mut().append(id, [&b"name"[..], b"-129", b"other", b"text"].into_iter(), limits);
        assert_eq!(edited.entries().get(id).map(|entry| entry.len()), Some(2));
    }
    let mut trimmed = edited.clone();
    let half = edited.entries().len() / 2;
    let removed = trimmed.entries_mut().trim(Trim::Length(half), false, 0);
    assert_eq!((trimmed.entries().len(), removed), (half, edited.entries().len() - half));
    for id in &ids {
        assert!(edited.entries_mut().delete(*id) && edited.entries().get(*id).is_none());
        assert!(stream.entries().get(*id).is_some());
    }
}
