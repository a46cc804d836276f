//! The first byte of every value (FORMAT.md section 2).

pub const NULL: u8 = 0x00;
pub const FALSE: u8 = 0x01;
pub const TRUE: u8 = 0x02;
pub const INT: u8 = 0x03;
pub const BIG_INT: u8 = 0x04;
pub const FLOAT: u8 = 0x05;
pub const TEXT: u8 = 0x06;
pub const BYTES: u8 = 0x07;
pub const LIST: u8 = 0x08;
pub const MAP: u8 = 0x09;
pub const DATETIME: u8 = 0x0a;
pub const DATE: u8 = 0x0b;
pub const TIME: u8 = 0x0c;
pub const DURATION: u8 = 0x0d;
pub const DECIMAL: u8 = 0x0e;
pub const UUID: u8 = 0x0f;

/// The bits of the only NaN.
pub const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;
