//! Checks a whole journal from its authority, the log. Damage becomes findings; only the operating system's refusals are errors.

mod anchors;
mod keys;

use std::collections::HashMap;

use super::indexes::Indexes;
use super::reading::{End, Facts, Step, Wants, each_step};
use crate::error::{Error, Result};
use crate::frame::decode_body;
use crate::frontier;
use crate::hash::digest;
use crate::header::Header;
use crate::heads::{self, Head};
use crate::index::EntityHead;
use crate::key::PublicKey;
use crate::kind::Kind;
use crate::load::{journal_id, segment_names};
use crate::merkle::Tree;
use crate::meta;
use crate::order::{Order, Previous};
use crate::proof::Checkpoint;
use crate::proof::pins;
use crate::record::Record;
use crate::recovery::{Decision, Situation, decide};
use crate::scan::Frame;
use crate::segment::{self, SegmentHeader};
use crate::storage::{Mode, Storage, missing_is_none, read_all};
use crate::system::{Substrate, lineage_ended_by};
use crate::tail::RECOVERED;
use crate::verification::{Axis, Finding, Outcome, Verification};

/// Bytes of the log between two questions whether to stop.
const BYTES_PER_QUESTION: u64 = 1024 * 1024;

/// What a journal is held against, besides itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// Events from there on are a running writer's business.
    pub limit: Option<u64>,
    /// Every frame and checkpoint must be signed by it; without, the keys are those that the journal names itself.
    pub public_key: Option<&'a PublicKey>,
    /// Where the highest checkpoint that was seen is remembered.
    pub pins: Option<&'a dyn Storage>,
    /// Whether the log is read in the thread that asks, so that calls of the storage come in the same order each time.
    pub alone: bool,
}

/// Checks content, order, completeness, anchors and signatures.
pub fn journal(storage: &dyn Storage, against: Against<'_>, interrupted: &dyn Fn() -> bool) -> Result<Verification> {
    let Against { limit, public_key, pins, alone } = against;
    let mut verdict = Verification::unchecked();
    // Beside a running writer: a segment that is followed by another in this list has its head in the file that is read next, and what promises
    // how far the log reaches is read before the log.
    let begun = segment_names(storage).and_then(|names| Ok((journal_id(storage, &names)?, names)));
    let (journal_id, listed_first) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            verdict.find_error("content", error)?;
            return Ok(verdict);
        }
    };
    verdict.axes.content = Axis::Passed;
    verdict.axes.order = Axis::Passed;
    let found = read_heads(storage, &journal_id, &mut verdict)?;
    let synced = match frontier::read(storage) {
        Ok(frontier::Found::Valid(frontier)) if frontier.journal_id == journal_id => frontier.synced_through,
        Ok(_) => 0,
        Err(error) => verdict.find_error("completeness", error).map(|()| 0)?,
    };
    let pin = pins.map_or(Ok(None), |pins| pins::read(pins, &journal_id));
    let pin = pin.or_else(|error| verdict.find_error("anchors", error).map(|()| None))?;
    let mut check = Check {
        storage,
        pins,
        pin,
        given_up: Vec::new(),
        is_pinned: false,
        limit: limit.unwrap_or(u64::MAX),
        public_key,
        interrupted,
        journal_id,
        verdict,
        indexes: Indexes::new(storage, journal_id, &found.caches, alone),
        order: Order::new(0, Some(journal_id)),
        substrate: Substrate::default(),
        entities: HashMap::new(),
        tree: Tree::default(),
        promised: found.sizes().fold(synced, u64::max).min(limit.unwrap_or(u64::MAX)),
        heads: found.heads,
        next_head: 0,
        checkpoints: found.checkpoints,
        next_checkpoint: 0,
        stated: Vec::new(),
        starts: Vec::new(),
        start: 0,
        file: String::new(),
        signed_frames: 0,
        frames: 0,
        first_record: Vec::new(),
        listed_first,
        bytes_unasked: 0,
    };
    check.starts = segment_names(storage)?;
    let starts = check.starts.clone();
    each_step(storage, &starts, alone, |step| check.step(step))?;
    check.finish()
}

