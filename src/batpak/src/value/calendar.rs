//! Dates, times and durations: types that cannot be invalid, with their bytes written and read side by side.

use crate::error::Result;
use crate::wire::{Reader, put_varint, put_zigzag};

const OFFSET_US_END: i64 = 24 * 60 * 60 * 1_000_000;
const MICROSECONDS_END: u32 = 1_000_000;
const SECONDS_OF_DAY_END: u32 = 24 * 60 * 60;
const DURATION_DAYS_MAX: i32 = 999_999_999;

/// A day of the proleptic Gregorian calendar, in the years 1..9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A time of day without a zone, to the microsecond. There are no leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
}

/// A local date and time with its offset from UTC. Two spellings of one instant are two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    time: Time,
    offset_us: i64,
}

/// A length of time; only the days have a sign, as in Python's `timedelta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    days: i32,
    seconds: u32,
    microseconds: u32,
}

const fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

impl Date {
    /// The date with this year (1..9999), month (1..12) and day (from 1), or nothing if the calendar has no such day.
    #[must_use]
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        // The month is judged by its days: one that does not exist has none.
        if year < 1 || year > 9999 || day < 1 || day > days_of_month(year, month) {
            return None;
        }
        Some(Self { year, month, day })
    }

    /// 1..9999.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// 1..12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// 1..31.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.year));
        out.extend_from_slice(&[self.month, self.day]);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (year, month, day) = (reader.varint()?, reader.byte()?, reader.byte()?);
        let date = u16::try_from(year).ok().and_then(|year| Self::new(year, month, day));
        date.ok_or_else(|| reader.error("a date that does not exist"))
    }
}

impl Time {
    /// The time with this hour (0..23), minute and second (0..59) and microsecond (0..999999), or nothing if one of
    /// them is out of its range.
    #[must_use]
    pub const fn new(hour: u8, minute: u8, second: u8, microsecond: u32) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 59 || microsecond >= MICROSECONDS_END {
            return None;
        }
        Some(Self { hour, minute, second, microsecond })
    }

    /// 0..23.
    #[must_use]
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// 0..59.
    #[must_use]
    pub const fn minute(self) -> u8 {
        self.minute
    }

    /// 0..59.
    #[must_use]
    pub const fn second(self) -> u8 {
        self.second
    }

    /// 0..999999.
    #[must_use]
    pub const fn microsecond(self) -> u32 {
        self.microsecond
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.hour, self.minute, self.second]);
        put_varint(out, u64::from(self.microsecond));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let ([hour, minute, second], microsecond) = (reader.array()?, reader.varint()?);
        let time = u32::try_from(microsecond).ok().and_then(|us| Self::new(hour, minute, second, us));
        time.ok_or_else(|| reader.error("a time that does not exist"))
    }
}

impl DateTime {
    /// This local date and time, `offset_us` microseconds ahead of UTC, or nothing if the offset is not strictly
    /// between -24 and 24 hours.
    #[must_use]
    pub const fn new(date: Date, time: Time, offset_us: i64) -> Option<Self> {
        if offset_us <= -OFFSET_US_END || offset_us >= OFFSET_US_END {
            return None;
        }
        Some(Self { date, time, offset_us })
    }

    /// The local date.
    #[must_use]
    pub const fn date(self) -> Date {
        self.date
    }

    /// The local time.
    #[must_use]
    pub const fn time(self) -> Time {
        self.time
    }

    /// Microseconds that the local time is ahead of UTC.
    #[must_use]
    pub const fn offset_us(self) -> i64 {
        self.offset_us
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        self.date.put(out);
        self.time.put(out);
        put_zigzag(out, self.offset_us);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (date, time, offset_us) = (Date::read(reader)?, Time::read(reader)?, reader.zigzag()?);
        Self::new(date, time, offset_us).ok_or_else(|| reader.error("an offset from UTC of 24 hours or more"))
    }
}

impl Duration {
    /// The sum of these days (-999999999..999999999), seconds (0..86399) and microseconds (0..999999), or nothing if one
    /// of them is out of its range. One microsecond less than nothing is -1 days, 86399 seconds, 999999 microseconds.
    #[must_use]
    pub const fn new(days: i32, seconds: u32, microseconds: u32) -> Option<Self> {
        if days < -DURATION_DAYS_MAX || days > DURATION_DAYS_MAX {
            return None;
        }
        if seconds >= SECONDS_OF_DAY_END || microseconds >= MICROSECONDS_END {
            return None;
        }
        Some(Self { days, seconds, microseconds })
    }

    /// -999999999..999999999.
    #[must_use]
    pub const fn days(self) -> i32 {
        self.days
    }

    /// 0..86399.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// 0..999999.
    #[must_use]
    pub const fn microseconds(self) -> u32 {
        self.microseconds
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_zigzag(out, i64::from(self.days));
        put_varint(out, u64::from(self.seconds));
        put_varint(out, u64::from(self.microseconds));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (days, seconds, microseconds) = (reader.zigzag()?, reader.varint()?, reader.varint()?);
        let duration = match (i32::try_from(days), u32::try_from(seconds), u32::try_from(microseconds)) {
            (Ok(days), Ok(seconds), Ok(microseconds)) => Self::new(days, seconds, microseconds),
            _ => None,
        };
        duration.ok_or_else(|| reader.error("a duration out of range"))
    }
}
