//! The journal's own events (FORMAT.md section 12).

use crate::coordinate::{Coordinate, SUBSTRATE, SUBSTRATE_GATES, SUBSTRATE_KEYS};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::header::Encoding;
use crate::key::PublicKey;
use crate::kind::Kind;
use crate::limits::NAME_BYTES_MAX;
use crate::proposal::{Expect, NewEvent, Proposal};
use crate::segment::FORMAT_VERSION;
use crate::value::Value;

/// A system event to be written.
#[derive(Clone, Debug)]
pub struct SystemEvent {
    /// What it is.
    pub kind: Kind,
    /// Where it goes.
    pub coordinate: Coordinate,
    /// What it says.
    pub payload: Value,
    /// The coordinate that it concerns, if it concerns one: nobody's clock moves because of it.
    pub concerns: Option<(String, String)>,
}

impl SystemEvent {
    fn new(kind: Kind, entity: &str, payload: Value) -> Self {
        Self { kind, coordinate: Coordinate::substrate(entity), payload, concerns: None }
    }

    /// Adds it to a proposal; returns its payload.
    pub(crate) fn propose(&self, proposal: &mut Proposal, entropy: &Entropy) -> Result<Vec<u8>> {
        let mut payload = Vec::new();
        self.payload.encode(&mut payload)?;
        let concerns = self.concerns.iter().flat_map(|(entity, scope)| [("entity", entity), ("scope", scope)]);
        let new = NewEvent {
            coordinate: &self.coordinate,
            kind: self.kind,
            payload_version: 0,
            encoding: Encoding::Value,
            payload: &payload,
            correlation_id: None,
            causation: None,
            key: None,
            expect: Expect::Any,
            metadata: &concerns.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            private: &[],
        };
        proposal.push_any(&new, entropy)?;
        Ok(payload)
    }
}

fn optional_key(key: Option<&PublicKey>) -> Value {
    key.map_or(Value::Null, |key| Value::Bytes(key.to_bytes().to_vec()))
}

/// Counts stay far below 2^63.
fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Sequence 0.
#[must_use]
pub fn created(journal_id: &[u8; 16], name: &str, key: Option<&PublicKey>) -> SystemEvent {
    let text = |text: &str| Value::Text(text.to_owned());
    let algorithms =
        Value::map([("content", text("blake3")), ("tree", text("rfc6962-sha256")), ("signature", text("ed25519"))]);
    let payload = Value::map([
        ("algorithms", algorithms),
        ("format_version", Value::Int(i64::from(FORMAT_VERSION))),
        ("journal_id", Value::Bytes(journal_id.to_vec())),
        ("key_policy", text(if key.is_some() { "signed" } else { "unsigned" })),
        ("name", text(name)),
        ("public_key", optional_key(key)),
    ]);
    SystemEvent::new(Kind::CREATED, SUBSTRATE, payload)
}

/// A writable open.
#[must_use]
pub fn opened(incarnation: u64, software: &str) -> SystemEvent {
    let payload = Value::map([("incarnation", count(incarnation)), ("software", Value::Text(software.to_owned()))]);
    SystemEvent::new(Kind::OPENED, SUBSTRATE, payload)
}

/// A key comes into force.
#[must_use]
pub fn key_added(key: &PublicKey) -> SystemEvent {
    let payload =
        Value::map([("key_id", Value::Bytes(key.key_id().to_vec())), ("public_key", optional_key(Some(key)))]);
    SystemEvent::new(Kind::KEY_ADDED, SUBSTRATE_KEYS, payload)
}

/// Bytes that recovery cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The sequence that the first cut event would have had.
    pub first_cut_sequence: u64,
    /// The segment that they were cut from.
    pub segment_first_sequence: u64,
    /// Where in it.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// BLAKE3 of them.
    pub digest: Hash,
    /// Their file's name in `recovered/`.
    pub file: String,
}

/// Recovery cut a tail.
#[must_use]
pub fn recovered(cut: &Cut) -> SystemEvent {
    let payload = Value::map([
        ("bytes", count(cut.bytes)),
        ("digest", Value::Bytes(cut.digest.to_vec())),
        ("file", Value::Text(cut.file.clone())),
        ("first_cut_sequence", count(cut.first_cut_sequence)),
        ("offset", count(cut.offset)),
        ("segment_first_sequence", count(cut.segment_first_sequence)),
    ]);
    SystemEvent::new(Kind::RECOVERED, SUBSTRATE, payload)
}

/// Gates refused a proposal of so many events: what they said, and a commitment to what was proposed.
#[must_use]
pub fn denied(commitment: &Hash, events: usize, verdicts: Value, concerns: (String, String)) -> SystemEvent {
    let payload = Value::map([
        ("commitment", Value::Bytes(commitment.to_vec())),
        ("events", count(events as u64)),
        ("verdicts", verdicts),
    ]);
    SystemEvent { concerns: Some(concerns), ..SystemEvent::new(Kind::DENIED, SUBSTRATE_GATES, payload) }
}

