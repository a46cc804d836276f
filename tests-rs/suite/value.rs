//! Values: one encoding each, everything else refused, every limit at its edge.

use batpak_core::error::{Error, Result};
use batpak_core::hash::hex;
use batpak_core::limits::{MAGNITUDE_BYTES_MAX, PAYLOAD_BYTES_MAX, VALUE_DEPTH_MAX};
use batpak_core::value::{Date, DateTime, Decoder, Duration, Encoder, Time, Token, Value, validate};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const DAY_US: i64 = 86_400_000_000;

pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    bytes
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// Everything that can be asked of bytes must agree: the tree, the validator, and a copy through decoder and encoder.
pub(super) fn decode(bytes: &[u8]) -> Result<Value> {
    let decoded = Value::decode(bytes);
    assert_eq!(validate(bytes), decoded.clone().map(|_| ()), "validate and decode disagree on {}", hex(bytes));
    if decoded.is_ok() {
        assert_eq!(transcode(bytes).unwrap(), bytes, "a copy differs");
    }
    decoded
}

fn transcode(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let (mut decoder, mut encoder) = (Decoder::new(bytes), Encoder::new(&mut out, true));
    copy(&mut decoder, &mut encoder)?;
    decoder.finish()?;
    encoder.finish()?;
    Ok(out)
}

fn copy(decoder: &mut Decoder<'_>, encoder: &mut Encoder<'_>) -> Result<()> {
    match decoder.next()? {
        Token::Null => encoder.null(),
        Token::Bool(value) => encoder.bool(value),
        Token::Int(value) => encoder.int(value),
        Token::BigInt { negative, magnitude } => encoder.big_int(negative, magnitude)?,
        Token::Float(value) => encoder.float(value)?,
        Token::Text(value) => encoder.text(value)?,
        Token::Bytes(value) => encoder.bytes(value)?,
        Token::List(count) => {
            encoder.begin_list(count)?;
            (0..count).try_for_each(|_| copy(decoder, encoder))?;
            encoder.end_list()?;
        }
        Token::Map(count) => {
            encoder.begin_map(count)?;
            for _ in 0..count {
                encoder.key(decoder.key()?)?;
                copy(decoder, encoder)?;
            }
            encoder.end_map()?;
        }
        Token::DateTime(value) => encoder.datetime(value),
        Token::Date(value) => encoder.date(value),
        Token::Time(value) => encoder.time(value),
        Token::Duration(value) => encoder.duration(value),
        Token::Decimal { negative, exponent, magnitude } => encoder.decimal(negative, exponent, magnitude)?,
        Token::Uuid(value) => encoder.uuid(&value),
    }
    Ok(())
}

pub(super) fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

fn any_date() -> impl Strategy<Value = Date> {
    (1..=9999_u16, 1..=12_u8, 1..=31_u8)
        .prop_filter_map("no such day", |(year, month, day)| Date::new(year, month, day))
}

fn any_time() -> impl Strategy<Value = Time> {
    (0..24_u8, 0..60_u8, 0..60_u8, 0..1_000_000_u32).prop_map(|(h, m, s, us)| Time::new(h, m, s, us).unwrap())
}

fn any_datetime() -> impl Strategy<Value = DateTime> {
    let offset = prop_oneof![-1440..1440_i64, 1 - DAY_US..DAY_US];
    (any_date(), any_time(), offset).prop_map(|(date, time, offset_us)| DateTime::new(date, time, offset_us).unwrap())
}

fn any_duration() -> impl Strategy<Value = Duration> {
    let days = prop_oneof![-2..2_i32, -999_999_999..=999_999_999_i32];
    (days, 0..86_400_u32, 0..1_000_000_u32).prop_map(|(days, seconds, us)| Duration::new(days, seconds, us).unwrap())
}

fn any_scalar() -> impl Strategy<Value = Value> {
    let first_and_rest =
        |rest| (1..=255_u8, vec(any::<u8>(), rest)).prop_map(|(first, rest)| [vec![first], rest].concat());
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![-200..200_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Int),
        (any::<bool>(), first_and_rest(8..20)).prop_map(|(negative, magnitude)| Value::BigInt { negative, magnitude }),
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(-0.0), Just(f64::INFINITY)].prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any_datetime().prop_map(Value::DateTime),
        any_date().prop_map(Value::Date),
        any_time().prop_map(Value::Time),
        any_duration().prop_map(Value::Duration),
        (any::<bool>(), any::<i64>(), prop_oneof![Just(Vec::new()), first_and_rest(0..12)])
            .prop_map(|(negative, exponent, magnitude)| Value::Decimal { negative, exponent, magnitude }),
        any::<[u8; 16]>().prop_map(Value::Uuid),
    ]
}

