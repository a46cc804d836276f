//! Where a journal is, and the clock that stamps it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use batpak_core::clock::{SystemClock, WallClock};
use batpak_core::storage::{DiskStorage, FaultyStorage, Storage};
use pyo3::prelude::*;

use crate::testing::{Faults, ManualClock, MemoryDisk};

/// Where a journal is, and the clock that stamps it: what stands for a path in `batpak.testing`.
#[pyclass(frozen, module = "batpak._batpak", skip_from_py_object)]
#[derive(Clone)]
pub struct Place {
    /// What `Store.path` says.
    shown: PathBuf,
    pub storage: Arc<dyn Storage>,
    pub clock: Arc<dyn WallClock>,
    /// Whether index files are made by a thread: not where calls are counted, which must come in the same order each time.
    pub background: bool,
}

impl Place {
    fn new(shown: PathBuf, storage: Arc<dyn Storage>, clock: Option<&ManualClock>, faults: Option<&Faults>) -> Self {
        let background = faults.is_none();
        let storage = match faults {
            Some(faults) => Arc::new(FaultyStorage::scripted(storage, faults.core.clone())),
            None => storage,
        };
        let clock: Arc<dyn WallClock> = match clock {
            Some(clock) => Arc::clone(&clock.core) as _,
            None => Arc::new(SystemClock),
        };
        Self { shown, storage, clock, background }
    }
}

/// The place that an argument names: a `Place`, or the path of a directory, with the operating system's clock.
pub fn place_of(value: &Bound<'_, PyAny>) -> PyResult<Place> {
    if let Ok(place) = value.cast::<Place>() {
        return Ok(place.get().clone());
    }
    let path: PathBuf = value.extract()?;
    let storage = Arc::new(DiskStorage::new(path.clone()));
    Ok(Place::new(path, storage, None, None))
}

#[pymethods]
impl Place {
    /// A directory of the disk; `shown` is what `Store.path` says.
    #[staticmethod]
    fn directory(shown: PathBuf, path: PathBuf, clock: Option<&ManualClock>, faults: Option<&Faults>) -> Self {
        Self::new(shown, Arc::new(DiskStorage::new(path)), clock, faults)
    }

    /// A directory in memory.
    #[staticmethod]
    fn memory(disk: &MemoryDisk, clock: Option<&ManualClock>, faults: Option<&Faults>) -> Self {
        let storage = disk.core.clone();
        Self::new(storage.describe("").into(), Arc::new(storage), clock, faults)
    }

    fn __fspath__(&self) -> OsString {
        self.shown.clone().into_os_string()
    }
}
