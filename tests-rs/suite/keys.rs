//! The life of keys: one comes after another, one is revoked, and one never enters the process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use batpak_core::error::{Error, Result};
use batpak_core::header::Promise;
use batpak_core::heads::{self, HeadWriter, Said};
use batpak_core::key::{PublicKey, SigningKey};
use batpak_core::proof::{Checkpoint, parse_signer_key, signer_key};
use batpak_core::receipt::Receipt;
use batpak_core::signer::{Elsewhere, Signer};
use batpak_core::storage::{Effect, Fault, FaultyStorage, MemoryStorage, Storage};
use batpak_core::verification::{Outcome, Verification};
use batpak_core::verify::Against;
use batpak_core::{Config, Store};
use batpak_tests::crash_images::crash_images;
use batpak_tests::journal::{config, key, open, signed, verify_closed, write};

fn by(seed: u8) -> Config {
    Config { signer: Some(key(seed).into()), ..config() }
}

fn append(store: &Store) -> Result<u64> {
    Ok(write(store, Promise::Manual, "a", &[b"payload"])?.first_sequence)
}

fn verify_by(storage: &dyn Storage, public: &PublicKey) -> Verification {
    let against = Against { public_key: Some(public), ..Against::default() };
    batpak_core::verify::journal(storage, against, &|| false).expect("verify")
}

fn codes(verdict: &Verification) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

/// Signed by key 7, then by 8, then by 9, and closed; with receipts of all three.
fn rotated() -> (MemoryStorage, Vec<Receipt>) {
    let storage = MemoryStorage::new();
    let append = |store: &Store| write(store, Promise::Manual, "a", &[b"payload", b"another"]).expect("append");
    let store = open(&storage, signed()).expect("open");
    let mut frames = vec![append(&store), store.rotate_key(&key(8).into()).expect("rotate"), append(&store)];
    store.close().expect("close");
    let store = open(&storage, by(8)).expect("open");
    frames.extend([append(&store), store.rotate_key(&key(9).into()).expect("rotate"), append(&store)]);
    store.close().expect("close");
    (storage, frames.iter().map(|frame| frame.receipt(frame.len() - 1).expect("a receipt")).collect())
}

/// The same journal with those checkpoints only that `keep` wants.
fn with_checkpoints(storage: &MemoryStorage, keep: impl Fn(&Checkpoint) -> bool) -> MemoryStorage {
    let image = storage.process_kill_image();
    let id = open(&image, Config { read_only: true, ..config() }).expect("a reader").journal_id();
    let found = heads::read(&image, &id).expect("read").expect("it is there");
    image.remove(heads::NAME).expect("remove");
    let mut writer = HeadWriter::new(heads::create(&image, &id).expect("create"), id, 0).expect("begin");
    let wanted = |said: &Said<'_>| !matches!(said, Said::Checkpoint(checkpoint) if !keep(checkpoint));
    for said in found.in_order().into_iter().filter(wanted) {
        writer.append_said(&said).expect("write");
    }
    image
}

