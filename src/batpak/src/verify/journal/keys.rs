//! Who vouches for the log: signatures of frames, and which of the keys can be believed.

use super::{Check, Spot};
use crate::frame::FrameSignature;
use crate::hash::{Hash, hex};
use crate::key::frame_statement;
use crate::verify::standing::Standing;

impl Check<'_> {
    pub(super) fn signature(
        &mut self,
        signature: Option<&FrameSignature>,
        hashes: &[Hash],
        first_sequence: u64,
        spot: &Spot<'_>,
    ) {
        // A frame that names a key is signed by that key.
        let last = self.order.next_sequence.saturating_sub(1);
        match (self.substrate.key_at(last).cloned(), signature) {
            (None, None) => {}
            (None, Some(_)) => self.find(
                "signatures",
                "unknown_signing_key",
                spot,
                "the frame is signed, and the journal names no key",
            ),
            (Some(_), None) => {
                self.find("signatures", "signature_missing", spot, "the frame must be signed, and is not");
            }
            (Some(key), Some(signature)) => {
                self.signed_frames += 1;
                let statement = frame_statement(&self.substrate.lineage_at(last), first_sequence, hashes);
                if signature.key_id != key.key_id() {
                    let message = format!("the frame is signed by key {}", hex(&signature.key_id));
                    self.find("signatures", "unknown_signing_key", spot, &message);
                } else if !key.verifies(&statement, &signature.signature) {
                    self.find("signatures", "invalid_signature", spot, "the signature is not valid");
                }
            }
        }
    }

    /// Whether the key that must vouch for the journal does, and whether each revoked one was vouched for in time.
    pub(super) fn check_keys(&mut self) {
        let keys = std::mem::take(&mut self.substrate.keys);
        let standing = Standing::of(&keys, &self.stated);
        let file = self.storage.describe("");
        let mut trusted_from = 0;
        if let Some(given) = self.public_key {
            let (code, sequence, message) = match keys.iter().find(|period| period.key == *given) {
                None if keys.is_empty() => {
                    ("signature_missing", 0, "the journal is not signed, and a key is given that it must be signed by")
                }
                None => ("unknown_signing_key", 0, "the journal is signed by other keys than the one given"),
                Some(period) if period.from > 0 && !standing.covers(period.from) => {
                    ("unknown_signing_key", 0, "events from before the given key are covered by no checkpoint of it")
                }
                Some(period) => {
                    trusted_from = period.from;
                    ("", 0, "")
                }
            };
            if !code.is_empty() {
                self.find("signatures", code, &Spot { file: &file, offset: 0, sequence }, message);
                trusted_from = u64::MAX;
            }
        }
        for sequence in standing.unvouched {
            let message = "the frame is signed by a key that was revoked, and no later key's checkpoint from before that covers it";
            self.find("signatures", "revoked_signing_key", &Spot { file: &file, offset: 0, sequence }, message);
        }
        self.verdict.checkpoint_size = standing.counting.filter(|size| *size > trusted_from);
        self.substrate.keys = keys;
    }
}
