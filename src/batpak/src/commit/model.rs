//! Group commit under every order of its threads that loom finds (`just loom`): nobody sleeps forever, and nothing is claimed that no
//! sync covered.

use std::fmt;

use loom::sync::Arc as Shared;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use loom::thread::{self, JoinHandle};

use super::*;
use crate::error::StorageFailure;

/// What the syncs of all segments did.
#[derive(Debug)]
struct Disk {
    syncing: AtomicBool,
    syncs: AtomicU64,
    /// Events written before the start of a sync that ended well.
    covered: AtomicU64,
    /// What the file `frontier` says.
    claimed: AtomicU64,
    /// The sync that fails, counted from 0. Those after it succeed, as they do on a real disk.
    fails: Option<u64>,
}

impl Disk {
    fn covered(&self) -> u64 {
        // A plain load may be given an older value.
        self.covered.fetch_add(0, SeqCst)
    }
}

/// The log's file.
struct Segment {
    disk: Arc<Disk>,
    first: u64,
    /// The events up to its end.
    written: AtomicU64,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", self.first)
    }
}

impl Segment {
    fn new(disk: &Arc<Disk>, first: u64) -> Arc<Self> {
        Arc::new(Self { disk: Arc::clone(disk), first, written: AtomicU64::new(first) })
    }

    fn end(self: &Arc<Self>) -> Written {
        let events = self.written.load(SeqCst);
        Written { events, file: Arc::clone(self) as _, segment_first_sequence: self.first, offset: events }
    }
}

impl StorageFile for Segment {
    fn sync(&self) -> Result<()> {
        let disk = &self.disk;
        assert!(!disk.syncing.swap(true, SeqCst), "two syncs at once");
        let covers = self.written.load(SeqCst);
        let fails = disk.fails == Some(disk.syncs.fetch_add(1, SeqCst));
        if !fails {
            assert!(disk.covered() >= self.first, "an earlier segment is not synced");
            disk.covered.fetch_max(covers, SeqCst);
        }
        assert!(disk.syncing.swap(false, SeqCst));
        if fails { Err(refused()) } else { Ok(()) }
    }

    fn write_at(&self, _: &[u8], _: u64) -> Result<()> {
        unreachable!("group commit does not write the log")
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
        unreachable!("group commit does not read")
    }

    fn truncate(&self, _: u64) -> Result<()> {
        unreachable!("group commit does not cut")
    }

    fn length(&self) -> Result<u64> {
        unreachable!("group commit does not ask")
    }
}

/// The file `frontier`: it must never say more than was synced.
#[derive(Debug)]
struct Claims(Arc<Disk>);

impl StorageFile for Claims {
    fn write_at(&self, bytes: &[u8], _: u64) -> Result<()> {
        let frontier = Frontier::decode(bytes).expect("a frontier");
        assert!(frontier.synced_through <= self.0.covered(), "the frontier file claims what was not synced");
        self.0.claimed.store(frontier.synced_through, SeqCst);
        Ok(())
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
        unreachable!("group commit does not read")
    }

    fn sync(&self) -> Result<()> {
        unreachable!("nobody waits for the frontier file")
    }

    fn truncate(&self, _: u64) -> Result<()> {
        unreachable!("group commit does not cut")
    }

    fn length(&self) -> Result<u64> {
        unreachable!("group commit does not ask")
    }
}

fn refused() -> Error {
    Error::Storage(StorageFailure {
        operation: "sync",
        path: "the log".to_owned(),
        errno: None,
        kind: std::io::ErrorKind::Other,
        message: "refused".to_owned(),
    })
}

struct Journal {
    disk: Arc<Disk>,
    /// The writer's lock and what it owns.
    writer: Mutex<Arc<Segment>>,
    commit: Commit,
}

impl Journal {
    /// An empty one, whose sync number `fails` fails.
    fn new(fails: Option<u64>) -> Shared<Self> {
        let [syncs, covered, claimed] = [(); 3].map(|()| AtomicU64::new(0));
        let disk = Arc::new(Disk { syncing: AtomicBool::new(false), syncs, covered, claimed, fails });
        let segment = Segment::new(&disk, 0);
        let commit = Commit::new(Arc::new(Claims(Arc::clone(&disk))), [0; 16], 1, segment.end(), 0);
        Shared::new(Self { disk, writer: Mutex::new(segment), commit })
    }

    /// Appends an event; returns how many there are.
    fn write(&self, interval: bool) -> u64 {
        let segment = self.writer.lock();
        let events = segment.written.fetch_add(1, SeqCst) + 1;
        self.commit.wrote(segment.end(), interval);
        events
    }

    /// Goes on in the next segment, as the append path does.
    fn rotate(&self) -> Result<()> {
        let mut segment = self.writer.lock();
        self.commit.alone(|| segment.sync())?;
        *segment = Segment::new(&self.disk, segment.written.load(SeqCst));
        self.commit.rotated(segment.end())
    }

