//! The life of a journal's keys: one comes after another, and one that fell into wrong hands is revoked.

use crate::append::Appended;
use crate::error::{Error, Result};
use crate::hash::{Hash, hex};
use crate::header::Promise;
use crate::inner::Inner;
use crate::key::next_key_statement;
use crate::limits::check_reason;
use crate::proof::notary::Notary;
use crate::proposal::Proposal;
use crate::receipt::Committed;
use crate::signer::Signer;
use crate::store::Store;
use crate::system::{self, KeyPeriod, Lineage, SystemEvent};

impl Store {
    /// Every lineage of the journal but the first, in the order in which they came.
    pub fn lineages(&self) -> Result<Vec<Lineage>> {
        Ok(self.usable()?.substrate.read().lineages.clone())
    }

    /// Every key of the journal, in the order in which they came.
    pub fn keys(&self) -> Result<Vec<KeyPeriod>> {
        Ok(self.usable()?.substrate.read().keys.clone())
    }

    /// Has another key sign from now on. The key in force says so, and states in a checkpoint what it signed before; the new one
    /// states the same after it. When this returns, all of that is synced.
    pub fn rotate_key(&self, next: &Signer) -> Result<Committed> {
        let (inner, notary) = self.notary()?;
        let known = inner.substrate.read().period_of(&next.public().key_id()).is_some();
        if known {
            let reason = "the key is or was this journal's; a key comes once: generate another".to_owned();
            return Err(Error::InvalidInput { reason });
        }
        let signer = inner.with_writer(|writer| Ok(writer.signer.clone()))?;
        let Some(before) = signer else {
            let reason = "the journal has no key yet: give it its first one when it is opened".to_owned();
            return Err(Error::InvalidInput { reason });
        };
        self.checkpoint()?;
        let asking = inner.number.asking();
        let endorsement = before.sign(&next_key_statement(&inner.lineage(), next.public()))?;
        drop(asking);
        let event = system::key_added(next.public(), Some(&endorsement));
        // No checkpoint is made between the two: each is signed by the key that was in force for its last event.
        let committed = notary.exchange(|| {
            let committed = self.say_signed(&event, next, &before)?;
            Ok((Some(next.clone()), committed))
        })?;
        self.checkpoint()?;
        Ok(committed)
    }

    /// Writes an event that the next key signs, and has it sign from then on.
    fn say_signed(&self, event: &SystemEvent, next: &Signer, before: &Signer) -> Result<Committed> {
        let inner = self.usable()?;
        let parts = inner.parts()?;
        let _turn = inner.turn.lock();
        let mut proposal = Proposal::new(inner.lineage(), Promise::Always);
        let payload = event.propose(&mut proposal, &inner.entropy)?;
        inner.with_writer(|writer| {
            if writer.signer.as_ref().is_none_or(|signer| signer.public() != before.public()) {
                return Err(Error::InvalidInput { reason: "another thread exchanged the key meanwhile".to_owned() });
            }
            Ok(())
        })?;
        let appended = inner.append_signed_by(&parts, Some(next), &proposal)?;
        let Appended::Written(committed) = &appended else {
            return Err(Error::InvalidInput { reason: "the event was written before".to_owned() });
        };
        inner.substrate.write().accept(&committed.journal_id, event.kind, committed.first_sequence, &payload)?;
        let committed = committed.clone();
        inner.told(&appended);
        Ok(committed)
    }

    /// Revokes a key that is not in force any more: what it signed counts only as far as a checkpoint of a later key, made before
    /// this, covers it. When this returns, it is synced.
    pub fn revoke_key(&self, key_id: &Hash, reason: &str) -> Result<Committed> {
        let (inner, notary) = self.notary()?;
        check_reason("reason", reason)?;
        let substrate = inner.substrate.read();
        substrate.check_revocable(key_id).map_err(|_| Error::InvalidInput {
            reason: format!(
                "key {} cannot be revoked: it must be a key that this journal had, not revoked yet, and not the one in force (rotate_key \
                 to another first)",
                hex(key_id)
            ),
        })?;
        drop(substrate);
        self.checkpoint()?;
        let event = system::key_revoked(key_id, reason);
        let committed = notary.exchange(|| {
            inner.substrate.read().check_revocable(key_id)?;
            let mut proposal = Proposal::new(inner.lineage(), Promise::Always);
            let payload = event.propose(&mut proposal, &inner.entropy)?;
            let committed = inner.append(&proposal)?.written().ok_or(Error::Closed)?;
            inner.substrate.write().accept(&committed.journal_id, event.kind, committed.first_sequence, &payload)?;
            Ok((None, committed))
        })?;
        self.checkpoint()?;
        Ok(committed)
    }

    fn notary(&self) -> Result<(&Inner, &Notary)> {
        let inner = self.usable()?;
        inner.number.refuse_while_signing()?;
        Ok((inner, inner.notary.as_ref().ok_or(Error::ReadOnly)?))
    }
}
