//! Ed25519 keys as Python sees them.

use batpak_core::key;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::errors::mapped;

/// An Ed25519 key that signs (RFC 8032). It is never printed, pickled or compared; dropping it wipes it from memory.
#[pyclass(frozen, module = "batpak._batpak", name = "SigningKey")]
pub struct SigningKey {
    pub core: key::SigningKey,
}

#[pymethods]
impl SigningKey {
    /// A new random key.
    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        Ok(Self { core: mapped(py, key::SigningKey::generate())? })
    }

    /// Reads PKCS#8 PEM text. Raises InvalidKey when it is anything else.
    #[staticmethod]
    fn from_pem(py: Python<'_>, pem: &str) -> PyResult<Self> {
        Ok(Self { core: mapped(py, key::SigningKey::from_pem(pem))? })
    }

    /// PKCS#8 PEM text: the secret itself.
    fn to_pem(&self, py: Python<'_>) -> PyResult<String> {
        mapped(py, self.core.to_pem())
    }

    /// The half that verifies.
    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey { core: self.core.public().clone() }
    }

    /// SHA-256 of the public key: 32 bytes.
    #[getter]
    fn key_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.public().key_id())
    }

    fn __repr__(&self) -> String {
        format!("<SigningKey {}>", batpak_core::hash::hex(&self.core.public().key_id()))
    }
}

/// An Ed25519 key that verifies (RFC 8032). Immutable, hashable, comparable, picklable.
#[pyclass(frozen, module = "batpak._batpak", name = "PublicKey")]
pub struct PublicKey {
    pub core: key::PublicKey,
}

#[pymethods]
impl PublicKey {
    /// From 32 bytes. Raises InvalidKey unless they are a usable point.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: [u8; 32]) -> PyResult<Self> {
        Ok(Self { core: mapped(py, key::PublicKey::from_bytes(&bytes))? })
    }

    /// Reads SPKI PEM text. Raises InvalidKey when it is anything else.
    #[staticmethod]
    fn from_pem(py: Python<'_>, pem: &str) -> PyResult<Self> {
        Ok(Self { core: mapped(py, key::PublicKey::from_pem(pem))? })
    }

    /// SPKI PEM text.
    fn to_pem(&self, py: Python<'_>) -> PyResult<String> {
        mapped(py, self.core.to_pem())
    }

    /// The 32 bytes of RFC 8032.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.to_bytes())
    }

    /// SHA-256 of the 32 bytes.
    #[getter]
    fn key_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.key_id())
    }

    fn __repr__(&self) -> String {
        format!("<PublicKey {}>", batpak_core::hash::hex(&self.core.key_id()))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().core == self.core)
    }

    fn __hash__(&self) -> u64 {
        self.core.key_id().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let rebuild = slf.get_type().getattr("from_bytes")?;
        (rebuild, (slf.get().to_bytes(py),)).into_pyobject(py)
    }
}
