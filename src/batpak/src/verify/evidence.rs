//! Checks chosen events with what proves them (FORMAT.md section 19): without a store, and without trust in whoever chose them.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Hlc;
use crate::event_id::{self, EventId};
use crate::hash::{Hash, event_hash, payload_commitment};
use crate::header::Header;
use crate::key::PublicKey;
use crate::merkle::{is_consistent, root_from_path};
use crate::proof::Checkpoint;
use crate::proof::checkpoint::origin;
use crate::system::lineage_ended_by;
use crate::verification::{Axis, Finding, Outcome, Verification};

/// What may be left out of an event: salt, private metadata and payload, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// Hides the payload behind its commitment.
    pub salt: [u8; 16],
    /// Empty, or a value that is a map.
    pub private: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// An event with its audit path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the bundle says that its sequence is.
    pub sequence: u64,
    /// The encoded header.
    pub header: Vec<u8>,
    /// Unless only the header was chosen.
    pub detached: Option<Detached>,
    /// To the root of the checkpoint, from the leaf up.
    pub path: Vec<Hash>,
}

/// Chosen events, the checkpoint over them, and earlier checkpoints with their proofs.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Under which everything is proved.
    pub checkpoint: Checkpoint,
    /// With the consistency proof from each to the checkpoint.
    pub earlier: Vec<(Checkpoint, Vec<Hash>)>,
    /// Of the journal, with their names in notes, as the bundle has them.
    pub keys: Vec<(String, PublicKey)>,
    /// Sequences ascending.
    pub items: Vec<Item>,
}

struct Check<'a> {
    evidence: &'a Evidence,
    verdict: Verification,
    /// Clock, sequence and hash of the last event of each entity.
    chains: HashMap<String, (u64, u64, Hash)>,
    last: Option<(u64, EventId, Hlc)>,
    /// Entity, clock and hash of the events so far.
    seen: HashMap<u64, (String, u64, Hash)>,
    /// Ended lineages, each with the sequence of the event that ended it, ascending.
    ended: Vec<(u64, [u8; 16])>,
}

/// The lineages that a bundle's events end, each with the sequence of the event. That these are the journal's is checked as for every other.
fn ended_in(items: &[Item]) -> Vec<(u64, [u8; 16])> {
    let ended = |item: &Item| Some((item.sequence, lineage_ended_by(&Header::decode(&item.header).ok()?)?));
    items.iter().filter_map(ended).collect()
}

impl Check<'_> {
    /// A finding about an event, or with `None` about a checkpoint.
    fn find(&mut self, axis: &'static str, code: &'static str, sequence: impl Into<Option<u64>>, message: &str) {
        let sequence = sequence.into();
        self.verdict.find(Finding { axis, code, message: message.to_owned(), file: None, offset: None, sequence });
    }

    /// Checks who signed a checkpoint, by the keys that count.
    fn signatures(&mut self, checkpoint: &Checkpoint, keys: &[PublicKey]) {
        let judged: Vec<bool> =
            keys.iter().filter_map(|key| checkpoint.note.is_signed_by(&checkpoint.origin, key)).collect();
        let unsigned = checkpoint.note.signatures.iter().all(|line| line.name != checkpoint.origin);
        if judged.contains(&false) {
            self.find("signatures", "invalid_signature", None, "the signature of the checkpoint is not valid");
        } else if !judged.is_empty() {
            if self.verdict.axes.signatures == Axis::NotChecked {
                self.verdict.axes.signatures = Axis::Passed;
            }
        } else if keys.is_empty() && unsigned {
            if self.verdict.axes.signatures == Axis::NotChecked {
                self.verdict.axes.signatures = Axis::Absent;
            }
        } else if keys.is_empty() {
            self.verdict.unverifiable += 1;
            self.verdict.reason_code.get_or_insert("unknown_signing_key");
        } else if unsigned {
            self.find("signatures", "missing_signature", None, "the checkpoint must be signed, and is not");
        } else {
            self.find("signatures", "unknown_signing_key", None, "the checkpoint is signed by other keys only");
        }
    }

    /// Whether an event was written in the journal that the checkpoint names, or in a lineage that it goes on from.
    fn is_of_journal(&self, header: &Header<'_>) -> bool {
        match self.ended.iter().find(|(end, _)| header.stamp.sequence < *end) {
            Some((_, lineage)) => *lineage == header.journal_id,
            None => self.evidence.checkpoint.origin.ends_with(&origin("", &header.journal_id)),
        }
    }

    fn earlier(&mut self) {
        let now = &self.evidence.checkpoint;
        let mut before = None;
        for (checkpoint, path) in &self.evidence.earlier {
            if checkpoint.origin != now.origin || checkpoint.size > now.size || before > Some(checkpoint.size) {
                let message = "an earlier checkpoint is of another journal, or not earlier";
                self.find("anchors", "checkpoint_mismatch", None, message);
            } else if !is_consistent((checkpoint.size, &checkpoint.root), (now.size, &now.root), path) {
                let message = "the checkpoint does not go on from an earlier one";
                self.find("anchors", "consistency_mismatch", None, message);
            }
            before = Some(checkpoint.size);
        }
    }

    fn item(&mut self, item: &Item) {
        let hash = event_hash(&item.header);
        let Checkpoint { size, root, .. } = &self.evidence.checkpoint;
        if root_from_path(&hash, item.sequence, *size, &item.path) != Some(*root) {
            let message = "the path of the event does not lead to the root of the checkpoint";
            self.find("anchors", "inclusion_mismatch", item.sequence, message);
        }
        let header = match Header::decode(&item.header) {
            Ok(header) => header,
            Err(error) => return self.find("content", "invalid_encoding", item.sequence, &error.to_string()),
        };
        if !self.is_of_journal(&header) {
            self.find("content", "journal_mismatch", item.sequence, "the event is of another journal");
        }
        if header.stamp.sequence != item.sequence {
            self.find("content", "sequence_mismatch", item.sequence, "the header has another sequence");
        }
        if let Some(Detached { salt, private, payload }) = &item.detached
            && payload_commitment(salt, private, payload) != header.payload_commitment
        {
            let message = "salt, private metadata and payload are not those that the header commits to";
            self.find("content", "commitment_mismatch", item.sequence, message);
        }
        self.order(item.sequence, &header, hash);
    }

    fn order(&mut self, sequence: u64, header: &Header<'_>, hash: Hash) {
        let stamp = &header.stamp;
        let here = (sequence, stamp.event_id, stamp.hlc);
        if self.last.is_some_and(|last| last.0 >= here.0 || last.1 >= here.1 || last.2 >= here.2) {
            self.find("order", "order_mismatch", sequence, "sequence, id and clock do not all ascend");
        }
        if event_id::parts(&stamp.event_id).map(|(milliseconds, _)| milliseconds) != Some(stamp.hlc.wall_ms()) {
            self.find("order", "order_mismatch", sequence, "the event's id and clock name different times");
        }
        self.last = Some(here);
        let before = self.chains.insert(header.entity.to_owned(), (stamp.clock, stamp.sequence, hash));
        let follows = match before {
            Some((clock, at, hash)) if clock.checked_add(1) == Some(stamp.clock) => stamp.previous == Some((at, hash)),
            // One between the two was left out.
            Some((clock, at, _)) => clock < stamp.clock && stamp.previous.is_some_and(|(previous, _)| previous > at),
            None => stamp.previous.is_some() == (stamp.clock > 0),
        };
        let named_fits = stamp.previous.is_none_or(|(previous, hash)| {
            let fits = |(entity, clock, own): &(String, u64, Hash)| {
                entity == header.entity && clock.checked_add(1) == Some(stamp.clock) && *own == hash
            };
            previous < stamp.sequence && self.seen.get(&previous).is_none_or(fits)
        });
        self.seen.insert(sequence, (header.entity.to_owned(), stamp.clock, hash));
        if !follows || !named_fits {
            let message = "the event does not chain to the one before it of its entity";
            self.find("order", "chain_mismatch", sequence, message);
        }
    }
}

