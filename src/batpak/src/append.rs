//! The append path, from top to bottom.
//!
//! Validation and encoding happened in `proposal.rs`, before any lock; waiting for durability happens in `commit.rs`, after it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::{Hlc, WallClock, skew_us};
use crate::commit::{Commit, Written};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::event_id;
use crate::files::Files;
use crate::frame::{self, FrameSignature, Place};
use crate::hash::event_hash;
use crate::header::{Promise, Stamp, encode_stamp};
use crate::heads::Reason;
use crate::history;
use crate::idempotency;
use crate::index::{EntityHead, Entry, Index};
use crate::inner::Inner;
use crate::key::frame_statement;
use crate::proposal::{Causation, Item, Proposal};
use crate::receipt::{Committed, Stored};
use crate::segment::SEGMENT_HEADER_BYTES;
use crate::signer::Signer;
use crate::storage::Storage;
use crate::tree::SharedTree;
use crate::wire::put_varint;
use crate::writer::{Active, Writer};

/// What the append path works with; the writer itself comes locked.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub storage: &'a dyn Storage,
    pub clock: &'a dyn WallClock,
    pub entropy: &'a Entropy,
    pub files: &'a Files,
    pub index: &'a Index,
    pub inner: &'a Inner,
    pub tree: &'a SharedTree,
    pub commit: &'a Commit,
    pub journal_id: [u8; 16],
    pub segment_bytes: u64,
}

/// Where a record lies in the frame being built.
struct Placed {
    offset: usize,
    length: usize,
}

/// What an append came to.
#[derive(Clone, Debug)]
pub enum Appended {
    /// The events are in the log.
    Written(Committed),
    /// They were in the log before, under the same keys, in the order of the proposal.
    Known(Vec<Stored>),
}

impl Appended {
    /// The frame, if it was written just now.
    #[must_use]
    pub fn written(self) -> Option<Committed> {
        match self {
            Self::Written(committed) => Some(committed),
            Self::Known(_) => None,
        }
    }

    /// Number of events that there are once the last of these is written.
    #[must_use]
    pub fn events(&self) -> u64 {
        match self {
            Self::Written(committed) => committed.first_sequence + committed.len() as u64,
            Self::Known(events) => events.iter().map(|event| event.sequence() + 1).max().unwrap_or(0),
        }
    }
}

/// A frame that is built, and not yet signed or written.
pub(crate) struct Staged {
    pub committed: Committed,
    placed: Vec<Placed>,
}

impl Staged {
    /// Signs what the frame states.
    pub fn sign(&mut self, signer: &Signer) -> Result<()> {
        let committed = &mut self.committed;
        let statement = frame_statement(&committed.journal_id, committed.first_sequence, &committed.hashes);
        let signature = signer.sign(&statement)?;
        committed.signature = Some(FrameSignature { key_id: signer.public().key_id(), signature });
        Ok(())
    }
}

/// Writes one frame. When it returns, the events exist and every reader sees them; durability is another matter.
pub(crate) fn append(parts: &Parts<'_>, writer: &mut Writer, proposal: &Proposal) -> Result<Appended> {
    // 1. What was written before under the same keys is not written again. A crash here changes nothing.
    if let Some(events) = known(parts, proposal)? {
        return Ok(Appended::Known(events));
    }
    // 2. Nothing of the writer changes but its buffer.
    let mut buffer = std::mem::take(&mut writer.buffer);
    let signed = writer.signer.is_some();
    let outcome = stage(parts, writer, proposal, signed, &mut buffer).and_then(|mut staged| {
        writer.signer.as_ref().map_or(Ok(()), |signer| staged.sign(signer))?;
        put(parts, writer, proposal, staged, &mut buffer).map(Appended::Written)
    });
    writer.buffer = buffer;
    outcome
}

/// What a proposal would write a second time. An earlier failure left the log in doubt: then nothing more is written.
pub(crate) fn known(parts: &Parts<'_>, proposal: &Proposal) -> Result<Option<Vec<Stored>>> {
    parts.commit.check()?;
    idempotency::known(parts.inner, proposal)
}

