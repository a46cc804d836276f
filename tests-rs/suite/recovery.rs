//! The recovery table, and what a reopened journal says of what was lost.

use std::collections::HashSet;

use batpak_core::error::{Error, Result};
use batpak_core::header::Promise;
use batpak_core::recovery::{Decision, Situation, decide, walk};
use batpak_core::scan::Ending;
use batpak_core::storage::{MemoryStorage, Mode, Storage};
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, content, events, files, key, open, verify, verify_closed, write};

const LOG: &str = "segments/00000000000000000000.log";

#[test]
fn exactly_one_row_of_the_table_matches_each_situation() {
    let rows = walk();
    let situations: HashSet<Situation> = rows.iter().map(|(situation, _)| *situation).collect();
    assert_eq!((rows.len(), situations.len()), (16, 16));
    for (situation, matches) in rows {
        assert_eq!(matches, 1, "{situation:?}");
    }
}

#[test]
fn nothing_below_the_promise_is_ever_cut_and_sealed_segments_end_with_their_file() {
    for (situation, _) in walk() {
        let decision = decide(situation);
        let Situation { last, below_promise, ending } = situation;
        let expected = match (below_promise, last, ending) {
            (_, _, Ending::Newer) => Decision::RefuseNewer,
            (true, _, Ending::Other) => Decision::RefuseDamaged,
            (true, _, _) => Decision::RefuseMissing,
            (false, _, Ending::EndOfFile) => Decision::Clean,
            (false, true, Ending::Zeros) => Decision::CutZeros,
            (false, true, Ending::Other) => Decision::SetAside,
            (false, false, _) => Decision::RefuseDamaged,
        };
        assert_eq!(decision, expected, "{situation:?}");
    }
}

/// A killed writer's journal: `created`, a synced event, then two unsynced frames of two events.
fn killed(promise: Promise) -> (MemoryStorage, Vec<batpak_core::receipt::Receipt>, usize) {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    write(&store, Promise::Manual, "a", &[b"synced"]).expect("append");
    assert!(store.wait_durable(2, None).expect("sync"));
    let unsynced = [[[0xA1; 60], [0xA2; 60]], [[0xB1; 60], [0xB2; 60]]];
    let mut receipts = Vec::new();
    let mut last_frame = 0;
    for payloads in unsynced {
        last_frame = end_of_log(&storage);
        let slices: Vec<&[u8]> = payloads.iter().map(|payload| &payload[..]).collect();
        let frame = write(&store, promise, "a", &slices).expect("append");
        receipts.extend((0..2).filter_map(|index| frame.receipt(index)));
    }
    // Without space written ahead, the file ends with the last frame.
    let image = storage.process_kill_image();
    cut(&image, end_of_log(&image));
    (image, receipts, last_frame)
}

/// The end of the last frame: no payload here ends with a zero.
fn end_of_log(storage: &MemoryStorage) -> usize {
    content(storage, LOG).iter().rposition(|byte| *byte != 0).expect("bytes") + 1
}

fn cut(storage: &MemoryStorage, length: usize) {
    storage.open(LOG, Mode::Write).and_then(|file| file.truncate(length as u64)).expect("truncate");
}

fn patch(storage: &MemoryStorage, at: usize, bytes: &[u8]) {
    storage.open(LOG, Mode::Write).and_then(|file| file.write_at(bytes, at as u64)).expect("write");
}

fn told(store: &Store) -> usize {
    events(store, true).expect("read").iter().filter(|event| event.kind.code() == 6).count()
}

