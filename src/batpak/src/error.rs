//! Everything that can go wrong, as data; the text tells the user what to do.

use std::fmt;

use crate::hash::{Hash, hex};
use crate::proposal::Expect;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What the operating system refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFailure {
    /// The verb of `storage/` that failed: `read`, `write`, `sync` ...
    pub operation: &'static str,
    /// The file or directory.
    pub path: String,
    /// The operating system's number, if it gave one.
    pub errno: Option<i32>,
    /// The kind that the standard library makes of it.
    pub kind: std::io::ErrorKind,
    /// The operating system's text.
    pub message: String,
}

/// What the log was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The last checkpoint in the journal's own directory.
    Checkpoint,
    /// The highest checkpoint that was seen, remembered elsewhere.
    Pin,
}

/// Why an operation was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields' names say it, and each variant's line says what happened")]
pub enum Error {
    /// An entity or scope breaks a rule.
    InvalidCoordinate { field: &'static str, reason: String },
    /// Not a kind, or one that users may not write.
    InvalidKind { reason: String },
    /// A payload holds something without an exact encoding.
    InvalidValue { path: String, reason: String },
    /// Bytes that are not the one canonical encoding of what they should be.
    InvalidEncoding { what: &'static str, offset: usize, reason: &'static str },
    /// Text or bytes that are not a checkpoint, a note or a proof.
    InvalidProof { what: &'static str, reason: String },
    /// Bytes that are not a receipt.
    InvalidReceipt { reason: String },
    /// Larger than a documented maximum.
    LimitExceeded { what: &'static str, actual: u64, limit: u64 },
    /// An argument that cannot be accepted.
    InvalidInput { reason: String },
    /// The last event of an entity is not the one that the append expected.
    ExpectationFailed { entity: String, expected: Expect, actual: Option<u64> },
    /// Another event was written under the same idempotency key.
    KeyConflict { sequence: u64, reason: String },
    /// No such event.
    EventNotFound { reference: String },
    /// A signed journal was opened for writing without its key.
    KeyRequired { key_id: String },
    /// A key was given for a journal that was written without one.
    KeyNotInJournal,
    /// A key that is kept elsewhere did not sign: nothing was written.
    SignerFailed { reason: String },
    /// The key is not the journal's.
    WrongKey { key_id: String },
    /// Bytes that are not an Ed25519 key.
    InvalidKey { reason: String },
    /// The directory holds something else, or nothing.
    NotAJournal { path: String, reason: String },
    /// Another writer has the journal open.
    Locked { path: String, pid: Option<u32> },
    /// Used after close.
    Closed,
    /// A write through a read-only store.
    ReadOnly,
    /// Used in a forked child.
    Forked,
    /// An earlier write or sync failed.
    Poisoned { reason: String },
    /// Written by newer software.
    UnsupportedFormat { file: String, version: u16 },
    /// Bytes are damaged, missing or were changed.
    Damaged { file: String, offset: u64, sequence: Option<u64>, reason: String },
    /// The log is shorter than, or different from, what was said of it.
    HistoryChanged { anchor: Anchor, size: u64, root: Hash, log_size: u64, log_root: Option<Hash> },
    /// A file that can be made again is damaged, and was not made again yet.
    IndexDamaged { file: String },
    /// What a reader had seen was cut off by the writer's recovery.
    Rewound { from: u64, to: u64 },
    /// The operating system refused.
    Storage(StorageFailure),
    /// The caller asked to stop.
    Interrupted,
}

const KEY_NOT_IN_JOURNAL: &str = "this journal was written without a key; if it should have one, another was put in its place: verify it \
                                  against a checkpoint that you hold; to sign it from now on, and its history with it, open it once with adopt_key=True";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidCoordinate { field, reason } => write!(f, "{field}: {reason}"),
            Self::InvalidKind { reason } | Self::InvalidInput { reason } => f.write_str(reason),
            Self::InvalidValue { path, reason } => write!(f, "{path}: {reason}"),
            Self::InvalidEncoding { what, offset, reason } => {
                write!(f, "not a canonical {what}: {reason} at byte {offset}")
            }
            Self::InvalidProof { what, reason } => write!(f, "not a {what}: {reason}"),
            Self::HistoryChanged { anchor, size, root, log_size, log_root } => {
                let said_by = match anchor {
                    Anchor::Checkpoint => "the journal's last checkpoint",
                    Anchor::Pin => "the pin of this journal",
                };
                write!(f, "{said_by} covers {size} events with root {}, and the log has ", hex(root))?;
                match log_root {
                    None => write!(f, "{log_size} events: it was cut, or an old copy was put in its place")?,
                    Some(found) => write!(f, "root {} there: it was changed", hex(found))?,
                }
                f.write_str(
                    "; nothing was changed now; find out who did, and restore the journal from a copy that is whole; if this is an old copy, \
                     restored because there is none, its owner may go on with it and say so: batpak.accept_restore",
                )
            }
            Self::InvalidReceipt { reason } => write!(f, "not a receipt: {reason}"),
            Self::LimitExceeded { what, actual, limit } => {
                write!(f, "{what} is {actual}, and at most {limit} is allowed; nothing was written")
            }
            Self::ExpectationFailed { entity, expected, actual } => {
                let expected = match expected {
                    Expect::Any => "anything".to_owned(),
                    Expect::New => "no event yet".to_owned(),
                    Expect::Clock(clock) => format!("clock {clock}"),
                };
                let actual = actual.map_or("it has no event".to_owned(), |clock| format!("it is at clock {clock}"));
                write!(
                    f,
                    "{entity}: expected {expected}, and {actual}; nothing was written; read the entity again and decide anew"
                )
            }
            Self::KeyConflict { sequence, reason } => {
                write!(f, "event {sequence} was written under this idempotency key, and {reason}; nothing was written")
            }
            Self::EventNotFound { reference } => write!(f, "no event {reference} in this journal"),
            Self::KeyRequired { key_id } => write!(
                f,
                "this journal is signed by key {key_id}; pass signing_key= to write to it, or open it with read_only=True"
            ),
            Self::KeyNotInJournal => f.write_str(KEY_NOT_IN_JOURNAL),
            Self::SignerFailed { reason } => write!(f, "the signer did not sign, so nothing was written: {reason}"),
            Self::WrongKey { key_id } => {
                write!(f, "this journal is signed by key {key_id}, and the key given is another one")
            }
            Self::InvalidKey { reason } => write!(f, "not a usable Ed25519 key: {reason}"),
            Self::NotAJournal { path, reason } => write!(f, "{path} is not a journal: {reason}"),
            Self::Locked { path, pid: Some(pid) } => {
                write!(f, "{path} is open for writing in process {pid}; close it there, or open it with read_only=True")
            }
            Self::Locked { path, pid: None } => {
                write!(
                    f,
                    "{path} is open for writing in another process; close it there, or open it with read_only=True"
                )
            }
            Self::Closed => f.write_str("this store is closed; open the journal again"),
            Self::ReadOnly => f.write_str("this store was opened with read_only=True; open the journal again to write"),
            Self::Forked => f.write_str("this store was opened before a fork; open the journal in the child itself"),
            Self::Poisoned { reason } => {
                write!(f, "writing ended after a failure ({reason}); open the journal again to recover")
            }
            Self::UnsupportedFormat { file, version } => {
                write!(
                    f,
                    "{file} has format version {version}, which this version of batpak does not know; upgrade batpak"
                )
            }
            Self::Damaged { file, offset, sequence: Some(sequence), reason } => write!(
                f,
                "{file}, byte {offset}, event {sequence}: {reason}; nothing was changed; restore the file from a copy, or run `batpak verify` for the whole picture"
            ),
            Self::Damaged { file, offset, sequence: None, reason } => write!(
                f,
                "{file}, byte {offset}: {reason}; nothing was changed; restore the file from a copy, or run `batpak verify` for the whole picture"
            ),
            Self::IndexDamaged { file } => {
                write!(
                    f,
                    "{file} is damaged; delete it and open the journal for writing: it is made again from the log"
                )
            }
            Self::Rewound { from, to } => write!(
                f,
                "of the {from} events that this reader had seen, the first {to} still stand: a crash took events that were never synced, or \
                 an older copy was put in the journal's place; discard what you derived from the others and go on"
            ),
            Self::Storage(failure) => {
                write!(f, "cannot {} {}: {}", failure.operation, failure.path, failure.message)
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

impl From<StorageFailure> for Error {
    fn from(failure: StorageFailure) -> Self {
        Self::Storage(failure)
    }
}
