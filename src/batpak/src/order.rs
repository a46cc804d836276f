//! Whether events agree on one order: sequence, id, clocks and the hash chain of each entity.

use crate::clock::Hlc;
use crate::event_id::{self, EventId};
use crate::header::Header;
use crate::index::EntityHead;
use crate::kind::Kind;

/// What is known of the last event of an entity.
#[derive(Clone, Copy, Debug)]
pub enum Previous<'a> {
    /// There is none.
    None,
    /// This.
    Head(&'a EntityHead),
    /// If there is one, it lies before this sequence, where nobody looks now.
    Before(u64),
}

/// What the next event must follow.
#[derive(Clone, Debug)]
pub struct Order {
    /// Sequence of the next event.
    pub next_sequence: u64,
    /// The last event's.
    pub last_hlc: Hlc,
    /// The last event's.
    pub last_id: Option<EventId>,
    /// `None` until an event names it.
    lineage: Option<[u8; 16]>,
}

impl Order {
    /// Begins at a sequence, in this lineage if it is known.
    #[must_use]
    pub const fn new(next_sequence: u64, lineage: Option<[u8; 16]>) -> Self {
        Self { next_sequence, last_hlc: Hlc { wall_us: 0, counter: 0 }, last_id: None, lineage }
    }

    /// Goes on behind this event.
    #[must_use]
    pub const fn after(header: &Header<'_>) -> Self {
        let stamp = &header.stamp;
        Self {
            next_sequence: stamp.sequence + 1,
            last_hlc: stamp.hlc,
            last_id: Some(stamp.event_id),
            lineage: Some(header.journal_id),
        }
    }

    /// Takes in the next event, whose entity's last one is `previous`; or says what contradicts.
    pub fn accept(&mut self, header: &Header<'_>, previous: Previous<'_>) -> Result<(), &'static str> {
        let stamp = &header.stamp;
        // Only the event that says so goes over into another lineage.
        let same = self.lineage.is_none_or(|lineage| lineage == header.journal_id);
        if self.lineage.is_some() && same == (header.kind == Kind::LINEAGE) {
            return Err("the event was written in another journal");
        }
        if stamp.sequence != self.next_sequence {
            return Err("the event's sequence is not the next one");
        }
        if self.last_id.is_some_and(|last| stamp.event_id <= last) {
            return Err("the event's id does not ascend");
        }
        if self.last_id.is_some() && stamp.hlc <= self.last_hlc {
            return Err("the event's clock does not ascend");
        }
        if event_id::parts(&stamp.event_id).map(|(milliseconds, _)| milliseconds) != Some(stamp.hlc.wall_ms()) {
            return Err("the event's id and clock name different times");
        }
        let (clock_fits, chains) = match previous {
            Previous::None => (stamp.clock == 0, stamp.previous.is_none()),
            Previous::Head(head) => (stamp.clock == head.clock + 1, stamp.previous == Some((head.sequence, head.hash))),
            // The header's decoder has compared the clock with the presence of the link.
            Previous::Before(first) => (true, stamp.previous.is_none_or(|(sequence, _)| sequence < first)),
        };
        if !clock_fits {
            return Err("the event's position in its entity's chain is not the next one");
        }
        if !chains {
            return Err("the event does not chain to the previous event of its entity");
        }
        self.next_sequence += 1;
        self.last_hlc = stamp.hlc;
        self.last_id = Some(stamp.event_id);
        self.lineage = Some(header.journal_id);
        Ok(())
    }

    /// Goes on after an event that was not accepted, so that one contradiction is not told again for each event behind it.
    pub fn resume_after(&mut self, header: &Header<'_>, sequence: u64) {
        self.next_sequence = sequence + 1;
        self.last_hlc = self.last_hlc.max(header.stamp.hlc);
        self.last_id = self.last_id.max(Some(header.stamp.event_id));
        self.lineage = self.lineage.or(Some(header.journal_id));
    }
}