fn read_heads(storage: &dyn Storage, id: &[u8; 16], verdict: &mut Verification) -> Result<heads::Heads> {
    match heads::read(storage, id) {
        Ok(Some(found)) => {
            // A crash, or a hand: nobody can tell which any more.
            verdict.unverifiable += u64::from(found.torn_bytes > 0);
            Ok(found)
        }
        Ok(None) => {
            verdict.find(Finding {
                axis: "anchors",
                code: "journal_damaged",
                message: "the file of heads is missing".to_owned(),
                file: Some(storage.describe(heads::NAME)),
                offset: None,
                sequence: None,
            });
            Ok(heads::Heads::default())
        }
        Err(error) => verdict.find_error("anchors", error).map(|()| heads::Heads::default()),
    }
}

struct Check<'a> {
    storage: &'a dyn Storage,
    pins: Option<&'a dyn Storage>,
    /// To be compared where the log has its size.
    pin: Option<Checkpoint>,
    /// Pins of lineages that ended before they had their size, each with the number of lineages that had begun by then.
    given_up: Vec<(usize, Checkpoint)>,
    /// Whether the log is what the pin says.
    is_pinned: bool,
    limit: u64,
    public_key: Option<&'a PublicKey>,
    interrupted: &'a dyn Fn() -> bool,
    /// Of the first lineage, which every file names.
    journal_id: [u8; 16],
    verdict: Verification,
    indexes: Indexes<'a>,
    order: Order,
    substrate: Substrate,
    entities: HashMap<Box<str>, EntityHead>,
    tree: Tree,
    promised: u64,
    heads: Vec<(u64, Head)>,
    next_head: usize,
    checkpoints: Vec<(u64, Checkpoint)>,
    next_checkpoint: usize,
    /// Sizes of the checkpoints that are signed by the key which was in force.
    stated: Vec<u64>,
    /// The segments.
    starts: Vec<u64>,
    /// The one at hand.
    start: u64,
    /// What it is called.
    file: String,
    signed_frames: u64,
    frames: u64,
    /// For `journal.meta`, which must be its copy.
    first_record: Vec<u8>,
    /// The segments that there were before the heads were read.
    listed_first: Vec<u64>,
    /// Bytes of the log since the last question whether to stop.
    bytes_unasked: u64,
}

/// Where something was found.
struct Spot<'a> {
    file: &'a str,
    offset: u64,
    sequence: u64,
}

