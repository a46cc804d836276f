//! What to do about the end of a segment: a table (FORMAT.md section 13).

use crate::scan::Ending;

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// Whether this is the last segment; the others were sealed.
    pub last: bool,
    /// Whether events are missing that are known to have been synced.
    pub below_promise: bool,
    /// What stands behind the last valid frame.
    pub ending: Ending,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the segment ends as it should.
    Clean,
    /// Cut off space that was written ahead.
    CutZeros,
    /// Set the unsynced tail aside, cut it off, and say so in the log.
    SetAside,
    /// Refuse: synced events are gone.
    RefuseMissing,
    /// Refuse: synced bytes were changed.
    RefuseDamaged,
    /// Refuse: a newer version wrote on.
    RefuseNewer,
}

/// One row: which situations, and what then. `None` matches both.
struct Row {
    last: Option<bool>,
    below_promise: Option<bool>,
    ending: &'static [Ending],
    decision: Decision,
}

const ANY: &[Ending] = &[Ending::EndOfFile, Ending::Zeros, Ending::Newer, Ending::Other];

const TABLE: [Row; 7] = [
    Row { last: None, below_promise: None, ending: &[Ending::Newer], decision: Decision::RefuseNewer },
    Row {
        last: None,
        below_promise: Some(true),
        ending: &[Ending::EndOfFile, Ending::Zeros],
        decision: Decision::RefuseMissing,
    },
    Row { last: None, below_promise: Some(true), ending: &[Ending::Other], decision: Decision::RefuseDamaged },
    Row { last: None, below_promise: Some(false), ending: &[Ending::EndOfFile], decision: Decision::Clean },
    Row { last: Some(true), below_promise: Some(false), ending: &[Ending::Zeros], decision: Decision::CutZeros },
    Row { last: Some(true), below_promise: Some(false), ending: &[Ending::Other], decision: Decision::SetAside },
    // Sealing cuts to size and syncs before the next segment begins.
    Row {
        last: Some(false),
        below_promise: Some(false),
        ending: &[Ending::Zeros, Ending::Other],
        decision: Decision::RefuseDamaged,
    },
];

impl Row {
    fn matches(&self, situation: Situation) -> bool {
        self.last.is_none_or(|last| last == situation.last)
            && self.below_promise.is_none_or(|below| below == situation.below_promise)
            && self.ending.contains(&situation.ending)
    }
}

/// The one row that matches.
#[must_use]
pub fn decide(situation: Situation) -> Decision {
    let row = TABLE.iter().find(|row| row.matches(situation));
    row.map_or(Decision::RefuseDamaged, |row| row.decision)
}

/// How many rows match each situation there is; a test asserts that it is one.
#[must_use]
pub fn walk() -> Vec<(Situation, usize)> {
    let bits = [false, true];
    let all = bits
        .iter()
        .flat_map(|last| bits.iter().flat_map(move |below| ANY.iter().map(move |end| (*last, *below, *end))));
    all.map(|(last, below_promise, ending)| {
        let situation = Situation { last, below_promise, ending };
        (situation, TABLE.iter().filter(|row| row.matches(situation)).count())
    })
    .collect()
}
