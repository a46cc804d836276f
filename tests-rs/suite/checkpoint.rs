//! Checkpoints and pins: what was stated is never taken back, and a log that is another one is refused by both sides' names.

use std::sync::Arc;

use batpak_core::error::{Anchor, Error};
use batpak_core::header::Promise;
use batpak_core::heads::{self, HeadWriter};
use batpak_core::key::SigningKey;
use batpak_core::merkle::Tree;
use batpak_core::proof::checkpoint::origin;
use batpak_core::proof::{Checkpoint, Note};
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Mode, Storage};
use batpak_core::verification::Outcome;
use batpak_core::verify::Against;
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, content, events, files, is_log, key, open, signed, verify_closed, write};
use batpak_tests::reframe::{Forged, put_together, take_apart};

fn append(store: &Store, count: usize) {
    for number in 0..count {
        write(store, Promise::Manual, "a", &[&[u8::try_from(number % 250).unwrap(); 60]]).expect("append");
    }
}

/// A closed journal, and the checkpoint of its close.
fn closed(config: &Config) -> (MemoryStorage, Checkpoint) {
    let storage = MemoryStorage::new();
    let store = open(&storage, config.clone()).expect("open");
    append(&store, 30);
    let checkpoint = store.checkpoint().expect("checkpoint");
    store.close().expect("close");
    (storage, checkpoint)
}

#[test]
fn a_checkpoint_states_the_tree_is_signed_and_is_kept() {
    let storage = MemoryStorage::new();
    let store = open(&storage, signed()).expect("open");
    append(&store, 9);
    let first = store.checkpoint().expect("checkpoint");
    assert_eq!(store.durable().expect("open"), first.size, "what is stated is synced");
    assert_eq!((first.size, first.root), store.root(None).expect("root"));
    assert_eq!(first.origin, origin(store.name(), &store.journal_id()));
    assert_eq!(first.note.is_signed_by(&first.origin, key(7).public()), Some(true));
    assert_eq!(first.note.is_signed_by(&first.origin, key(8).public()), None);
    assert_eq!(Checkpoint::parse(&first.note.encode()).expect("its own text"), first);
    assert_eq!(store.checkpoint().expect("again"), first, "nothing is stated twice");
    append(&store, 1);
    let second = store.checkpoint().expect("checkpoint");
    assert_eq!(second.size, first.size + 1);
    store.close().expect("close");
    let store = open(&storage, signed()).expect("open again");
    assert_eq!(store.checkpoints().expect("read"), [first, second]);
    store.close().expect("close");
    let reader = open(&storage, Config { read_only: true, ..config() }).expect("a reader");
    let kept = reader.checkpoints().expect("read");
    assert_eq!(
        (kept.len(), kept[2].size),
        (3, reader.events().expect("open")),
        "a close of a signed journal states it"
    );
    assert!(matches!(reader.checkpoint(), Err(Error::ReadOnly)));
    let verdict = verify_closed(&storage).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung, verdict.checkpoint_size), (Outcome::Signed, 2, Some(kept[2].size)));
}

#[test]
fn a_journal_without_a_key_states_the_same_unsigned() {
    let (storage, checkpoint) = closed(&config());
    assert_eq!(checkpoint.note.signatures, []);
    let reader = open(&storage, Config { read_only: true, ..config() }).expect("a reader");
    assert_eq!(reader.checkpoints().expect("read"), [checkpoint]);
    let verdict = verify_closed(&storage).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung, verdict.checkpoint_size), (Outcome::UnsignedAccepted, 1, None));
}

#[test]
fn threads_that_state_while_others_write_never_contradict_each_other() {
    let storage = MemoryStorage::new();
    let store = open(&storage, signed()).expect("open");
    let stated = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| append(&store, 60));
        }
        let stating: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..20).map(|_| store.checkpoint().expect("checkpoint")).collect::<Vec<_>>()))
            .collect();
        stating.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    for of_one in &stated {
        assert!(of_one.is_sorted_by_key(|checkpoint| checkpoint.size), "a later call states less");
    }
    let kept = store.checkpoints().expect("read");
    assert!(kept.is_sorted_by(|a, b| a.size < b.size));
    for checkpoint in stated.iter().flatten() {
        assert!(kept.contains(checkpoint));
        assert_eq!(store.root(Some(checkpoint.size)).expect("root").1, checkpoint.root);
    }
}

