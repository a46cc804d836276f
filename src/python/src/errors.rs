//! The one place where errors of the core become Python's. The exceptions are written in Python (`batpak/_errors.py`).

use batpak_core::Error;
use batpak_core::error::Anchor;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyModule};

use crate::keys::raised_by_signer;

static EXCEPTIONS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

fn exceptions(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    let module = EXCEPTIONS.get_or_try_init(py, || PyModule::import(py, "batpak._errors").map(Bound::unbind))?;
    Ok(module.bind(py))
}

/// Builds an exception of `batpak._errors`, or whatever kept it from being built.
fn build(py: Python<'_>, class: &str, message: &str, attributes: &Bound<'_, PyDict>) -> PyErr {
    let built = exceptions(py).and_then(|module| module.getattr(class)?.call((message,), Some(attributes)));
    built.map_or_else(|error| error, PyErr::from_value)
}

/// An error of the core as the exception that users see.
pub fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let attributes = PyDict::new(py);
    // Setting a plain value in a fresh dict fails only without memory.
    macro_rules! set {
        ($($name:literal: $value:expr),*) => {{ $( let _ = attributes.set_item($name, $value); )* }};
    }
    let class = match error {
        Error::InvalidCoordinate { field, reason: _ } => {
            set!("field": *field);
            "InvalidCoordinate"
        }
        Error::InvalidKind { .. } => "InvalidKind",
        Error::InvalidValue { path, reason: _ } => {
            set!("path": path);
            "InvalidValue"
        }
        Error::InvalidEncoding { offset, .. } => {
            set!("offset": *offset);
            "InvalidEncoding"
        }
        Error::InvalidReceipt { .. } => "InvalidReceipt",
        Error::InvalidProof { .. } => "InvalidProof",
        Error::HistoryChanged { anchor, size, root, log_size, log_root } => {
            set!(
                "size": *size,
                "root": PyBytes::new(py, root),
                "log_size": *log_size,
                "log_root": log_root.as_ref().map(|root| PyBytes::new(py, root))
            );
            match (anchor, log_root) {
                (Anchor::Checkpoint, _) => "CheckpointMismatch",
                (Anchor::Pin, None) => "RollbackDetected",
                (Anchor::Pin, Some(_)) => "ForkDetected",
            }
        }
        Error::LimitExceeded { what, actual, limit } => {
            set!("what": *what, "actual": *actual, "limit": *limit);
            "LimitExceeded"
        }
        Error::InvalidInput { .. } => "InvalidInput",
        Error::ExpectationFailed { entity, expected: _, actual } => {
            set!("entity": entity, "actual": *actual);
            "ExpectationFailed"
        }
        Error::KeyConflict { sequence, reason: _ } => {
            set!("sequence": *sequence);
            "KeyConflict"
        }
        Error::EventNotFound { reference } => {
            set!("ref": reference);
            "EventNotFound"
        }
        Error::KeyRequired { key_id } | Error::WrongKey { key_id } => {
            set!("key_id": key_id);
            if matches!(error, Error::WrongKey { .. }) { "WrongKey" } else { "KeyRequired" }
        }
        Error::KeyNotInJournal => "KeyNotInJournal",
        Error::SignerFailed { .. } => return signer_failed(py, error),
        Error::InvalidKey { .. } => "InvalidKey",
        Error::NotAJournal { path, reason: _ } => {
            set!("path": path);
            "NotAJournal"
        }
        Error::Locked { path, pid } => {
            set!("path": path, "pid": *pid);
            "StoreLocked"
        }
        Error::Closed => "StoreClosed",
        Error::ReadOnly => "StoreReadOnly",
        Error::Forked => "ForkedStore",
        Error::Poisoned { .. } => "StorePoisoned",
        Error::UnsupportedFormat { file, version } => {
            set!("file": file, "version": *version);
            "UnsupportedFormat"
        }
        Error::Damaged { file, offset, sequence, reason: _ } => {
            set!("file": file, "offset": *offset, "sequence": *sequence);
            "JournalDamaged"
        }
        Error::IndexDamaged { file } => {
            set!("file": file, "offset": 0, "sequence": None::<u64>);
            "JournalDamaged"
        }
        Error::Rewound { from, to } => {
            set!("from_events": *from, "to_events": *to);
            "JournalRewound"
        }
        Error::Storage(failure) => {
            set!("errno": failure.errno, "filename": &failure.path, "operation": failure.operation);
            match failure.kind {
                std::io::ErrorKind::PermissionDenied => "StoragePermission",
                std::io::ErrorKind::NotFound => "StorageMissing",
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "StorageFull",
                _ => "StorageError",
            }
        }
        Error::Interrupted => return pyo3::exceptions::PyKeyboardInterrupt::new_err(()),
    };
    build(py, class, &error.to_string(), &attributes)
}

/// With what the signer raised as its cause; Ctrl-C and an exit are not the signer's failures.
fn signer_failed(py: Python<'_>, error: &Error) -> PyErr {
    let raised = raised_by_signer();
    match raised {
        Some(raised) if !raised.is_instance_of::<PyException>(py) => raised,
        raised => {
            let failure = plain(py, "SignerFailed", &error.to_string());
            failure.set_cause(py, raised);
            failure
        }
    }
}

/// An exception with a message and nothing else.
pub fn plain(py: Python<'_>, class: &str, message: &str) -> PyErr {
    build(py, class, message, &PyDict::new(py))
}

/// The door to the core: runs without the interpreter, and maps the error.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> batpak_core::Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(|error| to_python(py, &error))
}

/// Maps the error of work that is too short to let go of the interpreter.
pub fn mapped<T>(py: Python<'_>, result: batpak_core::Result<T>) -> PyResult<T> {
    result.map_err(|error| to_python(py, &error))
}

/// The HTML of an object for notebooks, made by `batpak/_html.py`.
pub fn html<'py>(object: &Bound<'py, PyAny>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    PyModule::import(object.py(), "batpak._html")?.call_method1(function, (object,))
}