#[test]
fn a_key_comes_after_another_and_each_signs_its_part() {
    let (storage, receipts) = rotated();
    assert!(matches!(open(&storage, by(7)), Err(Error::WrongKey { .. })));
    assert!(matches!(open(&storage, by(8)), Err(Error::WrongKey { .. })));
    assert!(matches!(open(&storage, config()), Err(Error::KeyRequired { .. })));
    let store = open(&storage, by(9)).expect("open");
    let keys = store.keys().expect("keys");
    assert_eq!(
        keys.iter().map(|period| &period.key).collect::<Vec<_>>(),
        [7, 8, 9].map(key).each_ref().map(SigningKey::public)
    );
    for (receipt, signer) in receipts.iter().zip([7, 8, 8, 8, 9, 9]) {
        assert_eq!(receipt.signature.expect("signed").key_id, key(signer).public().key_id());
        // Whichever of the keys is trusted, it leads to the one that signed.
        for given in [None].into_iter().chain(keys.iter().map(|period| Some(&period.key))) {
            let verdict = store.verify_receipt(receipt, given).expect("verify");
            assert_eq!(verdict.outcome, Outcome::Signed, "{given:?}: {verdict:?}");
        }
        let other = store.verify_receipt(receipt, Some(key(6).public())).expect("verify");
        assert_eq!(other.reason_code, Some("unknown_signing_key"));
    }
    assert!(matches!(store.rotate_key(&key(9).into()), Err(Error::InvalidInput { .. })), "the key in force");
    assert!(matches!(store.rotate_key(&key(7).into()), Err(Error::InvalidInput { .. })), "a key comes once");
    store.close().expect("close");
    let verdict = verify_closed(&storage).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung), (Outcome::Signed, 2), "{verdict:?}");
    for seed in [7, 8, 9] {
        let verdict = verify_by(&storage, key(seed).public());
        assert_eq!((verdict.outcome, verdict.rung), (Outcome::Signed, 2), "key {seed}: {verdict:?}");
    }
    assert_eq!(codes(&verify_by(&storage, key(6).public())), ["unknown_signing_key"]);
}

#[test]
fn a_later_key_vouches_for_what_its_checkpoint_covers() {
    let (storage, _) = rotated();
    let keys = open(&storage, Config { read_only: true, ..config() }).expect("a reader").keys().expect("keys");
    let early = with_checkpoints(&storage, |checkpoint| checkpoint.size <= keys[1].from);
    assert_eq!(verify_by(&early, key(7).public()).outcome, Outcome::Signed, "the first key endorses the others");
    for seed in [8, 9] {
        let verdict = verify_by(&early, key(seed).public());
        assert_eq!((codes(&verdict), verdict.rung), (vec!["unknown_signing_key"], 1), "key {seed}");
    }
}

#[test]
fn what_a_revoked_key_signed_counts_as_far_as_a_later_checkpoint_covers_it() {
    let (storage, _) = rotated();
    let store = open(&storage, by(9)).expect("open");
    let [first, second, third] = [7, 8, 9].map(|seed| key(seed).public().key_id());
    for (key_id, reason) in [(&third, "in force"), (&[1; 32], "never was"), (&first, "")] {
        assert!(matches!(store.revoke_key(key_id, reason), Err(Error::InvalidInput { .. })), "{reason}");
    }
    store.revoke_key(&first, "lost with a laptop").expect("revoke");
    assert!(matches!(store.revoke_key(&first, "again"), Err(Error::InvalidInput { .. })));
    append(&store).expect("append");
    store.revoke_key(&second, "the same laptop").expect("revoke");
    let keys = store.keys().expect("keys");
    let [revoked_first, revoked_second] = [keys[0].revoked_at.expect("revoked"), keys[1].revoked_at.expect("revoked")];
    assert_eq!(keys[2].revoked_at, None);
    store.close().expect("close");
    let keys = open(&storage, by(9)).expect("open again").keys().expect("keys");
    assert_eq!((keys[0].revoked_at, keys[1].revoked_at), (Some(revoked_first), Some(revoked_second)));
    let verdict = verify_closed(&storage).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung, codes(&verdict)), (Outcome::Signed, 2, vec![]));
    // Without what was stated between the coming of the third key and the revocations, anybody with the old keys can have written it.
    let unvouched =
        with_checkpoints(&storage, |checkpoint| checkpoint.size <= keys[2].from || checkpoint.size > revoked_second);
    let verdict = verify_closed(&unvouched).expect("verify");
    assert_eq!(codes(&verdict), ["revoked_signing_key", "revoked_signing_key"]);
    assert_eq!(verdict.findings[0].sequence, Some(0), "{verdict:?}");
    // A checkpoint of the second key, itself covered in time, speaks for the first; after its own revocation it does not.
    let chained = with_checkpoints(&storage, |checkpoint| {
        (keys[1].from + 1..=keys[2].from).contains(&checkpoint.size) || checkpoint.size > revoked_first
    });
    assert_eq!(codes(&verify_closed(&chained).expect("verify")), Vec::<&str>::new());
}

