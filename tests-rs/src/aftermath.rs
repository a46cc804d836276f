//! Holds a journal that a crash left against what its witness remembers, and goes on with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use batpak_core::Appended;
use batpak_core::error::Error;
use batpak_core::header::{Header, Promise};
use batpak_core::proposal::Expect;
use batpak_core::read::Event;
use batpak_core::receipt::Receipt;
use batpak_core::storage::MemoryStorage;
use batpak_core::{Config, Store};

use crate::clock::{START_US, TestClock};
use crate::deeds::fits;
use crate::journal::{content, events, files, is_log, push_with, verify, write};
use crate::witness::{Answer, Fate, Witness};

impl Witness {
    /// Opens what was left, compares, asks again for all that has keys, verifies, goes on writing, closes, and opens again.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be.
    pub fn check(&self, left: &MemoryStorage, fate: Fate, context: &str) {
        let fail = |step: &str, error: Error| -> ! { panic!("{context}: {step}: {error}") };
        let this = self.apart();
        let clock = TestClock::at(START_US + 3_600_000_000);
        let before = files(left);
        let read_only = Config { read_only: true, signer: None, ..this.config() };
        match Store::open_with(Arc::new(left.clone()), Arc::clone(&clock) as _, read_only) {
            Ok(store) => self.compare(&store, fate, &format!("{context}: read-only")),
            Err(Error::NotAJournal { .. }) if !self.knows_a_journal() => {}
            Err(error) => fail("read-only open", error),
        }
        assert!(files(left) == before, "{context}: a read-only open changed something");
        let mut later = this.clone();
        let store = later.open(Arc::new(left.clone()), &clock).unwrap_or_else(|error| fail("open", error));
        self.compare(&store, fate, context);
        set_aside_is_kept(left, &before, &store, context);
        accepted(&store, context);
        let receipts = self.ask_again(&store, context);
        assert!(self.ask_again(&store, context) == receipts, "{context}: a second retry is answered otherwise");
        expectations_hold(&store, context);
        // What is there now stays, whatever was promised for it.
        write(&store, Promise::Interval, "entity:0", &[b"after"]).unwrap_or_else(|error| fail("append", error));
        let end = store.events().unwrap_or_else(|error| fail("events", error));
        later.sync(&store).unwrap_or_else(|error| fail("sync", error));
        let known = events(&store, true).unwrap_or_else(|error| fail("read", error));
        store.close().unwrap_or_else(|error| fail("close", error));
        let store = later.open(Arc::new(left.clone()), &clock).unwrap_or_else(|error| fail("second open", error));
        let report = store.report();
        assert_eq!(report.path_taken, "clean", "{context}: {report:?}");
        assert_eq!(
            (report.tail_bytes, report.torn_head_bytes, report.rewritten_bytes),
            (0, 0, 0),
            "{context}: {report:?}"
        );
        assert_eq!(report.events, end, "{context}");
        let again = events(&store, true).unwrap_or_else(|error| fail("second read", error));
        assert!(
            again.starts_with(&known) && again.len() == known.len() + 1,
            "{context}: a close and an open changed events"
        );
        assert!(self.ask_again(&store, context) == receipts, "{context}: a close and an open changed receipts");
        accepted(&store, &format!("{context}: second open"));
    }

