//! A journal at rest that somebody changed: bit by bit, byte by byte, file by file.

use std::collections::BTreeMap;

use batpak_core::error::{Error, Result};
use batpak_core::header::Promise;
use batpak_core::storage::MemoryStorage;
use batpak_core::verification::Verification;
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, events, files, is_cache, is_log, open, signed, verify, verify_closed, write};

type Files = BTreeMap<String, Vec<u8>>;

const FIRST: &str = "segments/00000000000000000000.log";

/// A journal of two segments, closed, with nothing to hide; and its events.
fn at_rest(config: &Config) -> (Files, Vec<batpak_core::read::Event>) {
    let storage = MemoryStorage::new();
    let store = open(&storage, config.clone()).expect("open");
    write(&store, Promise::Manual, "a", &[b"one", b"two"]).expect("append");
    assert!(store.wait_durable(3, None).expect("sync"));
    write(&store, Promise::Manual, "b", &[b"three"]).expect("append");
    write(&store, Promise::Manual, "a", &[&[4; 2700]]).expect("append");
    write(&store, Promise::Manual, "a", &[b"five"]).expect("append");
    write(&store, Promise::Interval, "b", &[b"six"]).expect("append");
    let known = events(&store, true).expect("read");
    store.close().expect("close");
    let files = files(&storage);
    assert_eq!(files.keys().filter(|name| is_log(name)).count(), 2);
    assert_eq!(files.len(), 7, "{:?}", files.keys());
    (files, known)
}

/// What a read-only open, a verify without a store, and a writable open find.
struct Found {
    open: Result<Store>,
    verdict: Verification,
    writable: Result<Store>,
}

fn look(files: Files, config: &Config) -> Found {
    let storage = MemoryStorage::import(files);
    let read_only = Config { read_only: true, signer: None, ..config.clone() };
    let before = storage.export();
    let opened = open(&storage, read_only);
    let verdict = verify_closed(&storage).expect("damage is a finding, not an error");
    assert_eq!(storage.export(), before, "looking changed something");
    Found { open: opened, verdict, writable: open(&storage, config.clone()) }
}

/// Whatever the store gives out is true.
fn never_wrong(store: &Store, known: &[batpak_core::read::Event], context: &str) {
    for event in known {
        match store.get(event.stamp.sequence) {
            Ok(found) => assert_eq!(&found, event, "{context}"),
            Err(error) => {
                assert!(matches!(error, Error::Damaged { .. } | Error::EventNotFound { .. }), "{context}: {error}");
            }
        }
    }
    if let Ok(found) = events(store, true) {
        assert!(found.len() >= known.len() && found[..known.len()] == *known, "{context}");
    }
}

