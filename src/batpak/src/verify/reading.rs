//! Reads a log and does what needs nothing but the frame at hand: checksums, hashes, commitments, encodings. In a thread of its own it runs
//! ahead of what needs everything before: order, chains, the tree, indexes.

use std::ops::Range;
use std::sync::mpsc::sync_channel;

use crate::error::{Error, Result};
use crate::frame::{FrameHeader, decode_body};
use crate::hash::{Hash, Input, hash_all};
use crate::header::Encoding;
use crate::merkle;
use crate::record::Record;
use crate::scan::{Ending, Frame, Scan};
use crate::segment::{self, SegmentHeader};
use crate::storage::{Mode, Storage};

/// Bytes of frames that are handed over at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// So many of those may wait.
const CHUNKS_AHEAD: usize = 8;

/// What is read next.
#[derive(Debug)]
pub(super) enum Step {
    /// A segment, if its header can be read.
    Begin(u64, Result<SegmentHeader>),
    /// Frames of it.
    Frames(Chunk),
    /// What follows its last valid frame.
    End(End),
}

/// What whoever takes a step says to it.
#[derive(Debug)]
pub(super) enum Wants {
    /// That was the last one.
    Nothing,
    /// The next one; what it is done with may be filled again.
    More(Option<Chunk>),
}

/// How a segment ends.
#[derive(Debug)]
pub(super) struct End {
    pub ending: Ending,
    /// Where its last valid frame ends.
    pub offset: u64,
    /// How much was synced, as valid frames behind the first bad byte say.
    pub behind: u64,
}

/// Valid frames, with what is known of each of their records.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    facts: Vec<Facts>,
    frames: Vec<Read>,
}

#[derive(Debug)]
struct Read {
    offset: u64,
    header: FrameHeader,
    body: Range<usize>,
    facts: Range<usize>,
}

impl Chunk {
    fn clear(&mut self) {
        self.bytes.clear();
        self.facts.clear();
        self.frames.clear();
    }

    fn push(&mut self, frame: &Frame<'_>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(frame.body);
        let body = from..self.bytes.len();
        self.frames.push(Read { offset: frame.offset, header: frame.header, body, facts: 0..0 });
    }

    /// Finds out what is known of each record: of all together, because many are hashed faster than one.
    fn judge(&mut self) {
        let mut records = Vec::new();
        for read in &mut self.frames {
            let body = self.bytes.get(read.body.clone()).unwrap_or_default();
            let first = records.len();
            records.extend(decode_body(&read.header, body).map(|body| body.records).unwrap_or_default());
            read.facts = first..records.len();
        }
        let mut inputs: Vec<[Input<'_>; 2]> = records.iter().map(|(_, _, record)| record.inputs()).collect();
        hash_all(inputs.as_flattened_mut());
        let hashed = records.iter().zip(&inputs);
        self.facts.extend(hashed.map(|((_, _, record), [event, payload])| Facts::of(record, event.hash, payload.hash)));
    }

    /// The frames, each with what is known of its records: nothing, if its body cannot be taken apart.
    pub fn frames(&self) -> impl Iterator<Item = (Frame<'_>, &[Facts])> {
        self.frames.iter().map(|read| {
            let body = self.bytes.get(read.body.clone()).unwrap_or_default();
            let facts = self.facts.get(read.facts.clone()).unwrap_or_default();
            (Frame { offset: read.offset, header: read.header, body }, facts)
        })
    }
}

/// What is known of a record by itself, before its header is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    pub hash: Hash,
    /// In the tree.
    pub leaf: Hash,
    /// What the header must say of what follows it.
    pub commitment: Hash,
    /// Why the payload is no canonical value, which matters if it is to be one.
    payload: Option<Box<Error>>,
    /// Why the private metadata are not canonical.
    private: Option<Box<Error>>,
}

impl Facts {
    fn of(record: &Record<'_>, hash: Hash, commitment: Hash) -> Self {
        let payload = record.check_payload().err().map(Box::new);
        let private = record.check_private().err().map(Box::new);
        Self { hash, leaf: merkle::leaf(&hash), commitment, payload, private }
    }

    /// Why a record with a payload of this encoding is not canonical.
    pub fn flaw(&self, encoding: Encoding) -> Option<&Error> {
        let payload = self.payload.as_deref().filter(|_| encoding == Encoding::Value);
        payload.or(self.private.as_deref())
    }
}

/// Reads these segments, as long as whoever is given the steps wants more. What it was done with comes back, to be filled again.
fn read(
    storage: &dyn Storage,
    starts: &[u64],
    mut give: impl FnMut(Step) -> bool,
    mut spent: impl FnMut() -> Option<Chunk>,
) -> Result<()> {
    for start in starts {
        let path = segment::path(*start);
        let file = storage.open(&path, Mode::Read)?;
        let mut scan = match Scan::begin(file, &storage.describe(&path), *start) {
            Ok(scan) => scan,
            Err(error) => {
                if give(Step::Begin(*start, Err(error))) {
                    continue;
                }
                return Ok(());
            }
        };
        if !give(Step::Begin(*start, Ok(scan.header))) {
            return Ok(());
        }
        loop {
            let mut chunk = spent().unwrap_or_default();
            chunk.clear();
            while chunk.bytes.len() < CHUNK_BYTES
                && let Some(frame) = scan.next_frame()?
            {
                chunk.push(&frame);
            }
            if chunk.frames.is_empty() {
                break;
            }
            chunk.judge();
            if !give(Step::Frames(chunk)) {
                return Ok(());
            }
        }
        let ending = scan.ending()?;
        let offset = scan.offset();
        let behind = if ending == Ending::Other { scan.synced_behind_damage()? } else { 0 };
        if !give(Step::End(End { ending, offset, behind })) {
            return Ok(());
        }
    }
    Ok(())
}

/// Has each step of the log taken, until one says that it was the last or fails. The log is read in a thread of its own, or, `alone`, in this one.
pub(super) fn each_step(
    storage: &dyn Storage,
    starts: &[u64],
    alone: bool,
    mut take: impl FnMut(Step) -> Result<Wants>,
) -> Result<()> {
    if alone {
        let mut outcome = Ok(Wants::Nothing);
        let give = |step| {
            outcome = take(step);
            matches!(outcome, Ok(Wants::More(_)))
        };
        read(storage, starts, give, || None)?;
        return outcome.map(|_| ());
    }
    std::thread::scope(|scope| {
        let (sender, steps) = sync_channel(CHUNKS_AHEAD);
        let (done, spent) = sync_channel(CHUNKS_AHEAD);
        let reading = move || {
            // A receiver that is gone wants nothing more.
            let outcome = read(storage, starts, |step| sender.send(Ok(step)).is_ok(), || spent.try_recv().ok());
            if let Err(error) = outcome {
                let _ = sender.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("batpak-verify".to_owned());
        if thread.spawn_scoped(scope, reading).is_err() {
            // No thread is to be had.
            return each_step(storage, starts, true, take);
        }
        for step in steps {
            match take(step?)? {
                Wants::Nothing => return Ok(()),
                Wants::More(None) => {}
                Wants::More(Some(chunk)) => drop(done.try_send(chunk)),
            }
        }
        Ok(())
    })
}
