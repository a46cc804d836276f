//! The journal's own events (FORMAT.md section 12).

use std::collections::BTreeMap;

use crate::coordinate::{Coordinate, SUBSTRATE, SUBSTRATE_GATES, SUBSTRATE_KEYS};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::hash::{Hash, hex, unhex};
use crate::header::{Encoding, Header};
use crate::key::{PublicKey, next_key_statement};
use crate::kind::Kind;
use crate::limits::NAME_BYTES_MAX;
use crate::proof::checkpoint::origin;
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
    /// What its header says: the coordinate that it concerns, whose clock does not move because of it, or the lineage that it ends.
    pub metadata: BTreeMap<String, String>,
    /// The lineage that begins with it, if one does.
    pub begins: Option<[u8; 16]>,
}

impl SystemEvent {
    fn new(kind: Kind, entity: &str, payload: Value) -> Self {
        Self { kind, coordinate: Coordinate::substrate(entity), payload, metadata: BTreeMap::new(), begins: None }
    }

    /// Adds it to a proposal; returns its payload.
    pub(crate) fn propose(&self, proposal: &mut Proposal, entropy: &Entropy) -> Result<Vec<u8>> {
        let mut payload = Vec::new();
        self.payload.encode(&mut payload)?;
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
            metadata: &self.metadata,
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

fn algorithms() -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    Value::map([("content", text("blake3")), ("tree", text("rfc6962-sha256")), ("signature", text("ed25519"))])
}

fn format_version() -> Value {
    Value::Int(i64::from(FORMAT_VERSION))
}

const fn key_policy(signed: bool) -> &'static str {
    if signed { "signed" } else { "unsigned" }
}

/// Sequence 0.
#[must_use]
pub fn created(journal_id: &[u8; 16], name: &str, key: Option<&PublicKey>) -> SystemEvent {
    let text = |text: &str| Value::Text(text.to_owned());
    let payload = Value::map([
        ("algorithms", algorithms()),
        ("format_version", format_version()),
        ("journal_id", Value::Bytes(journal_id.to_vec())),
        ("key_policy", text(key_policy(key.is_some()))),
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

/// A key comes into force; the one before, if there was one, says so.
#[must_use]
pub fn key_added(key: &PublicKey, endorsement: Option<&[u8; 64]>) -> SystemEvent {
    let payload = Value::map([
        ("endorsement", endorsement.map_or(Value::Null, |signature| Value::Bytes(signature.to_vec()))),
        ("key_id", Value::Bytes(key.key_id().to_vec())),
        ("public_key", optional_key(Some(key))),
    ]);
    SystemEvent::new(Kind::KEY_ADDED, SUBSTRATE_KEYS, payload)
}

/// A key that is not in force any more fell into wrong hands, or may have.
#[must_use]
pub fn key_revoked(key_id: &Hash, reason: &str) -> SystemEvent {
    let payload = Value::map([("key_id", Value::Bytes(key_id.to_vec())), ("reason", Value::Text(reason.to_owned()))]);
    SystemEvent::new(Kind::KEY_REVOKED, SUBSTRATE_KEYS, payload)
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
    let (entity, scope) = concerns;
    let metadata = BTreeMap::from([("entity".to_owned(), entity), ("scope".to_owned(), scope)]);
    SystemEvent { metadata, ..SystemEvent::new(Kind::DENIED, SUBSTRATE_GATES, payload) }
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

/// A history that goes on from another one, as its event tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// What its events carry in the place of the journal's id.
    pub journal_id: [u8; 16],
    /// What those before it carry.
    pub parent_id: [u8; 16],
    /// Its own sequence: how many events it goes on from.
    pub from: u64,
    /// The root of the tree over them.
    pub kept_root: Hash,
    /// Why there is another one.
    pub cause: Cause,
    /// What is known of the history that was given up: its size and root.
    pub abandoned: Option<(u64, Hash)>,
    /// Who had it so.
    pub actor: String,
    /// And why.
    pub reason: String,
}

/// Why a history goes on as another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An old copy was put in the place of the journal.
    Restore,
    /// The journal was copied, and goes on elsewhere by itself.
    Fork,
}

impl Cause {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Fork => "fork",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Restore, Self::Fork].into_iter().find(|cause| cause.name() == name)
    }
}

/// In the metadata of a `lineage` event: the lineage that it ends, in hex.
const PARENT: &str = "parent_id";

/// The lineage that an event ends, as its header says; `None` if it ends none.
#[must_use]
pub fn lineage_ended_by(header: &Header<'_>) -> Option<[u8; 16]> {
    let ends = header.kind == Kind::LINEAGE && header.entity == SUBSTRATE;
    let (_, id) = header.metadata.iter().find(|(name, _)| ends && *name == PARENT)?;
    unhex(id)
}

