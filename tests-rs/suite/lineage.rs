//! A history that goes on as another one: after an honest restore, and as a copy of its own.

use std::sync::Arc;

use batpak_core::config::Departure;
use batpak_core::error::{Anchor, Error};
use batpak_core::fork;
use batpak_core::hash::Hash;
use batpak_core::header::Promise;
use batpak_core::receipt::Receipt;
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Storage};
use batpak_core::system::Cause;
use batpak_core::verification::{Outcome, Verification};
use batpak_core::verify::Against;
use batpak_core::{Config, Store};
use batpak_tests::crash_images::crash_images;
use batpak_tests::journal::{config, events, files, is_cache, key, open, signed, verify_closed, write};

fn pinned(pins: &MemoryStorage, config: Config) -> Config {
    Config { pins: Some(Arc::new(pins.clone())), ..config }
}

fn departing(cause: Cause, abandoned: Option<(u64, Hash)>, config: Config) -> Config {
    let (actor, reason) = ("operator-7".to_owned(), "the disk died".to_owned());
    Config { departure: Some(Departure { cause, actor, reason, abandoned }), ..config }
}

fn restored(config: Config) -> Config {
    departing(Cause::Restore, None, config)
}

fn append(store: &Store, count: usize) -> Vec<Receipt> {
    let frames = (0..count).map(|_| write(store, Promise::Manual, "a", &[&[7; 300]]).expect("append"));
    frames.map(|frame| frame.receipt(0).expect("a receipt")).collect()
}

fn verify_pinned(storage: &dyn Storage, pins: &MemoryStorage) -> Verification {
    let against = Against { pins: Some(pins), ..Against::default() };
    batpak_core::verify::journal(storage, against, &|| false).expect("verify")
}

fn codes(verdict: &Verification) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

/// Yesterday's copy, and what was written since into the journal that is lost; its receipts.
fn lost(config: &Config) -> (MemoryStorage, Vec<Receipt>, Vec<Receipt>) {
    let storage = MemoryStorage::new();
    let store = open(&storage, config.clone()).expect("open");
    let kept = append(&store, 20);
    store.close().expect("close");
    let copy = MemoryStorage::import(files(&storage));
    let store = open(&storage, config.clone()).expect("open");
    let abandoned = append(&store, 5);
    store.close().expect("close");
    (copy, kept, abandoned)
}

#[test]
fn a_restored_copy_goes_on_as_another_lineage_and_says_what_was_given_up() {
    for base in [config(), signed()] {
        let pins = MemoryStorage::new();
        let (copy, kept, abandoned) = lost(&pinned(&pins, base.clone()));
        let refused = open(&copy, pinned(&pins, base.clone())).map(drop);
        let Err(Error::HistoryChanged { anchor: Anchor::Pin, size, root, log_root: None, .. }) = refused else {
            panic!("{refused:?}")
        };
        let store = open(&copy, restored(pinned(&pins, base.clone()))).expect("accepted");
        let [begun] = store.lineages().expect("lineages").try_into().expect("one");
        assert_eq!(
            (begun.abandoned, begun.cause, begun.actor.as_str()),
            (Some((size, root)), Cause::Restore, "operator-7")
        );
        assert_eq!(begun.kept_root, store.root(Some(begun.from)).expect("root").1);
        assert_eq!((store.journal_id(), begun.reason.as_str()), (begun.journal_id, "the disk died"));
        let mut later = append(&store, 20);
        let checkpoint = store.checkpoint().expect("checkpoint");
        assert!(checkpoint.origin.ends_with(&batpak_core::proof::checkpoint::origin("", &begun.journal_id)));
        for event in events(&store, true).expect("read") {
            let lineage = if event.stamp.sequence < begun.from { begun.parent_id } else { begun.journal_id };
            assert_eq!(event.journal_id, lineage, "event {}", event.stamp.sequence);
        }
        later.push(store.receipt_of(begun.from).expect("its own").receipt().expect("a receipt"));
        for receipt in kept.iter().chain(&later) {
            assert!(store.verify_receipt(receipt, None).expect("verify").ok());
        }
        for receipt in &abandoned {
            assert_eq!(
                store.verify_receipt(receipt, None).expect("verify").reason_code,
                Some("missing_committed_event")
            );
        }
        store.close().expect("close");
        // It is no secret, and asked for once.
        let verdict = verify_pinned(&copy, &pins);
        assert_eq!((codes(&verdict), verdict.rung), (vec![], 3));
        assert_eq!(codes(&verify_closed(&copy).expect("verify")), Vec::<&str>::new());
        for _ in 0..2 {
            let store = open(&copy, pinned(&pins, base.clone())).expect("open again");
            assert_eq!(store.journal_id(), begun.journal_id);
            append(&store, 15);
            store.close().expect("close");
        }
        let reader = open(&copy, Config { read_only: true, ..config() }).expect("a reader");
        assert_eq!(reader.journal_id(), begun.journal_id);
        assert_eq!(reader.lineages().expect("lineages"), std::slice::from_ref(&begun));
        // The index files are made again from a log of two lineages.
        let without: std::collections::BTreeMap<_, _> =
            files(&copy).into_iter().filter(|(name, _)| !is_cache(name)).collect();
        let again = MemoryStorage::import(without);
        open(&again, base.clone()).expect("open").close().expect("close");
        assert_eq!(codes(&verify_closed(&again).expect("verify")), Vec::<&str>::new());
        // Once more, from the same copy: another lineage of its own.
        let store = open(&copy, restored(base.clone())).expect("again");
        assert_eq!(store.lineages().expect("lineages").len(), 2);
        assert_eq!(store.lineages().expect("lineages")[1].parent_id, begun.journal_id);
        store.close().expect("close");
        assert_eq!(codes(&verify_closed(&copy).expect("verify")), Vec::<&str>::new());
    }
}