/// Keeps key 7 where the store does not see it.
#[derive(Debug)]
struct Agent {
    key: SigningKey,
    calls: AtomicU64,
    refuses: AtomicBool,
    lies: AtomicBool,
    store: Mutex<Weak<Store>>,
    inside: Mutex<Vec<String>>,
}

impl Agent {
    fn new(seed: u8) -> Arc<Self> {
        Arc::new(Self {
            key: key(seed),
            calls: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            lies: AtomicBool::new(false),
            store: Mutex::default(),
            inside: Mutex::default(),
        })
    }

    fn config(self: &Arc<Self>) -> Config {
        Config { signer: Some(self.signer()), ..config() }
    }

    fn signer(self: &Arc<Self>) -> Signer {
        Signer::Elsewhere(Arc::clone(self) as Arc<dyn Elsewhere>)
    }
}

impl Elsewhere for Agent {
    fn public(&self) -> &PublicKey {
        self.key.public()
    }

    fn sign(&self, statement: &[u8]) -> Result<[u8; 64]> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(store) = self.store.lock().expect("lock").upgrade() {
            let kept = store.events().expect("a signer may read");
            let refused = [
                append(&store).map(drop),
                store.checkpoint().map(drop),
                store.close(),
                store.rotate_key(&key(3).into()).map(drop),
                store.revoke_key(&[1; 32], "x").map(drop),
            ];
            for outcome in refused {
                self.inside.lock().expect("lock").push(format!("{kept} {outcome:?}"));
            }
        }
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Error::SignerFailed { reason: "the agent is locked".to_owned() });
        }
        std::thread::yield_now();
        let mut signature = self.key.sign(statement);
        signature[9] ^= u8::from(self.lies.load(Ordering::Relaxed));
        Ok(signature)
    }
}

#[test]
fn a_key_elsewhere_signs_every_frame_before_it_exists() {
    let (storage, agent) = (MemoryStorage::new(), Agent::new(7));
    let store = Arc::new(open(&storage, agent.config()).expect("open"));
    append(&store).expect("append");
    let before = (store.events().expect("events"), agent.calls.load(Ordering::Relaxed));
    for (flag, reason) in [(&agent.refuses, "the agent is locked"), (&agent.lies, "not its key's signature")] {
        flag.store(true, Ordering::Relaxed);
        for outcome in [append(&store).map(drop), store.checkpoint().map(drop)] {
            assert!(
                matches!(&outcome, Err(Error::SignerFailed { reason: said }) if said.contains(reason)),
                "{outcome:?}"
            );
        }
        flag.store(false, Ordering::Relaxed);
    }
    assert_eq!(store.events().expect("events"), before.0, "what was not signed does not exist");
    assert_eq!(agent.calls.load(Ordering::Relaxed), before.1 + 4);
    assert_eq!(append(&store).expect("append"), before.0, "and leaves no gap");
    // From inside, it may look; what would wait for itself is refused.
    *agent.store.lock().expect("lock") = Arc::downgrade(&store);
    append(&store).expect("append");
    *agent.store.lock().expect("lock") = Weak::new();
    let inside = std::mem::take(&mut *agent.inside.lock().expect("lock"));
    assert_eq!(inside.len(), 5);
    assert!(inside.iter().all(|outcome| outcome.contains("SignerFailed")), "{inside:?}");
    store.close().expect("close");
    assert_eq!(verify_closed(&storage).expect("verify").outcome, Outcome::Signed);
    open(&storage, signed()).expect("the same key, here").close().expect("close");
    let other = Agent::new(8);
    assert!(matches!(open(&storage, other.config()), Err(Error::WrongKey { .. })));
    assert_eq!(other.calls.load(Ordering::Relaxed), 0);
}

