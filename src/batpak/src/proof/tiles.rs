//! The tree as tiles (C2SP tlog-tiles), from which any proof can be made without the journal.

use std::ops::Range;

use super::nodes::TreeOf;
use super::paths::Perfect as _;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::store::Store;

/// Hashes in a full tile, and leaves below one hash of the next level.
pub const TILE_HASHES: u64 = 256;
const TILE_HEIGHT: u32 = 8;

impl Store {
    /// The hashes of a tile of the tree of the first `size` events, fewer than `TILE_HASHES` at its right edge; the events must be synced.
    pub fn tile(&self, level: u32, number: u64, size: u64) -> Result<Vec<Hash>> {
        let (height, range) = self.hashes_of_tile(level, number, size)?;
        let inner = self.usable()?;
        let tree = TreeOf { index: &inner.index, nodes: &inner.nodes };
        range.map(|index| tree.perfect(height, index)).collect()
    }

    /// The entries of the tile of leaves with this number: event hashes, each behind its length as two bytes, big-endian.
    pub fn tile_entries(&self, number: u64, size: u64) -> Result<Vec<u8>> {
        let (_, range) = self.hashes_of_tile(0, number, size)?;
        let inner = self.usable()?;
        let mut entries = Vec::new();
        for index in range {
            entries.extend_from_slice(&[0, 32]);
            entries.extend_from_slice(&inner.index.hash_of(index)?);
        }
        Ok(entries)
    }

    fn hashes_of_tile(&self, level: u32, number: u64, size: u64) -> Result<(u32, Range<u64>)> {
        let inner = self.usable()?;
        let nothing =
            || Error::InvalidInput { reason: format!("a tree of {size} events has no tile {level}/{number}") };
        let height = level.checked_mul(TILE_HEIGHT).filter(|height| *height < u64::BITS).ok_or_else(nothing)?;
        let first = number.checked_mul(TILE_HASHES).ok_or_else(nothing)?;
        let next = (size >> height).min(first.saturating_add(TILE_HASHES));
        if size > inner.durable() || first >= next {
            return Err(nothing());
        }
        Ok((height, first..next))
    }
}
