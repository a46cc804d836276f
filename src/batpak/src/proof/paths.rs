//! Audit paths and consistency proofs (RFC 9162 sections 2.1.3.1 and 2.1.4.1), put together from the roots of perfect subtrees.

use crate::error::Result;
use crate::hash::Hash;
use crate::merkle::{Tree, node};

/// Knows the roots of perfect subtrees.
pub trait Perfect {
    /// The root of the `index`-th subtree of 2^`height` leaves.
    fn perfect(&self, height: u32, index: u64) -> Result<Hash>;
}

/// The first leaf behind the left half of `first..next`, two leaves at least: the left half is as large as a perfect tree can be.
const fn middle(first: u64, next: u64) -> u64 {
    first + (1 << (next - first - 1).ilog2())
}

/// The root over the leaves `first..next`, as the tree divides: `first` is a multiple of the power of two that holds them.
fn root_of(source: &impl Perfect, first: u64, next: u64) -> Result<Hash> {
    let size = next - first;
    if size.is_power_of_two() {
        return source.perfect(size.trailing_zeros(), first >> size.trailing_zeros());
    }
    let middle = middle(first, next);
    Ok(node(&root_of(source, first, middle)?, &root_of(source, middle, next)?))
}

/// The root of the tree of the first `size` leaves.
pub fn root(source: &impl Perfect, size: u64) -> Result<Hash> {
    if size == 0 { Ok(Tree::default().root()) } else { root_of(source, 0, size) }
}

/// The audit path of leaf `index` in the tree of the first `size` leaves, from the leaf up; `index` is below `size`.
pub fn inclusion(source: &impl Perfect, index: u64, size: u64) -> Result<Vec<Hash>> {
    let (mut first, mut next, mut path) = (0, size, Vec::new());
    while next - first > 1 {
        let middle = middle(first, next);
        if index < middle {
            path.push(root_of(source, middle, next)?);
            next = middle;
        } else {
            path.push(root_of(source, first, middle)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `new` leaves goes on from that of the first `old`, which are not more.
pub fn consistency(source: &impl Perfect, old: u64, new: u64) -> Result<Vec<Hash>> {
    let (mut first, mut next, mut path) = (0, new, Vec::new());
    if old == 0 {
        return Ok(path);
    }
    while old != next {
        let middle = middle(first, next);
        if old <= middle {
            path.push(root_of(source, middle, next)?);
            next = middle;
        } else {
            path.push(root_of(source, first, middle)?);
            first = middle;
        }
    }
    // The old root itself is known to whoever checks.
    if first > 0 {
        path.push(root_of(source, first, next)?);
    }
    path.reverse();
    Ok(path)
}

/// Lets a tree grow to `size` leaves by the largest perfect subtrees that fit.
pub fn extend(source: &impl Perfect, tree: &mut Tree, size: u64) -> Result<()> {
    while tree.size() < size {
        let aligned = if tree.size() == 0 { u64::BITS - 1 } else { tree.size().trailing_zeros() };
        let height = aligned.min((size - tree.size()).ilog2());
        tree.push_perfect(height, source.perfect(height, tree.size() >> height)?);
    }
    Ok(())
}
