//! Signed notes (C2SP signed-note): a text, a blank line, and the lines of those who signed it.

use base64ct::{Base64, Encoding as _};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::key::{PublicKey, SigningKey};
use crate::signer::Signer;

/// Ed25519 over the text.
const TYPE_ED25519: u8 = 1;
/// Signatures of one note.
const SIGNATURES_MAX: usize = 64;
/// Bytes of one note.
pub const NOTE_BYTES_MAX: usize = 65_536;

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Whose key.
    pub name: String,
    /// Tells keys of one name apart.
    pub key_id: [u8; 4],
    /// As its algorithm gives it.
    pub signature: Vec<u8>,
}

/// A text with its signatures, which are not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed; it ends with a newline.
    pub text: String,
    /// In the order of their lines; none in a journal that has no key.
    pub signatures: Vec<NoteSignature>,
}

/// The id of an Ed25519 key of this name.
#[must_use]
pub fn key_id(name: &str, key: &PublicKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', TYPE_ED25519]).chain_update(key.to_bytes());
    let [a, b, c, d, ..]: [u8; 32] = digest.finalize().into();
    [a, b, c, d]
}

/// The key as verifiers of notes are given it: `name+id+key`.
#[must_use]
pub fn verifier_key(name: &str, key: &PublicKey) -> String {
    let mut bytes = vec![TYPE_ED25519];
    bytes.extend_from_slice(&key.to_bytes());
    format!("{name}+{}+{}", crate::hash::hex(&key_id(name, key)), Base64::encode_string(&bytes))
}

/// The secret as programs that sign notes keep it: `PRIVATE+KEY+name+id+seed`.
#[must_use]
pub fn signer_key(name: &str, key: &SigningKey) -> String {
    let mut bytes = vec![TYPE_ED25519];
    bytes.extend_from_slice(&key.to_seed());
    let id = crate::hash::hex(&key_id(name, key.public()));
    format!("PRIVATE+KEY+{name}+{id}+{}", Base64::encode_string(&bytes))
}

/// The name and the key of a `signer_key`.
pub fn parse_signer_key(text: &str) -> Result<(String, SigningKey)> {
    let invalid = |reason: &str| Error::InvalidKey { reason: format!("not a note signer key: {reason}") };
    let rest = text.strip_prefix("PRIVATE+KEY+").ok_or_else(|| invalid("it begins with PRIVATE+KEY+"))?;
    let mut parts = rest.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid("it is written PRIVATE+KEY+name+id+key"));
    };
    let bytes = Base64::decode_vec(encoded).map_err(|_| invalid("the key is not base64"))?;
    let Some((&TYPE_ED25519, seed)) = bytes.split_first() else { return Err(invalid("the key is not Ed25519")) };
    let key = SigningKey::from_seed(seed.try_into().map_err(|_| invalid("an Ed25519 key has 32 bytes"))?);
    if !is_key_name(name) || id != crate::hash::hex(&key_id(name, key.public())) {
        return Err(invalid("the id is not that of name and key"));
    }
    Ok((name.to_owned(), key))
}

/// The name and the key of a `verifier_key`.
pub fn parse_verifier_key(text: &str) -> Result<(String, PublicKey)> {
    let invalid = |reason: &str| Error::InvalidKey { reason: format!("not a note verifier key: {reason}") };
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid("it is written name+id+key"));
    };
    let bytes = Base64::decode_vec(encoded).map_err(|_| invalid("the key is not base64"))?;
    let Some((&TYPE_ED25519, key)) = bytes.split_first() else { return Err(invalid("the key is not Ed25519")) };
    let key = key.try_into().map_err(|_| invalid("an Ed25519 key has 32 bytes"))?;
    let key = PublicKey::from_bytes(key)?;
    if !is_key_name(name) || id != crate::hash::hex(&key_id(name, &key)) {
        return Err(invalid("the id is not that of name and key"));
    }
    Ok((name.to_owned(), key))
}

/// Whether keys may have this name.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn invalid(reason: &str) -> Error {
    Error::InvalidProof { what: "signed note", reason: reason.to_owned() }
}

impl Note {
    /// A text without signatures.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Adds a signature.
    pub fn sign(&mut self, name: &str, signer: &Signer) -> Result<()> {
        let signature = signer.sign(self.text.as_bytes())?.to_vec();
        self.signatures.push(NoteSignature { name: name.to_owned(), key_id: key_id(name, signer.public()), signature });
        Ok(())
    }

    /// Whether the key of this name signed; `None` if there is no line of it. One bad line of it spoils the note.
    #[must_use]
    pub fn is_signed_by(&self, name: &str, key: &PublicKey) -> Option<bool> {
        let id = key_id(name, key);
        let own = self.signatures.iter().filter(|line| line.name == name && line.key_id == id);
        let judged = own.map(|line| {
            let signature = line.signature.as_slice().try_into();
            signature.is_ok_and(|signature| key.verifies(self.text.as_bytes(), signature))
        });
        judged.reduce(|all, valid| all && valid)
    }

    /// The note as it is handed on.
    #[must_use]
    pub fn encode(&self) -> String {
        let lines = self.signatures.iter().map(|line| {
            let bytes = [line.key_id.as_slice(), &line.signature].concat();
            format!("\u{2014} {} {}\n", line.name, Base64::encode_string(&bytes))
        });
        format!("{}\n{}", self.text, lines.collect::<String>())
    }

    /// Reads a note.
    pub fn parse(note: &str) -> Result<Self> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(invalid("it is longer than any note needs to be"));
        }
        if note.contains(|c: char| c.is_control() && c != '\n') {
            return Err(invalid("it contains a control character"));
        }
        // The last blank line divides; a line of a signature is never blank.
        let divide = note.rfind("\n\n").ok_or_else(|| invalid("no blank line divides text and signatures"))?;
        let (text, lines) = (note.get(..=divide).unwrap_or_default(), note.get(divide + 2..).unwrap_or_default());
        if !lines.is_empty() && !lines.ends_with('\n') {
            return Err(invalid("its last line does not end"));
        }
        let signatures = lines.lines().map(signature_line).collect::<Result<Vec<_>>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(invalid("it has more signatures than are read"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

fn signature_line(line: &str) -> Result<NoteSignature> {
    let bad = || invalid("a line behind the blank one is not a signature");
    let (name, encoded) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or_else(bad)?;
    let bytes = Base64::decode_vec(encoded).map_err(|_| bad())?;
    let (key_id, signature) = bytes.split_first_chunk::<4>().filter(|(_, rest)| !rest.is_empty()).ok_or_else(bad)?;
    if !is_key_name(name) {
        return Err(bad());
    }
    Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
}
