//! What a power cut may leave of files in memory: what is not durable yet, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Body, Inode, State, cut, put};

/// Something that no sync has made durable, for the one who decides what a power cut leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingWrite {
    /// Its place in [`MemoryStorage::pending`]: names first, then file by file, each in the order it happened.
    pub index: usize,
    /// The file.
    pub name: String,
    /// What was done to it.
    pub change: PendingChange,
}

/// What was done to a file or its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingChange {
    /// The name appeared.
    Create,
    /// The name went away.
    Remove,
    /// Bytes were written.
    Write {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// The file was cut, or grew by zeros.
    Truncate {
        /// To how many bytes.
        length: u64,
    },
}

impl PendingWrite {
    /// How many blocks of the file a write touches; 0 for anything but a write.
    #[must_use]
    pub fn blocks(&self, block_bytes: u64) -> u64 {
        match self.change {
            PendingChange::Write { offset, length } if block_bytes > 0 && length > 0 => {
                (offset + length - 1) / block_bytes - offset / block_bytes + 1
            }
            _ => 0,
        }
    }
}

/// What a power cut leaves of one change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Survival {
    /// All of it.
    Kept,
    /// Nothing.
    Lost,
    /// The file is as long as if the write had arrived, but its bytes did not. Anything but a write is lost.
    LengthOnly,
    /// Some blocks of a write. Anything but a write is lost.
    Torn {
        /// Blocks begin at multiples of this many bytes of the file; at least 1.
        block_bytes: u64,
        /// Whether the first, second ... block that the write touches arrived; those past the end did not.
        kept: Vec<bool>,
    },
}

/// Decides by chance what survives: the same for the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Blocks that old disks write whole, and those that most disks and the page cache do.
    pub const BLOCK_BYTES: [u64; 2] = [512, 4096];

    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // The multiplier spreads small seeds; zero would stay zero for ever.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    // Xorshift: enough for tests.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of the state are weak.
        self.0 >> 16
    }

    /// What survives of the next change: often all or nothing, sometimes a part of a write.
    pub fn survival(&mut self, pending: &PendingWrite) -> Survival {
        match self.next() % 8 {
            0..=2 => Survival::Kept,
            3..=5 => Survival::Lost,
            6 => Survival::LengthOnly,
            _ => {
                let [small, large] = Self::BLOCK_BYTES;
                let block_bytes = if self.next() % 2 == 1 { large } else { small };
                let kept = (0..pending.blocks(block_bytes)).map(|_| self.next() % 2 == 1).collect();
                Survival::Torn { block_bytes, kept }
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Truncate { length: usize },
}

impl Change {
    pub(super) fn apply(&self, survival: &Survival, into: &mut Vec<u8>) {
        match (self, survival) {
            (Self::Write { offset, bytes }, Survival::Kept) => put(into, *offset, bytes),
            (Self::Write { offset, bytes }, Survival::LengthOnly) => {
                into.resize(into.len().max(offset + bytes.len()), 0);
            }
            (Self::Write { offset, bytes }, Survival::Torn { block_bytes, kept }) => {
                let block = usize::try_from(*block_bytes).unwrap_or(usize::MAX).max(1);
                let (mut at, mut rest) = (*offset, &**bytes);
                for keep in kept {
                    let (piece, after) = rest.split_at(rest.len().min(block - at % block));
                    if *keep && !piece.is_empty() {
                        put(into, at, piece);
                    }
                    at += piece.len();
                    rest = after;
                }
            }
            (Self::Truncate { length }, Survival::Kept) => cut(into, *length),
            (_, Survival::Lost) | (Self::Truncate { .. }, _) => {}
        }
    }

    pub(super) fn pending(&self) -> PendingChange {
        match self {
            Self::Write { offset, bytes } => {
                PendingChange::Write { offset: *offset as u64, length: bytes.len() as u64 }
            }
            Self::Truncate { length } => PendingChange::Truncate { length: *length as u64 },
        }
    }
}

impl State {
    /// Every file that has a name, had one, or may have one after a power cut; by id.
    fn files(&self) -> BTreeMap<u64, Arc<Inode>> {
        let unsynced = self.unsynced_names.iter().filter_map(|(_, file)| file.as_ref());
        let all = self.names.values().chain(self.durable_names.values()).chain(unsynced);
        all.map(|file| (file.id, Arc::clone(file))).collect()
    }

    /// A copy that shares nothing, of one moment, without the lock.
    pub(super) fn copy(&self) -> Self {
        let files = self.files();
        // All are held before the first is copied: a write that another one waited for is in the copy if that one is.
        let held: Vec<_> = files.values().map(|file| (file.id, file.body.read())).collect();
        let twin_of = |id: u64, body: &Body| Arc::new(Inode { id, body: RwLock::new(body.clone()) });
        let copies: BTreeMap<u64, Arc<Inode>> = held.iter().map(|(id, body)| (*id, twin_of(*id, body))).collect();
        let twin = |file: &Arc<Inode>| copies.get(&file.id).map(Arc::clone);
        let twins = |names: &BTreeMap<String, Arc<Inode>>| {
            names.iter().filter_map(|(name, file)| Some((name.clone(), twin(file)?))).collect()
        };
        Self {
            recording: self.recording,
            locked: false,
            files_made: self.files_made,
            directories: self.directories.clone(),
            names: twins(&self.names),
            durable_names: twins(&self.durable_names),
            unsynced_names: self.unsynced_names.iter().map(|(n, f)| (n.clone(), f.as_ref().and_then(twin))).collect(),
        }
    }

    /// Leaves what is durable and what the choice keeps.
    pub(super) fn cut_power(&mut self, mut choose: impl FnMut(&PendingWrite) -> Survival) {
        if !self.recording {
            return;
        }
        let mut index = 0;
        let mut decide = |name: &str, change| {
            let survival = choose(&PendingWrite { index, name: name.to_owned(), change });
            index += 1;
            survival
        };
        let files = self.files();
        for (name, file) in std::mem::take(&mut self.unsynced_names) {
            let change = if file.is_some() { PendingChange::Create } else { PendingChange::Remove };
            if decide(&name, change) == Survival::Kept {
                self.change_durable_name(name, file);
            }
        }
        for file in files.values() {
            let mut body = file.body.write();
            let mut left = std::mem::take(&mut body.synced);
            for change in std::mem::take(&mut body.unsynced) {
                change.apply(&decide(&body.name, change.pending()), &mut left);
            }
            body.bytes.clone_from(&left);
            body.synced = left;
        }
        self.names.clone_from(&self.durable_names);
        for (name, file) in &self.names {
            let mut body = file.body.write();
            name.clone_into(&mut body.name);
            body.deleted = false;
        }
    }
}