/// Checks evidence against a key from somebody who is trusted, or against the keys that came with it.
#[must_use]
pub fn evidence(evidence: &Evidence, public_key: Option<&PublicKey>) -> Verification {
    let own = evidence.keys.iter().filter(|(name, _)| *name == evidence.checkpoint.origin).map(|(_, key)| key.clone());
    let keys: Vec<PublicKey> = public_key.map_or_else(|| own.collect(), |key| vec![key.clone()]);
    let mut check = Check {
        evidence,
        verdict: Verification::unchecked(),
        chains: HashMap::new(),
        last: None,
        seen: HashMap::new(),
        ended: ended_in(&evidence.items),
    };
    for checkpoint in evidence.earlier.iter().map(|(checkpoint, _)| checkpoint).chain([&evidence.checkpoint]) {
        check.signatures(checkpoint, &keys);
    }
    check.earlier();
    evidence.items.iter().for_each(|item| check.item(item));
    let mut verdict = check.verdict;
    verdict.events = evidence.items.len() as u64;
    verdict.axes.indexes = Axis::Absent;
    let axes = &mut verdict.axes;
    let chosen = !evidence.items.is_empty();
    for (axis, is_there) in [
        (&mut axes.anchors, chosen || !evidence.earlier.is_empty()),
        (&mut axes.content, chosen),
        (&mut axes.order, chosen),
    ] {
        if *axis == Axis::NotChecked {
            *axis = if is_there { Axis::Passed } else { Axis::Absent };
        }
    }
    let all: BTreeSet<u64> = evidence.items.iter().map(|item| item.sequence).collect();
    let size = evidence.checkpoint.size;
    if all.len() as u64 == size && verdict.events == size && all.last().is_none_or(|last| *last < size) {
        axes.completeness = Axis::Passed;
        verdict.complete_to = Some(size);
    }
    let signed = axes.signatures == Axis::Passed;
    let stated = signed && axes.anchors == Axis::Passed && verdict.outcome != Outcome::Invalid;
    let chained = axes.order == Axis::Passed && axes.content == Axis::Passed;
    verdict.rung = if stated { 2 } else { u8::from(chained) };
    verdict.checkpoint_size = signed.then_some(size);
    if verdict.outcome != Outcome::Invalid {
        verdict.outcome = match axes.signatures {
            Axis::Passed => Outcome::Signed,
            Axis::Absent => Outcome::UnsignedAccepted,
            _ => Outcome::Unverifiable,
        };
    }
    verdict
}
