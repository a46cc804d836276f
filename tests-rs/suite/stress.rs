//! Threads that do anything at any moment, for as long as `BATPAK_STRESS_S` says and by the seed `BATPAK_STRESS_SEED` (`just stress`).
//!
//! It stands in for a thread sanitizer, which stable Rust does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use batpak_core::event_id::EventId;
use batpak_core::header::Promise;
use batpak_core::index::Query;
use batpak_core::storage::{DiskStorage, MemoryStorage, Storage};
use batpak_core::{Config, Store};
use batpak_tests::clock::TestClock;
use batpak_tests::journal::{config, push, verify, verify_closed};

const WRITERS: u64 = 5;
const READERS: u64 = 2;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// Pseudo-random numbers (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pause(&mut self) {
        match self.below(16) {
            0..4 => std::thread::yield_now(),
            4 => std::thread::sleep(Duration::from_micros(self.below(500))),
            _ => {}
        }
    }

    fn promise(&mut self) -> Promise {
        [Promise::Always, Promise::Interval, Promise::Manual][usize::try_from(self.below(3)).unwrap_or(0)]
    }
}

/// An event as its writer knows it.
struct Wrote {
    sequence: u64,
    id: EventId,
    payload: Vec<u8>,
}

struct Run {
    store: Store,
    until: Instant,
    /// The most events that somebody was told are durable.
    acknowledged: AtomicU64,
}

impl Run {
    fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn assert_reads(&self, wrote: &Wrote) {
        assert_eq!(self.store.get(wrote.id).map(|event| event.stamp.sequence), Ok(wrote.sequence));
        let event = self.store.get(wrote.sequence).expect("one reads what one wrote");
        assert_eq!((event.stamp.sequence, event.stamp.event_id), (wrote.sequence, wrote.id));
        assert_eq!(event.payload(), wrote.payload);
    }

    fn wait(&self, events: u64, timeout: Option<Duration>) {
        if self.store.wait_durable(events, timeout).expect("no sync fails") {
            assert!(self.store.durable().expect("open") >= events);
            self.acknowledged.fetch_max(events, SeqCst);
        } else {
            assert!(timeout.is_some());
        }
    }

    /// Appends frames, keeps the promises made for them, and looks back at times.
    fn write(&self, writer: u64, mut chance: Chance) -> Vec<Wrote> {
        let mut all: Vec<Wrote> = Vec::new();
        while !self.over() {
            let promise = chance.promise();
            let frame = if chance.below(3) == 0 { 1 + chance.below(12) } else { 1 };
            let payloads: Vec<Vec<u8>> = (0..frame)
                .map(|item| {
                    let mut payload = format!("{writer} {} {item} ", all.len()).into_bytes();
                    payload.resize(payload.len() + usize::try_from(chance.below(400)).unwrap_or(0), 0xAB);
                    payload
                })
                .collect();
            let mut proposal = self.store.propose(Some(promise)).expect("open");
            for payload in &payloads {
                let entity = format!("entity:{}", chance.below(7));
                push(&mut proposal, &self.store, &entity, payload).expect("it keeps the rules");
            }
            let committed = self.store.append(&proposal).expect("append").written().expect("no key was given");
            let end = committed.first_sequence + committed.len() as u64;
            assert!(all.last().is_none_or(|last| last.sequence < committed.first_sequence), "an order turned round");
            assert!(self.store.events().expect("open") >= end);
            for (stamp, payload) in committed.stamps.iter().zip(payloads) {
                all.push(Wrote { sequence: stamp.sequence, id: stamp.event_id, payload });
            }
            chance.pause();
            if promise == Promise::Always {
                self.wait(end, None);
            } else if chance.below(16) == 0 {
                self.wait(end, Some(Duration::from_micros(chance.below(300))));
            }
            all.last().into_iter().for_each(|wrote| self.assert_reads(wrote));
            let earlier = usize::try_from(chance.below(all.len() as u64)).unwrap_or(0);
            self.assert_reads(&all[earlier]);
        }
        all
    }

