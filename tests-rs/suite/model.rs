//! Random operations on a store and on a plain list, which must agree.

use std::sync::Arc;

use batpak_core::header::Promise;
use batpak_core::index::Query;
use batpak_core::storage::MemoryStorage;
use batpak_core::{Error, Kind, Store};
use batpak_tests::clock::TestClock;
use batpak_tests::journal::{at, config, signed, verify};
use proptest::collection::vec;
use proptest::prelude::*;

const ENTITIES: [&str; 4] = ["a", "b", "a:b", "longer name"];
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
    },
    Get(u64),
    Walk(u64),
    Reopen,
    Kill,
    Shift(i64),
}

#[derive(Clone, Debug)]
struct Item {
    entity: usize,
    scope: usize,
    kind: usize,
    payload: Vec<u8>,
}

fn item() -> impl Strategy<Value = Item> {
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 1500..2500)];
    (0..ENTITIES.len(), 0..SCOPES.len(), 0..KINDS.len(), payload).prop_map(|(entity, scope, kind, payload)| Item {
        entity,
        scope,
        kind,
        payload,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let query = (
        proptest::option::of(0..=ENTITIES.len()),
        proptest::option::of(0..=SCOPES.len()),
        proptest::option::of(0..=KINDS.len()),
        (0..60_u64, 0..60_u64, 1..10_usize, any::<bool>()),
    );
    prop_oneof![
        6 => (vec(item(), 1..2), 0..3_u8).prop_map(|(items, promise)| Step::Append { items, promise }),
        3 => (vec(item(), 1..6), 0..3_u8).prop_map(|(items, promise)| Step::Append { items, promise }),
        1 => Just(Step::Sync),
        4 => query.prop_map(|(entity, scope, kind, (after, until, page, system))| {
            Step::Query { entity, scope, kind, after, until, page, system }
        }),
        2 => (0..80_u64).prop_map(Step::Get),
        2 => (0..80_u64).prop_map(Step::Walk),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
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
    id: [u8; 16],
}

struct World {
    storage: MemoryStorage,
    clock: Arc<TestClock>,
    store: Option<Store>,
    signed: bool,
    known: Vec<Known>,
}

impl World {
    fn new(signed: bool) -> Self {
        let mut world =
            Self { storage: MemoryStorage::new(), clock: TestClock::new(), store: None, signed, known: Vec::new() };
        world.open();
        world
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    /// Opens, checks that all is there, and learns the journal's own new events.
    fn open(&mut self) {
        let config = if self.signed { signed() } else { config() };
        let store = Store::open_with(Arc::new(self.storage.clone()), Arc::clone(&self.clock) as _, config);
        let store = store.expect("open");
        let before = self.known.len() as u64;
        assert_eq!(store.report().events, before);
        assert_eq!(store.report().path_taken, if before == 0 { "created" } else { "clean" });
        for sequence in before..store.events().expect("open") {
            let event = store.get(sequence).expect("it is there");
            assert_eq!(event.kind.category(), 0);
            self.known.push(Known {
                entity: event.entity().to_owned(),
                scope: event.scope().to_owned(),
                kind: event.kind.code(),
                payload: event.payload().to_vec(),
                id: event.stamp.event_id,
            });
        }
        assert!(store.durable().expect("open") >= before);
        self.store = Some(store);
        self.same(&Query { system: true, ..Query::default() }, 7);
    }

    fn append(&mut self, items: &[Item], promise: u8) {
        let promise = [Promise::Manual, Promise::Interval, Promise::Always][usize::from(promise)];
        let store = self.store();
        let mut proposal = store.propose(Some(promise)).expect("open");
        for item in items {
            let coordinate = at(ENTITIES[item.entity], SCOPES[item.scope]);
            let event = batpak_core::proposal::NewEvent {
                coordinate: &coordinate,
                kind: Kind::from_code(KINDS[item.kind]),
                payload_version: 3,
                encoding: batpak_core::header::Encoding::Raw,
                payload: &item.payload,
                correlation_id: None,
                causation: None,
                metadata: &std::collections::BTreeMap::new(),
                private: &[],
            };
            proposal.push(&event, store.entropy()).expect("push");
        }
        let frame = store.append(&proposal).expect("append");
        assert_eq!(frame.first_sequence, self.known.len() as u64);
        if promise == Promise::Always {
            store.wait_durable(frame.first_sequence + frame.len() as u64, None).expect("sync");
        }
        let known = items.iter().zip(&frame.stamps).map(|(item, stamp)| Known {
            entity: ENTITIES[item.entity].to_owned(),
            scope: SCOPES[item.scope].to_owned(),
            kind: KINDS[item.kind],
            payload: item.payload.clone(),
            id: stamp.event_id,
        });
        self.known.extend(known.collect::<Vec<_>>());
    }

    /// Pages through the store and filters the list: the same events, in the same order.
    fn same(&self, query: &Query, page_events: usize) {
        let matches = |(sequence, known): &(u64, &Known)| {
            query.entity.as_ref().is_none_or(|entity| *entity == known.entity)
                && query.scope.as_ref().is_none_or(|scope| *scope == known.scope)
                && query.kind.is_none_or(|kind| kind == known.kind)
                && query.until.is_none_or(|until| *sequence <= until)
                && query.after.is_none_or(|after| *sequence > after)
                && (query.system || known.kind >> 12 != 0)
        };
        let expected: Vec<u64> = (0..).zip(&self.known).filter(matches).map(|(sequence, _)| sequence).collect();
        let mut found = Vec::new();
        let mut from = query.after.map_or(0, |after| after + 1);
        loop {
            let (events, page) = self.store().page(query, from, page_events).expect("query");
            assert!(events.len() <= page_events && page.next >= from);
            found.extend(events.iter().map(|event| event.stamp.sequence));
            for event in &events {
                self.is(event, event.stamp.sequence);
            }
            if events.len() < page_events {
                break;
            }
            from = page.next;
        }
        assert_eq!(found, expected, "{query:?}");
    }

    fn is(&self, event: &batpak_core::read::Event, sequence: u64) {
        let known = &self.known[usize::try_from(sequence).expect("small")];
        assert_eq!((event.entity(), event.scope()), (known.entity.as_str(), known.scope.as_str()));
        assert_eq!((event.kind.code(), event.payload()), (known.kind, known.payload.as_slice()));
        assert_eq!((event.stamp.sequence, event.stamp.event_id), (sequence, known.id));
    }

    fn get(&self, sequence: u64) {
        let store = self.store();
        let Some(known) = usize::try_from(sequence).ok().and_then(|at| self.known.get(at)) else {
            assert!(matches!(store.get(sequence), Err(Error::EventNotFound { .. })));
            return;
        };
        self.is(&store.get(sequence).expect("it is there"), sequence);
        assert_eq!(store.sequence_of(&known.id).expect("it is there"), sequence);
        let mut nobody = known.id;
        nobody[15] ^= 1;
        assert!(matches!(store.sequence_of(&nobody), Err(Error::EventNotFound { .. })));
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
            Step::Query { entity, scope, kind, after, until, page, system } => {
                let name = |names: &[&str], at: usize| names.get(at).map_or("nobody", |name| name).to_owned();
                let query = Query {
                    entity: entity.map(|at| name(&ENTITIES, at)),
                    scope: scope.map(|at| name(&SCOPES, at)),
                    kind: kind.map(|at| KINDS.get(at).copied().unwrap_or(2)),
                    after: after.checked_sub(10),
                    until: Some(*until).filter(|until| *until < 50),
                    limit: None,
                    system: *system,
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
        prop_assert!(verdict.ok() && verdict.findings.is_empty(), "{:?}", verdict);
        let stats = world.store().stats().expect("open");
        prop_assert_eq!(stats.events, world.known.len() as u64);
        let entities: std::collections::HashSet<_> = world.known.iter().map(|known| &known.entity).collect();
        prop_assert_eq!(stats.entities, entities.len() as u64);
        prop_assert_eq!(stats.system_events, world.known.iter().filter(|known| known.kind >> 12 == 0).count() as u64);
    }
}
