//! The list against a vector, with clones kept alive, and its encodings against those of a peer.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

fn content(list: &List) -> Vec<Vec<u8>> {
    list.iter().map(|element| element.to_vec()).collect()
}

fn limits(size: i32) -> Limits {
    Limits { list_max_listpack_size: size, ..Limits::default() }
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => (0..30u32).prop_map(|number| number.to_string().into_bytes()),
        6 => (0..3u8, 100..900usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (4000..9000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

/// Does one step to both; the same numbers always mean the same step.
fn step(list: &mut List, model: &mut Vec<Vec<u8>>, action: u8, place: usize, value: &[u8], limits: &Limits) {
    let index = place % (model.len() + 1);
    match action {
        0 => {
            list.push_front(value, limits);
            model.insert(0, value.to_vec());
        }
        1..=3 => {
            list.push_back(value, limits);
            model.push(value.to_vec());
        }
        4 => assert_eq!(list.pop_front(limits), (!model.is_empty()).then(|| model.remove(0))),
        5 => assert_eq!(list.pop_back(limits), model.pop()),
        6 => {
            let set = list.set(index, value, limits);
            assert_eq!(set, index < model.len());
            if set {
                model[index] = value.to_vec();
            }
        }
        7 | 8 => {
            assert!(list.insert(index, value, limits) && !list.insert(model.len() + 2, value, limits));
            model.insert(index, value.to_vec());
        }
        9 => {
            let count = (place / 7 % 12).min(model.len() - index);
            assert_eq!(list.remove_range(index, count, limits), count);
            model.drain(index..index + count);
        }
        10 => {
            let (count, from_back) = (place % 4, place.is_multiple_of(2));
            let mut found: Vec<usize> = (0..model.len()).filter(|&at| model[at] == value).collect();
            if from_back {
                found.reverse();
            }
            found.truncate(if count == 0 { usize::MAX } else { count });
            assert_eq!(list.remove_matching(value, count, from_back, limits), found.len());
            found.sort_unstable();
            for at in found.into_iter().rev() {
                model.remove(at);
            }
        }
        _ => {
            let many = [value, b"1", value, b"2"];
            if place.is_multiple_of(2) {
                list.extend_front(many.into_iter(), limits);
                many.iter().for_each(|value| model.insert(0, value.to_vec()));
            } else {
                list.extend_back(many.into_iter(), limits);
                model.extend(many.iter().map(|value| value.to_vec()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn behaves_as_a_vector_and_clones_stay_as_they_were(
        steps in prop::collection::vec((0..12u8, any::<u16>(), element()), 0..500),
        size in prop::sample::select(vec![-5, -2, -1, 0, 1, 2, 5, 30, 128]),
    ) {
        let limits = limits(size);
        let (mut list, mut model, mut kept) = (List::new(), Vec::new(), Vec::new());
        for (number, (action, place, value)) in steps.into_iter().enumerate() {
            let place = usize::from(place);
            step(&mut list, &mut model, action, place, &value, &limits);
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.get(place % (model.len() + 1)).map(|e| e.to_vec()), model.get(place % (model.len() + 1)).cloned());
            if number % 50 == 0 {
                kept.push((list.clone(), model.clone()));
            }
        }
        kept.push((list.clone(), model.clone()));
        for (list, model) in &kept {
            prop_assert_eq!(&content(list), model);
        }
        prop_assert!(list.iter_back().map(|e| e.to_vec()).eq(model.iter().rev().cloned()));
        for index in 0..=model.len() {
            let mut seen = Vec::new();
            let flow = list.iter_from(index).visit(3, |element| {
                seen.push(element.to_vec());
                ControlFlow::Continue(())
            });
            prop_assert!(flow.is_continue());
            let (mut back, count) = (Vec::new(), index * 7 % 40);
            let flow = list.iter_back_from(index).visit(usize::MAX, |element| {
                if back.len() == count {
                    return ControlFlow::Break(());
                }
                back.push(element.to_vec());
                ControlFlow::Continue(())
            });
            let before = if index < model.len() { &model[..=index] } else { &[] };
            prop_assert!(back.iter().eq(before.iter().rev().take(count)));
            prop_assert_eq!(flow.is_break(), before.len() > count);
            prop_assert!(seen.iter().eq(model.iter().skip(index).take(3)));
            prop_assert!(list.iter_from(index).take(3).map(|e| e.to_vec()).eq(model.iter().skip(index).take(3).cloned()));
            let behind = if index < model.len() { index + 1 } else { 0 };
            prop_assert!(list.iter_back_from(index).take(3).map(|e| e.to_vec()).eq(model[..behind].iter().rev().take(3).cloned()));
        }
        let mut loaded = List::new();
        for node in list.nodes() {
            match node {
                ListNode::Packed(node) => loaded.push_packed_node(Listpack::from_bytes(node.to_vec()).unwrap()),
                ListNode::Plain(element) => loaded.push_plain_node(element.to_vec()),
            }
        }
        loaded.settle(&limits);
        prop_assert_eq!(content(&loaded), model);
    }
}

#[test]
fn converts_where_a_peer_does() {
    // Each line was tried on valkey 8.0 with OBJECT ENCODING.
    let default = Limits::default();
    let mut list = List::new();
    list.push_back(&[b'x'; 10_000], &default);
    assert_eq!(list.encoding(), "quicklist");
    assert!(matches!(list.nodes().next(), Some(ListNode::Plain(_))));

    let words = || std::iter::repeat_n(&b"abcdefgh"[..], 1000);
    let mut list = List::new();
    list.extend_back(words(), &default);
    assert_eq!(list.encoding(), "listpack", "the bytes of one command count without their overhead");
    let mut list = List::new();
    list.extend_back(words().chain(words()), &default);
    assert_eq!(list.encoding(), "quicklist");
    list.remove_range(400, 1600, &default);
    assert_eq!(list.encoding(), "listpack");

    let three = limits(3);
    let mut list = List::new();
    list.extend_back([&b"a"[..], b"b", b"c"].into_iter(), &three);
    assert_eq!(list.encoding(), "listpack");
    list.push_back(b"d", &three);
    assert_eq!(list.encoding(), "quicklist");
    for encoding in ["quicklist", "quicklist", "listpack"] {
        list.pop_front(&three);
        assert_eq!(list.encoding(), encoding);
    }

    let zero = limits(0);
    let mut list = List::new();
    list.push_back(b"a", &zero);
    assert_eq!(list.encoding(), "listpack");
    list.push_back(b"b", &zero);
    assert_eq!(list.encoding(), "quicklist");
}

#[test]
fn a_node_does_not_grow_without_bound_when_its_elements_do() {
    let limits = Limits::default();
    let mut list = List::new();
    (0..5000).for_each(|_| list.push_back(b"1", &limits));
    (0..5000).for_each(|index| assert!(list.set(index, &[b'y'; 500], &limits)));
    let longest = list.nodes().map(|node| match node {
        ListNode::Packed(node) => node.len(),
        ListNode::Plain(_) => 0,
    });
    assert!(longest.max().unwrap() < 5 * 8192);
    assert_eq!(list.iter().filter(|element| element.len() == 500).count(), 5000);
}

#[test]
fn a_write_to_a_shared_list_copies_little_of_it() {
    let limits = Limits::default();
    let mut list = List::new();
    (0..200_000u32).for_each(|number| list.push_back(format!("element:{number}").as_bytes(), &limits));
    let kept = list.clone();
    assert!(list.set(100_000, b"other", &limits));
    let address = |node: &ListNode<'_>| match node {
        ListNode::Packed(node) => node.as_ptr(),
        ListNode::Plain(element) => element.as_ptr(),
    };
    let own = list.nodes().zip(kept.nodes()).filter(|(a, b)| address(a) != address(b));
    assert_eq!(own.count(), 1);
    assert_eq!(kept.get(100_000), Some(Element::Bytes(b"element:100000")));
    assert_eq!(size_of::<List>(), 16);
}

#[test]
fn whole_nodes_are_removed_from_a_shared_list_without_copying_them() {
    let limits = Limits::default();
    let mut list = List::new();
    (0..200_000u32).for_each(|number| list.push_back(format!("element:{number}").as_bytes(), &limits));
    let kept = list.clone();
    assert_eq!(list.remove_range(10, 150_000, &limits), 150_000);
    assert_eq!((list.len(), kept.len()), (50_000, 200_000));
    assert_eq!(list.get(9), Some(Element::Bytes(b"element:9")));
    assert_eq!(list.get(10), Some(Element::Bytes(b"element:150010")));
    assert_eq!(kept.get(75_000), Some(Element::Bytes(b"element:75000")));
}

#[test]
fn inserts_at_a_border_of_full_nodes_share_a_node() {
    let limits = limits(100);
    let mut list = List::new();
    (0..300).for_each(|_| list.push_back(b"full", &limits));
    assert_eq!(list.nodes().count(), 3);
    for place in [100, 200] {
        (0..90).for_each(|number: i32| assert!(list.insert(place + number as usize % 2, b"new", &limits)));
    }
    assert!(list.nodes().count() <= 6, "{}", list.nodes().count());
    let mut model = vec![&b"full"[..]; 300];
    for place in [100, 200] {
        (0..90).for_each(|number: i32| model.insert(place + number as usize % 2, b"new"));
    }
    assert_eq!(content(&list), model);
}

// Seen with Redis 8.0 and Valkey 8.0: LSET lets a node outgrow its limit of bytes, and where the limit is a number of elements
// such a list takes its small form again.
#[test]
fn a_replaced_element_does_not_split_its_node() {
    let limits = limits(128);
    let mut list = List::new();
    list.push_back(&[b'a'; 100], &limits);
    list.push_back(&[b'b'; 4096], &limits);
    assert!(list.set(0, &[b'c'; 4096], &limits));
    assert_eq!(list.encoding(), "listpack");
    assert!(list.set(1, &[b'd'; 8192], &limits));
    assert_eq!(content(&list), [vec![b'c'; 4096], vec![b'd'; 8192]]);
}

#[test]
fn a_full_first_node_that_a_clone_shares_becomes_the_second() {
    let limits = limits(4);
    let mut list = List::new();
    (0..8u8).for_each(|number| list.push_back(&[b'a' + number], &limits));
    let kept = list.clone();
    list.push_front(b"new", &limits);
    let texts = |list: &List| content(list).concat();
    assert_eq!((texts(&list), texts(&kept)), (b"newabcdefgh".to_vec(), b"abcdefgh".to_vec()));
    assert_eq!((list.nodes().count(), kept.nodes().count()), (3, 2));
}

#[test]
fn the_memory_of_few_large_elements_beside_many_small_ones_is_seen() {
    let limits = Limits::default();
    let mut list = List::new();
    (0..100).for_each(|_| list.push_back(&[b'x'; 100_000], &limits));
    (0..20_000).for_each(|_| list.push_back(b"1", &limits));
    let bytes = list.memory_bytes();
    assert!((7_000_000..13_000_000).contains(&bytes), "{bytes}");
    let mut even = List::new();
    (0..100_000).for_each(|_| even.push_back(&[b'x'; 50], &limits));
    let bytes = even.memory_bytes();
    assert!((4_500_000..7_500_000).contains(&bytes), "{bytes}");
}

/// How many nodes there are, the bytes of their listpacks, and the room around them.
fn room(list: &List) -> (usize, usize, usize) {
    let Repr::Nodes(tree) = &list.0 else { panic!("the list has nodes") };
    let (mut nodes, mut used, mut unused, mut rank) = (0, 0, 0, 0);
    while rank < tree.len() {
        let (node, start) = tree.leaf_at(rank);
        let Node::Packed(listpack) = node else { panic!("the elements are small") };
        nodes += 1;
        used += listpack.byte_len();
        unused += listpack.memory_bytes() - listpack.byte_len();
        rank = start + node.len();
    }
    (nodes, used, unused)
}

#[test]
fn nodes_have_little_room_left_whichever_end_is_written_to() {
    let limits = Limits::default();
    let element = [b'x'; 50];
    for (pushed, popped) in
        [(End::Front, None), (End::Back, None), (End::Front, Some(End::Back)), (End::Back, Some(End::Front))]
    {
        let mut list = List::new();
        for number in 0..60_000 {
            list.extend(std::iter::once(&element[..]), pushed, &limits);
            match popped {
                Some(End::Front) if number >= 40_000 => drop(list.pop_front(&limits)),
                Some(End::Back) if number >= 40_000 => drop(list.pop_back(&limits)),
                _ => {}
            }
        }
        let (nodes, used, unused) = room(&list);
        // A full node has room for less than one more element; the node that is filled and the one that is emptied have more.
        let most = nodes * (element.len() + 8) + if popped.is_some() { 8192 } else { 2048 };
        assert!(unused <= most, "{pushed:?} {popped:?}: {unused} bytes in {nodes} nodes");
        let memory = list.memory_bytes();
        assert!(
            memory <= used + nodes * 192 + 8192,
            "{pushed:?} {popped:?}: {memory} bytes for {used} in {nodes} nodes"
        );
    }
}

#[test]
fn a_small_list_becomes_the_first_node_as_it_is() {
    let limits = limits(2);
    let mut list = List::new();
    list.extend_back([&b"a"[..], b"b"].into_iter(), &limits);
    let address = |list: &List| match list.nodes().next() {
        Some(ListNode::Packed(node)) => node.as_ptr(),
        _ => panic!("the elements are small"),
    };
    let (before, small) = (address(&list), list.encoding());
    list.push_back(b"c", &limits);
    assert_eq!((small, list.encoding(), address(&list)), ("listpack", "quicklist", before));
}

#[test]
fn a_node_takes_no_more_memory_than_a_large_element_does() {
    assert_eq!(size_of::<Node>(), size_of::<Bytes>());
}
