//! Writes the one encoding of a value while somebody walks it.

use std::fmt::Write as _;
use std::ops::Range;

use super::calendar::{Date, DateTime, Duration, Time};
use super::{magnitude, tag};
use crate::error::{Error, Result};
use crate::limits::{MAGNITUDE_BYTES_MAX, PAYLOAD_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::wire::{put_bytes, put_varint, put_zigzag};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    /// Around the whole: exactly one value.
    Root,
    List,
    Map,
}

/// A container that is being written.
#[derive(Clone, Debug)]
struct Frame {
    container: Container,
    /// The count that was written in front of it.
    announced: usize,
    /// Values completed in it.
    values: usize,
    /// Keys written in it: one more than values while a value is awaited.
    keys: usize,
    /// Where its latest key stands in the output.
    key: Range<usize>,
}

impl Frame {
    const fn new(container: Container, announced: usize) -> Self {
        Self { container, announced, values: 0, keys: 0, key: 0..0 }
    }
}

/// Writes exactly one value to the end of a buffer. A walker calls one method for each scalar, and
/// `begin_list` ... `end_list` or `begin_map`, `key`, a value, `key`, a value ... `end_map` around others.
///
/// Scalars allocate nothing of their own; containers inside containers share one small stack. After an error, and without
/// a successful [`finish`](Encoder::finish), what was appended is not a value: the caller cuts the buffer back.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    allow_nonfinite: bool,
    name: &'static str,
    frame: Frame,
    /// The containers around `frame`, outermost first. The root is not among them, so a flat map needs no stack.
    parents: Vec<Frame>,
}

