//! What an event is: a category (4 bits) and a type id (12 bits).

use std::fmt;

use crate::error::{Error, Result};

/// Kinds that the network protocol and the runtime assign to their own records.
const ASSIGNED: [u16; 24] = [
    0xC5B7, 0xC5B8, 0xC5B9, 0xFA01, 0xFA02, 0xFA10, 0xFA11, 0xFA20, 0xFA21, 0xFA22, 0xFA23, 0xFA24, 0xFA30, 0xFA31,
    0xFA40, 0xFA41, 0xFA50, 0xFA51, 0xFA60, 0xFA61, 0xFA70, 0xFA71, 0xFA80, 0xFA81,
];

/// One of the 65,536 kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u16);

impl Kind {
    /// The first event of a journal.
    pub const CREATED: Self = Self(0x0001);
    /// A writable open.
    pub const OPENED: Self = Self(0x0002);
    /// A signing key comes into force.
    pub const KEY_ADDED: Self = Self(0x0003);
    /// A signing key is revoked.
    pub const KEY_REVOKED: Self = Self(0x0004);
    /// A gate refused a proposal.
    pub const DENIED: Self = Self(0x0005);
    /// Recovery cut an unsynced tail.
    pub const RECOVERED: Self = Self(0x0006);
    /// A history goes on as another one: an old copy was restored, or a copy was made.
    pub const LINEAGE: Self = Self(0x0007);
    /// Events were written past the gates.
    pub const BYPASSED: Self = Self(0x0009);

    /// Any kind, from its parts.
    pub fn new(category: u8, type_id: u16) -> Result<Self> {
        if category > 0xF {
            return Err(Error::InvalidKind { reason: format!("category {category} is outside 0..15") });
        }
        if type_id > 0xFFF {
            return Err(Error::InvalidKind { reason: format!("type id {type_id} is outside 0..4095") });
        }
        Ok(Self(u16::from(category) << 12 | type_id))
    }

    /// Any kind, from its number.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        Self(code)
    }

    /// category << 12 + type id.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 0..15.
    #[must_use]
    pub const fn category(self) -> u8 {
        (self.0 >> 12) as u8
    }

    /// 0..4095.
    #[must_use]
    pub const fn type_id(self) -> u16 {
        self.0 & 0xFFF
    }

    /// Refuses the kinds that users may not write.
    pub fn check_user(self) -> Result<()> {
        let reason = match self.category() {
            0x0 => "category 0x0 holds the journal's own events",
            0xD => "category 0xD is reserved",
            _ if ASSIGNED.contains(&self.0) => "it is assigned to the network protocol or the runtime",
            _ => return Ok(()),
        };
        Err(Error::InvalidKind { reason: format!("kind {self} is not free: {reason}; choose another") })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:X}:0x{:03X}", self.category(), self.type_id())
    }
}