/// Writes the file of heads anew with all that it held, except that `change` makes something else of the last checkpoint.
fn rewritten(storage: &MemoryStorage, change: impl Fn(&Checkpoint) -> Option<Checkpoint>) -> MemoryStorage {
    let image = storage.process_kill_image();
    let reader = open(&image, Config { read_only: true, ..config() }).expect("a reader");
    let id = reader.journal_id();
    let found = heads::read(&image, &id).expect("read").expect("it is there");
    image.remove(heads::NAME).expect("remove");
    let mut writer = HeadWriter::new(heads::create(&image, &id).expect("create"), id, 0).expect("begin");
    let mut heads = found.heads.iter().peekable();
    let last = found.checkpoints.len() - 1;
    for (number, (offset, checkpoint)) in found.checkpoints.iter().enumerate() {
        while let Some((_, head)) = heads.next_if(|(before, _)| before < offset) {
            writer.append(head).expect("write");
        }
        if let Some(other) = if number == last { change(checkpoint) } else { Some(checkpoint.clone()) } {
            writer.append_checkpoint(&other).expect("write");
        }
    }
    image
}

/// A checkpoint of any content, as whoever holds a key can make one.
fn forged(origin: &str, size: u64, root: [u8; 32], key: Option<&SigningKey>) -> Checkpoint {
    // The text of any tree with that root and size.
    let text = Checkpoint::of(origin, &Tree::default(), None).expect("unsigned").note.text;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = size.to_string();
    lines[2] = {
        use base64ct::{Base64, Encoding as _};
        Base64::encode_string(&root)
    };
    let mut note = Note::new(lines.join("\n") + "\n");
    if let Some(key) = key {
        note.sign(origin, &key.clone().into()).expect("it signs");
    }
    Checkpoint::parse(&note.encode()).expect("a checkpoint")
}

#[test]
fn a_log_that_is_not_what_its_last_checkpoint_says_is_refused_with_both_sides_shown() {
    let (storage, _) = closed(&signed());
    let last = verify_closed(&storage).expect("verify").events;
    let own = key(7);
    type Forge<'a> = Box<dyn Fn(&Checkpoint) -> Checkpoint + 'a>;
    let cases: Vec<(&str, Forge<'_>, &str)> = vec![
        ("root", Box::new(|c| forged(&c.origin, c.size, [9; 32], Some(&own))), "checkpoint_mismatch"),
        ("more", Box::new(|c| forged(&c.origin, c.size + 1, c.root, Some(&own))), "missing_events"),
        ("less", Box::new(|c| forged(&c.origin, c.size - 1, c.root, Some(&own))), "checkpoint_mismatch"),
        ("origin", Box::new(|c| forged("other/x", c.size, c.root, Some(&own))), "checkpoint_mismatch"),
        ("stripped", Box::new(|c| forged(&c.origin, c.size, c.root, None)), "missing_signature"),
        ("other key", Box::new(|c| forged(&c.origin, c.size, c.root, Some(&key(8)))), "missing_signature"),
        (
            "spoilt",
            Box::new(|c| {
                let mut other = c.clone();
                other.note.signatures[0].signature[3] ^= 1;
                other
            }),
            "invalid_signature",
        ),
    ];
    for (what, forge, code) in cases {
        let image = rewritten(&storage, |checkpoint| Some(forge(checkpoint)));
        let before = files(&image);
        for config in [signed(), Config { read_only: true, ..config() }] {
            match (what, open(&image, config).map(drop)) {
                (
                    "root" | "less",
                    Err(Error::HistoryChanged { anchor: Anchor::Checkpoint, log_size, log_root, .. }),
                ) => {
                    assert_eq!((log_size, log_root.is_some()), (last, true), "{what}");
                }
                ("more", Err(Error::HistoryChanged { anchor: Anchor::Checkpoint, size, log_size, log_root, .. })) => {
                    assert_eq!((size, log_size, log_root), (last + 1, last, None));
                }
                ("origin" | "stripped" | "other key" | "spoilt", Err(Error::Damaged { .. })) => {}
                (what, outcome) => panic!("{what}: {outcome:?}"),
            }
        }
        assert!(files(&image) == before, "{what}: a refused open changed something");
        let verdict = verify_closed(&image).expect("verify");
        assert!(verdict.findings.iter().any(|finding| finding.code == code), "{what}: {verdict:?}");
        assert!(verdict.rung < 2, "{what}: {verdict:?}");
    }
    let whole = rewritten(&storage, |checkpoint| Some(checkpoint.clone()));
    assert!(open(&whole, signed()).is_ok(), "the file that was written anew is not what is refused");
}

