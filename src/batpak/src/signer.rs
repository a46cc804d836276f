//! What signs for a journal: a key in this process, or one that never enters it.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::key::{PublicKey, SigningKey};

static STORES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The stores for which this thread is asking a signer now.
    static ASKING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Tells stores of this process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreNumber(u64);

impl StoreNumber {
    pub fn new() -> Self {
        Self(STORES.fetch_add(1, Ordering::Relaxed))
    }

    /// While this lives, a signer is asked by this thread for this store.
    pub fn asking(self) -> Asking {
        ASKING.with_borrow_mut(|stores| stores.push(self.0));
        Asking
    }

    /// Refuses what would wait for ever: a signer that writes to the store which asks it to sign.
    pub fn refuse_while_signing(self) -> Result<()> {
        if ASKING.with_borrow(|stores| stores.contains(&self.0)) {
            let reason = "a signer may read this store, but not append, make checkpoints, exchange keys or close while it signs for it";
            return Err(Error::SignerFailed { reason: reason.to_owned() });
        }
        Ok(())
    }
}

/// See `StoreNumber::asking`.
pub(crate) struct Asking;

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.with_borrow_mut(Vec::pop);
    }
}

/// A key that is kept elsewhere: in another process, an agent, a hardware module.
pub trait Elsewhere: fmt::Debug + Send + Sync {
    /// The half that verifies.
    fn public(&self) -> &PublicKey;

    /// The Ed25519 signature over these bytes; it is verified before anything is done with it.
    fn sign(&self, statement: &[u8]) -> Result<[u8; 64]>;
}

/// What signs for a journal.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A key in this process. It signs under the writer's lock.
    Here(Box<SigningKey>),
    /// It may take long, and may call back: it is never asked while the writer's lock is held.
    Elsewhere(Arc<dyn Elsewhere>),
}

impl From<SigningKey> for Signer {
    fn from(key: SigningKey) -> Self {
        Self::Here(Box::new(key))
    }
}

impl Signer {
    /// The half that verifies.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::Here(key) => key.public(),
            Self::Elsewhere(signer) => signer.public(),
        }
    }

    /// Whether the key is not in this process.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Elsewhere(_))
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &[u8]) -> Result<[u8; 64]> {
        let signer = match self {
            Self::Here(key) => return Ok(key.sign(statement)),
            Self::Elsewhere(signer) => signer,
        };
        let signature = signer.sign(statement)?;
        if signer.public().verifies(statement, &signature) {
            Ok(signature)
        } else {
            Err(Error::SignerFailed { reason: "what it returned is not its key's signature over the bytes".to_owned() })
        }
    }
}
