//! Checkpoints (C2SP tlog-checkpoint): what a journal says of itself at a size, as a signed note.

use base64ct::{Base64, Encoding as _};

use super::note::Note;
use crate::error::{Error, Result};
use crate::hash::{Hash, hex};
use crate::merkle::Tree;
use crate::signer::Signer;

/// A checkpoint, whose signatures are not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which journal: its name, `/`, and its id as a UUID.
    pub origin: String,
    /// Number of events.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The note that says so.
    pub note: Note,
}

/// The origin of a journal's checkpoints, which is also the name of its keys in notes.
#[must_use]
pub fn origin(name: &str, journal_id: &[u8; 16]) -> String {
    let digits = hex(journal_id);
    let part = |range| digits.get(range).unwrap_or_default();
    format!("{name}/{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

fn invalid(reason: &str) -> Error {
    Error::InvalidProof { what: "checkpoint", reason: reason.to_owned() }
}

/// A decimal number in its one form.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number = text.parse().ok()?;
    (format!("{number}") == text).then_some(number)
}

/// A hash in base64.
pub(super) fn hash_of(text: &str) -> Option<Hash> {
    Base64::decode_vec(text).ok()?.try_into().ok()
}

impl Checkpoint {
    /// States a tree, signed if there is a key.
    pub fn of(origin: &str, tree: &Tree, signer: Option<&Signer>) -> Result<Self> {
        let root = tree.root();
        let mut note = Note::new(format!("{origin}\n{}\n{}\n", tree.size(), Base64::encode_string(&root)));
        if let Some(signer) = signer {
            note.sign(origin, signer)?;
        }
        Ok(Self { origin: origin.to_owned(), size: tree.size(), root, note })
    }

    /// Reads a checkpoint.
    pub fn parse(text: &str) -> Result<Self> {
        let note = Note::parse(text)?;
        let mut lines = note.text.lines();
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let origin = origin.filter(|origin| !origin.is_empty()).ok_or_else(|| invalid("it has no origin"))?.to_owned();
        let size = size.and_then(decimal).ok_or_else(|| invalid("its second line is not a size"))?;
        let root = root.and_then(hash_of).ok_or_else(|| invalid("its third line is not a SHA-256 hash in base64"))?;
        if lines.any(str::is_empty) {
            return Err(invalid("an extension line is empty"));
        }
        Ok(Self { origin, size, root, note })
    }
}
