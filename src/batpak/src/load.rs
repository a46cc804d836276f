//! Reads a journal from its authority, the log, and decides nothing that changes a byte.

use crate::error::{Error, Result};
use crate::frame::{FrameHeader, decode_body};
use crate::frontier;
use crate::header::Header;
use crate::heads::{self, Head, Heads};
use crate::index::{Entry, Index};
use crate::merkle::Tree;
use crate::meta;
use crate::order::Order;
use crate::recovery::{Decision, Situation, decide};
use crate::scan::{Ending, Frame, Scan, written_so};
use crate::segment::{self, DIRECTORY};
use crate::storage::{Mode, Storage, is_unfinished, missing_is_none, read_all};
use crate::system::Substrate;

/// A journal as it lies on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Where every event is.
    pub index: Index,
    /// What the next event must follow.
    pub order: Order,
    /// What the journal's own events say.
    pub substrate: Substrate,
    /// The tree as of the last head, to go on from.
    pub tree: Tree,
    /// What the `checkpoints` file holds.
    pub heads: Heads,
    /// What the `frontier` file held.
    pub frontier: frontier::Found,
    /// Number of events known synced.
    pub durable: u64,
    /// The last segment.
    pub last: LastSegment,
    /// What is wrong with `journal.meta`, which is only a copy.
    pub meta_flaw: Option<Error>,
}

/// The last segment, and how it ends.
#[derive(Debug)]
pub struct LastSegment {
    /// Its name.
    pub first_sequence: u64,
    /// Seeds its CRCs.
    pub nonce: [u8; 16],
    /// The end of its last valid frame.
    pub end: u64,
    /// What is to be done about what is between the two.
    pub decision: Decision,
    /// The bytes between the two, if they are to be set aside.
    pub tail: Vec<u8>,
}

/// The segments' first sequences, ascending. A foreign file is an error: it may be somebody's only copy of something.
pub fn segment_names(storage: &dyn Storage) -> Result<Vec<u64>> {
    let mut starts = Vec::new();
    for name in missing_is_none(storage.list(DIRECTORY))?.unwrap_or_default() {
        match segment::first_sequence_of(&name) {
            Some(first) => starts.push(first),
            None if is_unfinished(&name) => {}
            None => {
                return Err(Error::Damaged {
                    file: storage.describe(&format!("{DIRECTORY}/{name}")),
                    offset: 0,
                    sequence: None,
                    reason: "a file that is not a segment lies among the segments; move it away".to_owned(),
                });
            }
        }
    }
    starts.sort_unstable();
    Ok(starts)
}

/// The lineage, as the first segment names it.
pub fn journal_id(storage: &dyn Storage, starts: &[u64]) -> Result<[u8; 16]> {
    let damaged = |reason: &str| Error::Damaged {
        file: storage.describe(&segment::path(0)),
        offset: 0,
        sequence: Some(0),
        reason: reason.to_owned(),
    };
    if starts.first() != Some(&0) {
        return Err(damaged("the first segment is missing"));
    }
    let file = storage.open(&segment::path(0), Mode::Read)?;
    Ok(Scan::begin(file, &storage.describe(&segment::path(0)), 0)?.header.journal_id)
}

/// Reads everything. `mode` is how the segments are opened.
pub fn load(storage: &dyn Storage, mode: Mode) -> Result<Loaded> {
    // What promises how far the log reaches is read before the log: beside a running writer the log can only be further on.
    let first = segment_names(storage)?;
    let journal_id = journal_id(storage, &first)?;
    let frontier = frontier::read(storage)?;
    let heads = heads::read(storage, &journal_id)?.ok_or_else(|| Error::Damaged {
        file: storage.describe(heads::NAME),
        offset: 0,
        sequence: None,
        reason: "the file is missing".to_owned(),
    })?;
    let starts = segment_names(storage)?;
    let synced = match frontier {
        frontier::Found::Valid(frontier) if frontier.journal_id == journal_id => frontier.synced_through,
        _ => 0,
    };
    let promised = heads.heads.iter().map(|(_, head)| head.tree.size()).fold(synced, u64::max);
    let mut loader = Loader {
        storage,
        mode,
        index: Index::default(),
        order: Order::new(journal_id),
        substrate: Substrate::default(),
        promised,
        journal_id,
    };
    let mut last = None;
    for (position, start) in starts.iter().enumerate() {
        last = Some(loader.segment(*start, starts.get(position + 1).copied())?);
    }
    let last =
        last.ok_or_else(|| Error::NotAJournal { path: storage.describe(""), reason: "it has no segment".to_owned() })?;
    let Loader { index, order, substrate, promised, .. } = loader;
    for (offset, head) in &heads.heads {
        check_head(storage, &index, *offset, head)?;
    }
    let tree = heads.heads.last().map(|(_, head)| head.tree.clone()).unwrap_or_default();
    let meta_flaw = check_meta(storage, &index).err();
    let frontier = match frontier {
        frontier::Found::Valid(found) if found.journal_id != journal_id => frontier::Found::Damaged,
        other => other,
    };
    Ok(Loaded { journal_id, index, order, substrate, tree, heads, frontier, durable: promised, last, meta_flaw })
}

struct Loader<'a> {
    storage: &'a dyn Storage,
    mode: Mode,
    index: Index,
    order: Order,
    substrate: Substrate,
    /// Number of events that something says were synced.
    promised: u64,
    journal_id: [u8; 16],
}

