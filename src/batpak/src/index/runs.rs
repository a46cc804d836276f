//! Runs of entity heads (FORMAT.md section 17.3): the sequence of the last event of each entity, by hash of its name.
//!
//! A name that is in no run is new. Hashes are spread evenly, so the place of one is guessed from its value and found in a step or two;
//! the array is its own filter. What a run says is checked against the log before it enters a record.

use std::cmp::Ordering;

use crate::cache::CacheFile;
use crate::catalog::RunEntry;

/// A hash of a name, then the sequence.
const ENTRY_BYTES: usize = 24;

/// 16 bytes that stand for an entity's name.
pub type NameHash = [u8; 16];

/// Stands for an entity's name.
#[must_use]
pub fn name_hash(entity: &[u8]) -> NameHash {
    let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *blake3::hash(entity).as_bytes();
    hash
}

/// The number that the first half of a hash is.
fn leading(name: &NameHash) -> u64 {
    let [n0, n1, n2, n3, n4, n5, n6, n7, ..] = *name;
    u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7])
}

/// An entity and its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadEntry {
    /// The entity.
    pub name: NameHash,
    /// Sequence of its last event.
    pub sequence: u64,
}

impl HeadEntry {
    /// Of an entity by its name.
    #[must_use]
    pub fn new(entity: &[u8], sequence: u64) -> Self {
        Self { name: name_hash(entity), sequence }
    }

    /// In the order of a run.
    #[must_use]
    pub fn sorted(entries: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut entries: Vec<Self> = entries.collect();
        entries.sort_unstable();
        entries
    }

    /// The 24 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let (name, sequence) = bytes.split_at_mut(16);
        name.copy_from_slice(&self.name);
        sequence.copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; ENTRY_BYTES]) -> Self {
        let [name @ .., s0, s1, s2, s3, s4, s5, s6, s7] = bytes;
        Self { name, sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]) }
    }
}

/// One run, mapped.
#[derive(Debug)]
pub struct Run {
    /// What `checkpoints` says of it.
    pub entry: RunEntry,
    file: CacheFile,
}

impl Run {
    /// `None` if the file is not a whole number of entries.
    #[must_use]
    pub fn new(entry: RunEntry, file: CacheFile) -> Option<Self> {
        file.len().is_multiple_of(ENTRY_BYTES).then_some(Self { entry, file })
    }

    /// Number of entities.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.file.len() / ENTRY_BYTES
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry; `None` also if the file is damaged there.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<HeadEntry> {
        self.file.element(0, place).map(HeadEntry::decode)
    }

    /// The last event of an entity among those of the run; the outer `None` says that the file is damaged.
    #[must_use]
    pub fn find(&self, name: &NameHash) -> Option<Option<u64>> {
        let (mut from, mut to) = (0, self.len());
        let value = leading(name);
        // What the names of the places from..to lie between.
        let (mut low, mut high) = (0, u64::MAX);
        let mut guesses = 0;
        while from < to {
            guesses += 1;
            // Hashes are spread evenly, so a place can be told from a value. If somebody chose the names, halves find it all the same.
            let share = u128::from(value.saturating_sub(low)) * (to - from) as u128 / (u128::from(high - low) + 1);
            let guess = from + usize::try_from(share).unwrap_or(0);
            let probe = if guesses % 4 == 0 { usize::midpoint(from, to) } else { guess.min(to - 1) };
            let entry = self.at(probe)?;
            match entry.name.cmp(name) {
                Ordering::Equal => return Some(Some(entry.sequence)),
                Ordering::Less => (from, low) = (probe + 1, leading(&entry.name)),
                Ordering::Greater => (to, high) = (probe, leading(&entry.name)),
            }
        }
        Some(None)
    }
}

/// The merged entries of runs, the newest last; `None` if one of them is damaged.
pub struct Merge<'a> {
    sources: Vec<(&'a dyn Source, usize)>,
}

/// Entries by place, ascending by name.
pub trait Source {
    /// Number of entries.
    fn count(&self) -> usize;
    /// An entry; `None` if it cannot be read.
    fn entry(&self, place: usize) -> Option<HeadEntry>;
}

impl Source for Run {
    fn count(&self) -> usize {
        self.len()
    }

    fn entry(&self, place: usize) -> Option<HeadEntry> {
        self.at(place)
    }
}

impl Source for Vec<HeadEntry> {
    fn count(&self) -> usize {
        self.len()
    }

    fn entry(&self, place: usize) -> Option<HeadEntry> {
        self.get(place).copied()
    }
}

impl std::fmt::Debug for Merge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merge").field("sources", &self.sources.len()).finish()
    }
}

impl<'a> Merge<'a> {
    /// Sources in the order of their events.
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = &'a dyn Source>) -> Self {
        Self { sources: sources.into_iter().map(|source| (source, 0)).collect() }
    }

    /// The next entry by name, from the newest source that has it. The outer `None` says that a source is damaged.
    pub fn advance(&mut self) -> Option<Option<HeadEntry>> {
        let mut smallest: Option<HeadEntry> = None;
        for (source, place) in &self.sources {
            if *place < source.count() {
                let entry = source.entry(*place)?;
                // Later sources are newer: an equal name replaces.
                if smallest.is_none_or(|known| entry.name <= known.name) {
                    smallest = Some(entry);
                }
            }
        }
        let Some(found) = smallest else { return Some(None) };
        for (source, place) in &mut self.sources {
            if *place < source.count() && source.entry(*place)?.name == found.name {
                *place += 1;
            }
        }
        Some(Some(found))
    }
}
