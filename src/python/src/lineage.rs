//! Histories that go on as other ones: an accepted restore, a fork.

use std::path::PathBuf;
use std::sync::Arc;

use batpak_core::Config;
use batpak_core::config::Departure;
use batpak_core::fork;
use batpak_core::header::Promise;
use batpak_core::storage::DiskStorage;
use batpak_core::store::Store;
use batpak_core::system::{Cause, Lineage};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::detached;
use crate::keys::AnySigner;
use crate::place::{Place, place_of};
use crate::receipt::{Named, of_frame, shapes};

/// Ids of a lineage and of the one before it, sequence of its event, root of what it goes on from, whether it is a fork, what was given up,
/// actor and reason.
pub type Begun<'py> = (
    (Bound<'py, PyAny>, Bound<'py, PyAny>),
    u64,
    Bound<'py, PyBytes>,
    bool,
    Option<(u64, Bound<'py, PyBytes>)>,
    String,
    String,
);

/// A lineage as Python takes it.
pub fn shown<'py>(py: Python<'py>, begun: Lineage) -> PyResult<Begun<'py>> {
    let shapes = shapes(py)?;
    let ids = (shapes.uuid(py, &begun.journal_id)?, shapes.uuid(py, &begun.parent_id)?);
    let given_up = begun.abandoned.map(|(size, root)| (size, PyBytes::new(py, &root)));
    let root = PyBytes::new(py, &begun.kept_root);
    Ok((ids, begun.from, root, begun.cause == Cause::Fork, given_up, begun.actor, begun.reason))
}

/// Begins another lineage in the journal at a place, as an accepted restore or, in a copy of the journal at `source`, as a fork; returns the
/// receipt of the event that says so.
#[pyfunction]
#[pyo3(signature = (path, *, source, signing_key, pins, actor, reason, abandoned))]
#[expect(clippy::too_many_arguments, reason = "they are the arguments of accept_restore and fork")]
pub fn depart<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = place_of)] path: Place,
    #[pyo3(from_py_with = optional_place)] source: Option<Place>,
    signing_key: Option<AnySigner<'_>>,
    pins: Option<PathBuf>,
    actor: String,
    reason: String,
    abandoned: Option<(u64, [u8; 32])>,
) -> PyResult<Bound<'py, PyAny>> {
    let cause = if source.is_some() { Cause::Fork } else { Cause::Restore };
    let config = Config {
        create: false,
        signer: signing_key.map(|key| key.signer()),
        durability: Promise::Manual,
        departure: Some(Departure { cause, actor, reason, abandoned }),
        pins: pins.map(|pins| Arc::new(DiskStorage::new(pins)) as _),
        background: path.background,
        ..Config::default()
    };
    let stored = detached(py, || {
        if let Some(source) = source {
            fork::copy(&source.storage, path.storage.as_ref(), &config)?;
        }
        let store = Store::open_with(path.storage, path.clock, config)?;
        let begun = store.lineages()?.last().map_or(0, |begun| begun.from);
        let stored = store.receipt_of(begun)?;
        store.close().map(|()| stored)
    })?;
    of_frame(py, &Named::new(py, stored.frame.journal_id)?, &stored.frame, stored.index)
}

fn optional_place(value: &Bound<'_, PyAny>) -> PyResult<Option<Place>> {
    if value.is_none() { Ok(None) } else { place_of(value).map(Some) }
}
