//! The audit hook (PEP 578): a compiled function that journals what a program attempts.
//!
//! It never raises, is silent on re-entry and in forked children, and lets go of the interpreter while it writes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use batpak_core::glob::matches;
use batpak_core::header::Encoding;
use batpak_core::proposal::{Causation, Expect, NewEvent};
use batpak_core::value::Value;
use batpak_core::{Coordinate, Kind, Store};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyModule, PyString, PyTuple};

use crate::errors::{detached, mapped};
use crate::store::CoreStore;

/// Category of all audit events; `batpak/audit.py` names the same numbers.
const CATEGORY: u8 = 0xE;
/// Schema version of their payloads.
const VERSION: u16 = 1;
/// Longest text kept of an argument of an included event, in characters.
const REPR_CHARS_MAX: usize = 200;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What is recorded of an event; the numbers are type ids.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    FileOpened = 3,
    ProcessStarted = 4,
    SocketUsed = 5,
    ModuleImported = 6,
    CodeExecuted = 7,
    FileChanged = 8,
    Other = 9,
}

/// The events that are recorded without being asked for.
fn shape_of(event: &str) -> Option<Shape> {
    Some(match event {
        "open" => Shape::FileOpened,
        "import" => Shape::ModuleImported,
        "exec" | "compile" => Shape::CodeExecuted,
        "subprocess.Popen" | "os.system" | "os.exec" | "os.posix_spawn" | "os.spawn" | "os.fork" | "os.forkpty"
        | "os.startfile" | "pty.spawn" => Shape::ProcessStarted,
        "os.remove" | "os.rename" | "os.mkdir" | "os.rmdir" | "os.chmod" | "os.chown" | "os.link" | "os.symlink"
        | "os.truncate" | "os.utime" | "os.chflags" | "os.setxattr" | "os.removexattr" | "tempfile.mkstemp"
        | "tempfile.mkdtemp" => Shape::FileChanged,
        _ if event.starts_with("shutil.") => Shape::FileChanged,
        _ if event.starts_with("socket.") && event != "socket.__new__" && event != "socket.gethostname" => {
            Shape::SocketUsed
        }
        _ => return None,
    })
}

/// A running recording. Any thread may call it; Python does.
#[pyclass(frozen, module = "batpak._batpak")]
pub struct AuditHook {
    store: Arc<Store>,
    coordinate: Coordinate,
    run_id: [u8; 16],
    includes: Vec<String>,
    pid: u32,
    stopped: AtomicBool,
    recorded: AtomicU64,
    dropped: AtomicU64,
    forks: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Marks this thread as inside the hook; what the hook itself causes is not recorded.
struct Inside;

impl Inside {
    fn enter() -> Option<Self> {
        // A thread that is being torn down records nothing more.
        let free = INSIDE.try_with(|inside| !inside.replace(true)).unwrap_or(false);
        free.then_some(Self)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.set(false));
    }
}

