//! Reads a value front to back, and nothing but its one encoding.

use super::calendar::{Date, DateTime, Duration, Time};
use super::{magnitude, tag};
use crate::error::Result;
use crate::limits::VALUE_DEPTH_MAX;
use crate::wire::Reader;

/// A value, or the beginning of a list or map; text and bytes are borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer outside -2^63 .. 2^63 - 1.
    BigInt {
        /// Whether it is below zero.
        negative: bool,
        /// Its distance from zero, big-endian, without leading zero bytes.
        magnitude: &'a [u8],
    },
    /// A float; the only NaN has the bits `7ff8000000000000`.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// This many values follow.
    List(usize),
    /// This many pairs follow: call [`Decoder::key`] before each value.
    Map(usize),
    /// A local date and time with its offset from UTC.
    DateTime(DateTime),
    /// A date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A duration.
    Duration(Duration),
    /// A decimal: `(-1 if negative) * magnitude * 10^exponent`.
    Decimal {
        /// Its sign, which zero has too.
        negative: bool,
        /// The power of ten.
        exponent: i64,
        /// The coefficient, big-endian, without leading zero bytes.
        magnitude: &'a [u8],
    },
    /// The 16 bytes of a UUID.
    Uuid([u8; 16]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    /// Around the whole: exactly one value.
    Root,
    List,
    Map,
}

/// A container that is being read.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    container: Container,
    /// Whether a key must come before the next value.
    key_due: bool,
    /// Values that have not begun.
    left: usize,
    last_key: Option<&'a str>,
}

/// Hands out the parts of one value in the order of its bytes. The caller drives the recursion, which is at most 128 deep.
///
/// The sum of all counts that it hands out is never more than the number of bytes given to it, so a caller may reserve
/// room for what a [`Token::List`] or [`Token::Map`] announces. After an error nothing more is to be had from it.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    reader: Reader<'a>,
    frame: Frame<'a>,
    /// The containers around `frame`, outermost first, without the root.
    parents: Vec<Frame<'a>>,
    /// Bytes that the values and keys announced so far need at the least.
    owed: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        let frame = Frame { container: Container::Root, key_due: false, left: 1, last_key: None };
        Self { reader: Reader::new(bytes, "value"), frame, parents: Vec::new(), owed: 1 }
    }

    /// The next value, or the beginning of one that holds others. Containers end by themselves with their last value.
    ///
    /// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) with the place for everything that is not
    /// canonical, and where no value or a key is due.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an iterator could neither fail once and for all nor take keys")]
    pub fn next(&mut self) -> Result<Token<'a>> {
        if self.frame.left == 0 || self.frame.key_due {
            return Err(self.reader.error("a value was asked for where none is due"));
        }
        let reader = &mut self.reader;
        let token = match reader.byte()? {
            tag::NULL => Token::Null,
            tag::FALSE => Token::Bool(false),
            tag::TRUE => Token::Bool(true),
            tag::INT => Token::Int(reader.zigzag()?),
            tag::BIG_INT => read_big_int(reader)?,
            tag::FLOAT => read_float(reader)?,
            tag::TEXT => Token::Text(reader.text()?),
            tag::BYTES => Token::Bytes(reader.bytes()?),
            tag::LIST => return self.open(Container::List).map(Token::List),
            tag::MAP => return self.open(Container::Map).map(Token::Map),
            tag::DATETIME => Token::DateTime(DateTime::read(reader)?),
            tag::DATE => Token::Date(Date::read(reader)?),
            tag::TIME => Token::Time(Time::read(reader)?),
            tag::DURATION => Token::Duration(Duration::read(reader)?),
            tag::DECIMAL => read_decimal(reader)?,
            tag::UUID => Token::Uuid(reader.array()?),
            _ => return Err(reader.error("an unknown tag")),
        };
        self.begun();
        self.close_full();
        Ok(token)
    }

    /// The key of the next value of a map.
    ///
    /// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) if it does not ascend, is not UTF-8, or no key is due.
    #[inline]
    pub fn key(&mut self) -> Result<&'a str> {
        if !self.frame.key_due {
            return Err(self.reader.error("a key was asked for where none is due"));
        }
        let key = self.reader.text()?;
        // Text compares by its UTF-8 bytes.
        if self.frame.last_key.is_some_and(|last| last >= key) {
            return Err(self.reader.error("a key that is not after the one before it"));
        }
        self.frame.last_key = Some(key);
        self.frame.key_due = false;
        self.owed -= 1;
        Ok(key)
    }

    /// Makes sure that exactly one value was read, to the last byte.
    ///
    /// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) otherwise.
    #[inline]
    pub fn finish(&self) -> Result<()> {
        if !self.is_complete() {
            return Err(self.reader.error("the value is not complete"));
        }
        self.reader.finish()
    }

    const fn is_complete(&self) -> bool {
        self.frame.left == 0 && self.parents.is_empty()
    }

    /// Reads the count of a list or map and descends into it.
    #[inline]
    fn open(&mut self, container: Container) -> Result<usize> {
        let inside = self.frame.container != Container::Root;
        if self.parents.len() + usize::from(inside) >= VALUE_DEPTH_MAX {
            return Err(self.reader.error("lists and maps nested too deeply"));
        }
        self.begun();
        // Each value takes a byte at the least, and so does each key; what the containers around still owe comes on top.
        let is_map = container == Container::Map;
        let element_bytes_min = if is_map { 2 } else { 1 };
        let count = self.reader.count(element_bytes_min)?;
        let owed = self.owed.saturating_add(count.saturating_mul(element_bytes_min));
        if owed > self.reader.remaining() {
            return Err(self.reader.error("a count larger than what follows"));
        }
        self.owed = owed;
        if inside {
            self.parents.push(self.frame);
        }
        self.frame = Frame { container, key_due: is_map && count > 0, left: count, last_key: None };
        self.close_full();
        Ok(count)
    }

    /// Counts a value in the container that it stands in.
    #[inline]
    fn begun(&mut self) {
        self.frame.left -= 1;
        self.frame.key_due = self.frame.container == Container::Map && self.frame.left > 0;
        self.owed -= 1;
    }

    /// Leaves the containers that have got their last value.
    #[inline]
    fn close_full(&mut self) {
        while self.frame.left == 0 {
            let Some(parent) = self.parents.pop() else { break };
            self.frame = parent;
        }
    }
}

