//! Random operations on a store and on a plain list, which must agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use batpak_core::header::{Encoding, Header, Promise};
use batpak_core::index::Query;
use batpak_core::proposal::{Causation, Expect, NewEvent};
use batpak_core::read::Event;
use batpak_core::storage::{MemoryStorage, Mode, Storage as _};
use batpak_core::{Appended, Config, Error, Kind, Store};
use batpak_tests::clock::TestClock;
use batpak_tests::journal::{at, config, is_cache, signed, verify};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const ENTITIES: [&str; 4] = ["a", "b", "a:b", "longer name"];
const PREFIXES: [&str; 5] = ["a", "a:b", "b", "longer", "batpak"];
const SCOPES: [&str; 3] = ["x", "y", "batpak"];
const KINDS: [u16; 3] = [0x1001, 0xF00F, 0xEFFF];

/// Something that a user does.
#[derive(Clone, Debug)]
enum Step {
    Append {
        items: Vec<Item>,
        promise: u8,
    },
    Sync,
    Query {
        entity: Option<usize>,
        scope: Option<usize>,
        kind: Option<usize>,
        after: u64,
        until: u64,
        page: usize,
        system: bool,
        more: More,
    },
    /// Index files go, or a byte of one changes; the log stays.
    Lose(usize),
    Damage(usize, usize, u8),
    /// A reader looks.
    Refresh,
    Get(u64),
    Walk(u64),
    Reopen,
    Kill,
    Shift(i64),
}

/// Rarer conditions of a query.
#[derive(Clone, Debug)]
struct More {
    prefix: Option<usize>,
    category: Option<u8>,
    correlation: Option<u8>,
    causation: Option<u8>,
    tenant: Option<u8>,
    note: Option<u8>,
    since: Option<u64>,
    before: Option<u64>,
    reverse: bool,
    limit: Option<u64>,
}

#[derive(Clone, Debug)]
struct Item {
    correlation: Option<u8>,
    causation: Option<u8>,
    key: Option<u8>,
    expect: Expected,
    tenant: Option<u8>,
    note: Option<u8>,
    entity: usize,
    scope: usize,
    kind: usize,
    payload: Vec<u8>,
}

/// What an item expects of its entity.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Any,
    New,
    /// The clock that it has, or another one.
    Clock {
        right: bool,
    },
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        8 => Just(Expected::Any),
        1 => Just(Expected::New),
        2 => Just(Expected::Clock { right: true }),
        1 => Just(Expected::Clock { right: false }),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 1500..2500)];
    let marks = (option::of(0..3_u8), option::of(0..3_u8), option::of(0..3_u8), option::of(0..3_u8));
    let key = option::weighted(0.2, 0..8_u8);
    (0..ENTITIES.len(), 0..SCOPES.len(), 0..KINDS.len(), payload, marks, key, expected()).prop_map(
        |(entity, scope, kind, payload, (correlation, causation, tenant, note), key, expect)| Item {
            correlation,
            causation,
            key,
            expect,
            tenant,
            note,
            entity,
            scope,
            kind,
            payload,
        },
    )
}

