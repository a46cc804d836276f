//! The Merkle tree of RFC 6962 section 2.1 over event hashes, with SHA-256.

use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// SHA-256(00 ‖ event hash).
#[must_use]
pub fn leaf(event_hash: &Hash) -> Hash {
    Sha256::new().chain_update([0]).chain_update(event_hash).finalize().into()
}

/// SHA-256(01 ‖ left ‖ right).
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The right edge of a growing tree: the roots of its perfect subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree known by its size and peaks; `None` if their number does not fit the size.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Adds the next event.
    pub fn push(&mut self, event_hash: &Hash) {
        let mut carried = leaf(event_hash);
        // Each one bit at the end of the size is a perfect subtree that the new one completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                carried = node(&left, &carried);
            }
        }
        self.peaks.push(carried);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root; of no leaves, SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let folded = self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right));
        folded.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The root over a few event hashes.
#[must_use]
pub fn root(event_hashes: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    for hash in event_hashes {
        tree.push(hash);
    }
    tree.root()
}

/// The audit path of leaf `index`, from the leaf up (RFC 6962 section 2.1.1).
#[must_use]
pub fn path(event_hashes: &[Hash], index: usize) -> Vec<Hash> {
    let mut level: Vec<Hash> = event_hashes.iter().map(leaf).collect();
    let (mut index, mut path) = (index, Vec::new());
    while level.len() > 1 {
        // The last one of an odd level has no neighbour and rises as it is.
        path.extend(level.get(index ^ 1));
        level = level
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                [single] => Some(*single),
                _ => None,
            })
            .collect();
        index /= 2;
    }
    path
}

/// The root that an audit path leads to (RFC 9162 section 2.1.3.2); `None` if the path does not fit index and size.
#[must_use]
pub fn root_from_path(event_hash: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut position, mut last) = (index, size - 1);
    let mut reached = leaf(event_hash);
    for neighbour in path {
        if last == 0 {
            return None;
        }
        if position & 1 == 1 || position == last {
            reached = node(neighbour, &reached);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            reached = node(&reached, neighbour);
        }
        position >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(reached)
}
