//! A disk that lies about syncing: what is lost when the power goes, and what reopening, verify and receipts say of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use batpak_core::error::Error;
use batpak_core::header::Promise;
use batpak_core::marks::MarkName;
use batpak_core::receipt::Receipt;
use batpak_core::storage::{MemoryStorage, PendingChange, PendingWrite, Storage, Survival};
use batpak_core::verification::Finding;
use batpak_core::{Config, Store, frontier, heads};
use batpak_tests::clock::{START_US, TestClock};
use batpak_tests::crash_images::crash_images;
use batpak_tests::deeds::Deed;
use batpak_tests::journal::{config, events, files, is_cache, is_log, verify, verify_closed};
use batpak_tests::lying::LyingStorage;
use batpak_tests::witness::{Fate, Witness};

/// Begins on an honest disk, goes on with one that lies, in the same segment or through several.
fn betrayed(steps: &[Deed], close: bool) -> (MemoryStorage, Witness, u64) {
    let inner = MemoryStorage::recording();
    let storage = LyingStorage::new(inner.clone());
    let mut witness = Witness::default();
    let store = witness.open(Arc::new(storage.clone()), &TestClock::new()).expect("open");
    for deed in
        [Deed::Append(Promise::Always, 2, 100), Deed::Keyed(Promise::Manual, 2, 50), Deed::Wait(MarkName::Durable)]
    {
        witness.act(&store, deed).expect("honest");
    }
    let honest = store.events().expect("open");
    storage.lie();
    for deed in steps {
        witness.act(&store, *deed).expect("the disk says that all is well");
    }
    if close {
        witness.close(&store).expect("close");
    }
    // Before the store is dropped, which closes it.
    (inner.process_kill_image(), witness, honest)
}

const IN_ONE_SEGMENT: [Deed; 5] = [
    Deed::Append(Promise::Always, 1, 200),
    Deed::Keyed(Promise::Always, 2, 100),
    Deed::Expecting(Promise::Interval, 30),
    Deed::Wait(MarkName::Durable),
    Deed::Append(Promise::Manual, 1, 10),
];

const THROUGH_SEGMENTS: [Deed; 5] = [
    Deed::Keyed(Promise::Always, 2, 1200),
    Deed::Append(Promise::Always, 1, 1500),
    Deed::Bypassed(Promise::Manual, 1, 2000),
    Deed::Expecting(Promise::Always, 900),
    Deed::Append(Promise::Interval, 1, 10),
];

/// The number of events that `frontier` and `checkpoints` say were synced.
fn stated(image: &MemoryStorage, journal_id: &[u8; 16]) -> u64 {
    let synced = match frontier::read(image) {
        Ok(frontier::Found::Valid(frontier)) => frontier.synced_through,
        _ => 0,
    };
    let heads = heads::read(image, journal_id).ok().flatten().map(|heads| heads.heads).unwrap_or_default();
    heads.iter().map(|(_, head)| head.tree.size()).fold(synced, u64::max)
}

/// All files but those that can be made again from the log.
fn authorities(image: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    files(image).into_iter().filter(|(name, _)| !is_cache(name)).collect()
}

/// What opening said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// All is there that was called durable.
    Whole,
    /// It refused.
    Refused,
    /// It opened, and verify finds a sealed segment that is not what was written.
    Found,
    /// Something that was called durable is gone, and nothing that is left says so.
    Unnoticed,
}

