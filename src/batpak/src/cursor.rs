//! Goes through the events that match a query, a page at a time.

use crate::error::{Error, Result};
use crate::index::{Index, Location, Plan, Query};
use crate::inner::{Inner, rewinds_since};
use crate::read::{self, Checked, Depth, Event};

/// An unlucky filter gives control back after so many events.
const EXAMINED_MAX: u64 = 65_536;
/// A page is read into memory as a whole: it ends with the event that exceeds this.
const PAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Room that a page is given before it is known how many events it has.
const PAGE_EVENTS_USUAL: usize = 512;

/// A place in the answer to a query. What was visible when it began is all it gives.
#[derive(Clone, Debug)]
pub struct Cursor {
    query: Query,
    /// The events that may be looked at.
    from: u64,
    before: u64,
    left: u64,
    examined: u64,
    plan: Option<Plan>,
    /// What was visible when it began.
    visible: u64,
    /// Rewinds of this reader that are known here.
    rewinds: usize,
}

impl Cursor {
    /// Begins; nothing is read yet, but to find the times' places.
    pub(crate) fn begin(inner: &Inner, query: Query) -> Result<Self> {
        let (rewinds, _) = rewinds_since(inner, 0);
        let visible = inner.visible();
        let mut from = query.after.map_or(0, |after| after.saturating_add(1));
        let mut before = query.until.map_or(visible, |until| until.saturating_add(1).min(visible));
        if let Some(time) = query.since_us {
            from = from.max(first_at(inner, time)?);
        }
        if let Some(time) = query.before_us {
            before = before.min(first_at(inner, time)?);
        }
        Ok(Self {
            from,
            before,
            left: query.limit.unwrap_or(u64::MAX),
            examined: 0,
            plan: None,
            visible,
            rewinds,
            query,
        })
    }

