//! What a program does to a store, step by step, with a witness beside it.

use std::time::Duration;

use batpak_core::Appended;
use batpak_core::error::{Error, Result};
use batpak_core::hash::proposal_commitment;
use batpak_core::header::Promise;
use batpak_core::marks::{Mark, MarkName};
use batpak_core::proposal::{Expect, Proposal};
use batpak_core::value::Value;
use batpak_core::{Kind, Store};

use crate::journal::push_with;
use crate::witness::{Answer, Asked, Attempt, Witness};

/// One step.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// A frame of so many events of so many bytes each.
    Append(Promise, usize, usize),
    /// The same, each event under a key of its own.
    Keyed(Promise, usize, usize),
    /// The same past the gates, which the frame says first.
    Bypassed(Promise, usize, usize),
    /// One event that expects its entity as the witness remembers it; as the store says it is if the witness missed something.
    Expecting(Promise, usize),
    /// Gates refused an event.
    Denied(Promise),
    /// Waits until everything has come so far.
    Wait(MarkName),
    /// The same with a limit, so that the interval thread is asked to sync.
    WaitServed(MarkName),
    /// States what the journal is.
    Checkpoint,
    /// Asks again for all that was written or tried under keys.
    Retry,
}

impl Witness {
    /// Does it, and remembers what came of it.
    ///
    /// # Panics
    ///
    /// If the store answers what it never may.
    pub fn act(&mut self, store: &Store, deed: Deed) -> Result<()> {
        let outcome = match deed {
            Deed::Append(promise, count, bytes) => self.append(store, promise, count, bytes),
            Deed::Keyed(promise, count, bytes) => {
                let number = self.begin(format!("keyed:{}", self.asked), count, bytes, true, Expect::New);
                self.finish(store, number, promise)
            }
            Deed::Bypassed(promise, count, bytes) => {
                let number = self.begin(format!("bypass:{}", self.asked % 2), count, bytes, true, Expect::Any);
                let said = Asked::Substrate(Kind::BYPASSED, reason(number).into_bytes());
                self.attempt(number).asked.insert(0, said);
                self.finish(store, number, promise)
            }
            Deed::Expecting(promise, bytes) => self.expecting(store, promise, bytes),
            Deed::Denied(promise) => self.denied(store, promise),
            Deed::Wait(mark) => self.wait(store, mark, None),
            Deed::WaitServed(mark) => self.wait(store, mark, Some(Duration::from_mins(1))),
            Deed::Checkpoint => self.checkpoint(store),
            Deed::Retry => self.retry(store),
        };
        self.listen(store);
        outcome
    }

    /// Writes a frame of `count` events with payloads of `bytes` bytes, and waits if durability was promised.
    pub fn append(&mut self, store: &Store, promise: Promise, count: usize, bytes: usize) -> Result<()> {
        let number = self.begin(format!("entity:{}", self.asked % 3), count, bytes, false, Expect::Any);
        self.finish(store, number, promise)
    }

    /// Waits until everything is durable.
    ///
    /// # Panics
    ///
    /// If the wait ends without an answer.
    pub fn sync(&mut self, store: &Store) -> Result<()> {
        assert!(store.wait_durable(store.events()?, None)?, "a wait without a limit came back without an answer");
        self.all_durable();
        Ok(())
    }

    /// Closes, which makes everything durable.
    pub fn close(&mut self, store: &Store) -> Result<()> {
        let events = store.events()?;
        store.close()?;
        self.claimed = self.claimed.max(events);
        self.all_durable();
        Ok(())
    }

    fn checkpoint(&mut self, store: &Store) -> Result<()> {
        let events = store.events()?;
        let checkpoint = store.checkpoint()?;
        assert_eq!(checkpoint.size, events);
        self.checkpoints.push(checkpoint);
        self.all_durable();
        Ok(())
    }

    fn attempt(&mut self, number: usize) -> &mut Attempt {
        self.attempts.iter_mut().find(|attempt| attempt.number == number).expect("it was begun")
    }

    /// Remembers what will be asked for.
    fn begin(&mut self, entity: String, count: usize, bytes: usize, keyed: bool, expect: Expect) -> usize {
        let number = self.asked;
        self.asked += 1;
        let payload = |item: usize| {
            let mut payload = format!("attempt {number} item {item} of {count} ").into_bytes();
            let fill = u8::try_from(number % 251 + 1).unwrap_or(1);
            payload.resize(payload.len().max(bytes), fill);
            Asked::Own(payload)
        };
        let asked = (0..count).map(payload).collect();
        self.attempts.push(Attempt { number, entity, asked, keyed, expect, answer: None, durable: false });
        number
    }

    /// Asks for it, and remembers the answer.
    fn finish(&mut self, store: &Store, number: usize, promise: Promise) -> Result<()> {
        let attempt = self.attempt(number);
        let proposal = attempt.proposal(store, promise)?;
        let Appended::Written(committed) = store.append(&proposal)? else {
            panic!("attempt {number} was known before it was written");
        };
        assert!(fits(attempt.expect, committed.stamps[proposal.leading()].clock.checked_sub(1)), "attempt {number}");
        attempt.answer = Some(Answer::of(&committed, proposal.leading()));
        let (entity, last) = (attempt.entity.clone(), committed.stamps.last().map_or(0, |stamp| stamp.clock));
        self.clocks.insert(entity, last);
        if promise == Promise::Always { self.sync(store) } else { Ok(()) }
    }