#[pymethods]
impl AuditHook {
    /// Python calls this with each event. It returns None, whatever happens.
    fn __call__(&self, event: &Bound<'_, PyAny>, arguments: &Bound<'_, PyAny>) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(Ok(name)) = event.cast::<PyString>().map(|event| event.to_str()) else { return };
        let included = || self.includes.iter().any(|glob| matches(glob.as_bytes(), name.as_bytes()));
        let Some(shape) = shape_of(name).or_else(|| included().then_some(Shape::Other)) else { return };
        if std::process::id() != self.pid {
            return;
        }
        let Some(_inside) = Inside::enter() else { return };
        let Ok(arguments) = arguments.cast::<PyTuple>() else { return };
        if name == "os.fork" || name == "os.forkpty" {
            self.forks.fetch_add(1, Ordering::Relaxed);
        }
        let py = event.py();
        let payload = payload(shape, name, arguments);
        match py.detach(|| self.write(shape, &payload)) {
            Ok(()) => {
                self.recorded.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.last_error.lock().get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Ends the recording; Python keeps calling the hook, and it does nothing.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// How many events were written.
    #[getter]
    fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// How many could not be written.
    #[getter]
    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How often the process forked.
    #[getter]
    fn forks(&self) -> u64 {
        self.forks.load(Ordering::Relaxed)
    }

    /// Why the first of the dropped events could not be written, or None.
    #[getter]
    fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }
}

impl AuditHook {
    fn write(&self, shape: Shape, payload: &Value) -> batpak_core::Result<()> {
        let mut bytes = Vec::new();
        payload.encode(&mut bytes)?;
        let mut proposal = self.store.propose(None)?;
        let event = NewEvent {
            coordinate: &self.coordinate,
            kind: Kind::new(CATEGORY, shape as u16)?,
            payload_version: VERSION,
            encoding: Encoding::Value,
            payload: &bytes,
            correlation_id: Some(self.run_id),
            causation: Some(Causation::Id(self.run_id)),
            key: None,
            expect: Expect::Any,
            metadata: &BTreeMap::new(),
            private: &[],
        };
        proposal.push(&event, self.store.entropy())?;
        let appended = self.store.append(&proposal)?;
        if proposal.promise() == batpak_core::header::Promise::Always {
            self.store.wait_durable(appended.events(), None)?;
        }
        Ok(())
    }
}

/// Starts recording for the run whose first event is `run_id`; every recorded event names it as its cause. `includes` are globs (`*` and `?`) of
/// further audit events. Adds an audit hook to the interpreter, which cannot be removed, only stopped.
#[pyfunction]
pub fn start_audit(
    py: Python<'_>,
    store: &CoreStore,
    run_id: [u8; 16],
    includes: Vec<String>,
) -> PyResult<Py<AuditHook>> {
    let core = store.store();
    let started = detached(py, || core.get(run_id))?;
    let hook = AuditHook {
        coordinate: mapped(py, Coordinate::new(started.entity(), started.scope()))?,
        store: core,
        run_id,
        includes,
        pid: std::process::id(),
        stopped: AtomicBool::new(false),
        recorded: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        forks: AtomicU64::new(0),
        last_error: Mutex::new(None),
    };
    let hook = Py::new(py, hook)?;
    PyModule::import(py, "sys")?.call_method1("addaudithook", (&hook,))?;
    Ok(hook)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn payload(shape: Shape, event: &str, arguments: &Bound<'_, PyTuple>) -> Value {
    let at = |index: usize| arguments.get_item(index).ok();
    let name = |index: usize| at(index).map_or(Value::Null, |argument| name_of(&argument));
    match shape {
        Shape::FileOpened => {
            let fd = at(0).and_then(|argument| argument.extract::<i64>().ok());
            Value::map([
                ("path", if fd.is_some() { Value::Null } else { name(0) }),
                ("fd", fd.map_or(Value::Null, Value::Int)),
                ("mode", at(1).and_then(|mode| mode.extract::<String>().ok()).map_or(Value::Null, Value::Text)),
                ("flags", Value::Int(at(2).and_then(|flags| flags.extract().ok()).unwrap_or(0))),
            ])
        }
        Shape::ModuleImported => Value::map([
            ("module", at(0).and_then(|module| module.extract::<String>().ok()).map_or_else(|| text("?"), Value::Text)),
            ("path", name(1)),
        ]),
        Shape::CodeExecuted if event == "exec" => {
            let code = at(0);
            let attribute = |field: &str| code.as_ref().and_then(|code| code.getattr(field).ok());
            let part = |field: &str| attribute(field).map_or(Value::Null, |value| name_of(&value));
            Value::map([("event", text(event)), ("name", part("co_name")), ("file", part("co_filename"))])
        }
        Shape::CodeExecuted => Value::map([("event", text(event)), ("name", Value::Null), ("file", name(1))]),
        Shape::ProcessStarted => {
            // pty.spawn and os.system give a command; os.spawn gives a mode first.
            let first = usize::from(event == "os.spawn");
            Value::map([
                ("event", text(event)),
                ("program", name(first)),
                ("arguments", Value::List(at(first + 1).map_or_else(Vec::new, |list| names_of(&list)))),
            ])
        }
        Shape::SocketUsed => {
            let socket_first = !matches!(
                event,
                "socket.getaddrinfo"
                    | "socket.gethostbyname"
                    | "socket.gethostbyaddr"
                    | "socket.getnameinfo"
                    | "socket.getservbyname"
                    | "socket.getservbyport"
                    | "socket.sethostname"
            );
            let address = at(usize::from(socket_first)).map(|address| described(&address));
            Value::map([("event", text(event)), ("address", address.map_or(Value::Null, Value::Text))])
        }
        Shape::FileChanged => {
            let two = matches!(event, "os.rename" | "os.link" | "os.symlink") || event.starts_with("shutil.");
            Value::map([("event", text(event)), ("path", name(0)), ("target", if two { name(1) } else { Value::Null })])
        }
        Shape::Other => {
            let arguments = arguments.iter().map(|argument| Value::Text(described(&argument))).collect();
            Value::map([("event", text(event)), ("arguments", Value::List(arguments))])
        }
    }
}

/// A file name, program or argument: text where it is UTF-8, else the operating system's bytes.
fn name_of(value: &Bound<'_, PyAny>) -> Value {
    if value.is_none() {
        return Value::Null;
    }
    if let Ok(string) = value.cast::<PyString>() {
        return match string.to_str() {
            Ok(plain) => text(plain),
            Err(_) => surrogates(string),
        };
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return match std::str::from_utf8(bytes.as_bytes()) {
            Ok(plain) => text(plain),
            Err(_) => Value::Bytes(bytes.as_bytes().to_vec()),
        };
    }
    match value.call_method0("__fspath__") {
        Ok(path) if !path.get_type().is(value.get_type()) => name_of(&path),
        _ => Value::Text(described(value)),
    }
}

fn surrogates(string: &Bound<'_, PyString>) -> Value {
    let bytes = string.call_method1("encode", ("utf-8", "surrogateescape"));
    let bytes = bytes.or_else(|_| string.call_method1("encode", ("utf-8", "surrogatepass")));
    let bytes = bytes.ok().and_then(|bytes| bytes.extract::<Vec<u8>>().ok());
    bytes.map_or_else(|| text("?"), Value::Bytes)
}

fn names_of(list: &Bound<'_, PyAny>) -> Vec<Value> {
    if let Ok(list) = list.cast::<PyList>() {
        return list.iter().map(|item| name_of(&item)).collect();
    }
    if let Ok(tuple) = list.cast::<PyTuple>() {
        return tuple.iter().map(|item| name_of(&item)).collect();
    }
    if list.is_none() { Vec::new() } else { vec![name_of(list)] }
}

/// A short, bounded description of any object. Only built-in types are asked for theirs: nothing of the program runs inside the hook.
fn described(value: &Bound<'_, PyAny>) -> String {
    let plain = |item: &Bound<'_, PyAny>| {
        item.is_none()
            || item.is_exact_instance_of::<PyString>()
            || item.is_exact_instance_of::<PyBytes>()
            || item.is_exact_instance_of::<PyInt>()
            || item.is_exact_instance_of::<PyFloat>()
            || item.is_exact_instance_of::<PyBool>()
    };
    let tuple = value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|item| plain(&item)));
    let repr = (plain(value) || tuple).then(|| value.repr().ok()).flatten();
    let described = repr.map_or_else(
        || {
            format!(
                "<{}>",
                value.get_type().fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
            )
        },
        |repr| repr.to_string_lossy().into_owned(),
    );
    if described.chars().count() <= REPR_CHARS_MAX {
        return described;
    }
    let mut short: String = described.chars().take(REPR_CHARS_MAX).collect();
    short.push('…');
    short
}
