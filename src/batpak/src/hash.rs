//! The hashes of the format, each with its own context, so that none can pass for another.

use std::sync::LazyLock;

use crate::wire::put_varint;

/// 32 bytes out of BLAKE3 or SHA-256.
pub type Hash = [u8; 32];

/// What `prev_hash` holds at clock 0.
pub const NO_HASH: Hash = [0; 32];

// Deriving the key costs a compression; done once.
static EVENT: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key("batpak 1 event"));
static PAYLOAD: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key("batpak 1 payload"));
static PROPOSAL: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key("batpak 1 proposal"));
static KEY: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key("batpak 1 idempotency key"));

/// The hash of an event: over every byte of its header.
#[must_use]
pub fn event_hash(header: &[u8]) -> Hash {
    let mut hasher = EVENT.clone();
    hasher.update(header);
    *hasher.finalize().as_bytes()
}

/// What the header says of the payload, without giving it away.
#[must_use]
pub fn payload_commitment(salt: &[u8; 16], private: &[u8], payload: &[u8]) -> Hash {
    let mut prefix = Vec::with_capacity(26);
    prefix.extend_from_slice(salt);
    put_varint(&mut prefix, private.len() as u64);
    let mut hasher = PAYLOAD.clone();
    hasher.update(&prefix);
    hasher.update(private);
    hasher.update(payload);
    *hasher.finalize().as_bytes()
}

/// What the header keeps of a caller's idempotency key.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 16] {
    let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *KEY.clone().update(key).finalize().as_bytes();
    hash
}

/// What a denial keeps of a proposal.
#[must_use]
pub fn proposal_commitment(opening: &[u8]) -> Hash {
    *PROPOSAL.clone().update(opening).finalize().as_bytes()
}

/// Plain BLAKE3, for bytes set aside.
#[must_use]
pub fn digest(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The 16 bytes that lower-case hex stands for.
#[must_use]
pub fn unhex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok()?;
    let bytes = number.to_be_bytes();
    (hex(&bytes) == text).then_some(bytes)
}
