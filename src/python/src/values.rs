//! Canonical bytes of plain values.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decode::decode;
use crate::encode::encode;

/// Canonical bytes of a plain value.
#[pyfunction]
#[pyo3(signature = (value, *, allow_nonfinite))]
pub fn encode_value<'py>(
    py: Python<'py>,
    value: &Bound<'py, PyAny>,
    allow_nonfinite: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    encode(value, "payload", &mut out, allow_nonfinite).map_err(|refusal| refusal.into_python(py))?;
    Ok(PyBytes::new(py, &out))
}

/// The plain value that canonical bytes are. Raises InvalidEncoding for any other bytes.
#[pyfunction]
pub fn decode_value<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    decode(py, data)
}