pub(super) fn any_value() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            btree_map("[a-zé\u{1f600}]{0,4}", inner, 0..6).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn decode_inverts_encode(value in any_value()) {
        // Debug text tells NaN and both zeros apart as bits do, which comparing floats does not.
        prop_assert_eq!(format!("{:?}", decode(&encode(&value)).unwrap()), format!("{value:?}"));
    }

    #[test]
    fn what_decodes_is_the_only_encoding(
        value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..4,
    ) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] ^= 1 << (byte % 8),
            1 => bytes[at] = byte,
            2 => bytes.insert(at, byte),
            _ => { bytes.remove(at); }
        }
        if let Ok(other) = decode(&bytes) {
            prop_assert_eq!(encode(&other), bytes);
        }
    }

    #[test]
    fn noise_decodes_to_its_own_encoding_or_not_at_all(noise in vec(prop_oneof![0..16_u8, any::<u8>()], 0..40)) {
        if let Ok(value) = decode(&noise) {
            prop_assert_eq!(encode(&value), noise);
        }
    }

    #[test]
    fn every_prefix_is_refused(value in any_value(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&value);
        prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let time = Time::new(3, 4, 5, 6).unwrap();
    let big = |negative, magnitude: &str| Value::BigInt { negative, magnitude: unhex(magnitude) };
    let decimal =
        |negative, exponent, magnitude: &[u8]| Value::Decimal { negative, exponent, magnitude: magnitude.to_vec() };
    let table = [
        (Value::Null, "00"),
        (Value::Bool(false), "01"),
        (Value::Bool(true), "02"),
        (Value::Int(-1), "0301"),
        (Value::Int(i64::MIN), "03 ffffffffffffffffff01"),
        (Value::Int(i64::MAX), "03 feffffffffffffffff01"),
        (big(false, "8000000000000000"), "04 00 08 8000000000000000"),
        (big(true, "8000000000000001"), "04 01 08 8000000000000001"),
        (Value::Float(1.5), "05 000000000000f83f"),
        (Value::Float(-0.0), "05 0000000000000080"),
        (Value::Float(f64::NAN), "05 000000000000f87f"),
        (Value::Float(f64::NEG_INFINITY), "05 000000000000f0ff"),
        (Value::Text("é".into()), "06 02 c3a9"),
        (Value::Bytes(vec![0, 255]), "07 02 00ff"),
        (Value::List(vec![Value::Null, Value::List(vec![])]), "08 02 00 0800"),
        (
            Value::map([("é", Value::Null), ("z", Value::Int(1)), ("", Value::Int(0))]),
            "09 03 00 0300 017a 0302 02c3a9 00",
        ),
        (Value::DateTime(DateTime::new(date(2026, 1, 2), time, -1).unwrap()), "0a ea0f0102 03040506 01"),
        (Value::Date(date(9999, 12, 31)), "0b 8f4e0c1f"),
        (Value::Time(time), "0c 03040506"),
        (Value::Duration(Duration::new(-1, 86_399, 999_999).unwrap()), "0d 01 ffa205 bf843d"),
        (decimal(false, -2, &[100]), "0e 00 03 01 64"),
        (decimal(true, 0, &[]), "0e 01 00 00"),
        (Value::Uuid([7; 16]), "0f 07070707070707070707070707070707"),
    ];
    for (value, bytes) in table {
        assert_eq!(hex(&encode(&value)), bytes.replace(' ', ""), "{value:?}");
        assert_eq!(format!("{:?}", decode(&unhex(bytes)).unwrap()), format!("{value:?}"));
    }
}

