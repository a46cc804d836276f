//! The primitives that every canonical structure is made of (FORMAT.md section 1), encode and decode side by side.

use crate::error::{Error, Result};

/// Appends `value` as a minimal varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The mask keeps seven bits, so the cast loses nothing.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends `value` as a zigzag varint.
#[inline]
pub fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends a length and the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends `00`, or `01` and 16 bytes.
pub fn put_option_id(out: &mut Vec<u8>, id: Option<&[u8; 16]>) {
    match id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            out.extend_from_slice(id);
        }
    }
}

/// Reads canonical bytes from front to back and refuses every other spelling.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; `what` names the structure in errors.
    #[must_use]
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, position: 0, what }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The bytes that were read since `position`.
    #[must_use]
    pub fn since(&self, position: usize) -> &'a [u8] {
        self.bytes.get(position..self.position).unwrap_or_default()
    }

    /// The bytes that are left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// The error of this structure at this place.
    #[cold]
    #[must_use]
    pub const fn error(&self, reason: &'static str) -> Error {
        Error::InvalidEncoding { what: self.what, offset: self.position, reason }
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.position.checked_add(count).ok_or_else(|| self.error("a length beyond memory"))?;
        let taken = self.bytes.get(self.position..end).ok_or_else(|| self.error("it ends too early"))?;
        self.position = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|_| self.error("it ends too early"))
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.position).ok_or_else(|| self.error("it ends too early"))?;
        self.position += 1;
        Ok(byte)
    }

    /// A minimal varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                return Err(self.error("a number beyond 64 bits"));
            }
            value |= group << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(self.error("an overlong number")) } else { Ok(value) };
            }
            shift += 7;
        }
    }

    /// A varint that must not exceed `limit`.
    #[inline]
    pub fn varint_at_most(&mut self, limit: u64) -> Result<u64> {
        let value = self.varint()?;
        if value > limit { Err(self.error("a number out of range")) } else { Ok(value) }
    }

    /// A zigzag varint.
    #[inline]
    pub fn zigzag(&mut self) -> Result<i64> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A length that the remaining bytes can hold if each element takes at least `element_bytes_min`.
    #[inline]
    pub fn count(&mut self, element_bytes_min: usize) -> Result<usize> {
        let count = self.varint()?;
        let fits = usize::try_from(count).ok().filter(|n| n.saturating_mul(element_bytes_min) <= self.remaining());
        fits.ok_or_else(|| self.error("a count larger than what follows"))
    }

    /// A length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// A length and that many bytes of UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.error("text that is not UTF-8"))
    }

    /// `00` or `01`.
    #[inline]
    pub fn option(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("an option that is neither 0 nor 1")),
        }
    }

    /// `00`, or `01` and 16 bytes.
    #[inline]
    pub fn option_id(&mut self) -> Result<Option<[u8; 16]>> {
        if self.option()? { Ok(Some(self.array()?)) } else { Ok(None) }
    }

    /// Refuses bytes left over.
    #[inline]
    pub fn finish(&self) -> Result<()> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.error("bytes left over at the end")) }
    }
}
