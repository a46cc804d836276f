//! Coordinates and kinds as Python sees them.

use batpak_core::coordinate;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::errors::{mapped, plain, to_python};
use crate::numbers::in_range;

/// Names where an event belongs: an entity within a scope.
///
/// Both are 1 to 1024 bytes of UTF-8 in normal form C, without control characters, `/`, `|`, `=` and `..`; `:` separates levels. Entities
/// `batpak` and `batpak:...` are the journal's own. Immutable, hashable, comparable, picklable; any thread may use it.
///
/// Raises InvalidCoordinate when a name breaks a rule.
///
/// >>> Coordinate("player:alice", "room:dungeon").entity
/// 'player:alice'
#[pyclass(frozen, eq, ord, hash, module = "batpak", name = "Coordinate")]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinate {
    pub core: batpak_core::Coordinate,
}

#[pymethods]
impl Coordinate {
    #[new]
    fn new(py: Python<'_>, entity: &Bound<'_, PyString>, scope: &Bound<'_, PyString>) -> PyResult<Self> {
        let (entity, scope) = (name_of("entity", entity)?, name_of("scope", scope)?);
        Ok(Self { core: mapped(py, batpak_core::Coordinate::new(entity, scope))? })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("entity", "scope")
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

    /// Percent-encodes whatever a coordinate may not hold, and `%` and `:`; `unescape` gives the text back.
    ///
    /// >>> Coordinate.escape("a/b")
    /// 'a%2Fb'
    #[staticmethod]
    fn escape(text: &str) -> String {
        coordinate::escape(text)
    }

    /// The text that `escape` was given. Raises InvalidInput when it cannot have been.
    #[staticmethod]
    fn unescape(py: Python<'_>, escaped: &str) -> PyResult<String> {
        mapped(py, coordinate::unescape(escaped))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (entity, scope) = (PyString::new(py, self.core.entity()), PyString::new(py, self.core.scope()));
        Ok(format!("Coordinate(entity={}, scope={})", entity.repr()?, scope.repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let core = &slf.get().core;
        (slf.get_type(), (core.entity(), core.scope())).into_pyobject(slf.py())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        crate::errors::html(slf.as_any(), "plain")
    }
}

fn name_of<'a>(field: &'static str, name: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    name.to_str().map_err(|_| {
        let reason = "holds a lone surrogate, which UTF-8 cannot encode".to_owned();
        to_python(name.py(), &batpak_core::Error::InvalidCoordinate { field, reason })
    })
}

/// What an event is: a category (0 to 15) and a type id (0 to 4095).
///
/// Users write categories 0x1 to 0xF but 0xD, less the kinds that the network protocol and the runtime assign (see FORMAT.md).
/// Immutable, hashable, comparable, picklable; any thread may use it. Raises InvalidKind when a part is out of range.
///
/// >>> Kind(0xF, 1).code
/// 61441
#[pyclass(frozen, eq, ord, hash, module = "batpak", name = "Kind")]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    pub core: batpak_core::Kind,
}

#[pymethods]
impl Kind {
    #[new]
    fn new(py: Python<'_>, category: &Bound<'_, PyAny>, type_id: &Bound<'_, PyAny>) -> PyResult<Self> {
        let category = in_range(category, "InvalidKind", "category")?;
        let type_id = in_range(type_id, "InvalidKind", "type id")?;
        Ok(Self { core: mapped(py, batpak_core::Kind::new(category, type_id))? })
    }

    /// The kind of a number, category << 12 + type id. Raises InvalidKind outside 0 to 65535.
    #[staticmethod]
    fn from_code(code: &Bound<'_, PyAny>) -> PyResult<Self> {
        let code = in_range(code, "InvalidKind", "kind")?;
        Ok(Self { core: batpak_core::Kind::from_code(code) })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("category", "type_id")
    }

    /// 0 to 15.
    #[getter]
    fn category(&self) -> u8 {
        self.core.category()
    }

    /// 0 to 4095.
    #[getter]
    fn type_id(&self) -> u16 {
        self.core.type_id()
    }

    /// category << 12 + type id.
    #[getter]
    fn code(&self) -> u16 {
        self.core.code()
    }

    fn __repr__(&self) -> String {
        format!("Kind(category=0x{:X}, type_id=0x{:03X})", self.core.category(), self.core.type_id())
    }

    fn __str__(&self) -> String {
        self.core.to_string()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let core = slf.get().core;
        (slf.get_type(), (core.category(), core.type_id())).into_pyobject(slf.py())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        crate::errors::html(slf.as_any(), "plain")
    }
}

/// A kind given as `Kind` or as its number.
pub fn kind_of(value: &Bound<'_, PyAny>) -> PyResult<batpak_core::Kind> {
    if let Ok(kind) = value.cast::<Kind>() {
        return Ok(kind.get().core);
    }
    match value.extract::<u16>() {
        Ok(code) => Ok(batpak_core::Kind::from_code(code)),
        Err(_) => Err(plain(value.py(), "InvalidKind", "kind must be a batpak.Kind, or its number in 0..65535")),
    }
}
