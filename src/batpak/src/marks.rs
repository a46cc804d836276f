//! How far events have come: accepted, written, durable, visible.

use crate::clock::Hlc;
use crate::error::Result;
use crate::inner::Inner;
use crate::read;

/// How far an event can have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkName {
    /// It has its place in the order.
    Accepted,
    /// It is in the operating system's hands: the end of this process cannot take it back.
    Written,
    /// It is synced: a power cut cannot take it back.
    Durable,
    /// Readers of this store see it.
    Visible,
}

/// The last event that reached a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its sequence.
    pub sequence: u64,
    /// Its hybrid logical clock.
    pub hlc: Hlc,
}

/// The last event that reached each mark; `None` if no event did.
///
/// accepted >= written >= durable, and accepted >= visible. None of them ever goes back, but where a reader was rewound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Stamped and chained. A store stamps and writes an event in one step under its lock: this is `written` as long as no event is
    /// signed outside the process.
    pub accepted: Option<Mark>,
    /// Handed to the operating system.
    pub written: Option<Mark>,
    /// Synced.
    pub durable: Option<Mark>,
    /// Shown to readers of this store.
    pub visible: Option<Mark>,
}

/// The marks as they are now.
pub(crate) fn marks(inner: &Inner) -> Result<Marks> {
    // The lowest first: what is read later can only be further on.
    let counts = [inner.durable(), inner.visible(), inner.index.len()];
    let mut known: Option<Mark> = None;
    let mut reached = |count: u64| {
        let Some(sequence) = count.checked_sub(1) else { return Ok(None) };
        if known.is_none_or(|known| known.sequence != sequence) {
            let event = read::event(&inner.files, &inner.index.location(sequence)?)?;
            known = Some(Mark { sequence, hlc: event.stamp.hlc });
        }
        Ok::<_, crate::Error>(known)
    };
    let [durable, visible, written] = counts;
    let (durable, visible, written) = (reached(durable)?, reached(visible)?, reached(written)?);
    Ok(Marks { accepted: written, written, durable, visible })
}
