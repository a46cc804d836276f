//! Power cuts and killed processes, at every call to the storage.

use std::sync::Arc;

use batpak_core::error::Result;
use batpak_core::header::Promise;
use batpak_core::marks::MarkName;
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, OPERATIONS, PendingWrite, Storage, Survival};
use batpak_core::{Config, Store};
use batpak_tests::clock::TestClock;
use batpak_tests::crash_images::crash_images;
use batpak_tests::deeds::Deed;
use batpak_tests::journal::{config, events, is_log, key, open, write};
use batpak_tests::witness::{Fate, Witness};

/// Every kind of step that a journal knows: creation, singles and batches of each promise, rotation, close, reopen.
fn life(storage: &Arc<dyn Storage>, witness: &mut Witness) -> Result<()> {
    let clock = TestClock::new();
    let store = witness.open(Arc::clone(storage), &clock)?;
    witness.append(&store, Promise::Interval, 1, 40)?;
    witness.append(&store, Promise::Manual, 3, 700)?;
    witness.sync(&store)?;
    witness.append(&store, Promise::Manual, 1, 900)?;
    // The next ones do not fit: the segment is sealed with unsynced events in it.
    witness.append(&store, Promise::Interval, 2, 1200)?;
    witness.append(&store, Promise::Interval, 1, 5000)?;
    witness.append(&store, Promise::Manual, 1, 10)?;
    witness.close(&store)?;
    let store = witness.open(Arc::clone(storage), &clock)?;
    witness.append(&store, Promise::Always, 1, 600)?;
    witness.append(&store, Promise::Interval, 4, 500)?;
    witness.append(&store, Promise::Interval, 1, 2000)?;
    witness.append(&store, Promise::Always, 2, 30)?;
    witness.append(&store, Promise::Manual, 1, 100)?;
    Ok(())
}

/// What else an append may ask for: keys, expectations, a denial, a bypass, waits for each mark, retries.
fn careful_life(storage: &Arc<dyn Storage>, witness: &mut Witness) -> Result<()> {
    let first = [
        Deed::Keyed(Promise::Interval, 1, 40),
        Deed::Expecting(Promise::Manual, 30),
        Deed::Keyed(Promise::Manual, 3, 600),
        Deed::Wait(MarkName::Durable),
        Deed::Bypassed(Promise::Interval, 2, 300),
        Deed::Denied(Promise::Manual),
        Deed::Checkpoint,
        // Does not fit: the segment is sealed with unsynced events in it.
        Deed::Keyed(Promise::Manual, 2, 1300),
        Deed::Wait(MarkName::Visible),
        Deed::Expecting(Promise::Always, 60),
        Deed::Retry,
    ];
    let second = [
        Deed::Keyed(Promise::Manual, 1, 1500),
        Deed::Expecting(Promise::Interval, 900),
        Deed::Bypassed(Promise::Always, 1, 100),
        Deed::Keyed(Promise::Interval, 2, 100),
        Deed::Denied(Promise::Manual),
        Deed::Checkpoint,
        Deed::Retry,
    ];
    let clock = TestClock::new();
    for steps in [first.as_slice(), &second] {
        let store = witness.open(Arc::clone(storage), &clock)?;
        for step in steps {
            witness.act(&store, *step)?;
        }
        if steps.len() == first.len() {
            witness.close(&store)?;
        }
    }
    Ok(())
}

/// Stops the storage dead at each call in turn, or at each `step`th, and looks at every image of that moment.
///
/// What a journal had lost when it `begin`s stays lost, also for a process that is only killed.
fn at_every_call(
    lossy: bool,
    step: usize,
    begin: impl Fn() -> (MemoryStorage, Witness),
    live: impl Fn(&Arc<dyn Storage>, &mut Witness) -> Result<()>,
) {
    let killed = if lossy { Fate::PowerCut } else { Fate::ProcessKill };
    let (mut moments, mut images) = (0, 0);
    for call in (1..).step_by(step) {
        let (inner, mut witness) = begin();
        let faulty = FaultyStorage::new(Arc::new(inner.clone()), [Fault::forever(call, Effect::Fails)]);
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        let outcome = live(&storage, &mut witness);
        let Some(hit) = faulty.hit() else {
            outcome.expect("no fault was met");
            assert!(moments > 20 && images > moments, "only {moments} calls, {images} images");
            return;
        };
        moments += 1;
        witness.check(&inner.process_kill_image(), killed, &format!("killed at {hit}"));
        if !changes_something(&hit) {
            // The images are those of the next call that does, and by then no less is known.
            continue;
        }
        for (description, image) in crash_images(&inner, 2, call) {
            images += 1;
            witness.check(&image, Fate::PowerCut, &format!("power cut at {hit}: {description}"));
        }
    }
}

/// Whether a call, as `hit` tells of it, is more than a look.
fn changes_something(hit: &str) -> bool {
    let operation = hit.split_once(": ").map_or(hit, |(_, call)| call).split(' ').next().unwrap_or_default();
    assert!(OPERATIONS.contains(&operation), "{hit}");
    !["list", "lock", "map", "open", "read"].contains(&operation)
}

#[test]
fn no_power_cut_and_no_kill_loses_what_was_acknowledged() {
    at_every_call(false, 1, || (MemoryStorage::recording(), Witness::default()), life);
}

#[test]
fn no_power_cut_and_no_kill_loses_what_was_acknowledged_in_a_signed_journal() {
    at_every_call(false, 1, || (MemoryStorage::recording(), Witness::signed()), life);
}

#[test]
fn no_power_cut_and_no_kill_writes_anything_twice_under_a_key_or_loses_what_was_called_durable() {
    at_every_call(false, 1, || (MemoryStorage::recording(), Witness::default()), careful_life);
}