/// Writes a frame that was staged behind everything that is written now.
pub(crate) fn put(
    parts: &Parts<'_>,
    writer: &mut Writer,
    proposal: &Proposal,
    staged: Staged,
    buffer: &mut [u8],
) -> Result<Committed> {
    let Staged { committed, placed } = staged;
    // 3. A frame that does not fit begins a new segment; the old one is synced and sealed first. A crash in between leaves
    //    a sealed log without a successor, which the next open goes on from.
    make_room(parts, writer, buffer.len() as u64)?;
    // 4. Checksums, seeded with the place, which is known now.
    let place = Place { nonce: &writer.active.nonce, offset: writer.active.end };
    let synced_through = parts.commit.durable();
    frame::seal(buffer, proposal.len(), committed.signature.as_ref(), synced_through, place)?;
    // 5. One write. A crash during it leaves a torn frame, which is no frame: the whole batch never was.
    write(parts, writer, buffer, proposal.promise)?;
    // 6. Publish: from here on a process kill loses nothing, and every reader finds the events.
    publish(parts, writer, proposal, &committed, &placed, buffer.len() as u64);
    Ok(committed)
}

/// Stamps, chains and hashes every event, and builds the frame's records in `out`.
pub(crate) fn stage(
    parts: &Parts<'_>,
    writer: &Writer,
    proposal: &Proposal,
    signed: bool,
    out: &mut Vec<u8>,
) -> Result<Staged> {
    let count = proposal.len();
    if count == 0 {
        return Err(Error::InvalidInput { reason: "a batch needs at least one event".to_owned() });
    }
    frame::begin(out, signed);
    // Heads of entities that this frame itself moved; the index learns of them only once they are written.
    let mut moved: HashMap<&str, EntityHead> = HashMap::new();
    let mut committed = Committed {
        journal_id: *proposal.journal_id(),
        first_sequence: writer.next_sequence,
        headers: Vec::with_capacity(count * 224),
        ends: Vec::with_capacity(count),
        hashes: Vec::with_capacity(count),
        stamps: Vec::with_capacity(count),
        signature: None,
    };
    let mut placed = Vec::with_capacity(count);
    let (mut hlc, mut last_id) = (writer.last_hlc, writer.last_id);
    for (position, item) in proposal.items.iter().enumerate() {
        let raw_wall_us = parts.clock.now_us();
        hlc = hlc.next(raw_wall_us);
        let id = next_id(parts.entropy, last_id.as_ref(), &mut hlc)?;
        last_id = Some(id);
        let entity = proposal.text(&item.entity);
        let previous = match moved.get(entity) {
            Some(head) => Some(*head),
            None => history::entity_head(parts.inner, entity)?,
        };
        if !item.expect.holds(previous.map(|head| head.clock)) {
            return Err(Error::ExpectationFailed {
                entity: entity.to_owned(),
                expected: item.expect,
                actual: previous.map(|head| head.clock),
            });
        }
        let stamp = Stamp {
            sequence: writer.next_sequence + position as u64,
            event_id: id,
            clock: previous.map_or(0, |head| head.clock + 1),
            hlc,
            skew_us: skew_us(raw_wall_us, hlc),
            previous: previous.map(|head| (head.sequence, head.hash)),
        };
        let from = committed.headers.len();
        append_header(&mut committed, proposal, item, &stamp);
        let header = committed.headers.get(from..).unwrap_or_default();
        let hash = event_hash(header);
        let offset = out.len();
        put_varint(out, header.len() as u64);
        out.extend_from_slice(header);
        out.extend_from_slice(proposal.bytes.get(item.tail.clone()).unwrap_or_default());
        placed.push(Placed { offset, length: out.len() - offset });
        committed.ends.push(committed.headers.len());
        committed.hashes.push(hash);
        if count > 1 {
            moved.insert(entity, EntityHead { clock: stamp.clock, sequence: stamp.sequence, hash });
        }
        committed.stamps.push(stamp);
    }
    Ok(Staged { committed, placed })
}

/// The next id, moving the clock on when the ids of its millisecond are used up.
fn next_id(entropy: &Entropy, last: Option<&[u8; 16]>, hlc: &mut Hlc) -> Result<[u8; 16]> {
    loop {
        if let Some(id) = event_id::next(last, *hlc, entropy.sixteen()?) {
            return Ok(id);
        }
        *hlc = hlc.next_millisecond();
    }
}

/// The id of what caused an item; an item of the same proposal was stamped before it.
fn causation_of(committed: &Committed, proposal: &Proposal, item: &Item) -> Option<[u8; 16]> {
    match item.causation? {
        Causation::Id(id) => Some(id),
        Causation::Item(cause) => committed.stamps.get(proposal.leading + cause).map(|stamp| stamp.event_id),
    }
}

