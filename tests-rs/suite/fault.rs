//! Every call to the storage fails once, in every way; disks fill; syncs fail.

use std::io::ErrorKind;
use std::sync::Arc;

use batpak_core::error::{Error, Result};
use batpak_core::header::Promise;
use batpak_core::marks::MarkName;
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Storage};
use batpak_core::{Config, Store};
use batpak_tests::clock::TestClock;
use batpak_tests::deeds::Deed;
use batpak_tests::journal::{config, events, is_log, open, verify, write};
use batpak_tests::witness::{Fate, Witness};

/// A life that goes on after every failure, as a stubborn program does: each step is tried, whatever became of the one before.
fn stubborn_life(storage: &Arc<dyn Storage>, witness: &mut Witness) {
    let steps: [Deed; 9] = [
        Deed::Append(Promise::Interval, 1, 40),
        Deed::Append(Promise::Manual, 3, 500),
        Deed::Append(Promise::Manual, 1, 900),
        Deed::Append(Promise::Interval, 2, 1200),
        Deed::Append(Promise::Always, 1, 100),
        Deed::Append(Promise::Interval, 1, 5000),
        Deed::Append(Promise::Manual, 1, 10),
        Deed::Append(Promise::Always, 2, 1500),
        Deed::Append(Promise::Manual, 1, 10),
    ];
    let clock = TestClock::new();
    for _ in 0..2 {
        let Ok(store) = witness.open(Arc::clone(storage), &clock) else { continue };
        for (number, step) in steps.into_iter().enumerate() {
            typed(witness.act(&store, step));
            if number % 3 == 1 {
                typed(witness.sync(&store));
            }
            if number != 4 {
                continue;
            }
            // Reading goes on whatever happens to writing; a read may meet the fault itself.
            match events(&store, true) {
                Ok(found) => assert_eq!(found.len() as u64, store.events().expect("the store is open")),
                Err(error) => assert!(matches!(error, Error::Storage(_)), "{error}"),
            }
        }
        typed(witness.close(&store));
    }
}

/// The same of a program that uses all that an append may ask for, and asks again for what it did not get.
fn careful_life(storage: &Arc<dyn Storage>, witness: &mut Witness) {
    let first = [
        Deed::Keyed(Promise::Interval, 1, 40),
        Deed::Expecting(Promise::Manual, 30),
        Deed::Wait(MarkName::Visible),
        Deed::Keyed(Promise::Manual, 3, 700),
        Deed::Wait(MarkName::Durable),
        Deed::Denied(Promise::Manual),
        Deed::Checkpoint,
        Deed::Bypassed(Promise::Interval, 2, 300),
        Deed::Retry,
        // Does not fit: the segment is sealed with unsynced events in it.
        Deed::Keyed(Promise::Manual, 1, 2500),
        Deed::Wait(MarkName::Written),
        Deed::Expecting(Promise::Always, 60),
    ];
    let second = [
        Deed::Retry,
        Deed::Expecting(Promise::Interval, 1500),
        Deed::Bypassed(Promise::Manual, 1, 1800),
        Deed::Denied(Promise::Always),
        Deed::Wait(MarkName::Accepted),
        Deed::Keyed(Promise::Always, 2, 200),
        Deed::WaitServed(MarkName::Durable),
        Deed::Checkpoint,
        Deed::Retry,
    ];
    let clock = TestClock::new();
    for steps in [first.as_slice(), &second] {
        let Ok(store) = witness.open(Arc::clone(storage), &clock) else { continue };
        for step in steps {
            typed(witness.act(&store, *step));
        }
        typed(witness.close(&store));
    }
}

/// A failure is the operating system's, or says that an earlier one ended writing.
fn typed(outcome: Result<()>) {
    if let Err(error) = outcome {
        assert!(matches!(error, Error::Storage(_) | Error::Poisoned { .. }), "{error:?}");
    }
}

type Life = fn(&Arc<dyn Storage>, &mut Witness);

fn sweep(life: Life, fault: impl Fn(u64) -> Fault, signed: bool, step: usize) {
    for (moments, call) in (1..).step_by(step).enumerate() {
        let inner = MemoryStorage::new();
        let mut witness = if signed { Witness::signed() } else { Witness::default() };
        let faulty = FaultyStorage::new(Arc::new(inner.clone()), [fault(call)]);
        life(&(Arc::new(faulty.clone()) as Arc<dyn Storage>), &mut witness);
        let Some(hit) = faulty.hit() else {
            assert!(moments * step > 100, "only {moments} calls");
            return;
        };
        // Every store is gone, and their close was tried: what is left is what a new process finds.
        witness.check(&inner, Fate::ProcessKill, &format!("{:?} at {hit}", fault(call)));
    }
}

#[test]
fn a_call_that_fails_loses_nothing_that_was_acknowledged() {
    sweep(stubborn_life, |call| Fault::once(call, Effect::Fails), false, 1);
    sweep(stubborn_life, |call| Fault::once(call, Effect::Fails).with_errno(Fault::ENOSPC), true, 1);
}

