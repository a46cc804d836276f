//! Big-endian magnitudes of integers and coefficients: pure rules, asked before writing and after reading.

use crate::limits::MAGNITUDE_BYTES_MAX;

/// Why a magnitude has no canonical encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    TooLong,
    LeadingZero,
    FitsInt,
}

impl Flaw {
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "a magnitude that is too long",
            Self::LeadingZero => "a magnitude with a leading zero byte",
            Self::FitsInt => "a big integer that fits in 64 bits",
        }
    }
}

/// The coefficient of a decimal: zero is the empty string.
#[inline]
pub fn check_coefficient(magnitude: &[u8]) -> Result<(), Flaw> {
    if magnitude.len() > MAGNITUDE_BYTES_MAX {
        return Err(Flaw::TooLong);
    }
    if magnitude.first() == Some(&0) { Err(Flaw::LeadingZero) } else { Ok(()) }
}

/// The magnitude of an integer outside -2^63 .. 2^63 - 1.
#[inline]
pub fn check_big_int(negative: bool, magnitude: &[u8]) -> Result<(), Flaw> {
    /// 2^63: the largest magnitude of a negative 64-bit integer, one more than that of a positive one.
    const EDGE: &[u8] = &[0x80, 0, 0, 0, 0, 0, 0, 0];
    check_coefficient(magnitude)?;
    // Without leading zeros a longer magnitude is larger, and those of equal length compare as bytes.
    let fits_int = match magnitude.len() {
        0..8 => true,
        8 => magnitude < EDGE || (negative && magnitude == EDGE),
        _ => false,
    };
    if fits_int { Err(Flaw::FitsInt) } else { Ok(()) }
}