    /// Waits; whoever is told that its events are durable must be right, and a failure must be told as one.
    fn wait(&self, events: u64, timeout: Option<Duration>) -> Result<bool> {
        let outcome = self.commit.wait(events, timeout);
        match &outcome {
            Ok(true) => self.assert_durable(events),
            Ok(false) => assert!(timeout.is_some()),
            Err(Error::Poisoned { .. }) => assert!(self.commit.check().is_err()),
            Err(other) => panic!("{other:?}"),
        }
        outcome
    }

    /// Writes and waits.
    fn append(&self) -> Result<u64> {
        let events = self.write(false);
        self.wait(events, None).map(|_| events)
    }

    fn assert_durable(&self, events: u64) {
        assert!(self.disk.covered() >= events, "acknowledged, and no sync covered it");
        assert!(self.commit.durable() >= events, "acknowledged, and not durable");
    }

    /// At rest, so many are durable. A sync may have covered more: a write under way that it was not asked to serve.
    fn assert_settled(&self, events: u64) {
        assert_eq!(self.commit.durable(), events);
        assert_eq!(self.disk.claimed.load(SeqCst), events, "the frontier file is behind");
        assert!(self.disk.covered() >= events, "durable, and no sync covered it");
    }

    fn syncs(&self) -> u64 {
        self.disk.syncs.fetch_add(0, SeqCst)
    }

    /// What an observer may hold against the frontier at any moment: its parts in this order, none of them ever going back.
    fn observe(&self, before: u64) -> u64 {
        let durable = self.commit.durable();
        assert!(before <= durable, "the frontier went back");
        assert!(durable <= self.disk.covered(), "durable before it was synced");
        assert!(durable <= self.commit.state.lock().written.events, "durable before it was written");
        durable
    }
}

fn spawn<T: 'static>(journal: &Shared<Journal>, body: impl FnOnce(&Journal) -> T + 'static) -> JoinHandle<T> {
    let journal = Shared::clone(journal);
    thread::spawn(move || body(&journal))
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect("it asserts inside the model")).collect()
}

#[test]
fn a_sync_that_began_after_its_write_serves_each_who_waits() {
    loom::model(|| {
        let journal = Journal::new(None);
        let threads = [(); 2].map(|()| spawn(&journal, Journal::append));
        journal.append().expect("no sync fails");
        let written = join(threads);
        assert!(written.iter().all(Result::is_ok));
        journal.assert_settled(3);
        assert!(journal.syncs() <= 3);
    });
}

#[test]
fn one_sync_serves_all_whose_events_were_written_before_it() {
    loom::model(|| {
        let journal = Journal::new(None);
        let events = [(); 3].map(|()| journal.write(false));
        let threads = events.map(|events| spawn(&journal, move |journal| journal.wait(events, None)));
        assert!(join(threads).iter().all(|outcome| *outcome == Ok(true)));
        assert_eq!(journal.syncs(), 1);
    });
}

#[test]
fn a_failed_sync_is_told_to_all_who_wait_and_takes_nothing_back() {
    // The sync of the first event succeeds; of the others' syncs the first or, if there is one, the second fails.
    for fails in [1, 2] {
        loom::model(move || {
            let journal = Journal::new(Some(fails));
            journal.append().expect("the first sync succeeds");
            let threads = [(); 2].map(|()| spawn(&journal, Journal::append));
            let mut outcomes = vec![journal.append()];
            outcomes.extend(join(threads));
            let failed = journal.syncs() > fails;
            assert_eq!(failed, journal.commit.check().is_err());
            assert_eq!(failed, outcomes.iter().any(Result::is_err));
            assert!(fails == 2 || outcomes.iter().all(Result::is_err), "acknowledged after the failure");
            let durable = 1 + outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
            journal.assert_settled(durable);
            // A later wait: as before for what was durable, an error for what was not and never will be.
            assert_eq!(journal.wait(durable, None), Ok(true));
            if failed {
                let syncs = journal.syncs();
                assert!(journal.append().is_err());
                assert!(journal.rotate().is_err());
                assert_eq!(journal.syncs(), syncs, "a sync after a failed one would be believed");
                journal.assert_settled(durable);
            }
        });
    }
}

#[test]
fn a_writer_that_fails_ends_every_wait() {
    loom::model(|| {
        let journal = Journal::new(None);
        let threads = [(); 2].map(|()| spawn(&journal, Journal::append));
        journal.commit.poison(refused());
        let begun = journal.syncs();
        join(threads);
        assert!(journal.syncs() <= begun + 1, "somebody became leader after the failure");
        let durable = journal.commit.durable();
        journal.assert_settled(durable);
        assert_eq!(journal.wait(durable, None), Ok(true));
        assert!(journal.append().is_err());
    });
}

