//! The Merkle tree of RFC 6962 section 2.1 over event hashes, with SHA-256.

use std::ops::Range;

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
        self.push_perfect(0, leaf(event_hash));
    }

    /// Adds the next 2^`height` events by their root; the size must be a multiple of as many.
    pub fn push_perfect(&mut self, height: u32, root: Hash) {
        self.push_seen(height, root, |_, _| ());
    }

    /// The same; `completed` is given the height and root of each larger perfect subtree that is complete by it, lowest first.
    pub fn push_seen(&mut self, height: u32, root: Hash, mut completed: impl FnMut(u32, &Hash)) {
        let mut carried = root;
        // Each one bit from there on is a perfect subtree that the new one completes.
        for above in 1..=(self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                carried = node(&left, &carried);
                completed(height + above, &carried);
            }
        }
        self.peaks.push(carried);
        self.size += 1 << height;
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

/// Nodes are kept at each fourth height: sixteen leaves, 256, 4,096 and so on below one node.
pub const STEP: u32 = 4;

/// Which perfect subtrees of 2^`height` leaves lie wholly among the leaves `first..next`.
#[must_use]
pub const fn perfect_within(height: u32, first: u64, next: u64) -> Range<u64> {
    let span = 1_u64 << height;
    first.div_ceil(span)..next / span
}

/// The kept nodes over consecutive events of which the first has this sequence: for each height their roots in order, lowest height first.
#[must_use]
pub fn nodes(first: u64, event_hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut below: Vec<Hash> = event_hashes.iter().map(leaf).collect();
    let (mut first, mut levels) = (first, Vec::new());
    loop {
        let skipped = usize::try_from(first.next_multiple_of(1 << STEP) - first).unwrap_or(usize::MAX);
        let aligned = below.get(skipped..).unwrap_or_default();
        let level: Vec<Hash> = aligned.chunks_exact(1 << STEP).map(fold).collect();
        if level.is_empty() {
            return levels;
        }
        first = first.div_ceil(1 << STEP);
        levels.push(level.clone());
        below = level;
    }
}

/// The root over the roots of equally large perfect subtrees, a power of two of them.
#[must_use]
pub fn fold(children: &[Hash]) -> Hash {
    let mut level = children.to_vec();
    while level.len() > 1 {
        level = level
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                _ => None,
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}

/// Whether a proof shows that the tree of `new` leaves with one root goes on from that of `old` leaves with another (RFC 9162 section 2.1.4.2).
#[must_use]
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 && *old_root != Tree::default().root() {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty();
    }
    if old_size > new_size {
        return false;
    }
    // The root of a perfect tree is its own proof.
    let own = old_size.is_power_of_two().then_some(old_root);
    let mut steps = own.into_iter().chain(path);
    let Some(begin) = steps.next() else { return false };
    let (mut reached_old, mut reached_new) = (*begin, *begin);
    let (mut position, mut last) = (old_size - 1, new_size - 1);
    let ones = position.trailing_ones();
    position >>= ones;
    last >>= ones;
    for step in steps {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            reached_old = node(step, &reached_old);
            reached_new = node(step, &reached_new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            reached_new = node(&reached_new, step);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && reached_old == *old_root && reached_new == *new_root
}
