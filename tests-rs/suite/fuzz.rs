//! Parsers of what strangers hand over, under random changes: they never panic, and what they accept is written back to the byte.
//! `just fuzz` runs it for longer.

use std::time::{Duration, Instant};

use batpak_core::header::{Header, Promise};
use batpak_core::proof::note::{parse_verifier_key, verifier_key};
use batpak_core::proof::{Checkpoint, Note};
use batpak_core::receipt::Receipt;
use batpak_core::storage::MemoryStorage;
use batpak_core::value::{self, Value};
use batpak_core::verify::evidence::{Detached, Evidence, Item, evidence};
use batpak_tests::journal::{events, open, signed, write};

/// A small generator: fast, and the same for a seed everywhere (xorshift64*).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }

    /// The bytes with a few changes: bits, bytes, cuts, insertions, a part of another one.
    fn changed(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(changed.len() + 1);
            match self.below(7) {
                0 if at < changed.len() => changed[at] ^= 1 << self.below(8),
                1 if at < changed.len() => changed[at] = *b"\0\n +=-09/~\xff".get(self.below(11)).unwrap_or(&0),
                2 => changed.truncate(at),
                3 => changed.insert(at, u8::try_from(self.next() & 0xFF).unwrap_or(0)),
                4 => drop(changed.drain(at..(at + self.below(9)).min(changed.len()))),
                5 => {
                    let from = self.below(other.len() + 1);
                    let part = &other[from..(from + self.below(40)).min(other.len())];
                    drop(changed.splice(at..at, part.iter().copied()));
                }
                _ => {
                    let part = changed[at..(at + self.below(40)).min(changed.len())].to_vec();
                    changed.extend_from_slice(&part);
                }
            }
        }
        changed
    }
}

/// How long to go on: some thousand rounds, or as many seconds as the environment says.
fn rounds() -> impl Iterator<Item = usize> {
    let seconds = std::env::var("BATPAK_FUZZ_S").ok().and_then(|text| text.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (0..).take_while(move |round| end.map_or(*round < 20_000, |end| round % 512 != 0 || Instant::now() < end))
}

fn seed() -> u64 {
    let given = std::env::var("BATPAK_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(0x9E37_79B9_7F4A_7C15)
}

/// Has a parser read changed samples; `again` writes what was accepted.
fn survives<T>(samples: &[Vec<u8>], read: impl Fn(&[u8]) -> Option<T>, again: impl Fn(&T) -> Vec<u8>) {
    let mut chance = Chance(seed());
    let mut accepted = 0_usize;
    for _ in rounds() {
        let sample = &samples[chance.below(samples.len())];
        let other = &samples[chance.below(samples.len())];
        let changed = chance.changed(sample, other);
        if let Some(parsed) = read(&changed) {
            accepted += 1;
            assert_eq!(again(&parsed), changed, "it was accepted, and is written otherwise");
        }
    }
    for sample in samples {
        assert_eq!(again(&read(sample).expect("a sample")), *sample);
    }
    assert!(accepted > 0, "nothing that was changed was ever accepted: the changes are too wild");
}

/// Checkpoints, receipts, headers, payloads and evidence of a real journal.
fn samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Evidence) {
    let store = open(&MemoryStorage::new(), signed()).expect("open");
    let mut receipts = Vec::new();
    for number in 0..12_u8 {
        let payloads: Vec<Vec<u8>> = (0..=number % 4).map(|item| vec![item; usize::from(number) * 3]).collect();
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let committed = write(&store, Promise::Manual, &format!("e{}", number % 3), &payloads).expect("append");
        receipts.extend((0..committed.len()).filter_map(|at| committed.receipt(at)).map(|receipt| receipt.encode()));
    }
    let first = store.checkpoint().expect("checkpoint");
    write(&store, Promise::Manual, "e1", &[b"more"]).expect("append");
    let checkpoint = store.checkpoint().expect("checkpoint");
    let item = |event: &batpak_core::read::Event| Item {
        sequence: event.stamp.sequence,
        header: event.header().to_vec(),
        detached: Some(Detached {
            salt: event.salt,
            private: event.private().to_vec(),
            payload: event.payload().to_vec(),
        }),
        path: store.prove(event.stamp.sequence, Some(checkpoint.size)).expect("prove").path,
    };
    let items = events(&store, true).expect("read").iter().map(item).collect();
    let path = store.prove_consistency(first.size, Some(checkpoint.size)).expect("prove").path;
    let notes = vec![first.note.encode().into_bytes(), checkpoint.note.encode().into_bytes()];
    let key = store.public_key().expect("a key");
    let keys = vec![(checkpoint.origin.clone(), key)];
    (notes, receipts, Evidence { checkpoint, earlier: vec![(first, path)], keys, items })
}

#[test]
fn notes_and_checkpoints() {
    let (notes, ..) = samples();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    survives(&notes, |bytes| Note::parse(&text(bytes)?).ok(), |note| note.encode().into_bytes());
    survives(&notes, |bytes| Checkpoint::parse(&text(bytes)?).ok(), |checkpoint| checkpoint.note.encode().into_bytes());
}

#[test]
fn verifier_keys() {
    let (_, _, evidence) = samples();
    let (name, key) = &evidence.keys[0];
    let named = [verifier_key(name, key), verifier_key("x", key)].map(String::into_bytes);
    let read = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        // White space around it is nobody's.
        parse_verifier_key(text).ok().filter(|_| text.trim() == text)
    };
    let mut chance = Chance(seed());
    for _ in rounds() {
        let changed = chance.changed(&named[0], &named[1]);
        if let Some((name, key)) = read(&changed) {
            assert_eq!(verifier_key(&name, &key).into_bytes(), changed);
        }
    }
}