#[test]
fn no_power_cut_and_no_kill_writes_anything_twice_under_a_key_in_a_signed_journal() {
    at_every_call(false, 5, || (MemoryStorage::recording(), Witness::signed()), careful_life);
}

/// A journal that lost its power with two unsynced frames at the end, of which only the second arrived.
fn torn() -> (MemoryStorage, Witness) {
    let storage = MemoryStorage::recording();
    let mut witness = Witness::default();
    let store = witness.open(Arc::new(storage.clone()), &TestClock::new()).expect("open");
    witness.append(&store, Promise::Manual, 1, 300).expect("append");
    witness.sync(&store).expect("sync");
    witness.append(&store, Promise::Manual, 1, 100).expect("append");
    witness.append(&store, Promise::Interval, 1, 200).expect("append");
    let log: Vec<PendingWrite> = storage.pending().into_iter().filter(|write| is_log(&write.name)).collect();
    let [lost, _kept] = log.as_slice() else { panic!("two writes are at risk: {log:?}") };
    let image = storage.crash_image(|write| if write == lost { Survival::LengthOnly } else { Survival::Kept });
    (image, witness)
}

#[test]
fn a_crash_during_recovery_is_recovered_too() {
    at_every_call(true, 1, torn, |storage, witness| {
        let clock = TestClock::new();
        let store = witness.open(Arc::clone(storage), &clock)?;
        witness.settle(&store)?;
        assert_eq!(store.report().path_taken, "recovered");
        let told = events(&store, true)?.iter().filter(|event| event.kind.code() == 6).count();
        assert_eq!(told, 1);
        witness.append(&store, Promise::Manual, 1, 50)?;
        witness.close(&store)
    });
}

#[test]
fn a_write_that_failed_and_was_taken_back_does_no_harm_when_the_power_goes() {
    for effect in [Effect::FailsAfter, Effect::ShortWrite(100), Effect::ShortWrite(30)] {
        for call in 1..60 {
            let inner = MemoryStorage::recording();
            let mut witness = Witness::default();
            let clock = TestClock::new();
            drop(witness.open(Arc::new(inner.clone()), &clock).expect("open"));
            let faulty = FaultyStorage::new(Arc::new(inner.clone()), []);
            let store = witness.open(Arc::new(faulty.clone()), &clock).expect("open");
            faulty.arm(Fault::once(faulty.calls() + call, effect));
            for (number, bytes) in [300, 90, 250, 40, 40, 200].into_iter().enumerate() {
                // A failure is the caller's, who goes on.
                let _ = witness.append(&store, Promise::Manual, 1 + number % 2, bytes);
            }
            for (description, image) in crash_images(&inner, 2, call) {
                witness.check(&image, Fate::PowerCut, &format!("{:?}: {description}", faulty.hit()));
            }
            let hit = faulty.hit();
            drop(store);
            if hit.is_none() {
                assert!(call > 6, "only {call} calls");
                break;
            }
        }
    }
}

/// Two openings of a signed journal with pins, with checkpoints by demand, at closing and around an exchange of keys.
fn pinned_life(journal: &FaultyStorage, pins: &FaultyStorage) -> Result<()> {
    let config = |seed| Config { signer: Some(key(seed).into()), pins: Some(Arc::new(pins.clone())), ..config() };
    let write = |store: &Store, promise| write(store, promise, "a", &[&[7; 700]]);
    let store = open(journal, config(7))?;
    write(&store, Promise::Manual)?;
    store.checkpoint()?;
    write(&store, Promise::Manual)?;
    store.checkpoint()?;
    store.close()?;
    let store = open(journal, config(7))?;
    write(&store, Promise::Manual)?;
    store.rotate_key(&key(8).into())?;
    write(&store, Promise::Always)?;
    drop(store);
    let store = open(journal, config(8))?;
    write(&store, Promise::Manual)?;
    store.checkpoint()?;
    write(&store, Promise::Manual)?;
    Ok(())
}

/// Whatever a power cut leaves of the journal, and whatever it leaves of the pins: no pin is ahead of what was synced.
#[test]
fn no_power_cut_makes_a_pinned_journal_look_rolled_back() {
    let mut images = 0;
    for (call, journal_fails) in (1..).step_by(3).flat_map(|call| [(call, true), (call, false)]) {
        let (journal, pins) = (MemoryStorage::recording(), MemoryStorage::recording());
        let faults = |here: bool| here.then(|| Fault::forever(call, Effect::Fails));
        let faulty_journal = FaultyStorage::new(Arc::new(journal.clone()), faults(journal_fails));
        let faulty_pins = FaultyStorage::new(Arc::new(pins.clone()), faults(!journal_fails));
        let outcome = pinned_life(&faulty_journal, &faulty_pins);
        let Some(hit) = faulty_journal.hit().or(faulty_pins.hit()) else {
            outcome.expect("no fault was met");
            if journal_fails {
                assert!(call > 100 && images > 1000, "only {call} calls, {images} images");
                return;
            }
            continue;
        };
        for (cut, image) in crash_images(&journal, 0, call) {
            for (other_cut, seen) in crash_images(&pins, 0, call) {
                images += 1;
                let case = format!("{hit}: of the journal {cut}, of the pins {other_cut}");
                let opened = |seed: u8| {
                    let pins: Arc<dyn Storage> = Arc::new(seen.process_kill_image());
                    let how = Config { signer: Some(key(seed).into()), pins: Some(pins), ..config() };
                    open(&image.process_kill_image(), how)
                };
                // Which of the keys is in force depends on what survived.
                if let Err(error) = opened(7).or_else(|_| opened(8)) {
                    panic!("{case}: {error}");
                }
            }
        }
    }
}