#[test]
fn everything_else_is_refused() {
    let table = [
        ("", "it ends too early"),
        ("10", "an unknown tag"),
        ("ff", "an unknown tag"),
        ("00 00", "bytes left over"),
        ("03 8000", "an overlong number"),
        ("03 ffffffffffffffffff02", "beyond 64 bits"),
        ("04 02 09 010000000000000000", "a sign"),
        ("04 00 00", "fits in 64 bits"),
        ("04 01 00", "fits in 64 bits"),
        ("04 01 01 00", "leading zero"),
        ("04 00 01 05", "fits in 64 bits"),
        ("04 00 08 7fffffffffffffff", "fits in 64 bits"),
        ("04 01 08 8000000000000000", "fits in 64 bits"),
        ("04 00 09 00ffffffffffffffff", "leading zero"),
        ("05 010000000000f87f", "a NaN"),
        ("05 000000000000f8ff", "a NaN"),
        ("05 010000000000f07f", "a NaN"),
        ("06 01 ff", "not UTF-8"),
        ("06 03 eda080", "not UTF-8"),
        ("06 8100 61", "an overlong number"),
        ("06 02 61", "a count larger than what follows"),
        ("07 ffffffffffffffffff01", "a count larger than what follows"),
        ("08 02 00", "a count larger than what follows"),
        ("08 ffffffffffffffffff01 00", "a count larger than what follows"),
        ("08 02 08 02 00 00", "a count larger than what follows"),
        ("08 8100 00", "an overlong number"),
        ("09 02 00 00 01", "a count larger than what follows"),
        ("09 ffffffffffffffff7f 00", "a count larger than what follows"),
        ("09 02 0162 00 0161 00", "a key that is not after"),
        ("09 02 0161 00 0161 00", "a key that is not after"),
        ("09 02 026161 00 0161 00", "a key that is not after"),
        ("09 01 01ff 00", "not UTF-8"),
        ("0a ea0f0102 03040506 80e0abbb8705", "an offset"),
        ("0a ea0f0102 03040506 ffdfabbb8705", "an offset"),
        ("0b 00 01 01", "a date that"),
        ("0b 904e 01 01", "a date that"),
        ("0b ea8f04 01 01", "a date that"),
        ("0b ea0f 00 01", "a date that"),
        ("0b ea0f 0d 01", "a date that"),
        ("0b ea0f 01 00", "a date that"),
        ("0b ea0f 01 20", "a date that"),
        ("0b ea0f 02 1d", "a date that"),
        ("0b ec0e 02 1d", "a date that"),
        ("0c 18 00 00 00", "a time that"),
        ("0c 00 3c 00 00", "a time that"),
        ("0c 00 00 3c 00", "a time that"),
        ("0c 00 00 00 c0843d", "a time that"),
        ("0c 00 00 00 8080808010", "a time that"),
        ("0d 80a8d6b907 00 00", "a duration out of range"),
        ("0d ffa7d6b907 00 00", "a duration out of range"),
        ("0d 8080808020 00 00", "a duration out of range"),
        ("0d 00 80a305 00", "a duration out of range"),
        ("0d 00 00 c0843d", "a duration out of range"),
        ("0e 02 00 00", "a sign"),
        ("0e 00 00 01 00", "leading zero"),
        ("0e 01 8000 00", "an overlong number"),
        ("0f 000102", "it ends too early"),
    ];
    for (bytes, why) in table {
        match decode(&unhex(bytes)) {
            Err(Error::InvalidEncoding { what: "value", reason, .. }) => {
                assert!(reason.contains(why), "{bytes}: {reason}");
            }
            other => panic!("{bytes}: {other:?}"),
        }
    }
}

#[test]
fn dates_times_and_durations_exist_or_cannot_be_made() {
    assert!(
        [(1, 1, 1), (2000, 2, 29), (2024, 2, 29), (9999, 12, 31)].iter().all(|&(y, m, d)| Date::new(y, m, d).is_some())
    );
    let none = [
        (0, 1, 1),
        (10_000, 1, 1),
        (1900, 2, 29),
        (2023, 2, 29),
        (2024, 2, 30),
        (2024, 4, 31),
        (2024, 0, 1),
        (2024, 13, 1),
    ];
    assert!(none.iter().all(|&(y, m, d)| Date::new(y, m, d).is_none()));
    assert_eq!(
        (1..=12).map(|month| (1..=31).filter(|day| Date::new(2023, month, *day).is_some()).count()).sum::<usize>(),
        365
    );
    assert!(Time::new(23, 59, 59, 999_999).is_some());
    assert!(
        [(24, 0, 0, 0), (0, 60, 0, 0), (0, 0, 60, 0), (0, 0, 0, 1_000_000)]
            .iter()
            .all(|&(h, m, s, us)| Time::new(h, m, s, us).is_none())
    );
    let at = |offset_us| DateTime::new(date(2026, 1, 2), Time::new(0, 0, 0, 0).unwrap(), offset_us);
    assert!(at(DAY_US - 1).is_some() && at(1 - DAY_US).is_some() && at(DAY_US).is_none() && at(-DAY_US).is_none());
    assert!(Duration::new(999_999_999, 86_399, 999_999).is_some() && Duration::new(-999_999_999, 0, 0).is_some());
    let none = [(1_000_000_000, 0, 0), (-1_000_000_000, 0, 0), (0, 86_400, 0), (0, 0, 1_000_000)];
    assert!(none.iter().all(|&(days, s, us)| Duration::new(days, s, us).is_none()));
}

