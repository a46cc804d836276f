//! Lazy iteration: events in commit order, and ancestors.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::available_parallelism;
use std::time::Duration;

use batpak_core::cursor::Cursor;
use batpak_core::{Store, read};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::{detached, mapped};
use crate::event::Event;

/// The first page is small, so that a caller who wants one event pays for few.
const PAGE_EVENTS_FIRST: usize = 16;
const PAGE_EVENTS_MAX: usize = 512;
/// Between two looks whether a signal came.
const WAIT_SLICE: Duration = Duration::from_millis(100);

/// Pages that wait to be looked at while the next ones are read.
const PAGES_AHEAD: usize = 2;
/// Iterators whose next pages are read in threads of their own, in the whole process, if there are as many processors besides the one that the
/// interpreter has; others read when they are asked.
const READERS_MAX: usize = 4;

static READERS: AtomicUsize = AtomicUsize::new(0);

/// A page, and how many events were looked at up to its end.
type Page = batpak_core::Result<(Vec<read::Event>, u64)>;

/// Where the next pages come from.
enum Source {
    /// This thread reads them.
    Here(Box<Cursor>),
    /// Another one has read them meanwhile.
    Ahead(Receiver<Page>),
}

struct Position {
    source: Source,
    page_events: usize,
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
            position: Mutex::new(Position { source, page_events, ready: VecDeque::new(), examined: 0 }),
        }
    }

    /// The next one.
    pub fn next(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        // Never waited for: whoever holds it may be waiting for the interpreter.
        let mut position = self.position.try_lock().ok_or_else(busy)?;
        while position.ready.is_empty() {
            let Position { source, page_events, .. } = &mut *position;
            let (events, examined) = match source {
                Source::Here(cursor) if cursor.is_done() => return Ok(None),
                Source::Here(cursor) => {
                    let page = detached(py, || Ok((self.store.page(cursor, *page_events)?, cursor.examined())))?;
                    if *page_events == PAGE_EVENTS_MAX
                        && !cursor.is_done()
                        && let Some(pages) = self.read_ahead(cursor)
                    {
                        *source = Source::Ahead(pages);
                    }
                    *page_events = (*page_events * 2).min(PAGE_EVENTS_MAX);
                    page
                }
                Source::Ahead(pages) => match self.await_page(py, pages)? {
                    Some(page) => page,
                    None => return Ok(None),
                },
            };
            position.ready = events.into();
            position.examined = examined;
            py.check_signals()?;
        }
        Ok(position.ready.pop_front().map(|event| Event::new(py, event, &self.restore)))
    }

    /// Has a thread read on while this one works: it needs no interpreter for that. None if there are enough such threads.
    fn read_ahead(&self, cursor: &Cursor) -> Option<Receiver<Page>> {
        let others = available_parallelism().map_or(1, |processors| processors.get() - 1);
        let most = others.clamp(1, READERS_MAX);
        let counted = READERS
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |readers| (readers < most).then_some(readers + 1));
        counted.ok()?;
        let (sender, pages) = sync_channel(PAGES_AHEAD);
        let (store, mut cursor) = (Arc::clone(&self.store), cursor.clone());
        let reading = move || {
            while !cursor.is_done() {
                let page = store.page(&mut cursor, PAGE_EVENTS_MAX).map(|events| (events, cursor.examined()));
                if sender.send(page).is_err() {
                    break;
                }
            }
            READERS.fetch_sub(1, Ordering::AcqRel);
        };
        let begun = std::thread::Builder::new().name("batpak-read".to_owned()).spawn(reading);
        if begun.is_err() {
            READERS.fetch_sub(1, Ordering::AcqRel);
        }
        begun.is_ok().then_some(pages)
    }

    /// Waits for a page that another thread reads; None at the end.
    fn await_page(&self, py: Python<'_>, pages: &mut Receiver<Page>) -> PyResult<Option<(Vec<read::Event>, u64)>> {
        loop {
            // In a forked child there is no such thread.
            mapped(py, self.store.events())?;
            let waiting = &mut *pages;
            // A page that is ready costs no interpreter, which another thread might then keep for a while.
            match waiting.try_recv().or_else(|_| py.detach(move || waiting.recv_timeout(WAIT_SLICE))) {
                Ok(page) => return mapped(py, page).map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            }
        }
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
