//! The Merkle tree of RFC 6962, against its own known answers and a tree built by the definition.

use batpak_core::hash::{Hash, hex};
use batpak_core::merkle::{Tree, leaf, node, path, root, root_from_path};
use sha2::{Digest, Sha256};

fn hash(number: usize) -> Hash {
    Sha256::digest(number.to_le_bytes()).into()
}

fn hashes(count: usize) -> Vec<Hash> {
    (0..count).map(hash).collect()
}

/// RFC 6962 section 2.1, to the letter.
fn by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [single] => leaf(single),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node(&by_definition(left), &by_definition(right))
        }
    }
}

/// RFC 6962 section 2.1.1, to the letter.
fn path_by_definition(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, neighbour) = if index < left.len() {
        (path_by_definition(index, left), by_definition(right))
    } else {
        (path_by_definition(index - left.len(), right), by_definition(left))
    };
    path.push(neighbour);
    path
}

#[test]
fn leaves_nodes_and_the_empty_tree_are_those_of_the_rfc() {
    assert_eq!(hex(&root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // SHA-256 of 00 and 32 zero bytes; and of 01 and twice 32 zero bytes.
    let zero = Sha256::new().chain_update([0]).chain_update([0; 32]).finalize();
    assert_eq!(leaf(&[0; 32]), <Hash>::from(zero));
    let one = Sha256::new().chain_update([1]).chain_update([0; 64]).finalize();
    assert_eq!(node(&[0; 32], &[0; 32]), <Hash>::from(one));
    // No leaf can pass for a node.
    assert_eq!(hex(&leaf(&[0; 32])), "7f9c9e31ac8256ca2f258583df262dbc7d6f68f2a03043d5c99a4ae5a7396ce9");
}

#[test]
fn roots_paths_and_peaks_are_those_of_the_definition_for_all_sizes() {
    let all = hashes(130);
    let mut tree = Tree::default();
    for size in 0..=130 {
        let leaves = &all[..size];
        let expected = by_definition(leaves);
        assert_eq!((root(leaves), tree.root()), (expected, expected), "{size}");
        assert_eq!(tree.size(), size as u64);
        assert_eq!(tree.peaks().len(), size.count_ones() as usize);
        let again = Tree::from_peaks(tree.size(), tree.peaks().to_vec()).expect("it fits");
        assert_eq!(again, tree);
        assert!(
            Tree::from_peaks(tree.size() + 1, tree.peaks().to_vec())
                .is_none_or(|other| other.size().count_ones() == size.count_ones())
        );
        for index in 0..size {
            let found = path(leaves, index);
            assert_eq!(found, path_by_definition(index, leaves), "{index} of {size}");
            let reached = root_from_path(&leaves[index], index as u64, size as u64, &found);
            assert_eq!(reached, Some(expected), "{index} of {size}");
        }
        if size < 130 {
            tree.push(&all[size]);
        }
    }
}

#[test]
fn a_path_leads_to_the_root_from_its_own_place_only() {
    for size in 1..=40_usize {
        let leaves = hashes(size);
        let expected = root(&leaves);
        for index in 0..size {
            let found = path(&leaves, index);
            let (here, of) = (index as u64, size as u64);
            for other in (0..size + 3).filter(|other| *other != index) {
                assert_ne!(root_from_path(&leaves[index], other as u64, of, &found), Some(expected));
            }
            assert_eq!(root_from_path(&leaves[index], of, of, &found), None);
            assert_eq!(root_from_path(&leaves[index], here, 0, &found), None);
            assert_ne!(root_from_path(&hash(999), here, of, &found), Some(expected));
            let longer: Vec<Hash> = found.iter().copied().chain([hash(7)]).collect();
            assert_eq!(root_from_path(&leaves[index], here, of, &longer), None);
            if !found.is_empty() {
                assert_eq!(root_from_path(&leaves[index], here, of, &found[1..]), None);
            }
            for level in 0..found.len() {
                let mut broken = found.clone();
                broken[level][5] ^= 1;
                assert_ne!(root_from_path(&leaves[index], here, of, &broken), Some(expected));
            }
        }
    }
}

#[test]
fn a_size_with_a_path_of_another_length_fails() {
    for size in 1..=70_u64 {
        let leaves = hashes(usize::try_from(size).expect("small"));
        for index in [0, size / 2, size - 1] {
            let at = usize::try_from(index).expect("small");
            let found = path(&leaves, at);
            for other in 1..=140_u64 {
                let reached = root_from_path(&leaves[at], index, other, &found);
                if index >= other
                    || path_by_definition(at, &hashes(usize::try_from(other).expect("small"))).len() != found.len()
                {
                    assert_eq!(reached, None, "{index} of {other}, path of {size}");
                }
            }
        }
    }
}
