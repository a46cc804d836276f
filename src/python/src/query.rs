//! Lazy iteration: events in commit order, and ancestors.

use std::collections::VecDeque;
use std::sync::Arc;

use batpak_core::index::Query;
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
    query: Query,
    /// The first sequence that was not looked at.
    next: u64,
    /// Where the journal ended when the query began.
    end: u64,
    left: u64,
    page_events: usize,
    examined: u64,
    ready: VecDeque<read::Event>,
    done: bool,
}

/// Events in commit order, read a page at a time. One thread at a time may iterate.
#[pyclass(frozen, module = "batpak", name = "Events")]
pub struct Events {
    store: Arc<Store>,
    restore: Py<PyAny>,
    position: Mutex<Position>,
}

impl Events {
    /// What was published when it began, and no later.
    pub fn new(store: Arc<Store>, restore: Py<PyAny>, query: Query, end: u64) -> Self {
        let position = Position {
            next: query.after.map_or(0, |after| after.saturating_add(1)),
            end,
            left: query.limit.unwrap_or(u64::MAX),
            page_events: PAGE_EVENTS_FIRST,
            examined: 0,
            ready: VecDeque::new(),
            done: false,
            query,
        };
        Self { store, restore, position: Mutex::new(position) }
    }
}

#[pymethods]
impl Events {
    /// How many events were looked at so far to find those that matched.
    #[getter]
    fn examined(&self) -> PyResult<u64> {
        Ok(self.position.try_lock().ok_or_else(busy)?.examined)
    }

    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        // Never waited for: whoever holds it may be waiting for the interpreter.
        let mut position = self.position.try_lock().ok_or_else(busy)?;
        loop {
            if let Some(event) = position.ready.pop_front() {
                position.left -= 1;
                return Ok(Some(Event::new(py, event, &self.restore)));
            }
            if position.done || position.left == 0 {
                return Ok(None);
            }
            let want = usize::try_from(position.left).unwrap_or(usize::MAX).min(position.page_events);
            let mut query = position.query.clone();
            query.until = Some(query.until.unwrap_or(u64::MAX).min(position.end.saturating_sub(1)));
            let from = position.next;
            let (events, page) = detached(py, || self.store.page(&query, from, want))?;
            position.done = page.next > query.until.unwrap_or(u64::MAX) || position.end == 0;
            position.next = page.next;
            position.examined += page.examined;
            position.page_events = (position.page_events * 2).min(PAGE_EVENTS_MAX);
            position.ready = events.into();
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
