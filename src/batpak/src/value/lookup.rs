//! Finds one value among others whose bytes are known to be canonical, because a hash says so: what it passes over is not checked again.

use std::cmp::Ordering;

use super::calendar::{Date, DateTime, Duration, Time};
use super::decoder::{Decoder, Token};
use super::tag;
use crate::error::Result;
use crate::limits::VALUE_DEPTH_MAX;
use crate::wire::Reader;

/// The value that keys lead to, each in the map that the one before leads to; `None` if there is none.
///
/// [`InvalidEncoding`](crate::error::Error::InvalidEncoding) where what must be passed over ends too early or has an unknown tag, and where the value
/// that was found is not canonical.
///
/// ```
/// use batpak_core::value::{Token, at};
///
/// // {"a": {"b": 3}}
/// let bytes = [0x09, 0x01, 0x01, b'a', 0x09, 0x01, 0x01, b'b', 0x03, 0x06];
/// assert_eq!(at(&bytes, &["a".to_owned(), "b".to_owned()])?, Some(Token::Int(3)));
/// assert_eq!(at(&bytes, &["b".to_owned()])?, None);
/// # Ok::<(), batpak_core::error::Error>(())
/// ```
pub fn at<'a>(bytes: &'a [u8], path: &[String]) -> Result<Option<Token<'a>>> {
    let mut reader = Reader::new(bytes, "value");
    'path: for wanted in path {
        if reader.byte()? != tag::MAP {
            return Ok(None);
        }
        for _ in 0..reader.count(2)? {
            match reader.bytes()?.cmp(wanted.as_bytes()) {
                Ordering::Less => skip(&mut reader, 0)?,
                Ordering::Equal => continue 'path,
                // Keys ascend.
                Ordering::Greater => return Ok(None),
            }
        }
        return Ok(None);
    }
    Decoder::new(reader.rest()).next().map(Some)
}

/// Passes over a value and what it holds.
#[inline]
fn skip(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    match reader.byte()? {
        tag::NULL | tag::FALSE | tag::TRUE => {}
        tag::INT => drop(reader.varint()?),
        tag::BIG_INT => {
            reader.byte()?;
            reader.bytes()?;
        }
        tag::FLOAT => drop(reader.take(8)?),
        tag::TEXT | tag::BYTES => drop(reader.bytes()?),
        holder @ (tag::LIST | tag::MAP) => skip_all(reader, holder == tag::MAP, depth)?,
        tag::DATETIME => drop(DateTime::read(reader)?),
        tag::DATE => drop(Date::read(reader)?),
        tag::TIME => drop(Time::read(reader)?),
        tag::DURATION => drop(Duration::read(reader)?),
        tag::DECIMAL => {
            reader.byte()?;
            reader.varint()?;
            reader.bytes()?;
        }
        tag::UUID => drop(reader.take(16)?),
        _ => return Err(reader.error("an unknown tag")),
    }
    Ok(())
}

fn skip_all(reader: &mut Reader<'_>, is_map: bool, depth: usize) -> Result<()> {
    if depth == VALUE_DEPTH_MAX {
        return Err(reader.error("lists and maps nested too deeply"));
    }
    for _ in 0..reader.count(1)? {
        if is_map {
            reader.bytes()?;
        }
        skip(reader, depth + 1)?;
    }
    Ok(())
}
