//! The order of results. Which of several equally distant members comes first, and which of them falls behind a COUNT,
//! must be the same on every server, since a search that stores its result is replicated as it was sent. So both sorts
//! are those of the peers: all results by a stable sort, the first few by a quicksort that leaves out the rest.

use std::cmp::Ordering;

/// Which distance comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    /// The nearest.
    Ascending,
    /// The farthest.
    Descending,
}

/// Puts the `wanted` first results in order and drops the others.
pub(super) fn sort_first<T>(results: &mut Vec<T>, wanted: usize, direction: Direction, distance: impl Fn(&T) -> f64) {
    let compare = |a: &T, b: &T| {
        let order = distance(a).partial_cmp(&distance(b)).unwrap_or(Ordering::Equal);
        if direction == Direction::Descending { order.reverse() } else { order }
    };
    if wanted >= results.len() {
        results.sort_by(compare);
    } else {
        quicksort(results, wanted, LEVELS_MAX, &compare);
        results.truncate(wanted);
    }
}

/// How often parts are partitioned again. Only distances chosen for it come near, and then the order of equals gives
/// way: without a limit they would exhaust the stack.
const LEVELS_MAX: usize = 300;

/// The quicksort of Bentley and McIlroy, "Engineering a sort function" (1993), which partitions into less, equal and
/// greater, in the form that exchanges the pivot to the front. Parts behind the first `wanted` items stay unsorted.
fn quicksort<T>(mut items: &mut [T], mut wanted: usize, mut levels: usize, compare: &impl Fn(&T, &T) -> Ordering) {
    const INSERTION_MAX: usize = 6;
    while items.len() > INSERTION_MAX {
        if levels == 0 {
            return items.sort_by(compare);
        }
        levels -= 1;
        let pivot = choose_pivot(items, compare);
        items.swap(0, pivot);
        let (less, greater) = partition(items, compare);
        let (front, back) = items.split_at_mut(greater);
        if less > 1 {
            quicksort(&mut front[..less], wanted, levels, compare);
        }
        if wanted <= greater {
            return;
        }
        items = back;
        wanted -= greater;
    }
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at - 1], &items[at]).is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// The middle of seven; the median of three of up to 40; of more, the median of the medians of three threes.
fn choose_pivot<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let (middle, last) = (items.len() / 2, items.len() - 1);
    let median = |a: usize, b: usize, c: usize| {
        let is_less = |x: usize, y: usize| compare(&items[x], &items[y]).is_lt();
        let is_greater = |x: usize, y: usize| compare(&items[x], &items[y]).is_gt();
        if is_less(a, b) {
            if is_less(b, c) {
                b
            } else if is_less(a, c) {
                c
            } else {
                a
            }
        } else if is_greater(b, c) {
            b
        } else if is_less(a, c) {
            a
        } else {
            c
        }
    };
    match items.len() {
        ..=7 => middle,
        8..=40 => median(0, middle, last),
        len => {
            let step = len / 8;
            median(
                median(0, step, 2 * step),
                median(middle - step, middle, middle + step),
                median(last - 2 * step, last - step, last),
            )
        }
    }
}

/// Partitions by the item at the front: how many are less, and where those that are greater begin.
fn partition<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    // Items equal to the pivot gather at both ends: before `equal_front`, and from `equal_back` on.
    let (mut equal_front, mut front) = (1, 1);
    let (mut equal_back, mut back) = (len, len);
    loop {
        while front < back {
            match compare(&items[front], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(equal_front, front);
                    equal_front += 1;
                }
                Ordering::Less => {}
            }
            front += 1;
        }
        while front < back {
            match compare(&items[back - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_back -= 1;
                    items.swap(back - 1, equal_back);
                }
                Ordering::Greater => {}
            }
            back -= 1;
        }
        if front >= back {
            break;
        }
        items.swap(front, back - 1);
        front += 1;
        back -= 1;
    }
    let (less, greater) = (front - equal_front, equal_back - front);
    swap_ends(&mut items[..front], less.min(equal_front));
    swap_ends(&mut items[front..], greater.min(len - equal_back));
    (less, len - greater)
}

/// Exchanges the first `count` items with the last, in order.
fn swap_ends<T>(items: &mut [T], count: usize) {
    let last = items.len() - count;
    for at in 0..count {
        items.swap(at, last + at);
    }
}
