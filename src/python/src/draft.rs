//! One event to be, as Python passes it: the arguments of `append`, and the `Draft` that batches are made of.

use std::collections::BTreeMap;

use batpak_core::header::{Encoding, Promise};
use batpak_core::proposal::{Causation, Expect, NewEvent, Proposal};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::encode::{Refusal, encode, uuid_bytes};
use crate::errors::{mapped, plain};
use crate::names::{Coordinate, kind_of};
use crate::numbers::{in_range, optional_version};
use crate::types::types;

/// One event of a batch: a payload and where it belongs.
///
/// `coordinate`: a Coordinate. `payload`: an instance of a registered class, a plain value, or bytes. `kind`: a Kind or its number, for payloads
/// that are not of a registered class. `version`: schema version 0 to 65535 of such a payload. `correlation_id`: UUID or 16 bytes.
/// `causation_id`: UUID or 16 bytes, or an int: the index of an earlier item of the same batch. `metadata`: dict of str to str, at most
/// 4 KiB, permanent: pseudonymous ids only. `private_metadata`: dict of plain values, at most 64 KiB, erasable. `expect`: ANY, NEW or the clock
/// of the entity's last event. `key`: idempotency key, str or bytes of 1 to 1024 bytes.
///
/// Immutable; nothing is checked before it is appended.
///
/// >>> Draft(Coordinate("order:1", "shop"), {"x": 1}, kind=Kind(0xF, 1)).payload
/// {'x': 1}
#[pyclass(frozen, module = "batpak", name = "Draft", get_all)]
pub struct Draft {
    pub coordinate: Py<Coordinate>,
    pub payload: Py<PyAny>,
    pub kind: Option<Py<PyAny>>,
    pub version: Option<u16>,
    pub correlation_id: Option<Py<PyAny>>,
    pub causation_id: Option<Py<PyAny>>,
    pub metadata: Option<Py<PyDict>>,
    pub private_metadata: Option<Py<PyDict>>,
    pub expect: Py<PyAny>,
    pub key: Option<Py<PyAny>>,
}

#[pymethods]
impl Draft {
    #[new]
    #[pyo3(signature = (coordinate, payload, *, kind=None, version=None, correlation_id=None, causation_id=None, metadata=None, private_metadata=None, expect=None, key=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the fields")]
    fn new(
        py: Python<'_>,
        coordinate: Py<Coordinate>,
        payload: Py<PyAny>,
        kind: Option<Py<PyAny>>,
        #[pyo3(from_py_with = optional_version)] version: Option<u16>,
        correlation_id: Option<Py<PyAny>>,
        causation_id: Option<Py<PyAny>>,
        metadata: Option<Py<PyDict>>,
        private_metadata: Option<Py<PyDict>>,
        expect: Option<Py<PyAny>>,
        key: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let expect = expect.map_or_else(|| Ok::<_, PyErr>(types(py)?.expect_any.clone_ref(py)), Ok)?;
        Ok(Self {
            coordinate,
            payload,
            kind,
            version,
            correlation_id,
            causation_id,
            metadata,
            private_metadata,
            expect,
            key,
        })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("coordinate", "payload")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let kind = self
            .kind
            .as_ref()
            .map_or(Ok("None".to_owned()), |kind| Ok::<_, PyErr>(kind.bind(py).str()?.to_string()))?;
        Ok(format!("Draft({}, {}, kind={kind})", self.coordinate.bind(py).repr()?, self.payload.bind(py).repr()?))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        crate::errors::html(slf.as_any(), "plain")
    }
}

/// The arguments of one append, borrowed.
pub struct Arguments<'a, 'py> {
    pub coordinate: &'a Bound<'py, PyAny>,
    pub payload: &'a Bound<'py, PyAny>,
    pub kind: Option<&'a Bound<'py, PyAny>>,
    pub version: Option<u16>,
    pub correlation_id: Option<&'a Bound<'py, PyAny>>,
    pub causation_id: Option<&'a Bound<'py, PyAny>>,
    pub metadata: Option<&'a Bound<'py, PyDict>>,
    pub private_metadata: Option<&'a Bound<'py, PyDict>>,
    pub expect: Option<&'a Bound<'py, PyAny>>,
    pub key: Option<&'a Bound<'py, PyAny>>,
}

/// What turns arguments into an event, beside the arguments.
pub struct Context<'a> {
    /// `payload -> (plain value, kind, version)` for instances of registered classes; raises for others.
    pub resolve: &'a Py<PyAny>,
    pub entropy: &'a batpak_core::entropy::Entropy,
    pub allow_nonfinite: bool,
}

