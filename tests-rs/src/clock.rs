//! A wall clock that goes where a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use batpak_core::clock::WallClock;

/// 2026-01-01T00:00:00Z.
pub const START_US: u64 = 1_767_225_600_000_000;

/// A wall clock that moves by a fixed step at each look, and that a test may set.
#[derive(Debug)]
pub struct TestClock {
    now_us: AtomicU64,
    step_us: AtomicI64,
}

impl TestClock {
    /// Begins in 2026 and moves on by a microsecond at each look.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::at(START_US)
    }

    /// Begins then, and moves on by a microsecond at each look.
    #[must_use]
    pub fn at(now_us: u64) -> Arc<Self> {
        Arc::new(Self { now_us: AtomicU64::new(now_us), step_us: AtomicI64::new(1) })
    }

    /// What it shows next.
    pub fn set(&self, now_us: u64) {
        self.now_us.store(now_us, Ordering::SeqCst);
    }

    /// How far it moves at each look, forwards or backwards.
    pub fn step(&self, step_us: i64) {
        self.step_us.store(step_us, Ordering::SeqCst);
    }

    /// Moves it once, forwards or backwards.
    pub fn shift(&self, by_us: i64) {
        let _ =
            self.now_us.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add_signed(by_us)));
    }

    /// What it shows, without moving it.
    #[must_use]
    pub fn peek(&self) -> u64 {
        self.now_us.load(Ordering::SeqCst)
    }
}

impl WallClock for TestClock {
    fn now_us(&self) -> u64 {
        let step = self.step_us.load(Ordering::SeqCst);
        let moved =
            self.now_us.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add_signed(step)));
        moved.unwrap_or_else(|now| now)
    }
}