#[test]
fn a_pin_goes_on_refusing_until_it_has_seen_the_restore() {
    let (pins, elsewhere) = (MemoryStorage::new(), MemoryStorage::new());
    let (copy, _, _) = lost(&pinned(&pins, signed()));
    // The other pin saw a later state, which who restores does not know of; a third one a state between the two.
    let storage = MemoryStorage::import(files(&copy));
    let store = open(&storage, pinned(&elsewhere, signed())).expect("open");
    append(&store, 9);
    store.close().expect("close");
    open(&copy, restored(pinned(&pins, signed()))).expect("accepted").close().expect("close");
    let refused = open(&copy, pinned(&elsewhere, signed())).map(drop);
    assert!(matches!(refused, Err(Error::HistoryChanged { anchor: Anchor::Pin, log_root: None, .. })), "{refused:?}");
    assert_eq!(codes(&verify_pinned(&copy, &elsewhere)), ["rollback_detected"]);
    open(&copy, restored(pinned(&elsewhere, signed()))).expect("accepted").close().expect("close");
    for pins in [&pins, &elsewhere] {
        open(&copy, pinned(pins, signed())).expect("open").close().expect("close");
        assert_eq!(codes(&verify_pinned(&copy, pins)), Vec::<&str>::new());
    }
    let refused = open(&copy, restored(pinned(&pins, signed()))).map(drop);
    assert!(matches!(refused, Err(Error::InvalidInput { .. })), "nothing is missing: {refused:?}");
}

/// Whoever cannot write to the pins hides nothing by having the journal say that it was restored, or that it is a fork.
#[test]
fn another_lineage_is_no_way_past_a_pin() {
    for base in [config(), signed()] {
        let pins = MemoryStorage::new();
        let (copy, _, _) = lost(&pinned(&pins, base.clone()));
        let seen = pins.export().into_values().next().expect("a pin");
        let seen =
            batpak_core::proof::Checkpoint::parse(std::str::from_utf8(&seen).expect("text")).expect("a checkpoint");
        for (cause, abandoned) in [(Cause::Restore, Some((seen.size, seen.root))), (Cause::Fork, None)] {
            let forged = MemoryStorage::import(files(&copy));
            open(&forged, departing(cause, abandoned, base.clone())).expect("said").close().expect("close");
            for how in [base.clone(), Config { read_only: true, ..config() }] {
                let refused = open(&forged, pinned(&pins, how)).map(drop);
                assert!(matches!(refused, Err(Error::HistoryChanged { anchor: Anchor::Pin, .. })), "{refused:?}");
            }
            assert_eq!(codes(&verify_pinned(&forged, &pins)), ["rollback_detected"]);
        }
    }
}

