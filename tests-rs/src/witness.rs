//! Remembers what a store was asked and what it answered. `deeds.rs` asks; `aftermath.rs` holds a journal found later against it.

use std::collections::HashMap;
use std::sync::Arc;

use batpak_core::error::Result;
use batpak_core::hash::{Hash, hex};
use batpak_core::merkle;
use batpak_core::proof::Checkpoint;
use batpak_core::proposal::Expect;
use batpak_core::read::Event;
use batpak_core::receipt::{Committed, Receipt, Stored};
use batpak_core::storage::{MemoryStorage, Storage};
use batpak_core::{Config, Kind, Store};

use crate::clock::TestClock;
use crate::journal::{config, events};

/// What happened to a journal between writing and looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process died: nothing that `append` returned for may be lost.
    ProcessKill,
    /// The power went: nothing that was called durable may be lost.
    PowerCut,
    /// The power went, and no sync had done anything: everything may be lost.
    Lie,
}

/// An event that a store was asked to write.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// A user's, with this payload.
    Own(Vec<u8>),
    /// The journal's own of this kind, known by this part of its payload.
    Substrate(Kind, Vec<u8>),
}

impl Asked {
    fn is(&self, event: &Event) -> bool {
        match self {
            Self::Own(payload) => event.kind.check_user().is_ok() && event.payload() == payload,
            Self::Substrate(kind, part) => {
                event.kind == *kind && event.payload().windows(part.len()).any(|window| window == part)
            }
        }
    }
}

/// What a store answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Of the frame.
    pub first_sequence: u64,
    /// Of the user's events, which are the last ones of the frame.
    pub hashes: Vec<Hash>,
    /// Of the user's events, as they are given away.
    pub receipts: Vec<Vec<u8>>,
}

impl Answer {
    /// To a proposal whose first `leading` events are the journal's own.
    pub(crate) fn of(committed: &Committed, leading: usize) -> Self {
        let receipts = (leading..committed.len()).map(|index| committed.receipt(index).expect("it has one"));
        Self::from_receipts(&receipts.collect::<Vec<_>>())
    }

    /// That these are the receipts of.
    pub(crate) fn known(events: &[Stored]) -> Self {
        let receipts = events.iter().map(|event| event.receipt().expect("it is in its frame"));
        Self::from_receipts(&receipts.collect::<Vec<_>>())
    }

    fn from_receipts(receipts: &[Receipt]) -> Self {
        Self {
            first_sequence: receipts[0].first_sequence,
            hashes: receipts.iter().map(Receipt::event_hash).collect(),
            receipts: receipts.iter().map(Receipt::encode).collect(),
        }
    }
}

/// One frame that a store was asked to write.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub number: usize,
    pub entity: String,
    pub asked: Vec<Asked>,
    /// Whether each of the user's events has a key.
    pub keyed: bool,
    /// Of the first event.
    pub expect: Expect,
    /// Once `append` returned.
    pub answer: Option<Answer>,
    pub durable: bool,
}

impl Attempt {
    /// The payloads of the user's events.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        self.asked.iter().filter_map(|asked| match asked {
            Asked::Own(payload) => Some(payload.as_slice()),
            Asked::Substrate(..) => None,
        })
    }

    /// Of the user's event at `item`.
    pub(crate) fn key(&self, item: usize) -> String {
        format!("key of attempt {} item {item}", self.number)
    }

    /// Its frame, if it is among these events.
    pub(crate) fn frame<'a>(&self, found: &'a [Event]) -> Option<&'a [Event]> {
        let first = self.asked.first()?;
        let from = found.iter().position(|event| first.is(event))?;
        found.get(from..)?.get(..self.asked.len())
    }
}

/// The memory of one journal's writer.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// In the order in which they lie in the log, if they do.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) asked: usize,
    /// The last clock that a store told of, by entity.
    pub(crate) clocks: HashMap<String, u64>,
    /// So many events a store called durable.
    pub(crate) claimed: u64,
    /// That were given.
    pub(crate) checkpoints: Vec<Checkpoint>,
    journal_id: Option<[u8; 16]>,
    /// Where the highest checkpoint is remembered, on a disk that no crash touches.
    pins: Option<MemoryStorage>,
    /// Signs the journal.
    pub signed: bool,
}

impl Witness {
    /// Of a journal that is signed and pinned.
    #[must_use]
    pub fn signed() -> Self {
        Self { signed: true, pins: Some(MemoryStorage::new()), ..Self::default() }
    }