fn read_sign(reader: &mut Reader<'_>) -> Result<bool> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.error("a sign that is neither 0 nor 1")),
    }
}

fn read_big_int<'a>(reader: &mut Reader<'a>) -> Result<Token<'a>> {
    let (negative, magnitude) = (read_sign(reader)?, reader.bytes()?);
    magnitude::check_big_int(negative, magnitude).map_err(|flaw| reader.error(flaw.reason()))?;
    Ok(Token::BigInt { negative, magnitude })
}

#[inline]
fn read_float<'a>(reader: &mut Reader<'a>) -> Result<Token<'a>> {
    let bits = u64::from_le_bytes(reader.array()?);
    let value = f64::from_bits(bits);
    if value.is_nan() && bits != tag::NAN_BITS {
        return Err(reader.error("a NaN other than the one"));
    }
    Ok(Token::Float(value))
}

fn read_decimal<'a>(reader: &mut Reader<'a>) -> Result<Token<'a>> {
    let (negative, exponent, magnitude) = (read_sign(reader)?, reader.zigzag()?, reader.bytes()?);
    magnitude::check_coefficient(magnitude).map_err(|flaw| reader.error(flaw.reason()))?;
    Ok(Token::Decimal { negative, exponent, magnitude })
}

/// Makes sure that `bytes` are exactly one canonical value, without building it.
///
/// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) with the place and the reason otherwise.
///
/// ```
/// use batpak_core::value::validate;
///
/// assert!(validate(&[0x03, 0x54]).is_ok());
/// // The same integer, one byte longer than needed.
/// assert!(validate(&[0x03, 0xd4, 0x00]).is_err());
/// ```
pub fn validate(bytes: &[u8]) -> Result<()> {
    let mut decoder = Decoder::new(bytes);
    while !decoder.is_complete() {
        if decoder.frame.key_due {
            decoder.key()?;
        }
        decoder.next()?;
    }
    decoder.finish()
}
