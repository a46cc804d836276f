//! The committed vectors: today's code reads them to exactly what they were, and writes the same bytes.

use std::collections::BTreeMap;

use batpak_core::header::{Caller, Header, encode_caller, encode_stamp};
use batpak_core::key::PublicKey;
use batpak_core::receipt::Receipt;
use batpak_core::storage::{DiskStorage, MemoryStorage, Storage};
use batpak_core::value::Value;
use batpak_core::verify::receipt::alone;
use batpak_core::{Config, frontier, heads, meta};
use batpak_tests::golden::{SEED, describe, encode, receipt_json, tagged};
use batpak_tests::journal::{config, content, events, files, is_log, open, verify};
use batpak_tests::reframe::{put_together, take_apart};
use serde_json::Value as Json;

fn vectors() -> DiskStorage {
    DiskStorage::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
}

fn json(name: &str) -> Json {
    serde_json::from_slice(&content(&vectors(), name)).expect("JSON")
}

fn unhex(text: &Json) -> Vec<u8> {
    let text = text.as_str().expect("text").as_bytes();
    text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
}

/// A committed journal, in memory.
fn journal(name: &str) -> MemoryStorage {
    let storage = vectors();
    let mut files = BTreeMap::new();
    for directory in ["", "segments/", "recovered/", "heads/"] {
        let listed = storage.list(&format!("journal-v1/{name}/{directory}")).expect("it is there");
        for file in listed.into_iter().filter(|file| !["segments", "recovered", "heads"].contains(&file.as_str())) {
            let path = format!("{directory}{file}");
            files.insert(path.clone(), content(&storage, &format!("journal-v1/{name}/{path}")));
        }
    }
    MemoryStorage::import(files)
}

#[test]
fn the_committed_journals_hold_what_they_held() {
    let expected = json("journal-v1/expected.json");
    assert_eq!(unhex(&expected["seed"]), SEED);
    for name in ["unsigned", "signed"] {
        let storage = journal(name);
        assert_eq!(describe(&storage), expected[name], "{name}");
        assert!(expected[name]["events"].as_array().is_some_and(|events| events.len() > 10));
        assert_eq!(expected[name]["segments"].as_array().map(Vec::len), Some(3));
    }
    assert_eq!(expected["signed"]["verdict"]["outcome"], "signed");
    assert_eq!(expected["unsigned"]["verdict"]["outcome"], "unsigned_accepted");
}

#[test]
fn the_committed_journals_are_written_the_same_way_today() {
    for name in ["unsigned", "signed"] {
        let storage = journal(name);
        for (file, bytes) in files(&storage).iter().filter(|(file, _)| is_log(file)) {
            let first = batpak_core::segment::first_sequence_of(&file["segments/".len()..]).expect("a segment's name");
            let (header, frames) = take_apart(bytes, first);
            assert_eq!(put_together(&header, &frames), *bytes, "{name} {file}");
        }
        let store = open(&storage, Config { read_only: true, ..config() }).expect("open");
        for event in events(&store, true).expect("read") {
            let header = Header::decode(event.header()).expect("a header");
            let metadata = event.metadata().expect("metadata").into_iter().collect();
            let mut again = Vec::new();
            let caller = Caller {
                journal_id: &header.journal_id,
                entity: header.entity,
                scope: header.scope,
                kind: header.kind,
                payload_version: header.payload_version,
                encoding: header.encoding,
                correlation_id: header.correlation_id.as_ref(),
                causation_id: header.causation_id.as_ref(),
                idempotency_key: header.idempotency_key.as_ref(),
                metadata: &metadata,
                payload_commitment: &header.payload_commitment,
                promise: header.promise,
            };
            encode_caller(&mut again, &caller).expect("it fits");
            encode_stamp(&mut again, &header.stamp);
            assert_eq!(again, event.header(), "{name}");
        }
        let found = content(&storage, "frontier");
        assert_eq!(frontier::Frontier::decode(&found).expect("a frontier").encode(), found);
        let found = content(&storage, "journal.meta");
        assert_eq!(meta::encode(meta::decode(&found, "journal.meta").expect("a copy")), found);
        rewrites_heads(&storage, store.journal_id());
    }
}

/// The same heads, written one after another into a new file, are the same file.
fn rewrites_heads(storage: &MemoryStorage, journal_id: [u8; 16]) {
    let found = heads::read(storage, &journal_id).expect("read").expect("it is there");
    let again = MemoryStorage::new();
    let file = heads::create(&again, &journal_id).expect("create");
    let mut writer = heads::HeadWriter::new(file, journal_id, 0).expect("a writer");
    let whole = content(storage, heads::NAME);
    let (mut heads, mut caches, mut checkpoints) = (found.heads.iter(), found.caches.iter(), found.checkpoints.iter());
    while content(&again, heads::NAME).len() < whole.len() {
        // Behind length and checksum, the type.
        match whole[content(&again, heads::NAME).len() + 8] {
            1 => writer.append(&heads.next().expect("a head").1).expect("append"),
            4 => writer.append_checkpoint(&checkpoints.next().expect("a checkpoint").1).expect("append"),
            _ => writer.append_cache(caches.next().expect("what files came to be")).expect("append"),
        }
    }
    assert_eq!(content(&again, heads::NAME), whole);
}

#[test]
fn the_committed_journals_can_be_written_on() {
    for name in ["unsigned", "signed"] {
        let storage = journal(name);
        let signer = (name == "signed").then(|| batpak_core::key::SigningKey::from_seed(&SEED).into());
        let store = open(&storage, Config { signer, ..config() }).expect("open");
        assert_eq!((store.report().path_taken, store.report().frontier_rebuilt), ("clean", false));
        let verdict = verify(&store).expect("verify");
        assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
    }
}

#[test]
fn the_committed_values_are_read_and_written_to_the_byte() {
    let vectors = json("values.json");
    let values = vectors["values"].as_array().expect("a list");
    assert!(values.len() > 50);
    for vector in values {
        let bytes = unhex(&vector["bytes"]);
        let value = Value::decode(&bytes).unwrap_or_else(|error| panic!("{vector}: {error}"));
        assert_eq!(encode(&value), bytes, "{vector}");
        assert_eq!(tagged(&value), vector["json"]);
    }
    for refused in vectors["refused"].as_array().expect("a list") {
        assert!(Value::decode(&unhex(refused)).is_err(), "{refused}");
    }
}

#[test]
fn the_committed_receipts_are_read_written_and_judged_the_same() {
    let receipts = json("receipts.json");
    let receipts = receipts.as_array().expect("a list");
    assert!(receipts.len() > 10);
    for vector in receipts {
        let bytes = unhex(&vector["bytes"]);
        let receipt = Receipt::decode(&bytes).expect("a receipt");
        assert_eq!(receipt.encode(), bytes);
        assert_eq!(receipt_json(&receipt), vector["json"]);
        let key = vector["public_key"].as_str().map(|_| {
            let bytes = unhex(&vector["public_key"]);
            PublicKey::from_bytes(bytes.as_slice().try_into().expect("32 bytes")).expect("a key")
        });
        let verdict = alone(&receipt, key.as_ref(), None).expect("verify");
        assert_eq!(serde_json::to_value(verdict.outcome).expect("plain"), vector["outcome"]);
    }
}
