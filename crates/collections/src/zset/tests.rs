//! The sorted set against sorted vectors, with clones kept alive; its bytes against those of a peer.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, f64>;

fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    all
}

fn owned((member, score): (Element<'_>, f64)) -> (Vec<u8>, f64) {
    (member.to_vec(), score)
}

fn content(zset: &ZSet) -> Vec<(Vec<u8>, f64)> {
    zset.iter().map(owned).collect()
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        40 => (0..600u32).prop_map(|number| number.to_string().into_bytes()),
        4 => (0..3u8, 1..70usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (500..520usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-5..5i32).prop_map(f64::from),
        3 => any::<i32>().prop_map(|number| f64::from(number) / 64.0),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e20, 1e-7, 0.1]),
    ]
}

fn bounds_agree(zset: &ZSet, sorted: &[(Vec<u8>, f64)], at: f64) {
    let count = |keep: &dyn Fn(f64) -> bool| sorted.iter().filter(|(_, score)| keep(*score)).count();
    assert_eq!(zset.lower_score(at, false), count(&|score| score < at));
    assert_eq!(zset.lower_score(at, true), count(&|score| score <= at));
    assert_eq!(zset.upper_score(at, false), count(&|score| score <= at));
    assert_eq!(zset.upper_score(at, true), count(&|score| score < at));
}

fn read_agrees(zset: &ZSet, model: &Model) {
    let sorted = sorted(model);
    assert_eq!(content(zset), sorted);
    if let Some(listpack) = zset.as_listpack() {
        let wide = Limits { zset_max_listpack_entries: 1000, zset_max_listpack_value: 1000, ..Limits::default() };
        let read = ZSet::from_listpack(listpack.clone(), &wide).unwrap_or_default();
        assert_eq!(read.as_listpack(), Some(listpack));
    }
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(zset.rank(member), Some(rank));
        assert_eq!(zset.score(member), Some(*score));
    }
    for rank in (0..=sorted.len()).step_by(7) {
        assert_eq!(zset.get(rank).map(owned), sorted.get(rank).cloned());
        let behind = if rank < sorted.len() { rank + 1 } else { 0 };
        assert!(zset.iter_back_from(rank).take(90).map(owned).eq(sorted[..behind].iter().rev().take(90).cloned()));
        assert!(zset.iter_from(rank).take(90).map(owned).eq(sorted.iter().skip(rank).take(90).cloned()));
    }
    for at in [0.0, 1.0, 0.5, -3.0, f64::INFINITY, f64::NEG_INFINITY, 1000.0] {
        bounds_agree(zset, &sorted, at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn behaves_as_a_sorted_map_and_clones_stay_as_they_were(
        steps in prop::collection::vec((0..20u8, any::<u16>(), member(), score()), 0..1200),
        entries in prop::sample::select(vec![0, 10, 128, 400]), value in 1..80usize,
    ) {
        let limits = Limits { zset_max_listpack_entries: entries, zset_max_listpack_value: value, ..Limits::default() };
        let (mut zset, mut model, mut kept) = (ZSet::new(), Model::new(), Vec::new());
        for (number, (action, place, member, score)) in steps.into_iter().enumerate() {
            match action {
                0..=2 => prop_assert_eq!(zset.remove(&member), model.remove(&member)),
                3 if number % 5 == 0 => {
                    let start = usize::from(place) % (model.len() + 1);
                    let count = usize::from(place) % 150;
                    let gone: Vec<_> = sorted(&model).into_iter().skip(start).take(count).collect();
                    prop_assert_eq!(zset.remove_rank_range(start, count), gone.len());
                    for (member, _) in gone {
                        model.remove(&member);
                    }
                }
                _ => {
                    prop_assert_eq!(zset.insert(&member, score, &limits), model.insert(member.clone(), score));
                }
            }
            prop_assert_eq!(zset.score(&member), model.get(&member).copied());
            prop_assert_eq!(zset.len(), model.len());
            if number % 200 == 0 {
                kept.push((zset.clone(), model.clone()));
            }
        }
        kept.push((zset.clone(), model.clone()));
        for (zset, model) in &kept {
            read_agrees(zset, model);
        }
        let mut scanned = Model::new();
        let mut cursor = zset.scan(0, 9, |member, score| { scanned.insert(member.to_vec(), score); });
        while cursor != 0 {
            cursor = zset.scan(cursor, 9, |member, score| { scanned.insert(member.to_vec(), score); });
        }
        prop_assert_eq!(scanned, model);
    }

    #[test]
    fn a_range_is_a_set_of_its_own(
        model in prop::collection::btree_map(member(), score(), 0..700), start in 0..700usize, count in 0..800usize,
        entries in prop::sample::select(vec![0, 10, 128, 400]), now in prop::sample::select(vec![0, 10, 128, 400]),
    ) {
        let limits = Limits { zset_max_listpack_entries: entries, ..Limits::default() };
        let mut zset = ZSet::new();
        for (member, score) in &model {
            zset.insert(member, *score, &limits);
        }
        let limits = Limits { zset_max_listpack_entries: now, ..Limits::default() };
        let mut range = zset.range(start, count, &limits);
        let elements: Vec<_> = sorted(&model).into_iter().skip(start).take(count).collect();
        let mut one_by_one = ZSet::new();
        one_by_one.prepare(elements.len(), &limits);
        for (member, score) in &elements {
            one_by_one.insert(member, *score, &limits);
        }
        prop_assert_eq!(range.encoding(), one_by_one.encoding());
        let mut part: Model = elements.into_iter().collect();
        read_agrees(&range, &part);
        // Neither feels what happens to the other.
        for member in model.keys().step_by(3) {
            prop_assert_eq!(range.insert(member, 7.5, &limits), part.insert(member.clone(), 7.5));
        }
        for member in model.keys().step_by(4) {
            prop_assert_eq!(range.remove(member), part.remove(member));
        }
        read_agrees(&range, &part);
        read_agrees(&zset, &model);
    }

    #[test]
    fn lexicographic_bounds_agree_with_a_sorted_set(members in prop::collection::btree_set("[ab]{0,6}", 0..400), at in "[ab]{0,6}") {
        let mut zset = ZSet::new();
        for member in &members {
            zset.insert(member.as_bytes(), 0.0, &Limits::default());
        }
        let (below, within) = (members.range(..at.clone()).count(), usize::from(members.contains(&at)));
        let text = at.as_bytes();
        prop_assert_eq!(zset.lower_lex(LexBound::Included(text)), below);
        prop_assert_eq!(zset.lower_lex(LexBound::Excluded(text)), below + within);
        prop_assert_eq!(zset.upper_lex(LexBound::Included(text)), below + within);
        prop_assert_eq!(zset.upper_lex(LexBound::Excluded(text)), below);
        prop_assert_eq!((zset.lower_lex(LexBound::Min), zset.upper_lex(LexBound::Max)), (0, members.len()));
    }
}

#[test]
fn bytes_equal_those_of_a_peer() {
    // ZADD, then DUMP, on valkey 8.0.
    let mut zset = ZSet::new();
    for (member, score) in [("b", 2.0), ("a", 1.0), ("aa", 2.0), ("c", -0.5), ("d", 1e20)] {
        zset.insert(member.as_bytes(), score, &Limits::default());
    }
    let shown: String = zset.as_listpack().unwrap().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, "2a0000000a00816302842d302e3505816102010182616103020181620202018164028531652b323006ff");
}