/// Adds one event to a proposal. `scratch` is kept for its memory.
pub fn push(
    py: Python<'_>,
    proposal: &mut Proposal,
    arguments: &Arguments<'_, '_>,
    context: &Context<'_>,
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    let coordinate = arguments.coordinate.cast::<Coordinate>().map_err(|_| {
        PyTypeError::new_err(format!("coordinate must be a batpak.Coordinate, not {}", arguments.coordinate.get_type()))
    })?;
    let resolved;
    let (payload, kind, version) = if is_plain(arguments.payload)? {
        let kind = arguments.kind.ok_or_else(|| {
            plain(
                py,
                "InvalidKind",
                "a payload that is not of a registered class needs kind=, for instance kind=batpak.Kind(0xF, 1)",
            )
        })?;
        (arguments.payload, kind_of(kind)?, arguments.version.unwrap_or(0))
    } else {
        resolved = context.resolve.bind(py).call1((arguments.payload, arguments.kind, arguments.version))?;
        let (_, code, version): (Bound<'_, PyAny>, u16, u16) = resolved.extract()?;
        (&resolved.get_item(0)?, batpak_core::Kind::from_code(code), version)
    };
    scratch.clear();
    let refused = |refusal: Refusal| refusal.into_python(py);
    let encoding = if let Ok(bytes) = payload.cast_exact::<PyBytes>() {
        check_length(py, bytes.as_bytes().len())?;
        Encoding::Raw
    } else {
        encode(payload, "payload", scratch, context.allow_nonfinite).map_err(refused)?;
        Encoding::Value
    };
    let mut private = Vec::new();
    if let Some(map) = arguments.private_metadata.filter(|map| !map.is_empty()) {
        encode(map.as_any(), "private_metadata", &mut private, context.allow_nonfinite).map_err(refused)?;
    }
    let metadata = arguments.metadata.map(metadata).transpose()?.unwrap_or_default();
    let payload_bytes = match encoding {
        Encoding::Raw => payload.cast_exact::<PyBytes>()?.as_bytes(),
        Encoding::Value => scratch.as_slice(),
    };
    let key = arguments.key.map(key_of).transpose()?;
    let event = NewEvent {
        coordinate: &coordinate.get().core,
        kind,
        payload_version: version,
        encoding,
        payload: payload_bytes,
        correlation_id: arguments.correlation_id.map(|id| id16(id, "correlation_id")).transpose()?,
        causation: arguments.causation_id.map(causation).transpose()?,
        key,
        expect: arguments.expect.map_or(Ok(Expect::Any), expect_of)?,
        metadata: &metadata,
        private: &private,
    };
    mapped(py, proposal.push(&event, context.entropy))
}

/// Refused before the bytes are copied anywhere.
fn check_length(py: Python<'_>, actual: usize) -> PyResult<()> {
    let limit = batpak_core::limits::PAYLOAD_BYTES_MAX;
    if actual <= limit {
        return Ok(());
    }
    let error = batpak_core::Error::LimitExceeded {
        what: "the payload, in bytes,",
        actual: actual as u64,
        limit: limit as u64,
    };
    Err(crate::errors::to_python(py, &error))
}

/// Whether a payload is untyped: of exactly one of the types that have an encoding of their own.
fn is_plain(payload: &Bound<'_, PyAny>) -> PyResult<bool> {
    if payload.is_exact_instance_of::<PyDict>()
        || payload.is_exact_instance_of::<PyBytes>()
        || payload.is_exact_instance_of::<PyList>()
        || payload.is_exact_instance_of::<PyString>()
        || payload.is_exact_instance_of::<PyInt>()
        || payload.is_exact_instance_of::<PyFloat>()
        || payload.is_exact_instance_of::<PyBool>()
        || payload.is_none()
    {
        return Ok(true);
    }
    let known = types(payload.py())?;
    let class = payload.get_type();
    let exact = [&known.datetime, &known.date, &known.time, &known.timedelta, &known.decimal, &known.uuid];
    Ok(exact.iter().any(|one| class.is(*one)))
}

fn metadata(map: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, String>> {
    let text = |value: &Bound<'_, PyAny>| {
        let text = value.cast_exact::<PyString>().map_err(|_| {
            plain(
                map.py(),
                "InvalidInput",
                "metadata must map str to str; put other values into the payload or private_metadata",
            )
        })?;
        let utf8 = text.to_str().map_err(|_| {
            plain(map.py(), "InvalidInput", "metadata holds a lone surrogate, which UTF-8 cannot encode")
        })?;
        Ok::<_, PyErr>(utf8.to_owned())
    };
    map.iter().map(|(key, value)| Ok((text(&key)?, text(&value)?))).collect()
}

/// A UUID or 16 bytes.
pub fn id16(value: &Bound<'_, PyAny>, what: &str) -> PyResult<[u8; 16]> {
    let bytes = if let Ok(bytes) = value.cast::<PyBytes>() {
        bytes.as_bytes().try_into().ok()
    } else if value.get_type().is(&types(value.py())?.uuid) {
        uuid_bytes(value).ok()
    } else {
        None
    };
    bytes.ok_or_else(|| plain(value.py(), "InvalidInput", &format!("{what} must be a UUID or 16 bytes")))
}

fn causation(value: &Bound<'_, PyAny>) -> PyResult<Causation> {
    if value.is_exact_instance_of::<PyInt>() {
        return Ok(Causation::Item(in_range(value, "InvalidInput", "causation_id")?));
    }
    Ok(Causation::Id(id16(value, "causation_id")?))
}

/// ANY, NEW or a clock.
fn expect_of(value: &Bound<'_, PyAny>) -> PyResult<Expect> {
    let known = types(value.py())?;
    if value.is(&known.expect_any) {
        Ok(Expect::Any)
    } else if value.is(&known.expect_new) {
        Ok(Expect::New)
    } else if value.is_exact_instance_of::<PyInt>() {
        in_range(value, "InvalidInput", "expect").map(Expect::Clock)
    } else {
        let reason = "expect must be batpak.ANY, batpak.NEW, or the clock of the entity's last event, an int";
        Err(PyTypeError::new_err(reason))
    }
}

/// An idempotency key: text and the same text in UTF-8 are one key.
fn key_of<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    let refuse = |reason: &str| plain(value.py(), "InvalidInput", reason);
    let bytes = if let Ok(text) = value.cast_exact::<PyString>() {
        text.to_str().map_err(|_| refuse("key holds a lone surrogate, which UTF-8 cannot encode"))?.as_bytes()
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        bytes.as_bytes()
    } else {
        return Err(PyTypeError::new_err(format!("key must be str or bytes, not {}", value.get_type())));
    };
    if bytes.is_empty() || bytes.len() > batpak_core::limits::KEY_BYTES_MAX {
        return Err(refuse("key must have 1 to 1024 bytes"));
    }
    Ok(bytes)
}