/// The caller's fields with the causation resolved, then the stamp.
fn append_header(committed: &mut Committed, proposal: &Proposal, item: &Item, stamp: &Stamp) {
    let from = committed.headers.len();
    committed.headers.extend_from_slice(proposal.bytes.get(item.caller.clone()).unwrap_or_default());
    if let Some(at) = item.causation_at {
        let id = causation_of(committed, proposal, item);
        let room = committed.headers.get_mut(from + at - item.caller.start..).and_then(|rest| rest.first_chunk_mut());
        if let (Some(id), Some(room)) = (id, room) {
            *room = id;
        }
    }
    encode_stamp(&mut committed.headers, stamp);
}

fn make_room(parts: &Parts<'_>, writer: &mut Writer, frame_bytes: u64) -> Result<()> {
    let empty = writer.active.end == SEGMENT_HEADER_BYTES as u64;
    if empty || writer.active.end + frame_bytes <= parts.segment_bytes {
        return Ok(());
    }
    // Past this point the log is between two states that only recovery tells apart.
    rotate(parts, writer).inspect_err(|cause| parts.commit.poison(cause.clone()))
}

/// Seals the active segment and begins the next. Also what open does after a crash between the two.
fn rotate(parts: &Parts<'_>, writer: &mut Writer) -> Result<()> {
    // The old segment is durable before anything says so.
    parts.commit.alone(|| writer.active.finish())?;
    seal_head(parts.index, parts.tree, writer, Reason::Sealed)?;
    begin_segment(parts, writer)
}

/// Begins the next segment after a sealed one.
pub(crate) fn begin_segment(parts: &Parts<'_>, writer: &mut Writer) -> Result<()> {
    let nonce = parts.entropy.sixteen()?;
    writer.active = Active::create(parts.storage, parts.journal_id, nonce, writer.next_sequence)?;
    parts.files.keep(writer.next_sequence, Arc::clone(&writer.active.file));
    parts.index.begin_segment(writer.next_sequence, writer.active.end);
    if let Some(indexer) = &parts.inner.indexer {
        indexer.set_due();
    }
    parts.commit.rotated(written(writer))
}

/// Writes the head over everything that was written; it must be synced.
pub(crate) fn seal_head(index: &Index, tree: &SharedTree, writer: &mut Writer, reason: Reason) -> Result<()> {
    let tree = tree.catch_up(index)?;
    match tree.size().checked_sub(1) {
        Some(last) => writer.write_head(reason, &tree, index.hash_of(last)?),
        None => Ok(()),
    }
}

/// Where the log ends.
pub(crate) fn written(writer: &Writer) -> Written {
    Written {
        events: writer.next_sequence,
        file: Arc::clone(&writer.active.file),
        segment_first_sequence: writer.active.first_sequence,
        offset: writer.active.end,
    }
}

fn write(parts: &Parts<'_>, writer: &mut Writer, frame: &[u8], promise: Promise) -> Result<()> {
    let Err(cause) = writer.active.write(frame, promise == Promise::Always) else { return Ok(()) };
    // A part may be in the file. If it cannot be taken back, nothing may follow it.
    if let Err(worse) = writer.active.roll_back() {
        parts.commit.poison(worse);
    }
    Err(cause)
}

fn publish(
    parts: &Parts<'_>,
    writer: &mut Writer,
    proposal: &Proposal,
    committed: &Committed,
    placed: &[Placed],
    frame_bytes: u64,
) {
    let frame_at = writer.active.end - frame_bytes;
    parts.index.with_tail(|tail| {
        let declared = tail.has_keys();
        let events = proposal.items.iter().zip(placed).zip(committed.stamps.iter().zip(&committed.hashes));
        for (position, ((item, placed), (stamp, hash))) in events.enumerate() {
            // Decoded only where it is needed: it was encoded just now.
            let header = if declared { committed.fields(position) } else { None };
            tail.push(&Entry {
                offset: frame_at + placed.offset as u64,
                // A frame's body is shorter than 2^32.
                length: u32::try_from(placed.length).unwrap_or(u32::MAX),
                id: stamp.event_id,
                hash: *hash,
                entity: proposal.text(&item.entity),
                clock: stamp.clock,
                scope: proposal.text(&item.scope),
                kind: item.kind,
                correlation: item.correlation,
                causation: causation_of(committed, proposal, item),
                key: item.key,
                metadata: header.as_ref().map_or(&[], |header| header.metadata.as_slice()),
            });
        }
    });
    writer.next_sequence += committed.len() as u64;
    if let Some(last) = committed.stamps.last() {
        writer.last_hlc = last.hlc;
        writer.last_id = Some(last.event_id);
    }
    parts.commit.wrote(written(writer), proposal.promise == Promise::Interval);
}