fn nested(depth: usize, level: &[u8]) -> Vec<u8> {
    [level.repeat(depth), vec![0]].concat()
}

#[test]
fn nesting_ends_at_its_limit() {
    for level in [&[0x08, 1][..], &[0x09, 1, 1, b'k']] {
        assert!(decode(&nested(VALUE_DEPTH_MAX, level)).is_ok());
        for depth in [VALUE_DEPTH_MAX + 1, 1_000, 1_000_000] {
            let refused = decode(&nested(depth, level)).unwrap_err();
            assert!(refused.to_string().contains("nested too deeply"), "{refused}");
        }
    }
    // The limit is asked before the count: what is too deep is refused even if it is empty.
    let empty = |depth: usize| [[0x08, 1].repeat(depth - 1), vec![0x08, 0]].concat();
    assert!(decode(&empty(VALUE_DEPTH_MAX)).is_ok() && decode(&empty(VALUE_DEPTH_MAX + 1)).is_err());

    let tree = |depth| {
        (0..depth).fold(
            Value::Null,
            |inner, n| if n % 2 == 0 { Value::List(vec![inner]) } else { Value::map([("k", inner)]) },
        )
    };
    assert!(decode(&encode(&tree(VALUE_DEPTH_MAX))).is_ok());
    let mut out = vec![1, 2, 3];
    let refused = tree(VALUE_DEPTH_MAX + 1).encode(&mut out).unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded { actual: 129, limit: 128, .. }), "{refused:?}");
    assert_eq!(out, [1, 2, 3], "a refused value leaves nothing behind");
    // Siblings are beside one another, not inside.
    assert!(decode(&encode(&Value::List(vec![tree(VALUE_DEPTH_MAX - 1); 3]))).is_ok());
}

#[test]
fn magnitudes_end_at_their_limit() {
    for (length, fits) in [(MAGNITUDE_BYTES_MAX, true), (MAGNITUDE_BYTES_MAX + 1, false)] {
        let magnitude = vec![0xff; length];
        let mut number = Vec::new();
        batpak_core::wire::put_bytes(&mut number, &magnitude);
        for (value, head) in [
            (Value::BigInt { negative: true, magnitude: magnitude.clone() }, &[0x04, 1][..]),
            (Value::Decimal { negative: false, exponent: 0, magnitude }, &[0x0e, 0, 0]),
        ] {
            let written = value.encode(&mut Vec::new());
            assert_eq!(decode(&[head, &number].concat()).is_ok(), fits);
            assert_eq!(written.is_ok(), fits);
            assert!(
                fits || matches!(written, Err(Error::LimitExceeded { actual: 8193, limit: 8192, .. })),
                "{written:?}"
            );
        }
    }
}

#[test]
fn a_value_larger_than_a_payload_is_refused_while_it_is_written() {
    // Tag and length take five bytes.
    let text = |length| Value::Text("x".repeat(length)).encode(&mut vec![0; 9]);
    assert!(text(PAYLOAD_BYTES_MAX - 5).is_ok());
    assert!(
        matches!(text(PAYLOAD_BYTES_MAX - 4), Err(Error::LimitExceeded { what: "payload", limit, .. }) if limit == PAYLOAD_BYTES_MAX as u64)
    );
    let mut out = Vec::new();
    assert!(Encoder::new(&mut out, false).begin_list(PAYLOAD_BYTES_MAX + 1).is_err());
    assert!(Encoder::new(&mut out, false).begin_map(PAYLOAD_BYTES_MAX / 2 + 1).is_err());
    assert!(Encoder::new(&mut out, false).begin_map(usize::MAX).is_err());
    assert!(out.is_empty());
    let mut encoder = Encoder::new(&mut out, false);
    encoder.begin_map(1).unwrap();
    assert!(matches!(encoder.key(&"k".repeat(PAYLOAD_BYTES_MAX)), Err(Error::LimitExceeded { .. })));
}

#[test]
fn counts_are_never_worth_more_than_the_input() {
    // Each of these lists alone could hold what follows it, but not all of them together.
    let bytes = [[0x08, 0x40].repeat(100), vec![0; 100]].concat();
    let (mut decoder, mut announced) = (Decoder::new(&bytes), 0);
    while let Ok(Token::List(count)) = decoder.next() {
        announced += count;
    }
    assert!(announced <= bytes.len(), "{announced}");
}