#[test]
fn rotation_syncs_beside_nobody() {
    for fails in [None, Some(0), Some(1)] {
        loom::model(move || {
            let journal = Journal::new(fails);
            let waiting = spawn(&journal, Journal::append);
            let rotating = spawn(&journal, |journal| {
                journal.write(false);
                journal.rotate().and_then(|()| journal.append())
            });
            let outcomes = join([waiting, rotating]);
            let failed = fails.is_some_and(|number| journal.syncs() > number);
            assert_eq!(failed, outcomes.iter().any(Result::is_err));
            assert_eq!(failed, journal.commit.check().is_err());
            let durable = journal.commit.durable();
            journal.assert_settled(durable);
            assert!(failed || durable == 3);
        });
    }
}

#[test]
fn whoever_waits_for_a_rotation_is_woken_by_it() {
    loom::model(|| {
        let journal = Journal::new(None);
        let events = journal.write(false);
        let rotating = spawn(&journal, Journal::rotate);
        assert_eq!(journal.wait(events, None), Ok(true));
        assert!(join([rotating]).iter().all(Result::is_ok));
        journal.assert_settled(1);
    });
}

#[test]
fn a_wait_that_times_out_claims_nothing_and_keeps_nobody() {
    loom::model(|| {
        let journal = Journal::new(None);
        let waiting = spawn(&journal, Journal::append);
        let impatient = spawn(&journal, |journal| {
            let events = journal.write(false);
            journal.wait(events, Some(Duration::ZERO)).expect("no sync fails")
        });
        assert!(join([waiting]).iter().all(Result::is_ok));
        let served = join([impatient])[0];
        let durable = journal.commit.durable();
        journal.assert_settled(durable);
        assert!(!served || durable == 2);
    });
}

/// Ends the interval thread once all is durable.
fn stop_after(journal: &Journal, events: u64) {
    if journal.commit.durable() == events {
        journal.commit.stop();
    }
}

#[test]
fn the_interval_thread_syncs_what_was_promised_without_anybody_waiting() {
    loom::model(|| {
        let journal = Journal::new(None);
        let serving = spawn(&journal, |journal| {
            journal.commit.serve_interval(Duration::ZERO, || stop_after(journal, 2));
        });
        journal.write(true);
        journal.write(true);
        join([serving]);
        journal.assert_settled(2);
    });
}

#[test]
fn the_interval_is_kept_beside_a_leader_whose_sync_came_too_early() {
    loom::model(|| {
        let journal = Journal::new(None);
        let serving = spawn(&journal, |journal| {
            journal.commit.serve_interval(Duration::ZERO, || stop_after(journal, 3));
        });
        let waiting = spawn(&journal, |journal| {
            journal.append().expect("no sync fails");
            stop_after(journal, 3);
        });
        journal.write(true);
        journal.write(true);
        join([serving, waiting]);
        journal.assert_settled(3);
    });
}

#[test]
fn whoever_has_no_time_to_lead_has_the_interval_thread_sync_for_it() {
    loom::model(|| {
        let journal = Journal::new(None);
        let serving = spawn(&journal, |journal| {
            journal.commit.serve_interval(Duration::ZERO, || stop_after(journal, 1));
        });
        let events = journal.write(false);
        if journal.commit.wait_served(events, Instant::now()).expect("no sync fails") {
            journal.assert_durable(events);
        }
        // What was asked is done, whether or not anybody still waits for it.
        join([serving]);
        journal.assert_settled(1);
    });
}

#[test]
fn the_interval_thread_ends_when_stopped_and_claims_nothing_more() {
    loom::model(|| {
        let journal = Journal::new(None);
        let serving = spawn(&journal, |journal| journal.commit.serve_interval(Duration::ZERO, || ()));
        journal.write(true);
        journal.write(true);
        journal.commit.stop();
        join([serving]);
        let durable = journal.commit.durable();
        journal.assert_settled(durable);
        // What it left is not lost: whoever waits has it synced.
        assert_eq!(journal.wait(2, None), Ok(true));
        journal.assert_settled(2);
    });
}

#[test]
fn the_interval_thread_ends_after_a_failure() {
    loom::model(|| {
        let journal = Journal::new(Some(0));
        let serving = spawn(&journal, |journal| journal.commit.serve_interval(Duration::ZERO, || ()));
        let waiting = spawn(&journal, Journal::append);
        journal.write(true);
        assert!(join([waiting]).iter().all(Result::is_err));
        join([serving]);
        journal.assert_settled(0);
    });
}

#[test]
fn the_frontier_keeps_its_order_and_never_goes_back() {
    loom::model(|| {
        let journal = Journal::new(None);
        let waiting = spawn(&journal, Journal::append);
        let rotating = spawn(&journal, |journal| {
            journal.write(false);
            journal.rotate()
        });
        let seen = journal.observe(0);
        let seen = journal.observe(seen);
        assert!(join([waiting]).iter().all(Result::is_ok));
        assert!(join([rotating]).iter().all(Result::is_ok));
        journal.observe(seen);
        journal.assert_settled(2);
    });
}