#[test]
fn a_fork_that_was_not_finished_is_no_journal() {
    let (source, target) = (MemoryStorage::new(), MemoryStorage::new());
    let store = open(&source, signed()).expect("open");
    append(&store, 3);
    store.checkpoint().expect("checkpoint");
    let from: Arc<dyn Storage> = Arc::new(source.clone());
    fork::copy(&from, &target, &departing(Cause::Fork, None, signed())).expect("copy");
    for how in [signed(), Config { read_only: true, ..config() }] {
        let refused = open(&target, how).map(drop);
        assert!(matches!(&refused, Err(Error::NotAJournal { reason, .. }) if reason.contains("fork")), "{refused:?}");
    }
    open(&target, departing(Cause::Fork, None, signed())).expect("finished").close().expect("close");
    open(&target, signed()).expect("a journal now").close().expect("close");
    let blank = Config {
        departure: Some(Departure {
            cause: Cause::Fork,
            actor: String::new(),
            reason: "r".to_owned(),
            abandoned: None,
        }),
        ..signed()
    };
    let empty = MemoryStorage::new();
    assert!(matches!(fork::copy(&from, &empty, &blank), Err(Error::InvalidInput { .. })));
    assert!(empty.export().is_empty());
}

/// A place where a fork stopped: nothing, or no journal; or, if its last word arrived, the whole of another lineage. Never the journal that
/// it was copied from.
fn check_unfinished(place: &MemoryStorage, parent: [u8; 16], case: &str) {
    match open(place, signed()) {
        Ok(store) => {
            if place.export().contains_key("fork.unfinished") || store.journal_id() == parent {
                panic!("{case}: opened as {:?}", store.lineages());
            }
            let is_new = store.lineages().expect("lineages").is_empty();
            assert_eq!(is_new, store.events().expect("events") <= 2, "{case}: neither a new journal nor a fork");
            store.close().expect("close");
            assert_eq!(codes(&verify_closed(place).expect("verify")), Vec::<&str>::new(), "{case}");
        }
        Err(Error::NotAJournal { reason, .. }) => assert!(reason.contains("fork"), "{case}: {reason}"),
        Err(error) => panic!("{case}: {error}"),
    }
}

#[test]
fn a_fork_that_stops_anywhere_is_never_taken_for_the_journal_that_it_was_copied_from() {
    let source = MemoryStorage::new();
    let store = open(&source, signed()).expect("open");
    append(&store, 20);
    store.checkpoint().expect("checkpoint");
    let parent = store.journal_id();
    let source: Arc<dyn Storage> = Arc::new(source);
    let how = departing(Cause::Fork, None, signed());
    for effect in [Effect::Fails, Effect::FailsAfter, Effect::ShortWrite(100)] {
        for call in 1.. {
            let inner = MemoryStorage::recording();
            let target = FaultyStorage::new(Arc::new(inner.clone()), [Fault::forever(call, effect)]);
            let outcome = fork::copy(&source, &target, &how).and_then(|()| open(&target, how.clone()).map(drop));
            let Some(hit) = target.hit() else {
                outcome.expect("no fault was met");
                assert!(call > 40, "only {call} calls");
                break;
            };
            let case = format!("{effect:?} at {hit}");
            check_unfinished(&inner.process_kill_image(), parent, &case);
            for (description, image) in crash_images(&inner, 2, call) {
                check_unfinished(&image, parent, &format!("{case}: {description}"));
            }
        }
    }
}

#[test]
fn whoever_restores_may_say_what_is_given_up_or_not_know_it() {
    let (copy, _, _) = lost(&signed());
    let store = open(&copy, departing(Cause::Restore, Some((99, [3; 32])), signed())).expect("accepted");
    assert_eq!(store.lineages().expect("lineages")[0].abandoned, Some((99, [3; 32])));
    store.close().expect("close");
    let (copy, _, _) = lost(&config());
    let store = open(&copy, restored(config())).expect("accepted");
    assert_eq!(store.lineages().expect("lineages")[0].abandoned, None);
    drop(store);
    let (copy, _, _) = lost(&signed());
    assert!(matches!(open(&copy, restored(config())), Err(Error::KeyRequired { .. })), "the owner's word is needed");
}

