//! Every documented maximum, at the limit and one past it; what is refused is refused before anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use batpak_core::error::{Error, Result};
use batpak_core::header::{Encoding, Promise};
use batpak_core::proposal::{Causation, Expect, NewEvent, Proposal};
use batpak_core::receipt::Committed;
use batpak_core::storage::MemoryStorage;
use batpak_core::value::Value;
use batpak_core::{Appended, Config, Coordinate, Kind, Store};
use batpak_tests::journal::{KIND, at, config, events, files, open, verify, write};

/// A new event with nothing in it.
fn plain<'a>(coordinate: &'a Coordinate, metadata: &'a BTreeMap<String, String>) -> NewEvent<'a> {
    NewEvent {
        coordinate,
        kind: Kind::from_code(KIND),
        payload_version: 0,
        encoding: Encoding::Raw,
        payload: b"",
        correlation_id: None,
        causation: None,
        key: None,
        expect: Expect::Any,
        metadata,
        private: &[],
    }
}

fn begun() -> (MemoryStorage, Store) {
    let storage = MemoryStorage::new();
    let store = open(&storage, Config { segment_bytes: 1 << 20, ..config() }).expect("open");
    (storage, store)
}

fn append(store: &Store, event: &NewEvent<'_>) -> Result<Committed> {
    let mut proposal = store.propose(Some(Promise::Manual))?;
    proposal.push(event, store.entropy())?;
    Ok(store.append(&proposal)?.written().expect("no key was given"))
}

fn exceeds<T: std::fmt::Debug>(outcome: &Result<T>, limit: u64, actual: u64) {
    let found = match outcome {
        Err(Error::LimitExceeded { limit, actual, .. }) => (*limit, *actual),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, (limit, actual));
}

fn reads_back(storage: &MemoryStorage, store: &Store, expected: usize) {
    store.close().expect("close");
    let store = open(storage, config()).expect("open again");
    assert_eq!(events(&store, false).expect("read").len(), expected);
    let verdict = verify(&store).expect("verify");
    assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
}

#[test]
fn a_payload_has_at_most_16_mib() {
    let (storage, store) = begun();
    let before = files(&storage);
    exceeds(&write(&store, Promise::Manual, "a", &[&vec![1; (1 << 24) + 1]]), 1 << 24, (1 << 24) + 1);
    assert_eq!(files(&storage), before);
    write(&store, Promise::Manual, "a", &[&vec![2; 1 << 24]]).expect("append");
    write(&store, Promise::Manual, "a", &[b""]).expect("append");
    reads_back(&storage, &store, 2);
}

#[test]
fn metadata_has_at_most_4096_encoded_bytes() {
    let (storage, store) = begun();
    let coordinate = at("a", "s");
    // Count, length of the key, key, two bytes of length, value.
    for (length, fits) in [(4096 - 5, true), (4096 - 4, false)] {
        let metadata = BTreeMap::from([("k".to_owned(), "v".repeat(length))]);
        let outcome = append(&store, &plain(&coordinate, &metadata));
        if fits {
            outcome.expect("append");
        } else {
            exceeds(&outcome, 4096, 4097);
        }
    }
    let many: BTreeMap<_, _> = (0..293).map(|number| (format!("{number:012}"), String::new())).collect();
    append(&store, &plain(&coordinate, &many)).expect_err("two bytes for the count, 14 for each");
    let event = store.get(1).expect("it is there");
    assert_eq!(event.metadata().expect("metadata")[0].1.len(), 4091);
    reads_back(&storage, &store, 1);
}

