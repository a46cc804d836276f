//! Verification: of a whole journal from its files, and of a receipt with or without one.

mod journal;
pub mod receipt;

pub use journal::journal;
