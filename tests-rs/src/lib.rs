//! Helpers that the test modules and the benches share.

pub mod clock;
pub mod crash_images;
pub mod golden;
pub mod journal;
pub mod reframe;
pub mod witness;
