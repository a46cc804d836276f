//! Helpers that the test modules and the benches share.

pub mod aftermath;
pub mod clock;
pub mod crash_images;
pub mod deeds;
pub mod golden;
pub mod journal;
pub mod listing;
pub mod lying;
pub mod reframe;
pub mod witness;
