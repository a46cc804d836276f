//! Short ways to open a journal in memory, to write to it and to read it back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use batpak_core::error::Result;
use batpak_core::header::{Encoding, Promise};
use batpak_core::index::Query;
use batpak_core::key::SigningKey;
use batpak_core::proposal::{Expect, NewEvent, Proposal};
use batpak_core::read::Event;
use batpak_core::receipt::Committed;
use batpak_core::storage::{MemoryStorage, Mode, Storage, read_all};
use batpak_core::verification::Verification;
use batpak_core::verify::Against;
use batpak_core::{Config, Coordinate, Kind, Store};

use crate::clock::TestClock;

/// A kind that users may write.
pub const KIND: u16 = 0x1001;

/// Small segments, and an interval that never comes by itself: tests say when a sync happens.
#[must_use]
pub fn config() -> Config {
    Config { segment_bytes: 4096, interval: Duration::from_mins(1), background: false, ..Config::default() }
}

/// The same for a journal signed with [`key`].
#[must_use]
pub fn signed() -> Config {
    Config { signer: Some(key(7).into()), ..config() }
}

/// The key of a seed of equal bytes.
#[must_use]
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// Opens with a clock of its own.
pub fn open(storage: &(impl Storage + Clone + 'static), config: Config) -> Result<Store> {
    Store::open_with(Arc::new(storage.clone()), TestClock::new(), config)
}

/// A coordinate.
///
/// # Panics
///
/// If a name breaks the rules.
#[must_use]
pub fn at(entity: &str, scope: &str) -> Coordinate {
    Coordinate::new(entity, scope).expect("the names keep the rules")
}

/// Adds an event with a raw payload.
pub fn push(proposal: &mut Proposal, store: &Store, entity: &str, payload: &[u8]) -> Result<()> {
    push_with(proposal, store, entity, payload, None, Expect::Any)
}

/// Adds an event with a raw payload under a key, where the entity is as expected.
pub fn push_with(
    proposal: &mut Proposal,
    store: &Store,
    entity: &str,
    payload: &[u8],
    key: Option<&[u8]>,
    expect: Expect,
) -> Result<()> {
    let coordinate = at(entity, "test");
    let event = NewEvent {
        coordinate: &coordinate,
        kind: Kind::from_code(KIND),
        payload_version: 0,
        encoding: Encoding::Raw,
        payload,
        correlation_id: None,
        causation: None,
        key,
        expect,
        metadata: &BTreeMap::new(),
        private: &[],
    };
    proposal.push(&event, store.entropy())
}

/// Writes one frame of raw payloads on one entity; does not wait for anything.
pub fn write(store: &Store, promise: Promise, entity: &str, payloads: &[&[u8]]) -> Result<Committed> {
    let mut proposal = store.propose(Some(promise))?;
    for payload in payloads {
        push(&mut proposal, store, entity, payload)?;
    }
    Ok(store.append(&proposal)?.written().expect("no key was given"))
}

/// Every event, the journal's own too if `system`.
pub fn events(store: &Store, system: bool) -> Result<Vec<Event>> {
    matching(store, &Query { system, ..Query::default() })
}

/// Every event that matches.
pub fn matching(store: &Store, query: &Query) -> Result<Vec<Event>> {
    let mut cursor = store.query(query)?;
    let mut all = Vec::new();
    while !cursor.is_done() {
        all.extend(store.page(&mut cursor, 64)?);
    }
    Ok(all)
}

/// The verdict on an open journal.
pub fn verify(store: &Store) -> Result<Verification> {
    store.verify(&|| false)
}

/// The verdict on a journal that nobody has open.
pub fn verify_closed(storage: &dyn Storage) -> Result<Verification> {
    batpak_core::verify::journal(storage, Against::default(), &|| false)
}

/// All files by name, `LOCK` left out.
#[must_use]
pub fn files(storage: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    let mut files = storage.export();
    files.remove("LOCK");
    files
}

/// Whether a name is a segment's, or could be.
#[must_use]
pub fn is_log(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == "log")
}

/// Whether a name is that of a file which can be made again from the log.
#[must_use]
pub fn is_cache(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == "idx" || extension == "run")
}

/// One file's content.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn content(storage: &dyn Storage, name: &str) -> Vec<u8> {
    let file = storage.open(name, Mode::Read).expect("the file is there");
    read_all(file.as_ref()).expect("the file can be read")
}
