//! `UUIDv7` (RFC 9562 section 5.7) that ascend strictly with commit order.

use crate::clock::Hlc;

/// Bits of the tail: what follows the milliseconds, without version and variant.
const TAIL_BITS: u32 = 74;
const TAIL_MASK: u128 = (1 << TAIL_BITS) - 1;

/// An event id as its 16 bytes.
pub type EventId = [u8; 16];

/// Milliseconds and 74-bit tail of an id; `None` if version or variant are not those of `UUIDv7`.
#[must_use]
pub fn parts(id: &EventId) -> Option<(u64, u128)> {
    let bits = u128::from_be_bytes(*id);
    if (bits >> 76) & 0xF != 7 || (bits >> 62) & 0b11 != 0b10 {
        return None;
    }
    // 48 bits fit.
    let milliseconds = (bits >> 80) as u64;
    let high = (bits >> 64) & 0xFFF;
    Some((milliseconds, high << 62 | (bits & ((1 << 62) - 1))))
}

fn assemble(milliseconds: u64, tail: u128) -> EventId {
    let (high, low) = (tail >> 62, tail & ((1 << 62) - 1));
    (u128::from(milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low).to_be_bytes()
}

/// The id after `last` at `hlc`, from 16 random bytes; `None` if the tail ran over, and the clock must move on.
#[must_use]
pub fn next(last: Option<&EventId>, hlc: Hlc, random: [u8; 16]) -> Option<EventId> {
    let random = u128::from_be_bytes(random);
    let milliseconds = hlc.wall_ms();
    let tail = match last.and_then(parts) {
        Some((last_milliseconds, last_tail)) if last_milliseconds >= milliseconds => {
            // 1..=2^32, so the next id cannot be guessed from the last.
            let step = (random & 0xFFFF_FFFF) + 1;
            Some(last_tail + step).filter(|tail| *tail <= TAIL_MASK)?
        }
        _ => random & TAIL_MASK,
    };
    Some(assemble(milliseconds, tail))
}
