//! Receipts: what they carry, and that no changed one passes.

use batpak_core::error::Error;
use batpak_core::header::Promise;
use batpak_core::receipt::Receipt;
use batpak_core::storage::MemoryStorage;
use batpak_core::verification::{Axis, Outcome};
use batpak_core::verify::receipt::alone;
use batpak_core::{Config, Store};
use batpak_tests::journal::{config, key, open, signed, write};

/// A store, and the receipts of frames of one, two, three and seven events.
fn receipts(config: Config) -> (Store, Vec<Receipt>) {
    let store = open(&MemoryStorage::new(), config).expect("open");
    let mut receipts = Vec::new();
    for count in [1, 2, 3, 7] {
        let payloads: Vec<Vec<u8>> = (0..count).map(|number| vec![number; 5]).collect();
        let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let frame = write(&store, Promise::Manual, "a", &slices).expect("append");
        assert_eq!(frame.len(), payloads.len());
        receipts.extend((0..frame.len()).map(|index| frame.receipt(index).expect("a receipt")));
        assert_eq!(frame.receipt(frame.len()), None);
    }
    (store, receipts)
}

#[test]
fn a_receipt_reads_back_as_itself_and_holds() {
    for config in [config(), signed()] {
        let is_signed = config.signer.is_some();
        let (store, receipts) = receipts(config);
        for receipt in &receipts {
            let bytes = receipt.encode();
            let again = Receipt::decode(&bytes).expect("it was encoded");
            assert_eq!((&again, again.encode()), (receipt, bytes));
            let event = store.get(receipt.fields().expect("a header").stamp.sequence).expect("it is there");
            assert_eq!(receipt.event_hash(), event.event_hash);
            assert_eq!(receipt.header, event.header());
            let verdict = store.verify_receipt(receipt, None).expect("verify");
            assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
            assert_eq!(verdict.outcome, if is_signed { Outcome::Signed } else { Outcome::UnsignedAccepted });
            let key = key(7);
            let without = alone(receipt, is_signed.then(|| key.public()), Some(&event)).expect("verify");
            // Both agree on every axis that both check.
            assert_eq!((without.outcome, without.axes.content), (verdict.outcome, Axis::Passed));
            assert_eq!(
                (without.axes.signatures, without.axes.completeness),
                (verdict.axes.signatures, Axis::NotChecked)
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_a_signed_receipt_is_rejected_or_fails() {
    let (store, receipts) = receipts(signed());
    let key = key(7);
    for receipt in receipts.iter().step_by(4) {
        let bytes = receipt.encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                match Receipt::decode(&flipped) {
                    Err(error) => {
                        assert!(matches!(error, Error::InvalidReceipt { .. }), "byte {at} bit {bit}: {error}");
                    }
                    Ok(forged) => {
                        assert_eq!(forged.encode(), flipped);
                        let verdict = alone(&forged, Some(key.public()), None).expect("verify");
                        assert_eq!(verdict.outcome, Outcome::Invalid, "byte {at} bit {bit}");
                        assert!(!store.verify_receipt(&forged, None).expect("verify").ok(), "byte {at} bit {bit}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_an_unsigned_receipt_is_rejected_or_contradicts_the_journal() {
    let (store, receipts) = receipts(config());
    for receipt in receipts.iter().take(1) {
        let bytes = receipt.encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(forged) = Receipt::decode(&flipped) {
                    let ok = store.verify_receipt(&forged, None).expect("verify").ok();
                    // An unsigned receipt says nothing that holds of how large its frame was.
                    assert!(!ok || forged.header == receipt.header, "byte {at} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn a_receipt_cut_short_or_drawn_out_is_rejected() {
    let (_, receipts) = receipts(signed());
    let bytes = receipts[5].encode();
    for length in 0..bytes.len() {
        assert!(matches!(Receipt::decode(&bytes[..length]), Err(Error::InvalidReceipt { .. })), "{length}");
    }
    for tail in [&[0][..], &[1; 40]] {
        assert!(Receipt::decode(&[&bytes, tail].concat()).is_err());
    }
}

#[test]
fn a_receipt_with_the_wrong_key_without_one_or_from_elsewhere_is_told_apart() {
    let (store, receipts) = receipts(signed());
    let receipt = &receipts[2];
    let reason = |receipt: &Receipt, seed: u8| {
        let verdict = alone(receipt, Some(key(seed).public()), None).expect("verify");
        (verdict.outcome, verdict.reason_code)
    };
    assert_eq!(reason(receipt, 7), (Outcome::Signed, None));
    assert_eq!(reason(receipt, 8), (Outcome::Invalid, Some("unknown_signing_key")));
    let unsigned = Receipt { signature: None, ..receipt.clone() };
    assert_eq!(reason(&unsigned, 7), (Outcome::Invalid, Some("missing_signature")));
    assert_eq!(store.verify_receipt(&unsigned, None).expect("verify").reason_code, Some("missing_signature"));
    let mut zero = receipt.clone();
    zero.signature.as_mut().expect("signed").key_id = [0; 32];
    assert_eq!(reason(&zero, 7), (Outcome::Invalid, Some("zero_key_with_signature")));
    let mut borrowed = receipt.clone();
    borrowed.signature = receipts[0].signature;
    assert_eq!(reason(&borrowed, 7), (Outcome::Invalid, Some("invalid_signature")));
    let nobody = alone(receipt, None, None).expect("verify");
    assert_eq!((nobody.outcome, nobody.unverifiable), (Outcome::Unverifiable, 1));
    let (elsewhere, _) = self::receipts(signed());
    let verdict = elsewhere.verify_receipt(receipt, None).expect("verify");
    assert_eq!((verdict.outcome, verdict.reason_code), (Outcome::Invalid, Some("missing_committed_event")));
    let (_, theirs) = self::receipts(config());
    assert_eq!(alone(&theirs[0], None, None).expect("verify").outcome, Outcome::UnsignedAccepted);
}

#[test]
fn a_receipt_held_against_another_event_fails() {
    let (store, receipts) = receipts(signed());
    let other = store.get(2).expect("it is there");
    let verdict = alone(&receipts[0], Some(key(7).public()), Some(&other)).expect("verify");
    let codes: Vec<_> = verdict.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["event_id_mismatch", "sequence_mismatch", "content_hash_mismatch"]);
    assert_eq!((verdict.outcome, verdict.axes.signatures), (Outcome::Invalid, Axis::Passed));
}
