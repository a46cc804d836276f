//! The compiled module `batpak._batpak`. This file is its table of contents.
#![expect(clippy::doc_markdown, reason = "these comments are Python's docstrings")]
#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod ahead;
mod audit;
mod decimal;
mod decode;
mod draft;
mod encode;
mod errors;
mod event;
mod evidence;
mod folding;
mod keeping;
mod keys;
mod lineage;
mod map_keys;
mod names;
mod numbers;
mod place;
mod proof;
mod proposal;
mod query;
mod receipt;
mod slots;
mod store;
mod testing;
mod types;
mod values;
mod verify;

/// The compiled half of batpak; its public classes are exported by the package.
#[pyo3::pymodule]
mod _batpak {
    #[pymodule_export]
    use super::audit::{AuditHook, start_audit};
    #[pymodule_export]
    use super::draft::Draft;
    #[pymodule_export]
    use super::event::{Event, event_from_record};
    #[pymodule_export]
    use super::evidence::Evidence;
    #[pymodule_export]
    use super::folding::{aggregate, fold};
    #[pymodule_export]
    use super::keeping::{forget, keep, kept, names_kept, report_hash, sign_report, verify_report};
    #[pymodule_export]
    use super::keys::{ExternalSigner, PublicKey, SigningKey};
    #[pymodule_export]
    use super::lineage::depart;
    #[pymodule_export]
    use super::names::{Coordinate, Kind};
    #[pymodule_export]
    use super::place::Place;
    #[pymodule_export]
    use super::proof::{
        inclusion_root, note_verifier_key, parse_checkpoint, parse_note_verifier_key, verify_checkpoint,
        verify_consistency, verify_inclusion,
    };
    #[pymodule_export]
    use super::proposal::{CoreProposal, proposal_commitment};
    #[pymodule_export]
    use super::query::{Ancestors, Events};
    #[pymodule_export]
    use super::receipt::{ReceiptIterator, ReceiptSource, Receipts, receipt_from_bytes};
    #[pymodule_export]
    use super::store::CoreStore;
    #[pymodule_export]
    use super::testing::{Faults, ManualClock, MemoryDisk};
    #[pymodule_export]
    use super::values::{decode_value, encode_value};
    #[pymodule_export]
    use super::verify::{verify_directory, verify_receipt};
}