#[test]
fn a_head_that_does_not_go_on_from_the_last_checkpoint_is_refused() {
    let storage = MemoryStorage::new();
    let store = open(&storage, signed()).expect("open");
    append(&store, 20);
    let checkpoint = store.checkpoint().expect("checkpoint");
    let id = store.journal_id();
    drop(store);
    let reopened = open(&storage, signed()).expect("open");
    append(&reopened, 3);
    reopened.close().expect("close");
    let found = heads::read(&storage, &id).expect("read").expect("it is there");
    let (_, last) = found.heads.last().expect("a head").clone();
    let mut doctored = Tree::default();
    doctored.push(&[1; 32]);
    let reader = open(&storage, Config { read_only: true, ..config() }).expect("a reader");
    events(&reader, true).expect("read")[1..].iter().for_each(|event| doctored.push(&event.event_hash));
    assert_eq!(doctored.size(), last.tree.size());
    drop(reader);
    let image = storage.process_kill_image();
    image.remove(heads::NAME).expect("remove");
    let mut writer = HeadWriter::new(heads::create(&image, &id).expect("create"), id, 0).expect("begin");
    writer.append_checkpoint(&checkpoint).expect("write");
    writer.append(&heads::Head { root: doctored.root(), tree: doctored, ..last }).expect("write");
    let refused = open(&image, signed()).map(drop);
    assert!(matches!(&refused, Err(Error::Damaged { reason, .. }) if reason.contains("go on")), "{refused:?}");
}

#[test]
fn a_torn_last_checkpoint_is_passed_over_and_reported() {
    let (storage, checkpoint) = closed(&signed());
    // Only a reopened journal has something to add at its close.
    open(&storage, signed()).expect("open").close().expect("close");
    let whole = content(&storage, heads::NAME);
    let id = open(&storage, Config { read_only: true, ..config() }).expect("a reader").journal_id();
    let found = heads::read(&storage, &id).expect("read").expect("it is there");
    let (last, _) = found.checkpoints.last().expect("the close wrote one");
    assert_eq!(found.checkpoints.len(), 2);
    for length in [last + 1, last + 8, last + 50, whole.len() as u64 - 1] {
        let image = storage.process_kill_image();
        image.open(heads::NAME, Mode::Write).expect("open").truncate(length).expect("cut");
        let store = open(&image, signed()).expect("open");
        assert_eq!(store.report().torn_head_bytes, length - last);
        assert_eq!(store.checkpoints().expect("read"), std::slice::from_ref(&checkpoint));
        assert!(store.checkpoint().expect("checkpoint").size > checkpoint.size);
    }
}

// -- pins -------------------------------------------------------------------------------------------------------------

fn pinned(pins: &MemoryStorage, config: Config) -> Config {
    Config { pins: Some(Arc::new(pins.clone())), ..config }
}

fn read_only() -> Config {
    Config { read_only: true, ..config() }
}

