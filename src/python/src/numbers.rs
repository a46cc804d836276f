//! Whole numbers as arguments: one that is out of range is refused like every other argument, not with `OverflowError`.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::errors::plain;

/// The number; `class` is raised for an int that is out of its type's range, TypeError for anything else.
pub fn in_range<'py, T>(value: &Bound<'py, PyAny>, class: &str, what: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            plain(value.py(), class, &format!("{what} is out of range"))
        } else {
            error
        }
    })
}

/// An argument that must be a number.
pub fn u64_of(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    in_range(value, "InvalidInput", "the number")
}

/// An argument that may be None.
pub fn optional_u64(value: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if value.is_none() { Ok(None) } else { u64_of(value).map(Some) }
}

/// A schema version, or None.
pub fn optional_version(value: &Bound<'_, PyAny>) -> PyResult<Option<u16>> {
    if value.is_none() { Ok(None) } else { in_range(value, "InvalidInput", "version").map(Some) }
}