/// Opens, checks that exactly `tail` was set aside and that the log says so once, and that the next open is clean.
fn recovers(image: &MemoryStorage, tail: &[u8], events_left: u64, context: &str) {
    let store = open(image, config()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let report = store.report().clone();
    assert_eq!((report.path_taken, report.events), ("recovered", events_left), "{context}");
    assert_eq!((report.tail_bytes, report.first_cut_sequence), (tail.len() as u64, Some(events_left)), "{context}");
    let name = report.recovered_file.expect("a file");
    assert!(name.starts_with(&format!("{events_left:020}-")), "{context}: {name}");
    assert_eq!(content(image, &format!("recovered/{name}")), tail, "{context}");
    assert_eq!(told(&store), 1, "{context}");
    let verdict = verify(&store).expect("verify");
    assert!(verdict.ok() && verdict.findings.is_empty(), "{context}: {verdict:?}");
    // Killed again, or closed: it is told once.
    let killed = image.process_kill_image();
    store.close().expect("close");
    for again in [&killed, image] {
        let store = open(again, config()).unwrap_or_else(|error| panic!("{context}: again: {error}"));
        assert_eq!((store.report().path_taken, store.report().tail_bytes, told(&store)), ("clean", 0, 1), "{context}");
        store.close().expect("close");
        let verdict = verify_closed(again).expect("verify");
        assert!(verdict.ok() && verdict.findings.is_empty(), "{context}: {verdict:?}");
    }
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_frame_is_set_aside_to_the_byte() {
    let (image, _, last_frame) = killed(Promise::Interval);
    let whole = content(&image, LOG);
    for end in last_frame + 1..whole.len() {
        let torn = image.process_kill_image();
        cut(&torn, end);
        if whole[last_frame..end].iter().all(|byte| *byte == 0) {
            continue;
        }
        recovers(&torn, &whole[last_frame..end], 4, &format!("cut at {end} of {}", whole.len()));
    }
    cut(&image, last_frame);
    let store = open(&image, config()).expect("open");
    assert_eq!((store.report().path_taken, store.report().events), ("clean", 4));
}

#[test]
fn a_bit_flipped_in_the_last_unsynced_frame_cuts_that_frame() {
    let (image, _, last_frame) = killed(Promise::Interval);
    let whole = content(&image, LOG);
    for at in last_frame..whole.len() {
        let torn = image.process_kill_image();
        let flipped = whole[at] ^ (1 << (at % 8));
        patch(&torn, at, &[flipped]);
        let mut tail = whole[last_frame..].to_vec();
        tail[at - last_frame] = flipped;
        recovers(&torn, &tail, 4, &format!("flip at {at}"));
    }
}

#[test]
fn garbage_zeros_and_later_frames_behind_a_hole_are_cut_together() {
    let (image, _, last_frame) = killed(Promise::Interval);
    let whole = content(&image, LOG);
    let second = whole.windows(60).position(|window| window == [0xA1; 60]).expect("the payload");
    let first_unsynced = {
        let probe = image.process_kill_image();
        patch(&probe, second, &[0]);
        let store = open(&probe, config()).expect("open");
        assert_eq!(store.report().events, 2);
        whole.len() - usize::try_from(store.report().tail_bytes).expect("small")
    };
    for (what, at, bytes) in [
        ("a hole in the payload", second, vec![0; 60]),
        ("a frame of zeros before a whole one", first_unsynced, vec![0; last_frame - first_unsynced]),
        ("garbage before a whole one", first_unsynced, vec![0x5A; last_frame - first_unsynced]),
    ] {
        let holed = image.process_kill_image();
        patch(&holed, at, &bytes);
        let tail = content(&holed, LOG)[first_unsynced..].to_vec();
        recovers(&holed, &tail, 2, what);
    }
    for (what, tail) in [("one byte", vec![1]), ("zeros, then a byte", [vec![0; 5000], vec![9]].concat())] {
        let longer = image.process_kill_image();
        patch(&longer, whole.len(), &tail);
        recovers(&longer, &tail, 6, what);
    }
    let zeros = image.process_kill_image();
    patch(&zeros, whole.len(), &[0; 5000]);
    let store = open(&zeros, config()).expect("open");
    assert_eq!((store.report().path_taken, store.report().events, told(&store)), ("clean", 6, 0));
}

#[test]
fn a_hole_below_what_a_later_frame_calls_synced_is_refused_and_nothing_changes() {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    write(&store, Promise::Manual, "a", &[&[0xA1; 60]]).expect("append");
    let hole = content(&storage, LOG).len() - 30;
    assert!(store.wait_durable(2, None).expect("sync"));
    write(&store, Promise::Manual, "a", &[b"later"]).expect("append");
    let image = storage.process_kill_image();
    // Nothing but the later frame knows.
    image.remove("frontier").expect("remove");
    patch(&image, hole, &[0]);
    let before = files(&image);
    let Err(Error::Damaged { file, offset, sequence, .. }) = open(&image, config()) else { panic!("not refused") };
    assert!(file.ends_with(LOG) && offset < hole as u64 && sequence == Some(1), "{file} {offset} {sequence:?}");
    assert_eq!(files(&image), before);
}

/// What the journal says of a receipt.
fn reason(store: &Store, receipt: &batpak_core::receipt::Receipt) -> Result<Option<&'static str>> {
    Ok(store.verify_receipt(receipt, None)?.reason_code)
}

#[test]
fn a_receipt_of_the_cut_range_is_lost_if_unsynced_was_all_it_promised() {
    for (promise, expected) in [
        (Promise::Manual, "lost_unsynced"),
        (Promise::Interval, "lost_unsynced"),
        (Promise::Always, "missing_committed_event"),
    ] {
        let (image, receipts, last_frame) = killed(promise);
        patch(&image, last_frame + 40, &[0xFF; 4]);
        let store = open(&image, config()).expect("open");
        for round in 0..2 {
            for (number, receipt) in receipts.iter().enumerate() {
                let code = reason(&store, receipt).expect("verify");
                assert_eq!(code, (number > 1).then_some(expected), "{promise:?}, round {round}, receipt {number}");
            }
            // Other events take the sequences of the lost ones.
            for _ in 0..4 {
                write(&store, Promise::Manual, "a", &[b"new"]).expect("append");
            }
        }
        store.close().expect("close");
        let store = open(&image, config()).expect("open again");
        assert_eq!(reason(&store, &receipts[3]).expect("verify"), Some(expected));
        assert_eq!(reason(&store, &receipts[1]).expect("verify"), None);
    }
}

#[test]
fn a_cut_that_was_never_told_is_told_by_the_next_open() {
    let (image, receipts, last_frame) = killed(Promise::Interval);
    let whole = content(&image, LOG);
    let tail = &whole[last_frame..whole.len() - 1];
    let digest = batpak_core::hash::hex(&batpak_core::hash::digest(tail));
    // What a crash leaves that came after the cut and before the event.
    cut(&image, last_frame);
    image.create_directory("recovered").expect("directory");
    let name = format!("recovered/{:020}-{}.tail", 4, &digest[..16]);
    let file = image.open(&name, Mode::Create).expect("create");
    file.write_at(tail, 0).expect("write");
    // Somebody's own files there are nobody's business.
    image.open("recovered/notes.txt", Mode::Create).expect("create");
    let store = open(&image, config()).expect("open");
    assert_eq!((store.report().path_taken, told(&store)), ("clean", 1));
    assert_eq!(reason(&store, &receipts[3]).expect("verify"), Some("lost_unsynced"));
    store.close().expect("close");
    let store = open(&image, config()).expect("open again");
    assert_eq!(told(&store), 1);
    assert!(verify(&store).expect("verify").findings.is_empty());
}

#[test]
fn a_tail_is_told_of_in_a_signed_journal_under_its_signature() {
    let storage = MemoryStorage::new();
    let config = Config { signer: Some(key(3).into()), ..config() };
    let store = open(&storage, config.clone()).expect("open");
    write(&store, Promise::Manual, "a", &[b"lost"]).expect("append");
    let image = storage.process_kill_image();
    cut(&image, content(&image, LOG).len() - 1);
    let store = open(&image, config).expect("open");
    assert_eq!(told(&store), 1);
    let verdict = verify(&store).expect("verify");
    assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
    assert_eq!(verdict.outcome, batpak_core::verification::Outcome::Signed);
}

#[test]
fn a_frame_that_a_newer_version_wrote_is_refused_and_never_cut() {
    let (storage, _, last_frame) = killed(Promise::Interval);
    let mut files = storage.export();
    let log = files.get_mut(LOG).expect("log");
    // An unknown flag under a right checksum: no torn write looks so.
    log[last_frame + 15] |= 0x80;
    let frame = &log[last_frame..];
    let mut checked = log[28..44].to_vec();
    checked.extend_from_slice(&(last_frame as u64).to_le_bytes());
    checked.extend_from_slice(&frame[0..4]);
    checked.extend_from_slice(&frame[8..24]);
    let crc = crc32c::crc32c(&checked).to_le_bytes();
    log[last_frame + 4..last_frame + 8].copy_from_slice(&crc);
    let before = files.clone();
    let storage = MemoryStorage::import(files);
    let refused = open(&storage, config()).expect_err("a newer frame");
    assert!(matches!(&refused, Error::Damaged { offset, .. } if *offset == last_frame as u64), "{refused}");
    assert!(refused.to_string().contains("upgrade"), "{refused}");
    let mut after = storage.export();
    after.remove("LOCK");
    assert_eq!(after, before.into_iter().filter(|(name, _)| name != "LOCK").collect());
}
