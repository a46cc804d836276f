//! Python types that the walkers recognise, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyType};

/// Classes of the standard library, and constants of our own.
pub struct Types {
    pub datetime: Py<PyType>,
    pub date: Py<PyType>,
    pub time: Py<PyType>,
    pub timedelta: Py<PyType>,
    pub timezone: Py<PyType>,
    pub utc: Py<PyAny>,
    pub decimal: Py<PyType>,
    pub uuid: Py<PyType>,
    pub enumeration: Py<PyType>,
    /// `batpak.ANY` and `batpak.NEW`.
    pub expect_any: Py<PyAny>,
    pub expect_new: Py<PyAny>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

/// The classes, imported at the first use.
pub fn types(py: Python<'_>) -> PyResult<&Types> {
    TYPES.get_or_try_init(py, || {
        let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
            Ok(PyModule::import(py, module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let timezone = class("datetime", "timezone")?;
        Ok(Types {
            datetime: class("datetime", "datetime")?,
            date: class("datetime", "date")?,
            time: class("datetime", "time")?,
            timedelta: class("datetime", "timedelta")?,
            utc: timezone.bind(py).getattr("utc")?.unbind(),
            timezone,
            decimal: class("decimal", "Decimal")?,
            uuid: class("uuid", "UUID")?,
            enumeration: class("enum", "Enum")?,
            expect_any: PyModule::import(py, "batpak._expect")?.getattr("ANY")?.unbind(),
            expect_new: PyModule::import(py, "batpak._expect")?.getattr("NEW")?.unbind(),
        })
    })
}