    /// Holds the counts against each other, and reads here and there.
    fn observe(&self, mut chance: Chance) -> u64 {
        let (mut rounds, mut before) = (0, 0);
        while !self.over() {
            let acknowledged = self.acknowledged.load(SeqCst);
            let durable = self.store.durable().expect("open");
            let events = self.store.events().expect("open");
            assert!(acknowledged <= durable && before <= durable && durable <= events);
            before = durable;
            let from = chance.below(events);
            self.assert_ordered(from, events);
            if chance.below(512) == 0 {
                assert!(verify(&self.store).expect("verify").ok());
            }
            chance.pause();
            rounds += 1;
        }
        rounds
    }

    /// A page after `from`: each event follows the one before it in everything that ascends.
    fn assert_ordered(&self, from: u64, events: u64) {
        let query = Query { after: Some(from), limit: Some(40), system: true, ..Query::default() };
        let mut cursor = self.store.query(&query).expect("query");
        let page = self.store.page(&mut cursor, 40).expect("page");
        assert!(page.len() as u64 >= 40.min(events - from - 1), "events are missing");
        let mut last = self.store.get(from).expect("it is there").stamp;
        for event in page {
            let next = event.stamp;
            assert_eq!(next.sequence, last.sequence + 1, "a gap");
            assert!(next.hlc > last.hlc && next.event_id > last.event_id);
            assert!(next.previous.is_none_or(|(sequence, _)| sequence < next.sequence));
            last = next;
        }
    }

    /// Syncs now and then whatever there is.
    fn sync(&self, mut chance: Chance) {
        while !self.over() {
            std::thread::sleep(Duration::from_micros(chance.below(3000)));
            let timeout = (chance.below(2) == 0).then(|| Duration::from_micros(chance.below(200)));
            self.wait(self.store.events().expect("open"), timeout);
        }
    }
}

fn stress(storage: &Arc<dyn Storage>) {
    let seconds = Duration::from_secs(setting("BATPAK_STRESS_S", 1));
    let seed = setting("BATPAK_STRESS_SEED", 1);
    let chance = |thread: u64| Chance(seed.wrapping_mul(1000) + thread);
    let config = Config { segment_bytes: 8192, interval: Duration::from_millis(1), background: true, ..config() };
    let store = Store::open_with(Arc::clone(storage), TestClock::new(), config.clone()).expect("open");
    let run = Run { store, until: Instant::now() + seconds, acknowledged: AtomicU64::new(0) };
    let wrote: Vec<Wrote> = std::thread::scope(|scope| {
        let run = &run;
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || run.write(writer, chance(writer)))).collect();
        let readers: Vec<_> =
            (0..READERS).map(|reader| scope.spawn(move || run.observe(chance(100 + reader)))).collect();
        scope.spawn(move || run.sync(chance(200)));
        assert!(readers.into_iter().all(|reader| reader.join().expect("a reader") > 0));
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    let events = 1 + wrote.len() as u64;
    assert_eq!(run.store.events().expect("open"), events);
    run.store.close().expect("close");
    let verdict = verify_closed(storage.as_ref()).expect("verify");
    assert!(verdict.ok() && verdict.findings.is_empty(), "{verdict:?}");
    assert_eq!(verdict.events, events);
    let store = Store::open_with(Arc::clone(storage), TestClock::new(), config).expect("open again");
    assert!(store.report().segments > 3);
    let run = Run { store, ..run };
    wrote.iter().for_each(|wrote| run.assert_reads(wrote));
}

#[test]
fn anything_at_any_moment_keeps_order_and_promises_in_memory() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    stress(&storage);
}

#[test]
fn anything_at_any_moment_keeps_order_and_promises_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage::new(directory.path()));
    stress(&storage);
}