fn every_bit(config: &Config) {
    let (files, known) = at_rest(config);
    for (name, bytes) in &files {
        let in_log = is_log(name);
        for (at, byte) in bytes.iter().enumerate() {
            // Every bit of what is structure; one bit of each byte of the long payload.
            let bits = if *byte == 4 && at % 3 != 0 { at % 8..at % 8 + 1 } else { 0..8 };
            for bit in bits {
                let context = format!("{name} byte {at} bit {bit}");
                let mut changed = files.clone();
                changed.get_mut(name).expect("it is there")[at] ^= 1 << bit;
                let Found { open, verdict, writable } = look(changed, config);
                for store in [&open, &writable].into_iter().flatten() {
                    never_wrong(store, &known, &context);
                }
                if name == "frontier" {
                    // It can be made again, so it is, and the report says so.
                    assert!(verdict.ok(), "{context}: {verdict:?}");
                    assert!(open.expect("read-only").report().frontier_rebuilt, "{context}");
                    assert!(writable.expect("writable").report().frontier_rebuilt, "{context}");
                    continue;
                }
                if let Some(store) = open.as_ref().ok().filter(|_| name == "checkpoints") {
                    // The last head looks like one that a crash tore: it is passed over, and the report says so.
                    assert!(at >= 32, "{context}");
                    assert!(store.report().torn_head_bytes > 0, "{context}");
                    assert!(writable.expect("writable").report().torn_head_bytes > 0, "{context}");
                    continue;
                }
                // An open reads no sealed segment and believes no index file: reading, and `verify` below, find it.
                let unread = name == FIRST || is_cache(name);
                for refused in [open.err(), writable.err()] {
                    match refused {
                        Some(Error::Damaged { file, sequence, .. }) => {
                            assert!(file.ends_with(name.as_str()), "{context}: {file}");
                            assert!(!in_log || sequence.is_some(), "{context}");
                            assert!(!is_cache(name), "{context}");
                        }
                        None if unread => {}
                        other => panic!("{context}: {other:?}"),
                    }
                }
                let finding = verdict.findings.first().unwrap_or_else(|| panic!("{context}: not found"));
                assert!(
                    !verdict.ok() && finding.file.as_ref().is_some_and(|file| file.ends_with(name.as_str())),
                    "{context}"
                );
                assert!(finding.offset.is_some_and(|offset| offset <= at as u64), "{context}: {finding:?}");
                assert!(!in_log || finding.sequence.is_some(), "{context}: {finding:?}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_closed_journal_is_found_or_harmless() {
    every_bit(&config());
}

#[test]
fn every_flipped_bit_of_a_closed_signed_journal_is_found_or_harmless() {
    every_bit(&signed());
}

#[test]
fn a_bit_flipped_under_an_open_store_is_an_error_and_never_wrong_data() {
    let (files, known) = at_rest(&config());
    let storage = MemoryStorage::import(files.clone());
    let store = open(&storage, Config { read_only: true, ..config() }).expect("open");
    for (name, bytes) in files.iter().filter(|(name, _)| is_log(name)) {
        let file =
            batpak_core::storage::Storage::open(&storage, name, batpak_core::storage::Mode::Write).expect("open");
        for (at, byte) in bytes.iter().enumerate() {
            file.write_at(&[byte ^ 0x10], at as u64).expect("write");
            never_wrong(&store, &known, &format!("{name} byte {at}"));
            if at % 29 == 0 {
                assert!(!verify(&store).expect("verify").ok(), "{name} byte {at}");
            }
            file.write_at(&[*byte], at as u64).expect("write");
        }
    }
}

#[test]
fn a_closed_segment_cut_at_any_byte_is_refused() {
    for config in [config(), signed()] {
        let (files, known) = at_rest(&config);
        for (name, bytes) in files.iter().filter(|(name, _)| is_log(name)) {
            for length in 0..bytes.len() {
                let context = format!("{name} cut to {length}");
                let mut changed = files.clone();
                changed.get_mut(name).expect("it is there").truncate(length);
                let Found { open, verdict, writable } = look(changed, &config);
                for refused in [open.err(), writable.err()] {
                    let told = match &refused {
                        Some(Error::Damaged { file, sequence: Some(_), .. }) => file.ends_with(name),
                        // At the end of a frame of the last segment, only what was stated of the journal is against it.
                        Some(Error::HistoryChanged { log_root: None, .. }) => config.signer.is_some(),
                        _ => false,
                    };
                    assert!(told, "{context}: {refused:?}");
                }
                assert!(!verdict.ok() && !verdict.findings.is_empty(), "{context}");
            }
            assert!(known.len() > 6);
        }
    }
}

#[test]
fn bytes_behind_a_closed_segment_are_found_and_zeros_are_space() {
    let (files, _) = at_rest(&config());
    for (name, bytes) in files.iter().filter(|(name, _)| is_log(name)) {
        let last = name != FIRST;
        for tail in [&[1][..], &[0; 100], &[0, 0, 7], bytes] {
            let mut changed = files.clone();
            changed.get_mut(name).expect("it is there").extend_from_slice(tail);
            let Found { open, verdict, writable } = look(changed, &config());
            // Behind the last one it is what a crash leaves; behind a sealed one nothing can be.
            assert_eq!(open.is_ok() && writable.is_ok() && verdict.ok(), last, "{name} {}", tail.len());
            assert_eq!(open.is_err() && writable.is_err() && !verdict.ok(), !last, "{name} {}", tail.len());
        }
    }
}

#[test]
fn a_missing_file_is_a_typed_refusal_or_reported() {
    let (files, known) = at_rest(&config());
    for name in files.keys().filter(|name| is_cache(name)) {
        let mut changed = files.clone();
        changed.remove(name);
        let Found { open: read_only, verdict, .. } = look(changed.clone(), &config());
        assert!(verdict.ok(), "{name}: {verdict:?}");
        never_wrong(&read_only.expect("read-only"), &known, name);
        let storage = MemoryStorage::import(changed);
        let store = open(&storage, config()).expect("writable");
        let is_index = std::path::Path::new(name).extension().is_some_and(|extension| extension == "idx");
        assert_eq!(store.report().indexes_rebuilt, u64::from(is_index), "{name}");
        never_wrong(&store, &known, name);
        assert_eq!(self::files(&storage)[name], files[name], "{name}: made again to the byte");
    }
    for name in files.keys().filter(|name| !is_cache(name)) {
        let mut changed = files.clone();
        changed.remove(name);
        let before = changed.clone();
        let storage = MemoryStorage::import(changed.clone());
        let Found { open: read_only, verdict, .. } = look(changed, &config());
        let writable = open(&storage, config());
        if name == "frontier" {
            assert!(verdict.ok());
            assert!(read_only.expect("read-only").report().frontier_rebuilt);
            let store = writable.expect("writable");
            assert!(store.report().frontier_rebuilt);
            never_wrong(&store, &known, name);
            continue;
        }
        for refused in [read_only.err(), writable.err()] {
            assert!(matches!(refused, Some(Error::Damaged { .. })), "{name}: {refused:?}");
        }
        assert_eq!(self::files(&storage), before, "{name}: a refusal changed something");
        assert!(!verdict.ok() && !verdict.findings.is_empty(), "{name}: {verdict:?}");
        if name == "journal.meta" {
            let store = open(&storage, Config { rebuild_meta: true, ..config() }).expect("rebuilt");
            assert!(store.report().meta_rebuilt);
            assert_eq!(self::files(&storage)["journal.meta"], files["journal.meta"]);
            assert!(verify(&store).expect("verify").ok());
        }
    }
}

#[test]
fn a_journal_whose_log_is_gone_is_refused_and_not_made_anew() {
    let (mut files, _) = at_rest(&config());
    files.retain(|name, _| !is_log(name));
    let storage = MemoryStorage::import(files.clone());
    for read_only in [true, false] {
        let refused = open(&storage, Config { read_only, ..config() }).err();
        assert!(matches!(&refused, Some(Error::Damaged { file, .. }) if file.ends_with(FIRST)), "{refused:?}");
    }
    assert_eq!(self::files(&storage), files);
    assert!(!verify_closed(&storage).expect("verify").ok());
}

#[test]
fn a_foreign_file_among_the_segments_is_refused_and_left_alone() {
    let (files, known) = at_rest(&config());
    for name in ["notes.txt", "1.log", "3.idx", "00000000000000000000.log.bak", "x.tmp.log"] {
        let mut changed = files.clone();
        changed.insert(format!("segments/{name}"), b"mine".to_vec());
        let storage = MemoryStorage::import(changed.clone());
        let refused = open(&storage, config()).err();
        assert!(matches!(&refused, Some(Error::Damaged { file, .. }) if file.ends_with(name)), "{name}: {refused:?}");
        assert_eq!(self::files(&storage), changed);
        assert!(!verify_closed(&storage).expect("verify").ok(), "{name}");
    }
    // A crashed writer's unfinished segment goes.
    let mut changed = files;
    changed.insert("segments/00000000000000000009.log.tmp".to_owned(), vec![0; 10]);
    let storage = MemoryStorage::import(changed);
    let store = open(&storage, config()).expect("open");
    never_wrong(&store, &known, "unfinished");
    assert!(!self::files(&storage).keys().any(|name| name.contains(".tmp")));
}
