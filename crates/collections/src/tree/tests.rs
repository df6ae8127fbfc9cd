//! The tree with leaves of plain numbers, against a vector.

use proptest::prelude::*;

use super::*;

const LEAF_MAX: usize = 4;

#[derive(Clone, Default)]
struct Numbers(Vec<u32>);

impl Leaf for Numbers {
    type Bound = u32;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn can_absorb(&self, right: &Numbers) -> bool {
        self.len() + right.len() <= LEAF_MAX / 2
    }

    fn absorb(&mut self, right: &Numbers) {
        self.0.extend_from_slice(&right.0);
    }

    fn memory_bytes(&self) -> usize {
        self.0.capacity() * 4
    }
}

fn seek_number(number: u32) -> impl Fn(&[Slot<Numbers>]) -> usize {
    move |slots| slots[1..].partition_point(|slot| slot.bound <= number)
}

fn insert(tree: &mut Tree<Numbers>, number: u32) {
    tree.edit(seek_number(number), |leaf| {
        let at = leaf.0.partition_point(|&other| other < number);
        leaf.0.insert(at, number);
        let mut new = NewLeaves::<Numbers>::new();
        if leaf.0.len() > LEAF_MAX {
            let right = leaf.0.split_off(LEAF_MAX / 2);
            new.push((right[0], Numbers(right)));
        }
        ((), new)
    });
}

fn content(tree: &Tree<Numbers>) -> Vec<u32> {
    let mut all = Vec::new();
    while all.len() < tree.len() {
        let (leaf, start) = tree.leaf_at(all.len());
        assert_eq!(start, all.len());
        all.extend_from_slice(&leaf.0);
    }
    all
}

fn inner_nodes(node: &Node<Numbers>) -> usize {
    match node {
        Node::Leaf(_) => 0,
        Node::Inner(slots) => 1 + slots.iter().map(|slot| inner_nodes(&slot.node)).sum::<usize>(),
    }
}

/// Checks counts and bounds; returns the depth.
fn check(node: &Node<Numbers>, low: u32, high: u32) -> usize {
    match node {
        Node::Leaf(leaf) => {
            assert!(leaf.0.iter().all(|number| (low..=high).contains(number)));
            0
        }
        Node::Inner(slots) => {
            assert!(!slots.is_empty() && slots.len() <= CHILDREN_MAX);
            let depths: Vec<usize> = (0..slots.len())
                .map(|index| {
                    let low = if index == 0 { low } else { slots[index].bound };
                    let high = slots.get(index + 1).map_or(high, |next| next.bound);
                    let count = match &slots[index].node {
                        Node::Leaf(leaf) => leaf.len(),
                        Node::Inner(below) => below.iter().map(|slot| slot.count).sum(),
                    };
                    assert!(count == slots[index].count && count > 0);
                    check(&slots[index].node, low, high)
                })
                .collect();
            assert!(depths.iter().all(|&depth| depth == depths[0]));
            depths[0] + 1
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn behaves_as_a_sorted_vector(
        steps in prop::collection::vec((0..10u8, 0..5000u32), 0..1500), ascending in any::<bool>(), removing in 0..10u8,
    ) {
        let (mut tree, mut model, mut kept) = (Tree::new(Numbers::default()), Vec::new(), Vec::new());
        let half = steps.len() / 2;
        for (number, (action, value)) in steps.into_iter().enumerate() {
            if number > half && action == 9 && model.len() > 1 {
                let count = 1 + value as usize * (model.len() - 1) / 5000;
                let start = (value as usize * 7) % (model.len() - count + 1);
                tree.remove_range(start, count, |leaf, index, count| drop(leaf.0.drain(index..index + count)));
                model.drain(start..start + count);
                check(&tree.root, 0, u32::MAX);
            } else if number > half && action < removing && !model.is_empty() {
                let rank = value as usize % model.len();
                let (_, start) = tree.leaf_at(rank);
                let removed = tree.edit(seek_rank::<Numbers>(rank), |leaf| {
                    (leaf.0.remove(rank - start), NewLeaves::<Numbers>::new())
                });
                prop_assert_eq!(removed, model.remove(rank));
            } else {
                let value = if ascending { number as u32 } else { value };
                insert(&mut tree, value);
                model.insert(model.partition_point(|&other| other < value), value);
            }
            prop_assert_eq!(tree.len(), model.len());
            if number % 200 == 0 {
                kept.push((tree.clone(), model.clone()));
            }
        }
        check(&tree.root, 0, u32::MAX);
        prop_assert_eq!(tree.inner_count(), inner_nodes(&tree.root));
        prop_assert_eq!(content(&tree), model);
        for (tree, model) in &kept {
            check(&tree.root, 0, u32::MAX);
            prop_assert_eq!(&content(tree), model);
        }
        // Built of the same leaves at once, it can be taken apart as well.
        let leaves = content(&tree);
        let leaves = leaves.chunks(LEAF_MAX).map(|part| (part[0], Numbers(part.to_vec())));
        let mut built = Tree::from_leaves(leaves);
        check(&built.root, 0, u32::MAX);
        prop_assert_eq!(built.inner_count(), inner_nodes(&built.root));
        prop_assert_eq!(content(&built), content(&tree));
        prop_assert_eq!(&tree.end_leaf(End::Front).0, &tree.leaf_at(0).0.0);
        prop_assert_eq!(&tree.end_leaf(End::Back).0, &tree.leaf_at(tree.len().saturating_sub(1)).0.0);
        built.end_leaf_mut(End::Front, 1).0.insert(0, 0);
        built.end_leaf_mut(End::Back, 1).0.push(u32::MAX);
        check(&built.root, 0, u32::MAX);
        prop_assert_eq!((built.len(), built.end_leaf(End::Back).0.last()), (tree.len() + 2, Some(&u32::MAX)));
        insert(&mut built, 2500);
        check(&built.root, 0, u32::MAX);
        prop_assert_eq!(built.len(), tree.len() + 3);
        while tree.len() > 0 {
            tree.edit(seek_rank::<Numbers>(0), |leaf| (leaf.0.remove(0), NewLeaves::<Numbers>::new()));
        }
        prop_assert!(tree.only_leaf().is_some());
    }
}
