//! What coordinates and kinds may be called.

use batpak_core::coordinate::{escape, is_substrate, unescape};
use batpak_core::entropy::Entropy;
use batpak_core::error::Error;
use batpak_core::header::{Encoding, Promise};
use batpak_core::proposal::{Expect, NewEvent, Proposal};
use batpak_core::{Coordinate, Kind};
use proptest::prelude::*;

fn refused(entity: &str, scope: &str) -> bool {
    match Coordinate::new(entity, scope) {
        Ok(_) => false,
        Err(Error::InvalidCoordinate { field, .. }) => {
            assert_eq!(field == "entity", Coordinate::new("fine", scope).is_ok());
            true
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_name_has_one_to_1024_bytes() {
    for (length, fits) in [(0, false), (1, true), (1023, true), (1024, true), (1025, false), (5000, false)] {
        let name = "n".repeat(length);
        assert_eq!(!refused(&name, "s"), fits, "{length}");
        assert_eq!(!refused("e", &name), fits, "{length}");
    }
    // Bytes, not characters.
    assert!(!refused(&"é".repeat(512), "s"));
    assert!(refused(&"é".repeat(513), "s"));
}

#[test]
fn a_name_holds_no_control_character_and_nothing_that_separates() {
    let controls = (0..=0x1F).chain(0x7F..=0x9F).filter_map(char::from_u32);
    for character in controls.chain(['/', '|', '=']) {
        for name in [format!("{character}"), format!("a{character}"), format!("{character}b"), format!("a{character}b")]
        {
            assert!(refused(&name, "s") && refused("e", &name), "{name:?}");
        }
    }
    for name in ["..", "a..", "..b", "a..b", "...", "a.b..c"] {
        assert!(refused(name, "s") && refused("e", name), "{name:?}");
    }
    for name in [".", "a.b.c", ".a.", " ", "a b", ":", "a:b:c", "%", "\\", "é", "日本", "\u{A0}", "🦇", "~", "\u{2028}"]
    {
        assert!(!refused(name, "s") && !refused("e", name), "{name:?}");
    }
}

#[test]
fn a_name_is_in_normal_form_c() {
    for (composed, decomposed) in [("é", "e\u{301}"), ("Å", "A\u{30A}"), ("각", "\u{1100}\u{1161}\u{11A8}")] {
        assert!(!refused(composed, composed));
        assert!(refused(decomposed, "s") && refused("e", decomposed));
    }
    // One that has a shorter spelling of itself.
    assert!(refused("\u{212B}", "s"));
}

#[test]
fn the_journals_own_entities_are_its_own_and_its_scope_is_free() {
    for name in ["batpak", "batpak:", "batpak:keys", "batpak:x:y"] {
        assert!(refused(name, "s") && is_substrate(name) && !refused("e", name), "{name}");
    }
    for name in ["batpaks", "batpak.", "Batpak", "a:batpak", "batpa"] {
        assert!(!refused(name, "s") && !is_substrate(name), "{name}");
    }
}

#[test]
fn escaping_knows_these() {
    for (text, escaped) in [
        ("a/b|c=d:e%f", "a%2Fb%7Cc%3Dd%3Ae%25f"),
        ("..", ".%2E"),
        ("....", ".%2E.%2E"),
        ("\n\u{7F}\u{85}", "%0A%7F%C2%85"),
        ("e\u{301}", "e%CC%81"),
        ("é日本🦇", "é日本🦇"),
        // Two marks in the other order than normal form has them.
        ("\u{A3C}\u{16FF0}", "\u{A3C}%F0%96%BF%B0"),
    ] {
        assert_eq!(escape(text), escaped);
        assert_eq!(unescape(escaped).expect("escaped"), text);
    }
    for broken in ["%", "%4", "a%zz", "%-1", "%+1", "%FF", "%C3"] {
        assert!(matches!(unescape(broken), Err(Error::InvalidInput { .. })), "{broken}");
    }
}

proptest! {
    #[test]
    fn unescape_undoes_escape_and_what_is_escaped_is_a_name(text in any::<String>()) {
        let escaped = escape(&text);
        prop_assert_eq!(unescape(&escaped).expect("escaped"), text.clone());
        if (1..=1024).contains(&escaped.len()) && !is_substrate(&escaped) {
            prop_assert!(!refused(&escaped, &escaped), "{:?}", escaped);
        }
    }

    #[test]
    fn every_text_of_hard_characters_escapes_to_a_name(text in "[./|=%:\u{0}\u{85}\u{301}e\u{1100}\u{1161}\u{11A8}\u{212B}a]{1,40}") {
        let escaped = escape(&text);
        prop_assert_eq!(unescape(&escaped).expect("escaped"), text);
        prop_assert!(!refused(&escaped, &escaped), "{:?}", escaped);
    }
}

#[test]
fn kinds_have_four_and_twelve_bits_and_some_are_reserved() {
    assert_eq!(Kind::new(0xF, 0xFFF).expect("in range").code(), 0xFFFF);
    assert!(matches!(Kind::new(0x10, 0), Err(Error::InvalidKind { .. })));
    assert!(matches!(Kind::new(0, 0x1000), Err(Error::InvalidKind { .. })));
    let listed: Vec<u16> = [0xFA01..=0xFA02, 0xFA10..=0xFA11, 0xFA20..=0xFA24, 0xFA30..=0xFA31, 0xFA40..=0xFA41]
        .into_iter()
        .chain([0xFA50..=0xFA51, 0xFA60..=0xFA61, 0xFA70..=0xFA71, 0xFA80..=0xFA81, 0xC5B7..=0xC5B9])
        .flatten()
        .collect();
    let coordinate = Coordinate::new("e", "s").expect("a name");
    let mut proposal = Proposal::new([0; 16], Promise::Manual);
    let mut free = 0;
    for code in 0..=u16::MAX {
        let kind = Kind::from_code(code);
        assert_eq!(Kind::new(kind.category(), kind.type_id()).expect("in range"), kind);
        let reserved = matches!(kind.category(), 0 | 0xD) || listed.contains(&code);
        assert_eq!(kind.check_user().is_err(), reserved, "{kind}");
        if reserved && code % 61 == 0 {
            let event = NewEvent {
                coordinate: &coordinate,
                kind,
                payload_version: 0,
                encoding: Encoding::Raw,
                payload: b"",
                correlation_id: None,
                causation: None,
                key: None,
                expect: Expect::Any,
                metadata: &std::collections::BTreeMap::new(),
                private: &[],
            };
            let refused = proposal.push(&event, &Entropy::default());
            assert!(matches!(refused, Err(Error::InvalidKind { .. })) && proposal.is_empty());
        }
        free += u32::from(!reserved);
    }
    assert_eq!(free, 65_536 - 2 * 4096 - 24);
}
