//! Checks checkpoints and proofs: without a store, and without trust in whoever hands them over.

use crate::key::PublicKey;
use crate::proof::{Checkpoint, Consistency, Inclusion};
use crate::read::Event;
use crate::verification::{Axis, Finding, Outcome, Verification};

fn find(verdict: &mut Verification, axis: &'static str, code: &'static str, sequence: Option<u64>, message: &str) {
    verdict.find(Finding { axis, code, message: message.to_owned(), file: None, offset: None, sequence });
}

fn check_signature(verdict: &mut Verification, checkpoint: &Checkpoint, key: Option<&PublicKey>) {
    let last = checkpoint.size.checked_sub(1);
    match (key, key.and_then(|key| checkpoint.note.is_signed_by(&checkpoint.origin, key))) {
        (Some(_), Some(true)) => {
            if verdict.axes.signatures != Axis::Failed {
                verdict.axes.signatures = Axis::Passed;
            }
        }
        (Some(_), Some(false)) => {
            find(verdict, "signatures", "invalid_signature", last, "the signature of the checkpoint is not valid");
        }
        (Some(_), None) if checkpoint.note.signatures.is_empty() => {
            find(verdict, "signatures", "missing_signature", last, "the checkpoint must be signed, and is not");
        }
        (Some(_), None) => {
            find(verdict, "signatures", "unknown_signing_key", last, "the checkpoint is signed by other keys only");
        }
        (None, _) if checkpoint.note.signatures.is_empty() => verdict.axes.signatures = Axis::Absent,
        (None, _) => {
            verdict.unverifiable += 1;
            verdict.reason_code.get_or_insert("unknown_signing_key");
        }
    }
}

fn settle(mut verdict: Verification, checkpoint: &Checkpoint) -> Verification {
    let signed = verdict.axes.signatures == Axis::Passed;
    if verdict.outcome != Outcome::Invalid {
        verdict.outcome = match verdict.axes.signatures {
            Axis::Passed => Outcome::Signed,
            Axis::Absent => Outcome::UnsignedAccepted,
            _ => Outcome::Unverifiable,
        };
        if signed {
            verdict.rung = 2;
        }
    }
    verdict.checkpoint_size = signed.then_some(checkpoint.size);
    verdict
}

/// Checks who signed a checkpoint; without a key, whether anybody says to have.
#[must_use]
pub fn checkpoint(checkpoint: &Checkpoint, key: Option<&PublicKey>) -> Verification {
    let mut verdict = Verification::unchecked();
    check_signature(&mut verdict, checkpoint, key);
    settle(verdict, checkpoint)
}

/// Checks that an event is under a checkpoint; with the event itself, that it is that one.
#[must_use]
pub fn inclusion(
    proof: &Inclusion,
    checkpoint: &Checkpoint,
    key: Option<&PublicKey>,
    event: Option<&Event>,
) -> Verification {
    let mut verdict = Verification::unchecked();
    verdict.events = 1;
    let sequence = Some(proof.index);
    if proof.size != checkpoint.size || proof.root() != Some(checkpoint.root) {
        let message = "the proof does not lead to the root of the checkpoint";
        find(&mut verdict, "anchors", "inclusion_mismatch", sequence, message);
    } else {
        verdict.axes.anchors = Axis::Passed;
    }
    if let Some(event) = event {
        verdict.axes.content = Axis::Passed;
        verdict.axes.order = Axis::Passed;
        if event.event_hash != proof.event_hash {
            let message = "the event is not the one that the proof is about";
            find(&mut verdict, "content", "content_hash_mismatch", sequence, message);
        }
        if event.stamp.sequence != proof.index {
            find(&mut verdict, "order", "sequence_mismatch", sequence, "the event has another sequence than its leaf");
        }
    }
    check_signature(&mut verdict, checkpoint, key);
    settle(verdict, checkpoint)
}

/// Checks that one checkpoint goes on from another.
#[must_use]
pub fn consistency(proof: &Consistency, old: &Checkpoint, new: &Checkpoint, key: Option<&PublicKey>) -> Verification {
    let mut verdict = Verification::unchecked();
    let about = (proof.old_size, proof.old_root) == (old.size, old.root)
        && (proof.new_size, proof.new_root) == (new.size, new.root)
        && old.origin == new.origin;
    let last = new.size.checked_sub(1);
    if !about {
        let message = "the proof is about other checkpoints than these";
        find(&mut verdict, "anchors", "checkpoint_mismatch", last, message);
    } else if proof.holds() {
        verdict.axes.anchors = Axis::Passed;
    } else {
        let message = "the newer checkpoint does not go on from the older one, as far as this proof shows";
        find(&mut verdict, "anchors", "consistency_mismatch", last, message);
    }
    check_signature(&mut verdict, old, key);
    check_signature(&mut verdict, new, key);
    settle(verdict, new)
}
