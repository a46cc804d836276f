//! The primitives under it, and what postcard makes of the same structures.

use std::collections::BTreeMap;

use batpak_core::hash::hex;
use batpak_core::value::{Date, Time, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::value::{any_value, encode, unhex};
use batpak_core::wire::{Reader, put_bytes, put_option_id, put_varint, put_zigzag};
use serde::Serialize;

fn put<T>(put: impl Fn(&mut Vec<u8>, T), value: T) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, value);
    out
}

/// The value of the format as postcard would have it: an enum whose variants stand in the order of the tags.
#[derive(Serialize)]
enum Mirror {
    Null,
    False,
    True,
    Int(i64),
    BigInt(bool, Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Mirror>),
    Map(BTreeMap<String, Mirror>),
    DateTime((u16, u8, u8), (u8, u8, u8, u32), i64),
    Date(u16, u8, u8),
    Time(u8, u8, u8, u32),
    Duration(i32, u32, u32),
    Decimal(bool, i64, Vec<u8>),
    Uuid([u8; 16]),
}

fn mirror(value: Value) -> Mirror {
    let date = |date: Date| (date.year(), date.month(), date.day());
    let time = |time: Time| (time.hour(), time.minute(), time.second(), time.microsecond());
    match value {
        Value::Null => Mirror::Null,
        Value::Bool(false) => Mirror::False,
        Value::Bool(true) => Mirror::True,
        Value::Int(value) => Mirror::Int(value),
        Value::BigInt { negative, magnitude } => Mirror::BigInt(negative, magnitude),
        Value::Float(value) => Mirror::Float(value),
        Value::Text(value) => Mirror::Text(value),
        Value::Bytes(value) => Mirror::Bytes(value),
        Value::List(values) => Mirror::List(values.into_iter().map(mirror).collect()),
        Value::Map(pairs) => Mirror::Map(pairs.into_iter().map(|(key, value)| (key, mirror(value))).collect()),
        Value::DateTime(value) => Mirror::DateTime(date(value.date()), time(value.time()), value.offset_us()),
        Value::Date(value) => Mirror::Date(value.year(), value.month(), value.day()),
        Value::Time(value) => Mirror::Time(value.hour(), value.minute(), value.second(), value.microsecond()),
        Value::Duration(value) => Mirror::Duration(value.days(), value.seconds(), value.microseconds()),
        Value::Decimal { negative, exponent, magnitude } => Mirror::Decimal(negative, exponent, magnitude),
        Value::Uuid(value) => Mirror::Uuid(value),
    }
}

proptest! {
    #[test]
    fn postcard_writes_the_same_primitives(
        number in any::<u64>(), shift in 0..64_u32, text in any::<String>(), bytes in vec(any::<u8>(), 0..300), id in any::<Option<[u8; 16]>>(),
    ) {
        let number = number >> shift;
        prop_assert_eq!(put(put_varint, number), postcard::to_allocvec(&number).unwrap());
        prop_assert_eq!(put(put_zigzag, number.cast_signed()), postcard::to_allocvec(&number.cast_signed()).unwrap());
        prop_assert_eq!(put(put_bytes, text.as_bytes()), postcard::to_allocvec(&text).unwrap());
        prop_assert_eq!(put(put_bytes, bytes.as_slice()), postcard::to_allocvec(&bytes).unwrap());
        prop_assert_eq!(put(put_option_id, id.as_ref()), postcard::to_allocvec(&id).unwrap());
    }

    #[test]
    fn postcard_writes_the_same_values(value in any_value()) {
        prop_assert_eq!(encode(&value), postcard::to_allocvec(&mirror(value)).unwrap());
    }

    #[test]
    fn the_reader_inverts_the_writer(number in any::<u64>(), shift in 0..64_u32, text in any::<String>(), id in any::<Option<[u8; 16]>>()) {
        let number = number >> shift;
        let mut out = Vec::new();
        put_varint(&mut out, number);
        put_zigzag(&mut out, number.cast_signed());
        put_bytes(&mut out, text.as_bytes());
        put_option_id(&mut out, id.as_ref());
        let mut reader = Reader::new(&out, "test");
        prop_assert_eq!(reader.varint().unwrap(), number);
        prop_assert_eq!(reader.zigzag().unwrap(), number.cast_signed());
        prop_assert_eq!(reader.text().unwrap(), text);
        prop_assert_eq!(reader.option_id().unwrap(), id);
        prop_assert!(reader.finish().is_ok() && reader.byte().is_err());
    }
}

#[test]
fn varints_are_minimal_and_fit_64_bits() {
    for (bytes, number) in [
        ("00", 0),
        ("7f", 127),
        ("8001", 128),
        ("ff7f", 16_383),
        ("808001", 16_384),
        ("ffffffffffffffffff01", u64::MAX),
    ] {
        assert_eq!(hex(&put(put_varint, number)), bytes);
        assert_eq!(Reader::new(&unhex(bytes), "test").varint(), Ok(number));
    }
    for bytes in [
        "",
        "80",
        "8000",
        "ff00",
        "80808000",
        "ffffffffffffffffff02",
        "ffffffffffffffffff7f",
        "80808080808080808000",
        "8080808080808080808001",
        "ffffffffffffffffffff01",
    ] {
        assert!(Reader::new(&unhex(bytes), "test").varint().is_err(), "{bytes}");
    }
}

#[test]
fn postcard_reads_what_this_refuses() {
    let (overlong, trailing) = ([0x80, 0x00], [0x05, 0xff]);
    assert_eq!(postcard::from_bytes::<u64>(&overlong), Ok(0));
    assert!(Reader::new(&overlong, "test").varint().is_err());
    assert_eq!(postcard::from_bytes::<u64>(&trailing), Ok(5));
    let mut reader = Reader::new(&trailing, "test");
    assert!(reader.varint() == Ok(5) && reader.finish().is_err());
}

#[test]
fn the_reader_refuses_and_says_where() {
    let refusal = |bytes: &[u8], read: fn(&mut Reader<'_>) -> batpak_core::Result<()>| {
        read(&mut Reader::new(bytes, "test")).unwrap_err().to_string()
    };
    assert_eq!(refusal(&[1, 2], |r| r.take(3).map(drop)), "not a canonical test: it ends too early at byte 0");
    assert_eq!(
        refusal(&[1, 2], |r| r.byte().and_then(|_| r.take(usize::MAX)).map(drop)),
        "not a canonical test: a length beyond memory at byte 1"
    );
    assert_eq!(refusal(&[1, 2], |r| r.array::<3>().map(drop)), "not a canonical test: it ends too early at byte 0");
    assert_eq!(
        refusal(&[2], |r| r.option().map(drop)),
        "not a canonical test: an option that is neither 0 nor 1 at byte 1"
    );
    assert_eq!(refusal(&[1, 0], |r| r.option_id().map(drop)), "not a canonical test: it ends too early at byte 1");
    assert_eq!(refusal(&[1, 0xff], |r| r.text().map(drop)), "not a canonical test: text that is not UTF-8 at byte 2");
    assert_eq!(
        refusal(&[3, 0, 0], |r| r.count(1).map(drop)),
        "not a canonical test: a count larger than what follows at byte 1"
    );
    assert_eq!(
        refusal(&[11], |r| r.varint_at_most(10).map(drop)),
        "not a canonical test: a number out of range at byte 1"
    );
    assert_eq!(refusal(&[0], |r| r.finish()), "not a canonical test: bytes left over at the end at byte 0");
}