#[test]
fn receipts() {
    let (_, receipts, _) = samples();
    survives(&receipts, |bytes| Receipt::decode(bytes).ok(), Receipt::encode);
}

#[test]
fn headers_and_values() {
    let (_, _, evidence) = samples();
    let headers: Vec<Vec<u8>> = evidence.items.iter().map(|item| item.header.clone()).collect();
    survives(&headers, |bytes| Header::decode(bytes).ok().map(|_| bytes.to_vec()), Clone::clone);
    let substrate = evidence.items[0].detached.as_ref().expect("it is there").payload.clone();
    let encode = |value: &Value| {
        let mut bytes = Vec::new();
        value.encode(&mut bytes).expect("it was decoded");
        bytes
    };
    let decode = |bytes: &[u8]| {
        let decoded = Value::decode(bytes).ok();
        assert_eq!(decoded.is_some(), value::validate(bytes).is_ok(), "two decoders of one encoding disagree");
        decoded
    };
    survives(&[substrate], decode, encode);
}

/// Evidence with anything changed is found out, unless the change leaves what it says as it is.
#[test]
fn evidence_with_anything_changed_is_never_signed() {
    let (_, _, honest) = samples();
    assert!(evidence(&honest, None).ok());
    let mut chance = Chance(seed());
    for _ in rounds().step_by(16) {
        let mut forged = honest.clone();
        let at = chance.below(forged.items.len());
        let other = honest.items[chance.below(honest.items.len())].clone();
        let item = &mut forged.items[at];
        match chance.below(6) {
            0 => item.header = chance.changed(&item.header, &other.header),
            1 => item.sequence = chance.next() % 20,
            2 => item.path = other.path,
            3 => {
                let detached = item.detached.as_mut().expect("it is there");
                detached.payload = chance.changed(&detached.payload, &other.header);
            }
            4 => forged.items.swap(at, other.sequence as usize),
            _ => forged.items.insert(at, other),
        }
        let same = forged.items == honest.items;
        assert_eq!(evidence(&forged, None).ok(), same, "{:?}", forged.items.get(at));
    }
}
