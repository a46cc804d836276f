//! States the tree of a journal in checkpoints, each of which goes on from the one before.

use std::sync::Arc;

use parking_lot::Mutex;

use super::checkpoint::Checkpoint;
use super::pins::Pin;
use crate::error::Result;
use crate::hash::Hash;
use crate::heads::HeadWriter;
use crate::merkle::Tree;
use crate::signer::{Signer, StoreNumber};

/// Signs what the journal is. One at a time; the tree that it is given only ever grows by what is appended, and an open compared its
/// beginning with the last checkpoint: so no two checkpoints of one notary can contradict each other.
#[derive(Debug)]
pub(crate) struct Notary {
    store: StoreNumber,
    heads: Arc<Mutex<HeadWriter>>,
    said: Mutex<Said>,
}

#[derive(Debug)]
struct Said {
    signer: Option<Signer>,
    last: Option<Checkpoint>,
    pin: Option<Pin>,
}

impl Notary {
    pub fn new(
        store: StoreNumber,
        signer: Option<Signer>,
        heads: Arc<Mutex<HeadWriter>>,
        last: Option<Checkpoint>,
        pin: Option<Pin>,
    ) -> Self {
        Self { store, heads, said: Mutex::new(Said { signer, last, pin }) }
    }

    /// Whether a close is to leave a checkpoint: it is worth nothing if nobody signs it and nobody remembers it.
    pub fn is_wanted(&self) -> bool {
        let said = self.said.lock();
        said.signer.is_some() || said.pin.is_some()
    }

    /// A checkpoint over at least the events of a tree, all of which are synced. It is asked for once nobody else can exchange the
    /// key: whoever signs was in force for the tree's last event.
    pub fn state(&self, origin: &str, synced: impl FnOnce() -> Result<Tree>) -> Result<Checkpoint> {
        self.store.refuse_while_signing()?;
        let mut said = self.said.lock();
        let tree = synced()?;
        let checkpoint = if let Some(last) = said.last.take_if(|last| last.size >= tree.size()) {
            last
        } else {
            let asking = self.store.asking();
            let checkpoint = Checkpoint::of(origin, &tree, said.signer.as_ref())?;
            drop(asking);
            self.heads.lock().append_checkpoint(&checkpoint)?;
            checkpoint
        };
        said.last = Some(checkpoint.clone());
        if let Some(pin) = &mut said.pin {
            pin.see(&checkpoint)?;
        }
        Ok(checkpoint)
    }

    /// The id of the key in force and its signature over a statement; `None` for a journal without a key.
    pub fn sign(&self, statement: &[u8]) -> Result<Option<(Hash, [u8; 64])>> {
        self.store.refuse_while_signing()?;
        let said = self.said.lock();
        let Some(signer) = &said.signer else { return Ok(None) };
        let _asking = self.store.asking();
        Ok(Some((signer.public().key_id(), signer.sign(statement)?)))
    }

    /// What `work` writes about keys comes between two checkpoints; the signer that it returns, if any, signs from then on.
    pub fn exchange<T>(&self, work: impl FnOnce() -> Result<(Option<Signer>, T)>) -> Result<T> {
        let mut said = self.said.lock();
        let (signer, outcome) = work()?;
        if signer.is_some() {
            said.signer = signer;
        }
        Ok(outcome)
    }
}
