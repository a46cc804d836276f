//! Canonical values (FORMAT.md section 2): self-describing, and each with exactly one encoding.
//!
//! Three ways in and out, all over the same bytes: [`Encoder`] writes what a walker hands it and [`Decoder`] hands out
//! what it reads, neither of them building anything; [`Value`] is the same as a tree. Nothing here is shared between
//! threads, and nothing is kept after a call but what the caller owns.
//!
//! ```
//! use batpak_core::value::{Decoder, Encoder, Token};
//!
//! let mut bytes = Vec::new();
//! let mut encoder = Encoder::new(&mut bytes, false);
//! encoder.begin_map(2)?;
//! encoder.key("amount")?;
//! encoder.int(3);
//! encoder.key("to")?;
//! encoder.text("alice")?;
//! encoder.end_map()?;
//! encoder.finish()?;
//!
//! let mut decoder = Decoder::new(&bytes);
//! assert_eq!(decoder.next()?, Token::Map(2));
//! assert_eq!(decoder.key()?, "amount");
//! assert_eq!(decoder.next()?, Token::Int(3));
//! assert_eq!(decoder.key()?, "to");
//! assert_eq!(decoder.next()?, Token::Text("alice"));
//! decoder.finish()?;
//! # Ok::<(), batpak_core::error::Error>(())
//! ```

mod calendar;
mod decoder;
mod encoder;
mod lookup;
mod magnitude;
mod tag;
mod tree;

pub use calendar::{Date, DateTime, Duration, Time};
pub use decoder::{Decoder, Token, validate};
pub use encoder::Encoder;
pub use lookup::at;
pub use tree::Value;