#[test]
fn a_pin_refuses_an_old_copy_and_another_history() {
    for config in [config(), signed()] {
        let (pins, storage) = (MemoryStorage::new(), MemoryStorage::new());
        let store = open(&storage, pinned(&pins, config.clone())).expect("open");
        append(&store, 5);
        store.close().expect("close");
        let yesterday = storage.process_kill_image();
        let store = open(&storage, pinned(&pins, config.clone())).expect("open");
        append(&store, 5);
        store.close().expect("close");
        let (now, before) =
            (verify_closed(&storage).expect("verify").events, verify_closed(&yesterday).expect("verify").events);
        for how in [pinned(&pins, config.clone()), pinned(&pins, read_only())] {
            match open(&yesterday, how).map(drop) {
                Err(Error::HistoryChanged { anchor: Anchor::Pin, size, log_size, log_root: None, .. }) => {
                    assert_eq!((size, log_size), (now, before));
                }
                outcome => panic!("{outcome:?}"),
            }
        }
        // Somebody goes on with the old copy, past what was seen.
        let other = open(&yesterday, config.clone()).expect("without the pins nobody knows");
        append(&other, 50);
        other.close().expect("close");
        let refused = open(&yesterday, pinned(&pins, read_only())).map(drop);
        assert!(
            matches!(refused, Err(Error::HistoryChanged { anchor: Anchor::Pin, log_root: Some(_), .. })),
            "{refused:?}"
        );
        let refused = open(&yesterday, pinned(&pins, config.clone())).map(drop);
        assert!(matches!(refused, Err(Error::HistoryChanged { .. })), "{refused:?}");
        open(&storage, pinned(&pins, config.clone())).expect("the journal itself is what it was");
        // The pins of one journal say nothing about another.
        let another = MemoryStorage::new();
        open(&another, pinned(&pins, config)).expect("open").close().expect("close");
        assert_eq!(pins.export().len(), 2);
    }
}

#[test]
fn a_verdict_holds_the_log_against_the_pin() {
    let (pins, storage) = (MemoryStorage::new(), MemoryStorage::new());
    let store = open(&storage, pinned(&pins, signed())).expect("open");
    append(&store, 5);
    let old = storage.process_kill_image();
    append(&store, 5);
    assert_eq!(store.checkpoint().expect("checkpoint").size, 11);
    store.close().expect("close");
    let judge = |storage: &MemoryStorage| {
        let against = Against { pins: Some(&pins), ..Against::default() };
        batpak_core::verify::journal(storage, against, &|| false).expect("verify")
    };
    let verdict = judge(&storage);
    assert_eq!((verdict.rung, verdict.reason_code), (3, None), "{verdict:?}");
    assert_eq!(judge(&old).reason_code, Some("rollback_detected"));
    let other = open(&old, signed()).expect("open");
    append(&other, 20);
    other.close().expect("close");
    let verdict = judge(&old);
    assert_eq!((verdict.rung, verdict.reason_code), (1, Some("fork_detected")), "{verdict:?}");
    pins.open(&pins.list("").expect("list")[0], Mode::Write).expect("open").truncate(3).expect("cut");
    assert_eq!(judge(&storage).reason_code, Some("journal_damaged"));
}

#[test]
fn a_reader_pins_what_it_saw() {
    let (pins, (storage, checkpoint)) = (MemoryStorage::new(), closed(&signed()));
    drop(open(&storage, pinned(&pins, read_only())).expect("a reader"));
    let kept: Vec<Vec<u8>> = pins.export().into_values().collect();
    assert_eq!(kept, [checkpoint.note.encode().into_bytes()]);
}

