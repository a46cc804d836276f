//! Which of a journal's signatures still count once keys were revoked (FORMAT.md section 10).

use crate::system::KeyPeriod;

/// What signed checkpoints vouch for.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Size of the greatest checkpoint that counts.
    pub counting: Option<u64>,
    /// For each revoked key that was not vouched for in time: the first event that it signed and nothing covers.
    pub unvouched: Vec<u64>,
}

impl Standing {
    /// From the keys, and the sizes of the checkpoints that the key in force signed, both ascending.
    ///
    /// What a revoked key signed counts only as far as a checkpoint that counts, of a later key and made before the revocation,
    /// covers it. That goes for events and for checkpoints alike.
    pub fn of(keys: &[KeyPeriod], stated: &[u64]) -> Self {
        let place_of = |size: u64| keys.partition_point(|period| period.from < size).checked_sub(1);
        // Descending; so the last one is the least that covers whatever comes next.
        let mut counting: Vec<u64> = Vec::new();
        for size in stated.iter().rev() {
            let revoked_at = place_of(*size).and_then(|place| keys.get(place)).and_then(|period| period.revoked_at);
            let in_time = |revoked_at: u64| counting.last().is_some_and(|later| *later <= revoked_at);
            if revoked_at.is_none_or(in_time) {
                counting.push(*size);
            }
        }
        let mut unvouched = Vec::new();
        for (place, period) in keys.iter().enumerate() {
            let Some(revoked_at) = period.revoked_at else { continue };
            let until = keys.get(place + 1).map_or(u64::MAX, |next| next.from);
            let covered = counting.iter().copied().find(|size| *size <= revoked_at).unwrap_or(0);
            if covered < until {
                unvouched.push(covered.max(period.from));
            }
        }
        Self { counting: counting.first().copied(), unvouched }
    }

    /// Whether a checkpoint that counts is of the key that came at this sequence, or of a later one.
    pub fn covers(&self, from: u64) -> bool {
        self.counting.is_some_and(|size| size > from)
    }
}
