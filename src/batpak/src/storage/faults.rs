//! A script: which calls to a storage fail and how. It also remembers which calls were made.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::glob;

/// The verbs that count as calls, as errors name them. `sync` is of a file or of a directory, `create` opens a new file.
pub const OPERATIONS: [&str; 12] = [
    "create",
    "create directory",
    "list",
    "lock",
    "map",
    "open",
    "read",
    "remove",
    "rename",
    "sync",
    "truncate",
    "write",
];

/// What becomes of a call that a fault hits. All of them report an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing happens.
    Fails,
    /// It happens all the same.
    FailsAfter,
    /// A write writes only this many bytes; any other call fails.
    ShortWrite(usize),
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which call, counted from 1 among those that it is about.
    pub call: u64,
    /// What becomes of it.
    pub effect: Effect,
    /// The operating system's number in the error: [`Fault::EIO`], [`Fault::ENOSPC`] or another one of Linux.
    pub errno: i32,
    /// Whether every later call that it is about shares its fate.
    pub forever: bool,
    /// Which verb it is about, one of [`OPERATIONS`]; `None` for all.
    pub operation: Option<&'static str>,
    /// A glob of names that it is about; `None` for all. A rename is about its first name.
    pub names: Option<String>,
}

impl Fault {
    /// The number of "Input/output error".
    pub const EIO: i32 = 5;
    /// The number of "Permission denied".
    pub const EACCES: i32 = 13;
    /// The number of "No space left on device".
    pub const ENOSPC: i32 = 28;
    /// The number of "Read-only file system".
    pub const EROFS: i32 = 30;
    /// The number of "Disk quota exceeded".
    pub const EDQUOT: i32 = 122;

    /// Hits this call alone, with `EIO`.
    #[must_use]
    pub fn once(call: u64, effect: Effect) -> Self {
        Self { call, effect, errno: Self::EIO, forever: false, operation: None, names: None }
    }

    /// Hits this call and all later ones, with `EIO`.
    #[must_use]
    pub fn forever(call: u64, effect: Effect) -> Self {
        Self { forever: true, ..Self::once(call, effect) }
    }

    /// The same with another number.
    #[must_use]
    pub fn with_errno(self, errno: i32) -> Self {
        Self { errno, ..self }
    }

    /// The same about one verb alone.
    #[must_use]
    pub fn of(self, operation: &'static str) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// The same about names that match a glob alone.
    #[must_use]
    pub fn on(self, names: impl Into<String>) -> Self {
        Self { names: Some(names.into()), ..self }
    }

    fn is_about(&self, operation: &str, name: &str) -> bool {
        self.operation.is_none_or(|own| own == operation)
            && self.names.as_ref().is_none_or(|names| glob::matches(names.as_bytes(), name.as_bytes()))
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its place among all calls, from 1.
    pub number: u64,
    /// The verb, one of [`OPERATIONS`].
    pub operation: &'static str,
    /// The file or directory, as it was called at that moment; `""` is the journal's own directory.
    pub name: Arc<str>,
    /// How many bytes it was to write; 0 for anything but a write.
    pub bytes: usize,
    /// Whether a fault hit it.
    pub failed: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.operation)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " {}", self.name) }
    }
}

/// A script, and the record of the calls that it saw. A clone is the same script; any number of storages may follow it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    calls: Vec<Call>,
    armed: Vec<Armed>,
    /// Bytes that writes may still write, if that is limited.
    space: Option<usize>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// Calls that it is about and that were made.
    seen: u64,
}

impl Armed {
    /// Counts a call, and says whether the fault hits it.
    fn hits(&mut self, operation: &str, name: &str) -> bool {
        if !self.fault.is_about(operation, name) {
            return false;
        }
        self.seen += 1;
        if self.fault.forever { self.fault.call <= self.seen } else { self.fault.call == self.seen }
    }
}

impl Faults {
    /// With these faults, which may be none. If two hit a call, the first decides.
    #[must_use]
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let armed = faults.into_iter().map(|fault| Armed { fault, seen: 0 }).collect();
        Self { script: Arc::new(Mutex::new(Script { armed, ..Script::default() })) }
    }

    /// Adds a fault that counts the calls made before as well.
    pub fn arm(&self, fault: Fault) {
        let mut script = self.script.lock();
        let seen = script.calls.iter().filter(|call| fault.is_about(call.operation, &call.name)).count() as u64;
        script.armed.push(Armed { fault, seen });
    }

    /// Adds a fault that counts from now: 1 is the next call.
    pub fn arm_from_now(&self, fault: Fault) {
        self.script.lock().armed.push(Armed { fault, seen: 0 });
    }

    /// Room for `bytes` more bytes: the write that needs more writes what fits and fails with `ENOSPC`, as does every later
    /// one. Nothing frees space again but [`heal`](Self::heal).
    pub fn limit_space(&self, bytes: usize) {
        self.script.lock().space = Some(bytes);
    }

    /// Ends all faults, and gives the disk space again. The record of calls stays.
    pub fn heal(&self) {
        let mut script = self.script.lock();
        script.armed.clear();
        script.space = None;
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.script.lock().calls.len() as u64
    }

    /// The calls that were made, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Call> {
        self.script.lock().calls.clone()
    }

    /// The first call that a fault hit, like `7: sync segments/00000000000000000000.log`; `None` while none was.
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        self.script.lock().calls.iter().find(|call| call.failed).map(ToString::to_string)
    }

    /// Records a call that wants to write `bytes` bytes, and says what becomes of it: the effect and the number, or `None`.
    pub(super) fn count(&self, operation: &'static str, name: &Arc<str>, bytes: usize) -> Option<(Effect, i32)> {
        let mut script = self.script.lock();
        let mut decided = None;
        for armed in &mut script.armed {
            // Every fault counts the call, whichever decides it.
            if armed.hits(operation, name) {
                decided = decided.or(Some((armed.fault.effect, armed.fault.errno)));
            }
        }
        let wanted = match decided {
            None | Some((Effect::FailsAfter, _)) => bytes,
            Some((Effect::ShortWrite(limit), _)) => bytes.min(limit),
            Some((Effect::Fails, _)) => 0,
        };
        let fits = script.space.unwrap_or(usize::MAX).min(wanted);
        script.space = script.space.map(|space| space - fits);
        if fits < wanted {
            decided = Some((Effect::ShortWrite(fits), Fault::ENOSPC));
        }
        let number = script.calls.len() as u64 + 1;
        script.calls.push(Call { number, operation, name: Arc::clone(name), bytes, failed: decided.is_some() });
        decided
    }
}
