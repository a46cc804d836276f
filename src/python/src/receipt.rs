//! Receipts: the frozen dataclass of `batpak/_receipt.py`, filled from here, and the lazy sequence that a batch returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batpak_core::clock::Hlc;
use batpak_core::header::Stamp;
use batpak_core::receipt::{Committed, Receipt, Stored};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyModule, PySlice, PyType};

use crate::errors::mapped;
use crate::slots::SlotClass;

/// Slotted classes that are filled from here.
pub struct Shapes {
    receipt: SlotClass,
    hlc: SlotClass,
    uuid: SlotClass,
    safe_unknown: Py<PyAny>,
}

static SHAPES: PyOnceLock<Shapes> = PyOnceLock::new();

/// The classes, looked up at the first use.
pub fn shapes(py: Python<'_>) -> PyResult<&Shapes> {
    SHAPES.get_or_try_init(py, || {
        let class = |module: &str, name: &str| -> PyResult<Bound<'_, PyType>> {
            Ok(PyModule::import(py, module)?.getattr(name)?.cast_into::<PyType>()?)
        };
        let fields =
            ["journal_id", "event_id", "sequence", "clock", "hlc", "event_hash", "key_id", "signature", "_source"];
        Ok(Shapes {
            receipt: SlotClass::new(&class("batpak._receipt", "AppendReceipt")?, &fields)?,
            hlc: SlotClass::new(&class("batpak._receipt", "Hlc")?, &["wall_us", "counter"])?,
            uuid: SlotClass::new(&class("uuid", "UUID")?, &["int", "is_safe"])?,
            safe_unknown: class("uuid", "SafeUUID")?.getattr("unknown")?.unbind(),
        })
    })
}

impl Shapes {
    /// A `uuid.UUID`.
    pub fn uuid<'py>(&self, py: Python<'py>, bytes: &[u8; 16]) -> PyResult<Bound<'py, PyAny>> {
        let number = u128::from_be_bytes(*bytes).into_pyobject(py)?.into_any();
        self.uuid.build(py, [number, self.safe_unknown.bind(py).clone()])
    }

    /// A `batpak.Hlc`.
    pub fn hlc<'py>(&self, py: Python<'py>, hlc: Hlc) -> PyResult<Bound<'py, PyAny>> {
        self.hlc.build(py, [hlc.wall_us.into_pyobject(py)?.into_any(), hlc.counter.into_pyobject(py)?.into_any()])
    }
}

/// What is stored behind a receipt's fields.
enum Behind {
    /// Written by this process; the path is computed when asked for.
    Frame(Arc<Committed>, usize),
    /// Read from portable bytes.
    Portable(Box<Receipt>),
}

/// The part of a receipt that its dataclass does not show: header, frame and path.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct ReceiptSource {
    behind: Behind,
}

impl ReceiptSource {
    /// The receipt, complete.
    pub fn receipt(&self) -> Option<Receipt> {
        match &self.behind {
            Behind::Frame(frame, index) => frame.receipt(*index),
            Behind::Portable(receipt) => Some(Receipt::clone(receipt)),
        }
    }
}

#[pymethods]
impl ReceiptSource {
    /// Portable bytes (FORMAT.md section 11).
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.receipt().map(|receipt| receipt.encode()).unwrap_or_default())
    }

    /// The members that the JSON form has beside the dataclass's fields.
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = PyDict::new(py);
        if let Some(receipt) = self.receipt() {
            parts.set_item("first_sequence", receipt.first_sequence)?;
            parts.set_item("count", receipt.count)?;
            parts.set_item("path", PyList::new(py, receipt.path.iter().map(|hash| PyBytes::new(py, hash)))?)?;
            parts.set_item("header", PyBytes::new(py, &receipt.header))?;
        }
        Ok(parts)
    }
}

fn build<'py>(
    py: Python<'py>,
    journal_id: Bound<'py, PyAny>,
    stamp: &Stamp,
    event_hash: &[u8; 32],
    signature: Option<&batpak_core::frame::FrameSignature>,
    behind: Behind,
) -> PyResult<Bound<'py, PyAny>> {
    let shapes = shapes(py)?;
    let none = || py.None().into_bound(py);
    shapes.receipt.build(
        py,
        [
            journal_id,
            shapes.uuid(py, &stamp.event_id)?,
            stamp.sequence.into_pyobject(py)?.into_any(),
            stamp.clock.into_pyobject(py)?.into_any(),
            shapes.hlc(py, stamp.hlc)?,
            PyBytes::new(py, event_hash).into_any(),
            signature.map_or_else(none, |signature| PyBytes::new(py, &signature.key_id).into_any()),
            signature.map_or_else(none, |signature| PyBytes::new(py, &signature.signature).into_any()),
            Bound::new(py, ReceiptSource { behind })?.into_any(),
        ],
    )
}

