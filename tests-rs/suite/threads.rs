//! Many threads on one store.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use batpak_core::error::Error;
use batpak_core::header::Promise;
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage};
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, events, open, verify, verify_closed, write};
use batpak_tests::listing::ListingStorage;

const WRITERS: u8 = 8;
const FRAMES: u32 = 60;

fn promise(number: u32) -> Promise {
    match number % 5 {
        0 => Promise::Always,
        1 | 2 => Promise::Interval,
        _ => Promise::Manual,
    }
}

/// Writes frames of one to three events, and says which sequences came back.
fn append_many(store: &Store, writer: u8) -> Vec<u64> {
    let mut sequences = Vec::new();
    for number in 0..FRAMES {
        let payload = [writer, number.to_le_bytes()[0]];
        let frame: Vec<&[u8]> = (0..=number % 3).map(|_| payload.as_slice()).collect();
        let committed = write(store, promise(number), &format!("writer:{}", writer % 3), &frame).expect("append");
        let end = committed.first_sequence + committed.len() as u64;
        if promise(number) == Promise::Always {
            assert!(store.wait_durable(end, None).expect("sync"));
            assert!(store.durable().expect("open") >= end);
        }
        // One reads what one wrote.
        assert_eq!(store.get(end - 1).expect("it is there").payload(), payload);
        sequences.extend(committed.first_sequence..end);
    }
    sequences
}

/// Reads until told to stop: what is there never changes and only grows.
fn read_on(store: &Store, stop: &AtomicBool) -> u64 {
    let (mut seen, mut rounds) = (Vec::new(), 0);
    while !stop.load(Ordering::Acquire) || rounds == 0 {
        let (durable, there) = (store.durable().expect("open"), store.events().expect("open"));
        assert!(durable <= there);
        let now = events(store, true).expect("read");
        assert!(now.len() as u64 >= there);
        assert!(now.iter().zip(0..).all(|(event, sequence)| event.stamp.sequence == sequence), "a gap");
        assert!(now.len() >= seen.len() && now[..seen.len()] == seen[..], "an event changed");
        seen = now;
        rounds += 1;
        if rounds % 8 == 0 {
            assert!(verify(store).expect("verify").ok());
        }
    }
    rounds
}

#[test]
fn eight_writers_and_four_readers_make_one_order_without_gap() {
    let storage = MemoryStorage::new();
    let config = Config { interval: Duration::from_millis(1), segment_bytes: 16_384, ..config() };
    let store = open(&storage, config.clone()).expect("open");
    let stop = AtomicBool::new(false);
    let sequences: Vec<u64> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| read_on(&store, &stop))).collect();
        let store = &store;
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || append_many(store, writer))).collect();
        let all = writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
        stop.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().expect("a reader") > 0);
        }
        all
    });
    let distinct: HashSet<u64> = sequences.iter().copied().collect();
    assert_eq!(distinct.len(), sequences.len());
    assert_eq!(store.events().expect("open"), 1 + sequences.len() as u64);
    store.close().expect("close");
    let verdict = verify_closed(&storage).expect("verify");
    assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
    assert_eq!(verdict.events, 1 + sequences.len() as u64);
    assert!(open(&storage, config).expect("open").report().segments > 3);
}

#[test]
fn all_who_wait_are_served_by_few_syncs() {
    let faulty = FaultyStorage::new(Arc::new(MemoryStorage::new()), []);
    let store = open(&faulty, Config { segment_bytes: 1 << 20, ..config() }).expect("open");
    for _ in 0..16 {
        write(&store, Promise::Manual, "a", &[b"x"]).expect("append");
    }
    let events = store.events().expect("open");
    let before = faulty.calls();
    std::thread::scope(|scope| {
        for sequence in 1..=events {
            let store = &store;
            scope.spawn(move || assert!(store.wait_durable(sequence, None).expect("sync")));
        }
    });
    // One sync and one frontier served them all: the goal of a sync is all that is written.
    assert_eq!(faulty.calls() - before, 2);
}

