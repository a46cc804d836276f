//! The hybrid logical clock and the ids made from it.

use std::sync::Arc;

use batpak_core::Store;
use batpak_core::clock::{Hlc, WALL_US_MAX, skew_us};
use batpak_core::event_id::{self, EventId};
use batpak_core::header::Promise;
use batpak_core::storage::MemoryStorage;
use batpak_tests::clock::{START_US, TestClock};
use batpak_tests::journal::{config, events, verify, write};
use proptest::prelude::*;

const TAIL_MAX: u128 = (1 << 74) - 1;

fn id(milliseconds: u64, tail: u128) -> EventId {
    let bits = u128::from(milliseconds) << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & ((1 << 62) - 1);
    bits.to_be_bytes()
}

proptest! {
    #[test]
    fn the_next_moment_is_later_and_never_behind_the_wall(wall in any::<u64>(), counter in any::<u32>(), now in any::<u64>()) {
        let last = Hlc { wall_us: wall.min(u64::MAX - 2000), counter };
        let next = last.next(now);
        // Beyond the year 9999 a wall clock is not followed.
        let believed = now.min(WALL_US_MAX);
        prop_assert!(next > last && next.wall_us >= believed);
        prop_assert!(next.wall_us == believed.max(last.wall_us) || (counter == u32::MAX && next.wall_us == last.wall_us + 1));
        prop_assert_eq!(i128::from(skew_us(now, next)), (i128::from(now) - i128::from(next.wall_us)).clamp(i64::MIN.into(), i64::MAX.into()));
        prop_assert!(last.next_millisecond() > last && last.next_millisecond().wall_ms() == last.wall_ms() + 1);
    }

    /// The laws of the paper for a clock that takes in no messages: it ascends, is never behind the wall clock, is never further ahead
    /// of it than the wall clock ever went back, and counts only while it stands still.
    #[test]
    fn a_clock_is_as_far_ahead_as_the_wall_clock_went_back(steps in proptest::collection::vec(-600_000_000..600_000_000_i64, 1..200)) {
        let (mut wall_us, mut highest_us) = (START_US, 0);
        let mut hlc = Hlc::default();
        for step in steps {
            wall_us = wall_us.saturating_add_signed(step);
            highest_us = highest_us.max(wall_us);
            let last = hlc;
            hlc = last.next(wall_us);
            prop_assert!(hlc > last && hlc.wall_us >= wall_us);
            prop_assert_eq!(hlc.wall_us, highest_us);
            let counter = if hlc.wall_us > last.wall_us { 0 } else { last.counter + 1 };
            prop_assert_eq!(hlc.counter, counter);
            prop_assert_eq!(skew_us(wall_us, hlc), -i64::try_from(highest_us - wall_us).expect("minutes"));
        }
    }

    #[test]
    fn ids_take_apart_to_what_they_were_made_of(milliseconds in 0..1_u64 << 48, random in any::<[u8; 16]>()) {
        let hlc = Hlc { wall_us: milliseconds * 1000, counter: 0 };
        let first = event_id::next(None, hlc, random).expect("a fresh millisecond");
        let (found, tail) = event_id::parts(&first).expect("version 7");
        prop_assert_eq!((found, tail), (milliseconds, u128::from_be_bytes(random) & TAIL_MAX));
        prop_assert_eq!(id(found, tail), first);
        if let Some(second) = event_id::next(Some(&first), hlc, random) {
            let (same, later) = event_id::parts(&second).expect("version 7");
            prop_assert!(second > first && same == milliseconds && (1..=1 << 32).contains(&(later - tail)));
        }
    }
}

#[test]
fn a_tail_that_is_used_up_waits_for_the_next_millisecond() {
    let hlc = Hlc { wall_us: 5_000, counter: 3 };
    for (tail, random, fits) in
        [(TAIL_MAX, 0, false), (TAIL_MAX - 1, 0, true), (TAIL_MAX - 1, 1, false), (0, 255, true)]
    {
        let last = id(5, tail);
        let mut bytes = [0; 16];
        bytes[15] = random;
        let next = event_id::next(Some(&last), hlc, bytes);
        assert_eq!(next.is_some(), fits, "{tail:x} {random}");
        let later = event_id::next(Some(&last), hlc.next_millisecond(), bytes).expect("a fresh millisecond");
        assert!(later > last);
    }
    for broken in [[0; 16], [0xFF; 16]] {
        assert_eq!(event_id::parts(&broken), None);
    }
}

