//! A value as a tree, for those who do not walk objects of their own.

use std::collections::BTreeMap;

use super::calendar::{Date, DateTime, Duration, Time};
use super::decoder::{Decoder, Token};
use super::encoder::Encoder;
use crate::error::Result;

/// A value that owns its parts. Maps are sorted by the UTF-8 bytes of their keys, as in the encoding.
///
/// ```
/// use batpak_core::value::Value;
///
/// let value = Value::map([("to", Value::Text("alice".into())), ("amount", Value::Int(3))]);
/// let mut bytes = Vec::new();
/// value.encode(&mut bytes)?;
/// assert_eq!(Value::decode(&bytes)?.get("amount").and_then(Value::as_int), Some(3));
/// # Ok::<(), batpak_core::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
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
        magnitude: Vec<u8>,
    },
    /// A float. Values compare as floats do: NaN is not itself, and -0.0 is 0.0.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
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
        magnitude: Vec<u8>,
    },
    /// The 16 bytes of a UUID.
    Uuid([u8; 16]),
}

impl Value {
    /// A map of these pairs, in any order; of pairs with one key the last counts.
    #[must_use]
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The value of `key`, if this is a map and has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        if let Self::Map(pairs) = self { pairs.get(key) } else { None }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The integer, if this is one of 64 bits.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The bytes, if this is bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// Appends the encoding to `out`, NaN and infinities included; after an error `out` is as it was.
    ///
    /// [`LimitExceeded`](crate::error::Error::LimitExceeded) beyond a depth of 128, a magnitude of 8192 bytes or the size of
    /// a payload; [`InvalidValue`](crate::error::Error::InvalidValue) for magnitudes that the variants above exclude.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let mut encoder = Encoder::new(out, true);
        let written = self.write(&mut encoder).and_then(|()| encoder.finish());
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Reads the value that `bytes` are.
    ///
    /// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) unless they are exactly one canonical value.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new(bytes);
        let value = Self::read(&mut decoder)?;
        decoder.finish()?;
        Ok(value)
    }

    /// The encoder checks the depth before each descent, so this recursion is bounded by the format.
    fn write(&self, encoder: &mut Encoder<'_>) -> Result<()> {
        match self {
            Self::Null => encoder.null(),
            Self::Bool(value) => encoder.bool(*value),
            Self::Int(value) => encoder.int(*value),
            Self::BigInt { negative, magnitude } => encoder.big_int(*negative, magnitude)?,
            Self::Float(value) => encoder.float(*value)?,
            Self::Text(value) => encoder.text(value)?,
            Self::Bytes(value) => encoder.bytes(value)?,
            Self::List(values) => {
                encoder.begin_list(values.len())?;
                values.iter().try_for_each(|value| value.write(encoder))?;
                encoder.end_list()?;
            }
            Self::Map(pairs) => {
                encoder.begin_map(pairs.len())?;
                for (key, value) in pairs {
                    encoder.key(key)?;
                    value.write(encoder)?;
                }
                encoder.end_map()?;
            }
            Self::DateTime(value) => encoder.datetime(*value),
            Self::Date(value) => encoder.date(*value),
            Self::Time(value) => encoder.time(*value),
            Self::Duration(value) => encoder.duration(*value),
            Self::Decimal { negative, exponent, magnitude } => encoder.decimal(*negative, *exponent, magnitude)?,
            Self::Uuid(value) => encoder.uuid(value),
        }
        Ok(())
    }

    /// The decoder checks the depth before each descent, and its counts are safe to reserve.
    fn read(decoder: &mut Decoder<'_>) -> Result<Self> {
        Ok(match decoder.next()? {
            Token::Null => Self::Null,
            Token::Bool(value) => Self::Bool(value),
            Token::Int(value) => Self::Int(value),
            Token::BigInt { negative, magnitude } => Self::BigInt { negative, magnitude: magnitude.to_vec() },
            Token::Float(value) => Self::Float(value),
            Token::Text(value) => Self::Text(value.to_owned()),
            Token::Bytes(value) => Self::Bytes(value.to_vec()),
            Token::List(count) => {
                let mut values = Vec::with_capacity(count);
                for _ in 0..count {
                    values.push(Self::read(decoder)?);
                }
                Self::List(values)
            }
            Token::Map(count) => {
                let mut pairs = BTreeMap::new();
                for _ in 0..count {
                    let key = decoder.key()?.to_owned();
                    pairs.insert(key, Self::read(decoder)?);
                }
                Self::Map(pairs)
            }
            Token::DateTime(value) => Self::DateTime(value),
            Token::Date(value) => Self::Date(value),
            Token::Time(value) => Self::Time(value),
            Token::Duration(value) => Self::Duration(value),
            Token::Decimal { negative, exponent, magnitude } => {
                Self::Decimal { negative, exponent, magnitude: magnitude.to_vec() }
            }
            Token::Uuid(value) => Self::Uuid(value),
        })
    }
}
