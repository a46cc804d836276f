//! Verdicts: of a directory, of a receipt alone, and of an open journal.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use batpak_core::receipt::Receipt;
use batpak_core::storage::{DiskStorage, Storage};
use batpak_core::verification::Verification;
use batpak_core::verify::Against;
use batpak_core::verify::receipt::alone;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::errors::{detached, mapped, plain};
use crate::event::Event;
use crate::keys::PublicKey;
use crate::place::{Place, place_of};
use crate::receipt::ReceiptSource;

/// A verdict as the dataclass of `batpak/_verification.py`.
pub fn verdict<'py>(py: Python<'py>, verification: &Verification) -> PyResult<Bound<'py, PyAny>> {
    let fields = pythonize::pythonize(py, verification)?;
    let class = PyModule::import(py, "batpak._verification")?.getattr("Verification")?;
    class.call_method1("_from_core", (fields,))
}

/// Between two looks whether a signal came.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Asks, from a detached thread, whether a signal came; keeps the exception that says so.
pub struct Signals {
    raised: Mutex<Option<PyErr>>,
    looked: Mutex<Instant>,
}

impl Signals {
    pub fn new() -> Self {
        Self { raised: Mutex::new(None), looked: Mutex::new(Instant::now()) }
    }

    /// Looks a few times a second only: whoever looks waits for the interpreter, which another thread may be using.
    pub fn came(&self) -> bool {
        let mut looked = self.looked.lock();
        if looked.elapsed() < BETWEEN_LOOKS {
            return false;
        }
        *looked = Instant::now();
        Python::attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                *self.raised.lock() = Some(error);
                true
            }
        })
    }

    /// The result, or the exception that a signal handler raised.
    pub fn settle<T>(&self, result: PyResult<T>) -> PyResult<T> {
        match self.raised.lock().take() {
            Some(raised) => Err(raised),
            None => result,
        }
    }
}

pub fn receipt_of(py: Python<'_>, source: &ReceiptSource) -> PyResult<Receipt> {
    source.receipt().ok_or_else(|| plain(py, "InvalidReceipt", "the receipt is empty"))
}

/// Checks a receipt without a store; see `batpak.verify_receipt`.
#[pyfunction]
pub fn verify_receipt<'py>(
    py: Python<'py>,
    source: &ReceiptSource,
    public_key: Option<&PublicKey>,
    event: Option<&Event>,
) -> PyResult<Bound<'py, PyAny>> {
    let receipt = receipt_of(py, source)?;
    let key = public_key.map(|key| &key.core);
    verdict(py, &mapped(py, alone(&receipt, key, event.map(|event| &event.core)))?)
}

/// Checks the journal in a directory without opening it; see `batpak.verify`.
#[pyfunction]
pub fn verify_directory<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = place_of)] path: Place,
    public_key: Option<&PublicKey>,
    pins: Option<PathBuf>,
) -> PyResult<Bound<'py, PyAny>> {
    let signals = Signals::new();
    let pins = pins.map(DiskStorage::new);
    let against = Against {
        limit: None,
        public_key: public_key.map(|key| &key.core),
        pins: pins.as_ref().map(|pins| pins as &dyn Storage),
        alone: !path.background,
    };
    let result = detached(py, || batpak_core::verify::directory(path.storage.as_ref(), against, &|| signals.came()));
    verdict(py, &signals.settle(result)?)
}