#[test]
fn a_pin_that_is_damaged_is_refused_and_never_passed_over() {
    let (pins, storage) = (MemoryStorage::new(), MemoryStorage::new());
    let store = open(&storage, pinned(&pins, signed())).expect("open");
    append(&store, 5);
    store.close().expect("close");
    let name = pins.list("").expect("list").remove(0);
    let whole = content(&pins, &name);
    let note = Checkpoint::parse(std::str::from_utf8(&whole).unwrap()).expect("a checkpoint").note;
    for at in 0..note.text.len() {
        let image = pins.process_kill_image();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        image.open(&name, Mode::Write).expect("open").write_at(&bytes, 0).expect("write");
        let refused = open(&storage, pinned(&image, read_only())).map(drop);
        assert!(refused.is_err(), "byte {at} of {note:?}");
    }
    for length in 0..note.text.len() {
        let image = pins.process_kill_image();
        image.open(&name, Mode::Write).expect("open").truncate(length as u64).expect("cut");
        let refused = open(&storage, pinned(&image, signed())).map(drop);
        assert!(matches!(refused, Err(Error::Damaged { .. })), "cut at {length}: {refused:?}");
    }
}

#[test]
fn a_pin_that_cannot_be_written_is_an_error_and_takes_nothing_back() {
    for effect in [Effect::Fails, Effect::FailsAfter, Effect::ShortWrite(10)] {
        for call in 1.. {
            let (pins, storage) = (MemoryStorage::new(), MemoryStorage::new());
            let faulty = FaultyStorage::new(Arc::new(pins.clone()), []);
            let how = Config { pins: Some(Arc::new(faulty.clone())), ..signed() };
            let store = open(&storage, how.clone()).expect("open");
            append(&store, 3);
            faulty.arm(Fault::once(faulty.calls() + call, effect));
            let outcome = store.checkpoint();
            if faulty.hit().is_none() {
                assert!(call > 3, "only {call} calls");
                break;
            }
            assert!(outcome.is_err() || effect == Effect::FailsAfter, "{:?}", faulty.hit());
            // Asked again, it is pinned.
            let checkpoint = store.checkpoint().expect("once");
            assert_eq!(store.checkpoints().expect("read"), [checkpoint]);
            store.close().expect("close");
            open(&storage, pinned(&pins, signed())).expect("open again");
            assert!(open(&MemoryStorage::new(), pinned(&pins, signed())).is_ok());
        }
    }
}

/// The journal with the frames of its last segment changed, every checksum right.
fn reframed(storage: &MemoryStorage, change: impl FnOnce(&mut Vec<Forged>)) -> MemoryStorage {
    let mut files = files(storage);
    let (name, bytes) = files.iter_mut().rfind(|(name, _)| is_log(name)).expect("a segment");
    let first_sequence = name[name.len() - 24..name.len() - 4].parse().expect("a number");
    let (header, mut frames) = take_apart(bytes, first_sequence);
    change(&mut frames);
    *bytes = put_together(&header, &frames);
    MemoryStorage::import(files)
}

/// Whoever writes behind the end, or changes what no checkpoint covers yet, never gets the owner's word for it.
#[test]
fn frames_that_the_owner_did_not_sign_are_not_written_on() {
    let storage = MemoryStorage::new();
    let store = open(&storage, signed()).expect("open");
    append(&store, 5);
    store.close().expect("close");
    let store = open(&storage, signed()).expect("open");
    append(&store, 3);
    // Killed: these frames are behind the last checkpoint, and all of them are the owner's.
    let killed = storage.process_kill_image();
    drop(store);
    open(&killed.process_kill_image(), signed()).expect("what the owner signed goes on");
    let forged = reframed(&killed, |frames| {
        let last = frames.last_mut().expect("a frame");
        last.signature.as_mut().expect("signed").signature[7] ^= 1;
    });
    let refused = open(&forged, signed()).map(drop);
    assert!(matches!(&refused, Err(Error::Damaged { reason, .. }) if reason.contains("signature")), "{refused:?}");
    let forged = reframed(&killed, |frames| frames.last_mut().expect("a frame").signature = None);
    let refused = open(&forged, signed()).map(drop);
    assert!(matches!(&refused, Err(Error::Damaged { reason, .. }) if reason.contains("signed")), "{refused:?}");
}
