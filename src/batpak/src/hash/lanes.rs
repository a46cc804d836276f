//! BLAKE3 of many short inputs at once, one in each lane of the processor's vectors.
//!
//! BLAKE3 fills vectors with the chunks of one long input. Headers and payloads are shorter than a chunk, so that one of them alone uses an eighth
//! of what the machine can do. Here eight go through the compression function side by side, sixteen where the vectors are that long and four if
//! there are no more, and a lane whose input has ended takes the next one.
//! The words are those of the BLAKE3 paper, section 2.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for the processor's vectors")]
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "lanes and words are counted up to the arrays' constant lengths"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u32x4, u32x8, u32x16};

use super::{Hash, Input};

/// An input of more bytes than a chunk has is no business of this module.
pub const BYTES_MAX: usize = 1024;

/// Fewer inputs than this leave most of the longest vectors empty.
const MANY: usize = 12;
/// So many fit into the shortest vectors, which are filled sooner than the others.
const FEW: usize = 4;
const BLOCK_BYTES: usize = 64;

const IV: [u32; 4] = [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A];
const CHUNK_START: u32 = 1 << 0;
const CHUNK_END: u32 = 1 << 1;
const ROOT: u32 = 1 << 3;
const DERIVE_KEY_MATERIAL: u32 = 1 << 6;

/// Row `n` holds word `n` of every lane.
type Rows<const N: usize, const LANES: usize> = [[u32; LANES]; N];

/// Hashes `count` inputs of at most a chunk each.
pub fn hash_all<'a, 'b>(count: usize, inputs: impl Iterator<Item = &'b mut Input<'a>>)
where
    'a: 'b,
{
    dispatch!(Level::new(), simd => widest(simd, count, inputs));
}

#[inline(always)]
fn widest<'a: 'b, 'b, S: Simd>(simd: S, count: usize, inputs: impl Iterator<Item = &'b mut Input<'a>>) {
    if S::u32s::LEN >= 16 && count >= MANY {
        run::<S, u32x16<S>, 16>(simd, inputs);
    } else if count <= FEW {
        run::<S, u32x4<S>, 4>(simd, inputs);
    } else {
        run::<S, u32x8<S>, 8>(simd, inputs);
    }
}

/// An input on its way through a lane.
struct Lane<'a, 'b> {
    first: &'a [u8],
    rest: &'a [u8],
    begun: bool,
    hash: &'b mut Hash,
}

impl Lane<'_, '_> {
    /// Fills `block` with the next bytes, and zeros behind the last of them; returns their number and flags.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a block has 64 bytes")]
    fn next_block(&mut self, block: &mut [u8; BLOCK_BYTES]) -> (u32, u32) {
        let mut filled = 0;
        if let (true, Some((now, later))) = (self.first.is_empty(), self.rest.split_first_chunk()) {
            // By far the most frequent case, and one of a fixed size.
            *block = *now;
            self.rest = later;
            filled = BLOCK_BYTES;
        } else {
            for part in [&mut self.first, &mut self.rest] {
                let (now, later) = part.split_at(part.len().min(BLOCK_BYTES - filled));
                block.iter_mut().skip(filled).zip(now).for_each(|(to, from)| *to = *from);
                filled += now.len();
                *part = later;
            }
            block.iter_mut().skip(filled).for_each(|byte| *byte = 0);
        }
        let mut flags = DERIVE_KEY_MATERIAL;
        if !self.begun {
            flags |= CHUNK_START;
            self.begun = true;
        }
        if self.first.is_empty() && self.rest.is_empty() {
            flags |= CHUNK_END | ROOT;
        }
        (filled as u32, flags)
    }
}

#[inline(always)]
fn run<'a: 'b, 'b, S: Simd, W: SimdInt<S, Element = u32>, const LANES: usize>(
    simd: S,
    mut inputs: impl Iterator<Item = &'b mut Input<'a>>,
) {
    let mut lanes: [Option<Lane<'a, 'b>>; LANES] = [const { None }; LANES];
    let mut chaining: Rows<8, LANES> = [[0; LANES]; 8];
    let mut blocks = [[0; BLOCK_BYTES]; LANES];
    let (mut lengths, mut flags) = ([0; LANES], [0; LANES]);
    loop {
        for lane in 0..LANES {
            if lanes[lane].is_none()
                && let Some(Input { context, first, rest, hash }) = inputs.next()
            {
                for word in 0..8 {
                    chaining[word][lane] = context.words[word];
                }
                lanes[lane] = Some(Lane { first, rest, begun: false, hash });
            }
            if let Some(input) = &mut lanes[lane] {
                (lengths[lane], flags[lane]) = input.next_block(&mut blocks[lane]);
            }
        }
        if lanes.iter().all(Option::is_none) {
            return;
        }
        compress::<S, W, LANES>(simd, &mut chaining, &blocks, &lengths, &flags);
        for lane in 0..LANES {
            if flags[lane] & ROOT != 0
                && let Some(input) = lanes[lane].take()
            {
                for (word, bytes) in input.hash.as_chunks_mut().0.iter_mut().enumerate() {
                    *bytes = chaining[word][lane].to_le_bytes();
                }
            }
        }
    }
}

