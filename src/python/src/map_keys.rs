//! Keys of maps as Python strings: the keys of a journal are few, and each is in every event, so those met last are kept.

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Slots for keys; a key has one place, and the last one that comes to it has it.
const SLOTS: usize = 1024;
/// Longer keys are more likely data than names.
const KEY_BYTES_MAX: usize = 32;

struct Kept {
    length: usize,
    bytes: [u8; KEY_BYTES_MAX],
    string: Py<PyString>,
}

static KEPT: Mutex<Vec<Option<Kept>>> = Mutex::new(Vec::new());

/// The strings of keys, as long as this lives.
pub struct MapKeys(Option<MutexGuard<'static, Vec<Option<Kept>>>>);

impl MapKeys {
    /// Waits for nobody: whoever decodes may run a program's code in the middle of it, and another thread then does without.
    pub fn borrow() -> Self {
        let mut kept = KEPT.try_lock();
        if let Some(kept) = &mut kept
            && kept.is_empty()
        {
            kept.resize_with(SLOTS, || None);
        }
        Self(kept)
    }

    /// The string of a key.
    pub fn get<'py>(&mut self, py: Python<'py>, key: &str) -> Bound<'py, PyString> {
        let slot = self.0.as_mut().and_then(|kept| kept.get_mut(place_of(key.as_bytes())?));
        let Some(slot) = slot else { return PyString::new(py, key) };
        if let Some(kept) = slot
            && kept.bytes.get(..kept.length) == Some(key.as_bytes())
        {
            return kept.string.bind(py).clone();
        }
        let string = PyString::new(py, key);
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes.iter_mut().zip(key.bytes()).for_each(|(to, from)| *to = from);
        *slot = Some(Kept { length: key.len(), bytes, string: string.clone().unbind() });
        string
    }
}

/// Where a key is kept, if it is (FNV-1a).
fn place_of(key: &[u8]) -> Option<usize> {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = key.iter().fold(0x811C_9DC5, mix);
    (key.len() <= KEY_BYTES_MAX).then_some(((hash ^ (hash >> 15)) as usize) % SLOTS)
}
