//! What a bundle holds, on its way to the core's verifier.

use batpak_core::hash::Hash;
use batpak_core::proof::Checkpoint;
use batpak_core::verify::evidence;
use pyo3::prelude::*;

use crate::errors::mapped;
use crate::keys::PublicKey;
use crate::verify::verdict;

/// Salt, private metadata and payload.
type Detached = ([u8; 16], Vec<u8>, Vec<u8>);
/// Sequence, header, what may be left out, path.
type Item = (u64, Vec<u8>, Option<Detached>, Vec<Hash>);

/// Chosen events with what proves them; `batpak/_evidence/reading.py` reads them from a bundle.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct Evidence {
    core: evidence::Evidence,
}

#[pymethods]
impl Evidence {
    /// The checkpoint, named keys, events (sequence, header, salt with private metadata and payload or None, path), and earlier
    /// checkpoints with their consistency proofs. Raises InvalidProof when a checkpoint is none.
    #[new]
    fn new(
        py: Python<'_>,
        checkpoint: &str,
        keys: Vec<(String, Py<PublicKey>)>,
        items: Vec<Item>,
        earlier: Vec<(String, Vec<Hash>)>,
    ) -> PyResult<Self> {
        let items = items.into_iter().map(|(sequence, header, detached, path)| {
            let detached = detached.map(|(salt, private, payload)| evidence::Detached { salt, private, payload });
            evidence::Item { sequence, header, detached, path }
        });
        let earlier = earlier.iter().map(|(text, path)| Ok((mapped(py, Checkpoint::parse(text))?, path.clone())));
        let core = evidence::Evidence {
            checkpoint: mapped(py, Checkpoint::parse(checkpoint))?,
            keys: keys.into_iter().map(|(name, key)| (name, key.get().core.clone())).collect(),
            items: items.collect(),
            earlier: earlier.collect::<PyResult<_>>()?,
        };
        Ok(Self { core })
    }

    /// The verdict; see `batpak.verify_evidence`.
    fn verify<'py>(&self, py: Python<'py>, public_key: Option<&PublicKey>) -> PyResult<Bound<'py, PyAny>> {
        let key = public_key.map(|key| &key.core);
        let verification = py.detach(|| evidence::evidence(&self.core, key));
        verdict(py, &verification)
    }
}
