//! Folds that need no program: how many, the first, the last, the sum and the extremes of what matches a query, in groups and over time. Each event is
//! checked against its hash as in every other read; nothing of it is copied.

mod floats;
mod groups;
mod state;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{self, AtomicBool};
use std::thread;

use self::groups::Groups;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::read::Depth;
use crate::store::Store;

/// Events between two questions whether to stop.
const PAGE_EVENTS: usize = 512;
/// Sequences that a thread goes through before what all of them found is added up.
const PART_EVENTS: u64 = 32_768;

/// What is asked of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How many there are; with a field, how many have it.
    Count,
    /// The sum of a field.
    Sum,
    /// The smallest value of a field.
    Min,
    /// The largest value of a field.
    Max,
    /// The first event; with a field, the first that has it.
    First,
    /// The last event; with a field, the last that has it.
    Last,
}

/// What events are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Whose they are.
    Entity,
    /// Where they happened.
    Scope,
    /// What they are.
    Kind,
    /// What a key of their metadata says.
    Metadata(String),
    /// What a field of their payload says.
    Payload(Vec<String>),
}

/// A question about the events that match a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// What is asked.
    pub measure: Measure,
    /// Keys that lead to a field of the payload, each in the map that the one before leads to. Events without it do not count.
    pub field: Option<Vec<String>>,
    /// A group for each combination of these.
    pub by: Vec<Term>,
    /// A group for each so many microseconds since 1970.
    pub every_us: Option<u64>,
    /// Kinds with the version from which on their payloads are stored as programs see them. Fields of older ones are refused.
    pub lifted: HashMap<u16, u16>,
}

impl Aggregate {
    /// Whether payloads must be looked at.
    fn depth(&self) -> Depth {
        let by_payload = self.by.iter().any(|term| matches!(term, Term::Payload(_)));
        if self.field.is_some() || by_payload { Depth::Whole } else { Depth::Header }
    }
}

/// A value that a group has in common, or that was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing, or no such field.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer. A sum of 2^64 of 64 bits fits.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// The sequence of an event.
    Event(u64),
}

/// What a group has in common, and what was found in it.
pub type Group = (Vec<Scalar>, Scalar);

impl Store {
    /// Answers a question about the events that a cursor of this store still has to give: one group for all of them if none is asked for, and groups in
    /// the order of their first events otherwise. Without an event there is no group. The work is shared by at most so many threads, of which the
    /// caller's is one and the only one that asks whether to stop; the answer does not depend on their number.
    pub fn aggregate(
        &self,
        cursor: &mut Cursor,
        asked: &Aggregate,
        threads: NonZeroUsize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<Group>> {
        let mut groups = Groups::new(asked);
        let others = if cursor.is_unlimited() { threads.get() - 1 } else { 0 };
        while others > 0 && !cursor.is_done() {
            let mut first = cursor.split_off(PART_EVENTS);
            let later = (0..others).map(|_| cursor.split_off(PART_EVENTS)).filter(|part| !part.is_done());
            let later: Vec<_> = later.collect();
            let stop = AtomicBool::new(false);
            let (first, found) = thread::scope(|scope| {
                let begin = |part: &Cursor| {
                    let (mut part, stop) = (part.clone(), &stop);
                    let fold = move || {
                        let mut own = Groups::new(asked);
                        self.fold(&mut part, &mut own, &|| stop.load(atomic::Ordering::Relaxed)).map(|()| own)
                    };
                    thread::Builder::new().name("batpak-fold".to_owned()).spawn_scoped(scope, fold).ok()
                };
                let helpers: Vec<_> = later.iter().map(begin).collect();
                let first = self.fold(&mut first, &mut groups, interrupted);
                stop.store(first.is_err(), atomic::Ordering::Relaxed);
                let found: Vec<_> = helpers.into_iter().map(|thread| thread?.join().ok()?.ok()).collect();
                (first, found)
            });
            first?;
            for (mut part, found) in later.into_iter().zip(found) {
                match found.filter(|found| groups.can_add(found)) {
                    Some(found) => groups.add(found),
                    // Gone through again in its turn, which tells what is wrong, and with which event.
                    None => self.fold(&mut part, &mut groups, interrupted)?,
                }
            }
        }
        self.fold(cursor, &mut groups, interrupted)?;
        Ok(groups.finish())
    }

    /// Takes in all that a cursor still has to give.
    fn fold(&self, cursor: &mut Cursor, groups: &mut Groups<'_>, interrupted: &dyn Fn() -> bool) -> Result<()> {
        let depth = groups.depth();
        while !cursor.is_done() {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let inner = self.usable()?;
            let taken = cursor.visit(inner, PAGE_EVENTS, depth, |checked| groups.take(&checked));
            if let (Err(Error::Damaged { .. }), Some(reader)) = (&taken, &inner.reader) {
                // Recovery may have cut what this reader had seen; that is said instead.
                reader.lock().refresh(inner)?;
            }
            taken?;
        }
        Ok(())
    }
}
