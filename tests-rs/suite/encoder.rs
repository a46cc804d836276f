//! Encoder, decoder and tree in the hands of somebody who misuses them.

use batpak_core::error::{Error, Result};
use batpak_core::value::{Decoder, Encoder, Token, Value, validate};

use super::value::encode;

/// Walks by a script: `[2` and `{2` begin, `]` and `}` end, `.` is null, and anything else a key.
fn walk(encoder: &mut Encoder<'_>, script: &str) -> Result<()> {
    for step in script.split_whitespace() {
        let mut rest = step.chars();
        match (rest.next().unwrap(), rest.as_str()) {
            ('[', count) => encoder.begin_list(count.parse().unwrap())?,
            ('{', count) => encoder.begin_map(count.parse().unwrap())?,
            (']', _) => encoder.end_list()?,
            ('}', _) => encoder.end_map()?,
            ('.', _) => encoder.null(),
            _ => encoder.key(step)?,
        }
    }
    Ok(())
}

#[test]
fn the_encoder_refuses_misuse_with_the_path() {
    let table = [
        ("", "payload", "exactly one"),
        (". .", "payload", "exactly one"),
        ("[0 ] {0 }", "payload", "exactly one"),
        ("{0 } .", "payload", "exactly one"),
        ("[1 .", "payload[1]", "exactly one"),
        ("[2 . ]", "payload[1]", "more or fewer"),
        ("[1 . . ]", "payload[2]", "more or fewer"),
        ("{0 ]", "payload", "more or fewer"),
        ("[0 }", "payload[0]", "more or fewer"),
        ("]", "payload", "more or fewer"),
        ("{1 a }", "payload.a", "more or fewer"),
        ("{1 . }", "payload", "more or fewer"),
        ("{1 . a", "payload", "a key was given"),
        ("a", "payload", "a key was given"),
        ("[1 a", "payload[0]", "a key was given"),
        ("{2 a b", "payload.a", "a key was given"),
        ("{1 a-b {1 é {1 \" [3 . ] } } }", "payload[\"a-b\"].é[\"\\\"\"][1]", "more or fewer"),
        ("[2 . {2 b . a", "payload[1]", "\"a\" is not in order"),
        ("{1 a {2 \" . \"", "payload.a", "\"\\\"\" is there twice"),
        ("{2 a {1 z . } a", "payload", "\"a\" is there twice"),
    ];
    for (script, place, why) in table {
        let mut out = vec![9];
        let mut encoder = Encoder::new(&mut out, false);
        match walk(&mut encoder, script).and_then(|()| encoder.finish()) {
            Err(Error::InvalidValue { path, reason }) => {
                assert!(path == place && reason.contains(why), "{script}: {path}: {reason}");
            }
            other => panic!("{script}: {other:?}"),
        }
    }
}

#[test]
fn floats_that_are_not_finite_need_permission() {
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut out = Vec::new();
        let refused = Encoder::new(&mut out, false).named("private_metadata").float(value).unwrap_err();
        assert!(refused.to_string().starts_with("private_metadata: NaN and infinities"), "{refused}");
        assert!(out.is_empty());
        Encoder::new(&mut out, true).float(value).unwrap();
        assert!(validate(&out).is_ok());
    }
}

#[test]
fn the_decoder_wants_keys_exactly_where_they_stand() {
    let bytes = encode(&Value::map([("k", Value::Null)]));
    let mut decoder = Decoder::new(&bytes);
    assert!(decoder.key().is_err() && decoder.finish().is_err());
    assert_eq!(decoder.next().unwrap(), Token::Map(1));
    assert!(decoder.next().is_err() && decoder.finish().is_err());
    assert_eq!(decoder.key().unwrap(), "k");
    assert!(decoder.key().is_err() && decoder.finish().is_err());
    assert_eq!(decoder.next().unwrap(), Token::Null);
    assert!(decoder.finish().is_ok() && decoder.next().is_err());
    // An empty map has no key, whatever follows it.
    let mut decoder = Decoder::new(&[0x09, 0x00, 0x01, b'k']);
    assert_eq!(decoder.next().unwrap(), Token::Map(0));
    assert!(decoder.key().is_err() && decoder.next().is_err() && decoder.finish().is_err());
}

#[test]
fn a_tree_answers_by_kind() {
    let tree = Value::map([
        ("b", Value::Int(1)),
        ("b", Value::Int(2)),
        ("t", Value::Text("x".into())),
        ("y", Value::Bytes(vec![1])),
    ]);
    assert_eq!(tree.get("b").and_then(Value::as_int), Some(2));
    assert_eq!(tree.get("t").and_then(Value::as_text), Some("x"));
    assert_eq!(tree.get("y").and_then(Value::as_bytes), Some(&[1][..]));
    assert!(tree.get("z").is_none() && Value::Null.get("b").is_none());
    assert!(tree.as_int().is_none() && tree.as_text().is_none() && tree.as_bytes().is_none());
}