/// "always", "interval" or "manual".
pub fn promise(py: Python<'_>, text: &str) -> PyResult<Promise> {
    match text {
        "always" => Ok(Promise::Always),
        "interval" => Ok(Promise::Interval),
        "manual" => Ok(Promise::Manual),
        _ => Err(plain(
            py,
            "InvalidInput",
            &format!("durability is {text:?}; it must be \"always\", \"interval\" or \"manual\""),
        )),
    }
}

/// Adds one item of a batch: a Draft, or a pair of coordinate and payload.
pub fn push_item(
    item: &Bound<'_, PyAny>,
    default_kind: Option<&Bound<'_, PyAny>>,
    proposal: &mut Proposal,
    context: &Context<'_>,
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    let py = item.py();
    if let Ok(pair) = item.cast::<PyTuple>()
        && pair.len() == 2
    {
        let (coordinate, payload) = (pair.get_item(0)?, pair.get_item(1)?);
        let arguments = Arguments {
            coordinate: &coordinate,
            payload: &payload,
            kind: default_kind.filter(|_| is_plain(&payload).unwrap_or(false)),
            version: None,
            correlation_id: None,
            causation_id: None,
            metadata: None,
            private_metadata: None,
            expect: None,
            key: None,
        };
        return push(py, proposal, &arguments, context, scratch);
    }
    let draft = item.cast::<Draft>().map_err(|_| {
        PyTypeError::new_err(format!(
            "an item of a batch must be (coordinate, payload) or a Draft, not {}",
            item.get_type()
        ))
    })?;
    let draft = draft.get();
    let optional = |value: &Option<Py<PyAny>>| value.as_ref().map(|value| value.bind(py).clone());
    let (correlation_id, causation_id) = (optional(&draft.correlation_id), optional(&draft.causation_id));
    let kind = optional(&draft.kind);
    let payload = draft.payload.bind(py);
    let kind = kind.as_ref().or_else(|| default_kind.filter(|_| is_plain(payload).unwrap_or(false)));
    let arguments = Arguments {
        coordinate: draft.coordinate.bind(py).as_any(),
        payload,
        kind,
        version: draft.version,
        correlation_id: correlation_id.as_ref(),
        causation_id: causation_id.as_ref(),
        metadata: draft.metadata.as_ref().map(|map| map.bind(py)),
        private_metadata: draft.private_metadata.as_ref().map(|map| map.bind(py)),
        expect: Some(draft.expect.bind(py)),
        key: draft.key.as_ref().map(|key| key.bind(py)),
    };
    push(py, proposal, &arguments, context, scratch)
}