/// A lineage's id, and the UUID that receipts of it show.
pub struct Named {
    id: [u8; 16],
    uuid: Py<PyAny>,
}

impl Named {
    /// Makes the UUID.
    pub fn new(py: Python<'_>, id: [u8; 16]) -> PyResult<Self> {
        Ok(Self { id, uuid: shapes(py)?.uuid(py, &id)?.unbind() })
    }

    /// Another reference to the same.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { id: self.id, uuid: self.uuid.clone_ref(py) }
    }

    /// The UUID of this one, which is the same as a rule.
    pub fn of<'py>(&self, py: Python<'py>, id: &[u8; 16]) -> PyResult<Bound<'py, PyAny>> {
        if self.id == *id { Ok(self.uuid.bind(py).clone()) } else { shapes(py)?.uuid(py, id) }
    }
}

/// The receipt of one event of a frame; events of the lineage that is named are the rule.
pub fn of_frame<'py>(
    py: Python<'py>,
    named: &Named,
    frame: &Arc<Committed>,
    index: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let parts = frame.stamps.get(index).zip(frame.hashes.get(index));
    let (stamp, hash) = parts.ok_or_else(|| PyIndexError::new_err("receipt index out of range"))?;
    let behind = Behind::Frame(Arc::clone(frame), index);
    build(py, named.of(py, &frame.journal_id)?, stamp, hash, frame.signature.as_ref(), behind)
}

/// The receipt in portable bytes. Raises InvalidReceipt when they are anything else.
#[pyfunction]
pub fn receipt_from_bytes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let receipt = mapped(py, Receipt::decode(data))?;
    let fields = mapped(py, receipt.fields())?;
    let (stamp, journal_id) = (fields.stamp, shapes(py)?.uuid(py, &fields.journal_id)?);
    let (hash, signature) = (receipt.event_hash(), receipt.signature);
    build(py, journal_id, &stamp, &hash, signature.as_ref(), Behind::Portable(Box::new(receipt)))
}

/// What the receipts of a batch are made from.
pub enum Batch {
    /// A frame that was just written, but for so many of the journal's own events at its front.
    Frame(Arc<Committed>, usize),
    /// Events that were written before, under the same keys.
    Known(Vec<Stored>),
}

/// The receipts of a batch, made when they are looked at: a sequence of AppendReceipt, in the order of the batch.
///
/// Immutable; any thread may use it. It keeps headers and hashes in memory, not payloads.
#[pyclass(frozen, module = "batpak", name = "Receipts", sequence)]
pub struct Receipts {
    pub named: Named,
    pub batch: Batch,
}

impl Receipts {
    /// The receipt at `position`, which must be below the length.
    pub fn at<'py>(&self, py: Python<'py>, position: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.batch {
            Batch::Frame(frame, leading) => of_frame(py, &self.named, frame, position.saturating_add(*leading)),
            Batch::Known(events) => {
                let Stored { frame, index } =
                    events.get(position).ok_or_else(|| PyIndexError::new_err("receipt index out of range"))?;
                of_frame(py, &self.named, frame, *index)
            }
        }
    }
}

#[pymethods]
impl Receipts {
    fn __len__(&self) -> usize {
        match &self.batch {
            Batch::Frame(frame, leading) => frame.len() - leading,
            Batch::Known(events) => events.len(),
        }
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let length = isize::try_from(self.__len__()).unwrap_or(isize::MAX);
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(length)?;
            let positions = (0..range.slicelength).map(|n| range.start + isize::try_from(n).unwrap_or(0) * range.step);
            let receipts = positions
                .map(|position| self.at(py, usize::try_from(position).unwrap_or(usize::MAX)))
                .collect::<PyResult<Vec<_>>>()?;
            return Ok(PyList::new(py, receipts)?.into_any());
        }
        let index: isize = index.extract()?;
        let position = if index < 0 { index + length } else { index };
        self.at(py, usize::try_from(position).unwrap_or(usize::MAX))
    }

    fn __iter__(slf: Py<Self>) -> ReceiptIterator {
        ReceiptIterator { receipts: slf, next: AtomicUsize::new(0) }
    }

    fn __repr__(&self) -> String {
        match &self.batch {
            Batch::Frame(frame, leading) => {
                let (first, after) =
                    (frame.first_sequence + *leading as u64, frame.first_sequence + frame.len() as u64);
                format!("<Receipts of events {first} to {}>", after - 1)
            }
            Batch::Known(events) => format!("<Receipts of {} events that were written before>", events.len()),
        }
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        crate::errors::html(slf.as_any(), "plain")
    }
}

/// Goes through the receipts of a batch.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct ReceiptIterator {
    receipts: Py<Receipts>,
    next: AtomicUsize,
}

#[pymethods]
impl ReceiptIterator {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let receipts = self.receipts.get();
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < receipts.__len__()).then(|| receipts.at(py, index)).transpose()
    }
}