/// The compression function in every lane; of its output only the half that a chaining value and a hash of 32 bytes need.
#[inline(always)]
fn compress<S: Simd, W: SimdInt<S, Element = u32>, const LANES: usize>(
    simd: S,
    chaining: &mut Rows<8, LANES>,
    blocks: &[[u8; BLOCK_BYTES]; LANES],
    lengths: &[u32; LANES],
    flags: &[u32; LANES],
) {
    let row = |words: &[u32; LANES]| W::from_slice(simd, words);
    let message = std::array::from_fn(|word| {
        let words = std::array::from_fn(|lane| u32::from_le_bytes(blocks[lane].as_chunks().0[word]));
        row(&words)
    });
    let [h0, h1, h2, h3, h4, h5, h6, h7] = std::array::from_fn(|word| row(&chaining[word]));
    let [i0, i1, i2, i3] = IV.map(|word| W::splat(simd, word));
    // The counter of chunks is 0: there is one.
    let counter = W::splat(simd, 0);
    let begun = [h0, h1, h2, h3, h4, h5, h6, h7, i0, i1, i2, i3, counter, counter, row(lengths), row(flags)];
    let (state, message) = (round(begun, &message), permuted(message));
    let (state, message) = (round(state, &message), permuted(message));
    let (state, message) = (round(state, &message), permuted(message));
    let (state, message) = (round(state, &message), permuted(message));
    let (state, message) = (round(state, &message), permuted(message));
    let (state, message) = (round(state, &message), permuted(message));
    let state = round(state, &message);
    for word in 0..8 {
        (state[word] ^ state[word + 8]).store_slice(&mut chaining[word]);
    }
}

/// Mixes the columns, then the diagonals.
#[inline(always)]
fn round<S: Simd, W: SimdInt<S, Element = u32>>(state: [W; 16], message: &[W; 16]) -> [W; 16] {
    let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3] = state;
    let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = *message;
    let (a0, b0, c0, d0) = mix((a0, b0, c0, d0), m0, m1);
    let (a1, b1, c1, d1) = mix((a1, b1, c1, d1), m2, m3);
    let (a2, b2, c2, d2) = mix((a2, b2, c2, d2), m4, m5);
    let (a3, b3, c3, d3) = mix((a3, b3, c3, d3), m6, m7);
    let (a0, b1, c2, d3) = mix((a0, b1, c2, d3), m8, m9);
    let (a1, b2, c3, d0) = mix((a1, b2, c3, d0), m10, m11);
    let (a2, b3, c0, d1) = mix((a2, b3, c0, d1), m12, m13);
    let (a3, b0, c1, d2) = mix((a3, b0, c1, d2), m14, m15);
    [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
}

type Quarter<W> = (W, W, W, W);

#[inline(always)]
fn mix<S: Simd, W: SimdInt<S, Element = u32>>((a, b, c, d): Quarter<W>, first: W, second: W) -> Quarter<W> {
    let a = a + b + first;
    let d = rotated(d ^ a, 16);
    let c = c + d;
    let b = rotated(b ^ c, 12);
    let a = a + b + second;
    let d = rotated(d ^ a, 8);
    let c = c + d;
    let b = rotated(b ^ c, 7);
    (a, b, c, d)
}

/// Rotated to the right.
#[inline(always)]
fn rotated<S: Simd, W: SimdInt<S, Element = u32>>(word: W, bits: u32) -> W {
    (word >> bits) | (word << (u32::BITS - bits))
}

/// The order of the message's words in the next round.
#[inline(always)]
fn permuted<W: Copy>(message: [W; 16]) -> [W; 16] {
    let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = message;
    [m2, m6, m3, m10, m7, m0, m4, m13, m1, m11, m12, m5, m9, m14, m15, m8]
}
