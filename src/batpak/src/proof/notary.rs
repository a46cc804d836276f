//! States the tree of a journal in checkpoints, each of which goes on from the one before.

use std::sync::Arc;

use parking_lot::Mutex;

use super::checkpoint::Checkpoint;
use super::pins::Pin;
use crate::error::Result;
use crate::heads::HeadWriter;
use crate::key::SigningKey;
use crate::merkle::Tree;

/// Signs what the journal is. One at a time; the tree that it is given only ever grows by what is appended, and an open compared its
/// beginning with the last checkpoint: so no two checkpoints of one notary can contradict each other.
#[derive(Debug)]
pub(crate) struct Notary {
    key: Option<SigningKey>,
    heads: Arc<Mutex<HeadWriter>>,
    said: Mutex<Said>,
}

#[derive(Debug)]
struct Said {
    last: Option<Checkpoint>,
    pin: Option<Pin>,
}

impl Notary {
    pub fn new(
        key: Option<SigningKey>,
        heads: Arc<Mutex<HeadWriter>>,
        last: Option<Checkpoint>,
        pin: Option<Pin>,
    ) -> Self {
        Self { key, heads, said: Mutex::new(Said { last, pin }) }
    }

    /// Whether a close is to leave a checkpoint: it is worth nothing if nobody signs it and nobody remembers it.
    pub fn is_wanted(&self) -> bool {
        self.key.is_some() || self.said.lock().pin.is_some()
    }

    /// A checkpoint over at least the events of a tree, which must be synced.
    pub fn state(&self, origin: &str, tree: &Tree) -> Result<Checkpoint> {
        let mut said = self.said.lock();
        let checkpoint = if let Some(last) = said.last.take_if(|last| last.size >= tree.size()) {
            last
        } else {
            let checkpoint = Checkpoint::of(origin, tree, self.key.as_ref());
            self.heads.lock().append_checkpoint(&checkpoint)?;
            checkpoint
        };
        said.last = Some(checkpoint.clone());
        if let Some(pin) = &mut said.pin {
            pin.see(&checkpoint)?;
        }
        Ok(checkpoint)
    }
}
