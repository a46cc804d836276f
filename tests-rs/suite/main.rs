//! One binary; each topic is a module.

mod checkpoint;
mod clock;
mod crash;
mod crash_images;
mod encoder;
mod fault;
mod faulty;
mod forge;
mod fuzz;
mod golden;
mod index;
mod interop;
mod limits;
mod lying;
mod merkle;
mod model;
mod names;
mod proof;
mod receipt;
mod recovery;
mod storage;
mod stress;
mod tamper;
mod threads;
mod value;
mod wire;