/// Somebody has the events that follow in this frame written past these gates.
#[must_use]
pub fn bypassed(approver: &str, reason: &str, gates: &[String]) -> SystemEvent {
    let text = |text: &str| Value::Text(text.to_owned());
    let payload = Value::map([
        ("approver", text(approver)),
        ("gates", Value::List(gates.iter().map(|gate| text(gate)).collect())),
        ("reason", text(reason)),
    ]);
    SystemEvent::new(Kind::BYPASSED, SUBSTRATE_GATES, payload)
}

/// A cut, as its `recovered` event tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldCut {
    /// The sequence that the first cut event would have had.
    pub first_cut_sequence: u64,
    /// The event's own.
    pub told_at: u64,
    /// BLAKE3 of the bytes.
    pub digest: Hash,
    /// Their file's name in `recovered/`.
    pub file: String,
}

/// What the journal's own events say of it, collected while reading the log.
#[derive(Clone, Debug, Default)]
pub struct Substrate {
    /// From `created`.
    pub name: String,
    /// The key in force.
    pub key: Option<PublicKey>,
    /// Every key that ever was, with the sequence of its event.
    pub keys: Vec<(u64, PublicKey)>,
    /// The number of the last writable open.
    pub incarnations: u64,
    /// What `recovered` events tell of.
    pub cuts: Vec<ToldCut>,
}

impl Substrate {
    /// Takes in a system event. An error says that somebody wrote nonsense.
    pub fn accept(&mut self, kind: Kind, sequence: u64, payload: &[u8]) -> Result<()> {
        if (kind == Kind::CREATED) != (sequence == 0) {
            return Err(nonsense("`created` must be the first event and no other"));
        }
        let value = Value::decode(payload)?;
        match kind {
            Kind::CREATED => {
                value.get("name").and_then(Value::as_text).unwrap_or_default().clone_into(&mut self.name);
                self.incarnations = 1;
                self.accept_key(sequence, value.get("public_key"))
            }
            Kind::OPENED => {
                let number = value.get("incarnation").and_then(Value::as_int).and_then(|n| u64::try_from(n).ok());
                self.incarnations = number.ok_or_else(|| nonsense("`opened` does not say which open it was"))?;
                Ok(())
            }
            Kind::KEY_ADDED => self.accept_key(sequence, value.get("public_key")),
            Kind::RECOVERED => {
                let told = told_cut(sequence, &value);
                self.cuts.push(told.ok_or_else(|| nonsense("`recovered` does not say what was cut"))?);
                Ok(())
            }
            // A later version may know more of them.
            _ => Ok(()),
        }
    }

    fn accept_key(&mut self, sequence: u64, key: Option<&Value>) -> Result<()> {
        let Some(bytes) = key.and_then(Value::as_bytes) else { return Ok(()) };
        let bytes = bytes.try_into().map_err(|_| nonsense("a public key that is not 32 bytes"))?;
        let key = PublicKey::from_bytes(bytes)?;
        self.keys.push((sequence, key.clone()));
        self.key = Some(key);
        Ok(())
    }

    /// The key of this id.
    #[must_use]
    pub fn key_of(&self, key_id: &Hash) -> Option<&PublicKey> {
        self.keys.iter().map(|(_, key)| key).find(|key| key.key_id() == *key_id)
    }

    /// The key that was in force for an event.
    #[must_use]
    pub fn key_at(&self, sequence: u64) -> Option<&PublicKey> {
        self.keys.iter().rev().find(|(from, _)| *from <= sequence).map(|(_, key)| key)
    }
}

fn told_cut(told_at: u64, value: &Value) -> Option<ToldCut> {
    Some(ToldCut {
        first_cut_sequence: u64::try_from(value.get("first_cut_sequence")?.as_int()?).ok()?,
        told_at,
        digest: value.get("digest")?.as_bytes()?.try_into().ok()?,
        file: value.get("file")?.as_text()?.to_owned(),
    })
}

const fn nonsense(reason: &'static str) -> Error {
    Error::InvalidEncoding { what: "system event", offset: 0, reason }
}

/// Refuses what is not usable as a C2SP key name.
pub fn check_name(name: &str) -> Result<()> {
    let flaw = if name.is_empty() || name.len() > NAME_BYTES_MAX {
        "must have 1 to 255 bytes"
    } else if name.contains('+') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "must not hold white space, control characters or +"
    } else {
        return Ok(());
    };
    Err(Error::InvalidInput { reason: format!("the journal's name {name:?} {flaw}") })
}
