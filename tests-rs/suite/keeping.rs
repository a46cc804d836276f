//! What cursors and projections keep beside the log: there as a whole or not at all, and refused if it is anything else.

use batpak_core::error::Error;
use batpak_core::keeping::Room;
use batpak_core::limits::{KEPT_BYTES_MAX, KEPT_NAME_BYTES_MAX};
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Mode, Storage, read_all};
use batpak_core::{Config, Store};
use batpak_tests::crash_images::crash_images;
use batpak_tests::journal::{config, open};
use proptest::prelude::*;
use std::sync::Arc;

const FILE: &str = "cursors/billing.cursor";

fn begun() -> (MemoryStorage, Store) {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    (storage, store)
}

fn content(storage: &MemoryStorage, name: &str) -> Vec<u8> {
    read_all(storage.open(name, Mode::Read).expect("open").as_ref()).expect("read")
}

fn put(storage: &MemoryStorage, name: &str, bytes: &[u8]) {
    let file = storage.open(name, Mode::Write).expect("open");
    file.truncate(0).expect("truncate");
    file.write_at(bytes, 0).expect("write");
}

#[test]
fn what_is_kept_is_found_under_its_name_and_in_its_room_alone() {
    let (storage, store) = begun();
    assert_eq!(store.kept(Room::Cursors, "billing").expect("kept"), None);
    assert_eq!(store.names_kept(Room::Cursors).expect("names"), Vec::<String>::new());
    store.keep(Room::Cursors, "billing", b"one").expect("keep");
    store.keep(Room::Cursors, "Billing", b"two").expect("keep");
    store.keep(Room::Projections, "billing", b"").expect("keep");
    store.keep(Room::Cursors, "billing", b"three").expect("keep");
    assert_eq!(store.kept(Room::Cursors, "billing").expect("kept").as_deref(), Some(b"three".as_slice()));
    assert_eq!(store.kept(Room::Cursors, "Billing").expect("kept").as_deref(), Some(b"two".as_slice()));
    assert_eq!(store.kept(Room::Projections, "billing").expect("kept").as_deref(), Some(b"".as_slice()));
    assert_eq!(store.names_kept(Room::Cursors).expect("names"), ["Billing", "billing"]);
    assert!(store.forget(Room::Cursors, "billing").expect("forget"));
    assert!(!store.forget(Room::Cursors, "billing").expect("forget"));
    store.close().expect("close");
    assert!(matches!(store.kept(Room::Cursors, "Billing"), Err(Error::Closed)));
    let store = open(&storage, Config { read_only: true, ..config() }).expect("open");
    assert_eq!(store.kept(Room::Cursors, "Billing").expect("kept").as_deref(), Some(b"two".as_slice()));
    assert!(matches!(store.keep(Room::Cursors, "a", b""), Err(Error::ReadOnly)));
    assert!(matches!(store.forget(Room::Cursors, "Billing"), Err(Error::ReadOnly)));
}

#[test]
fn names_and_contents_at_their_limits() {
    let (_, store) = begun();
    for wrong in [String::new(), "n".repeat(KEPT_NAME_BYTES_MAX + 1)] {
        assert!(matches!(store.keep(Room::Cursors, &wrong, b""), Err(Error::InvalidInput { .. })));
        assert!(matches!(store.kept(Room::Cursors, &wrong), Err(Error::InvalidInput { .. })));
    }
    let longest = "\u{1F600}".repeat(KEPT_NAME_BYTES_MAX / 4);
    store.keep(Room::Cursors, &longest, b"x").expect("keep");
    assert_eq!(store.names_kept(Room::Cursors).expect("names"), [longest]);
    let large = vec![7; KEPT_BYTES_MAX + 1];
    assert!(matches!(store.keep(Room::Projections, "large", &large), Err(Error::LimitExceeded { .. })));
    store.keep(Room::Projections, "large", &large[1..]).expect("keep");
    assert_eq!(store.kept(Room::Projections, "large").expect("kept").map(|kept| kept.len()), Some(KEPT_BYTES_MAX));
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused() {
    let (storage, store) = begun();
    store.keep(Room::Cursors, "billing", b"content").expect("keep");
    let whole = content(&storage, FILE);
    for end in 0..whole.len() {
        put(&storage, FILE, &whole[..end]);
        assert!(matches!(store.kept(Room::Cursors, "billing"), Err(Error::Damaged { .. })), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        put(&storage, FILE, &changed);
        assert!(matches!(store.kept(Room::Cursors, "billing"), Err(Error::Damaged { .. })), "changed at {at}");
    }
    put(&storage, FILE, &whole);
    assert!(store.kept(Room::Cursors, "billing").expect("kept").is_some());
    let (elsewhere, other) = begun();
    other.keep(Room::Cursors, "billing", b"content").expect("keep");
    put(&storage, FILE, &content(&elsewhere, FILE));
    let refused = store.kept(Room::Cursors, "billing");
    assert!(
        matches!(&refused, Err(Error::Damaged { reason, .. }) if reason.contains("another journal")),
        "{refused:?}"
    );
}

#[test]
fn a_crash_leaves_the_old_or_the_new_and_a_failure_is_told() {
    for effect in [Effect::Fails, Effect::FailsAfter, Effect::ShortWrite(20)] {
        for call in 1.. {
            let inner = MemoryStorage::recording();
            let store = open(&inner, config()).expect("open");
            store.keep(Room::Cursors, "billing", b"old").expect("keep");
            store.close().expect("close");
            let faulty = FaultyStorage::new(Arc::new(inner.clone()), []);
            let store = open(&faulty, config()).expect("open");
            faulty.arm(Fault::forever(faulty.calls() + call, effect));
            let outcome = store.keep(Room::Cursors, "billing", b"new");
            let Some(hit) = faulty.hit() else {
                outcome.expect("no fault was met");
                assert!(call > 4, "only {call} calls");
                break;
            };
            for (cut, image) in crash_images(&inner, 3, call) {
                let store = open(&image, config()).expect("open");
                let kept = store.kept(Room::Cursors, "billing").expect("kept").expect("there is one");
                let told = outcome.is_err();
                assert!(kept == b"new" || told && kept == b"old", "{effect:?} at {hit}, {cut}: {kept:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_name_has_a_file_of_its_own(names in prop::collection::btree_set("\\PC{1,20}", 1..8)) {
        let (storage, store) = begun();
        for name in &names {
            store.keep(Room::Projections, name, name.as_bytes()).expect("keep");
        }
        let names: Vec<String> = names.into_iter().collect();
        prop_assert_eq!(store.names_kept(Room::Projections).expect("names"), names.clone());
        for name in &names {
            prop_assert_eq!(store.kept(Room::Projections, name).expect("kept").expect("there"), name.as_bytes());
        }
        // A file system that does not tell upper from lower case apart keeps them apart too.
        let files = storage.list("projections").expect("list");
        let folded: std::collections::BTreeSet<String> = files.iter().map(|file| file.to_lowercase()).collect();
        prop_assert_eq!(folded.len(), files.len());
    }
}