#[test]
fn threads_take_turns_at_a_signer_while_keys_are_exchanged_and_checkpoints_made() {
    let storage = MemoryStorage::new();
    let agents = [Agent::new(11), Agent::new(12)];
    let store = open(&storage, signed()).expect("open");
    let mut sequences = std::thread::scope(|scope| {
        let writing = || (0..60).map(|_| append(&store).expect("append")).collect::<Vec<_>>();
        let writers = [(); 4].map(|()| scope.spawn(writing));
        let stating = scope.spawn(|| (0..20).for_each(|_| drop(store.checkpoint().expect("checkpoint"))));
        // Here, elsewhere, elsewhere, here again.
        for next in [agents[0].signer(), agents[1].signer(), key(13).into()] {
            store.rotate_key(&next).expect("rotate");
        }
        stating.join().expect("no panic");
        writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect::<Vec<_>>()
    });
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), 240, "each event once");
    assert_eq!(store.keys().expect("keys").len(), 4);
    store.close().expect("close");
    let verdict = verify_closed(&storage).expect("verify");
    assert_eq!((verdict.outcome, verdict.rung, codes(&verdict)), (Outcome::Signed, 2, vec![]));
    assert_eq!(open(&storage, by(13)).expect("open").events().expect("events"), 240 + 3 + 1 + 1);
}

/// Opens what a crash left with whichever key is in force.
fn opened(image: &MemoryStorage, case: &str) -> (u8, Store) {
    let open = |seed| open(image, by(seed)).map(|store| (seed, store));
    open(7)
        .or_else(|error| match error {
            Error::WrongKey { .. } => open(8),
            error => Err(error),
        })
        .unwrap_or_else(|error| panic!("{case}: {error}"))
}

/// Every storage call of a rotation and a revocation fails once in each way; then every crash image is opened.
#[test]
fn no_crash_leaves_a_journal_between_two_keys() {
    let mut tried = 0;
    for effect in [Effect::Fails, Effect::FailsAfter, Effect::ShortWrite(40)] {
        for call in 1.. {
            let inner = MemoryStorage::recording();
            let faulty = FaultyStorage::new(Arc::new(inner.clone()), []);
            let store = open(&faulty, signed()).expect("open");
            append(&store).expect("append");
            faulty.arm(Fault::once(faulty.calls() + call, effect));
            let rotated = store.rotate_key(&key(8).into()).is_ok();
            let revoked = store.revoke_key(&key(7).public().key_id(), "lost").is_ok();
            let (hit, calls) = (faulty.hit(), faulty.calls());
            for (image, disk) in crash_images(&inner, 2, call) {
                let case = format!("{effect:?} at {hit:?}, {image}");
                let (seed, reopened) = opened(&disk, &case);
                let keys = reopened.keys().expect("keys");
                assert!(seed == 8 || !rotated, "{case}: the rotation was acknowledged");
                assert!(keys[0].revoked_at.is_some() || !revoked, "{case}: the revocation was acknowledged");
                append(&reopened).unwrap_or_else(|error| panic!("{case}: {error}"));
                reopened.close().unwrap_or_else(|error| panic!("{case}: {error}"));
                let verdict = verify_closed(&disk).expect("verify");
                assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Signed, vec![]), "{case}");
                tried += 1;
            }
            drop(store);
            if hit.is_none() {
                assert!(calls > 8, "only {calls} calls");
                break;
            }
        }
    }
    assert!(tried > 100, "only {tried} images");
}

#[test]
fn keys_of_notes_are_read_as_they_are_written_and_nothing_else_is() {
    let text = signer_key("example.com/log", &key(7));
    let (name, read) = parse_signer_key(&text).expect("its own text");
    assert_eq!((name.as_str(), read.public()), ("example.com/log", key(7).public()));
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let outcome = parse_signer_key(&changed);
        assert!(outcome.is_err(), "byte {at} of {text}: {outcome:?}");
    }
    for bad in ["", "PRIVATE+KEY+", "PRIVATE+KEY+a+b", "PRIVATE+KEY+name+00000000+AQ=="] {
        assert!(matches!(parse_signer_key(bad), Err(Error::InvalidKey { .. })), "{bad}");
    }
}
