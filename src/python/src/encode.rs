//! Walks a Python value and writes its canonical bytes. Exact types only: what has no exact encoding is refused with its path, never coerced.

use batpak_core::value::{Date, DateTime, Duration, Encoder, Time};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::decimal;
use crate::types::{Types, types};

/// What stopped the walk.
pub enum Refusal {
    Core(batpak_core::Error),
    Python(PyErr),
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<batpak_core::Error> for Refusal {
    fn from(error: batpak_core::Error) -> Self {
        Self::Core(error)
    }
}

impl Refusal {
    /// The exception that users see.
    pub fn into_python(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Core(error) => crate::errors::to_python(py, &error),
            Self::Python(error) => error,
        }
    }
}

fn refuse<T>(out: &Encoder<'_>, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Core(out.refuse(reason)))
}

/// Appends the canonical bytes of `value` to `out`; `name` is what errors call it.
pub fn encode(
    value: &Bound<'_, PyAny>,
    name: &'static str,
    out: &mut Vec<u8>,
    allow_nonfinite: bool,
) -> Result<(), Refusal> {
    let mut encoder = Encoder::new(out, allow_nonfinite).named(name);
    walk(value, &mut encoder)?;
    Ok(encoder.finish()?)
}

fn walk(value: &Bound<'_, PyAny>, out: &mut Encoder<'_>) -> Result<(), Refusal> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        out.text(utf8(text, out)?)?;
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        integer(number, out)?;
    } else if let Ok(map) = value.cast_exact::<PyDict>() {
        dict(map, out)?;
    } else if value.is_none() {
        out.null();
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        out.bool(truth.is_true());
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        out.float(number.value())?;
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        out.begin_list(list.len())?;
        for item in list.iter() {
            walk(&item, out)?;
        }
        out.end_list()?;
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        out.bytes(bytes.as_bytes())?;
    } else {
        uncommon(value, out)?;
    }
    Ok(())
}

fn utf8<'a>(text: &'a Bound<'_, PyString>, out: &Encoder<'_>) -> Result<&'a str, Refusal> {
    text.to_str()
        .or_else(|_| refuse(out, "the text holds a lone surrogate and has no UTF-8 form; keep such data as bytes"))
}

fn integer(number: &Bound<'_, PyInt>, out: &mut Encoder<'_>) -> Result<(), Refusal> {
    let mut overflow = 0;
    // SAFETY: `number` is an int, for which this call cannot fail but by overflow.
    let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(number.as_ptr(), &raw mut overflow) };
    if overflow == 0 {
        out.int(small);
        return Ok(());
    }
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let magnitude = number.call_method0("__abs__")?.call_method1("to_bytes", (bits.div_ceil(8), "big"))?;
    Ok(out.big_int(overflow < 0, magnitude.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())?)
}

fn dict(map: &Bound<'_, PyDict>, out: &mut Encoder<'_>) -> Result<(), Refusal> {
    let mut items = Vec::with_capacity(map.len());
    for (key, value) in map.iter() {
        match key.cast_into_exact::<PyString>() {
            Ok(key) => items.push((key, value)),
            Err(error) => {
                let key = error.into_inner();
                return refuse(
                    out,
                    format!("the key {} is {}, and map keys must be str", short_repr(&key), type_name(&key)),
                );
            }
        }
    }
    let mut sorted = Vec::with_capacity(items.len());
    for (key, value) in &items {
        sorted.push((utf8(key, out)?, value));
    }
    sorted.sort_unstable_by(|left, right| left.0.cmp(right.0));
    out.begin_map(sorted.len())?;
    for (key, value) in sorted {
        out.key(key)?;
        walk(value, out)?;
    }
    Ok(out.end_map()?)
}

fn uncommon(value: &Bound<'_, PyAny>, out: &mut Encoder<'_>) -> Result<(), Refusal> {
    let py = value.py();
    let known = types(py)?;
    let class = value.get_type();
    if class.is(&known.datetime) {
        let moment = datetime(value, known, out)?;
        out.datetime(moment);
        Ok(())
    } else if class.is(&known.date) {
        let day = date(value, out)?;
        out.date(day);
        Ok(())
    } else if class.is(&known.time) {
        if !value.getattr("tzinfo")?.is_none() {
            return refuse(out, "a time with a time zone has no exact encoding; use a datetime");
        }
        if value.getattr("fold")?.extract::<u8>()? != 0 {
            return refuse(out, "a time with fold=1 has no exact encoding; use a datetime with its offset");
        }
        let time = time(value, out)?;
        out.time(time);
        Ok(())
    } else if class.is(&known.timedelta) {
        let duration = duration(value, out)?;
        out.duration(duration);
        Ok(())
    } else if class.is(&known.decimal) {
        decimal_value(value, out)
    } else if class.is(&known.uuid) {
        out.uuid(&uuid_bytes(value)?);
        Ok(())
    } else {
        refuse(out, format!("{} has no exact encoding; {}", type_name(value), advice(value, known)?))
    }
}

