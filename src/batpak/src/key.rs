//! Ed25519 keys and the one statement that a frame's signature makes (FORMAT.md section 10).

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signer, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::entropy;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::merkle;

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::InvalidKey { reason: reason.to_string() }
}

/// A key that signs. It is wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct SigningKey {
    inner: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn new(inner: ed25519_dalek::SigningKey) -> Self {
        let public = PublicKey { inner: inner.verifying_key() };
        Self { inner, public }
    }

    /// A new random key.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        entropy::fill(&mut seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte seed (RFC 8032's private key).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// RFC 8032's private key: the secret itself.
    #[must_use]
    pub fn to_seed(&self) -> [u8; 32] {
        self.inner.to_bytes()
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim()).map(Self::new).map_err(invalid)
    }

    /// PKCS#8 PEM.
    pub fn to_pem(&self) -> Result<String> {
        Ok(self.inner.to_pkcs8_pem(LineEnding::LF).map_err(invalid)?.to_string())
    }

    /// The half that verifies.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a frame's statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.inner.sign(statement).to_bytes()
    }
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    inner: VerifyingKey,
}

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        let inner = VerifyingKey::from_bytes(bytes).map_err(|_| invalid("the bytes are not a point of the curve"))?;
        if inner.to_edwards().compress().as_bytes() != bytes {
            return Err(invalid("the bytes are not the canonical encoding of a point"));
        }
        if inner.is_weak() {
            return Err(invalid("the point is of small order"));
        }
        Ok(Self { inner })
    }

    /// Reads SPKI PEM.
    pub fn from_pem(pem: &str) -> Result<Self> {
        Self::from_bytes(VerifyingKey::from_public_key_pem(pem.trim()).map_err(invalid)?.as_bytes())
    }

    /// SPKI PEM.
    pub fn to_pem(&self) -> Result<String> {
        self.inner.to_public_key_pem(LineEnding::LF).map_err(invalid)
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.inner.to_bytes()
    }

    /// SHA-256 of the 32 bytes.
    #[must_use]
    pub fn key_id(&self) -> Hash {
        Sha256::digest(self.inner.as_bytes()).into()
    }

    /// Strict verification: canonical S, A and R, no small order.
    #[must_use]
    pub fn verifies(&self, statement: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.inner.verify_strict(statement, &signature).is_ok()
    }
}

/// What the key in force says of the next one: it is this journal's from now on.
#[must_use]
pub fn next_key_statement(journal_id: &[u8; 16], next: &PublicKey) -> Vec<u8> {
    [b"\0batpak key v1".as_slice(), journal_id, &next.to_bytes()].concat()
}

/// What the signature of a report says: this was found in this journal.
#[must_use]
pub fn report_statement(journal_id: &[u8; 16], report_hash: &Hash) -> Vec<u8> {
    [b"\0batpak report v1".as_slice(), journal_id, report_hash].concat()
}

/// What a frame's signature says: these events, at this place, in this journal.
#[must_use]
pub fn statement(journal_id: &[u8; 16], first_sequence: u64, count: u32, root: &Hash) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(76);
    bytes.push(0);
    bytes.extend_from_slice(b"batpak frame v1");
    bytes.extend_from_slice(journal_id);
    bytes.extend_from_slice(&first_sequence.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(root);
    bytes
}

/// The same, of a frame with these event hashes.
#[must_use]
pub fn frame_statement(journal_id: &[u8; 16], first_sequence: u64, hashes: &[Hash]) -> Vec<u8> {
    let count = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
    statement(journal_id, first_sequence, count, &merkle::root(hashes))
}
