//! Random bytes of the operating system, fetched in blocks: a call for each event would cost as much as the event.

use parking_lot::Mutex;

use crate::error::{Error, Result, StorageFailure};

const BLOCK_BYTES: usize = 4096;

/// A source of random bytes. Each store has its own, so that a forked child can never repeat its parent's.
#[derive(Debug)]
pub struct Entropy {
    block: Mutex<Block>,
}

#[derive(Debug)]
struct Block {
    bytes: [u8; BLOCK_BYTES],
    used: usize,
}

impl Default for Entropy {
    fn default() -> Self {
        Self { block: Mutex::new(Block { bytes: [0; BLOCK_BYTES], used: BLOCK_BYTES }) }
    }
}

impl Entropy {
    /// Sixteen random bytes.
    pub fn sixteen(&self) -> Result<[u8; 16]> {
        let mut block = self.block.lock();
        if block.used + 16 > BLOCK_BYTES {
            fill(&mut block.bytes)?;
            block.used = 0;
        }
        let start = block.used;
        block.used += 16;
        let mut taken = [0; 16];
        if let Some(source) = block.bytes.get_mut(start..start + 16) {
            taken.copy_from_slice(source);
            // What was handed out does not stay behind.
            source.fill(0);
        }
        Ok(taken)
    }
}

/// Fills a buffer with random bytes of the operating system.
pub fn fill(buffer: &mut [u8]) -> Result<()> {
    getrandom::fill(buffer).map_err(|error| {
        Error::Storage(StorageFailure {
            operation: "read",
            path: "the operating system's random numbers".to_owned(),
            errno: error.raw_os_error(),
            kind: std::io::ErrorKind::Other,
            message: error.to_string(),
        })
    })
}
