//! What a stranger can check without the journal: roots, audit paths, consistency proofs, checkpoints (FORMAT.md section 18).

pub mod checkpoint;
pub mod note;
pub mod paths;
pub mod policy;

pub(crate) mod anchors;
pub(crate) mod nodes;
pub(crate) mod notary;
pub(crate) mod pins;
pub(crate) mod vouched;

mod store;
mod tiles;

pub use checkpoint::Checkpoint;
pub use note::{Note, parse_signer_key, signer_key};
pub use policy::Policy;
pub use store::{Consistency, Inclusion};