    /// Retries all that has keys: receipts of what is there come back as they were given, and what is not there is written once.
    fn ask_again(&self, store: &Store, context: &str) -> BTreeMap<usize, Vec<Vec<u8>>> {
        let fail = |error: Error| -> ! { panic!("{context}: retry: {error}") };
        let mut given = BTreeMap::new();
        let found = events(store, true).unwrap_or_else(|error| fail(error));
        for attempt in self.attempts.iter().filter(|attempt| attempt.keyed) {
            let number = attempt.number;
            let frame = attempt.frame(&found);
            let proposal = attempt.proposal(store, Promise::Manual).unwrap_or_else(|error| fail(error));
            let (known, answer) = match store.append(&proposal).unwrap_or_else(|error| fail(error)) {
                Appended::Known(events) => (true, Answer::known(&events)),
                Appended::Written(committed) => (false, Answer::of(&committed, proposal.leading())),
            };
            let receipts = answer.receipts;
            assert_eq!(known, frame.is_some(), "{context}: attempt {number}, which is there: {}", frame.is_some());
            // What a crash took and a retry wrote anew has a receipt of its own.
            let given_for = |answer: &&Answer| {
                frame.and_then(<[Event]>::last).map(|event| event.event_hash) == answer.hashes.last().copied()
            };
            if let Some(answer) = attempt.answer.as_ref().filter(given_for) {
                assert!(receipts == answer.receipts, "{context}: attempt {number} has other receipts than were given");
            }
            given.insert(number, receipts);
        }
        let found = events(store, true).unwrap_or_else(|error| fail(error));
        for receipt in given.values().flatten() {
            let receipt = Receipt::decode(receipt).expect("a receipt");
            let event = found.get(usize::try_from(receipt.sequence()).expect("small"));
            assert_eq!(event.map(|event| event.event_hash), Some(receipt.event_hash()), "{context}: of another event");
        }
        let mut keys = HashSet::new();
        let key_of = |event: &Event| Header::decode(event.header()).expect("a header").idempotency_key;
        let twice = found.iter().filter_map(key_of).find(|key| !keys.insert(*key));
        assert_eq!(twice, None, "{context}: two events have one key");
        given
    }
}

/// Of each entity exactly one clock is the last one, and an append that expects it is written; any other is refused and changes nothing.
fn expectations_hold(store: &Store, context: &str) {
    let mut last: HashMap<String, u64> = HashMap::new();
    for event in events(store, false).unwrap_or_else(|error| panic!("{context}: {error}")) {
        last.insert(event.entity().to_owned(), event.stamp.clock);
    }
    let ask = |entity: &str, expect| {
        let mut proposal = store.propose(Some(Promise::Manual))?;
        push_with(&mut proposal, store, entity, b"expectation", None, expect)?;
        store.append(&proposal)
    };
    let mut entities: Vec<&str> = last.keys().map(String::as_str).collect();
    entities.extend(["expected", "never written"]);
    entities.sort_unstable();
    entities.dedup();
    for entity in entities {
        let actual = last.get(entity).copied();
        let before = store.events().unwrap_or_else(|error| panic!("{context}: {error}"));
        for wrong in [Expect::New, Expect::Clock(0), Expect::Clock(actual.map_or(0, |clock| clock + 1))] {
            if fits(wrong, actual) {
                continue;
            }
            let refused = ask(entity, wrong);
            let told = matches!(refused, Err(Error::ExpectationFailed { actual: told, .. }) if told == actual);
            assert!(told, "{context}: {entity} is at {actual:?}: {refused:?}");
        }
        assert_eq!(store.events().expect("open"), before, "{context}: a refused append wrote");
        let right = actual.map_or(Expect::New, Expect::Clock);
        let written = ask(entity, right).unwrap_or_else(|error| panic!("{context}: {entity} {right:?}: {error}"));
        assert_eq!(written.events(), before + 1, "{context}");
    }
}

/// What a recovery cut off lies in `recovered/`, byte for byte.
fn set_aside_is_kept(left: &MemoryStorage, before: &BTreeMap<String, Vec<u8>>, store: &Store, context: &str) {
    let report = store.report();
    if let Some(file) = &report.recovered_file {
        let kept = content(left, &format!("recovered/{file}"));
        let last = before.keys().rfind(|name| is_log(name)).expect("a segment was there");
        assert!(before[last].ends_with(&kept), "{context}: the bytes set aside are not those that were cut");
        assert_eq!(kept.len() as u64, report.tail_bytes, "{context}");
        assert!(!kept.is_empty(), "{context}: nothing was set aside");
    }
}

/// The verdict holds nothing against the journal.
pub(crate) fn accepted(store: &Store, context: &str) {
    let verdict = verify(store).unwrap_or_else(|error| panic!("{context}: verify: {error}"));
    assert!(verdict.ok() && verdict.findings.is_empty(), "{context}: {verdict:?}");
}