/// The 16 bytes of a `uuid.UUID`: from the number that it holds, as its own `bytes` is a function of Python.
pub fn uuid_bytes(value: &Bound<'_, PyAny>) -> PyResult<[u8; 16]> {
    value.getattr(intern!(value.py(), "int"))?.extract().map(u128::to_be_bytes)
}

fn advice(value: &Bound<'_, PyAny>, known: &Types) -> PyResult<&'static str> {
    let py = value.py();
    Ok(if value.is_instance(known.enumeration.bind(py))? {
        "pass its .value, or use a typed payload"
    } else if value.is_instance_of::<PyTuple>() {
        "pass a list, or use a typed payload"
    } else if value.hasattr("dtype")? && value.hasattr("tolist")? {
        "pass its .tolist()"
    } else if value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyBytes>()
    {
        "it is a subclass; convert it to the built-in type"
    } else if value.is_instance_of::<PyDict>() {
        "pass dict(...) of it"
    } else if value.is_instance_of::<PyList>() || value.hasattr("__iter__")? {
        "pass a list of what it holds, sorted if it has no order"
    } else {
        "pass a dict, or register a dataclass with @batpak.event"
    })
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().fully_qualified_name().map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

fn short_repr(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string_lossy().chars().take(40).collect())
}

/// The error for a field that the standard library's class could not hold either.
fn in_range<T>(value: Option<T>, out: &Encoder<'_>) -> Result<T, Refusal> {
    value.map_or_else(|| refuse(out, "a field is out of range"), Ok)
}

fn date(value: &Bound<'_, PyAny>, out: &Encoder<'_>) -> Result<Date, Refusal> {
    let field = |name: &str| value.getattr(name);
    in_range(Date::new(field("year")?.extract()?, field("month")?.extract()?, field("day")?.extract()?), out)
}

fn time(value: &Bound<'_, PyAny>, out: &Encoder<'_>) -> Result<Time, Refusal> {
    let field = |name: &str| value.getattr(name);
    let (hour, minute) = (field("hour")?.extract()?, field("minute")?.extract()?);
    in_range(Time::new(hour, minute, field("second")?.extract()?, field("microsecond")?.extract()?), out)
}

fn datetime(value: &Bound<'_, PyAny>, known: &Types, out: &Encoder<'_>) -> Result<DateTime, Refusal> {
    let offset = value.call_method0("utcoffset")?;
    if offset.is_none() {
        return refuse(
            out,
            "a datetime without a time zone names no moment; give it one, for instance datetime.now(timezone.utc)",
        );
    }
    if !offset.get_type().is(&known.timedelta) {
        return refuse(out, "the time zone's utcoffset() is not a timedelta");
    }
    let offset = duration(&offset, out)?;
    let seconds = i64::from(offset.days()) * 86_400 + i64::from(offset.seconds());
    let offset_us = seconds * 1_000_000 + i64::from(offset.microseconds());
    in_range(DateTime::new(date(value, out)?, time(value, out)?, offset_us), out)
}

fn duration(value: &Bound<'_, PyAny>, out: &Encoder<'_>) -> Result<Duration, Refusal> {
    let field = |name: &str| value.getattr(name);
    let (days, seconds) = (field("days")?.extract()?, field("seconds")?.extract()?);
    in_range(Duration::new(days, seconds, field("microseconds")?.extract()?), out)
}

fn decimal_value(value: &Bound<'_, PyAny>, out: &mut Encoder<'_>) -> Result<(), Refusal> {
    let parts = value.call_method0("as_tuple")?;
    let Ok(exponent) = parts.getattr("exponent")?.extract::<i64>() else {
        return refuse(out, "a Decimal that is not finite has no exact encoding");
    };
    let negative = parts.getattr("sign")?.extract::<u8>()? == 1;
    let digits: Vec<u8> = parts.getattr("digits")?.extract::<Vec<u8>>()?;
    let Some(magnitude) = decimal::magnitude(&digits) else {
        return refuse(out, "the Decimal has too many digits");
    };
    Ok(out.decimal(negative, exponent, &magnitude)?)
}
