//! Takes in a segment of the log, frame by frame: checks that its events agree on one order, and collects their index.

use crate::error::{Error, Result};
use crate::frame::{FrameHeader, decode_body};
use crate::header::Header;
use crate::index::{Entry, Span, Tail};
use crate::kind::Kind;
use crate::order::{Order, Previous};
use crate::record::Record;
use crate::scan::{Frame, Scan, written_so};
use crate::segment;
use crate::storage::{Mode, Storage};

/// A part of the log that is being read.
#[derive(Debug)]
pub struct Replay {
    /// The events so far.
    pub tail: Tail,
    /// What the next event must follow.
    pub order: Order,
    /// Number of events that frames say were synced when they were written.
    pub synced: u64,
}

impl Replay {
    /// Goes on with the first event of this tail.
    #[must_use]
    pub const fn new(tail: Tail, order: Order) -> Self {
        Self { tail, order, synced: 0 }
    }

    /// Takes in a frame; `name` is the file's, for messages. An error leaves the events before the flaw.
    pub fn frame(&mut self, frame: &Frame<'_>, name: &str) -> Result<()> {
        let Frame { offset: frame_at, header, body } = frame;
        let FrameHeader { synced_through, .. } = header;
        let so = |offset, sequence, error: &Error| written_so(name.to_owned(), offset, sequence, error);
        let sequence = self.order.next_sequence;
        let body = decode_body(header, body).map_err(|error| so(*frame_at, sequence, &error))?;
        for (offset, length, record) in body.records {
            let sequence = self.order.next_sequence;
            let at = frame_at + offset;
            self.record(&record, at, length, header.count == 1).map_err(|flaw| match flaw {
                Flaw::Encoding(error) => so(at, sequence, &error),
                Flaw::Order(reason) => Error::Damaged {
                    file: name.to_owned(),
                    offset: at,
                    sequence: Some(sequence),
                    reason: reason.to_owned(),
                },
            })?;
        }
        self.synced = self.synced.max(*synced_through);
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, length: u32, alone: bool) -> std::result::Result<(), Flaw> {
        let header = Header::decode(record.header).map_err(Flaw::Encoding)?;
        if header.kind == Kind::LINEAGE && !alone {
            return Err(Flaw::Order("a lineage begins in one frame with other events"));
        }
        let head = self.tail.entity_head(header.entity);
        let first = self.order_begins();
        let previous = head.as_ref().map_or(Previous::Before(first), Previous::Head);
        let sequence = self.order.next_sequence;
        self.order.accept(&header, previous).map_err(Flaw::Order)?;
        if sequence == 0 && header.kind != Kind::CREATED {
            return Err(Flaw::Encoding(Error::InvalidEncoding {
                what: "journal",
                offset: 0,
                reason: "the first event is not `created`",
            }));
        }
        self.tail.push(&Entry {
            offset,
            length,
            id: header.stamp.event_id,
            hash: record.event_hash(),
            entity: header.entity,
            clock: header.stamp.clock,
            scope: header.scope,
            kind: header.kind,
            correlation: header.correlation_id,
            causation: header.causation_id,
            key: header.idempotency_key,
            metadata: &header.metadata,
        });
        Ok(())
    }

    /// The first sequence that this has seen.
    fn order_begins(&self) -> u64 {
        use crate::index::Part as _;
        self.tail.span().first
    }
}

enum Flaw {
    Encoding(Error),
    Order(&'static str),
}

/// The index of the first events of a segment, as `wanted` names them; anything else that is found there is damage.
pub fn segment(storage: &dyn Storage, wanted: &Span, keys: &[String]) -> Result<Tail> {
    let path = segment::path(wanted.segment);
    let name = storage.describe(&path);
    let mut scan = Scan::begin(storage.open(&path, Mode::Read)?, &name, wanted.segment)?;
    let tail = Tail::new(wanted.segment, wanted.first, scan.offset(), keys);
    let mut replay = Replay::new(tail, Order::new(wanted.first, None));
    while replay.order.next_sequence < wanted.next() {
        match scan.next_frame()? {
            Some(frame) => replay.frame(&frame, &name)?,
            None => break,
        }
    }
    if replay.order.next_sequence == wanted.next() && scan.offset() == wanted.end {
        return Ok(replay.tail);
    }
    Err(Error::Damaged {
        file: name,
        offset: scan.offset(),
        sequence: Some(replay.order.next_sequence),
        reason: "bytes that were synced are damaged or were changed".to_owned(),
    })
}
