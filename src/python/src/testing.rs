//! The compiled half of `batpak.testing`: a disk in memory, a clock that is set by hand, a script of faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use batpak_core::clock::{WALL_US_MAX, WallClock};
use batpak_core::storage::{self, Chance, Effect, Fault, MemoryStorage, OPERATIONS, Survival};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::{detached, plain};
use crate::numbers::u64_of;

/// A directory in memory; see `batpak.testing.MemoryDisk`.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct MemoryDisk {
    pub core: MemoryStorage,
}

#[pymethods]
impl MemoryDisk {
    /// With these files, all durable. Raises InvalidInput for a name that no directory could hold.
    #[new]
    #[pyo3(signature = (files, /))]
    fn new(py: Python<'_>, files: BTreeMap<String, Vec<u8>>) -> PyResult<Self> {
        Ok(Self { core: detached(py, || MemoryStorage::import_recording(files))? })
    }

    /// Every file's bytes by name, in the order of names.
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let files = PyDict::new(py);
        for (name, bytes) in py.detach(|| self.core.export()) {
            files.set_item(name, PyBytes::new(py, &bytes))?;
        }
        Ok(files)
    }

    /// Every file's length by name, in the order of names.
    fn sizes(&self, py: Python<'_>) -> BTreeMap<String, u64> {
        py.detach(|| self.core.sizes())
    }

    /// How many changes a power cut could lose now.
    fn unsynced(&self, py: Python<'_>) -> usize {
        py.detach(|| self.core.pending().len())
    }

    /// What a new process finds after this one was killed now.
    fn copy(&self, py: Python<'_>) -> Self {
        Self { core: py.detach(|| self.core.process_kill_image()) }
    }

    /// What a power cut leaves that loses everything unsynced.
    fn crash_losing(&self, py: Python<'_>) -> Self {
        Self { core: py.detach(|| self.core.crash_image(|_| Survival::Lost)) }
    }

    /// What a power cut leaves that loses nothing.
    fn crash_keeping(&self, py: Python<'_>) -> Self {
        Self { core: py.detach(|| self.core.crash_image(|_| Survival::Kept)) }
    }

    /// What a power cut leaves when chance decides.
    fn crash_by_chance(&self, py: Python<'_>, #[pyo3(from_py_with = u64_of)] seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        Self { core: py.detach(|| self.core.crash_image(|pending| chance.survival(pending))) }
    }
}

/// Stands still until it is moved; see `batpak.testing.ManualClock`. Times are microseconds since 1970.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct ManualClock {
    pub core: Arc<HandSet>,
}

/// A wall clock that stands still until it is moved.
#[derive(Debug)]
pub struct HandSet {
    now_us: AtomicU64,
}

impl WallClock for HandSet {
    fn now_us(&self) -> u64 {
        self.now_us.load(Ordering::SeqCst)
    }
}

/// The time, if events can carry it.
fn wall_us(us: i128) -> Option<u64> {
    u64::try_from(us).ok().filter(|us| *us <= WALL_US_MAX)
}

fn out_of_range(py: Python<'_>) -> PyErr {
    plain(py, "InvalidInput", "the time must be within the years 1970 to 9999 in UTC")
}

#[pymethods]
impl ManualClock {
    /// Begins then. Raises InvalidInput outside the years 1970 to 9999.
    #[new]
    #[pyo3(signature = (now_us, /))]
    fn new(py: Python<'_>, now_us: i128) -> PyResult<Self> {
        let now_us = wall_us(now_us).ok_or_else(|| out_of_range(py))?.into();
        Ok(Self { core: Arc::new(HandSet { now_us }) })
    }

    /// What it shows.
    fn now_us(&self) -> u64 {
        self.core.now_us()
    }

    /// Shows this from now on. Raises InvalidInput outside the years 1970 to 9999.
    fn set(&self, py: Python<'_>, now_us: i128) -> PyResult<()> {
        let now_us = wall_us(now_us).ok_or_else(|| out_of_range(py))?;
        self.core.now_us.store(now_us, Ordering::SeqCst);
        Ok(())
    }

    /// Moves, forwards or backwards, and returns what it shows then. Raises InvalidInput, and does not move, if that is outside the years 1970 to 9999.
    fn advance(&self, py: Python<'_>, by_us: i128) -> PyResult<u64> {
        let moved = |now: u64| wall_us(i128::from(now).saturating_add(by_us));
        let before = self.core.now_us.fetch_update(Ordering::SeqCst, Ordering::SeqCst, moved);
        before.ok().and_then(moved).ok_or_else(|| out_of_range(py))
    }
}

/// A script of faults; see `batpak.testing.Faults`.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct Faults {
    pub core: storage::Faults,
}

#[pymethods]
impl Faults {
    /// Without any fault.
    #[new]
    fn new() -> Self {
        Self { core: storage::Faults::default() }
    }

    /// Adds a fault that counts from now. Raises InvalidInput for an argument that is none.
    #[pyo3(signature = (*, call, operation, file, error, effect, short_bytes, forever))]
    #[expect(clippy::too_many_arguments, reason = "they are the attributes of batpak.testing.Fault")]
    fn arm(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = u64_of)] call: u64,
        operation: Option<&str>,
        file: String,
        error: &str,
        effect: &str,
        #[pyo3(from_py_with = u64_of)] short_bytes: u64,
        forever: bool,
    ) -> PyResult<()> {
        let refuse = |message: &str| plain(py, "InvalidInput", message);
        if call == 0 {
            return Err(refuse("calls are counted from 1"));
        }
        if short_bytes != 0 && effect != "short" {
            return Err(refuse("short_bytes is for effect=\"short\""));
        }
        let known = |wanted: &str| OPERATIONS.into_iter().find(|operation| *operation == wanted);
        let operation = operation
            .map(|wanted| {
                known(wanted).ok_or_else(|| refuse(&format!("operation must be one of {}", OPERATIONS.join(", "))))
            })
            .transpose()?;
        let effect = match effect {
            "not_done" => Effect::Fails,
            "done" => Effect::FailsAfter,
            "short" => Effect::ShortWrite(usize::try_from(short_bytes).unwrap_or(usize::MAX)),
            _ => return Err(refuse("effect must be \"not_done\", \"done\" or \"short\"")),
        };
        let errno = match error {
            "EIO" => Fault::EIO,
            "EACCES" => Fault::EACCES,
            "ENOSPC" => Fault::ENOSPC,
            "EROFS" => Fault::EROFS,
            "EDQUOT" => Fault::EDQUOT,
            _ => return Err(refuse("error must be \"EIO\", \"ENOSPC\", \"EDQUOT\", \"EACCES\" or \"EROFS\"")),
        };
        self.core.arm_from_now(Fault { call, effect, errno, forever, operation, names: Some(file) });
        Ok(())
    }

    /// Room for this many more bytes.
    fn limit_space(&self, #[pyo3(from_py_with = u64_of)] bytes: u64) {
        self.core.limit_space(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Ends all faults.
    fn heal(&self) {
        self.core.heal();
    }

    /// How many calls were made.
    fn count(&self) -> u64 {
        self.core.calls()
    }

    /// Every call that was made: number, operation, file, bytes, whether it failed.
    fn calls(&self) -> Vec<(u64, &'static str, String, usize, bool)> {
        let tell = |call: storage::Call| (call.number, call.operation, call.name.to_string(), call.bytes, call.failed);
        self.core.history().into_iter().map(tell).collect()
    }
}
