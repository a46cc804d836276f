//! What cursors and projections keep beside the log, and what a journal's key says of a report.

use batpak_core::hash::report_hash as hash_of;
use batpak_core::keeping::Room;
use batpak_core::key::report_statement;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{detached, plain};
use crate::keys::PublicKey;
use crate::store::CoreStore;

fn room_of(py: Python<'_>, room: &str) -> PyResult<Room> {
    match room {
        "cursors" => Ok(Room::Cursors),
        "projections" => Ok(Room::Projections),
        _ => Err(plain(py, "InvalidInput", "what is kept is kept in cursors or projections")),
    }
}

/// Puts bytes in the place of what was kept under a name; durable when it returns.
#[pyfunction]
pub fn keep(py: Python<'_>, store: &CoreStore, room: &str, name: &str, content: &[u8]) -> PyResult<()> {
    let room = room_of(py, room)?;
    detached(py, || store.store.keep(room, name, content))
}

/// What is kept under a name. Raises JournalDamaged if the file is not what was written.
#[pyfunction]
pub fn kept<'py>(py: Python<'py>, store: &CoreStore, room: &str, name: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let room = room_of(py, room)?;
    let found = detached(py, || store.store.kept(room, name))?;
    Ok(found.map(|content| PyBytes::new(py, &content)))
}

/// Removes what is kept under a name; False if there is nothing.
#[pyfunction]
pub fn forget(py: Python<'_>, store: &CoreStore, room: &str, name: &str) -> PyResult<bool> {
    let room = room_of(py, room)?;
    detached(py, || store.store.forget(room, name))
}

/// The names under which something is kept, ascending.
#[pyfunction]
pub fn names_kept(py: Python<'_>, store: &CoreStore, room: &str) -> PyResult<Vec<String>> {
    let room = room_of(py, room)?;
    detached(py, || store.store.names_kept(room))
}

/// The hash of a report's body: BLAKE3 in derive-key mode, 32 bytes.
#[pyfunction]
pub fn report_hash<'py>(py: Python<'py>, body: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &hash_of(body))
}

/// Key id and signature of the journal's key over a report about it; None for a journal without a key.
#[pyfunction]
pub fn sign_report<'py>(
    py: Python<'py>,
    store: &CoreStore,
    body: &[u8],
) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
    let signed = detached(py, || store.store.sign_report(body))?;
    Ok(signed.map(|(key_id, signature)| (PyBytes::new(py, &key_id), PyBytes::new(py, &signature))))
}

/// Whether this is the key's signature over a report about the journal with this id.
#[pyfunction]
pub fn verify_report(public_key: &PublicKey, journal_id: [u8; 16], body: &[u8], signature: [u8; 64]) -> bool {
    public_key.core.verifies(&report_statement(&journal_id, &hash_of(body)), &signature)
}
