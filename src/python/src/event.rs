//! An event as Python sees it: a frozen compiled class, its payload decoded when it is looked at.

use std::sync::OnceLock;

use batpak_core::header::{Encoding, Promise};
use batpak_core::read;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::decode::decode;
use crate::errors::mapped;
use crate::names::{Coordinate, Kind};
use crate::receipt::shapes;
use crate::types::types;

/// A stored event. Immutable, hashable, comparable by its hash; any thread may use it.
///
/// The payload is decoded at the first look: to the registered class of its kind and version, to a plain value if none is registered, to
/// bytes if it was stored raw.
#[pyclass(frozen, module = "batpak", name = "Event")]
pub struct Event {
    pub core: read::Event,
    /// `(kind, version, value) -> payload`, of the store's registry.
    pub restore: Py<PyAny>,
    /// Set once; no thread ever waits for it, so that nothing here lets go of the interpreter.
    payload: OnceLock<Py<PyAny>>,
}

impl Event {
    /// An event that was read.
    pub fn new(py: Python<'_>, core: read::Event, restore: &Py<PyAny>) -> Self {
        Self { core, restore: restore.clone_ref(py), payload: OnceLock::new() }
    }

    fn optional_uuid<'py>(py: Python<'py>, id: Option<&[u8; 16]>) -> PyResult<Option<Bound<'py, PyAny>>> {
        id.map(|id| shapes(py)?.uuid(py, id)).transpose()
    }

    fn load<'py>(&self, py: Python<'py>) -> PyResult<Py<PyAny>> {
        let bytes = self.core.payload();
        let value: Bound<'py, PyAny> = match self.core.encoding {
            Encoding::Raw => return Ok(PyBytes::new(py, bytes).into_any().unbind()),
            Encoding::Value => decode(py, bytes)?,
        };
        if self.core.payload_version == 0 {
            return Ok(value.unbind());
        }
        self.restore.call1(py, (self.core.kind.code(), self.core.payload_version, value))
    }
}

