//! Somebody who knows the format changed a journal and made every checksum right.

use std::collections::BTreeMap;

use batpak_core::error::Error;
use batpak_core::frame::FrameSignature;
use batpak_core::hash::payload_commitment;
use batpak_core::header::{Header, Promise, Stamp};
use batpak_core::key::statement;
use batpak_core::merkle;
use batpak_core::record::Record;
use batpak_core::storage::MemoryStorage;
use batpak_core::verification::{Axis, Outcome, Verification};
use batpak_core::verify::Against;
use batpak_core::wire::put_bytes;
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, content, events, files, is_log, key, open, signed, verify, verify_closed, write};
use batpak_tests::reframe::{Forged, put_together, restamp, tail, take_apart};

type Files = BTreeMap<String, Vec<u8>>;

/// A change of a stamp, and of a segment.
type Restamp = fn(&mut Stamp);
type Reframe = fn(&mut Vec<Forged>);

const FIRST: &str = "segments/00000000000000000000.log";

/// One segment with frames of one and of two events on two entities, closed.
fn at_rest(config: &Config) -> Files {
    let storage = MemoryStorage::new();
    let store = open(&storage, config.clone()).expect("open");
    write(&store, Promise::Manual, "a", &[b"one"]).expect("append");
    write(&store, Promise::Manual, "b", &[b"two", b"three"]).expect("append");
    write(&store, Promise::Manual, "a", &[b"four"]).expect("append");
    write(&store, Promise::Manual, "a", &[b"five"]).expect("append");
    store.close().expect("close");
    files(&storage)
}

/// Changes the frames of the first segment and makes its checksums right.
fn forge(files: &Files, change: impl FnOnce(&mut Vec<Forged>)) -> Files {
    let (header, mut frames) = take_apart(&files[FIRST], 0);
    change(&mut frames);
    let mut forged = files.clone();
    forged.insert(FIRST.to_owned(), put_together(&header, &frames));
    forged
}

fn refusal(files: Files) -> Option<Error> {
    open(&MemoryStorage::import(files), Config { read_only: true, ..config() }).err()
}

fn verdict(files: Files) -> Verification {
    verify_closed(&MemoryStorage::import(files)).expect("damage is a finding")
}

fn codes(verdict: &Verification) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn taking_apart_and_putting_together_changes_nothing() {
    for config in [config(), signed()] {
        let files = at_rest(&config);
        assert_eq!(forge(&files, |_| {}), files);
    }
}

