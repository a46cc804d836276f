//! Builds Python values from canonical bytes.

use batpak_core::value::{DateTime, Decoder, Token};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::decimal;
use crate::errors::{mapped, plain};
use crate::map_keys::MapKeys;
use crate::types::types;

/// The value that these bytes are.
pub fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut decoder = Decoder::new(bytes);
    let value = next(py, &mut decoder, &mut MapKeys::borrow())?;
    mapped(py, decoder.finish())?;
    Ok(value)
}

/// Recursion is as deep as the value, which the decoder bounds.
fn next<'py>(py: Python<'py>, decoder: &mut Decoder<'_>, keys: &mut MapKeys) -> PyResult<Bound<'py, PyAny>> {
    Ok(match mapped(py, decoder.next())? {
        Token::Text(text) => PyString::new(py, text).into_any(),
        Token::Int(number) => number.into_pyobject(py)?.into_any(),
        Token::Map(count) => {
            let map = PyDict::new(py);
            for _ in 0..count {
                let key = keys.get(py, mapped(py, decoder.key())?);
                map.set_item(key, next(py, decoder, keys)?)?;
            }
            map.into_any()
        }
        Token::List(count) => {
            let list = PyList::empty(py);
            for _ in 0..count {
                list.append(next(py, decoder, keys)?)?;
            }
            list.into_any()
        }
        Token::Null => py.None().into_bound(py),
        Token::Bool(truth) => PyBool::new(py, truth).to_owned().into_any(),
        Token::Float(number) => PyFloat::new(py, number).into_any(),
        Token::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Token::BigInt { negative, magnitude } => {
            let number = py.get_type::<PyInt>().call_method1("from_bytes", (PyBytes::new(py, magnitude), "big"))?;
            if negative { number.call_method0("__neg__")? } else { number }
        }
        Token::DateTime(moment) => datetime(py, moment)?,
        Token::Date(date) => types(py)?.date.bind(py).call1((date.year(), date.month(), date.day()))?,
        Token::Time(time) => {
            let fields = (time.hour(), time.minute(), time.second(), time.microsecond());
            types(py)?.time.bind(py).call1(fields)?
        }
        Token::Duration(span) => {
            types(py)?.timedelta.bind(py).call1((span.days(), span.seconds(), span.microseconds()))?
        }
        Token::Decimal { negative, exponent, magnitude } => {
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{}E{exponent}", decimal::digits(magnitude));
            let made = types(py)?.decimal.bind(py).call1((text,));
            // Whether an impossible exponent raises or gives a NaN is up to the caller's decimal context.
            match made {
                Ok(decimal) if decimal.call_method0("is_finite")?.is_truthy()? => decimal,
                _ => return Err(plain(py, "InvalidEncoding", "the exponent is outside what a Decimal can hold")),
            }
        }
        Token::Uuid(bytes) => uuid(py, &bytes)?,
    })
}

fn datetime<'py>(py: Python<'py>, moment: DateTime) -> PyResult<Bound<'py, PyAny>> {
    let known = types(py)?;
    let zone = if moment.offset_us() == 0 {
        known.utc.bind(py).clone()
    } else {
        let offset = known.timedelta.bind(py).call1((0, 0, moment.offset_us()))?;
        known.timezone.bind(py).call1((offset,))?
    };
    let (date, time) = (moment.date(), moment.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    let fields = (year, month, day, time.hour(), time.minute(), time.second(), time.microsecond(), zone);
    known.datetime.bind(py).call1(fields)
}

/// A `uuid.UUID`.
pub fn uuid<'py>(py: Python<'py>, bytes: &[u8; 16]) -> PyResult<Bound<'py, PyAny>> {
    crate::receipt::shapes(py)?.uuid(py, bytes)
}
