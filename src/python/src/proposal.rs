//! Events that were encoded and wait to be written: what gates look at, and what an outbox holds.

use batpak_core::header::Encoding;
use batpak_core::proposal::Proposal;
use parking_lot::{Mutex, MutexGuard};
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decode::decode;
use crate::errors::mapped;

/// Events that will be one frame. What is in it is encoded: changing the objects that it was made from changes nothing.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct CoreProposal {
    proposal: Mutex<Proposal>,
}

impl CoreProposal {
    /// Around what the store proposes.
    pub const fn new(proposal: Proposal) -> Self {
        Self { proposal: Mutex::new(proposal) }
    }

    /// Never waited for: whoever holds it may be waiting for the interpreter.
    pub fn taken(&self, _py: Python<'_>) -> PyResult<MutexGuard<'_, Proposal>> {
        self.proposal.try_lock().ok_or_else(|| PyRuntimeError::new_err("this proposal is being used by another thread"))
    }

    /// Adds to it.
    pub fn change<T>(&self, py: Python<'_>, work: impl FnOnce(&mut Proposal) -> PyResult<T>) -> PyResult<T> {
        work(&mut *self.taken(py)?)
    }
}

#[pymethods]
impl CoreProposal {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.taken(py)?.own_len())
    }

    /// Kind and version of the event at `position`.
    fn kind(&self, py: Python<'_>, position: usize) -> PyResult<(u16, u16)> {
        let proposal = self.taken(py)?;
        let (kind, version, _) = proposal.kind(position).ok_or_else(no_event)?;
        Ok((kind.code(), version))
    }

    /// The payload of the event at `position` as it will be stored: a plain value, made anew each time, or bytes.
    fn value<'py>(&self, py: Python<'py>, position: usize) -> PyResult<Bound<'py, PyAny>> {
        let proposal = self.taken(py)?;
        let (_, _, encoding) = proposal.kind(position).ok_or_else(no_event)?;
        let (payload, _) = mapped(py, proposal.content(position))?;
        match encoding {
            Encoding::Raw => Ok(PyBytes::new(py, payload).into_any()),
            Encoding::Value => decode(py, payload),
        }
    }
}

fn no_event() -> PyErr {
    PyIndexError::new_err("the proposal has no event at this position")
}

/// What a denial keeps of a proposal with this opening.
#[pyfunction]
pub fn proposal_commitment<'py>(py: Python<'py>, opening: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &batpak_core::hash::proposal_commitment(opening))
}