/// Another lineage begins.
#[must_use]
pub fn lineage(begins: &Lineage) -> SystemEvent {
    let text = |text: &str| Value::Text(text.to_owned());
    let payload = Value::map([
        ("abandoned_root", begins.abandoned.map_or(Value::Null, |(_, root)| Value::Bytes(root.to_vec()))),
        ("abandoned_size", begins.abandoned.map_or(Value::Null, |(size, _)| count(size))),
        ("actor", text(&begins.actor)),
        ("cause", text(begins.cause.name())),
        ("journal_id", Value::Bytes(begins.journal_id.to_vec())),
        ("kept_root", Value::Bytes(begins.kept_root.to_vec())),
        ("kept_size", count(begins.from)),
        ("parent_id", Value::Bytes(begins.parent_id.to_vec())),
        ("reason", text(&begins.reason)),
    ]);
    let metadata = BTreeMap::from([(PARENT.to_owned(), hex(&begins.parent_id))]);
    SystemEvent { metadata, begins: Some(begins.journal_id), ..SystemEvent::new(Kind::LINEAGE, SUBSTRATE, payload) }
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

/// A key of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPeriod {
    /// The sequence of the event that brought it: from there on it signs, up to where the next one comes.
    pub from: u64,
    /// The half that verifies.
    pub key: PublicKey,
    /// The sequence of the event that revoked it.
    pub revoked_at: Option<u64>,
}

/// What the journal's own events say of it, collected while reading the log.
#[derive(Clone, Debug, Default)]
pub struct Substrate {
    /// From `created`.
    pub name: String,
    /// From `created`.
    pub journal_id: [u8; 16],
    /// Every key that ever was, in the order in which they came.
    pub keys: Vec<KeyPeriod>,
    /// Every lineage but the first, in the order in which they came.
    pub lineages: Vec<Lineage>,
    /// The number of the last writable open.
    pub incarnations: u64,
    /// What `recovered` events tell of.
    pub cuts: Vec<ToldCut>,
}

impl Substrate {
    /// Takes in a system event. An error says that somebody wrote nonsense.
    pub fn accept(&mut self, journal_id: &[u8; 16], kind: Kind, sequence: u64, payload: &[u8]) -> Result<()> {
        if (kind == Kind::CREATED) != (sequence == 0) {
            return Err(nonsense("`created` must be the first event and no other"));
        }
        let value = Value::decode(payload)?;
        match kind {
            Kind::CREATED => {
                self.accept_creation(&value)?;
                if value.get("journal_id").and_then(Value::as_bytes) != Some(journal_id.as_slice()) {
                    return Err(nonsense("`created` names another journal"));
                }
                self.journal_id = *journal_id;
                self.incarnations = 1;
                match value.get("public_key") {
                    None | Some(Value::Null) => Ok(()),
                    Some(_) => self.accept_key(sequence, &value),
                }
            }
            Kind::OPENED => {
                let number = value.get("incarnation").and_then(Value::as_int).and_then(|n| u64::try_from(n).ok());
                self.incarnations = number.ok_or_else(|| nonsense("`opened` does not say which open it was"))?;
                Ok(())
            }
            Kind::KEY_ADDED => self.accept_key(sequence, &value),
            Kind::KEY_REVOKED => self.accept_revocation(sequence, &value),
            Kind::LINEAGE => {
                let said =
                    told_lineage(sequence, &value).ok_or_else(|| nonsense("`lineage` does not say what begins"))?;
                let fits = said.journal_id == *journal_id && said.parent_id == self.lineage();
                if !fits || self.is_known(&said.journal_id) {
                    return Err(nonsense("`lineage` does not go on from the one before"));
                }
                self.lineages.push(said);
                Ok(())
            }
            Kind::RECOVERED => {
                let told = told_cut(sequence, &value);
                self.cuts.push(told.ok_or_else(|| nonsense("`recovered` does not say what was cut"))?);
                Ok(())
            }
            // A later version may know more of them.
            _ => Ok(()),
        }
    }

    /// What `created` says of the format must be what this version reads.
    fn accept_creation(&mut self, said: &Value) -> Result<()> {
        let text = |name| said.get(name).and_then(Value::as_text);
        if said.get("algorithms") != Some(&algorithms()) || said.get("format_version") != Some(&format_version()) {
            return Err(nonsense("`created` names other algorithms, or another format"));
        }
        let has_key = said.get("public_key").is_some_and(|key| *key != Value::Null);
        if text("key_policy") != Some(key_policy(has_key)) {
            return Err(nonsense("`created` has a key policy that does not fit its key"));
        }
        let name = text("name").ok_or_else(|| nonsense("`created` does not name the journal"))?;
        check_name(name).map_err(|_| nonsense("`created` has a name that cannot be"))?;
        name.clone_into(&mut self.name);
        Ok(())
    }

