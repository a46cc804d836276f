//! A verdict: what was checked, what was found, and how far the proof reaches. Never one green tick.

use serde::Serialize;

use crate::error::Error;

/// What became of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Checked, and nothing was wrong.
    Passed,
    /// Checked, and something was wrong.
    Failed,
    /// Not looked at: what it needs was not there.
    NotChecked,
    /// There is nothing of this kind to check.
    Absent,
}

/// The separate axes of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Axes {
    /// Bytes, encodings and payload commitments.
    pub content: Axis,
    /// Sequence, id, clocks and hash chains agree on one order.
    pub order: Axis,
    /// Everything that was promised to be there is there.
    pub completeness: Axis,
    /// Heads (and later checkpoints) fit the log.
    pub anchors: Axis,
    /// Every frame that must be signed is, validly.
    pub signatures: Axis,
    /// Files that can be made again from the log are those that it makes.
    pub indexes: Axis,
}

/// The outcome in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Valid signatures over everything.
    Signed,
    /// Nothing wrong, and nothing signed.
    UnsignedAccepted,
    /// Something checked is wrong.
    Invalid,
    /// What would decide could not be checked.
    Unverifiable,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which axis it concerns.
    pub axis: &'static str,
    /// Stable identifier of the kind of finding.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The file, if one is concerned.
    pub file: Option<String>,
    /// The byte in it.
    pub offset: Option<u64>,
    /// The event.
    pub sequence: Option<u64>,
}

/// The whole verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The outcome in one word.
    pub outcome: Outcome,
    /// Why it is not accepted.
    pub reason_code: Option<&'static str>,
    /// 0 checksummed, 1 chained, 2 signed checkpoint, 3 pinned, 4 time-stamped, 5 witnessed.
    pub rung: u8,
    /// The separate axes.
    pub axes: Axes,
    /// Events looked at.
    pub events: u64,
    /// Complete up to this many events from the beginning.
    pub complete_to: Option<u64>,
    /// Events that the last valid signed checkpoint covers.
    pub checkpoint_size: Option<u64>,
    /// Events whose payload was erased.
    pub erased: u64,
    /// Events or frames that could not be checked.
    pub unverifiable: u64,
    /// What is wrong, at most `FINDINGS_MAX`, in the order found.
    pub findings: Vec<Finding>,
}

/// A damaged journal can be wrong in every event; the first hundred say enough.
pub const FINDINGS_MAX: usize = 100;

impl Verification {
    /// A verdict about which nothing is known yet.
    #[must_use]
    pub const fn unchecked() -> Self {
        Self {
            outcome: Outcome::Unverifiable,
            reason_code: None,
            rung: 0,
            axes: Axes {
                content: Axis::NotChecked,
                order: Axis::NotChecked,
                completeness: Axis::NotChecked,
                anchors: Axis::NotChecked,
                signatures: Axis::NotChecked,
                indexes: Axis::NotChecked,
            },
            events: 0,
            complete_to: None,
            checkpoint_size: None,
            erased: 0,
            unverifiable: 0,
            findings: Vec::new(),
        }
    }

    /// Whether nothing that was checked failed.
    #[must_use]
    pub fn ok(&self) -> bool {
        let axes = &self.axes;
        self.outcome != Outcome::Invalid
            && [axes.content, axes.order, axes.completeness, axes.anchors, axes.signatures, axes.indexes]
                .iter()
                .all(|axis| *axis != Axis::Failed)
    }

    /// Notes something wrong.
    pub fn find(&mut self, finding: Finding) {
        let axis = match finding.axis {
            "content" => &mut self.axes.content,
            "order" => &mut self.axes.order,
            "completeness" => &mut self.axes.completeness,
            "anchors" => &mut self.axes.anchors,
            "indexes" => &mut self.axes.indexes,
            _ => &mut self.axes.signatures,
        };
        *axis = Axis::Failed;
        self.outcome = Outcome::Invalid;
        self.reason_code.get_or_insert(finding.code);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Notes an error as a finding of an axis; errors that are not about the journal stay errors.
    pub fn find_error(&mut self, axis: &'static str, error: Error) -> Result<(), Error> {
        let (code, file, offset, sequence) = match &error {
            Error::Damaged { file, offset, sequence, .. } => {
                ("journal_damaged", Some(file.clone()), Some(*offset), *sequence)
            }
            Error::UnsupportedFormat { file, .. } => ("unsupported_format", Some(file.clone()), None, None),
            Error::InvalidEncoding { .. } => ("invalid_encoding", None, None, None),
            _ => return Err(error),
        };
        self.find(Finding { axis, code, message: error.to_string(), file, offset, sequence });
        Ok(())
    }
}
