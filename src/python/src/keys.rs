//! Ed25519 keys as Python sees them.

use std::cell::Cell;
use std::sync::Arc;

use batpak_core::error::Error;
use batpak_core::key;
use batpak_core::proof::{parse_signer_key, signer_key};
use batpak_core::signer::{Elsewhere, Signer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::errors::mapped;

thread_local! {
    /// What a signer raised in this thread: it becomes the cause of what the caller gets.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// What the last signer that failed in this thread raised, once.
pub fn raised_by_signer() -> Option<PyErr> {
    RAISED.take()
}

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

    /// Reads a note signer key. Raises InvalidKey when it is anything else.
    #[staticmethod]
    fn from_note(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { core: mapped(py, parse_signer_key(text))?.1 })
    }

    /// The note signer key of this name: the secret itself.
    fn to_note(&self, name: &str) -> String {
        signer_key(name, &self.core)
    }

    /// PKCS#8 PEM text: the secret itself.
    fn to_pem(&self, py: Python<'_>) -> PyResult<String> {
        mapped(py, self.core.to_pem())
    }

    /// The signature over these bytes: 64 bytes.
    fn sign<'py>(&self, py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.sign(data))
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

/// A key that signs elsewhere, behind a Python callable.
#[pyclass(frozen, module = "batpak._batpak", name = "ExternalSigner")]
pub struct ExternalSigner {
    core: Arc<Callable>,
}

#[pymethods]
impl ExternalSigner {
    /// Of a public key and a callable that signs bytes with its secret half.
    #[new]
    fn new(public_key: &PublicKey, sign: Py<PyAny>) -> Self {
        Self { core: Arc::new(Callable { public: public_key.core.clone(), sign }) }
    }

    fn __repr__(&self) -> String {
        format!("<ExternalSigner {}>", batpak_core::hash::hex(&self.core.public.key_id()))
    }
}

#[derive(Debug)]
struct Callable {
    public: key::PublicKey,
    sign: Py<PyAny>,
}

fn failed(reason: impl Into<String>) -> Error {
    Error::SignerFailed { reason: reason.into() }
}

impl Elsewhere for Callable {
    fn public(&self) -> &key::PublicKey {
        &self.public
    }

    fn sign(&self, statement: &[u8]) -> batpak_core::Result<[u8; 64]> {
        let answer = Python::try_attach(|py| {
            RAISED.set(None);
            let signature = self.sign.bind(py).call1((PyBytes::new(py, statement),)).map_err(|error| {
                let reason = error.value(py).repr().map_or_else(|_| error.to_string(), |text| text.to_string());
                RAISED.set(Some(error));
                failed(format!("it raised {reason}"))
            })?;
            let bytes = signature.cast::<PyBytes>().map_err(|_| failed("it did not return bytes"))?;
            bytes.as_bytes().try_into().map_err(|_| failed("it did not return the 64 bytes of an Ed25519 signature"))
        });
        answer.unwrap_or_else(|| Err(failed("the interpreter is ending")))
    }
}

/// What signs, as Python gives it.
#[derive(FromPyObject)]
pub enum AnySigner<'py> {
    Key(Bound<'py, SigningKey>),
    External(Bound<'py, ExternalSigner>),
}

impl AnySigner<'_> {
    /// As the core takes it.
    pub fn signer(&self) -> Signer {
        match self {
            Self::Key(key) => key.get().core.clone().into(),
            Self::External(signer) => Signer::Elsewhere(Arc::clone(&signer.get().core) as _),
        }
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
