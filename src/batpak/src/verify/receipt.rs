//! Checks a receipt: by itself, with a public key, with the event, or against the journal. One implementation; what needs something that is
//! not there is `not_checked`.

use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::hash::hex;
use crate::header::Promise;
use crate::heads;
use crate::inner::Inner;
use crate::key::{PublicKey, statement};
use crate::read::{self, Event};
use crate::receipt::Receipt;
use crate::system::Substrate;
use crate::verification::{Axis, Finding, Outcome, Verification};

fn find(verdict: &mut Verification, axis: &'static str, code: &'static str, sequence: u64, message: &str) {
    verdict.find(Finding {
        axis,
        code,
        message: message.to_owned(),
        file: None,
        offset: None,
        sequence: Some(sequence),
    });
}

/// Which key a receipt must be signed by.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// The caller says so.
    Key(&'a PublicKey),
    /// The journal is unsigned there.
    Unsigned,
    /// Nobody knows.
    Unknown,
}

/// Checks a receipt without a store.
pub fn alone(receipt: &Receipt, public_key: Option<&PublicKey>, event: Option<&Event>) -> Result<Verification> {
    let mut verdict = Verification::unchecked();
    verdict.events = 1;
    if let Some(event) = event {
        compare(&mut verdict, receipt, event)?;
    }
    check_signature(&mut verdict, receipt, public_key.map_or(Expected::Unknown, Expected::Key))?;
    verdict.rung = rung(&verdict);
    Ok(verdict)
}

/// A receipt reaches the chain if it fits an event; nothing that is wrong reaches anything.
fn rung(verdict: &Verification) -> u8 {
    u8::from(verdict.outcome != Outcome::Invalid && verdict.axes.order == Axis::Passed)
}

/// Compares with the event that the receipt should be of. The event's payload was checked when it was read.
fn compare(verdict: &mut Verification, receipt: &Receipt, event: &Event) -> Result<()> {
    let fields = receipt.fields()?;
    let sequence = fields.stamp.sequence;
    verdict.axes.content = Axis::Passed;
    verdict.axes.order = Axis::Passed;
    if event.stamp.event_id != fields.stamp.event_id {
        find(verdict, "order", "event_id_mismatch", sequence, "the event has another id than the receipt says");
    }
    if event.stamp.sequence != sequence {
        find(verdict, "order", "sequence_mismatch", sequence, "the event has another sequence than the receipt says");
    }
    if event.event_hash != receipt.event_hash() {
        find(
            verdict,
            "content",
            "content_hash_mismatch",
            sequence,
            "the event is not the one that the receipt was given for",
        );
    }
    Ok(())
}

fn check_signature(verdict: &mut Verification, receipt: &Receipt, expected: Expected<'_>) -> Result<()> {
    let fields = receipt.fields()?;
    let sequence = fields.stamp.sequence;
    match (&receipt.signature, expected) {
        (None, Expected::Key(_)) => {
            find(verdict, "signatures", "missing_signature", sequence, "the receipt must be signed, and is not");
        }
        (None, Expected::Unsigned | Expected::Unknown) => {
            verdict.axes.signatures = Axis::Absent;
            if verdict.outcome != Outcome::Invalid {
                verdict.outcome = Outcome::UnsignedAccepted;
            }
        }
        (Some(_), Expected::Unsigned) => {
            find(
                verdict,
                "signatures",
                "unknown_signing_key",
                sequence,
                "the receipt is signed, and the journal was not",
            );
        }
        (Some(_), Expected::Unknown) => {
            verdict.unverifiable = 1;
            if verdict.outcome != Outcome::Invalid {
                verdict.reason_code = Some("unknown_signing_key");
            }
        }
        (Some(signature), Expected::Key(key)) => {
            let root = receipt.root(sequence).unwrap_or_default();
            let statement = statement(&fields.journal_id, receipt.first_sequence, receipt.count, &root);
            if signature.key_id == [0; 32] {
                find(
                    verdict,
                    "signatures",
                    "zero_key_with_signature",
                    sequence,
                    "the receipt has a signature and no key",
                );
            } else if signature.key_id != key.key_id() {
                let message = format!("the receipt is signed by key {}", hex(&signature.key_id));
                find(verdict, "signatures", "unknown_signing_key", sequence, &message);
            } else if key.verifies(&statement, &signature.signature) {
                verdict.axes.signatures = Axis::Passed;
                if verdict.outcome != Outcome::Invalid {
                    verdict.outcome = Outcome::Signed;
                }
            } else {
                find(verdict, "signatures", "invalid_signature", sequence, "the signature is not valid");
            }
        }
    }
    Ok(())
}