#[test]
fn a_fork_and_its_source_go_on_side_by_side() {
    for base in [config(), signed()] {
        let pins = MemoryStorage::new();
        let (source, target) = (MemoryStorage::new(), MemoryStorage::new());
        let store = open(&source, pinned(&pins, base.clone())).expect("open");
        append(&store, 30);
        store.checkpoint().expect("checkpoint");
        append(&store, 3);
        // While the source is open for writing: what is synced of it is copied.
        let durable = store.durable().expect("durable");
        let from: Arc<dyn Storage> = Arc::new(source.clone());
        let copied = departing(Cause::Fork, None, pinned(&pins, base.clone()));
        fork::copy(&from, &target, &copied).expect("copy");
        assert!(fork::copy(&from, &target, &copied).is_err(), "not twice to one place");
        let other = open(&target, copied).expect("open the copy");
        let [begun] = other.lineages().expect("lineages").try_into().expect("one");
        assert_eq!((begun.from, begun.cause, begun.abandoned), (durable, Cause::Fork, None));
        assert_eq!(
            (begun.parent_id, begun.kept_root),
            (store.journal_id(), store.root(Some(durable)).expect("root").1)
        );
        append(&store, 8);
        append(&other, 6);
        store.close().expect("close");
        other.close().expect("close");
        for journal in [&source, &target] {
            open(journal, pinned(&pins, base.clone())).expect("open again").close().expect("close");
            assert_eq!(codes(&verify_pinned(journal, &pins)), Vec::<&str>::new());
        }
        let mut kinds: Vec<String> = pins.export().into_keys().collect();
        kinds.dedup();
        assert_eq!(kinds.len(), 2, "a pin for each: {kinds:?}");
    }
}

#[test]
fn a_copy_of_a_journal_with_what_recovery_set_aside_is_whole() {
    let source = MemoryStorage::new();
    let store = open(&source, signed()).expect("open");
    append(&store, 3);
    drop(store);
    let file = source.open("segments/00000000000000000000.log", batpak_core::storage::Mode::Write).expect("open");
    let end = file.length().expect("length");
    file.write_at(b"torn", end).expect("write");
    open(&source, signed()).expect("recovered").close().expect("close");
    let target = MemoryStorage::new();
    let source: Arc<dyn Storage> = Arc::new(source);
    let refused = fork::copy(&source, &target, &config());
    assert!(matches!(refused, Err(Error::KeyRequired { .. })), "{refused:?}");
    assert!(target.export().is_empty(), "nothing is copied for whoever cannot go on with it");
    fork::copy(&source, &target, &signed()).expect("copy");
    assert_eq!(codes(&verify_closed(&target).expect("verify")), Vec::<&str>::new());
    let empty: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    assert!(fork::copy(&empty, &MemoryStorage::new(), &config()).is_err(), "nothing to copy");
    let nothing = open(&MemoryStorage::new(), restored(config())).map(drop);
    assert!(matches!(nothing, Err(Error::NotAJournal { .. })), "{nothing:?}");
}

/// Another lineage is synced before anybody is told of it; a crash before leaves the old one.
#[test]
fn no_crash_leaves_a_departure_half_way() {
    let (copy, _, _) = lost(&signed());
    let recording = MemoryStorage::import_recording(files(&copy)).expect("files");
    let store = open(&recording, restored(signed())).expect("accepted");
    let begun = store.lineages().expect("lineages");
    append(&store, 2);
    for (case, image) in crash_images(&recording, 40, 11) {
        let reopened = open(&image, signed()).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(reopened.lineages().expect("lineages"), begun, "{case}");
        reopened.close().expect("close");
        let verdict = verify_closed(&image).expect("verify");
        assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Signed, vec![]), "{case}");
    }
}

#[test]
fn keys_are_exchanged_in_another_lineage_as_in_the_first() {
    let (copy, _, _) = lost(&signed());
    let store = open(&copy, restored(signed())).expect("accepted");
    store.rotate_key(&key(8).into()).expect("rotate");
    store.revoke_key(&key(7).public().key_id(), "lost").expect("revoke");
    append(&store, 2);
    store.close().expect("close");
    let verdict = verify_closed(&copy).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung, codes(&verdict)), (Outcome::Signed, 2, vec![]));
    let again = Config { signer: Some(key(8).into()), ..config() };
    open(&copy, again).expect("open").close().expect("close");
}