#[test]
fn a_stamp_that_breaks_the_order_is_refused_with_its_place() {
    let files = at_rest(&config());
    let changes: [(&str, Restamp); 12] = [
        ("sequence up", |stamp| stamp.sequence += 1),
        ("sequence down", |stamp| stamp.sequence -= 1),
        ("clock", |stamp| stamp.clock += 1),
        ("wall clock far back", |stamp| stamp.hlc.wall_us -= 10_000_000),
        ("wall clock on by a millisecond", |stamp| stamp.hlc.wall_us += 1000),
        ("id back to zero", |stamp| stamp.event_id[..6].fill(0)),
        ("id's milliseconds", |stamp| stamp.event_id[5] ^= 1),
        ("id not version 7", |stamp| stamp.event_id[6] ^= 0x10),
        ("id's variant", |stamp| stamp.event_id[8] ^= 0x80),
        ("previous sequence", |stamp| stamp.previous = stamp.previous.map(|(sequence, hash)| (sequence + 1, hash))),
        ("previous hash", |stamp| stamp.previous = stamp.previous.map(|(sequence, _)| (sequence, [1; 32]))),
        ("no previous", |stamp| (stamp.previous, stamp.clock) = (None, 0)),
    ];
    for (what, change) in changes {
        // Event 4, the second of "a": frames are `created`, one, two and three, four, five.
        let mut at = 0;
        let forged = forge(&files, |frames| {
            at = frames[3].offset;
            let (header, _) = &mut frames[3].records[0];
            *header = restamp(header, change);
        });
        match refusal(forged.clone()) {
            Some(Error::Damaged { file, offset, sequence, .. }) => {
                assert!(file.ends_with(FIRST) && offset >= at as u64, "{what}: {file} {offset}");
                assert_eq!(sequence, Some(4), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let verdict = verdict(forged);
        let finding = &verdict.findings[0];
        assert!(
            !verdict.ok() && finding.sequence == Some(4) && finding.offset >= Some(at as u64),
            "{what}: {verdict:?}"
        );
    }
}

#[test]
fn events_that_were_dropped_doubled_or_moved_are_refused() {
    for config in [config(), signed()] {
        let files = at_rest(&config);
        let changes: [(&str, Reframe); 6] = [
            ("a frame dropped", |frames| drop(frames.remove(2))),
            ("the last frame dropped", |frames| drop(frames.pop())),
            ("a frame doubled", |frames| frames.insert(2, frames[2].clone())),
            ("two frames swapped", |frames| frames.swap(3, 4)),
            ("two records swapped", |frames| frames[2].records.swap(0, 1)),
            ("a record dropped", |frames| drop(frames[2].records.pop())),
        ];
        for (what, change) in changes {
            let forged = forge(&files, change);
            // Whoever shortens the log has the last checkpoint against him.
            let refused = refusal(forged.clone());
            assert!(
                matches!(refused, Some(Error::Damaged { .. } | Error::HistoryChanged { .. })),
                "{what}: {refused:?}"
            );
            assert!(!verdict(forged).ok(), "{what}");
        }
    }
}

/// Another payload, with the commitment made right.
fn other_payload(record: &mut (Vec<u8>, Vec<u8>), payload: &[u8]) {
    let mut whole = Vec::new();
    put_bytes(&mut whole, &record.0);
    whole.extend_from_slice(&record.1);
    let old = Record::decode(&whole).expect("a record");
    let commitment = Header::decode(&record.0).expect("a header").payload_commitment;
    let at = record.0.windows(32).position(|window| window == commitment).expect("it is there");
    let new = tail(&old, payload);
    record.0[at..at + 32].copy_from_slice(&payload_commitment(&old.erasable.salt, old.erasable.private, payload));
    record.1 = new;
}

#[test]
fn a_changed_payload_does_not_fit_its_commitment() {
    let files = at_rest(&config());
    let forged = forge(&files, |frames| {
        let end = frames[1].records[0].1.len() - 1;
        frames[1].records[0].1[end] ^= 1;
    });
    let verdict = verdict(forged.clone());
    assert_eq!((codes(&verdict)[0], verdict.axes.content), ("content_hash_mismatch", Axis::Failed));
    let store = open(&MemoryStorage::import(forged), config()).expect("an open reads headers");
    assert!(matches!(store.get(1), Err(Error::Damaged { sequence: Some(1), .. })));
    assert!(events(&store, false).is_err());
    assert!(store.get(2).is_ok());
    assert!(!verify(&store).expect("verify").ok());
}

#[test]
fn a_changed_payload_with_its_commitment_breaks_the_chain_or_the_head() {
    for config in [config(), signed()] {
        let files = at_rest(&config);
        for frame in 1..5 {
            let forged = forge(&files, |frames| other_payload(&mut frames[frame].records[0], b"forged"));
            let verdict = verdict(forged.clone());
            assert!(!verdict.ok(), "frame {frame}");
            let signatures = if config.signer.is_some() { Axis::Failed } else { Axis::Absent };
            assert_eq!(verdict.axes.signatures, signatures, "frame {frame}");
            // Only the last event of an entity has nothing chained to it; the head knows the last event of all.
            let chained = frame != 2 || codes(&verdict).contains(&"order_mismatch");
            assert_eq!(refusal(forged).is_some(), chained, "frame {frame}");
        }
    }
}

#[test]
fn every_event_changed_with_hashes_and_chain_made_right_is_found_by_the_heads_and_by_signatures() {
    for config in [config(), signed()] {
        let files = at_rest(&config);
        // Event 3, the last of "b": nothing chains to it, and it is not the last of all.
        let forged = forge(&files, |frames| other_payload(&mut frames[2].records[1], b"forged"));
        let verdict = verdict(forged.clone());
        assert!(codes(&verdict).contains(&"head_mismatch"), "{verdict:?}");
        assert_eq!(codes(&verdict).contains(&"invalid_signature"), config.signer.is_some(), "{verdict:?}");
    }
}

#[test]
fn a_signature_that_was_stripped_swapped_or_made_with_another_key_is_found() {
    let files = at_rest(&signed());
    let journal_id = take_apart(&files[FIRST], 0).0.journal_id;
    let sign = |frame: &Forged, seed: u8| {
        let key = key(seed);
        let hashes: Vec<_> = frame.records.iter().map(|(header, _)| batpak_core::hash::event_hash(header)).collect();
        let first = Header::decode(&frame.records[0].0).expect("a header").stamp.sequence;
        let statement =
            statement(&journal_id, first, u32::try_from(hashes.len()).expect("small"), &merkle::root(&hashes));
        FrameSignature { key_id: key.public().key_id(), signature: key.sign(&statement) }
    };
    let stripped = forge(&files, |frames| frames[3].signature = None);
    assert_eq!(codes(&verdict(stripped))[0], "signature_missing");
    let all = forge(&files, |frames| frames.iter_mut().for_each(|frame| frame.signature = None));
    let verdict_of_all = verdict(all);
    assert!(codes(&verdict_of_all).iter().filter(|code| **code == "signature_missing").count() == 5);
    let swapped = forge(&files, |frames| frames[3].signature = frames[4].signature);
    assert_eq!(codes(&verdict(swapped)), ["invalid_signature"]);
    let another = forge(&files, |frames| frames[3].signature = Some(sign(&frames[3], 8)));
    assert_eq!(codes(&verdict(another)), ["unknown_signing_key"]);
    let same = forge(&files, |frames| frames[3].signature = Some(sign(&frames[3], 7)));
    assert_eq!(same, files);
    for (at, bytes) in [(0, 32), (32, 96)] {
        let forged = forge(&files, |frames| {
            let signature = frames[3].signature.as_mut().expect("signed");
            if at == 0 { signature.key_id[at] ^= 1 } else { signature.signature[bytes - 33] ^= 0x80 }
        });
        assert!(!verdict(forged).ok());
    }
    // Who knows the key from elsewhere is not told another one by the journal.
    let storage = MemoryStorage::import(files);
    let asked = |seed| {
        let key = key(seed);
        let against = Against { public_key: Some(key.public()), ..Against::default() };
        batpak_core::verify::journal(&storage, against, &|| false).expect("verify")
    };
    assert_eq!(asked(7).outcome, Outcome::Signed);
    assert_eq!(codes(&asked(8))[0], "unknown_signing_key");
}

#[test]
fn a_signed_journal_is_written_with_its_key_only() {
    let storage = MemoryStorage::import(at_rest(&signed()));
    let before = storage.export();
    assert!(matches!(open(&storage, config()), Err(Error::KeyRequired { .. })));
    let other = Config { signer: Some(key(8).into()), ..config() };
    assert!(matches!(open(&storage, other), Err(Error::WrongKey { .. })));
    let mut after = storage.export();
    after.remove("LOCK");
    assert_eq!(after, before, "a refusal changed something");
    assert!(open(&storage, signed()).is_ok());
}

#[test]
fn a_key_that_comes_later_signs_from_its_event_on() {
    let storage = MemoryStorage::import(at_rest(&config()));
    assert!(matches!(open(&storage, signed()), Err(Error::KeyNotInJournal)), "nobody asked that it be signed");
    for adopt_key in [true, false] {
        let store = open(&storage, Config { adopt_key, ..signed() }).expect("open");
        let receipt = write(&store, Promise::Manual, "a", &[b"signed"]).expect("append").receipt(0).expect("receipt");
        assert_eq!(store.verify_receipt(&receipt, None).expect("verify").outcome, Outcome::Signed);
        let verdict = verify(&store).expect("verify");
        assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
        store.close().expect("close");
        assert!(verify_closed(&storage).expect("verify").findings.is_empty());
    }
    assert!(matches!(open(&storage, config()), Err(Error::KeyRequired { .. })));
}

#[test]
fn a_later_format_version_is_told_from_damage() {
    let files = at_rest(&config());
    for (name, at, crc_at) in [(FIRST, 8, 60), ("checkpoints", 8, 28), (FIRST, 10, 60), ("checkpoints", 11, 28)] {
        let mut later = files.clone();
        let bytes = later.get_mut(name).expect("it is there");
        bytes[at] = 2;
        let crc = crc32c::crc32c(&bytes[..crc_at]);
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        let refused = refusal(later.clone());
        assert!(matches!(&refused, Some(Error::UnsupportedFormat { file, .. }) if file.ends_with(name)), "{refused:?}");
        let storage = MemoryStorage::import(later.clone());
        assert!(matches!(open(&storage, config()), Err(Error::UnsupportedFormat { .. })));
        assert_eq!(self::files(&storage), later, "a refusal changed something");
        assert_eq!(codes(&verdict(later))[0], "unsupported_format");
    }
    let mut later = files.clone();
    let bytes = later.get_mut("journal.meta").expect("it is there");
    bytes[8] = 2;
    let end = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(refusal(later), Some(Error::UnsupportedFormat { .. })));
}

/// Two journals of three segments each.
fn long(seed: u8) -> Files {
    let storage = MemoryStorage::new();
    let store = open(&storage, config()).expect("open");
    for _ in 0..5 {
        write(&store, Promise::Manual, "a", &[&[seed; 1700]]).expect("append");
    }
    store.close().expect("close");
    let files = files(&storage);
    assert_eq!(files.keys().filter(|name| is_log(name)).count(), 3);
    files
}

#[test]
fn a_segment_that_is_gone_or_in_anothers_place_is_refused() {
    let (files, other) = (long(1), long(2));
    let names: Vec<&String> = files.keys().filter(|name| is_log(name)).collect();
    for (number, name) in names.iter().enumerate() {
        let mut gone = files.clone();
        gone.remove(*name);
        let mut foreign = files.clone();
        foreign.insert((*name).clone(), other[*name].clone());
        let mut swapped = files.clone();
        let neighbour = names[(number + 1) % names.len()];
        swapped.insert((*name).clone(), files[neighbour].clone());
        swapped.insert(neighbour.clone(), files[*name].clone());
        let mut renamed = files.clone();
        let moved = renamed.remove(*name).expect("it is there");
        renamed.insert("segments/00000000000000000077.log".to_owned(), moved);
        for (what, changed) in [("gone", gone), ("foreign", foreign), ("swapped", swapped), ("renamed", renamed)] {
            let refused = refusal(changed.clone());
            assert!(matches!(refused, Some(Error::Damaged { .. })), "{name} {what}: {refused:?}");
            assert!(matches!(open(&MemoryStorage::import(changed.clone()), config()), Err(Error::Damaged { .. })));
            assert!(!verdict(changed).ok(), "{name} {what}");
        }
    }
    // All segments at once are another journal, and the other files say so.
    let mut spliced = files;
    spliced.extend(other.into_iter().filter(|(name, _)| is_log(name)));
    assert!(matches!(refusal(spliced), Some(Error::Damaged { .. })));
}

#[test]
fn a_head_that_was_taken_away_is_missed() {
    let mut files = long(1);
    files.get_mut("checkpoints").expect("it is there").truncate(32);
    assert_eq!(codes(&verdict(files.clone())), ["head_missing", "head_missing"]);
    let store = open(&MemoryStorage::import(files), config()).expect("open");
    assert!(codes(&verify(&store).expect("verify")).contains(&"head_missing"));
}

/// Writes a payload, and then reads the journal back in every way; then tears the frame behind it.
fn survives_payload(payload: &[u8]) {
    let storage = MemoryStorage::new();
    let config = Config { segment_bytes: 1 << 20, ..config() };
    let store = open(&storage, config.clone()).expect("open");
    write(&store, Promise::Manual, "a", &[payload]).expect("append");
    let one = storage.process_kill_image();
    write(&store, Promise::Manual, "a", &[b"last"]).expect("append");
    let two = storage.process_kill_image();
    store.close().expect("close");
    let (whole, longer) = (content(&one, FIRST), content(&two, FIRST));
    let check = |image: &MemoryStorage, expected: u64| {
        let store: Store = open(image, config.clone()).expect("open");
        assert_eq!(store.report().events, expected);
        let found = events(&store, false).expect("read");
        assert!(expected < 2 || found[0].payload() == payload);
        assert!(verify(&store).expect("verify").findings.is_empty());
    };
    check(&storage, 3);
    check(&two, 3);
    let torn = |bytes: Vec<u8>| {
        let mut files = one.export();
        files.insert(FIRST.to_owned(), bytes);
        MemoryStorage::import(files)
    };
    for cut in [1, 10, payload.len() / 2] {
        check(&torn(whole[..whole.len() - cut].to_vec()), 1);
    }
    check(&torn(longer[..longer.len() - 1].to_vec()), 2);
    // The frame around the payload is gone, and the payload stays.
    let mut holed = longer;
    let at = holed.windows(payload.len()).position(|window| window == payload).expect("it is there");
    holed[at - 1] ^= 1;
    check(&torn(holed), 1);
}

#[test]
fn a_payload_that_holds_a_frame_a_segment_or_a_checkpoint_is_never_taken_for_one() {
    let files = at_rest(&signed());
    let segment = &files[FIRST];
    let (_, frames) = take_apart(segment, 0);
    survives_payload(&segment[frames[1].offset..frames[2].offset]);
    survives_payload(segment);
    survives_payload(&[&vec![0; 4096 - 64], segment.as_slice()].concat());
    survives_payload(&files["checkpoints"]);
    // A frame of the journal itself, at the right place but for the offset.
    let storage = MemoryStorage::new();
    let config = Config { segment_bytes: 1 << 20, ..config() };
    let store = open(&storage, config.clone()).expect("open");
    let before = content(&storage, FIRST).len();
    write(&store, Promise::Manual, "a", &[b"copied"]).expect("append");
    let own = content(&storage, FIRST)[before..].to_vec();
    write(&store, Promise::Manual, "a", &[&own]).expect("append");
    let image = storage.process_kill_image();
    let length = content(&image, FIRST).len() as u64 - 1;
    let file = batpak_core::storage::Storage::open(&image, FIRST, batpak_core::storage::Mode::Write).expect("open");
    file.truncate(length).expect("truncate");
    let store = open(&image, config).expect("open");
    assert_eq!(store.report().events, 2);
}
