//! Proofs about an open journal.

use std::sync::atomic::Ordering;

use super::checkpoint::Checkpoint;
use super::nodes::TreeOf;
use super::paths;
use crate::error::{Error, Result};
use crate::hash::{Hash, report_hash};
use crate::heads;
use crate::inner::Inner;
use crate::key::report_statement;
use crate::merkle::{is_consistent, root_from_path};
use crate::store::{Reference, Store};

/// That an event is in the tree of a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The hash of the event.
    pub event_hash: Hash,
    /// Its sequence, which is the number of its leaf.
    pub index: u64,
    /// Number of events in the tree.
    pub size: u64,
    /// From the leaf up.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// The root that this proves the event to be under; `None` if it proves nothing.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        root_from_path(&self.event_hash, self.index, self.size, &self.path)
    }
}

/// That the tree of one size goes on from that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// Number of events in the older tree.
    pub old_size: u64,
    /// Its root.
    pub old_root: Hash,
    /// Number of events in the newer tree.
    pub new_size: u64,
    /// Its root.
    pub new_root: Hash,
    /// As in RFC 9162 section 2.1.4.
    pub path: Vec<Hash>,
}

impl Consistency {
    /// Whether it proves what it says.
    #[must_use]
    pub fn holds(&self) -> bool {
        is_consistent((self.old_size, &self.old_root), (self.new_size, &self.new_root), &self.path)
    }
}

fn tree_of(inner: &Inner) -> TreeOf<'_> {
    TreeOf { index: &inner.index, nodes: &inner.nodes }
}

impl Inner {
    /// See `Store::checkpoint`.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        let (Some(notary), Some(commit)) = (&self.notary, &self.commit) else { return Err(Error::ReadOnly) };
        let checkpoint = notary.state(&self.origin(), || {
            let tree = self.tree.catch_up(&self.index)?;
            commit.wait(tree.size(), None).map(|_| tree)
        })?;
        self.stated.fetch_max(checkpoint.size, Ordering::AcqRel);
        if let Some(due) = &self.checkpoint_due {
            due.stated(checkpoint.size);
        }
        Ok(checkpoint)
    }
}

impl Store {
    /// States what the journal is, in a checkpoint that covers everything written before; it is synced first.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        self.usable()?.checkpoint()
    }

    /// Every checkpoint that the journal keeps, in the order in which they were made.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let inner = self.usable()?;
        let found = heads::read(inner.storage.as_ref(), &inner.journal_id)?.unwrap_or_default();
        Ok(found.checkpoints.into_iter().map(|(_, checkpoint)| checkpoint).collect())
    }

    /// The size that is asked for, once so many events are synced: what leaves the process must not be taken back by a crash.
    fn synced_size(&self, size: Option<u64>) -> Result<u64> {
        let inner = self.usable()?;
        if let Some(commit) = &inner.commit {
            let size = size.unwrap_or_else(|| inner.index.len());
            return commit.wait(self.existing(size)?, None).map(|_| size);
        }
        let wanted = size.unwrap_or(0);
        if wanted > inner.durable() {
            self.refresh()?;
        }
        match (size, inner.durable()) {
            (None, durable) => Ok(durable),
            (Some(size), durable) if size <= durable => Ok(size),
            (Some(size), durable) => {
                self.existing(size)?;
                Err(Error::InvalidInput {
                    reason: format!(
                        "of the first {size} events only {durable} are known to be synced; a crash may replace the others, so \
                         nothing is proved about them: have the writer call sync(), or ask for a size up to {durable}"
                    ),
                })
            }
        }
    }

    fn existing(&self, size: u64) -> Result<u64> {
        let events = self.usable()?.index.len();
        if size > events {
            return Err(Error::InvalidInput {
                reason: format!("size is {size}, and the journal has {events} events; it must be 0 to {events}"),
            });
        }
        Ok(size)
    }

    /// The root of the tree of the first `size` events, of all if `None`; with that size. They are synced first.
    pub fn root(&self, size: Option<u64>) -> Result<(u64, Hash)> {
        let size = self.synced_size(size)?;
        Ok((size, paths::root(&tree_of(self.usable()?), size)?))
    }

    /// Proves that an event is among the first `size`, of all if `None`. They are synced first.
    pub fn prove(&self, reference: impl Into<Reference>, size: Option<u64>) -> Result<Inclusion> {
        let inner = self.usable()?;
        let reference = reference.into();
        let not_found = || Error::EventNotFound { reference: reference.to_string() };
        let location = match reference {
            Reference::Sequence(sequence) if sequence >= inner.index.len() => return Err(not_found()),
            Reference::Sequence(sequence) => inner.index.location(sequence)?,
            Reference::Id(id) => inner.index.find(&id)?.ok_or_else(not_found)?,
        };
        let (index, size) = (location.sequence, self.synced_size(size)?);
        if index >= size {
            return Err(Error::InvalidInput {
                reason: format!("event {index} is not among the first {size}; ask for a later checkpoint or size"),
            });
        }
        let path = paths::inclusion(&tree_of(inner), index, size)?;
        Ok(Inclusion { event_hash: location.hash, index, size, path })
    }

    /// The id of the key in force and its signature over a report about this journal; `None` for a journal without a key.
    pub fn sign_report(&self, body: &[u8]) -> Result<Option<(Hash, [u8; 64])>> {
        let inner = self.usable()?;
        let statement = report_statement(&inner.lineage(), &report_hash(body));
        inner.notary.as_ref().ok_or(Error::ReadOnly)?.sign(&statement)
    }

    /// Proves that the tree of the first `new` events, of all if `None`, goes on from that of the first `old`. They are synced first.
    pub fn prove_consistency(&self, old: u64, new: Option<u64>) -> Result<Consistency> {
        let new_size = self.synced_size(new)?;
        if old > new_size {
            return Err(Error::InvalidInput {
                reason: format!("old is {old}, and new is {new_size}: only a larger tree goes on from a smaller one"),
            });
        }
        let tree = tree_of(self.usable()?);
        Ok(Consistency {
            old_size: old,
            old_root: paths::root(&tree, old)?,
            new_size,
            new_root: paths::root(&tree, new_size)?,
            path: paths::consistency(&tree, old, new_size)?,
        })
    }
}
