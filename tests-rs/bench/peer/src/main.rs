//! Times the published crate `batpak` 0.10 on the bench's workload, through its public interface only.
//!
//! `peer-bench MODE DIR COUNT` prints one JSON line; `open` and `get` expect a store that an earlier mode filled.

mod event;

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use batpak::id::{IdempotencyKey, generate_v7_id};
use batpak::prelude::*;
use batpak::store::stats::WatermarkKind;
use batpak::store::{BatchAppendItem, CausationRef, DurabilityGate, IndexEntry};

use event::{ToolCall, scramble, workload};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Items = [(Coordinate, ToolCall)];

const USAGE: &str = "usage: peer-bench append|append-killed|append-durable|threads-durable|batch|open|get DIR COUNT";
const THREADS: usize = 16;
const BATCH: usize = 1_000;
/// One event in so many is appended before the clock starts.
const WARM_SHARE: usize = 20;
/// Random reads are spread over the whole store, but there are never more of them than this.
const GETS_MAX: u64 = 200_000;

struct Timing {
    events: usize,
    wall: Duration,
    cpu: Duration,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, dir, count] = arguments.as_slice() else { return Err(USAGE.into()) };
    let count: u64 = count.parse()?;
    let plain = StoreConfig::new(dir.as_str());
    let timing = match mode.as_str() {
        "append" | "append-killed" => append(plain, count, mode == "append-killed")?,
        "append-durable" => append_durable(synced(plain), count)?,
        "threads-durable" => threads_durable(synced(plain), count)?,
        "batch" => batch(plain.with_batch_max_size(u32::try_from(BATCH)?), count)?,
        "open" => open(plain, count)?,
        "get" => get(plain, count)?,
        _ => return Err(USAGE.into()),
    };
    println!(
        "{}",
        serde_json::json!({
            "mode": mode,
            "events": timing.events,
            "seconds": timing.wall.as_secs_f64(),
            "cpu_seconds": timing.cpu.as_secs_f64(),
        })
    );
    Ok(())
}

/// A receipt behind the durability gate waits for a sync, so every event asks for one.
fn synced(config: StoreConfig) -> StoreConfig {
    config.with_sync_every_n_events(1).with_sync_mode(SyncMode::SyncData)
}

fn gated() -> AppendOptions {
    AppendOptions::new().with_gate(DurabilityGate::new(WatermarkKind::Durable, Duration::from_secs(30)))
}

/// Group commit demands an idempotency key on every append.
fn gated_once() -> AppendOptions {
    gated().with_idempotency(IdempotencyKey::from_u128(generate_v7_id()))
}

fn append(config: StoreConfig, count: u64, killed: bool) -> Outcome<Timing> {
    let items = workload(0, count)?;
    let store = Store::open(config)?;
    let work = |part: &Items| {
        for (coordinate, payload) in part {
            drop(black_box(store.append_typed(coordinate, payload)?));
        }
        Ok(())
    };
    let timing = timed(&items, work)?;
    if killed {
        // The page cache survives an abort, as it survives SIGKILL; nothing of ours or theirs runs any more.
        std::process::abort();
    }
    store.close()?;
    Ok(timing)
}

fn append_durable(config: StoreConfig, count: u64) -> Outcome<Timing> {
    let items = workload(0, count)?;
    let store = Store::open(config)?;
    let timing = timed(&items, |part| append_gated(&store, part, gated))?;
    store.close()?;
    Ok(timing)
}

fn threads_durable(config: StoreConfig, count: u64) -> Outcome<Timing> {
    let items = workload(0, count)?;
    // One sync for whatever the threads have in flight: the peer at its best.
    let store = Store::open(config.with_group_commit_max_batch(u32::try_from(THREADS)?))?;
    let timing = timed(&items, |part| {
        let share = part.len().div_ceil(THREADS).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                part.chunks(share).map(|share| scope.spawn(|| append_gated(&store, share, gated_once))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread failed")?)
        })
    })?;
    store.close()?;
    Ok(timing)
}

fn append_gated(store: &Store<Open>, items: &Items, options: fn() -> AppendOptions) -> Outcome<()> {
    for (coordinate, payload) in items {
        drop(black_box(store.append_typed_with_options(coordinate, payload, options())?));
    }
    Ok(())
}

fn batch(config: StoreConfig, count: u64) -> Outcome<Timing> {
    let items = workload(0, count)?;
    let store = Store::open(config)?;
    let timing = timed(&items, |items| {
        for part in items.chunks(BATCH) {
            // Encoding the payloads is inside the clock, as it is for every other store.
            let batch: Vec<_> = part
                .iter()
                .map(|(coordinate, payload)| {
                    BatchAppendItem::typed(coordinate.clone(), payload, AppendOptions::new(), CausationRef::None)
                })
                .collect::<Result<_, _>>()?;
            drop(black_box(store.append_batch(batch)?));
        }
        Ok(())
    })?;
    store.close()?;
    Ok(timing)
}

fn open(config: StoreConfig, count: u64) -> Outcome<Timing> {
    let clock = Clock::start(usize::try_from(count)?)?;
    let store = Store::open(config)?;
    let timing = clock.stop()?;
    ids(&store, count)?;
    store.close()?;
    Ok(timing)
}

fn get(config: StoreConfig, count: u64) -> Outcome<Timing> {
    let store = Store::open(config)?;
    let ids = ids(&store, count)?;
    let picks: Vec<EventId> = (0..count.min(GETS_MAX))
        .map(|index| Ok(ids[usize::try_from(scramble(index) % count)?]))
        .collect::<Outcome<_>>()?;
    let timing = timed(&picks, |picks| {
        for id in picks {
            black_box(store.get(*id)?);
        }
        Ok(())
    })?;
    store.close()?;
    Ok(timing)
}

/// The ids of all events, which must be `count`: a store that lost some is not worth timing.
fn ids(store: &Store<Open>, count: u64) -> Outcome<Vec<EventId>> {
    let limit = usize::try_from(count)? + 1;
    let entries = store.query_entries_after(&Region::all().with_fact_category(EventCategory::new(0xF)?), None, limit);
    if entries.len() != usize::try_from(count)? {
        return Err(format!("expected {count} events, found {}", entries.len()).into());
    }
    Ok(entries.iter().map(IndexEntry::event_id).collect())
}

/// Does the first share of the work to warm up and times the rest.
fn timed<T>(items: &[T], work: impl Fn(&[T]) -> Outcome<()>) -> Outcome<Timing> {
    let (warm, rest) = items.split_at(items.len() / WARM_SHARE);
    work(warm)?;
    let clock = Clock::start(rest.len())?;
    work(rest)?;
    clock.stop()
}

struct Clock {
    events: usize,
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start(events: usize) -> Outcome<Self> {
        let cpu = cpu_used()?;
        Ok(Self { events, wall: Instant::now(), cpu })
    }

    fn stop(self) -> Outcome<Timing> {
        let wall = self.wall.elapsed();
        Ok(Timing { events: self.events, wall, cpu: cpu_used()?.saturating_sub(self.cpu) })
    }
}

/// CPU time of all threads of this process, in the kernel's steps of 10 ms: enough to see another process interfere.
fn cpu_used() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The command name, the only field that may hold spaces, ends at the last parenthesis; utime and stime are fields
    // 14 and 15 of the line.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