    /// Puts an attempt where its frame lies in the log.
    fn answered(&mut self, number: usize, answer: Answer) {
        let from = self.attempts.iter().position(|attempt| attempt.number == number).expect("it was begun");
        let attempt = self.attempts.remove(from);
        let behind =
            |other: &Attempt| other.answer.as_ref().is_some_and(|other| other.first_sequence > answer.first_sequence);
        let to = self.attempts.iter().position(behind).unwrap_or(self.attempts.len());
        self.attempts.insert(to, Attempt { answer: Some(answer), ..attempt });
    }

    fn expecting(&mut self, store: &Store, promise: Promise, bytes: usize) -> Result<()> {
        let entity = "expected";
        let mut expect = self.clocks.get(entity).map_or(Expect::New, |clock| Expect::Clock(*clock));
        for second in [false, true] {
            let number = self.begin(entity.to_owned(), 1, bytes, false, expect);
            let outcome = self.finish(store, number, promise);
            let Err(Error::ExpectationFailed { actual, .. }) = outcome else { return outcome };
            // It was refused before anything was touched.
            self.attempts.retain(|attempt| attempt.number != number);
            let missed = self.attempts.iter().any(|attempt| attempt.entity == entity && attempt.answer.is_none());
            assert!(missed && !second, "the entity is at {actual:?}, and {expect:?} was refused");
            expect = actual.map_or(Expect::New, Expect::Clock);
        }
        Ok(())
    }

    fn denied(&mut self, store: &Store, promise: Promise) -> Result<()> {
        let number = self.begin("denied".to_owned(), 1, 50, false, Expect::Any);
        let attempt = self.attempt(number);
        let proposal = attempt.proposal(store, promise)?;
        let opening = proposal.opening(store.entropy())?;
        attempt.asked = vec![Asked::Substrate(Kind::DENIED, proposal_commitment(&opening).to_vec())];
        let Appended::Written(committed) = store.deny(&proposal, &opening, Value::Null)? else {
            panic!("a denial has no key");
        };
        attempt.answer = Some(Answer::of(&committed, 0));
        if promise == Promise::Always { self.sync(store) } else { Ok(()) }
    }

    fn wait(&mut self, store: &Store, mark: MarkName, timeout: Option<Duration>) -> Result<()> {
        assert!(store.wait_for(mark, store.events()?, timeout)?, "a wait came back without an answer");
        if mark == MarkName::Durable {
            self.all_durable();
        }
        let marks = store.marks()?;
        let count = |reached: Option<Mark>| reached.map_or(0, |reached| reached.sequence + 1);
        assert!(count(marks.accepted) >= count(marks.written) && count(marks.written) >= count(marks.durable));
        assert!(count(marks.accepted) >= count(marks.visible));
        self.claimed = self.claimed.max(count(marks.durable));
        Ok(())
    }

    /// What was written is given back as it was; what was not is written now, or was there all the same.
    fn retry(&mut self, store: &Store) -> Result<()> {
        let keyed = self.attempts.iter().filter(|attempt| attempt.keyed).map(|attempt| attempt.number);
        for number in keyed.collect::<Vec<_>>() {
            let attempt = self.attempt(number);
            let proposal = attempt.proposal(store, Promise::Manual)?;
            let appended = store.append(&proposal)?;
            match (&attempt.answer, appended) {
                (Some(answer), Appended::Known(events)) => {
                    assert!(
                        Answer::known(&events).receipts == answer.receipts,
                        "attempt {number} got other receipts at its retry"
                    );
                }
                (Some(_), Appended::Written(_)) => panic!("attempt {number} was written twice"),
                (None, Appended::Written(committed)) => {
                    self.answered(number, Answer::of(&committed, proposal.leading()));
                }
                // The failure came after the write: the receipt is as good as the first one would have been.
                (None, Appended::Known(events)) => self.answered(number, Answer::known(&events)),
            }
        }
        Ok(())
    }
}

/// Whether an entity whose last event has this clock is as expected; the tests' own word for it.
pub(crate) fn fits(expect: Expect, last: Option<u64>) -> bool {
    match expect {
        Expect::Any => true,
        Expect::New => last.is_none(),
        Expect::Clock(clock) => last == Some(clock),
    }
}

/// What a bypass says, by which it is known.
fn reason(number: usize) -> String {
    format!("reason of attempt {number}.")
}

impl Attempt {
    /// What the store is asked, the first time and whenever it is asked again.
    pub(crate) fn proposal(&self, store: &Store, promise: Promise) -> Result<Proposal> {
        let mut proposal = store.propose(Some(promise))?;
        for (item, payload) in self.payloads().enumerate() {
            let key = self.key(item);
            let key = Some(key.as_bytes()).filter(|_| self.keyed);
            let expect = if item == 0 { self.expect } else { Expect::Any };
            push_with(&mut proposal, store, &self.entity, payload, key, expect)?;
        }
        if matches!(self.asked.first(), Some(Asked::Substrate(Kind::BYPASSED, _))) {
            proposal.bypass("operator", &reason(self.number), &["gate".to_owned()], store.entropy())?;
        }
        Ok(proposal)
    }
}
