//! Lazy iteration: events in commit order, and ancestors.

use std::collections::VecDeque;
use std::sync::Arc;

use batpak_core::cursor::Cursor;
use batpak_core::{Store, read};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::detached;
use crate::event::Event;

/// The first page is small, so that a caller who wants one event pays for few.
const PAGE_EVENTS_FIRST: usize = 16;
const PAGE_EVENTS_MAX: usize = 512;

struct Position {
    cursor: Cursor,
    page_events: usize,
    ready: VecDeque<read::Event>,
}

/// Events in commit order, read a page at a time. One thread at a time may iterate.
#[pyclass(frozen, module = "batpak", name = "Events")]
pub struct Events {
    store: Arc<Store>,
    restore: Py<PyAny>,
    position: Mutex<Position>,
}

impl Events {
    /// What was visible when the query began, and no later.
    pub fn new(store: Arc<Store>, restore: Py<PyAny>, cursor: Cursor, limit: Option<u64>) -> Self {
        // Who names a small number wants them all.
        let named = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit <= PAGE_EVENTS_MAX);
        let page_events = named.unwrap_or(PAGE_EVENTS_FIRST).max(1);
        Self { store, restore, position: Mutex::new(Position { cursor, page_events, ready: VecDeque::new() }) }
    }
}

#[pymethods]
impl Events {
    /// How many events were looked at so far to find those that matched.
    #[getter]
    fn examined(&self) -> PyResult<u64> {
        Ok(self.position.try_lock().ok_or_else(busy)?.cursor.examined())
    }

    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        // Never waited for: whoever holds it may be waiting for the interpreter.
        let mut position = self.position.try_lock().ok_or_else(busy)?;
        loop {
            if let Some(event) = position.ready.pop_front() {
                return Ok(Some(Event::new(py, event, &self.restore)));
            }
            if position.cursor.is_done() {
                return Ok(None);
            }
            let Position { cursor, page_events, ready } = &mut *position;
            *ready = detached(py, || self.store.page(cursor, *page_events))?.into();
            *page_events = (*page_events * 2).min(PAGE_EVENTS_MAX);
            py.check_signals()?;
        }
    }
}

/// The error of a generator that is entered twice.
fn busy() -> PyErr {
    PyValueError::new_err("this iterator is being used by another thread; give each thread its own")
}

/// An event, then the event that it chains to, and so on to the first of its entity. One thread at a time may iterate.
#[pyclass(frozen, module = "batpak", name = "Ancestors")]
pub struct Ancestors {
    store: Arc<Store>,
    restore: Py<PyAny>,
    next: Mutex<(Option<read::Event>, u64)>,
}

impl Ancestors {
    /// Begins with `event`; gives at most `limit`.
    pub const fn new(store: Arc<Store>, restore: Py<PyAny>, event: read::Event, limit: u64) -> Self {
        Self { store, restore, next: Mutex::new((Some(event), limit)) }
    }
}

#[pymethods]
impl Ancestors {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        let mut next = self.next.try_lock().ok_or_else(busy)?;
        let (pending, left) = &mut *next;
        if *left == 0 {
            return Ok(None);
        }
        let Some(event) = pending.take() else { return Ok(None) };
        *left -= 1;
        if *left > 0 {
            *pending = detached(py, || self.store.previous(&event))?;
        }
        Ok(Some(Event::new(py, event, &self.restore)))
    }
}
