//! The hybrid logical clock (Kulkarni et al., 2014) of one writer, and the wall clock behind it.

use std::fmt::Debug;
use std::time::UNIX_EPOCH;

/// A wall clock. Tests bring their own.
pub trait WallClock: Send + Sync + Debug {
    /// Microseconds since 1970, 0 for any time before.
    fn now_us(&self) -> u64;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one module that reads the time")]
    fn now_us(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The last microsecond of the year 9999: the milliseconds of an id reach a little further, to 2^48.
pub const WALL_US_MAX: u64 = 253_402_300_799_999_999;

/// A moment of the hybrid logical clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc {
    /// Microseconds since 1970, never behind an earlier event's.
    pub wall_us: u64,
    /// Orders events of one microsecond, or of a wall clock that stands still or went back.
    pub counter: u32,
}

impl Hlc {
    /// The next moment strictly after `self`, given what the wall clock says; beyond the year 9999 it says nonsense, and is not followed.
    #[must_use]
    pub const fn next(self, wall_us: u64) -> Self {
        let wall_us = if wall_us > WALL_US_MAX { WALL_US_MAX } else { wall_us };
        if wall_us > self.wall_us {
            return Self { wall_us, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { wall_us: self.wall_us, counter },
            None => Self { wall_us: self.wall_us.saturating_add(1), counter: 0 },
        }
    }

    /// The clock after a restart: at least one millisecond on, so that no id of this run can repeat one of a lost tail.
    #[must_use]
    pub const fn after_restart(self) -> Self {
        self.next_millisecond()
    }

    /// The first moment of the next millisecond.
    #[must_use]
    pub const fn next_millisecond(self) -> Self {
        Self { wall_us: (self.wall_us / 1000).saturating_add(1).saturating_mul(1000), counter: 0 }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn wall_ms(self) -> u64 {
        self.wall_us / 1000
    }
}

/// Raw wall clock minus HLC wall, as the header keeps it.
#[must_use]
pub fn skew_us(raw_wall_us: u64, hlc: Hlc) -> i64 {
    let difference = i128::from(raw_wall_us) - i128::from(hlc.wall_us);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