    fn accept_key(&mut self, from: u64, said: &Value) -> Result<()> {
        let bytes = said.get("public_key").and_then(Value::as_bytes).and_then(|bytes| bytes.try_into().ok());
        let key = PublicKey::from_bytes(bytes.ok_or_else(|| nonsense("a public key that is not 32 bytes"))?)?;
        if said.get("key_id").and_then(Value::as_bytes).is_some_and(|id| *id != key.key_id()) {
            return Err(unproved("a key comes with the id of another one"));
        }
        if self.period_of(&key.key_id()).is_some() {
            return Err(unproved("a key comes a second time"));
        }
        if let Some(before) = self.key() {
            let endorsement = said.get("endorsement").and_then(Value::as_bytes).and_then(|bytes| bytes.try_into().ok());
            let statement = next_key_statement(&self.lineage(), &key);
            if !endorsement.is_some_and(|signature| before.verifies(&statement, signature)) {
                return Err(unproved("a key comes without the valid signature of the key before it"));
            }
        }
        self.keys.push(KeyPeriod { from, key, revoked_at: None });
        Ok(())
    }

    fn accept_revocation(&mut self, sequence: u64, said: &Value) -> Result<()> {
        let key_id = said.get("key_id").and_then(Value::as_bytes).and_then(|bytes| bytes.try_into().ok());
        self.check_revocable(key_id.ok_or_else(|| nonsense("`key_revoked` does not name a key"))?)?;
        let revoked = self.keys.iter_mut().find(|period| key_id == Some(&period.key.key_id()));
        revoked
            .map(|period| period.revoked_at = Some(sequence))
            .ok_or_else(|| unproved("a key that never was is revoked"))
    }

    /// Whether a key can be revoked now.
    pub fn check_revocable(&self, key_id: &Hash) -> Result<()> {
        match self.period_of(key_id) {
            None => Err(unproved("a key that never was is revoked")),
            Some(period) if period.revoked_at.is_some() => Err(unproved("a key is revoked a second time")),
            Some(period) if Some(&period.key) == self.key() => {
                Err(unproved("the key in force is revoked: another one must come first"))
            }
            Some(_) => Ok(()),
        }
    }

    /// The lineage that the next event is written in.
    #[must_use]
    pub fn lineage(&self) -> [u8; 16] {
        self.lineages.last().map_or(self.journal_id, |last| last.journal_id)
    }

    /// The lineage that an event was written in.
    #[must_use]
    pub fn lineage_at(&self, sequence: u64) -> [u8; 16] {
        let last = self.lineages.iter().rfind(|lineage| lineage.from <= sequence);
        last.map_or(self.journal_id, |lineage| lineage.journal_id)
    }

    /// Whether a lineage of this id is or was.
    #[must_use]
    pub fn is_known(&self, journal_id: &[u8; 16]) -> bool {
        self.journal_id == *journal_id || self.lineages.iter().any(|lineage| lineage.journal_id == *journal_id)
    }

    /// What checkpoints over so many events are named.
    #[must_use]
    pub fn origin_at(&self, size: u64) -> String {
        origin(&self.name, &self.lineage_at(size.saturating_sub(1)))
    }

    /// The key in force.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.keys.last().map(|period| &period.key)
    }

    /// The key of this id.
    #[must_use]
    pub fn period_of(&self, key_id: &Hash) -> Option<&KeyPeriod> {
        self.keys.iter().find(|period| period.key.key_id() == *key_id)
    }

    /// Which of the keys was in force for an event.
    #[must_use]
    pub fn place_at(&self, sequence: u64) -> Option<usize> {
        self.keys.partition_point(|period| period.from <= sequence).checked_sub(1)
    }

    /// The key that was in force for an event.
    #[must_use]
    pub fn key_at(&self, sequence: u64) -> Option<&PublicKey> {
        self.keys.get(self.place_at(sequence)?).map(|period| &period.key)
    }
}

fn told_lineage(from: u64, said: &Value) -> Option<Lineage> {
    let hash = |name| said.get(name)?.as_bytes()?.try_into().ok();
    let id = |name| said.get(name)?.as_bytes()?.try_into().ok();
    let size = |name| said.get(name)?.as_int().and_then(|size| u64::try_from(size).ok());
    let text = |name| said.get(name)?.as_text().map(str::to_owned);
    let abandoned = match (said.get("abandoned_size")?, said.get("abandoned_root")?) {
        (Value::Null, Value::Null) => None,
        _ => Some((size("abandoned_size")?, hash("abandoned_root")?)),
    };
    (size("kept_size")? == from).then_some(())?;
    Some(Lineage {
        journal_id: id("journal_id")?,
        parent_id: id("parent_id")?,
        from,
        kept_root: hash("kept_root")?,
        cause: Cause::of_name(said.get("cause")?.as_text()?)?,
        abandoned,
        actor: text("actor")?,
        reason: text("reason")?,
    })
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

/// What is said about keys and does not hold.
fn unproved(reason: &str) -> Error {
    Error::InvalidKey { reason: format!("{reason} (an event of the journal's own)") }
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