#[test]
fn a_wall_clock_that_went_back_is_reported_and_refuses_nothing() {
    let storage = MemoryStorage::new();
    let clock = TestClock::new();
    let open = || Store::open_with(Arc::new(storage.clone()), Arc::clone(&clock) as _, config()).expect("open");
    let store = open();
    write(&store, Promise::Manual, "a", &[b"1"]).expect("append");
    store.close().expect("close");
    clock.shift(-600_000_000);
    let store = open();
    assert!((599_000_000..=601_000_000).contains(&store.report().clock_ahead_us), "{:?}", store.report());
    write(&store, Promise::Manual, "a", &[b"2"]).expect("append");
    assert!(store.stats().expect("stats").clock_ahead_us >= 599_000_000);
    clock.shift(700_000_000);
    write(&store, Promise::Manual, "a", &[b"3"]).expect("append");
    assert_eq!(store.stats().expect("stats").clock_ahead_us, 0);
    assert!(verify(&store).expect("verify").ok());
}

#[test]
fn stamps_ascend_whatever_the_wall_clock_does_and_across_restarts() {
    let storage = MemoryStorage::new();
    let clock = TestClock::new();
    let minute = 60_000_000;
    let shifts = [0, minute, -minute, 10 * minute, -30 * minute, 1, -1, 999, -999, 0, 90 * minute, -200 * minute];
    for restart in 0..4 {
        let store = Store::open_with(Arc::new(storage.clone()), Arc::clone(&clock) as _, config()).expect("open");
        for shift in shifts {
            clock.shift(shift);
            for step in [1, 0, -700, 0, 1500] {
                clock.step(step);
                write(&store, Promise::Manual, "a", &[b"1", b"2", b"3"]).expect("append");
            }
        }
        store.close().expect("close");
        clock.shift(-7 * minute * restart);
    }
    let store = Store::open_with(Arc::new(storage.clone()), clock, config()).expect("open");
    let all = events(&store, true).expect("read");
    assert!(all.len() > 700);
    let mut raw_before = None;
    for (number, event) in all.iter().enumerate() {
        let stamp = &event.stamp;
        assert_eq!(stamp.sequence, number as u64);
        let (milliseconds, _) = event_id::parts(&stamp.event_id).expect("version 7");
        assert_eq!(milliseconds, stamp.hlc.wall_ms());
        let raw = stamp.hlc.wall_us.checked_add_signed(stamp.skew_us).expect("a time");
        assert!(raw <= stamp.hlc.wall_us, "the clock is behind the wall");
        if let Some(before) = number.checked_sub(1).and_then(|before| all.get(before)) {
            assert!(stamp.hlc > before.stamp.hlc && stamp.event_id > before.stamp.event_id, "event {number}");
        }
        raw_before = raw_before.max(Some(raw));
        assert!(Some(stamp.hlc.wall_us) >= raw_before);
    }
    assert!(verify(&store).expect("verify").ok());
}

#[test]
fn every_open_moves_the_clock_on_by_at_least_a_millisecond_of_its_own() {
    let storage = MemoryStorage::new();
    let clock = TestClock::at(START_US);
    clock.step(0);
    let mut last = 0;
    for _ in 0..5 {
        let store = Store::open_with(Arc::new(storage.clone()), Arc::clone(&clock) as _, config()).expect("open");
        let all = events(&store, true).expect("read");
        let newest = all.last().expect("an event").stamp.hlc.wall_ms();
        assert!(newest > last, "{newest} {last}");
        last = newest;
        store.close().expect("close");
    }
}

#[test]
fn a_wall_clock_beyond_every_id_still_leaves_a_journal_that_opens() {
    for now in [WALL_US_MAX, WALL_US_MAX + 1, (1 << 48) * 1000 - 1, (1 << 48) * 1000, u64::MAX - 10_000_000, u64::MAX] {
        let storage = MemoryStorage::new();
        let clock = TestClock::at(now);
        clock.step(0);
        for _ in 0..3 {
            let store = Store::open_with(Arc::new(storage.clone()), Arc::clone(&clock) as _, config()).expect("open");
            for _ in 0..3 {
                write(&store, Promise::Manual, "a", &[b"1", b"2"]).expect("append");
            }
            assert!(verify(&store).expect("verify").ok(), "{now}");
        }
    }
}