#[pymethods]
impl Event {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("coordinate", "kind", "payload")
    }

    /// Position in the journal, from 0.
    #[getter]
    fn sequence(&self) -> u64 {
        self.core.stamp.sequence
    }

    /// UUIDv7, ascending with the sequence.
    #[getter]
    fn event_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shapes(py)?.uuid(py, &self.core.stamp.event_id)
    }

    /// Entity and scope. Raises InvalidCoordinate for the journal's own events, which have none that users may write to.
    #[getter]
    fn coordinate(&self, py: Python<'_>) -> PyResult<Coordinate> {
        let core = mapped(py, batpak_core::Coordinate::new(self.core.entity(), self.core.scope()))?;
        Ok(Coordinate { core })
    }

    /// Whose event it is.
    #[getter]
    fn entity(&self) -> &str {
        self.core.entity()
    }

    /// Where it happened.
    #[getter]
    fn scope(&self) -> &str {
        self.core.scope()
    }

    /// What it is.
    #[getter]
    fn kind(&self) -> Kind {
        Kind { core: self.core.kind }
    }

    /// The payload: an instance of the registered class, a plain value, or bytes. Raises PayloadMismatch or NewerVersion when the registered
    /// class cannot take it; `value` and `raw_payload` still can be read then.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(payload) = self.payload.get() {
            return Ok(payload.bind(py).clone());
        }
        // Not while the cell is locked: restoring runs the user's class.
        let loaded = self.load(py)?;
        Ok(self.payload.get_or_init(|| loaded).bind(py).clone())
    }

    /// The payload as a plain value (or bytes), whatever is registered.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.core.encoding {
            Encoding::Raw => Ok(PyBytes::new(py, self.core.payload()).into_any()),
            Encoding::Value => decode(py, self.core.payload()),
        }
    }

    /// The payload's bytes as stored.
    #[getter]
    fn raw_payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.core.payload())
    }

    /// The private metadata's bytes as stored; empty if there is none.
    #[getter]
    fn raw_private_metadata<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.core.private())
    }

    /// "raw" or "value".
    #[getter]
    fn encoding(&self) -> &'static str {
        match self.core.encoding {
            Encoding::Raw => "raw",
            Encoding::Value => "value",
        }
    }

    /// Schema version of the payload; 0 for untyped ones.
    #[getter]
    fn payload_version(&self) -> u16 {
        self.core.payload_version
    }

    /// The journal that the event was written in.
    #[getter]
    fn journal_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shapes(py)?.uuid(py, &self.core.journal_id)
    }

    /// Free id that groups events, or None.
    #[getter]
    fn correlation_id<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Self::optional_uuid(py, self.core.correlation_id.as_ref())
    }

    /// Id of the event that caused this one, or None.
    #[getter]
    fn causation_id<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Self::optional_uuid(py, self.core.causation_id.as_ref())
    }

    /// Permanent metadata, a new dict in key order.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metadata = PyDict::new(py);
        for (key, value) in mapped(py, self.core.metadata())? {
            metadata.set_item(key, value)?;
        }
        Ok(metadata)
    }

    /// Erasable metadata, a new dict in key order.
    #[getter]
    fn private_metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let private = self.core.private();
        if private.is_empty() { Ok(PyDict::new(py).into_any()) } else { decode(py, private) }
    }

    /// Position in the entity's chain, from 0.
    #[getter]
    fn clock(&self) -> u64 {
        self.core.stamp.clock
    }

    /// The hybrid logical clock.
    #[getter]
    fn hlc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shapes(py)?.hlc(py, self.core.stamp.hlc)
    }

    /// The HLC's wall part as an aware datetime in UTC.
    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let known = types(py)?;
        let epoch = known.datetime.bind(py).call1((1970, 1, 1, 0, 0, 0, 0, known.utc.bind(py)))?;
        let since = known.timedelta.bind(py).call1((0, 0, self.core.stamp.hlc.wall_us))?;
        epoch.add(since)
    }

    /// Raw wall clock minus the HLC's wall part, in microseconds.
    #[getter]
    fn skew_us(&self) -> i64 {
        self.core.stamp.skew_us
    }

    /// Sequence of the entity's previous event, or None.
    #[getter]
    fn prev_sequence(&self) -> Option<u64> {
        self.core.stamp.previous.map(|(sequence, _)| sequence)
    }

    /// Hash of the entity's previous event; 32 zero bytes for the first.
    #[getter]
    fn prev_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.stamp.previous.map_or([0; 32], |(_, hash)| hash))
    }

    /// BLAKE3 over the header.
    #[getter]
    fn event_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.event_hash)
    }

    /// What the header says of the payload: BLAKE3 over salt, private metadata and payload.
    #[getter]
    fn payload_commitment<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.payload_commitment)
    }

    /// "always", "interval" or "manual": what durability was promised when it was written.
    #[getter]
    fn promise(&self) -> &'static str {
        match self.core.promise {
            Promise::Manual => "manual",
            Promise::Interval => "interval",
            Promise::Always => "always",
        }
    }

    /// The header's bytes (FORMAT.md section 3).
    #[getter]
    fn header<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.core.header())
    }

    /// The 16 bytes that hide the payload behind its commitment.
    #[getter]
    fn salt<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.salt)
    }

    /// Whether it is one of the journal's own events.
    #[getter]
    fn is_system(&self) -> bool {
        self.core.kind.category() == 0
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (entity, scope) = (PyString::new(py, self.core.entity()), PyString::new(py, self.core.scope()));
        let (sequence, kind) = (self.core.stamp.sequence, self.core.kind);
        Ok(format!("<Event {sequence} {kind} entity={} scope={}>", entity.repr()?, scope.repr()?))
    }

    /// A table for notebooks.
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        crate::errors::html(slf.as_any(), "event_table")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().core == self.core)
    }

    fn __hash__(&self) -> u64 {
        self.core.event_hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let rebuild = pyo3::types::PyModule::import(py, "batpak._batpak")?.getattr("event_from_record")?;
        (rebuild, (PyBytes::new(py, slf.get().core.record()),)).into_pyobject(py)
    }
}

/// The event in a record's bytes, as pickling needs it; payloads go through the process-wide registry.
#[pyfunction]
pub fn event_from_record(py: Python<'_>, record: &[u8]) -> PyResult<Event> {
    let core = mapped(py, read::Event::from_record(record.to_vec()))?;
    let restore = pyo3::types::PyModule::import(py, "batpak._payloads")?.getattr("restore_default")?;
    Ok(Event::new(py, core, &restore.unbind()))
}
