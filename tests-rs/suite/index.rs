//! Index files: whatever becomes of them, what is read is what was written.

use std::collections::{BTreeMap, BTreeSet};

use batpak_core::header::Promise;
use batpak_core::index::runs::{HeadEntry, Merge, Source, name_hash};
use batpak_core::index::{Query, Set};
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Mode, Storage};
use batpak_core::{Config, Error, Store};
use batpak_tests::journal::{config, events, files, is_cache, matching, open, verify, verify_closed, write};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::sync::Arc;

fn entity(number: usize) -> Query {
    Query { entity: Some(format!("e{number}")), ..Query::default() }
}

/// Some segments of events of some entities.
fn fill(store: &Store, from: usize, count: usize) {
    for number in from..from + count {
        let name = format!("e{}", number * number % 23);
        write(store, Promise::Manual, &name, &[&number.to_le_bytes()]).expect("append");
    }
}

/// Each entity's events are those that a scan finds, each chain is whole, and `verify` agrees.
fn is_whole(store: &Store) {
    let all = events(store, true).expect("read");
    let mut clocks: BTreeMap<String, u64> = BTreeMap::new();
    for event in &all {
        let clock = clocks.entry(event.entity().to_owned()).or_default();
        assert_eq!(event.stamp.clock, *clock, "event {}", event.stamp.sequence);
        *clock += 1;
    }
    for number in 0..23 {
        let name = format!("e{number}");
        let found = matching(store, &entity(number)).expect("query");
        let expected: Vec<_> = all.iter().filter(|event| event.entity() == name).cloned().collect();
        assert_eq!(found, expected, "{name}");
    }
    let verdict = verify(store).expect("verify");
    assert!(verdict.findings.iter().all(|finding| finding.axis == "indexes"), "{verdict:?}");
}

/// A journal of several sealed segments, closed.
fn at_rest(config: &Config) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let store = open(&storage, config.clone()).expect("open");
    fill(&store, 0, 200);
    store.close().expect("close");
    assert!(files(&storage).keys().filter(|name| is_cache(name)).count() > 5);
    storage
}

fn put(storage: &MemoryStorage, name: &str, bytes: &[u8]) {
    storage.remove(name).expect("it is there");
    storage.open(name, Mode::Create).expect("create").write_at(bytes, 0).expect("write");
}

#[test]
fn an_id_is_found_wherever_it_lies_and_its_neighbours_are_not() {
    // Also where the search by halves ends and the comparison of the last ids begins.
    for count in [1, 2, 62, 63, 64, 65, 127, 128, 129, 300] {
        let config = Config { unindexed_bytes: 0, ..Config::default() };
        let storage = MemoryStorage::new();
        let store = open(&storage, config.clone()).expect("open");
        fill(&store, 0, count);
        store.close().expect("close");
        let store = open(&storage, Config { read_only: true, ..config }).expect("open");
        let all = events(&store, true).expect("read");
        let ids: BTreeSet<u128> = all.iter().map(|event| u128::from_be_bytes(event.stamp.event_id)).collect();
        assert!(ids.len() > count);
        for event in &all {
            assert_eq!(&store.get(event.stamp.event_id).expect("it is there"), event);
            let id = u128::from_be_bytes(event.stamp.event_id);
            for neighbour in [id - 1, id + 1].into_iter().filter(|id| !ids.contains(id)) {
                let missed = store.get(neighbour.to_be_bytes()).err();
                assert!(matches!(missed, Some(Error::EventNotFound { .. })), "{missed:?}");
            }
        }
        for nowhere in [0, u128::MAX] {
            assert!(matches!(store.get(nowhere.to_be_bytes()).err(), Some(Error::EventNotFound { .. })));
        }
    }
}

