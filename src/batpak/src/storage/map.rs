//! The one place with `unsafe`: mapping a file into memory.
#![expect(unsafe_code, reason = "the operating system's mapping cannot be expressed otherwise")]

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::Map;

/// Maps a whole file for reading.
pub(super) fn map(file: &File) -> io::Result<Map> {
    // SAFETY: a mapping is sound while nobody changes the file. This crate maps only files that it puts in place by renaming and never
    // writes to again; every byte that is read from one was compared with a hash first. Another program that writes into the
    // journal's directory can break this, as it could break the memory of any program that maps files.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Arc::new(map))
}