#[test]
fn a_header_of_the_largest_names_and_metadata_fits() {
    let (storage, store) = begun();
    let name = "n".repeat(1024);
    let coordinate = at(&name, &name);
    let metadata = BTreeMap::from([("k".to_owned(), "v".repeat(4091))]);
    let event = NewEvent {
        kind: Kind::from_code(0xFFFF),
        payload_version: u16::MAX,
        correlation_id: Some([0xFF; 16]),
        causation: Some(Causation::Id([0xFF; 16])),
        ..plain(&coordinate, &metadata)
    };
    append(&store, &event).expect("append");
    append(&store, &event).expect("append");
    reads_back(&storage, &store, 2);
}

#[test]
fn private_metadata_has_at_most_65536_bytes() {
    let (storage, store) = begun();
    let (coordinate, metadata) = (at("a", "s"), BTreeMap::new());
    let encoded = |length: usize| {
        let mut out = Vec::new();
        Value::map([("k", Value::Bytes(vec![7; length]))]).encode(&mut out).expect("a value");
        out
    };
    let overhead = encoded(60_000).len() - 60_000;
    let (fits, past) = (encoded(65_536 - overhead), encoded(65_537 - overhead));
    assert_eq!((fits.len(), past.len()), (65_536, 65_537));
    exceeds(&append(&store, &NewEvent { private: &past, ..plain(&coordinate, &metadata) }), 65_536, 65_537);
    append(&store, &NewEvent { private: &fits, ..plain(&coordinate, &metadata) }).expect("append");
    assert_eq!(store.get(1).expect("it is there").private(), fits);
    reads_back(&storage, &store, 1);
}

#[test]
fn the_largest_batch_is_retried_as_one_frame() {
    let (_, store) = begun();
    let (coordinate, metadata) = (at("a", "s"), BTreeMap::new());
    let event = plain(&coordinate, &metadata);
    let mut proposal = store.propose(Some(Promise::Manual)).expect("open");
    for number in 0..65_536_u32 {
        let key = number.to_be_bytes();
        proposal.push(&NewEvent { key: Some(&key), ..event }, store.entropy()).expect("it fits");
    }
    let written = store.append(&proposal).expect("append").written().expect("its keys are new");
    let Appended::Known(events) = store.append(&proposal).expect("retry") else { panic!("written twice") };
    assert_eq!(events.len(), 65_536);
    // The frame is read once, not once for each event.
    assert!(events.iter().all(|event| Arc::ptr_eq(&event.frame, &events[0].frame)));
    for index in [0, 1, 40_000, 65_535] {
        assert_eq!(events[index].receipt(), written.receipt(index));
    }
}

#[test]
fn a_batch_has_at_most_65536_events_and_at_least_one() {
    let (storage, store) = begun();
    let (coordinate, metadata) = (at("a", "s"), BTreeMap::new());
    let event = plain(&coordinate, &metadata);
    let mut proposal = store.propose(Some(Promise::Manual)).expect("open");
    assert!(matches!(store.append(&proposal), Err(Error::InvalidInput { .. })));
    for _ in 0..65_536 {
        proposal.push(&event, store.entropy()).expect("it fits");
    }
    exceeds(&proposal.push(&event, store.entropy()), 65_536, 65_537);
    assert_eq!(proposal.len(), 65_536);
    let frame = store.append(&proposal).expect("append").written().expect("no key was given");
    for index in [0, 1, 40_000, 65_535] {
        let receipt = frame.receipt(index).expect("a receipt");
        assert_eq!(receipt.path.len(), 16);
        let receipt = batpak_core::receipt::Receipt::decode(&receipt.encode()).expect("a receipt");
        assert!(store.verify_receipt(&receipt, None).expect("verify").ok());
    }
    reads_back(&storage, &store, 65_536);
}

