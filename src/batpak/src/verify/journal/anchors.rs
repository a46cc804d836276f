//! What speaks of the log from outside of it: heads, checkpoints and pins.

use super::{Check, Spot};
use crate::error::Result;
use crate::hash::Hash;
use crate::heads::{self, Reason};
use crate::proof::{Checkpoint, pins};
use crate::segment;

impl Check<'_> {
    /// Checks the heads that speak of the log as far as it was read now.
    pub(super) fn heads_at(&mut self, last: Option<&Hash>, segment_start: u64, end: u64) {
        while let Some((offset, head)) = self.heads.get(self.next_head).cloned() {
            if head.tree.size() > self.tree.size() {
                return;
            }
            self.next_head += 1;
            let fits = head.tree == self.tree
                && head.has_own_root()
                && Some(&head.last_event_hash) == last
                && head.segment_first_sequence == segment_start
                && head.segment_length == end;
            if !fits {
                let file = self.storage.describe(heads::NAME);
                let spot = Spot { file: &file, offset, sequence: head.tree.size() - 1 };
                self.find(
                    "anchors",
                    "head_mismatch",
                    &spot,
                    "this head does not fit the log: one of the two was changed",
                );
            }
        }
    }

    /// Checks the checkpoints that speak of the log as far as it was read now.
    pub(super) fn checkpoints_at(&mut self) {
        while let Some((offset, checkpoint)) = self.checkpoints.get(self.next_checkpoint).cloned() {
            if checkpoint.size > self.tree.size() {
                return;
            }
            self.next_checkpoint += 1;
            let file = self.storage.describe(heads::NAME);
            let spot = Spot { file: &file, offset, sequence: checkpoint.size.saturating_sub(1) };
            if checkpoint.origin != self.substrate.origin_at(checkpoint.size) {
                self.find("anchors", "checkpoint_mismatch", &spot, "the checkpoint is of another journal");
            } else if checkpoint.size != self.tree.size() || checkpoint.root != self.tree.root() {
                let message = "the checkpoint is not of this log: one of the two was changed";
                self.find("anchors", "checkpoint_mismatch", &spot, message);
            } else if let Some(key) = self.substrate.key_at(spot.sequence) {
                match checkpoint.note.is_signed_by(&checkpoint.origin, key) {
                    Some(true) => self.stated.push(checkpoint.size),
                    Some(false) => {
                        self.find("signatures", "invalid_signature", &spot, "the checkpoint's signature is not valid");
                    }
                    None => {
                        let message = "the checkpoint is not signed by the journal's key";
                        self.find("signatures", "missing_signature", &spot, message);
                    }
                }
            }
        }
    }

    /// Compares the pin, once the log has its size, and at the end if it never had.
    pub(super) fn pin_at(&mut self, is_end: bool) {
        let Some(pin) = self.pin.take_if(|pin| is_end || pin.size <= self.tree.size()) else { return };
        if pin.size > self.tree.size() {
            self.rolled_back(&pin);
        } else if pin.size != self.tree.size()
            || pin.root != self.tree.root()
            || pin.origin != self.substrate.origin_at(pin.size)
        {
            let file = self.storage.describe("");
            let spot = Spot { file: &file, offset: 0, sequence: pin.size.saturating_sub(1) };
            self.find("anchors", "fork_detected", &spot, "the pin tells of another log");
        } else {
            self.is_pinned = true;
        }
    }

    /// What a pin saw of a lineage that ended must have been given up before the eyes of the pins: they saw a later one.
    pub(super) fn check_given_up(&mut self) -> Result<()> {
        let Some(pins) = self.pins else { return Ok(()) };
        for (begun, pin) in std::mem::take(&mut self.given_up) {
            let seen = pins::sees_any(pins, self.substrate.lineages.iter().skip(begun - 1));
            if !seen.or_else(|error| self.verdict.find_error("anchors", error).map(|()| true))? {
                self.rolled_back(&pin);
            }
        }
        Ok(())
    }

    fn rolled_back(&mut self, pin: &Checkpoint) {
        let file = self.storage.describe("");
        let spot = Spot { file: &file, offset: 0, sequence: pin.size.saturating_sub(1) };
        let message = "the pin tells of more events: the log was cut, or an old copy was put in its place";
        self.find("completeness", "rollback_detected", &spot, message);
    }

    /// Every segment but the last was sealed, and a head says so.
    pub(super) fn check_sealed_heads(&mut self) {
        for pair in std::mem::take(&mut self.listed_first).windows(2) {
            let [start, next] = pair else { continue };
            // A running writer may have sealed it after the heads were read.
            if *next >= self.limit {
                break;
            }
            let sealed = self.heads.iter().any(|(_, head)| {
                head.reason == Reason::Sealed && head.segment_first_sequence == *start && head.tree.size() == *next
            });
            if !sealed {
                let file = self.storage.describe(&segment::path(*start));
                let spot = Spot { file: &file, offset: 0, sequence: *start };
                self.find("anchors", "head_missing", &spot, "the segment was sealed, and no head says so");
            }
        }
    }
}
