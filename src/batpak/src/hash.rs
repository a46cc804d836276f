//! The hashes of the format, each with its own context, so that none can pass for another.

use std::sync::LazyLock;

use crate::wire::put_varint;

mod lanes;

/// 32 bytes out of BLAKE3 or SHA-256.
pub type Hash = [u8; 32];

/// What `prev_hash` holds at clock 0.
pub const NO_HASH: Hash = [0; 32];

/// Keeps the hashes of one purpose from passing for those of another: BLAKE3 in its derive-key mode.
#[derive(Debug)]
struct Context {
    hasher: blake3::Hasher,
    /// The derived key, as BLAKE3 takes it.
    words: [u32; 8],
}

impl Context {
    // Deriving the key costs a compression; done once.
    fn new(name: &str) -> Self {
        let mut words = [0; 8];
        let key = blake3::hazmat::hash_derive_key_context(name);
        words.iter_mut().zip(key.as_chunks().0).for_each(|(word, bytes)| *word = u32::from_le_bytes(*bytes));
        Self { hasher: blake3::Hasher::new_derive_key(name), words }
    }

    fn hash(&self, parts: &[&[u8]]) -> Hash {
        let mut hasher = self.hasher.clone();
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

static EVENT: LazyLock<Context> = LazyLock::new(|| Context::new("batpak 1 event"));
static PAYLOAD: LazyLock<Context> = LazyLock::new(|| Context::new("batpak 1 payload"));
static PROPOSAL: LazyLock<Context> = LazyLock::new(|| Context::new("batpak 1 proposal"));
static REPORT: LazyLock<Context> = LazyLock::new(|| Context::new("batpak 1 report"));
static KEY: LazyLock<Context> = LazyLock::new(|| Context::new("batpak 1 idempotency key"));

/// What is to be hashed together with others.
#[derive(Debug)]
pub struct Input<'a> {
    context: &'static Context,
    first: &'a [u8],
    rest: &'a [u8],
    /// The hash, once it is made.
    pub hash: Hash,
}

impl<'a> Input<'a> {
    /// A header, for the hash of its event.
    #[must_use]
    pub fn event(header: &'a [u8]) -> Self {
        Self { context: &EVENT, first: &[], rest: header, hash: NO_HASH }
    }

    /// A payload, for its commitment; `opening` is what precedes it there: salt, and private metadata behind its length.
    #[must_use]
    pub fn payload(opening: &'a [u8], payload: &'a [u8]) -> Self {
        Self { context: &PAYLOAD, first: opening, rest: payload, hash: NO_HASH }
    }

    const fn is_short(&self) -> bool {
        self.first.len() + self.rest.len() <= lanes::BYTES_MAX
    }
}

/// Makes the hashes of all of these, several times as fast as one by one.
pub fn hash_all(inputs: &mut [Input<'_>]) {
    for input in inputs.iter_mut().filter(|input| !input.is_short()) {
        input.hash = input.context.hash(&[input.first, input.rest]);
    }
    lanes::hash_all(inputs.len(), inputs.iter_mut().filter(|input| input.is_short()));
}

/// The hash of an event: over every byte of its header.
#[must_use]
pub fn event_hash(header: &[u8]) -> Hash {
    EVENT.hash(&[header])
}

/// What the header says of the payload, without giving it away.
#[must_use]
pub fn payload_commitment(salt: &[u8; 16], private: &[u8], payload: &[u8]) -> Hash {
    let mut prefix = Vec::with_capacity(26);
    prefix.extend_from_slice(salt);
    put_varint(&mut prefix, private.len() as u64);
    PAYLOAD.hash(&[&prefix, private, payload])
}

/// What the header keeps of a caller's idempotency key.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 16] {
    let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = KEY.hash(&[key]);
    hash
}

/// What a denial keeps of a proposal.
#[must_use]
pub fn proposal_commitment(opening: &[u8]) -> Hash {
    PROPOSAL.hash(&[opening])
}

/// What a signature over a report speaks of.
#[must_use]
pub fn report_hash(body: &[u8]) -> Hash {
    REPORT.hash(&[body])
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