#[test]
fn a_frame_has_at_most_64_mib_and_what_does_not_fit_changes_nothing() {
    let (storage, store) = begun();
    let payload = vec![3; 1 << 24];
    let push = |proposal: &mut Proposal, payload: &[u8]| {
        let (coordinate, metadata) = (at("a", "s"), BTreeMap::new());
        proposal.push(&NewEvent { payload, ..plain(&coordinate, &metadata) }, store.entropy())
    };
    let mut proposal = store.propose(Some(Promise::Manual)).expect("open");
    for _ in 0..3 {
        push(&mut proposal, &payload).expect("it fits");
    }
    assert!(matches!(push(&mut proposal, &payload), Err(Error::LimitExceeded { limit: 0x400_0000, .. })));
    assert_eq!(proposal.len(), 3);
    // What the proposal cannot know is the size of the stamps, so that the last word comes from `append`.
    let mut edge = proposal.clone();
    push(&mut edge, &payload[..(1 << 24) - 450]).expect("its callers' part fits");
    let before = files(&storage);
    assert!(matches!(store.append(&edge), Err(Error::LimitExceeded { limit: 0x400_0000, .. })));
    assert_eq!(files(&storage)["segments/00000000000000000000.log"], before["segments/00000000000000000000.log"]);
    push(&mut proposal, &payload[..(1 << 24) - 4096]).expect("it fits");
    store.append(&proposal).expect("append");
    reads_back(&storage, &store, 4);
}

#[test]
fn a_cause_is_an_earlier_item_of_the_batch() {
    let (storage, store) = begun();
    let (coordinate, metadata) = (at("a", "s"), BTreeMap::new());
    let event = plain(&coordinate, &metadata);
    let mut proposal = store.propose(None).expect("open");
    for item in [0, 1, usize::MAX] {
        let refused = proposal.push(&NewEvent { causation: Some(Causation::Item(item)), ..event }, store.entropy());
        assert!(matches!(refused, Err(Error::InvalidInput { .. })));
    }
    proposal.push(&event, store.entropy()).expect("push");
    proposal.push(&NewEvent { causation: Some(Causation::Item(0)), ..event }, store.entropy()).expect("push");
    proposal.push(&NewEvent { causation: Some(Causation::Item(1)), ..event }, store.entropy()).expect("push");
    store.append(&proposal).expect("append");
    for sequence in [2, 3] {
        let cause = store.get(sequence - 1).expect("it is there").stamp.event_id;
        assert_eq!(store.get(sequence).expect("it is there").causation_id, Some(cause));
    }
    reads_back(&storage, &store, 3);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_is_touched() {
    let storage = MemoryStorage::new();
    let long = "n".repeat(256);
    for name in ["", "a b", "a+b", "a\nb", "\u{7F}", long.as_str()] {
        let refused = open(&storage, Config { name: name.to_owned(), ..config() });
        assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{name:?}");
    }
    for segment_bytes in [0, 4095, (1 << 30) + 1] {
        assert!(matches!(open(&storage, Config { segment_bytes, ..config() }), Err(Error::InvalidInput { .. })));
    }
    for milliseconds in [0, 60_001] {
        let interval = std::time::Duration::from_millis(milliseconds);
        assert!(matches!(open(&storage, Config { interval, ..config() }), Err(Error::InvalidInput { .. })));
    }
    assert!(matches!(open(&storage, Config { create: false, ..config() }), Err(Error::NotAJournal { .. })));
    assert!(matches!(open(&storage, Config { read_only: true, ..config() }), Err(Error::NotAJournal { .. })));
    assert!(storage.export().is_empty());
    let store = open(&storage, Config { name: "n".repeat(255), ..config() }).expect("open");
    assert_eq!(store.name().len(), 255);
}

#[test]
fn a_wait_for_events_that_do_not_exist_is_refused() {
    let (_, store) = begun();
    let there = store.events().expect("open");
    assert!(store.wait_durable(there, None).expect("they are there"));
    assert!(store.wait_durable(0, None).expect("nothing to wait for"));
    for beyond in [there + 1, u64::MAX] {
        for timeout in [None, Some(std::time::Duration::from_millis(1))] {
            assert!(matches!(store.wait_durable(beyond, timeout), Err(Error::EventNotFound { .. })));
        }
    }
}
