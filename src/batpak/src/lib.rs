//! The journal: an embedded, append-only log whose history can be proved.
//!
//! `FORMAT.md` beside this crate's manifest maps every byte. The paths to read first, each from top to bottom: `open.rs`,
//! `append.rs`, `read.rs`.
//! What `index/` holds is never an authority: it can be deleted at any time and is made again from the log.

#![deny(unsafe_code)]

pub mod aggregate;
pub mod cache;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod coordinate;
pub mod cursor;
pub mod entropy;
pub mod error;
pub mod event_id;
pub mod files;
pub mod fork;
pub mod frame;
pub mod frontier;
pub mod glob;
pub mod hash;
pub mod header;
pub mod heads;
pub mod index;
pub mod keeping;
pub mod key;
pub mod kind;
pub mod limits;
pub mod marks;
pub mod merkle;
pub mod meta;
pub mod proof;
pub mod proposal;
pub mod read;
pub mod receipt;
pub mod record;
pub mod recovery;
pub mod report;
pub mod scan;
pub mod segment;
pub mod signer;
pub mod storage;
pub mod store;
pub mod system;
pub mod value;
pub mod verification;
pub mod verify;
pub mod wire;

mod append;
mod closing;
mod commit;
mod create;
mod history;
mod idempotency;
mod indexer;
mod inner;
mod lifecycle;
mod load;
mod open;
mod order;
mod refresh;
mod replay;
mod sync;
mod tail;
mod tree;
mod waiting;
mod watch;
mod writer;

pub use append::Appended;
pub use config::Config;
pub use coordinate::Coordinate;
pub use error::{Error, Result};
pub use kind::Kind;
pub use store::{Reference, Store};
