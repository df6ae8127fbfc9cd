//! The small forms of a hash: a listpack of fields and values, and, once a field has had a deadline, one of fields, values
//! and deadlines (Unix milliseconds, 0 for none), byte for byte that of Redis 7.4. Triples with a deadline stand in
//! front, the earliest first; those without stand behind, the latest written last.

use crate::listpack::canonical;
use crate::{Element, Listpack};

/// Elements of a field with its value.
pub(super) const PAIR: usize = 2;
/// Elements of a field with its value and its deadline.
pub(super) const TRIPLE: usize = 3;

/// The value under a field.
pub(super) fn get<'a>(listpack: &'a Listpack, field: &[u8], stride: usize) -> Option<Element<'a>> {
    let (_, value_at) = listpack.read(listpack.find(field, stride)?);
    Some(listpack.read(value_at).0)
}

/// Adds or replaces; true if the field is new. A new one has no deadline, an old one keeps its own.
pub(super) fn set(listpack: &mut Listpack, field: &[u8], value: &[u8], stride: usize) -> bool {
    let found = listpack.find(field, stride);
    match found {
        Some(at) => {
            let value_at = listpack.read(at).1;
            listpack.replace_at(value_at, canonical(value));
        }
        None => {
            listpack.push_back(field);
            listpack.push_back(value);
            if stride == TRIPLE {
                push_deadline(listpack, None);
            }
        }
    }
    found.is_none()
}

/// True if the field was there.
pub(super) fn remove(listpack: &mut Listpack, field: &[u8], stride: usize) -> bool {
    let Some(at) = listpack.find(field, stride) else { return false };
    let end = end_of(listpack, at, stride);
    listpack.remove_between(at..end, stride);
    true
}

/// A listpack of triples without deadlines, from one of pairs.
pub(super) fn with_deadlines(pairs: &Listpack) -> Listpack {
    let mut triples = Listpack::new();
    let mut elements = pairs.iter();
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        triples.insert_at(triples.end(), field);
        triples.insert_at(triples.end(), value);
        push_deadline(&mut triples, None);
    }
    triples
}

/// The fields and values of a listpack of triples.
pub(super) fn without_deadlines(triples: &Listpack) -> Listpack {
    let mut pairs = Listpack::new();
    for (index, element) in triples.iter().enumerate() {
        if index % TRIPLE < PAIR {
            pairs.insert_at(pairs.end(), element);
        }
    }
    pairs
}

/// The earliest deadline of a listpack of triples.
pub(super) fn next_deadline(triples: &Listpack) -> Option<i64> {
    (!triples.is_empty()).then(|| deadline_at(triples, triples.first())).flatten()
}

/// The deadline of a field; None outside if there is no such field.
pub(super) fn deadline(triples: &Listpack, field: &[u8]) -> Option<Option<i64>> {
    Some(deadline_at(triples, triples.find(field, TRIPLE)?))
}

/// Sets or clears the deadline of a field, and moves it where it belongs: whether the field is there.
pub(super) fn set_deadline(triples: &mut Listpack, field: &[u8], deadline: Option<i64>) -> bool {
    let Some(at) = triples.find(field, TRIPLE) else { return false };
    let value = triples.read(triples.read(at).1).0.to_vec();
    let end = end_of(triples, at, TRIPLE);
    triples.remove_between(at..end, TRIPLE);
    let mut at = match deadline {
        Some(deadline) => place_of(triples, deadline),
        None => triples.end(),
    };
    for element in [canonical(field), canonical(&value), Element::Int(deadline.unwrap_or(0))] {
        at = triples.insert_at(at, element);
    }
    true
}

/// How many deadlines are not after this one.
pub(super) fn count_until(triples: &Listpack, deadline: i64) -> usize {
    deadlines(triples).take_while(|at| at.is_some_and(|at| at <= deadline)).count()
}

/// Whether the triples stand as they should; `None` if one is no triple or its deadline no number.
pub(super) fn is_in_order(triples: &Listpack) -> Option<bool> {
    let mut last = 0;
    let mut in_order = true;
    if !triples.len().is_multiple_of(TRIPLE) {
        return None;
    }
    for element in triples.iter().skip(PAIR).step_by(TRIPLE) {
        let Element::Int(deadline @ 0..) = element else { return None };
        let place = if deadline == 0 { i64::MAX } else { deadline };
        in_order &= place >= last;
        last = place;
    }
    Some(in_order)
}

fn deadlines(triples: &Listpack) -> impl Iterator<Item = Option<i64>> {
    triples.iter().skip(PAIR).step_by(TRIPLE).map(as_deadline)
}

/// What a third element stands for.
pub(super) fn as_deadline(element: Element<'_>) -> Option<i64> {
    element.as_i64().filter(|deadline| *deadline != 0)
}

fn push_deadline(triples: &mut Listpack, deadline: Option<i64>) {
    triples.insert_at(triples.end(), Element::Int(deadline.unwrap_or(0)));
}

fn deadline_at(triples: &Listpack, at: usize) -> Option<i64> {
    let value_at = triples.read(at).1;
    let deadline_at = triples.read(value_at).1;
    as_deadline(triples.read(deadline_at).0)
}

/// Where a field with this deadline goes: before all that are not earlier.
fn place_of(triples: &Listpack, deadline: i64) -> usize {
    let mut at = triples.first();
    while at < triples.end() && deadline_at(triples, at).is_some_and(|other| other < deadline) {
        at = end_of(triples, at, TRIPLE);
    }
    at
}

fn end_of(listpack: &Listpack, at: usize, stride: usize) -> usize {
    (0..stride).fold(at, |at, _| listpack.read(at).1)
}