impl Check<'_> {
    fn done(&self) -> bool {
        self.order.next_sequence >= self.limit
    }

    fn find(&mut self, axis: &'static str, code: &'static str, spot: &Spot<'_>, message: &str) {
        self.verdict.find(Finding {
            axis,
            code,
            message: message.to_owned(),
            file: Some(spot.file.to_owned()),
            offset: Some(spot.offset),
            sequence: Some(spot.sequence),
        });
    }

    /// Takes the next step through the log.
    fn step(&mut self, step: Step) -> Result<Wants> {
        let mut spent = None;
        match step {
            Step::Begin(start, header) => self.begin(start, header)?,
            Step::Frames(chunk) => {
                let file = std::mem::take(&mut self.file);
                for (frame, facts) in chunk.frames() {
                    if !self.done() {
                        self.frame(&frame, facts, &file)?;
                    }
                }
                self.file = file;
                spent = Some(chunk);
            }
            Step::End(end) => {
                let file = std::mem::take(&mut self.file);
                self.ending(&end, &file)?;
            }
        }
        Ok(if self.done() { Wants::Nothing } else { Wants::More(spent) })
    }

    /// The segment behind the one at hand.
    fn next_start(&self) -> Option<u64> {
        self.starts.iter().copied().find(|start| *start > self.start)
    }

    fn begin(&mut self, start: u64, header: Result<SegmentHeader>) -> Result<()> {
        let file = self.storage.describe(&segment::path(start));
        self.start = start;
        let expected = self.order.next_sequence;
        if start != expected {
            let message = format!("the segment begins with event {start}, and event {expected} is the next one");
            self.find("completeness", "missing_events", &Spot { file: &file, offset: 0, sequence: expected }, &message);
            self.order.next_sequence = start;
        }
        match header {
            Ok(header) if header.journal_id != self.journal_id => {
                let spot = Spot { file: &file, offset: 12, sequence: start };
                self.find("order", "order_mismatch", &spot, "the segment belongs to another journal");
            }
            Ok(_) => {}
            Err(error) => {
                self.verdict.find_error("content", error)?;
                self.indexes.give_up();
                self.order.next_sequence = self.next_start().unwrap_or(self.order.next_sequence);
                return Ok(());
            }
        }
        self.indexes.segment(start);
        self.file = file;
        Ok(())
    }

    fn ending(&mut self, end: &End, file: &str) -> Result<()> {
        let (next, ending) = (self.next_start(), end.ending);
        self.promised = self.promised.max(end.behind.min(self.limit)).max(next.unwrap_or(0));
        let sequence = self.order.next_sequence;
        let due = next.unwrap_or(self.promised);
        let situation = Situation { last: next.is_none(), below_promise: sequence < due, ending };
        let spot = Spot { file, offset: end.offset, sequence };
        match decide(situation) {
            Decision::Clean | Decision::CutZeros | Decision::SetAside => {
                return self.indexes.segment_ends(next.is_some(), &mut self.verdict);
            }
            Decision::RefuseMissing => {
                let message = format!("the log ends before event {sequence}, and {due} events were synced");
                self.find("completeness", "missing_events", &spot, &message);
                self.order.next_sequence = next.unwrap_or(sequence);
            }
            Decision::RefuseNewer => {
                self.find("content", "unsupported_format", &spot, "a newer version of batpak wrote what follows");
                self.order.next_sequence = next.unwrap_or(sequence);
            }
            Decision::RefuseDamaged => {
                self.find("content", "journal_damaged", &spot, "bytes that were synced are damaged or were changed");
                if sequence < due {
                    self.find("completeness", "missing_events", &spot, "events behind the damage cannot be read");
                }
                self.order.next_sequence = next.unwrap_or(sequence);
            }
        }
        self.indexes.give_up();
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, facts: &[Facts], file: &str) -> Result<()> {
        self.frames += 1;
        self.promised = self.promised.max(frame.header.synced_through.min(self.limit));
        let first_sequence = self.order.next_sequence;
        let spot = Spot { file, offset: frame.offset, sequence: first_sequence };
        if frame.header.synced_through > first_sequence {
            let message = "the frame says that more was synced than was written before it";
            self.find("content", "invalid_encoding", &spot, message);
        }
        let body = match decode_body(&frame.header, frame.body) {
            Ok(body) => body,
            Err(error) => {
                self.find("content", "invalid_encoding", &spot, &error.to_string());
                self.indexes.give_up();
                self.order.next_sequence += u64::from(frame.header.count);
                return Ok(());
            }
        };
        let mut hashes = Vec::with_capacity(body.records.len());
        for ((offset, length, record), facts) in body.records.iter().zip(facts) {
            let spot = Spot { file, offset: frame.offset + offset, sequence: self.order.next_sequence };
            if spot.sequence == 0 {
                let from = crate::frame::FRAME_HEADER_BYTES as u64;
                let at = usize::try_from(offset - from).unwrap_or(usize::MAX);
                let bytes = frame.body.get(at..).and_then(|rest| rest.get(..*length as usize));
                self.first_record = bytes.unwrap_or_default().to_vec();
            }
            self.bytes_unasked += u64::from(*length);
            if self.bytes_unasked >= BYTES_PER_QUESTION {
                self.bytes_unasked = 0;
                if (self.interrupted)() {
                    return Err(Error::Interrupted);
                }
            }
            hashes.push(facts.hash);
            self.record(record, facts, *length, &spot)?;
        }
        let begun = self.substrate.lineages.last().is_some_and(|begun| begun.from >= first_sequence);
        if begun && body.records.len() > 1 {
            self.find("order", "lineage_mismatch", &spot, "a lineage begins in one frame with other events");
        }
        self.signature(body.signature.as_ref(), &hashes, first_sequence, &spot);
        let end = frame.offset + frame.header.frame_length();
        self.heads_at(hashes.last(), self.start, end);
        self.checkpoints_at();
        self.pin_at(false);
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, facts: &Facts, length: u32, spot: &Spot<'_>) -> Result<()> {
        let header = match Header::decode(record.header) {
            Ok(header) => header,
            Err(error) => {
                self.find("content", "invalid_encoding", spot, &error.to_string());
                self.order.next_sequence += 1;
                self.indexes.give_up();
                self.grow(facts);
                return Ok(());
            }
        };
        if facts.commitment != header.payload_commitment {
            let message = "the payload is not the one that the event commits to";
            self.find("content", "content_hash_mismatch", spot, message);
        } else if let Some(error) = facts.flaw(header.encoding) {
            self.find("content", "invalid_encoding", spot, &error.to_string());
        }
        let hash = facts.hash;
        let head = EntityHead { clock: header.stamp.clock, sequence: header.stamp.sequence, hash };
        let accepted = if let Some(known) = self.entities.get_mut(header.entity) {
            let accepted = self.order.accept(&header, Previous::Head(known));
            *known = head;
            accepted
        } else {
            self.entities.insert(header.entity.into(), head);
            self.order.accept(&header, Previous::None)
        };
        if let Err(reason) = accepted {
            self.find("order", "order_mismatch", spot, reason);
            self.order.resume_after(&header, spot.sequence);
        }
        if header.kind.category() == 0
            && let Err(error) =
                self.substrate.accept(&header.journal_id, header.kind, spot.sequence, record.erasable.payload)
        {
            let (axis, code) = match error {
                Error::InvalidKey { .. } => ("signatures", "invalid_key_event"),
                _ => ("content", "invalid_encoding"),
            };
            self.find(axis, code, spot, &error.to_string());
        }
        if header.kind == Kind::LINEAGE {
            self.departs(&header, spot)?;
        }
        self.grow(facts);
        self.indexes.event(&header, hash, spot.offset, length, &mut self.verdict)
    }

    /// The tree takes in the next event, and the indexes what they keep of it.
    fn grow(&mut self, facts: &Facts) {
        let Self { tree, indexes, .. } = self;
        let size = tree.size() + 1;
        tree.push_seen(0, facts.leaf, |height, root| indexes.node(size - (1 << height), height, root));
    }

    /// Another lineage begins: it says truly what it goes on from, and has a pin of its own.
    fn departs(&mut self, header: &Header<'_>, spot: &Spot<'_>) -> Result<()> {
        let Some(begun) = self.substrate.lineages.last().filter(|begun| begun.from == spot.sequence) else {
            return Ok(());
        };
        let fits = begun.kept_root == self.tree.root() && lineage_ended_by(header) == Some(begun.parent_id);
        let (id, begun) = (begun.journal_id, self.substrate.lineages.len());
        if !fits {
            self.find(
                "order",
                "lineage_mismatch",
                spot,
                "the lineage goes on from another history than the one before it",
            );
        }
        self.given_up.extend(self.pin.take().map(|pin| (begun, pin)));
        self.pin = self
            .pins
            .map_or(Ok(None), |pins| pins::read(pins, &id))
            .or_else(|error| self.verdict.find_error("anchors", error).map(|()| None))?;
        Ok(())
    }

    fn finish(mut self) -> Result<Verification> {
        self.pin_at(true);
        self.check_given_up()?;
        self.check_keys();
        self.check_sealed_heads();
        self.check_meta()?;
        self.check_recovered()?;
        let Self {
            mut verdict,
            indexes,
            limit,
            promised,
            signed_frames,
            frames,
            heads,
            next_head,
            checkpoints,
            next_checkpoint,
            is_pinned,
            substrate,
            public_key,
            tree,
            ..
        } = self;
        indexes.finish(limit, &mut verdict)?;
        verdict.events = tree.size();
        verdict.complete_to = Some(promised);
        let axes = &mut verdict.axes;
        settle(&mut axes.completeness, Axis::Passed);
        // What speaks of more than the log was compared with nothing.
        let all = next_head == heads.len() && next_checkpoint == checkpoints.len();
        let anchors = if all { Axis::Passed } else { Axis::NotChecked };
        settle(&mut axes.anchors, if heads.is_empty() && checkpoints.is_empty() { Axis::Absent } else { anchors });
        if tree.size() == 0 {
            settle(&mut axes.order, Axis::NotChecked);
        }
        let keyed = public_key.is_some() || substrate.key().is_some();
        settle(&mut axes.signatures, if keyed { Axis::Passed } else { Axis::Absent });
        let chained = axes.order == Axis::Passed && axes.content == Axis::Passed;
        let stated = verdict.checkpoint_size.is_some() && axes.anchors == Axis::Passed;
        verdict.rung = match (chained, stated, is_pinned && axes.anchors == Axis::Passed) {
            (false, ..) => 0,
            (true, _, true) => 3,
            (true, true, false) => 2,
            (true, false, false) => 1,
        };
        if verdict.outcome != Outcome::Invalid {
            let all_signed = frames > 0 && signed_frames == frames;
            verdict.outcome = if all_signed { Outcome::Signed } else { Outcome::UnsignedAccepted };
        }
        Ok(verdict)
    }

    fn check_meta(&mut self) -> Result<()> {
        let name = self.storage.describe(meta::NAME);
        let file = missing_is_none(self.storage.open(meta::NAME, Mode::Read))?;
        let bytes = file.map(|file| read_all(file.as_ref())).transpose()?;
        let copy = bytes.as_deref().map(|bytes| meta::decode(bytes, &name)).transpose();
        match copy {
            Ok(Some(copy)) if copy == self.first_record => {}
            Ok(_) => {
                let spot = Spot { file: &name, offset: 0, sequence: 0 };
                self.find(
                    "content",
                    "meta_mismatch",
                    &spot,
                    "the file is not a copy of event 0; --rebuild-meta writes it anew",
                );
            }
            Err(error) => self.verdict.find_error("content", error)?,
        }
        Ok(())
    }

    /// Bytes that recovery set aside are still those that the log tells of.
    fn check_recovered(&mut self) -> Result<()> {
        for cut in std::mem::take(&mut self.substrate.cuts) {
            let path = format!("{RECOVERED}/{}", cut.file);
            let file = missing_is_none(self.storage.open(&path, Mode::Read))?;
            let bytes = file.map(|file| read_all(file.as_ref())).transpose()?;
            if bytes.is_none_or(|bytes| digest(&bytes) != cut.digest) {
                let name = self.storage.describe(&path);
                let spot = Spot { file: &name, offset: 0, sequence: cut.first_cut_sequence };
                self.find(
                    "content",
                    "recovered_mismatch",
                    &spot,
                    "bytes that recovery set aside are missing or were changed",
                );
            }
        }
        Ok(())
    }
}

/// An axis that did not fail becomes what is said.
fn settle(axis: &mut Axis, otherwise: Axis) {
    if *axis != Axis::Failed {
        *axis = otherwise;
    }
}