impl Loader<'_> {
    fn segment(&mut self, start: u64, next: Option<u64>) -> Result<LastSegment> {
        let path = segment::path(start);
        let name = self.storage.describe(&path);
        let damaged = |offset, sequence, reason: &str| Error::Damaged {
            file: name.clone(),
            offset,
            sequence: Some(sequence),
            reason: reason.to_owned(),
        };
        if start != self.order.next_sequence {
            return Err(damaged(
                0,
                self.order.next_sequence,
                "the segment does not begin with the next event; one is missing",
            ));
        }
        let file = self.storage.open(&path, self.mode)?;
        let mut scan = Scan::begin(file, &name, start)?;
        if scan.header.journal_id != self.journal_id {
            return Err(damaged(12, start, "the segment belongs to another journal"));
        }
        self.index.add_segment(start);
        while let Some(frame) = scan.next_frame()? {
            self.frame(&frame, &name)?;
        }
        let ending = scan.ending()?;
        let behind = if ending == Ending::Other { scan.synced_behind_damage()? } else { 0 };
        self.promised = self.promised.max(behind).max(next.unwrap_or(0));
        let sequence = self.order.next_sequence;
        // A sealed segment need only reach the next one; what is promised beyond lies there.
        let below_promise = sequence < next.unwrap_or(self.promised);
        let decision = decide(Situation { last: next.is_none(), below_promise, ending });
        let reason = match decision {
            Decision::RefuseMissing => "events end here that are known to have been synced further on",
            Decision::RefuseNewer => "a newer version of batpak wrote what follows; upgrade batpak",
            Decision::RefuseDamaged => "bytes that were synced are damaged or were changed",
            Decision::Clean | Decision::CutZeros | Decision::SetAside => {
                let tail = if decision == Decision::SetAside { scan.tail()? } else { Vec::new() };
                return Ok(LastSegment {
                    first_sequence: start,
                    nonce: scan.header.nonce,
                    end: scan.offset(),
                    decision,
                    tail,
                });
            }
        };
        Err(damaged(scan.offset(), sequence, reason))
    }

    fn frame(&mut self, frame: &Frame<'_>, name: &str) -> Result<()> {
        let Frame { offset: frame_at, header, body } = frame;
        let FrameHeader { synced_through, .. } = header;
        let so = |offset, sequence, error: &Error| written_so(name.to_owned(), offset, sequence, error);
        let first = self.order.next_sequence;
        let body = decode_body(header, body).map_err(|error| so(*frame_at, first, &error))?;
        for (offset, length, record) in body.records {
            let sequence = self.order.next_sequence;
            let at = frame_at + offset;
            let header = Header::decode(record.header).map_err(|error| so(at, sequence, &error))?;
            let previous = self.index.entity_head(header.entity);
            self.order.accept(&header, previous.as_ref()).map_err(|reason| Error::Damaged {
                file: name.to_owned(),
                offset: at,
                sequence: Some(sequence),
                reason: reason.to_owned(),
            })?;
            if header.kind.category() == 0 {
                // The journal's own events steer what follows, so their payload is believed only if the hash covers it.
                let accepted = if record.fits(&header) {
                    self.substrate.accept(header.kind, sequence, record.payload)
                } else {
                    Err(Error::InvalidEncoding {
                        what: "system event",
                        offset: 0,
                        reason: "the payload does not fit the header",
                    })
                };
                accepted.map_err(|error| so(at, sequence, &error))?;
            } else if sequence == 0 {
                let error =
                    Error::InvalidEncoding { what: "journal", offset: 0, reason: "the first event is not `created`" };
                return Err(so(at, sequence, &error));
            }
            self.index.push(&Entry {
                offset: at,
                length,
                id: header.stamp.event_id,
                hash: record.event_hash(),
                entity: header.entity,
                scope: header.scope,
                kind: header.kind.code(),
            });
        }
        self.promised = self.promised.max(*synced_through);
        Ok(())
    }
}

/// Whether a head fits the log that it speaks of.
pub fn check_head(storage: &dyn Storage, index: &Index, offset: u64, head: &Head) -> Result<()> {
    let last = head.tree.size() - 1;
    let location = index.location(last);
    let fits = location.is_some_and(|location| {
        location.hash == head.last_event_hash
            && location.segment == head.segment_first_sequence
            && location.offset + u64::from(location.length) == head.segment_length
    });
    if fits {
        return Ok(());
    }
    Err(Error::Damaged {
        file: storage.describe(heads::NAME),
        offset,
        sequence: Some(last),
        reason: "this head does not fit the log: one of the two was changed".to_owned(),
    })
}

/// Whether `journal.meta` is the copy of event 0 that it should be.
fn check_meta(storage: &dyn Storage, index: &Index) -> Result<()> {
    let damaged = |reason: &str| Error::Damaged {
        file: storage.describe(meta::NAME),
        offset: 0,
        sequence: Some(0),
        reason: format!("{reason}; open with rebuild_meta=True to write it anew from event 0"),
    };
    let file = missing_is_none(storage.open(meta::NAME, Mode::Read))?.ok_or_else(|| damaged("the file is missing"))?;
    let bytes = read_all(file.as_ref())?;
    let copy = meta::decode(&bytes, &storage.describe(meta::NAME))?;
    let original = index.location(0).map(|location| crate::read::record_bytes(storage, &location)).transpose()?;
    if original.as_deref() == Some(copy) { Ok(()) } else { Err(damaged("it is not a copy of event 0")) }
}
