//! Reads the next pages in a thread of its own while the interpreter works on those before.
//!
//! That pays for one thread. Where several of a program's threads read, they take turns with the interpreter, and whoever waits for it reads meanwhile:
//! one more thread would only take the processor from them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::available_parallelism;
use std::time::Duration;

use batpak_core::cursor::Cursor;
use batpak_core::{Store, read};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::mapped;

/// Between two looks whether a signal came.
const WAIT_SLICE: Duration = Duration::from_millis(100);
/// Pages that wait to be looked at while the next ones are read.
const PAGES_AHEAD: usize = 2;
/// Iterators whose next pages are read ahead, in the whole process, if there are as many processors besides the one that the interpreter has.
const READERS_MAX: usize = 4;

static READERS: AtomicUsize = AtomicUsize::new(0);
/// The number of the thread that asked for a page last.
static LAST: AtomicU64 = AtomicU64::new(0);
static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread's number, from 1.
    static NUMBER: Cell<u64> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) + 1);
}

/// To be asked for each page: whether no other thread has asked since this one did.
pub fn is_alone() -> bool {
    let number = NUMBER.get();
    LAST.swap(number, Ordering::Relaxed) == number
}

/// In a forked child there are none of its parent's threads.
pub fn after_fork_in_child() {
    READERS.store(0, Ordering::Release);
}

/// One of the threads that read ahead, counted until it ends, however it does.
struct Reader;

impl Reader {
    /// None if there are enough.
    fn begin() -> Option<Self> {
        let others = available_parallelism().map_or(1, |processors| processors.get() - 1);
        let most = others.clamp(1, READERS_MAX);
        let counted = READERS
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |readers| (readers < most).then_some(readers + 1));
        counted.ok().map(|_| Self)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What comes next.
pub enum Ahead {
    /// Events, and how many were looked at up to the last of them.
    Page(Vec<read::Event>, u64),
    /// Nothing more from here: the thread has ended, at this place.
    Over(Box<Cursor>),
}

/// Pages that another thread reads.
pub struct Pages {
    pages: Receiver<batpak_core::Result<Ahead>>,
    ends: Arc<AtomicBool>,
}

impl Pages {
    /// Has a thread read on from a place. None if there are enough such threads, or no more can be made.
    pub fn begin(store: &Arc<Store>, cursor: &Cursor, page_events: usize) -> Option<Self> {
        let reader = Reader::begin()?;
        let (sender, pages) = sync_channel(PAGES_AHEAD);
        let ends = Arc::new(AtomicBool::new(false));
        let (store, cursor, told) = (Arc::clone(store), Box::new(cursor.clone()), Arc::clone(&ends));
        let reading = move || {
            let _reader = reader;
            read_on(&store, cursor, page_events, &sender, &told);
        };
        let begun = std::thread::Builder::new().name("batpak-read".to_owned()).spawn(reading);
        begun.is_ok().then_some(Self { pages, ends })
    }

    /// Has the thread end with the page that it is reading. What it has read is still to be taken.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Release);
    }

    /// Waits for what comes next. Only `Ahead::Over` is the last.
    pub fn next(&mut self, py: Python<'_>, store: &Store) -> PyResult<Ahead> {
        loop {
            // In a forked child there is no such thread.
            mapped(py, store.check_usable())?;
            let waiting = &mut self.pages;
            // A page that is ready costs no interpreter, which another thread might then keep for a while.
            match waiting.try_recv().or_else(|_| py.detach(move || waiting.recv_timeout(WAIT_SLICE))) {
                Ok(next) => return mapped(py, next),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(PyRuntimeError::new_err("the thread that read ahead has ended; begin again"));
                }
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            }
        }
    }
}

fn read_on(
    store: &Store,
    mut cursor: Box<Cursor>,
    page_events: usize,
    sender: &SyncSender<batpak_core::Result<Ahead>>,
    told: &AtomicBool,
) {
    while !cursor.is_done() && !told.load(Ordering::Acquire) {
        let page = store.page(&mut cursor, page_events).map(|events| Ahead::Page(events, cursor.examined()));
        if sender.send(page).is_err() {
            return;
        }
    }
    // Nobody may be there to take it.
    let _ = sender.send(Ok(Ahead::Over(cursor)));
}