#[test]
fn a_call_that_fails_after_it_happened_loses_nothing_that_was_acknowledged() {
    sweep(stubborn_life, |call| Fault::once(call, Effect::FailsAfter), false, 1);
    sweep(stubborn_life, |call| Fault::once(call, Effect::FailsAfter), true, 1);
}

#[test]
fn a_short_write_loses_nothing_that_was_acknowledged() {
    for bytes in [0, 1, 23, 700] {
        sweep(
            stubborn_life,
            |call| Fault::once(call, Effect::ShortWrite(bytes)).with_errno(Fault::ENOSPC),
            bytes == 23,
            1,
        );
    }
}

#[test]
fn a_storage_that_fails_for_ever_loses_nothing_that_was_acknowledged() {
    sweep(stubborn_life, |call| Fault::forever(call, Effect::Fails), false, 3);
    sweep(stubborn_life, |call| Fault::forever(call, Effect::FailsAfter), false, 3);
    sweep(stubborn_life, |call| Fault::forever(call, Effect::ShortWrite(100)), false, 3);
}

#[test]
fn a_call_that_fails_writes_nothing_twice_and_gives_back_what_was_acknowledged_under_a_key() {
    sweep(careful_life, |call| Fault::once(call, Effect::Fails), false, 1);
    sweep(careful_life, |call| Fault::once(call, Effect::FailsAfter), true, 1);
}

#[test]
fn a_short_write_writes_nothing_twice_and_gives_back_what_was_acknowledged_under_a_key() {
    for bytes in [0, 30, 700] {
        sweep(careful_life, |call| Fault::once(call, Effect::ShortWrite(bytes)).with_errno(Fault::ENOSPC), false, 1);
    }
}

#[test]
fn a_storage_that_fails_for_ever_writes_nothing_twice_and_gives_back_what_was_acknowledged_under_a_key() {
    sweep(careful_life, |call| Fault::forever(call, Effect::Fails), true, 2);
    sweep(careful_life, |call| Fault::forever(call, Effect::FailsAfter), false, 2);
    sweep(careful_life, |call| Fault::forever(call, Effect::ShortWrite(100)), false, 3);
}

/// A store on a storage that a test breaks.
fn begun() -> (MemoryStorage, FaultyStorage, Store) {
    let inner = MemoryStorage::new();
    let faulty = FaultyStorage::new(Arc::new(inner.clone()), []);
    let store = open(&faulty, config()).expect("open");
    (inner, faulty, store)
}

#[test]
fn on_a_full_disk_the_append_is_refused_and_the_next_one_works_once_there_is_space() {
    for space in [0, 1, 23, 24, 100, 300] {
        let inner = MemoryStorage::new();
        drop(open(&inner, config()).expect("open"));
        let faulty = FaultyStorage::full_after(Arc::new(inner.clone()), 100_000);
        // One segment, so that the disk fills in the middle of it.
        let store = open(&faulty, Config { segment_bytes: 1 << 20, ..config() }).expect("open");
        write(&store, Promise::Manual, "kept", &[b"before"]).expect("append");
        let before = events(&store, true).expect("read");
        faulty.heal();
        faulty.arm(Fault::once(faulty.calls() + 1, Effect::ShortWrite(space)).with_errno(Fault::ENOSPC));
        let refused = write(&store, Promise::Manual, "lost", &[&[7; 400]]);
        let Err(Error::Storage(failure)) = refused else { panic!("{refused:?}") };
        assert_eq!((failure.kind, failure.errno), (ErrorKind::StorageFull, Some(Fault::ENOSPC)));
        assert_eq!(events(&store, true).expect("read"), before);
        let after = write(&store, Promise::Manual, "kept", &[b"after"]).expect("there is space again");
        assert_eq!(after.first_sequence, before.len() as u64);
        store.close().expect("close");
        let store = open(&inner, config()).expect("open again");
        assert_eq!(store.report().path_taken, "clean");
        let found: Vec<_> = events(&store, false).expect("read").iter().map(|event| event.payload().to_vec()).collect();
        assert_eq!(found, [b"before".to_vec(), b"after".to_vec()]);
    }
}

#[test]
fn a_disk_without_space_ahead_still_takes_a_frame_that_fits() {
    let inner = MemoryStorage::new();
    drop(open(&inner, config()).expect("open"));
    let faulty = FaultyStorage::new(Arc::new(inner.clone()), []);
    let store = open(&faulty, config()).expect("open");
    faulty.arm(Fault::once(faulty.calls() + 1, Effect::ShortWrite(5000)).with_errno(Fault::ENOSPC));
    let end = write(&store, Promise::Always, "a", &[b"fits"]).expect("append").first_sequence + 1;
    assert!(store.wait_durable(end, None).expect("sync"));
    assert!(faulty.hit().is_some_and(|hit| hit.contains("write segments/")), "{:?}", faulty.hit());
    let store = open(&inner.process_kill_image(), config()).expect("open again");
    assert_eq!((store.report().path_taken, store.report().events), ("clean", end));
}