fn look(image: &MemoryStorage, witness: &Witness, context: &str) -> Said {
    let before = authorities(image);
    let journal_id = witness.receipts()[0].fields().expect("a header").journal_id;
    let stated = stated(image, &journal_id);
    let verdict = verify_closed(image).expect("verify");
    let clock = TestClock::at(START_US + 3_600_000_000);
    let read_only = Config { read_only: true, ..config() };
    let reader = Store::open_with(Arc::new(image.clone()), Arc::clone(&clock) as _, read_only);
    let opened = Store::open_with(Arc::new(image.clone()), clock, config());
    assert_eq!(reader.is_err(), opened.is_err(), "{context}: a reader is told otherwise: {reader:?}");
    let store = match opened {
        Ok(store) => store,
        Err(Error::Damaged { file, sequence, offset, reason }) => {
            assert!(authorities(image) == before, "{context}: a refusal changed something");
            let of_log = is_log(&file);
            assert!(of_log || file == "memory/checkpoints", "{context}: {file}");
            let within = sequence.is_some_and(|sequence| sequence < witness.claimed());
            assert!(!of_log || within, "{context}: {file} {offset} {sequence:?} {reason} of {}", witness.claimed());
            assert!(!verdict.ok(), "{context}: opening refuses, and verify does not");
            let located = |finding: &Finding| finding.file.as_ref() == Some(&file);
            assert!(verdict.findings.iter().any(located), "{context}: {file} is not in {:?}", verdict.findings);
            return Said::Refused;
        }
        Err(error) => panic!("{context}: {error:?}"),
    };
    let now = verify(&store).expect("verify");
    // An index file that is not what the log makes is made again, and proves nothing.
    if now.findings.iter().any(|finding| finding.axis != "indexes") {
        // A sealed segment is not read when the journal is opened; what is read of it is true, or refused.
        assert!(!verdict.ok(), "{context}: opening broke what was whole: {now:?}");
        let of_log = |finding: &Finding| finding.file.as_deref().is_some_and(is_log) && finding.offset.is_some();
        assert!(now.findings.iter().any(of_log), "{context}: {now:?}");
        let given: HashSet<_> = witness.receipts().iter().map(Receipt::event_hash).collect();
        for sequence in 0..store.events().expect("open") {
            match store.get(sequence) {
                Ok(event) => assert!(
                    event.kind.check_user().is_err() || given.contains(&event.event_hash),
                    "{context}: event {sequence} is invented"
                ),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{context}: {error:?}"),
            }
        }
        return Said::Found;
    }
    witness.compare(&store, Fate::Lie, context);
    let report = store.report();
    assert!(report.events >= stated, "{context}: {stated} events are stated, and {} were accepted", report.events);
    let kept: BTreeMap<u64, _> =
        events(&store, true).expect("read").iter().map(|event| (event.stamp.sequence, event.event_hash)).collect();
    // Nobody can tell the journal from an honest one but by what left it: the receipt of an event that is gone says so, the others hold.
    for receipt in witness.receipts() {
        let there = kept.get(&receipt.sequence()) == Some(&receipt.event_hash());
        let verdict = store.verify_receipt(&receipt, None).expect("verify");
        assert_eq!(verdict.ok(), there, "{context}: {verdict:?}");
        let promise = receipt.fields().expect("a header").promise;
        let code = verdict.findings.first().map(|finding| finding.code);
        if !there && promise == Promise::Always {
            let evidence = [Some("missing_committed_event"), Some("event_id_mismatch")];
            assert!(evidence.contains(&code), "{context}: {verdict:?}");
        }
    }
    if report.events >= witness.claimed() { Said::Whole } else { Said::Unnoticed }
}

#[test]
fn what_a_lying_disk_lost_is_refused_wherever_anything_that_is_left_says_that_it_was_synced() {
    // A segment that was begun says that the ones before it were whole; but a sealed one is not read by an open.
    let lives = [(IN_ONE_SEGMENT, Said::Unnoticed), (THROUGH_SEGMENTS, Said::Found)];
    for ((steps, also), close) in lives.into_iter().flat_map(|life| [(life, false), (life, true)]) {
        let (inner, witness, honest) = betrayed(&steps, close);
        assert!(witness.claimed() > honest);
        let mut said = BTreeMap::new();
        for (description, image) in crash_images(&inner, 60, 11) {
            let context = format!("close {close}: {description}");
            *said.entry(look(&image, &witness, &context)).or_insert(0) += 1;
        }
        assert!(said.contains_key(&Said::Refused) && said.contains_key(&Said::Whole), "{said:?}");
        assert!(said.contains_key(&also), "{said:?}");
    }
}

fn is_frontier(write: &PendingWrite) -> bool {
    write.name == frontier::NAME && matches!(write.change, PendingChange::Write { .. })
}

#[test]
fn a_frontier_that_survived_what_it_speaks_of_is_a_refusal_at_the_first_event_that_is_gone() {
    let (inner, witness, honest) = betrayed(&IN_ONE_SEGMENT, false);
    let keep = |write: &PendingWrite| if is_frontier(write) { Survival::Kept } else { Survival::Lost };
    let image = inner.crash_image(keep);
    let length = image.sizes()["segments/00000000000000000000.log"];
    assert_eq!(look(&image, &witness, "the frontier alone"), Said::Refused);
    let refused = Store::open_with(Arc::new(image.clone()), TestClock::new(), config());
    let Err(Error::Damaged { file, offset, sequence, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((file, sequence), (image.describe("segments/00000000000000000000.log"), Some(honest)));
    assert!(offset <= length, "{offset} of {length}");
}

#[test]
fn a_tail_that_vanished_together_with_its_frontier_is_told_by_receipts_alone() {
    let (inner, witness, honest) = betrayed(&IN_ONE_SEGMENT, false);
    let image = inner.crash_image(|_| Survival::Lost);
    assert_eq!(look(&image.process_kill_image(), &witness, "all of it"), Said::Unnoticed);
    let store = Store::open_with(Arc::new(image), TestClock::at(START_US + 1_000_000), config()).expect("open");
    assert_eq!((store.report().path_taken, store.report().events, store.report().tail_bytes), ("clean", honest, 0));
    let told: Vec<_> = witness
        .receipts()
        .iter()
        .map(|receipt| {
            let verdict = store.verify_receipt(receipt, None).expect("verify");
            (receipt.sequence() < honest, verdict.ok())
        })
        .collect();
    assert!(told.iter().all(|(there, ok)| there == ok), "{told:?}");
    assert!(told.contains(&(false, false)) && told.contains(&(true, true)));
}
