//! Lazy iteration: events in commit order, and ancestors.

use std::collections::VecDeque;
use std::sync::Arc;

use batpak_core::cursor::Cursor;
use batpak_core::{Store, read};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::ahead::{self, Ahead, Pages};
use crate::errors::detached;
use crate::event::Event;

/// The first page is small, so that a caller who wants one event pays for few.
const PAGE_EVENTS_FIRST: usize = 16;
/// Threads that take turns with the interpreter do so where one reads, as a rule: long pages make for few turns.
const PAGE_EVENTS_MAX: usize = 2048;
/// Pages, short or long, for which a thread must have been the only one that reads before it is given another one to read ahead.
const PAGES_ALONE: u32 = 2;

/// Where the next pages come from.
enum Source {
    /// This thread reads them.
    Here(Box<Cursor>),
    /// Another one has read them meanwhile.
    Ahead(Pages),
}

struct Position {
    source: Source,
    page_events: usize,
    /// Pages since another thread asked for one, of any iterator.
    pages_alone: u32,
    ready: VecDeque<read::Event>,
    examined: u64,
}

/// Events in commit order, read a page at a time. One thread at a time may iterate.
#[pyclass(frozen, module = "batpak", name = "Events")]
pub struct Events {
    pub store: Arc<Store>,
    restore: Py<PyAny>,
    position: Mutex<Position>,
}

impl Events {
    /// What was visible when the query began, and no later.
    pub fn new(store: Arc<Store>, restore: Py<PyAny>, cursor: Cursor, limit: Option<u64>) -> Self {
        // Who names a small number wants them all.
        let named = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit <= PAGE_EVENTS_MAX);
        let page_events = named.unwrap_or(PAGE_EVENTS_FIRST).max(1);
        let source = Source::Here(Box::new(cursor));
        Self {
            store,
            restore,
            position: Mutex::new(Position { source, page_events, pages_alone: 0, ready: VecDeque::new(), examined: 0 }),
        }
    }

    /// The next one.
    pub fn next(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        // Never waited for: whoever holds it may be waiting for the interpreter.
        let mut position = self.position.try_lock().ok_or_else(busy)?;
        while position.ready.is_empty() {
            let Position { source, page_events, pages_alone, .. } = &mut *position;
            let alone = ahead::is_alone();
            *pages_alone = if alone { *pages_alone + 1 } else { 0 };
            let (events, examined) = match source {
                Source::Here(cursor) if cursor.is_done() => return Ok(None),
                Source::Here(cursor) => {
                    let page = detached(py, || Ok((self.store.page(cursor, *page_events)?, cursor.examined())))?;
                    if *page_events == PAGE_EVENTS_MAX
                        && *pages_alone >= PAGES_ALONE
                        && !cursor.is_done()
                        && let Some(pages) = Pages::begin(&self.store, cursor, PAGE_EVENTS_MAX)
                    {
                        *source = Source::Ahead(pages);
                    }
                    *page_events = (*page_events * 2).min(PAGE_EVENTS_MAX);
                    page
                }
                Source::Ahead(pages) => {
                    if !alone {
                        pages.end();
                    }
                    match pages.next(py, &self.store)? {
                        Ahead::Page(events, examined) => (events, examined),
                        Ahead::Over(cursor) => {
                            *source = Source::Here(cursor);
                            continue;
                        }
                    }
                }
            };
            position.ready = events.into();
            position.examined = examined;
            py.check_signals()?;
        }
        Ok(position.ready.pop_front().map(|event| Event::new(py, event, &self.restore)))
    }

    /// The cursor, for what goes through all that is left without the interpreter.
    pub fn with_cursor<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Cursor) -> batpak_core::Result<T> + Send,
    ) -> PyResult<T>
    where
        T: Send,
    {
        let mut position = self.position.try_lock().ok_or_else(busy)?;
        match &mut position.source {
            Source::Here(cursor) => detached(py, || work(cursor)),
            Source::Ahead(_) => Err(busy()),
        }
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
        self.next(py)
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