fn more() -> impl Strategy<Value = More> {
    let prefix = option::weighted(0.2, 0..PREFIXES.len());
    let byte = || option::weighted(0.2, 0..4_u8);
    let numbers = (option::weighted(0.2, 0..16_u8), byte(), byte(), byte());
    let times = (option::weighted(0.1, 0..90_u64), option::weighted(0.1, 0..90_u64));
    let rest = (option::weighted(0.1, 0..4_u8), any::<bool>(), option::weighted(0.3, 0..12_u64));
    (prefix, numbers, times, rest).prop_map(
        |(prefix, (category, correlation, causation, tenant), (since, before), (note, reverse, limit))| More {
            prefix,
            category,
            correlation,
            causation,
            tenant,
            note,
            since,
            before,
            reverse,
            limit,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let query = (
        option::of(0..=ENTITIES.len()),
        option::of(0..=SCOPES.len()),
        option::of(0..=KINDS.len()),
        (0..60_u64, 0..60_u64, 1..10_usize, any::<bool>(), more()),
    );
    prop_oneof![
        6 => (vec(item(), 1..2), 0..3_u8).prop_map(|(items, promise)| Step::Append { items, promise }),
        3 => (vec(item(), 1..6), 0..3_u8).prop_map(|(items, promise)| Step::Append { items, promise }),
        1 => Just(Step::Sync),
        4 => query.prop_map(|(entity, scope, kind, (after, until, page, system, more))| {
            Step::Query { entity, scope, kind, after, until, page, system, more }
        }),
        2 => (0..80_u64).prop_map(Step::Get),
        2 => (0..80_u64).prop_map(Step::Walk),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => (0..5_usize).prop_map(Step::Lose),
        1 => (0..5_usize, any::<usize>(), 1..=255_u8).prop_map(|(which, at, xor)| Step::Damage(which, at, xor)),
        2 => Just(Step::Refresh),
        1 => (-5_000_000..5_000_000_i64).prop_map(Step::Shift),
    ]
}

/// An event as the model knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    entity: String,
    scope: String,
    kind: u16,
    payload: Vec<u8>,
    correlation: Option<[u8; 16]>,
    causation: Option<[u8; 16]>,
    key: Option<[u8; 16]>,
    metadata: BTreeMap<String, String>,
    id: [u8; 16],
    wall_us: u64,
}

impl Known {
    fn of(event: &Event) -> Self {
        Self {
            entity: event.entity().to_owned(),
            scope: event.scope().to_owned(),
            kind: event.kind.code(),
            payload: event.payload().to_vec(),
            correlation: event.correlation_id,
            causation: event.causation_id,
            key: Header::decode(event.header()).expect("a header").idempotency_key,
            metadata: event.metadata().expect("a header").into_iter().collect(),
            id: event.stamp.event_id,
            wall_us: event.stamp.hlc.wall_us,
        }
    }

    /// Whether this is what was written for an item.
    fn was(&self, item: &Item) -> bool {
        self.entity == ENTITIES[item.entity]
            && self.scope == SCOPES[item.scope]
            && self.kind == KINDS[item.kind]
            && self.payload == item.payload
    }

    fn matches(&self, sequence: u64, query: &Query) -> bool {
        let below = |prefix: &String| self.entity == *prefix || self.entity.starts_with(&format!("{prefix}:"));
        query.entity.as_ref().is_none_or(|entity| *entity == self.entity)
            && query.entity_prefix.as_ref().is_none_or(below)
            && query.scope.as_ref().is_none_or(|scope| *scope == self.scope)
            && query.kind.is_none_or(|kind| kind == self.kind)
            && query.category.is_none_or(|category| u16::from(category) == self.kind >> 12)
            && query.correlation.is_none_or(|correlation| Some(correlation) == self.correlation)
            && query.causation.is_none_or(|causation| Some(causation) == self.causation)
            && query.metadata.iter().all(|(key, value)| self.metadata.get(key) == Some(value))
            && query.since_us.is_none_or(|since| self.wall_us >= since)
            && query.before_us.is_none_or(|before| self.wall_us < before)
            && query.until.is_none_or(|until| sequence <= until)
            && query.after.is_none_or(|after| sequence > after)
            && (query.system || self.kind >> 12 != 0)
    }
}

struct World {
    storage: MemoryStorage,
    clock: Arc<TestClock>,
    store: Option<Store>,
    reader: Option<Store>,
    /// Whether an index file was changed.
    damaged: bool,
    signed: bool,
    known: Vec<Known>,
}

impl World {
    fn new(signed: bool) -> Self {
        let mut world = Self {
            storage: MemoryStorage::new(),
            clock: TestClock::new(),
            store: None,
            reader: None,
            damaged: false,
            signed,
            known: Vec::new(),
        };
        world.open();
        world
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    /// Opens, checks that all is there, and learns the journal's own new events.
    fn open(&mut self) {
        let config = if self.signed { signed() } else { config() };
        let keys = Some(vec!["tenant".to_owned()]);
        let config = Config { index_metadata: keys, unindexed_bytes: 600, ..config };
        let store = Store::open_with(Arc::new(self.storage.clone()), Arc::clone(&self.clock) as _, config);
        let store = store.expect("open");
        let before = self.known.len() as u64;
        assert_eq!(store.report().events, before);
        assert_eq!(store.report().path_taken, if before == 0 { "created" } else { "clean" });
        for sequence in before..store.events().expect("open") {
            let event = store.get(sequence).expect("it is there");
            assert_eq!(event.kind.category(), 0);
            self.known.push(Known::of(&event));
        }
        assert!(store.durable().expect("open") >= before);
        self.store = Some(store);
        self.same(&Query { system: true, ..Query::default() }, 7);
    }

    /// The clock that the next event of an entity would have.
    fn next_clock(&self, entity: &str) -> u64 {
        self.known.iter().filter(|known| known.entity == entity).count() as u64
    }

    fn append(&mut self, items: &[Item], promise: u8) {
        let promise = [Promise::Manual, Promise::Interval, Promise::Always][usize::from(promise)];
        let store = self.store();
        let mut proposal = store.propose(Some(promise)).expect("open");
        let (mut keys, mut as_expected) = (Vec::new(), true);
        let mut clocks: BTreeMap<&str, u64> = BTreeMap::new();
        for item in items {
            let marks = [("tenant", item.tenant), ("note", item.note)];
            let marks = marks.into_iter().filter_map(|(key, mark)| Some((key.to_owned(), format!("{}", mark?))));
            let metadata = marks.collect();
            let coordinate = at(ENTITIES[item.entity], SCOPES[item.scope]);
            let next = clocks.entry(ENTITIES[item.entity]).or_insert_with(|| self.next_clock(ENTITIES[item.entity]));
            let (expect, holds) = match item.expect {
                Expected::Any => (Expect::Any, true),
                Expected::New => (Expect::New, *next == 0),
                Expected::Clock { right } => (Expect::Clock(next.wrapping_sub(u64::from(right))), right && *next > 0),
            };
            as_expected &= holds;
            *next += 1;
            let key = item.key.map(|key| [b'k', key]);
            let event = NewEvent {
                coordinate: &coordinate,
                kind: Kind::from_code(KINDS[item.kind]),
                payload_version: 3,
                encoding: Encoding::Raw,
                payload: &item.payload,
                correlation_id: item.correlation.map(|byte| [byte; 16]),
                causation: item.causation.map(|byte| Causation::Id([byte; 16])),
                key: key.as_ref().map(|key| &key[..]),
                expect,
                metadata: &metadata,
                private: &[],
            };
            let pushed = proposal.push(&event, store.entropy());
            if item.key.is_some() && keys.contains(&item.key) {
                assert!(matches!(pushed, Err(Error::InvalidInput { .. })), "{pushed:?}");
                return;
            }
            pushed.expect("push");
            keys.push(item.key);
        }
        let outcome = store.append(&proposal);
        let written: Vec<Option<&Known>> = items.iter().map(|item| self.under_key(item.key)).collect();
        if written.iter().any(Option::is_some) {
            let same = written.iter().zip(items).all(|(known, item)| known.is_some_and(|known| known.was(item)));
            match outcome {
                Ok(Appended::Known(events)) if same => {
                    for (event, known) in events.iter().zip(&written) {
                        let receipt = event.receipt().expect("it is in its frame");
                        assert_eq!(receipt.fields().expect("a receipt").stamp.event_id, known.expect("same").id);
                        assert!(store.verify_receipt(&receipt, None).expect("verify").ok());
                    }
                    assert_eq!(events.len(), items.len());
                }
                Err(Error::KeyConflict { .. }) if !same => {}
                other => panic!("same: {same}, {other:?}"),
            }
            return;
        }
        if !as_expected {
            assert!(matches!(outcome, Err(Error::ExpectationFailed { .. })), "{outcome:?}");
            return;
        }
        let frame = outcome.expect("append").written().expect("its keys are new");
        assert_eq!(frame.first_sequence, self.known.len() as u64);
        if promise == Promise::Always {
            store.wait_durable(frame.first_sequence + frame.len() as u64, None).expect("sync");
        }
        for (item, stamp) in items.iter().zip(&frame.stamps) {
            let event = self.store().get(stamp.sequence).expect("it was written");
            assert_eq!((event.payload(), event.stamp), (item.payload.as_slice(), *stamp));
            self.known.push(Known::of(&event));
        }
    }

    fn under_key(&self, key: Option<u8>) -> Option<&Known> {
        let key = batpak_core::hash::key_hash(&[b'k', key?]);
        self.known.iter().find(|known| known.key == Some(key))
    }

    /// Pages through the store and filters the list: the same events, in the same order.
    fn same(&self, query: &Query, page_events: usize) {
        self.same_in(self.store(), query, page_events);
    }

    fn same_in(&self, store: &Store, query: &Query, page_events: usize) {
        let visible = store.events().expect("open");
        let numbered = (0..visible).zip(&self.known).filter(|(sequence, known)| known.matches(*sequence, query));
        let mut expected: Vec<u64> = numbered.map(|(sequence, _)| sequence).collect();
        if query.reverse {
            expected.reverse();
        }
        expected.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("small")));
        let mut cursor = store.query(query).expect("query");
        let mut found = Vec::new();
        while !cursor.is_done() {
            let events = store.page(&mut cursor, page_events).expect("page");
            assert!(events.len() <= page_events);
            for event in &events {
                self.is(event, event.stamp.sequence);
            }
            found.extend(events.iter().map(|event| event.stamp.sequence));
        }
        assert_eq!(found, expected, "{query:?}");
        assert!(cursor.examined() >= found.len() as u64 && cursor.examined() <= visible);
    }

    /// Index files, in the order of their names.
    fn indexes(&self) -> Vec<String> {
        self.storage.export().into_keys().filter(|name| is_cache(name)).collect()
    }

    fn lose(&self, which: usize) {
        let names = self.indexes();
        // One, or all of them.
        for name in names.iter().enumerate().filter(|(at, _)| which == 4 || at % 4 == which).map(|(_, name)| name) {
            self.storage.remove(name).expect("it is there");
        }
    }

    fn damage(&mut self, which: usize, at: usize, xor: u8) {
        let names = self.indexes();
        let Some(name) = names.get(which % names.len().max(1)) else { return };
        let file = self.storage.open(name, Mode::Write).expect("it is there");
        let length = usize::try_from(file.length().expect("length")).expect("small");
        let offset = (at % length) as u64;
        let mut byte = [0];
        file.read_at(&mut byte, offset).expect("read");
        file.write_at(&[byte[0] ^ xor], offset).expect("write");
        self.damaged = true;
    }

    /// A reader sees what the writer wrote, and nothing else.
    fn refresh(&mut self) {
        let mut reader = self.reader.take();
        let reader = reader.get_or_insert_with(|| {
            let config = Config { read_only: true, ..config() };
            Store::open_with(Arc::new(self.storage.clone()), TestClock::new(), config).expect("open")
        });
        assert_eq!(reader.refresh().expect("refresh"), self.known.len() as u64);
        self.same_in(reader, &Query { system: true, ..Query::default() }, 50);
        self.same_in(reader, &Query { entity: Some("a".to_owned()), ..Query::default() }, 50);
        let tenant = vec![("tenant".to_owned(), "1".to_owned())];
        self.same_in(reader, &Query { metadata: tenant, reverse: true, ..Query::default() }, 50);
        for (sequence, known) in (0..).zip(&self.known) {
            assert_eq!(reader.get(known.id).expect("it is there").stamp.sequence, sequence);
        }
    }

    fn is(&self, event: &batpak_core::read::Event, sequence: u64) {
        let known = &self.known[usize::try_from(sequence).expect("small")];
        assert_eq!((event.entity(), event.scope()), (known.entity.as_str(), known.scope.as_str()));
        assert_eq!((event.kind.code(), event.payload()), (known.kind, known.payload.as_slice()));
        assert_eq!((event.stamp.sequence, event.stamp.event_id), (sequence, known.id));
    }

    /// A time at, or just behind, that of an event.
    fn time(&self, at: Option<u64>) -> Option<u64> {
        let at = usize::try_from(at?).expect("small");
        Some(self.known.get(at / 2).map_or(u64::MAX, |known| known.wall_us + (at % 2) as u64))
    }

    fn get(&self, sequence: u64) {
        let store = self.store();
        let Some(known) = usize::try_from(sequence).ok().and_then(|at| self.known.get(at)) else {
            assert!(matches!(store.get(sequence), Err(Error::EventNotFound { .. })));
            return;
        };
        self.is(&store.get(sequence).expect("it is there"), sequence);
        assert_eq!(store.get(known.id).expect("it is there").stamp.sequence, sequence);
        let mut nobody = known.id;
        nobody[15] ^= 1;
        assert!(matches!(store.get(nobody), Err(Error::EventNotFound { .. })));
    }

    /// Walks the chain of one entity back to its first event.
    fn walk(&self, sequence: u64) {
        let Ok(mut event) = self.store().get(sequence) else { return };
        let here = usize::try_from(sequence).expect("small");
        let entity = self.known[here].entity.clone();
        let older = (0..sequence).zip(&self.known).filter(|(_, known)| known.entity == entity).map(|(older, _)| older);
        let older: Vec<u64> = older.collect();
        assert_eq!(event.stamp.clock, older.len() as u64);
        for expected in older.iter().rev() {
            event = self.store().previous(&event).expect("a chain").expect("not the first yet");
            self.is(&event, *expected);
        }
        assert_eq!(self.store().previous(&event).expect("a chain"), None);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append { items, promise } => self.append(items, *promise),
            Step::Sync => {
                let all = self.known.len() as u64;
                assert!(self.store().wait_durable(all, None).expect("sync"));
                assert_eq!(self.store().durable().expect("open"), all);
            }
            Step::Lose(which) => self.lose(*which),
            Step::Damage(which, at, xor) => self.damage(*which, *at, *xor),
            Step::Refresh => self.refresh(),
            Step::Query { entity, scope, kind, after, until, page, system, more } => {
                let name = |names: &[&str], at: usize| names.get(at).map_or("nobody", |name| name).to_owned();
                let query = Query {
                    entity: entity.map(|at| name(&ENTITIES, at)),
                    scope: scope.map(|at| name(&SCOPES, at)),
                    kind: kind.map(|at| KINDS.get(at).copied().unwrap_or(2)),
                    after: after.checked_sub(10),
                    until: Some(*until).filter(|until| *until < 50),
                    limit: more.limit,
                    system: *system,
                    entity_prefix: more.prefix.map(|at| PREFIXES[at].to_owned()),
                    category: more.category,
                    correlation: more.correlation.map(|byte| [byte; 16]),
                    causation: more.causation.map(|byte| [byte; 16]),
                    metadata: [("tenant", more.tenant), ("note", more.note)]
                        .into_iter()
                        .filter_map(|(key, mark)| Some((key.to_owned(), format!("{}", mark?))))
                        .collect(),
                    since_us: self.time(more.since),
                    before_us: self.time(more.before),
                    reverse: more.reverse,
                };
                self.same(&query, *page);
            }
            Step::Get(sequence) => self.get(*sequence),
            Step::Walk(sequence) => self.walk(*sequence),
            Step::Reopen => {
                self.store.take().expect("it is open").close().expect("close");
                self.open();
                assert_eq!(self.store().report().rewritten_bytes, 0);
            }
            Step::Kill => {
                let left = self.storage.process_kill_image();
                self.store = None;
                self.reader = None;
                self.storage = left;
                self.open();
            }
            Step::Shift(by) => self.clock.shift(*by),
        }
        let events = self.store().events().expect("open");
        assert_eq!(events, self.known.len() as u64);
        assert!(self.store().durable().expect("open") <= events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_list_would(steps in vec(step(), 1..60), signed in any::<bool>()) {
        let mut world = World::new(signed);
        for step in &steps {
            world.step(step);
        }
        let verdict = verify(world.store()).expect("verify");
        // What was done to index files under the open store is found, and nothing else.
        let excused = verdict.findings.iter().all(|finding| finding.axis == "indexes" && world.damaged);
        prop_assert!(excused && (verdict.ok() || world.damaged), "{:?}", verdict);
        let stats = world.store().stats().expect("open");
        prop_assert_eq!(stats.events, world.known.len() as u64);
        let entities: std::collections::HashSet<_> = world.known.iter().map(|known| &known.entity).collect();
        prop_assert_eq!(stats.entities, entities.len() as u64);
        prop_assert_eq!(stats.system_events, world.known.iter().filter(|known| known.kind >> 12 == 0).count() as u64);
    }
}