#[test]
fn converts_where_a_peer_does() {
    // Each line was tried on valkey 8.0 with OBJECT ENCODING.
    let limits = Limits::default();
    let mut zset = ZSet::new();
    (0..128).for_each(|number: u32| {
        zset.insert(number.to_string().as_bytes(), 1.0, &limits);
    });
    assert_eq!(zset.encoding(), "listpack");
    zset.insert(b"one more", 1.0, &limits);
    assert_eq!(zset.encoding(), "skiplist");
    let mut zset = ZSet::new();
    zset.insert(&[b'x'; 65], 1.0, &limits);
    assert_eq!(zset.encoding(), "skiplist");
    let mut zset = ZSet::new();
    zset.prepare(200, &limits);
    assert_eq!(zset.encoding(), "skiplist");
}

#[test]
fn a_listpack_from_outside_is_checked_and_put_in_order() {
    let zset = |texts: &[&str]| {
        let mut listpack = Listpack::new();
        texts.iter().for_each(|text| listpack.push_back(text.as_bytes()));
        ZSet::from_listpack(listpack, &Limits::default())
    };
    assert!(zset(&["a", "1", "b"]).is_err());
    assert!(zset(&["a", "1", "a", "2"]).is_err());
    assert!(zset(&["a", "nan"]).is_err());
    let read = zset(&["b", "2", "a", "-inf"]).ok().unwrap();
    assert_eq!(content(&read), [(b"a".to_vec(), f64::NEG_INFINITY), (b"b".to_vec(), 2.0)]);
}

#[test]
fn ascending_members_fill_their_leaves() {
    let limits = Limits::default();
    let mut zset = ZSet::new();
    for number in 0..100_000u32 {
        zset.insert(format!("member:{number:09}").as_bytes(), f64::from(number), &limits);
    }
    assert_eq!(zset.rank(b"member:000077777"), Some(77_777));
    let each = zset.memory_bytes() / zset.len();
    assert!(each < 85, "{each} bytes for a member of 16 bytes");
    assert_eq!(size_of::<ZSet>(), 16);
}

/// A sorted set with the encoding of large ones, of elements that come in this order.
fn built(elements: &[(Vec<u8>, f64)]) -> Option<ZSet> {
    let limits = Limits { zset_max_listpack_entries: 0, ..Limits::default() };
    assert!(ZSetBuilder::for_members(0, &limits).is_none());
    let mut builder = ZSetBuilder::for_members(1, &limits).expect("more members than a listpack may have");
    elements.iter().for_each(|(member, score)| builder.push(member, *score));
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn one_that_is_built_at_once_is_as_one_that_grew(
        model in prop::collection::btree_map(member(), score(), 1..400),
        order in 0..4u8,
        seed in any::<u64>(),
        later in prop::collection::vec((member(), score()), 0..100),
    ) {
        let mut elements = sorted(&model);
        match order {
            0 => {}
            1 => elements.reverse(),
            // In order but for a few at the end, or in none.
            2 => {
                let quarter = elements.len() / 4;
                elements.rotate_left(quarter);
            }
            _ => fastrand::Rng::with_seed(seed).shuffle(&mut elements),
        }
        let (mut zset, mut model) = (built(&elements).expect("members that all differ"), model);
        read_agrees(&zset, &model);
        let kept = zset.clone();
        for (member, score) in later {
            prop_assert_eq!(zset.insert(&member, score, &Limits::default()), model.insert(member, score));
        }
        read_agrees(&zset, &model);
        prop_assert_eq!(kept.len(), elements.len());
        for twice in [elements[0].clone(), (elements[0].0.clone(), -1e9), (elements[0].0.clone(), 1e9)] {
            let mut more = elements.clone();
            more.push(twice);
            prop_assert!(built(&more).is_none());
            more.reverse();
            prop_assert!(built(&more).is_none());
        }
    }
}