#[test]
fn an_index_is_the_same_to_the_byte_whichever_way_it_came_to_be() {
    // Sealed in one go; over partial indexes of many clean closes; and made from the log alone.
    for unindexed_bytes in [u64::MAX, 0] {
        let config = Config { unindexed_bytes, segment_bytes: 32_768, ..config() };
        let storage = MemoryStorage::new();
        for round in 0..12 {
            let store = open(&storage, config.clone()).expect("open");
            fill(&store, round * 40, 40);
            is_whole(&store);
            store.close().expect("close");
            let verdict = verify_closed(&storage).expect("verify");
            assert!(verdict.ok(), "{verdict:?}");
        }
        let whole = files(&storage);
        let caches: Vec<&String> = whole.keys().filter(|name| is_cache(name)).collect();
        assert!(caches.len() >= 3, "{caches:?}");
        for name in &caches {
            storage.remove(name).expect("it is there");
        }
        let store = open(&storage, config.clone()).expect("open");
        is_whole(&store);
        let again = files(&storage);
        for name in caches.iter().filter(|name| name.ends_with(".idx") && again.contains_key(**name)) {
            assert_eq!(again[*name], whole[*name], "{name}");
        }
        assert!(store.report().indexes_rebuilt > 0);
        assert!(verify(&store).expect("verify").ok());
    }
}

#[test]
fn index_files_of_another_journal_are_not_believed() {
    let (own, other) = (at_rest(&config()), at_rest(&config()));
    let theirs = files(&other);
    let mut swapped = 0;
    for (name, bytes) in files(&own).iter().filter(|(name, _)| is_cache(name)) {
        if let Some(foreign) = theirs.get(name) {
            assert_ne!(foreign, bytes);
            put(&own, name, foreign);
            swapped += 1;
        }
    }
    assert!(swapped > 3);
    assert!(!verify_closed(&own).expect("verify").ok());
    let reader = open(&own, Config { read_only: true, ..config() }).expect("open");
    is_whole(&reader);
    let store = open(&own, config()).expect("open");
    fill(&store, 1000, 60);
    is_whole(&store);
    let stats = store.stats().expect("stats");
    assert!(store.report().indexes_rebuilt + stats.indexes_rebuilt > 0);
    store.close().expect("close");
    assert!(verify_closed(&own).expect("verify").ok(), "all were made again");
}

#[test]
fn heads_that_are_damaged_anywhere_never_fork_a_chain() {
    let storage = at_rest(&config());
    let whole = files(&storage);
    let (name, bytes) = whole.iter().find(|(name, _)| name.starts_with("heads/")).expect("a run");
    for at in (0..bytes.len()).step_by(7) {
        let copy = MemoryStorage::import(whole.clone());
        let mut changed = bytes.clone();
        changed[at] ^= 0x21;
        put(&copy, name, &changed);
        let store = open(&copy, config()).expect("open");
        fill(&store, 0, 23);
        let clocks: BTreeSet<_> = events(&store, true)
            .expect("read")
            .iter()
            .map(|event| (event.entity().to_owned(), event.stamp.clock))
            .collect();
        assert_eq!(clocks.len() as u64, store.events().expect("open"), "{name} byte {at}: a clock came twice");
        assert!(verify(&store).expect("verify").findings.iter().all(|finding| finding.axis == "indexes"));
    }
}

#[test]
fn a_log_that_was_changed_under_its_index_is_refused_and_the_index_is_not_made_to_fit() {
    let storage = at_rest(&config());
    let name = "segments/00000000000000000000";
    let mut log = files(&storage)[&format!("{name}.log")].clone();
    // The salt of a record in the middle: its CRCs are not made right, so that the file no longer reads to its end.
    let middle = log.len() / 2;
    log[middle] ^= 1;
    put(&storage, &format!("{name}.log"), &log);
    storage.remove(&format!("{name}.idx")).expect("it is there");
    let refused = open(&storage, config()).err();
    assert!(
        matches!(&refused, Some(Error::Damaged { file, sequence: Some(_), .. }) if file.contains(name)),
        "{refused:?}"
    );
    let reader = open(&storage, Config { read_only: true, ..config() });
    let refused = reader.and_then(|reader| events(&reader, true)).err();
    assert!(matches!(&refused, Some(Error::Damaged { .. })), "{refused:?}");
}

