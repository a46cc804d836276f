//! Checkpoints and proofs as plain values; `batpak/_proving/proofs.py` gives them their shape.

use batpak_core::hash::Hash;
use batpak_core::proof::note::verifier_key;
use batpak_core::proof::{Checkpoint, Consistency, Inclusion};
use batpak_core::verify::proof;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::mapped;
use crate::event::Event;
use crate::keys::PublicKey;
use crate::verify::verdict;

type Bytes<'py> = Bound<'py, PyBytes>;
/// Name of the key, its id, the signature.
type Line<'py> = (String, Bytes<'py>, Bytes<'py>);

fn bytes<'py>(py: Python<'py>, hashes: &[Hash]) -> Vec<Bytes<'py>> {
    hashes.iter().map(|hash| PyBytes::new(py, hash)).collect()
}

/// An inclusion proof: hash of the event, its sequence, size of the tree, path.
pub type InclusionParts<'py> = (Bytes<'py>, u64, u64, Vec<Bytes<'py>>);
/// A consistency proof: the old size and root, the new ones, path.
pub type ConsistencyParts<'py> = (u64, Bytes<'py>, u64, Bytes<'py>, Vec<Bytes<'py>>);

pub fn inclusion_parts<'py>(py: Python<'py>, proof: &Inclusion) -> InclusionParts<'py> {
    (PyBytes::new(py, &proof.event_hash), proof.index, proof.size, bytes(py, &proof.path))
}

pub fn consistency_parts<'py>(py: Python<'py>, proof: &Consistency) -> ConsistencyParts<'py> {
    let Consistency { old_size, old_root, new_size, new_root, path } = proof;
    (*old_size, PyBytes::new(py, old_root), *new_size, PyBytes::new(py, new_root), bytes(py, path))
}

/// Origin, size, root and signature lines of a checkpoint. Raises InvalidProof when it is none.
#[pyfunction]
pub fn parse_checkpoint<'py>(py: Python<'py>, text: &str) -> PyResult<(String, u64, Bytes<'py>, Vec<Line<'py>>)> {
    let Checkpoint { origin, size, root, note } = mapped(py, Checkpoint::parse(text))?;
    let lines = note.signatures.into_iter();
    let lines = lines.map(|line| (line.name, PyBytes::new(py, &line.key_id), PyBytes::new(py, &line.signature)));
    Ok((origin, size, PyBytes::new(py, &root), lines.collect()))
}

/// The root that an inclusion proof leads to, or None.
#[pyfunction]
pub fn inclusion_root(py: Python<'_>, event_hash: Hash, index: u64, size: u64, path: Vec<Hash>) -> Option<Bytes<'_>> {
    Inclusion { event_hash, index, size, path }.root().map(|root| PyBytes::new(py, &root))
}

/// Checks a checkpoint; see `batpak.Checkpoint.verify`.
#[pyfunction]
pub fn verify_checkpoint<'py>(
    py: Python<'py>,
    checkpoint: &str,
    public_key: Option<&PublicKey>,
) -> PyResult<Bound<'py, PyAny>> {
    let checkpoint = mapped(py, Checkpoint::parse(checkpoint))?;
    verdict(py, &proof::checkpoint(&checkpoint, public_key.map(|key| &key.core)))
}

/// Checks an inclusion proof; see `batpak.InclusionProof.verify`.
#[pyfunction]
pub fn verify_inclusion<'py>(
    py: Python<'py>,
    parts: (Hash, u64, u64, Vec<Hash>),
    checkpoint: &str,
    public_key: Option<&PublicKey>,
    event: Option<&Event>,
) -> PyResult<Bound<'py, PyAny>> {
    let (event_hash, index, size, path) = parts;
    let checkpoint = mapped(py, Checkpoint::parse(checkpoint))?;
    let inclusion = Inclusion { event_hash, index, size, path };
    let (key, event) = (public_key.map(|key| &key.core), event.map(|event| &event.core));
    verdict(py, &proof::inclusion(&inclusion, &checkpoint, key, event))
}

/// Checks a consistency proof; see `batpak.ConsistencyProof.verify`.
#[pyfunction]
pub fn verify_consistency<'py>(
    py: Python<'py>,
    parts: (u64, Hash, u64, Hash, Vec<Hash>),
    old: &str,
    new: &str,
    public_key: Option<&PublicKey>,
) -> PyResult<Bound<'py, PyAny>> {
    let (old_size, old_root, new_size, new_root, path) = parts;
    let (old, new) = (mapped(py, Checkpoint::parse(old))?, mapped(py, Checkpoint::parse(new))?);
    let consistency = Consistency { old_size, old_root, new_size, new_root, path };
    verdict(py, &proof::consistency(&consistency, &old, &new, public_key.map(|key| &key.core)))
}

/// A public key as verifiers of notes are given it.
#[pyfunction]
pub fn note_verifier_key(name: &str, public_key: &PublicKey) -> String {
    verifier_key(name, &public_key.core)
}

/// Name and key of a verifier key. Raises InvalidKey when it is none.
#[pyfunction]
pub fn parse_note_verifier_key(py: Python<'_>, text: &str) -> PyResult<(String, PublicKey)> {
    let (name, core) = mapped(py, batpak_core::proof::note::parse_verifier_key(text))?;
    Ok((name, PublicKey { core }))
}