#[test]
fn a_disk_that_fills_at_any_byte_loses_nothing_that_was_acknowledged() {
    for space in (0..30_000).step_by(197) {
        let inner = MemoryStorage::new();
        let mut witness = Witness::default();
        let faulty = FaultyStorage::full_after(Arc::new(inner.clone()), space);
        stubborn_life(&(Arc::new(faulty.clone()) as Arc<dyn Storage>), &mut witness);
        assert!(faulty.hit().is_some(), "the disk never filled");
        witness.check(&inner, Fate::ProcessKill, &format!("{:?} with space for {space} bytes", faulty.hit()));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_synced_and_nothing_becomes_durable_and_reading_goes_on() {
    let (inner, faulty, store) = begun();
    write(&store, Promise::Manual, "a", &[b"one"]).expect("append");
    assert!(store.wait_durable(2, None).expect("sync"));
    write(&store, Promise::Manual, "a", &[b"two"]).expect("append");
    faulty.arm(Fault::once(faulty.calls() + 1, Effect::Fails));
    let failed = store.wait_durable(3, None);
    assert!(matches!(failed, Err(Error::Poisoned { .. })), "{failed:?}");
    assert!(faulty.hit().is_some_and(|hit| hit.contains("sync segments/")), "{:?}", faulty.hit());
    let calls = faulty.calls();
    assert_eq!(store.durable().expect("open"), 2);
    assert!(store.wait_durable(2, None).expect("what is durable stays durable"));
    assert!(matches!(store.wait_durable(3, None), Err(Error::Poisoned { .. })));
    assert!(matches!(write(&store, Promise::Manual, "a", &[b"three"]), Err(Error::Poisoned { .. })));
    assert!(matches!(write(&store, Promise::Always, "a", &[b"four"]), Err(Error::Poisoned { .. })));
    assert_eq!(faulty.calls(), calls, "a poisoned store touched the storage");
    assert_eq!(events(&store, false).expect("read").len(), 2);
    assert!(verify(&store).expect("verify").ok());
    let calls = faulty.calls();
    assert!(matches!(store.close(), Err(Error::Poisoned { .. })));
    assert_eq!(faulty.calls(), calls, "closing a poisoned store touched the storage");
    let store = open(&inner, config()).expect("open again");
    assert_eq!(events(&store, false).expect("read").len(), 2);
    assert_eq!((store.report().durable_events, store.report().events), (2, 3));
}

/// The bytes of every write to the first segment that is not synced yet.
fn pending_in_log(storage: &MemoryStorage) -> Vec<std::ops::Range<u64>> {
    let pending = storage.pending();
    let log = pending.iter().filter(|pending| is_log(&pending.name));
    log.filter_map(|pending| match pending.change {
        batpak_core::storage::PendingChange::Write { offset, length } => Some(offset..offset + length),
        _ => None,
    })
    .collect()
}

#[test]
fn an_open_writes_every_unsynced_byte_again_before_it_calls_it_durable() {
    for signer in [None, Some(batpak_tests::journal::key(7).into())] {
        let inner = MemoryStorage::recording();
        let config = Config { signer, ..config() };
        let store = open(&inner, config.clone()).expect("open");
        write(&store, Promise::Manual, "a", &[b"one"]).expect("append");
        assert!(store.wait_durable(2, None).expect("sync"));
        write(&store, Promise::Manual, "a", &[b"two", b"three"]).expect("append");
        write(&store, Promise::Manual, "a", &[b"four"]).expect("append");
        let left = inner.process_kill_image();
        let first = pending_in_log(&left);
        let (from, to) = (first[0].start, first[first.len() - 1].end);
        for call in 1.. {
            // The sync of the log is the first one to fail.
            let again = left.process_kill_image();
            let faulty = FaultyStorage::new(Arc::new(again.clone()), [Fault::once(call, Effect::Fails)]);
            let outcome = open(&faulty, config.clone());
            if !faulty.hit().expect("a sync comes").contains("sync segments/") {
                continue;
            }
            outcome.expect_err("the sync failed");
            let written: Vec<_> = pending_in_log(&again).split_off(first.len());
            assert!(written.iter().any(|range| range.start <= from && range.end >= to), "{from}..{to}: {written:?}");
            break;
        }
    }
}

#[test]
fn a_directory_that_vanishes_is_an_error_and_not_a_loss_in_silence() {
    let (inner, _, store) = begun();
    write(&store, Promise::Manual, "a", &[b"one"]).expect("append");
    inner.remove("segments/00000000000000000000.log").expect("remove");
    let failed = store.wait_durable(2, None);
    assert!(matches!(&failed, Err(Error::Poisoned { reason }) if reason.contains("deleted")), "{failed:?}");
    store.close().expect_err("nothing is durable");
}
