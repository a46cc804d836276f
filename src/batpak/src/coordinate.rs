//! Names where an event belongs: an entity within a scope.

use std::fmt::Write as _;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::error::{Error, Result};
use crate::limits::COORDINATE_BYTES_MAX;

/// The entity of the journal's own life; names below it begin with `batpak:`.
pub const SUBSTRATE: &str = "batpak";
/// The entity of key events.
pub const SUBSTRATE_KEYS: &str = "batpak:keys";
/// The entity of what gates decided.
pub const SUBSTRATE_GATES: &str = "batpak:gates";

/// A valid entity and a valid scope, in normal form C.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coordinate {
    entity: Box<str>,
    scope: Box<str>,
}

impl Coordinate {
    /// Checks both names against the rules for writing.
    pub fn new(entity: &str, scope: &str) -> Result<Self> {
        Ok(Self { entity: to_write("entity", entity)?, scope: to_write("scope", scope)? })
    }

    /// The substrate's own coordinate for `entity`.
    pub(crate) fn substrate(entity: &str) -> Self {
        Self { entity: entity.into(), scope: SUBSTRATE.into() }
    }

    /// Whose event it is.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// Where it happened.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }
}

/// Whether the substrate keeps this entity for itself.
#[must_use]
pub fn is_substrate(entity: &str) -> bool {
    entity.strip_prefix(SUBSTRATE).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// The rules that hold for stored names too; returns what is wrong.
pub(crate) fn flaw(name: &str) -> Option<&'static str> {
    // Almost every name is of these alone, and every event that is read has two.
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'-' | b'_');
    if (1..=COORDINATE_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) {
        return None;
    }
    if name.is_empty() {
        return Some("is empty; 1 to 1024 bytes are needed");
    }
    if name.len() > COORDINATE_BYTES_MAX {
        return Some("is longer than 1024 bytes of UTF-8");
    }
    if name.chars().any(char::is_control) {
        return Some("holds a control character; Coordinate.escape() makes any text usable");
    }
    if name.contains(['/', '|', '=']) {
        return Some("holds one of / | =; Coordinate.escape() makes any text usable");
    }
    if name.contains("..") {
        return Some("holds two dots in a row; Coordinate.escape() makes any text usable");
    }
    None
}

fn to_write(field: &'static str, name: &str) -> Result<Box<str>> {
    let invalid = |reason: &str| Error::InvalidCoordinate { field, reason: format!("{} {reason}", quoted(name)) };
    if let Some(reason) = flaw(name) {
        return Err(invalid(reason));
    }
    if is_nfc_quick(name.chars()) != IsNormalized::Yes && !name.nfc().eq(name.chars()) {
        return Err(invalid("is not in Unicode normal form C; pass unicodedata.normalize(\"NFC\", name)"));
    }
    if field == "entity" && is_substrate(name) {
        return Err(invalid(
            "is the journal's own; choose an entity that is not \"batpak\" and does not begin with \"batpak:\"",
        ));
    }
    Ok(name.into())
}

/// At most 60 characters of a name, safe to print.
fn quoted(name: &str) -> String {
    let short: String = name.chars().take(60).collect();
    format!("{short:?}")
}

/// Percent-encodes what a coordinate may not hold, and `%` itself, so that `unescape` gives the text back. `:` is encoded too: an
/// escaped text is one level.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut last = ' ';
    for character in text.chars() {
        let special = character.is_control()
            || matches!(character, '/' | '|' | '=' | '%' | ':')
            || (character == '.' && last == '.')
            || (!character.is_ascii() && is_nfc_quick(std::iter::once(character)) != IsNormalized::Yes)
            // A mark that normal form would put before the last one.
            || (canonical_combining_class(character) != 0
                && canonical_combining_class(character) < canonical_combining_class(last));
        if special {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        } else {
            escaped.push(character);
        }
        // An encoded dot does not make a pair with the next one.
        last = if special { ' ' } else { character };
    }
    escaped
}

/// The text that `escape` was given.
pub fn unescape(escaped: &str) -> Result<String> {
    let invalid = |reason: &str| Error::InvalidInput { reason: format!("{} {reason}", quoted(escaped)) };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(invalid("has a % without two hex digits after it"));
        };
        // Two hex digits fit a byte.
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| invalid("does not unescape to UTF-8"))
}