impl<'a> Encoder<'a> {
    /// An encoder that appends to `out`. NaN and infinities are refused unless `allow_nonfinite`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>, allow_nonfinite: bool) -> Self {
        let start = out.len();
        Self {
            out,
            start,
            allow_nonfinite,
            name: "payload",
            frame: Frame::new(Container::Root, 1),
            parents: Vec::new(),
        }
    }

    /// The same, with another name than `payload` for the whole value in errors.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Writes null.
    #[inline]
    pub fn null(&mut self) {
        self.scalar(tag::NULL);
    }

    /// Writes a boolean.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.scalar(if value { tag::TRUE } else { tag::FALSE });
    }

    /// Writes an integer of 64 bits.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.scalar(tag::INT);
        put_zigzag(self.out, value);
    }

    /// Writes an integer outside -2^63 .. 2^63 - 1 by its sign and its big-endian magnitude.
    ///
    /// [`Error::LimitExceeded`] beyond 8192 bytes; [`Error::InvalidValue`] if [`int`](Self::int) can hold it, or if the
    /// magnitude begins with a zero byte.
    pub fn big_int(&mut self, negative: bool, magnitude_be: &[u8]) -> Result<()> {
        magnitude::check_big_int(negative, magnitude_be).map_err(|flaw| self.refuse_magnitude(flaw, magnitude_be))?;
        self.scalar(tag::BIG_INT);
        self.out.push(u8::from(negative));
        put_bytes(self.out, magnitude_be);
        Ok(())
    }

    /// Writes a float; every NaN becomes the one NaN of the format, and -0.0 stays.
    ///
    /// [`Error::InvalidValue`] for NaN and infinities unless they were allowed.
    #[inline]
    pub fn float(&mut self, value: f64) -> Result<()> {
        if !value.is_finite() && !self.allow_nonfinite {
            return Err(
                self.refuse("NaN and infinities are refused; open the store with allow_nonfinite=True to keep them")
            );
        }
        let bits = if value.is_nan() { tag::NAN_BITS } else { value.to_bits() };
        self.scalar(tag::FLOAT);
        self.out.extend_from_slice(&bits.to_le_bytes());
        Ok(())
    }

    /// Writes text. [`Error::LimitExceeded`] if the whole grows beyond a payload.
    #[inline]
    pub fn text(&mut self, value: &str) -> Result<()> {
        self.check_room(value.len())?;
        self.scalar(tag::TEXT);
        put_bytes(self.out, value.as_bytes());
        Ok(())
    }

    /// Writes bytes. [`Error::LimitExceeded`] if the whole grows beyond a payload.
    #[inline]
    pub fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.check_room(value.len())?;
        self.scalar(tag::BYTES);
        put_bytes(self.out, value);
        Ok(())
    }

    /// Writes a date and time with its offset.
    #[inline]
    pub fn datetime(&mut self, value: DateTime) {
        self.scalar(tag::DATETIME);
        value.put(self.out);
    }

    /// Writes a date.
    #[inline]
    pub fn date(&mut self, value: Date) {
        self.scalar(tag::DATE);
        value.put(self.out);
    }

    /// Writes a time of day.
    #[inline]
    pub fn time(&mut self, value: Time) {
        self.scalar(tag::TIME);
        value.put(self.out);
    }

    /// Writes a duration.
    #[inline]
    pub fn duration(&mut self, value: Duration) {
        self.scalar(tag::DURATION);
        value.put(self.out);
    }

    /// Writes the decimal `(-1 if negative) * magnitude * 10^exponent`, exactly as it is spelled: nothing is normalised.
    /// The magnitude of zero is the empty string.
    ///
    /// [`Error::LimitExceeded`] beyond 8192 bytes; [`Error::InvalidValue`] if the magnitude begins with a zero byte.
    pub fn decimal(&mut self, negative: bool, exponent: i64, magnitude_be: &[u8]) -> Result<()> {
        magnitude::check_coefficient(magnitude_be).map_err(|flaw| self.refuse_magnitude(flaw, magnitude_be))?;
        self.scalar(tag::DECIMAL);
        self.out.push(u8::from(negative));
        put_zigzag(self.out, exponent);
        put_bytes(self.out, magnitude_be);
        Ok(())
    }

    /// Writes the 16 bytes of a UUID.
    #[inline]
    pub fn uuid(&mut self, value: &[u8; 16]) {
        self.scalar(tag::UUID);
        self.out.extend_from_slice(value);
    }

    /// Begins a list of `len` values. [`Error::LimitExceeded`] if it is the 129th container inside another, or if
    /// so many values cannot fit a payload: call it before descending, and no walk goes deeper than the format.
    #[inline]
    pub fn begin_list(&mut self, len: usize) -> Result<()> {
        self.begin(Container::List, tag::LIST, len, len)
    }

    /// Ends the list. [`Error::InvalidValue`] if it did not get exactly the values that were announced.
    #[inline]
    pub fn end_list(&mut self) -> Result<()> {
        self.end(Container::List)
    }

    /// Begins a map of `len` pairs. Errors as for [`begin_list`](Self::begin_list).
    #[inline]
    pub fn begin_map(&mut self, len: usize) -> Result<()> {
        self.begin(Container::Map, tag::MAP, len, len.saturating_mul(2))
    }

    /// Writes the key of the value that comes next. Keys ascend strictly by their UTF-8 bytes.
    ///
    /// [`Error::InvalidValue`] for a key that is not after the one before it, or before the value of that is written;
    /// [`Error::LimitExceeded`] if the whole grows beyond a payload.
    #[inline]
    pub fn key(&mut self, key: &str) -> Result<()> {
        self.check_room(key.len())?;
        if self.frame.container != Container::Map || self.frame.keys != self.frame.values {
            return Err(self.refuse("a key was given where a value is due"));
        }
        if self.frame.keys > 0 && self.out.get(self.frame.key.clone()).is_none_or(|last| last >= key.as_bytes()) {
            return Err(self.refuse_key(key));
        }
        put_bytes(self.out, key.as_bytes());
        self.frame.key = self.out.len() - key.len()..self.out.len();
        self.frame.keys += 1;
        Ok(())
    }

    /// Ends the map. [`Error::InvalidValue`] if it did not get exactly the pairs that were announced.
    #[inline]
    pub fn end_map(&mut self) -> Result<()> {
        self.end(Container::Map)
    }

    /// Ends the whole. [`Error::InvalidValue`] if it is not exactly one complete value; [`Error::LimitExceeded`] if it is
    /// larger than a payload.
    #[inline]
    pub fn finish(self) -> Result<()> {
        self.check_room(0)?;
        if self.frame.container != Container::Root || self.frame.values != 1 {
            return Err(self.refuse("not exactly one complete value"));
        }
        Ok(())
    }

    /// Where the walk stands, as in `payload.items[3]`: the value that is due, or the map whose key is due.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = self.name.to_owned();
        for frame in self.parents.iter().chain([&self.frame]) {
            // Writing to a string cannot fail.
            let _ = match frame.container {
                Container::List => write!(path, "[{}]", frame.values),
                Container::Map if frame.keys > frame.values => {
                    let key = String::from_utf8_lossy(self.out.get(frame.key.clone()).unwrap_or_default());
                    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
                    if plain { write!(path, ".{key}") } else { write!(path, "[{key:?}]") }
                }
                Container::Root | Container::Map => Ok(()),
            };
        }
        path
    }

    /// The refusal of the value that is due, for walkers with refusals of their own.
    #[cold]
    #[must_use]
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::InvalidValue { path: self.path(), reason: reason.into() }
    }

    #[inline]
    fn scalar(&mut self, tag: u8) {
        self.out.push(tag);
        self.frame.values += 1;
    }

    #[inline]
    fn begin(&mut self, container: Container, tag: u8, announced: usize, bytes_min: usize) -> Result<()> {
        let inside = self.frame.container != Container::Root;
        let depth = self.parents.len() + usize::from(inside) + 1;
        if depth > VALUE_DEPTH_MAX {
            return Err(exceeded("the nesting of a value", depth, VALUE_DEPTH_MAX));
        }
        if !inside && self.frame.values > 0 {
            return Err(self.refuse("not exactly one complete value"));
        }
        self.check_room(bytes_min)?;
        self.out.push(tag);
        put_varint(self.out, announced as u64);
        let parent = std::mem::replace(&mut self.frame, Frame::new(container, announced));
        if inside {
            self.parents.push(parent);
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, container: Container) -> Result<()> {
        let Frame { announced, values, keys, .. } = self.frame;
        let keys_expected = if container == Container::Map { announced } else { 0 };
        if self.frame.container != container || values != announced || keys != keys_expected {
            return Err(
                self.refuse("a list or map holds more or fewer values than it announced; did it change meanwhile?")
            );
        }
        // Below the outermost container lies only the root.
        self.frame = self.parents.pop().unwrap_or(const { Frame::new(Container::Root, 1) });
        self.frame.values += 1;
        Ok(())
    }

    /// Refuses early what cannot become a payload: a value that holds itself many times over has no other bound.
    #[inline]
    fn check_room(&self, more: usize) -> Result<()> {
        let bytes = (self.out.len() - self.start).saturating_add(more);
        if bytes > PAYLOAD_BYTES_MAX { Err(exceeded(self.name, bytes, PAYLOAD_BYTES_MAX)) } else { Ok(()) }
    }

    #[cold]
    fn refuse_magnitude(&self, flaw: magnitude::Flaw, magnitude: &[u8]) -> Error {
        if flaw == magnitude::Flaw::TooLong {
            return exceeded("the magnitude of a number, in bytes,", magnitude.len(), MAGNITUDE_BYTES_MAX);
        }
        self.refuse(flaw.reason())
    }

    #[cold]
    fn refuse_key(&self, key: &str) -> Error {
        let duplicate = self.out.get(self.frame.key.clone()) == Some(key.as_bytes());
        let flaw = if duplicate { "is there twice" } else { "is not in order; sort keys by their UTF-8 bytes" };
        self.refuse(format!("the key {key:?} {flaw}"))
    }
}

#[cold]
const fn exceeded(what: &'static str, actual: usize, limit: usize) -> Error {
    Error::LimitExceeded { what, actual: actual as u64, limit: limit as u64 }
}