#[test]
fn declared_keys_are_kept_by_the_newest_index_and_others_make_all_anew() {
    let keys = |keys: &[&str]| Some(keys.iter().map(|key| (*key).to_owned()).collect());
    let declared = Config { index_metadata: keys(&["b", "a", "a"]), ..config() };
    let storage = at_rest(&declared);
    let store = open(&storage, config()).expect("open");
    assert_eq!(store.report().indexes_rebuilt, 0);
    fill(&store, 500, 100);
    store.close().expect("close");
    let before = files(&storage);
    for (given, same) in [(keys(&["a", "b"]), true), (keys(&["a"]), false), (keys(&[]), false)] {
        let store = open(&storage, Config { index_metadata: given, ..config() }).expect("open");
        assert_eq!(store.report().indexes_rebuilt == 0, same);
        is_whole(&store);
        assert!(verify(&store).expect("verify").ok());
    }
    let index = "segments/00000000000000000000.idx";
    assert_ne!(files(&storage)[index], before[index]);
    for refused in [vec![String::new()], (0..33).map(|key| key.to_string()).collect()] {
        let refused = open(&storage, Config { index_metadata: Some(refused), ..config() }).err();
        assert!(matches!(refused, Some(Error::InvalidInput { .. })));
    }
}

#[test]
fn a_disk_that_takes_no_index_file_costs_memory_and_no_event() {
    let disk = MemoryStorage::new();
    let faults = [Fault::forever(1, Effect::Fails).of("create").on("segments/*.idx*")];
    let storage = FaultyStorage::new(Arc::new(disk.clone()), faults);
    let store = open(&storage, config()).expect("open");
    fill(&store, 0, 200);
    assert!(store.stats().expect("stats").index_failure.is_some());
    is_whole(&store);
    store.close().expect("close");
    let indexes = |disk: &MemoryStorage| files(disk).keys().filter(|name| is_cache(name)).count();
    assert_eq!(indexes(&disk), 0);
    let store = open(&disk, config()).expect("open");
    assert!(indexes(&disk) > 5 && store.report().indexes_rebuilt > 5);
    is_whole(&store);
    assert!(verify(&store).expect("verify").ok());
}

#[test]
fn a_sealed_segment_with_another_length_is_refused_at_open() {
    let storage = at_rest(&config());
    let name = "segments/00000000000000000000.log";
    let log = files(&storage)[name].clone();
    for changed in [&log[..log.len() - 1], &[log.as_slice(), &[0]].concat()] {
        put(&storage, name, changed);
        for read_only in [true, false] {
            let refused = open(&storage, Config { read_only, ..config() }).err();
            assert!(matches!(&refused, Some(Error::Damaged { file, .. }) if file.ends_with(name)), "{refused:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_set_is_a_set(numbers in btree_set(0..400_u32, 0..60), other in btree_set(0..400_u32, 0..60), at in 0..400_u32) {
        let list: Vec<u32> = numbers.iter().copied().collect();
        for set in [Set::Sorted(list.clone()), Set::of(&list, 400), {
            let mut bits = Set::none_of(400);
            bits.add_list(&list);
            bits
        }] {
            prop_assert_eq!(set.len(), numbers.len());
            prop_assert_eq!(set.is_empty(), numbers.is_empty());
            prop_assert_eq!(set.contains(at), numbers.contains(&at));
            prop_assert_eq!(set.next(at), numbers.range(at..).next().copied());
            prop_assert_eq!(set.previous(at), numbers.range(..=at).next_back().copied());
        }
        let mut union = Set::none_of(400);
        union.add(&Set::Sorted(list));
        union.add(&Set::of(&other.iter().copied().collect::<Vec<_>>(), 400));
        let all: BTreeSet<u32> = numbers.union(&other).copied().collect();
        prop_assert_eq!(std::iter::successors(union.next(0), |number| union.next(number + 1)).collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn merged_runs_give_each_name_its_newest_event(runs in vec(vec(0..40_u64, 0..30), 0..5)) {
        let mut newest = BTreeMap::new();
        let mut sequence = 0;
        let sources: Vec<Vec<HeadEntry>> = runs.iter().map(|names| {
            let mut heads = BTreeMap::new();
            for name in names {
                heads.insert(name_hash(&name.to_le_bytes()), sequence);
                newest.insert(name_hash(&name.to_le_bytes()), sequence);
                sequence += 1;
            }
            heads.into_iter().map(|(name, sequence)| HeadEntry { name, sequence }).collect()
        }).collect();
        let mut merge = Merge::new(sources.iter().map(|source| source as &dyn Source));
        let mut merged = Vec::new();
        while let Some(entry) = merge.advance().expect("nothing is damaged") {
            merged.push((entry.name, entry.sequence));
        }
        prop_assert_eq!(merged, newest.into_iter().collect::<Vec<_>>());
    }
}