/// Checks a receipt against the journal that it names, with the journal's keys unless one is given.
pub(crate) fn in_journal(inner: &Inner, receipt: &Receipt, public_key: Option<&PublicKey>) -> Result<Verification> {
    let fields = receipt.fields()?;
    let sequence = fields.stamp.sequence;
    let mut verdict = Verification::unchecked();
    verdict.events = 1;
    verdict.axes.completeness = Axis::Passed;
    let substrate = inner.substrate.read();
    if fields.journal_id != substrate.lineage_at(sequence) {
        let message = if substrate.is_known(&fields.journal_id) {
            "the event was in a history that was given up, as the journal says"
        } else {
            "the receipt is from another journal"
        };
        find(&mut verdict, "completeness", "missing_committed_event", sequence, message);
    } else if let Some(event) = committed(inner, &substrate, sequence, &fields.stamp.event_id)? {
        compare(&mut verdict, receipt, &event)?;
    } else if lost(inner, &substrate, &fields.stamp.event_id, sequence)? && fields.promise != Promise::Always {
        // The crash was honest, and so was the promise; still the event is gone.
        find(
            &mut verdict,
            "completeness",
            "lost_unsynced",
            sequence,
            "the event was never synced, and a crash took it",
        );
    } else {
        find(&mut verdict, "completeness", "missing_committed_event", sequence, "the journal does not hold the event");
    }
    let expected = match (public_key, substrate.key_at(sequence)) {
        (Some(given), Some(own)) if is_vouched(inner, &substrate, given, sequence) => Expected::Key(own),
        (given, own) => given.or(own).map_or(Expected::Unsigned, Expected::Key),
    };
    check_signature(&mut verdict, receipt, expected)?;
    verdict.rung = rung(&verdict);
    Ok(verdict)
}

/// Whether a key of the journal vouches for the one that was in force for an event: it is that one, it came before and each endorsed the
/// next, or it came later and the last checkpoint covers the event.
fn is_vouched(inner: &Inner, substrate: &Substrate, given: &PublicKey, sequence: u64) -> bool {
    let Some(period) = substrate.period_of(&given.key_id()) else { return false };
    period.from <= sequence || inner.stated.load(Ordering::Acquire) > period.from || {
        // A writer beside this reader may have stated more since.
        let heads = inner.reader.as_ref().and_then(|_| heads::read(inner.storage.as_ref(), &inner.journal_id).ok()?);
        heads.is_some_and(|heads| heads.stated() > period.from)
    }
}

/// The event in the receipt's place, if it has the receipt's id; or else the one with that id.
fn committed(inner: &Inner, substrate: &Substrate, sequence: u64, id: &[u8; 16]) -> Result<Option<Event>> {
    let index = &inner.index;
    let found = match index.find(id)? {
        None if sequence < inner.visible() => Some(index.location(sequence)?),
        found => found.filter(|found| found.sequence < inner.visible()),
    };
    let Some(found) = found else { return Ok(None) };
    let event = read::event(&inner.files, &found)?;
    // After a cut, another event took the sequence of the lost one.
    let replaced = event.stamp.event_id != *id && lost(inner, substrate, id, sequence)?;
    Ok(Some(event).filter(|_| !replaced))
}

/// Whether a recovery cut the place where this event was: it says so, and it came later than the event.
fn lost(inner: &Inner, substrate: &Substrate, id: &[u8; 16], sequence: u64) -> Result<bool> {
    for cut in &substrate.cuts {
        let told_later = *id < inner.index.id_of(cut.told_at)?;
        if cut.first_cut_sequence <= sequence && told_later && inner.index.find(id)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}