#[test]
fn an_interval_syncs_by_itself_and_a_manual_promise_does_not() {
    let config = Config { interval: Duration::from_millis(5), ..config() };
    let store = open(&MemoryStorage::new(), config).expect("open");
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    write(&store, Promise::Manual, "a", &[b"manual"]).expect("append");
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(store.durable().expect("open"), 1);
    write(&store, Promise::Interval, "a", &[b"interval"]).expect("append");
    while store.durable().expect("open") < 3 {
        assert!(std::time::Instant::now() < patience, "the interval never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn all_who_wait_learn_of_a_failed_sync_and_nobody_of_a_success() {
    for round in 0..20 {
        let faulty = FaultyStorage::new(Arc::new(MemoryStorage::new()), []);
        let store = open(&faulty, Config { segment_bytes: 4096, ..config() }).expect("open");
        faulty.arm(Fault::forever(faulty.calls() + 12 + round, Effect::Fails));
        let (failed, highest) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let (store, failed, highest) = (&store, &failed, &highest);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let outcome = write(store, Promise::Always, "a", &[&[writer; 300]])
                            .and_then(|frame| store.wait_durable(frame.first_sequence + 1, None).map(|_| frame));
                        match outcome {
                            Ok(frame) => {
                                highest.fetch_max(frame.first_sequence + 1, Ordering::SeqCst);
                            }
                            Err(Error::Poisoned { .. } | Error::Storage(_)) => {
                                failed.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                });
            }
        });
        assert!(failed.load(Ordering::SeqCst) > 0);
        assert!(store.durable().expect("open") >= highest.load(Ordering::SeqCst));
    }
}

#[test]
fn closing_while_others_write_is_an_error_for_them_and_a_clean_end() {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    let written = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match write(&store, Promise::Interval, "a", &[&[5; 100]]) {
                        Ok(_) => {
                            written.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(Error::Closed) => return,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
        while written.load(Ordering::SeqCst) < 50 {
            std::thread::yield_now();
        }
        store.close().expect("close");
    });
    assert!(matches!(store.events(), Err(Error::Closed)));
    store.close().expect("a second close does nothing");
    let store = open(&storage, config()).expect("open again");
    assert_eq!((store.report().path_taken, store.report().events), ("clean", written.load(Ordering::SeqCst)));
    assert!(verify(&store).expect("verify").findings.is_empty());
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    write(&store, Promise::Manual, "a", &[b"x"]).expect("append");
    assert!(matches!(open(&storage, config()), Err(Error::Locked { .. })));
    let reader = open(&storage, Config { read_only: true, ..config() }).expect("a reader");
    assert_eq!(events(&reader, false).expect("read").len(), 1);
    assert!(matches!(write(&reader, Promise::Manual, "a", &[b"y"]), Err(Error::ReadOnly)));
    assert!(matches!(reader.wait_durable(1, None), Err(Error::ReadOnly)));
    drop(store);
    open(&storage, config()).expect("the lock is free");
}

#[test]
fn a_reader_misses_no_segment_that_is_made_while_it_lists_them() {
    let storage = MemoryStorage::new();
    let writer = Arc::new(open(&storage, config()).expect("open"));
    let meanwhile = {
        let writer = Arc::clone(&writer);
        move || {
            // Two segments and more.
            for _ in 0..10 {
                write(&writer, Promise::Manual, "a", &[&[5; 1000]]).expect("append");
            }
        }
    };
    let listing = ListingStorage::new(storage, meanwhile);
    for _ in 0..20 {
        let reader = open(&listing, Config { read_only: true, ..config() }).expect("a reader");
        let seen = events(&reader, true).expect("read");
        assert_eq!(seen.len() as u64, reader.events().expect("open"));
        let verdict = verify(&reader).expect("verify");
        assert!(verdict.findings.is_empty(), "{verdict:?}");
        reader.refresh().expect("refresh");
        assert!(reader.events().expect("open") >= seen.len() as u64 + 20);
    }
}
