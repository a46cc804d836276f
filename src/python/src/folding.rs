//! Goes through events to one result: a program's fold, or a question that needs no program.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use batpak_core::aggregate::{Aggregate, Measure, Scalar, Term};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyModule, PyString, PyTuple};

use crate::errors::plain;
use crate::event::Event;
use crate::query::Events;
use crate::verify::Signals;

/// `state = step(state, event)` for each event that is left; returns the last state. What `step` raises gets a note that names the event. A state that
/// did not begin with None must not become None: that is a forgotten return.
#[pyfunction]
pub fn fold<'py>(
    py: Python<'py>,
    events: &Events,
    step: &Bound<'py, PyAny>,
    state: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (mut state, optional) = (state.clone(), state.is_none());
    while let Some(event) = events.next(py)? {
        let event = Bound::new(py, event)?;
        state = step.call1((state, &event)).map_err(|error| noted(py, error, &event))?;
        if state.is_none() && !optional {
            let forgotten = PyModule::import(py, "batpak._folding")?.getattr("forgotten")?;
            return Err(PyErr::from_value(forgotten.call1(("the fold", event))?));
        }
    }
    Ok(state)
}

/// The error with a note of the event that it came with.
fn noted(py: Python<'_>, error: PyErr, event: &Bound<'_, Event>) -> PyErr {
    let note = || {
        let (sequence, id) = (event.getattr("sequence")?, event.getattr("event_id")?);
        let note = format!("while folding event {} ({})", sequence.str()?, id.str()?);
        error.value(py).call_method1("add_note", (note,))
    };
    match note() {
        Ok(_) => error,
        Err(other) => other,
    }
}

fn term_of(py: Python<'_>, (what, path): (String, Vec<String>)) -> PyResult<Term> {
    match (what.as_str(), path.as_slice()) {
        ("entity", []) => Ok(Term::Entity),
        ("scope", []) => Ok(Term::Scope),
        ("kind", []) => Ok(Term::Kind),
        ("metadata", [key]) => Ok(Term::Metadata(key.clone())),
        ("payload", [_, ..]) => Ok(Term::Payload(path)),
        _ => Err(plain(py, "InvalidInput", "events are grouped by entity, scope, kind, metadata.KEY or payload.FIELD")),
    }
}

fn measure_of(py: Python<'_>, measure: &str) -> PyResult<Measure> {
    Ok(match measure {
        "count" => Measure::Count,
        "sum" => Measure::Sum,
        "min" => Measure::Min,
        "max" => Measure::Max,
        "first" => Measure::First,
        "last" => Measure::Last,
        _ => return Err(plain(py, "InvalidInput", "a measure is count, sum, min, max, first or last")),
    })
}

fn shown<'py>(py: Python<'py>, scalar: Scalar) -> PyResult<Bound<'py, PyAny>> {
    Ok(match scalar {
        Scalar::Null => py.None().into_bound(py),
        Scalar::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Scalar::Int(value) => value.into_bound_py_any(py)?,
        Scalar::Float(value) => PyFloat::new(py, value).into_any(),
        Scalar::Text(value) => PyString::new(py, &value).into_any(),
        Scalar::Event(value) => value.into_bound_py_any(py)?,
    })
}

/// Threads that share a question if nobody says how many.
const THREADS_USUAL_MAX: NonZeroUsize = NonZeroUsize::new(16).expect("not 0");

/// Answers a question about all events that are left: a list of what each group has in common (terms, then the beginning of its span of time in
/// microseconds) with the answer, in the order of the groups' first events. `first` and `last` are sequences. Nothing of this needs the interpreter. The
/// work is shared by so many threads, or by as many as there are processors. Fields of events of a kind in `lifted` with a lower version than is said there are refused.
#[pyfunction]
#[pyo3(signature = (events, measure, field, by, every_us, threads, lifted))]
#[expect(clippy::too_many_arguments, reason = "they are the parts of one question")]
pub fn aggregate<'py>(
    py: Python<'py>,
    events: &Events,
    measure: &str,
    field: Option<Vec<String>>,
    by: Vec<(String, Vec<String>)>,
    every_us: Option<u64>,
    threads: Option<NonZeroUsize>,
    lifted: HashMap<u16, u16>,
) -> PyResult<Vec<(Bound<'py, PyTuple>, Bound<'py, PyAny>)>> {
    let by = by.into_iter().map(|term| term_of(py, term)).collect::<PyResult<Vec<_>>>()?;
    if every_us == Some(0) {
        return Err(plain(py, "InvalidInput", "a span of time is longer than nothing"));
    }
    let asked = Aggregate { measure: measure_of(py, measure)?, field, by, every_us, lifted };
    let usual = || available_parallelism().unwrap_or(NonZeroUsize::MIN).min(THREADS_USUAL_MAX);
    let threads = threads.unwrap_or_else(usual);
    let signals = Signals::new();
    let answer = events.with_cursor(py, |cursor| events.store.aggregate(cursor, &asked, threads, &|| signals.came()));
    let groups = signals.settle(answer)?;
    groups
        .into_iter()
        .map(|(common, found)| {
            let common = common.into_iter().map(|part| shown(py, part)).collect::<PyResult<Vec<_>>>()?;
            Ok((PyTuple::new(py, common)?, shown(py, found)?))
        })
        .collect()
}
