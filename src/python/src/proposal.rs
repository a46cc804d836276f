//! Events that were encoded and wait to be written: what gates look at, and what an outbox holds.

use batpak_core::header::Encoding;
use batpak_core::proposal::Proposal;
use parking_lot::{RwLock, RwLockReadGuard};
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decode::decode;
use crate::errors::mapped;

/// Events that will be one frame. What is in it is encoded: changing the objects that it was made from changes nothing.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct CoreProposal {
    proposal: RwLock<Proposal>,
}

impl CoreProposal {
    /// Around what the store proposes.
    pub const fn new(proposal: Proposal) -> Self {
        Self { proposal: RwLock::new(proposal) }
    }

    /// To read; any number may at the same time. Never waited for: whoever changes it may be waiting for the interpreter.
    pub fn read(&self) -> PyResult<RwLockReadGuard<'_, Proposal>> {
        self.proposal.try_read().ok_or_else(busy)
    }

    /// Adds to it.
    pub fn change<T>(&self, work: impl FnOnce(&mut Proposal) -> PyResult<T>) -> PyResult<T> {
        work(&mut *self.proposal.try_write().ok_or_else(busy)?)
    }
}

fn busy() -> PyErr {
    PyRuntimeError::new_err("this proposal is being used by another thread")
}

#[pymethods]
impl CoreProposal {
    fn __len__(&self) -> PyResult<usize> {
        Ok(self.read()?.own_len())
    }

    /// Kind and version of the event at `position`.
    fn kind(&self, position: usize) -> PyResult<(u16, u16)> {
        let proposal = self.read()?;
        let (kind, version, _) = proposal.kind(position).ok_or_else(no_event)?;
        Ok((kind.code(), version))
    }

    /// The payload of the event at `position` as it will be stored: a plain value, made anew each time, or bytes.
    fn value<'py>(&self, py: Python<'py>, position: usize) -> PyResult<Bound<'py, PyAny>> {
        let proposal = self.read()?;
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