    /// Whether nothing is left to look at.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.left == 0 || self.from >= self.before
    }

    /// Events looked at so far.
    #[must_use]
    pub const fn examined(&self) -> u64 {
        self.examined
    }

    /// Whether it gives all that match. How many are left of a limit depends on what came before.
    pub(crate) const fn is_unlimited(&self) -> bool {
        self.query.limit.is_none()
    }

    /// Takes out what comes first, as a cursor of its own: the matches among the next `sequences`.
    pub(crate) fn split_off(&mut self, sequences: u64) -> Self {
        let mut part = Self { examined: 0, ..self.clone() };
        if self.query.reverse {
            part.from = self.before.saturating_sub(sequences).max(self.from);
            self.before = part.from;
        } else {
            part.before = self.from.saturating_add(sequences).min(self.before);
            self.from = part.before;
        }
        part
    }

    /// The next matches, at most `count`; none is no sign of the end, `is_done` is.
    pub(crate) fn page(&mut self, inner: &Inner, count: usize) -> Result<Vec<Event>> {
        let mut events = Vec::with_capacity(count.min(PAGE_EVENTS_USUAL));
        self.visit(inner, count, Depth::Whole, |checked| {
            events.push(checked.event());
            Ok(())
        })?;
        Ok(events)
    }

    /// Has the next matches taken, at most `count`, before anything of them is copied.
    pub(crate) fn visit(
        &mut self,
        inner: &Inner,
        count: usize,
        depth: Depth,
        take: impl FnMut(Checked<'_>) -> Result<()>,
    ) -> Result<()> {
        self.notice_rewinds(inner)?;
        let place = (self.from, self.before);
        // After an error the same page is asked for again.
        self.visit_page(inner, count, depth, take).inspect_err(|_| (self.from, self.before) = place)
    }

    /// Recovery may have cut what was still to come: that is told once, and nothing that took its place is given.
    fn notice_rewinds(&mut self, inner: &Inner) -> Result<()> {
        let (rewinds, to) = rewinds_since(inner, self.rewinds);
        self.rewinds = rewinds;
        let Some(to) = to else { return Ok(()) };
        self.plan = None;
        if to >= self.before.min(self.visible) {
            return Ok(());
        }
        self.before = to.max(self.from);
        Err(Error::Rewound { from: self.visible, to })
    }

    fn visit_page(
        &mut self,
        inner: &Inner,
        count: usize,
        depth: Depth,
        mut take: impl FnMut(Checked<'_>) -> Result<()>,
    ) -> Result<()> {
        let begun = (self.from, self.before);
        let count = count.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        // With each sequence, how many events were looked at to find it.
        let (mut sequences, mut looked_at) = (Vec::new(), 0);
        let mut looked_at_for = Vec::new();
        while sequences.len() < count && looked_at < EXAMINED_MAX && !self.is_done() {
            let Some(sequence) = self.candidate(&inner.index)? else { continue };
            looked_at += 1;
            if self.plan.as_ref().is_some_and(|plan| plan.admits(sequence)) {
                sequences.push(sequence);
                looked_at_for.push(looked_at);
            }
            self.pass(sequence);
        }
        let mut locations = inner.index.locations(&sequences)?;
        let fitting = fitting(&locations);
        if let (Some(last), true) = (fitting.checked_sub(1), fitting < locations.len()) {
            locations.truncate(fitting);
            // The next page goes on from here.
            (self.from, self.before) = begun;
            sequences.get(last).into_iter().for_each(|last| self.pass(*last));
            looked_at = looked_at_for.get(last).copied().unwrap_or(looked_at);
        }
        self.examined += looked_at;
        let mut matches = 0;
        read::visit(&inner.files, &locations, depth, |checked| {
            if self.query.admits(&checked.header) {
                matches += 1;
                take(checked)?;
            }
            Ok(())
        })?;
        self.left -= matches;
        Ok(())
    }

    /// The next event to look at; `None` if the part at hand has none, and the next part is to be asked.
    fn candidate(&mut self, index: &Index) -> Result<Option<u64>> {
        let at = if self.query.reverse { self.before - 1 } else { self.from };
        let here = self.plan.as_ref().is_some_and(|plan| (plan.span().first..plan.span().next()).contains(&at));
        if !here {
            self.plan = index.plan(&self.query, at)?;
        }
        let Some(plan) = &self.plan else {
            // The journal became shorter: recovery cut what this had seen.
            self.before = self.before.min(index.len()).max(self.from);
            return Ok(None);
        };
        let span = plan.span();
        match plan.next(at, self.query.reverse) {
            Some(sequence) if (self.from..self.before).contains(&sequence) => Ok(Some(sequence)),
            Some(_) => {
                self.from = self.before;
                Ok(None)
            }
            None if self.query.reverse => {
                self.before = span.first.max(self.from);
                Ok(None)
            }
            None => {
                self.from = span.next();
                Ok(None)
            }
        }
    }

    fn pass(&mut self, sequence: u64) {
        if self.query.reverse {
            self.before = sequence;
        } else {
            self.from = sequence + 1;
        }
    }
}

/// How many of these a page has room for: at least one.
fn fitting(locations: &[Location]) -> usize {
    let mut before = 0;
    let fits = |location: &&Location| {
        let fits = before < PAGE_BYTES_MAX;
        before += u64::from(location.length);
        fits
    };
    locations.iter().take_while(fits).count()
}

/// The first sequence at or after a time: clocks ascend with sequences, and an id holds the milliseconds of its event's clock.
fn first_at(inner: &Inner, time_us: u64) -> Result<u64> {
    let at_millisecond = |milliseconds: u64| {
        let mut id = [0; 16];
        // Beyond 48 bits, that is the year 10889, nothing was ever written.
        let bytes = milliseconds.min((1 << 48) - 1).to_be_bytes();
        id.iter_mut().zip(bytes.iter().skip(2)).for_each(|(to, from)| *to = *from);
        inner.index.lower_bound(&id)
    };
    let (mut from, mut to) = (at_millisecond(time_us / 1000)?, at_millisecond(time_us / 1000 + 1)?);
    while from < to {
        let middle = u64::midpoint(from, to);
        let event = read::event(&inner.files, &inner.index.location(middle)?)?;
        if event.stamp.hlc.wall_us < time_us {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}