    /// The same memory with pins of its own, for one of several futures.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        Self { pins: self.pins.as_ref().map(MemoryStorage::process_kill_image), ..self.clone() }
    }

    /// How the journal is opened.
    #[must_use]
    pub fn config(&self) -> Config {
        let pins = self.pins.clone().map(|pins| Arc::new(pins) as Arc<dyn Storage>);
        Config { pins, ..if self.signed { crate::journal::signed() } else { config() } }
    }

    /// Whether a store was open.
    #[must_use]
    pub const fn knows_a_journal(&self) -> bool {
        self.journal_id.is_some()
    }

    /// Opens the journal, and remembers its lineage.
    ///
    /// # Panics
    ///
    /// If it is another journal than before.
    pub fn open(&mut self, storage: Arc<dyn Storage>, clock: &Arc<TestClock>) -> Result<Store> {
        let store = Store::open_with(storage, Arc::clone(clock) as _, self.config())?;
        assert!(self.journal_id.is_none_or(|id| id == store.journal_id()), "the journal was replaced by another");
        self.journal_id = Some(store.journal_id());
        // Which of the attempts are among these events, only `settle` can tell.
        self.claimed = self.claimed.max(store.durable().unwrap_or(0));
        Ok(store)
    }

    /// Every receipt that was given, in the order of the log.
    ///
    /// # Panics
    ///
    /// If one cannot be read.
    #[must_use]
    pub fn receipts(&self) -> Vec<Receipt> {
        let given = self.attempts.iter().filter_map(|attempt| attempt.answer.as_ref());
        given.flat_map(|answer| &answer.receipts).map(|bytes| Receipt::decode(bytes).expect("a receipt")).collect()
    }

    /// So many events a store called durable.
    #[must_use]
    pub const fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Remembers how much a store calls durable.
    pub(crate) fn listen(&mut self, store: &Store) {
        let durable = store.durable().unwrap_or(0);
        self.claimed = self.claimed.max(durable);
        for attempt in &mut self.attempts {
            let end = attempt.answer.as_ref().map(|answer| answer.first_sequence + attempt.asked.len() as u64);
            attempt.durable |= end.is_some_and(|end| end <= durable);
        }
    }

    pub(crate) fn all_durable(&mut self) {
        self.attempts.iter_mut().filter(|attempt| attempt.answer.is_some()).for_each(|attempt| attempt.durable = true);
    }

    /// Holds what a store finds against what is remembered: all that must be there is there, with the same hash at the same sequence; what
    /// is there was asked for, once, and in whole frames; behind the first thing lost nothing else is there.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn compare(&self, store: &Store, fate: Fate, context: &str) {
        self.compare_events(&events(store, true).unwrap_or_else(|error| panic!("{context}: {error}")), fate, context);
    }

    fn compare_events(&self, found: &[Event], fate: Fate, context: &str) {
        if fate != Fate::Lie {
            assert!(found.len() as u64 >= self.claimed, "{context}: {} of {} are there", found.len(), self.claimed);
        }
        for checkpoint in self.checkpoints.iter().filter(|_| fate != Fate::Lie) {
            let size = usize::try_from(checkpoint.size).expect("small");
            let stated: Vec<Hash> = found.iter().take(size).map(|event| event.event_hash).collect();
            assert_eq!(
                (stated.len(), merkle::root(&stated)),
                (size, checkpoint.root),
                "{context}: a checkpoint was broken"
            );
        }
        let mut lost = None;
        let mut of_users = 0;
        for attempt in &self.attempts {
            let number = attempt.number;
            let Some(frame) = attempt.frame(found) else {
                let part = attempt.asked.iter().any(|asked| found.iter().any(|event| asked.is(event)));
                assert!(!part, "{context}: of attempt {number} only a part is there");
                let must = match fate {
                    Fate::ProcessKill => attempt.answer.is_some(),
                    Fate::PowerCut => attempt.durable,
                    Fate::Lie => false,
                };
                assert!(!must, "{context}: attempt {number} is lost; {} events are there", found.len());
                if attempt.answer.is_some() {
                    lost.get_or_insert(number);
                }
                continue;
            };
            assert_eq!(lost, None, "{context}: an earlier attempt is lost, and attempt {number} is there");
            for (position, (event, asked)) in frame.iter().zip(&attempt.asked).enumerate() {
                assert!(asked.is(event), "{context}: attempt {number} item {position} is another one");
                let times = found.iter().filter(|event| asked.is(event)).count();
                assert_eq!(times, 1, "{context}: attempt {number} item {position} is there {times} times");
                if let Some(answer) = &attempt.answer {
                    assert_eq!(event.stamp.sequence, answer.first_sequence + position as u64, "{context}: {number}");
                }
            }
            if let Some(answer) = &attempt.answer {
                let of_user = frame.iter().skip(frame.len() - answer.hashes.len());
                let hashes: Vec<String> = of_user.map(|event| hex(&event.event_hash)).collect();
                let told: Vec<String> = answer.hashes.iter().map(|hash| hex(hash)).collect();
                assert_eq!(hashes, told, "{context}: attempt {number}");
            }
            of_users += frame.len();
        }
        let theirs = found.iter().filter(|event| is_asked_for(event)).count();
        assert_eq!(theirs, of_users, "{context}: events are there that nobody wrote");
    }

    /// Forgets what a crash took, and from now on calls durable what it left: a store does so when it opens.
    pub fn settle(&mut self, store: &Store) -> Result<()> {
        let found = events(store, true)?;
        self.compare_events(&found, Fate::PowerCut, "what the crash left");
        self.attempts.retain(|attempt| attempt.frame(&found).is_some());
        self.all_durable();
        Ok(())
    }
}

/// Whether somebody asked for it: the journal writes others by itself.
fn is_asked_for(event: &Event) -> bool {
    event.kind.check_user().is_ok() || [Kind::DENIED, Kind::BYPASSED].contains(&event.kind)
}
