//! Roots, audit paths and consistency proofs: against RFC 6962's own vectors, against a tree that is made anew, and against every single flipped bit.

use std::cell::Cell;

use batpak_core::error::Result;
use batpak_core::hash::Hash;
use batpak_core::header::Promise;
use batpak_core::merkle::{self, Tree, is_consistent, leaf, root_from_path};
use batpak_core::proof::paths::{self, Perfect};
use batpak_core::storage::{MemoryStorage, Storage};
use batpak_core::{Config, Error, Store};
use batpak_tests::journal::{config, events, open, write};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Every perfect subtree of some leaves, lowest height first.
struct Leaves {
    levels: Vec<Vec<Hash>>,
    asked: Cell<u64>,
}

impl Leaves {
    fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while levels.last().is_some_and(|level| level.len() > 1) {
            let pairs = levels.last().unwrap().chunks_exact(2);
            let above = pairs.map(|pair| merkle::node(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        Self { levels, asked: Cell::new(0) }
    }

    fn of_events(hashes: &[Hash]) -> Self {
        Self::new(hashes.iter().map(leaf).collect())
    }
}

impl Perfect for Leaves {
    fn perfect(&self, height: u32, index: u64) -> Result<Hash> {
        self.asked.set(self.asked.get() + 1);
        Ok(self.levels[height as usize][usize::try_from(index).unwrap()])
    }
}

fn hashes(count: u64) -> Vec<Hash> {
    (0..count).map(|number| Sha256::digest(number.to_le_bytes()).into()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The reference vectors of RFC 6962's authors: eight leaves, and the root of each tree of the first of them.
#[test]
fn roots_are_those_of_the_reference_vectors() {
    let data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves = data.map(|text| Sha256::new().chain_update([0]).chain_update(unhex(text)).finalize().into());
    let source = Leaves::new(leaves.to_vec());
    for (size, root) in (1..).zip(roots) {
        assert_eq!(paths::root(&source, size).unwrap().to_vec(), unhex(root), "{size}");
    }
    assert_eq!(paths::root(&source, 0).unwrap(), Tree::default().root());
}

#[test]
fn every_event_of_every_small_tree_is_proved_and_only_where_it_is() {
    let all = hashes(130);
    let source = Leaves::of_events(&all);
    for size in 1..=all.len() as u64 {
        let root = merkle::root(&all[..usize::try_from(size).unwrap()]);
        assert_eq!(paths::root(&source, size).unwrap(), root);
        for index in 0..size {
            let event = &all[usize::try_from(index).unwrap()];
            let path = paths::inclusion(&source, index, size).unwrap();
            assert_eq!(path, merkle::path(&all[..usize::try_from(size).unwrap()], usize::try_from(index).unwrap()));
            assert_eq!(root_from_path(event, index, size, &path), Some(root), "{index} of {size}");
            for other in [index ^ 1, index + 1, index + 2, index.wrapping_sub(1), size, u64::MAX] {
                assert!(
                    other == index || root_from_path(event, other, size, &path) != Some(root),
                    "{index} as {other}"
                );
            }
            for longer in [vec![[0; 32]], path.clone()] {
                let wrong = [path.clone(), longer].concat();
                assert!(wrong == path || root_from_path(event, index, size, &wrong) != Some(root));
            }
            assert!(path.is_empty() || root_from_path(event, index, size, &path[1..]) != Some(root));
        }
    }
}

#[test]
fn every_pair_of_sizes_up_to_300_is_consistent_and_nothing_else_is() {
    let all = hashes(300);
    let source = Leaves::of_events(&all);
    let mut tree = Tree::default();
    let mut roots = vec![tree.root()];
    for hash in &all {
        tree.push(hash);
        roots.push(tree.root());
    }
    let mut grown = Tree::default();
    for (new, new_root) in (0..).zip(&roots) {
        paths::extend(&source, &mut grown, new).unwrap();
        assert_eq!((grown.size(), grown.root()), (new, *new_root));
        for (old, old_root) in (0..=new).zip(&roots) {
            let path = paths::consistency(&source, old, new).unwrap();
            assert!(is_consistent((old, old_root), (new, new_root), &path), "{old} to {new}");
            assert!(old == new || !is_consistent((new, new_root), (old, old_root), &path), "{new} back to {old}");
            if old > 0 && old < new {
                assert!(!is_consistent((old, new_root), (new, new_root), &path));
                assert!(!is_consistent((old, old_root), (new, old_root), &path));
                assert!(!is_consistent((old, old_root), (new, new_root), &path[1..]));
                assert!(!is_consistent((old, old_root), (new, new_root), &[path.as_slice(), &[[7; 32]]].concat()));
                let wrong = old ^ 1;
                assert!(wrong == 0 || !is_consistent((wrong, old_root), (new, new_root), &path), "{wrong} to {new}");
            }
        }
    }
    assert!(source.asked.get() > 0);
}

/// A tree cannot be extended past what is aligned; the next perfect subtree is always the largest that fits.
#[test]
fn a_tree_grows_by_whole_subtrees_from_any_size() {
    let all = hashes(700);
    let source = Leaves::of_events(&all);
    for from in 0..80_usize {
        let mut tree = Tree::default();
        all[..from].iter().for_each(|hash| tree.push(hash));
        for to in [from, from + 1, 81, 256, 257, 511, 700] {
            paths::extend(&source, &mut tree, to as u64).unwrap();
            if to as u64 >= tree.size() {
                assert_eq!(tree.root(), merkle::root(&all[..to]), "{from} to {to}");
            }
        }
    }
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut flipped = *hash;
    flipped[bit / 8 % 32] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn every_flipped_bit_spoils_a_proof() {
    let all = hashes(45);
    let source = Leaves::of_events(&all);
    for (index, size) in [(0, 45), (44, 45), (31, 45), (32, 45), (0, 1), (7, 8)] {
        let event = all[usize::try_from(index).unwrap()];
        let root = paths::root(&source, size).unwrap();
        let path = paths::inclusion(&source, index, size).unwrap();
        for bit in 0..256 {
            assert_ne!(root_from_path(&flipped(&event, bit), index, size, &path), Some(root));
            for at in 0..path.len() {
                let mut spoilt = path.clone();
                spoilt[at] = flipped(&spoilt[at], bit);
                assert_ne!(root_from_path(&event, index, size, &spoilt), Some(root));
            }
        }
        for bit in 0..64 {
            assert_ne!(root_from_path(&event, index ^ (1 << bit), size, &path), Some(root), "index bit {bit}");
        }
    }
    for (old, new) in [(1, 2), (3, 45), (32, 45), (44, 45), (20, 40)] {
        let (old_root, new_root) = (paths::root(&source, old).unwrap(), paths::root(&source, new).unwrap());
        let path = paths::consistency(&source, old, new).unwrap();
        for bit in 0..256 {
            assert!(!is_consistent((old, &flipped(&old_root, bit)), (new, &new_root), &path));
            assert!(!is_consistent((old, &old_root), (new, &flipped(&new_root, bit)), &path));
            for at in 0..path.len() {
                let mut spoilt = path.clone();
                spoilt[at] = flipped(&spoilt[at], bit);
                assert!(!is_consistent((old, &old_root), (new, &new_root), &spoilt), "{old} to {new}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Sizes that nobody has: no proof holds, and nothing overflows.
    #[test]
    fn sizes_at_the_edges_prove_nothing(
        powers in (0..64_u32, 0..64_u32), offsets in (-1..=1_i64, -1..=1_i64), length in 0..70_usize, seed in any::<u64>(),
    ) {
        let size = |power: u32, offset: i64| (1_u64 << power).wrapping_add_signed(offset);
        let (a, b) = (size(powers.0, offsets.0), size(powers.1, offsets.1));
        let path: Vec<Hash> = hashes(length as u64).iter().map(|hash| flipped(hash, usize::try_from(seed % 256).unwrap())).collect();
        let (one, two) = ([1; 32], [2; 32]);
        prop_assert!(root_from_path(&one, a, b, &path) != Some(two));
        prop_assert!(!is_consistent((a, &one), (b, &two), &path));
        // The tree of nothing has one root, and this is not it.
        prop_assert_eq!(is_consistent((a, &one), (a, &one), &path), path.is_empty() && a > 0);
    }
}

// -- of a journal -----------------------------------------------------------------------------------------------------

fn grow(store: &Store, events: usize) {
    for number in 0..events {
        let payload = vec![5; number * 37 % 300];
        write(store, Promise::Manual, &format!("e{}", number % 5), &[&payload]).expect("append");
    }
}

/// All that a store proves is what a tree over its events' hashes says that is made anew.
fn proves_what_it_holds(store: &Store) {
    let all: Vec<Hash> = events(store, true).expect("read").iter().map(|event| event.event_hash).collect();
    let source = Leaves::of_events(&all);
    let size = all.len() as u64;
    assert_eq!(store.root(None).expect("root"), (size, merkle::root(&all)));
    let sizes: Vec<u64> = (0..size).step_by(usize::try_from(size / 23 + 1).unwrap()).chain([size]).collect();
    for new in &sizes {
        assert_eq!(store.root(Some(*new)).expect("root").1, paths::root(&source, *new).unwrap(), "{new}");
        for other in &sizes {
            if other < new {
                let inclusion = store.prove(*other, Some(*new)).expect("prove");
                assert_eq!(inclusion.path, paths::inclusion(&source, *other, *new).unwrap(), "{other} in {new}");
                assert_eq!(inclusion.event_hash, all[usize::try_from(*other).unwrap()]);
                assert_eq!(inclusion.root(), Some(paths::root(&source, *new).unwrap()));
            }
            if other <= new {
                let consistency = store.prove_consistency(*other, Some(*new)).expect("prove");
                assert!(consistency.holds(), "{other} to {new}");
                assert_eq!(consistency.path, paths::consistency(&source, *other, *new).unwrap());
            }
        }
    }
}

#[test]
fn a_store_proves_what_it_holds_before_and_after_sealing_reopening_and_losing_its_index() {
    for segment_bytes in [4096, 20_000, 64 << 20] {
        let storage = MemoryStorage::new();
        let sized = Config { segment_bytes, ..config() };
        let store = open(&storage, sized.clone()).expect("open");
        grow(&store, 40);
        proves_what_it_holds(&store);
        grow(&store, 1300);
        proves_what_it_holds(&store);
        let reader = open(&storage, Config { read_only: true, ..sized.clone() }).expect("a reader");
        proves_what_it_holds(&reader);
        store.close().expect("close");
        let store = open(&storage, sized.clone()).expect("open again");
        proves_what_it_holds(&store);
        drop(store);
        let names = storage.list("segments").expect("list");
        for name in names.iter().filter(|name| name.ends_with("idx")) {
            storage.remove(&format!("segments/{name}")).expect("remove");
        }
        let reader = open(&storage, Config { read_only: true, ..sized.clone() }).expect("a reader");
        proves_what_it_holds(&reader);
        proves_what_it_holds(&open(&storage, sized).expect("open without index files"));
    }
}

#[test]
fn what_is_proved_is_synced_first() {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    let reader = open(&storage, Config { read_only: true, ..config() }).expect("a reader");
    grow(&store, 3);
    let events = store.events().expect("open");
    assert!(store.durable().expect("open") < events);
    reader.refresh().expect("refresh");
    let refused = reader.prove(0, Some(events));
    assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{refused:?}");
    let known = reader.durable().expect("open");
    assert_eq!(reader.root(None).expect("what is synced").0, known);
    assert_eq!(store.prove(0, None).expect("prove").size, events);
    assert_eq!(store.durable().expect("open"), events);
    assert_eq!(reader.prove(0, Some(events)).expect("prove").size, events);
    for (index, size) in [(0, 0), (2, 2), (0, events + 1)] {
        assert!(matches!(store.prove(index, Some(size)), Err(Error::InvalidInput { .. })), "{index} in {size}");
    }
    assert!(matches!(store.prove(events, None), Err(Error::EventNotFound { .. })));
    assert!(matches!(store.prove_consistency(2, Some(1)), Err(Error::InvalidInput { .. })));
}
