//! Coefficients of decimals between digits and big-endian bytes. Python's own conversion stops at 4,300 digits.

use batpak_core::limits::MAGNITUDE_BYTES_MAX;

/// More digits than `MAGNITUDE_BYTES_MAX` bytes can hold.
const DIGITS_MAX: usize = MAGNITUDE_BYTES_MAX * 5 / 2;

/// Big-endian bytes without leading zeros of a number given by its digits; `None` if there are far too many.
pub fn magnitude(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.len() > DIGITS_MAX {
        return None;
    }
    // Least significant word first.
    let mut words: Vec<u32> = Vec::new();
    for digit in digits {
        let mut carry = u64::from(*digit);
        for word in &mut words {
            let wide = u64::from(*word) * 10 + carry;
            *word = (wide & 0xFFFF_FFFF) as u32;
            carry = wide >> 32;
        }
        if carry > 0 {
            words.push((carry & 0xFFFF_FFFF) as u32);
        }
    }
    let bytes: Vec<u8> = words.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    Some(bytes.iter().copied().skip_while(|byte| *byte == 0).collect())
}

/// The digits of a number given by its big-endian bytes; "0" for none.
pub fn digits(magnitude: &[u8]) -> String {
    const BILLION: u64 = 1_000_000_000;
    // Least significant group of nine digits first.
    let mut groups: Vec<u32> = Vec::new();
    for byte in magnitude {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let wide = u64::from(*group) * 256 + carry;
            *group = (wide % BILLION) as u32;
            carry = wide / BILLION;
        }
        if carry > 0 {
            groups.push((carry % BILLION) as u32);
        }
    }
    let mut groups = groups.iter().rev();
    let first = groups.next().map_or_else(|| "0".to_owned(), u32::to_string);
    groups.fold(first, |text, group| format!("{text}{group:09}"))
}
